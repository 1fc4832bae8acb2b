//! What is sent.

use std::{fmt, io, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt as _, stream, stream::BoxStream};
use serde::Serialize;

use crate::{Error, ErrorKind, Result};

type Open = Arc<dyn Fn() -> BoxStream<'static, io::Result<Bytes>> + Send + Sync>;

/// The body of a request. It can be sent again: bytes are shared, and a stream is opened anew for each attempt.
#[derive(Clone, Default)]
pub struct Body {
    content: Content,
    content_type: Option<&'static str>,
}

#[derive(Clone, Default)]
enum Content {
    #[default]
    Empty,
    Bytes(Bytes),
    Stream {
        length: u64,
        open: Open,
    },
}

impl Body {
    /// Nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// These bytes, as `application/octet-stream`.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self { content: Content::Bytes(bytes.into()), content_type: Some("application/octet-stream") }
    }

    /// This value as JSON.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the value cannot be written as JSON.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        let json = serde_json::to_vec(value).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "the request cannot be written as JSON").with_source(error)
        })?;
        Ok(Self { content: Content::Bytes(json.into()), content_type: Some("application/json") })
    }

    /// These pairs as an HTML form.
    pub fn form<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        Self { content: Content::Bytes(form.into()), content_type: Some("application/x-www-form-urlencoded") }
    }

    /// Exactly `length` bytes out of a stream that `open` begins anew for each attempt.
    pub fn stream<F>(length: u64, open: F) -> Self
    where
        F: Fn() -> BoxStream<'static, io::Result<Bytes>> + Send + Sync + 'static,
    {
        let content = Content::Stream { length, open: Arc::new(open) };
        Self { content, content_type: Some("application/octet-stream") }
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match &self.content {
            Content::Empty => 0,
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Stream { length, .. } => *length,
        }
    }

    /// True if nothing will be sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The media type that goes with it unless the request names another.
    pub(super) fn content_type(&self) -> Option<&'static str> {
        self.content_type
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self.content, Content::Stream { .. })
    }

    /// The bytes, if they are all there already: a stream has none.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Empty => Some(&[]),
            Content::Bytes(bytes) => Some(bytes),
            Content::Stream { .. } => None,
        }
    }

    /// The bytes as they are sent, from the beginning, each time anew.
    pub fn open(&self) -> BoxStream<'static, io::Result<Bytes>> {
        match &self.content {
            Content::Empty => stream::empty().boxed(),
            Content::Bytes(bytes) => stream::iter([Ok(bytes.clone())]).boxed(),
            Content::Stream { open, .. } => open(),
        }
    }

    pub(super) fn into_wire(self) -> Option<reqwest::Body> {
        match self.content {
            Content::Empty => None,
            Content::Bytes(bytes) => Some(bytes.into()),
            Content::Stream { open, .. } => Some(reqwest::Body::wrap_stream(open())),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::bytes(bytes)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("len", &self.len()).field("content_type", &self.content_type).finish()
    }
}
