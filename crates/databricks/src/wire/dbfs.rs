//! `/api/2.0/dbfs`.

use serde::Deserialize;

use super::number::{count, nullable};

#[derive(Deserialize)]
pub(crate) struct DbfsCreated {
    #[serde(default, deserialize_with = "count")]
    pub(crate) handle: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct DbfsRead {
    #[serde(deserialize_with = "count")]
    pub(crate) bytes_read: Option<u64>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) data: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct DbfsListing {
    #[serde(deserialize_with = "nullable")]
    pub(crate) files: Vec<DbfsEntry>,
}

#[derive(Deserialize)]
pub(crate) struct DbfsEntry {
    pub(crate) path: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) is_dir: bool,
    #[serde(default, deserialize_with = "count")]
    pub(crate) file_size: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    pub(crate) modification_time: Option<u64>,
}
