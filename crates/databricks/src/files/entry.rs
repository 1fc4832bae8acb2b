//! What is known of files and directories.

use chrono::{DateTime, Utc};
use twinhouse_core::http::{HeaderMap, HeaderName, header};

use crate::wire::DirectoryItem;

/// What the service says of a file without sending it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileMetadata {
    /// How long it is, in bytes, where the service says so.
    pub content_length: Option<u64>,
    /// Its media type.
    pub content_type: Option<String>,
    /// When it was last written, to the second.
    pub last_modified: Option<DateTime<Utc>>,
}

impl FileMetadata {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self {
            content_length: text(headers, &header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            content_type: text(headers, &header::CONTENT_TYPE).map(str::to_owned),
            last_modified: text(headers, &header::LAST_MODIFIED).and_then(date),
        }
    }
}

/// A file or directory, as its directory lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryEntry {
    /// Its own name.
    pub name: String,
    /// Its whole path.
    pub path: String,
    /// True for a directory.
    pub is_directory: bool,
    /// How long it is, in bytes; directories have no length.
    pub file_size: Option<u64>,
    /// When it was last written.
    pub last_modified: Option<DateTime<Utc>>,
}

impl From<DirectoryItem> for DirectoryEntry {
    fn from(item: DirectoryItem) -> Self {
        let path = item.path.trim_end_matches('/');
        let name = if item.name.is_empty() { path.rsplit('/').next().unwrap_or_default() } else { &item.name };
        let millis = item.last_modified.and_then(|millis| i64::try_from(millis).ok());
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            is_directory: item.is_directory,
            file_size: item.file_size.filter(|_| !item.is_directory),
            last_modified: millis.and_then(DateTime::from_timestamp_millis),
        }
    }
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text).ok().map(|date| date.to_utc())
}
