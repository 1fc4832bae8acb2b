//! What came back.

use std::{fmt, time::Duration};

use ::http::{HeaderMap, StatusCode, Version, header};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use serde::de::DeserializeOwned;

use super::{error, retry_after};
use crate::{Error, ErrorKind, Result};

/// The bytes of an answer as they come. It ends with `None` only when the answer is complete; a cut answer ends with
/// one `Err`.
pub type BodyStream = BoxStream<'static, Result<Bytes>>;

/// An answer: its head, and its body still to be read.
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: BodyStream,
    /// False for an answer that has no body by definition, such as one to `HEAD`.
    has_body: bool,
}

impl Response {
    /// An answer that a [`Transport`](super::Transport) makes. A length that the headers announce is the body's to
    /// keep: `body` must end with an `Err` where it is cut short.
    pub fn new(status: StatusCode, headers: HeaderMap, body: BodyStream) -> Self {
        Self { status, headers, body, has_body: has_body(status, false) }
    }

    /// What came over the network.
    pub(super) fn from_wire(mut answer: reqwest::Response, idle_timeout: Duration, head_only: bool) -> Self {
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        let has_body = has_body(status, head_only);
        let end_is_certain = !has_body
            || !status.is_success()
            || answer.version() > Version::HTTP_11
            || headers.contains_key(header::CONTENT_LENGTH)
            || headers.contains_key(header::TRANSFER_ENCODING);
        Self { status, headers, body: stream(answer, idle_timeout, end_is_certain), has_body }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// One header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// How long the server asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(self.headers())
    }

    /// The length of the body, if the server said it.
    pub fn content_length(&self) -> Option<u64> {
        self.header(header::CONTENT_LENGTH.as_str())?.parse().ok()
    }

    /// The body as it comes.
    ///
    /// A gap longer than the client's idle time-out, a body shorter than announced, and a successful answer whose end
    /// cannot be told from a lost connection (HTTP/1 without length and without chunks) end the stream with an error.
    pub fn into_stream(self) -> BodyStream {
        self.body
    }

    /// The whole body, of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ResourceExhausted`] if there is more; else as [`into_stream`](Self::into_stream).
    pub async fn into_bytes(self, limit: usize) -> Result<Bytes> {
        let too_long = || {
            Error::new(ErrorKind::ResourceExhausted, format!("the answer is longer than {limit} bytes"))
                .with_context("limit", limit.to_string())
        };
        let announced = self.content_length().filter(|_| self.has_body).unwrap_or(0);
        if usize::try_from(announced).map_or(true, |announced| announced > limit) {
            return Err(too_long());
        }
        let mut stream = self.into_stream();
        let Some(first) = stream.try_next().await? else { return Ok(Bytes::new()) };
        let mut whole = BytesMut::from(first);
        while let Some(more) = stream.try_next().await? {
            if whole.len() + more.len() > limit {
                return Err(too_long());
            }
            whole.extend_from_slice(&more);
        }
        if whole.len() > limit { Err(too_long()) } else { Ok(whole.freeze()) }
    }

    /// The whole body, of at most `limit` bytes, read as JSON.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] if it is not the JSON that was expected; else as [`into_bytes`](Self::into_bytes).
    pub async fn into_json<T: DeserializeOwned>(self, limit: usize) -> Result<T> {
        let status = self.status();
        let body = self.into_bytes(limit).await?;
        serde_json::from_slice(&body).map_err(|error| {
            // serde quotes the value it stumbled over, and that may be a token: only the place is kept.
            Error::new(ErrorKind::Protocol, "the answer is not the JSON that was expected")
                .with_context("status", status.as_u16().to_string())
                .with_context("at", format!("line {} column {}", error.line(), error.column()))
        })
    }
}

fn has_body(status: StatusCode, head_only: bool) -> bool {
    !head_only && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn stream(answer: reqwest::Response, idle: Duration, end_is_certain: bool) -> BodyStream {
    futures::stream::try_unfold(answer, move |mut answer| async move {
        match tokio::time::timeout(idle, answer.chunk()).await {
            Err(_) => Err(error::stalled(idle)),
            Ok(Err(cause)) => Err(error::cut_short(cause)),
            Ok(Ok(Some(bytes))) => Ok(Some((bytes, answer))),
            Ok(Ok(None)) if end_is_certain => Ok(None),
            Ok(Ok(None)) => Err(Error::new(
                ErrorKind::Protocol,
                "the answer announces no length, so that its end cannot be told from a lost connection",
            )),
        }
    })
    .boxed()
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status())
            .field("content_length", &self.content_length())
            .finish_non_exhaustive()
    }
}
