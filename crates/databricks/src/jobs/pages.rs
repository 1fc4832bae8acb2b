//! Lists that come in pages.

use std::collections::VecDeque;

use futures::{StreamExt as _, stream, stream::BoxStream};
use serde::{Deserialize, de::DeserializeOwned};
use twinhouse_core::{Error, ErrorKind, Result, http::Method, resilience::Operation};

use super::{
    Jobs,
    macros::{Object, loose},
    run::{Job, Run},
};
use crate::api::client::JOBS;

/// A page of a list: its entries, and where the next is. A page without entries is not the last one.
pub(super) trait Page: DeserializeOwned + Send + 'static {
    type Entry: Send + 'static;

    fn open(self) -> (Vec<Self::Entry>, String);
}

#[derive(Deserialize)]
pub(super) struct RunPage {
    #[serde(default, deserialize_with = "loose")]
    runs: Vec<Run>,
    #[serde(default, deserialize_with = "loose")]
    next_page_token: String,
}

#[derive(Deserialize)]
pub(super) struct JobPage {
    #[serde(default, deserialize_with = "loose")]
    jobs: Vec<Job>,
    #[serde(default, deserialize_with = "loose")]
    next_page_token: String,
}

impl Page for RunPage {
    type Entry = Run;

    fn open(self) -> (Vec<Run>, String) {
        (self.runs, self.next_page_token)
    }
}

impl Page for JobPage {
    type Entry = Job;

    fn open(self) -> (Vec<Job>, String) {
        (self.jobs, self.next_page_token)
    }
}

/// A list under way: no more of it is in memory than a page.
struct Listing<P: Page> {
    jobs: Jobs,
    operation: &'static str,
    path: &'static [&'static str],
    query: Vec<(&'static str, String)>,
    found: VecDeque<P::Entry>,
    /// `None`: there is no further page.
    token: Option<String>,
}

impl<P: Page> Listing<P> {
    async fn next(&mut self) -> Result<Option<P::Entry>> {
        loop {
            if let Some(entry) = self.found.pop_front() {
                return Ok(Some(entry));
            }
            let Some(token) = self.token.take() else { return Ok(None) };
            let mut request = self.jobs.call(Method::GET, self.path);
            request = request.with_query(self.query.iter().map(|(key, value)| (*key, value.as_str())));
            if !token.is_empty() {
                request = request.with_query([("page_token", token.as_str())]);
            }
            let operation = Operation::read(self.operation).with_class(JOBS);
            let Object(page) = self.jobs.client.json::<Object<P>>(operation, request).await?;
            let (entries, next) = page.open();
            self.token = following(&token, next)?;
            self.found = entries.into();
        }
    }
}

/// The token of the page after the one with `token`. A page that leads to itself would never end.
pub(super) fn following(token: &str, next: String) -> Result<Option<String>> {
    if next.is_empty() {
        return Ok(None);
    }
    if next == token {
        return Err(Error::new(ErrorKind::Protocol, "the next page of the list is the page itself"));
    }
    Ok(Some(next))
}

/// Streams a list; one error ends it.
pub(super) fn stream<P: Page>(
    jobs: &Jobs,
    operation: &'static str,
    path: &'static [&'static str],
    query: Result<Vec<(&'static str, String)>>,
) -> BoxStream<'static, Result<P::Entry>> {
    let query = match query {
        Ok(query) => query,
        Err(error) => return stream::iter([Err(error)]).boxed(),
    };
    let listing =
        Listing::<P> { jobs: jobs.clone(), operation, path, query, found: VecDeque::new(), token: Some(String::new()) };
    stream::try_unfold(listing, |mut listing| async move { Ok(listing.next().await?.map(|entry| (entry, listing))) })
        .boxed()
}
