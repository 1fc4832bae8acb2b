//! What is in a directory, page by page.

use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use twinhouse_core::{Error, ErrorKind, Result};

use super::{entry::DirectoryEntry, path::VolumePath};
use crate::api::Client;

/// The largest page of the service.
const LARGEST_PAGE: u16 = 1000;

/// A directory to be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListRequest {
    /// Which: `/Volumes/<catalog>/<schema>/<volume>/…`, or the volume itself.
    pub path: String,
    /// How many entries a page has at most, from 1 to 1000. Default: the service's choice.
    pub page_size: Option<u16>,
}

impl ListRequest {
    /// All that is in this directory, and not below.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), page_size: None }
    }

    /// How many entries a page has at most.
    #[must_use]
    pub fn with_page_size(mut self, entries: u16) -> Self {
        self.page_size = Some(entries);
        self
    }

    fn check(&self) -> Result<VolumePath> {
        if self.page_size.is_some_and(|size| !(1..=LARGEST_PAGE).contains(&size)) {
            return Err(Error::new(ErrorKind::InvalidInput, "`page_size` must be a number from 1 to 1000")
                .with_context("field", "page_size"));
        }
        VolumePath::directory(&self.path)
    }
}

impl From<&str> for ListRequest {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

/// One page at a time; empty ones are passed over.
pub(super) fn list(client: &Client, request: &ListRequest) -> BoxStream<'static, Result<DirectoryEntry>> {
    let path = request.check();
    client
        .directory(path.as_ref().map(VolumePath::as_str).map_err(Error::clone), request.page_size)
        .map_ok(Into::into)
        .boxed()
}
