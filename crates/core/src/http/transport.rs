//! What carries a request and brings its answer.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{Request, Response, error};
use crate::Result;

/// What carries a request to a server and brings the answer: the network, unless
/// [`HttpBuilder::transport`](super::HttpBuilder::transport) says otherwise.
///
/// It is the place for a program that records what goes to and fro, or that answers in the server's stead. Limits of
/// time are kept above it; retries, credentials and the reading of errors are further above.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends the request, once, and returns the head of the answer, with its body still to be read.
    ///
    /// # Errors
    ///
    /// Failures of the road, with a [`Fault`](crate::Fault) that says whether the server may have done something. An
    /// answer with an error status is `Ok`.
    async fn send(&self, request: Request) -> Result<Response>;
}

#[async_trait]
impl<T: Transport + ?Sized> Transport for Arc<T> {
    async fn send(&self, request: Request) -> Result<Response> {
        (**self).send(request).await
    }
}

/// The network, by reqwest.
pub(super) struct Network {
    pub(super) client: reqwest::Client,
    pub(super) idle_timeout: Duration,
}

#[async_trait]
impl Transport for Network {
    async fn send(&self, request: Request) -> Result<Response> {
        let Request { method, url, headers, body, timeout: _ } = request;
        let host = url.host_str().map(str::to_owned);
        let head_only = method == ::http::Method::HEAD;
        let mut builder = self.client.request(method, url).headers(headers);
        if let Some(body) = body.into_wire() {
            builder = builder.body(body);
        }
        let answer = builder.send().await.map_err(|cause| error::transport(cause, host.as_deref()))?;
        Ok(Response::from_wire(answer, self.idle_timeout, head_only))
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // reqwest's own `Debug` prints default headers.
        f.debug_struct("Network").field("idle_timeout", &self.idle_timeout).finish_non_exhaustive()
    }
}
