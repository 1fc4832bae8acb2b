//! `/api/2.0/workspace`.

use serde::{Deserialize, Serialize};

use super::number::{count, nullable};

#[derive(Serialize)]
pub(crate) struct ImportObject<'a> {
    pub(crate) path: &'a str,
    /// Base64.
    pub(crate) content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) language: Option<&'a str>,
    pub(crate) overwrite: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ExportedObject {
    /// Base64.
    #[serde(deserialize_with = "nullable")]
    pub(crate) content: String,
    pub(crate) file_type: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ObjectListing {
    #[serde(deserialize_with = "nullable")]
    pub(crate) objects: Vec<WorkspaceObject>,
}

#[derive(Deserialize)]
pub(crate) struct WorkspaceObject {
    pub(crate) path: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) object_type: String,
    #[serde(default)]
    pub(crate) language: Option<String>,
    #[serde(default, deserialize_with = "count")]
    pub(crate) object_id: Option<u64>,
    #[serde(default)]
    pub(crate) resource_id: Option<String>,
    #[serde(default, deserialize_with = "count")]
    pub(crate) size: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    pub(crate) created_at: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    pub(crate) modified_at: Option<u64>,
}
