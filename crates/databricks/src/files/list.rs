//! What is in a directory, page by page.

use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
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
pub(super) fn list(client: Client, request: &ListRequest) -> BoxStream<'static, Result<DirectoryEntry>> {
    let path = match request.check() {
        Ok(path) => path,
        Err(error) => return stream::iter([Err(error)]).boxed(),
    };
    let size = request.page_size;
    let pages = stream::try_unfold(Some(String::new()), move |token| {
        let (client, path) = (client.clone(), path.clone());
        async move {
            let Some(token) = token else { return Ok(None) };
            let page = client.directory_page(path.as_str(), size, &token).await?;
            if !token.is_empty() && page.next_page_token == token {
                return Err(Error::new(
                    ErrorKind::Protocol,
                    "the listing goes in circles: a page names itself as the next",
                )
                .with_context("path", path.as_str().to_owned()));
            }
            let next = (!page.next_page_token.is_empty()).then_some(page.next_page_token);
            Ok(Some((stream::iter(page.contents.into_iter().map(|item| Ok(item.into()))), next)))
        }
    });
    pages.try_flatten().boxed()
}
