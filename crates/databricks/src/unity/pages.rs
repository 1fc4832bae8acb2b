//! Listings, a page at a time.

use futures::{StreamExt as _, stream, stream::BoxStream};
use serde::de::DeserializeOwned;
use twinhouse_core::{Error, ErrorKind, Result, http::Method, resilience::Operation};

use super::Object;
use crate::api::{Client, client::CATALOG};

/// What is listed, as it is read. One page is held at a time. An error is the last item; `None` means that the listing
/// is complete.
pub type Listing<T> = BoxStream<'static, Result<T>>;

/// A page of a listing.
pub(super) trait Page: DeserializeOwned + Send + 'static {
    type Item: Send + 'static;

    /// What is on it, and the token of the next.
    fn into_parts(self) -> (Vec<Self::Item>, String);
}

/// A page whose items are under this key.
macro_rules! page {
    ($page:ident, $key:ident: $item:ty) => {
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        struct $page {
            #[serde(deserialize_with = "crate::wire::nullable")]
            $key: Vec<$item>,
            #[serde(deserialize_with = "crate::wire::nullable")]
            next_page_token: String,
        }

        impl $crate::unity::pages::Page for $page {
            type Item = $item;

            fn into_parts(self) -> (Vec<$item>, String) {
                (self.$key, self.next_page_token)
            }
        }
    };
}

pub(super) use page;

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

struct Walk<P: Page> {
    client: Client,
    operation: &'static str,
    path: Vec<String>,
    query: Query,
    /// The token of the next page; `None` after the last.
    token: Option<String>,
    found: std::vec::IntoIter<P::Item>,
}

/// Everything that is listed at `path`. `max_results` is always sent: without it the service sends everything at once,
/// in an older way. A page may be empty; only a missing token ends the listing.
pub(super) fn list<P: Page>(
    client: &Client,
    operation: &'static str,
    path: &[&str],
    query: Query,
    max_results: u32,
) -> Listing<P::Item> {
    let walk = Walk::<P> {
        client: client.clone(),
        operation,
        path: path.iter().map(|part| (*part).to_owned()).collect(),
        query: query.text("max_results", max_results.to_string()),
        token: Some(String::new()),
        found: Vec::new().into_iter(),
    };
    stream::try_unfold(walk, |mut walk| async move { Ok(walk.next().await?.map(|item| (item, walk))) }).boxed()
}

/// A listing that was refused before anything was asked.
pub(super) fn refused<T: Send + 'static>(error: Error) -> Listing<T> {
    stream::iter([Err(error)]).boxed()
}

impl<P: Page> Walk<P> {
    async fn next(&mut self) -> Result<Option<P::Item>> {
        loop {
            if let Some(item) = self.found.next() {
                return Ok(Some(item));
            }
            let Some(token) = self.token.take() else { return Ok(None) };
            let page = (!token.is_empty()).then_some(("page_token", token.as_str()));
            let request = self
                .client
                .request(Method::GET, self.path.iter().map(String::as_str))
                .with_query(self.query.pairs().chain(page));
            let operation = Operation::read(self.operation).with_class(CATALOG);
            let Object(page) = self.client.json::<Object<P>>(operation, request).await?;
            let (found, next) = page.into_parts();
            if !next.is_empty() && next == token {
                return Err(Error::new(ErrorKind::Protocol, "the listing does not go on: its next page is this one")
                    .with_operation(self.operation));
            }
            self.found = found.into_iter();
            self.token = Some(next).filter(|next| !next.is_empty());
        }
    }
}
