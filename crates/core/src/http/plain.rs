//! The client for presigned links.

use std::{fmt, time::Duration};

use ::http::{HeaderName, HeaderValue, Method, header};
use url::Url;

use super::{Body, Request, Response, client::Wire};
use crate::{Error, ErrorKind, Result, Secret};

/// A presigned link and the headers that the service wants with it. Both are secret and do not print.
#[derive(Clone)]
#[must_use]
pub struct Link {
    url: Secret,
    headers: Vec<(String, Secret)>,
}

impl Link {
    /// This link.
    pub fn new(url: impl Into<Secret>) -> Self {
        Self { url: url.into(), headers: Vec::new() }
    }

    /// Sends this header with it.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends these headers with it.
    pub fn with_headers<N, V>(mut self, headers: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<Secret>,
    {
        self.headers.extend(headers.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    fn request(&self, method: Method) -> Result<Request> {
        let url = Url::parse(self.url.expose())
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| Error::new(ErrorKind::Protocol, "the presigned link is not an HTTP address"))?;
        let mut request = Request::new(method, url);
        for (name, value) in &self.headers {
            let malformed = || {
                Error::new(ErrorKind::Protocol, "a header that goes with the presigned link is malformed")
                    .with_context("header", name.clone())
            };
            let key: HeaderName = name.parse().map_err(|_| malformed())?;
            if [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE].contains(&key) {
                return Err(Error::new(ErrorKind::Protocol, "a presigned link must not carry a credential of its own")
                    .with_context("header", name.clone()));
            }
            let mut value: HeaderValue = value.expose().parse().map_err(|_| malformed())?;
            value.set_sensitive(true);
            request = request.with_header(key, value);
        }
        Ok(request)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Link").field("url", &self.url).field("headers", &names).finish()
    }
}

/// Follows presigned links: no credential, no cookie, no redirect, and no address in any error, span or `Debug`.
///
/// [`Http::plain`](super::Http::plain) makes one with the same TLS and proxy settings. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PlainHttp {
    pub(super) wire: Wire,
}

impl PlainHttp {
    /// Fetches what is behind the link. `timeout` bounds the wait for the head of the answer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] if the link or its headers are malformed or carry a credential; failures of the road as
    /// the [module](super) says. An answer with an error status is `Ok`.
    pub async fn get(&self, link: &Link, timeout: Duration) -> Result<Response> {
        self.wire.send(link.request(Method::GET)?.with_timeout(timeout)).await
    }

    /// Uploads to the link. `timeout` bounds the upload and the wait for the head of the answer.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn put(&self, link: &Link, body: Body, timeout: Duration) -> Result<Response> {
        self.wire.send(link.request(Method::PUT)?.with_body(body).with_timeout(timeout)).await
    }

    /// Does with what is behind the link what `method` says. `timeout` bounds the sending and the wait for the head of the
    /// answer.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn request(&self, method: Method, link: &Link, body: Body, timeout: Duration) -> Result<Response> {
        self.wire.send(link.request(method)?.with_body(body).with_timeout(timeout)).await
    }
}
