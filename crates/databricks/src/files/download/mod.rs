//! Files on their way out of a volume, checked as they come.

mod ask;
mod save;
mod version;

use std::{
    fmt,
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures::{
    Stream, StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use tokio::io::AsyncWrite;
use twinhouse_core::{Error, ErrorKind, Result};

use self::{ask::Asker, version::Version};
use super::{entry::FileMetadata, options::TransferOptions, path::VolumePath};
use crate::api::{Client, copy::copy_to, storage::Opened};

pub(super) use self::save::save;

/// This much between two breaks is progress.
const PROGRESS: u64 = 64 << 10;
/// How many breaks in a row without progress are survived.
const BREAKS: u32 = 3;

/// A file, or a part of one, to be read.
///
/// ```
/// use twinhouse_databricks::files::DownloadRequest;
///
/// let head = DownloadRequest::new("/Volumes/main/default/landing/a.csv").with_range(0..1024);
/// # let _ = head;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadRequest {
    /// Which: `/Volumes/<catalog>/<schema>/<volume>/…`.
    pub path: String,
    /// The first byte.
    pub start: u64,
    /// The byte after the last; `None`, or one beyond the end of the file, is the end.
    pub end: Option<u64>,
    /// How long the whole file must be, if that is known from a listing; another length is an error.
    pub expected_length: Option<u64>,
}

impl DownloadRequest {
    /// All of this file.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), start: 0, end: None, expected_length: None }
    }

    /// Only these bytes, and no more than there are.
    #[must_use]
    pub fn with_range(mut self, bytes: Range<u64>) -> Self {
        (self.start, self.end) = (bytes.start, Some(bytes.end));
        self
    }

    /// Only what comes from this byte on.
    #[must_use]
    pub fn with_start(mut self, byte: u64) -> Self {
        self.start = byte;
        self
    }

    /// How long the whole file must be.
    #[must_use]
    pub fn with_expected_length(mut self, bytes: u64) -> Self {
        self.expected_length = Some(bytes);
        self
    }

    fn check(&self) -> Result<VolumePath> {
        if self.end.is_some_and(|end| end <= self.start) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "the range has no bytes: its end must be beyond its start",
            )
            .with_context("field", "range")
            .with_context("range", format!("{}..{}", self.start, self.end.unwrap_or_default())));
        }
        VolumePath::file(&self.path)
    }
}

impl From<&str> for DownloadRequest {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

impl From<String> for DownloadRequest {
    fn from(path: String) -> Self {
        Self::new(path)
    }
}

/// A file that is being read: a stream of its bytes. It ends with `None` only when all have come; a connection that
/// breaks is taken up again at the byte where it broke, and a file that is replaced meanwhile is an error.
///
/// Little is held in memory: what is not asked for is not read.
///
/// # Cancellation
///
/// Dropping it closes the connection.
pub struct Download {
    metadata: FileMetadata,
    length: Option<u64>,
    bytes: BoxStream<'static, Result<Bytes>>,
}

impl Download {
    pub(super) async fn open(client: Client, options: TransferOptions, request: DownloadRequest) -> Result<Self> {
        options.check()?;
        let path = request.check()?;
        let (start, wanted) = (request.start, request.end);
        let mut asker = Asker::new(client, path, options, wanted);
        let opened = asker.ask(start, None).await?;
        let mut version = Version::of(&opened, start)?;
        let metadata = FileMetadata { content_length: version.total, ..FileMetadata::of(&opened.headers) };
        // Where the answer does not say it, what was expected must come.
        version.total = version.total.or(request.expected_length);
        if let Some((expected, total)) = request.expected_length.zip(version.total)
            && expected != total
        {
            return Err(Error::new(ErrorKind::Conflict, "the file has another length than was expected")
                .with_context("path", request.path)
                .with_context("expected", expected.to_string())
                .with_context("length", total.to_string()));
        }
        let end = match (wanted, version.total) {
            (Some(end), Some(total)) => Some(end.min(total)),
            (None, total) => total,
            // How much of the range there is, is not known.
            (Some(_), None) => None,
        };
        let length = end.map(|end| end - start.min(end));
        let state = Reading { asker, version, opened: Some(opened), at: start, end, mark: start, breaks: 0 };
        Ok(Self { metadata, length, bytes: state.into_stream() })
    }

    /// What the service said of the file; its length is that of the whole file.
    pub fn metadata(&self) -> &FileMetadata {
        &self.metadata
    }

    /// How many bytes will come, if that is known.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// All of it, if it is not more than `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ResourceExhausted`] if it is more; else as the stream.
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes> {
        let too_long = || {
            Error::new(ErrorKind::ResourceExhausted, format!("the file is longer than {limit} bytes"))
                .with_context("limit", limit.to_string())
        };
        if self.length.is_some_and(|length| length > limit as u64) {
            return Err(too_long());
        }
        let mut whole = BytesMut::new();
        while let Some(piece) = self.try_next().await? {
            if whole.len() + piece.len() > limit {
                return Err(too_long());
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// Writes all of it, flushes, and says how much it was.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Data`] if the writer fails; else as the stream. What was written before an error stays written.
    pub async fn write_to(self, to: &mut (impl AsyncWrite + Unpin + ?Sized)) -> Result<u64> {
        copy_to(self, to).await
    }
}

impl Stream for Download {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.bytes.poll_next_unpin(cx)
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("metadata", &self.metadata).field("length", &self.length).finish()
    }
}

struct Reading {
    asker: Asker,
    version: Version,
    opened: Option<Opened>,
    /// The next byte.
    at: u64,
    end: Option<u64>,
    /// Where the last break was.
    mark: u64,
    breaks: u32,
}

impl Reading {
    fn into_stream(self) -> BoxStream<'static, Result<Bytes>> {
        stream::try_unfold(self, |mut reading| async move { Ok(reading.next().await?.map(|piece| (piece, reading))) })
            .boxed()
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if self.end == Some(self.at) {
                return Ok(None);
            }
            let piece = match &mut self.opened {
                None => {
                    let opened = self.asker.ask(self.at, Some(&self.version)).await?;
                    self.version.check(&Version::of(&opened, self.at)?)?;
                    self.opened = Some(opened);
                    continue;
                }
                Some(opened) => match opened.first.take() {
                    Some(first) => Ok(Some(first)),
                    None => opened.rest.try_next().await,
                },
            };
            match piece {
                Ok(Some(piece)) => {
                    self.at += piece.len() as u64;
                    if self.end.or(self.asker.end()).is_some_and(|end| self.at > end) {
                        return Err(Error::new(ErrorKind::Protocol, "more came than was asked for")
                            .with_context("path", self.asker.path().to_owned()));
                    }
                    return Ok(Some(piece));
                }
                Ok(None) if self.end.is_none() => return Ok(None),
                Ok(None) => self.broken(short())?,
                Err(error) => self.broken(error)?,
            }
        }
    }

    /// The answer ended too early: it is asked for again from here, if that is worth it.
    fn broken(&mut self, error: Error) -> Result<()> {
        if self.at - self.mark >= PROGRESS {
            self.breaks = 0;
        }
        self.breaks += 1;
        self.mark = self.at;
        if !error.is_retryable() || self.breaks > BREAKS || !self.version.is_known() {
            let all = self.end.map_or_else(|| "unknown".to_owned(), |end| end.to_string());
            return Err(error
                .with_context("path", self.asker.path().to_owned())
                .with_context("received", self.at.to_string())
                .with_context("of", all));
        }
        tracing::debug!(path = self.asker.path(), at = self.at, %error, "a download broke off, going on where it stopped");
        self.opened = None;
        Ok(())
    }
}

fn short() -> Error {
    Error::new(ErrorKind::Connection, "the answer ended before the file did")
}
