//! What there is in the workspace.

use chrono::{DateTime, Utc};

use super::words::{Language, ObjectType};
use crate::wire::WorkspaceObject;

/// A notebook, file, directory or something else of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectInfo {
    /// Its whole path.
    pub path: String,
    /// What it is.
    pub object_type: ObjectType,
    /// A notebook's language.
    pub language: Option<Language>,
    /// Its number.
    pub object_id: Option<u64>,
    /// Its name in other calls of the service.
    pub resource_id: Option<String>,
    /// A file's length, in bytes.
    pub size: Option<u64>,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was last changed.
    pub modified_at: Option<DateTime<Utc>>,
}

impl From<WorkspaceObject> for ObjectInfo {
    fn from(object: WorkspaceObject) -> Self {
        let time = |millis: Option<u64>| {
            millis.and_then(|millis| i64::try_from(millis).ok()).and_then(DateTime::from_timestamp_millis)
        };
        Self {
            path: object.path,
            object_type: object.object_type.as_str().into(),
            language: object.language.as_deref().map(Language::from),
            object_id: object.object_id,
            resource_id: object.resource_id,
            size: object.size,
            created_at: time(object.created_at),
            modified_at: time(object.modified_at),
        }
    }
}
