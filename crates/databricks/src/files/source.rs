//! Where the bytes of an upload come from.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use bytes::{Bytes, BytesMut};
use futures::{
    Stream, StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use tokio::{io::AsyncRead, task::spawn_blocking};
use tokio_util::io::ReaderStream;
use twinhouse_core::{Error, ErrorKind, Result, http::Body};

/// A file of this machine is read in pieces of so many bytes.
const PIECE: usize = 256 << 10;

pub(crate) type ByteStream = BoxStream<'static, io::Result<Bytes>>;
type Reopen = Arc<dyn Fn(u64) -> ByteStream + Send + Sync>;

/// Where the bytes of an upload come from.
///
/// Bytes, files of this machine and [`again`](Self::again) can be read again; a stream or reader is read once, and is held
/// in memory part by part until each part has arrived.
///
/// ```
/// use twinhouse_databricks::files::UploadSource;
///
/// let bytes = UploadSource::from("a,b\n1,2\n");
/// let file = UploadSource::path("/tmp/large.parquet");
/// let piped = UploadSource::reader(tokio::io::empty());
/// # let _ = (bytes, file, piped);
/// ```
pub struct UploadSource(pub(crate) Kind);

pub(crate) enum Kind {
    Again(Again),
    Once { length: Option<u64>, stream: ByteStream },
    Path(PathBuf),
}

/// What can be read from any place as often as wanted.
#[derive(Clone)]
pub(crate) enum Again {
    Bytes(Bytes),
    File { path: PathBuf, length: u64, modified: Option<SystemTime> },
    Stream { length: u64, open: Reopen },
}

impl UploadSource {
    /// A stream of pieces of any size. It is read once.
    pub fn stream(stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self(Kind::Once { length: None, stream: stream.boxed() })
    }

    /// A reader. It is read once.
    pub fn reader(reader: impl AsyncRead + Send + 'static) -> Self {
        Self::stream(ReaderStream::with_capacity(reader, PIECE))
    }

    /// A file of this machine. It must not change while it is read; if it does, that is an error.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self(Kind::Path(path.into()))
    }

    /// Exactly `length` bytes out of streams that `open` begins at any byte, any number of times.
    pub fn again(
        length: u64,
        open: impl Fn(u64) -> BoxStream<'static, io::Result<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self(Kind::Again(Again::Stream { length, open: Arc::new(open) }))
    }

    /// Says how many bytes a stream or reader has: more or fewer are then an error, and where the storage behind the
    /// volume cannot be reached it can be sent through the workspace. Elsewhere it does nothing.
    #[must_use]
    pub fn with_length(mut self, bytes: u64) -> Self {
        if let Kind::Once { length, .. } = &mut self.0 {
            *length = Some(bytes);
        }
        self
    }
}

impl From<Bytes> for UploadSource {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Again(Again::Bytes(bytes)))
    }
}

impl From<Vec<u8>> for UploadSource {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for UploadSource {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for UploadSource {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl fmt::Debug for UploadSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, length) = match &self.0 {
            Kind::Again(again) => ("again", Some(again.length())),
            Kind::Once { length, .. } => ("once", *length),
            Kind::Path(_) => ("file", None),
        };
        f.debug_struct("UploadSource").field("kind", &kind).field("length", &length).finish()
    }
}

impl Again {
    /// Looks at a file.
    pub(crate) async fn file(path: PathBuf) -> Result<Self> {
        let (path, found) = on_disk(move || {
            let found = std::fs::metadata(&path);
            Ok((path, found))
        })
        .await
        .map_err(unreadable)?;
        let meta = found.map_err(|error| no_file(&path, error))?;
        if !meta.is_file() {
            return Err(no_file(&path, io::Error::other("it is not a file")));
        }
        Ok(Self::File { path, length: meta.len(), modified: meta.modified().ok() })
    }

    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { length, .. } | Self::Stream { length, .. } => *length,
        }
    }

    /// The bytes from `start` on, at most so many. They are read when they are sent, each time anew.
    pub(crate) fn body(&self, start: u64, length: u64) -> Body {
        match self {
            Self::Bytes(bytes) => {
                let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(bytes.len());
                Body::bytes(bytes.slice(at(start)..at(start.saturating_add(length))))
            }
            again => {
                let again = again.clone();
                Body::stream(length, move || again.open(start, length))
            }
        }
    }

    /// Exactly `length` bytes from `start` on.
    pub(crate) fn open(&self, start: u64, length: u64) -> ByteStream {
        match self {
            Self::Bytes(_) => self.body(start, length).open(),
            Self::File { path, .. } => exactly(length, file_stream(path.clone(), start)),
            Self::Stream { open, .. } => exactly(length, open(start)),
        }
    }

    /// An error if it is not what it was.
    pub(crate) async fn check_unchanged(&self) -> Result<()> {
        let Self::File { path, length, modified } = self else { return Ok(()) };
        let Self::File { length: now, modified: then, .. } = Self::file(path.clone()).await? else { return Ok(()) };
        if (now, then) == (*length, *modified) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Conflict, "the file changed while it was uploaded")
            .with_context("file", path.display().to_string()))
    }
}

/// Work that waits for a disk is for a thread, not for the executor.
pub(crate) async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|cause| Err(io::Error::other(cause)))
}

fn file_stream(path: PathBuf, start: u64) -> ByteStream {
    stream::try_unfold(None, move |file: Option<File>| {
        let path = path.clone();
        on_disk(move || {
            let mut file = match file {
                Some(file) => file,
                None => {
                    let mut file = File::open(&path)?;
                    file.seek(SeekFrom::Start(start))?;
                    file
                }
            };
            let mut piece = vec![0; PIECE];
            let read = file.read(&mut piece)?;
            piece.truncate(read);
            Ok((read > 0).then(|| (Bytes::from(piece), Some(file))))
        })
    })
    .boxed()
}

/// Exactly so many bytes of a stream: what follows is left, and less is an error.
fn exactly(length: u64, from: ByteStream) -> ByteStream {
    stream::try_unfold((from, length), |(mut from, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let Some(piece) = from.next().await else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the source ended before its length"));
        };
        let mut piece = piece?;
        piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - piece.len() as u64;
        Ok(Some((piece, (from, left))))
    })
    .boxed()
}

/// A stream that is read once, cut into parts that are held whole.
pub(crate) struct Once {
    stream: ByteStream,
    /// What the last piece had beyond its part.
    carry: Bytes,
    ended: bool,
    read: u64,
    length: Option<u64>,
}

impl Once {
    pub(crate) fn new(length: Option<u64>, stream: ByteStream) -> Self {
        Self { stream, carry: Bytes::new(), ended: false, read: 0, length }
    }

    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next part, and whether it is the last. It is as long as asked unless it is the last.
    pub(crate) async fn part(&mut self, size: u64) -> Result<(Bytes, bool)> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        // At once, and no more: growing would hold up to twice as much.
        let whole = self.length.and_then(|length| usize::try_from(length).ok()).unwrap_or(size);
        let mut part = BytesMut::with_capacity(size.min(whole));
        loop {
            let taken = self.carry.len().min(size - part.len());
            // Copied: pieces may be small parts of large buffers, which they would keep alive.
            part.extend_from_slice(&self.carry.split_to(taken));
            if !self.carry.is_empty() {
                break;
            }
            // Read beyond a full part: only then is it known whether it is the last.
            match self.stream.next().await {
                Some(Ok(piece)) => {
                    self.read += piece.len() as u64;
                    self.carry = piece;
                }
                Some(Err(error)) => return Err(unreadable(error)),
                None => {
                    self.ended = true;
                    break;
                }
            }
            if self.length.is_some_and(|length| self.read > length) {
                return Err(wrong_length(self.length, "more"));
            }
        }
        if self.ended && self.length.is_some_and(|length| self.read < length) {
            return Err(wrong_length(self.length, "fewer"));
        }
        Ok((part.freeze(), self.ended))
    }

    /// What was read already, and then the rest, as a body that can be sent once. What turns out to be wrong with the
    /// source while it is sent is noted.
    pub(crate) fn into_body(self, first: Bytes, length: u64) -> (Body, Arc<Mutex<Option<Error>>>) {
        let flaw: Arc<Mutex<_>> = Arc::default();
        let noted = Arc::clone(&flaw);
        let rest = whole(length, stream::iter([Ok(first), Ok(self.carry)]).chain(self.stream).boxed());
        let rest = rest.map_err(move |error: Error| {
            *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            io::Error::other("the source is not what it should be")
        });
        let rest = Mutex::new(Some(rest.boxed()));
        let body = Body::stream(length, move || {
            let taken = rest.lock().unwrap_or_else(PoisonError::into_inner).take();
            taken.unwrap_or_else(|| stream::iter([Err(io::Error::other("the source can be read once only"))]).boxed())
        });
        (body, flaw)
    }
}

/// All of a stream that must have so many bytes. The last piece is held back until nothing follows it: a file that is
/// complete cannot be taken back.
fn whole(length: u64, from: ByteStream) -> impl Stream<Item = Result<Bytes>> + Send {
    stream::try_unfold((from, length), move |(mut from, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let piece = from.try_next().await.map_err(unreadable)?;
        let piece = piece.ok_or_else(|| wrong_length(Some(length), "fewer"))?;
        let left = left.checked_sub(piece.len() as u64).ok_or_else(|| wrong_length(Some(length), "more"))?;
        while left == 0
            && let Some(more) = from.try_next().await.map_err(unreadable)?
        {
            if !more.is_empty() {
                return Err(wrong_length(Some(length), "more"));
            }
        }
        Ok(Some((piece, (from, left))))
    })
}

pub(crate) fn unreadable(error: io::Error) -> Error {
    Error::new(ErrorKind::Data, "the source of the upload could not be read").with_source(error)
}

fn wrong_length(length: Option<u64>, what: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("the source has {what} bytes than `with_length` said"))
        .with_context("field", "length")
        .with_context("length", length.unwrap_or_default().to_string())
}

fn no_file(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Data,
    };
    Error::new(kind, "the file to be uploaded cannot be read")
        .with_context("file", path.display().to_string())
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn parts_have_their_size_whatever_the_pieces_and_the_last_is_known_as_the_last() {
        let all: Vec<u8> = (0..=255).collect();
        for piece in [1, 7, 64, 100, 256] {
            for size in [1, 64, 100, 255, 256, 300] {
                let pieces: Vec<_> = all.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
                let mut once = Once::new(Some(256), stream::iter(pieces).boxed());
                let mut joined = Vec::new();
                loop {
                    let (part, last) = once.part(size).await.unwrap();
                    assert!(part.len() as u64 == size || last, "{piece} {size}");
                    joined.extend_from_slice(&part);
                    if last {
                        assert!(!part.is_empty());
                        break;
                    }
                }
                assert_eq!(joined, all, "{piece} {size}");
            }
        }
    }

    #[tokio::test]
    async fn a_source_of_another_length_than_it_said_is_an_error() {
        for said in [2, 4] {
            let mut once = Once::new(Some(said), stream::iter([Ok(Bytes::from("abc"))]).boxed());
            let error = once.part(10).await.unwrap_err();
            assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some("length")));
        }
        let short: Vec<_> = exactly(4, stream::iter([Ok(Bytes::from("abc"))]).boxed()).collect().await;
        assert!(short.last().unwrap().is_err());
    }
}
