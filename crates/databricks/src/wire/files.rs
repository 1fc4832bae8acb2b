//! `/api/2.0/fs`.

use serde::{Deserialize, Serialize};
use twinhouse_core::{Secret, http::Link};

use super::number::{count, nullable};

/// An upload that was begun: in parts, or as one stream that can be taken up again.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct UploadBegun {
    pub(crate) multipart_upload: Option<UploadSession>,
    pub(crate) resumable_upload: Option<UploadSession>,
}

#[derive(Deserialize)]
pub(crate) struct UploadSession {
    pub(crate) session_token: Secret,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct PartLinks {
    #[serde(deserialize_with = "nullable")]
    pub(crate) upload_part_urls: Vec<PresignedUrl>,
}

#[derive(Deserialize)]
pub(crate) struct ResumableLink {
    pub(crate) resumable_upload_url: PresignedUrl,
}

#[derive(Deserialize)]
pub(crate) struct AbortLink {
    pub(crate) abort_upload_url: PresignedUrl,
}

#[derive(Deserialize)]
pub(crate) struct PresignedUrl {
    pub(crate) url: Secret,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) headers: Vec<Header>,
    #[serde(default, deserialize_with = "count")]
    pub(crate) part_number: Option<u64>,
}

#[derive(Deserialize)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: Secret,
}

impl PresignedUrl {
    pub(crate) fn into_link(self) -> Link {
        let headers = self.headers.into_iter().map(|header| (header.name, header.value));
        Link::new(self.url).with_headers(headers)
    }
}

/// One part, as the completion names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct UploadedPart {
    pub(crate) part_number: u64,
    pub(crate) etag: String,
}

#[derive(Deserialize)]
pub(crate) struct DirectoryItem {
    pub(crate) path: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) is_directory: bool,
    #[serde(default, deserialize_with = "count")]
    pub(crate) file_size: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    pub(crate) last_modified: Option<u64>,
}
