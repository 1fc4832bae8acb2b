//! Listings, a page at a time.

use futures::{StreamExt as _, stream, stream::BoxStream};
use twinhouse_core::{Error, Result};

pub(super) use crate::api::pages::page;

/// What is listed, as it is read. One page is held at a time. An error is the last item; `None` means that the listing
/// is complete.
pub type Listing<T> = BoxStream<'static, Result<T>>;

/// A query that is built up: what is left out is not sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    pub(super) fn text(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.0.push((key, value.into()));
        self
    }

    pub(super) fn maybe(self, key: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    /// A switch is sent when it is on.
    pub(super) fn switch(self, key: &'static str, on: bool) -> Self {
        if on { self.text(key, "true") } else { self }
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (*key, value.as_str()))
    }
}

/// A listing that was refused before anything was asked.
pub(super) fn refused<T: Send + 'static>(error: Error) -> Listing<T> {
    stream::iter([Err(error)]).boxed()
}
