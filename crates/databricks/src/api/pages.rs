//! Lists that come in pages.

use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use serde::de::DeserializeOwned;
use twinhouse_core::{Error, ErrorKind, Result, http::Request, resilience::Operation};

use super::Client;

/// A page of a list. One without entries is not the last: that is the one without a token.
pub(crate) trait Page: DeserializeOwned + Send + 'static {
    type Item: Send + 'static;

    /// What is on it, and the token of the next.
    fn into_parts(self) -> (Vec<Self::Item>, String);
}

/// A page whose entries are under this key. Missing and `null` is the same.
macro_rules! page {
    ($vis:vis $page:ident, $key:ident: $item:ty) => {
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        $vis struct $page {
            #[serde(deserialize_with = "crate::wire::nullable")]
            $key: Vec<$item>,
            #[serde(deserialize_with = "crate::wire::nullable")]
            next_page_token: String,
        }

        impl $crate::api::pages::Page for $page {
            type Item = $item;

            fn into_parts(self) -> (Vec<$item>, String) {
                (self.$key, self.next_page_token)
            }
        }
    };
}

pub(crate) use page;

/// Everything that is listed in answer to this request, a page at a time as it is asked for. An error is the last item.
pub(crate) fn list<P: Page>(
    client: &Client,
    operation: Operation,
    request: Result<Request>,
) -> BoxStream<'static, Result<P::Item>> {
    let (client, request) = match request {
        Ok(request) => (client.clone(), request),
        Err(error) => return stream::iter([Err(error)]).boxed(),
    };
    let pages = stream::try_unfold(Some(String::new()), move |token| {
        let (client, operation, request) = (client.clone(), operation.clone(), request.clone());
        async move {
            let Some(token) = token else { return Ok(None) };
            let request = request.with_query((!token.is_empty()).then_some(("page_token", token.as_str())));
            let name = operation.name();
            let page: P = client.json(operation, request).await?;
            let (found, next) = page.into_parts();
            let next = following(&token, next).map_err(|error| error.with_operation(name))?;
            Ok(Some((stream::iter(found).map(Ok), next)))
        }
    });
    pages.try_flatten().boxed()
}

/// The token of the page after the one with `token`; the first has none. A page that leads to itself would never end.
pub(crate) fn following(token: &str, next: String) -> Result<Option<String>> {
    if next.is_empty() {
        return Ok(None);
    }
    if next == token {
        return Err(Error::new(ErrorKind::Protocol, "the list does not go on: its next page is this one"));
    }
    Ok(Some(next))
}
