//! An upload's bytes, part by part.

use bytes::Bytes;
use twinhouse_core::{Error, Result, http::Body};

use super::{
    super::source::{Again, Once},
    Outcome,
};

/// The bytes of an upload, in parts of one size.
pub(super) enum Feed {
    Again { source: Again, size: u64, next: u64 },
    Once { source: Once, size: u64, read: Option<(Bytes, bool)>, number: u64, start: u64 },
}

/// One part. Parts of a source that is read once are held; others are read when they are sent.
pub(super) struct Part {
    /// Counts from 1.
    pub(super) number: u64,
    pub(super) start: u64,
    pub(super) length: u64,
    pub(super) last: bool,
    pub(super) content: Content,
}

#[derive(Clone)]
pub(super) enum Content {
    Held(Bytes),
    Read(Again),
}

impl Part {
    /// The bytes of this part from `from` on, counted from the beginning of the file.
    pub(super) fn body(&self, from: u64) -> Body {
        match &self.content {
            Content::Held(bytes) => {
                let skip = usize::try_from(from - self.start).unwrap_or(usize::MAX).min(bytes.len());
                Body::bytes(bytes.slice(skip..))
            }
            Content::Read(source) => source.body(from, self.start + self.length - from),
        }
    }

    pub(super) fn end(&self) -> u64 {
        self.start + self.length
    }

    /// What is held of it, if it is.
    pub(super) fn held(&self) -> Bytes {
        match &self.content {
            Content::Held(bytes) => bytes.clone(),
            Content::Read(_) => Bytes::new(),
        }
    }
}

impl Feed {
    pub(super) fn again(source: Again) -> Self {
        Self::Again { source, size: 0, next: 0 }
    }

    pub(super) fn once(source: Once) -> Self {
        Self::Once { source, size: 0, read: None, number: 0, start: 0 }
    }

    /// In parts of this size; the first may have been read.
    pub(super) fn with_parts(self, part_size: u64, first: Option<Bytes>) -> Self {
        match self {
            Self::Again { source, .. } => Self::Again { source, size: part_size, next: 0 },
            Self::Once { source, .. } => {
                let read = first.map(|first| (first, false));
                Self::Once { source, size: part_size, read, number: 0, start: 0 }
            }
        }
    }

    pub(super) fn length(&self) -> Option<u64> {
        match self {
            Self::Again { source, .. } => Some(source.length()),
            Self::Once { source, .. } => source.length(),
        }
    }

    /// How many parts are left, if that is known.
    pub(super) fn parts_left(&self) -> Option<u64> {
        match self {
            Self::Again { source, size, next } => Some(source.length().div_ceil(*size).saturating_sub(*next)),
            Self::Once { source, size, number, .. } => {
                source.length().map(|length| length.div_ceil(*size).saturating_sub(*number))
            }
        }
    }

    /// The next part. There is none after the last.
    pub(super) async fn next(&mut self) -> Result<Part> {
        match self {
            Self::Again { source, size, next } => {
                let start = *next * *size;
                let length = (*size).min(source.length() - start);
                *next += 1;
                let last = start + length == source.length();
                Ok(Part { number: *next, start, length, last, content: Content::Read(source.clone()) })
            }
            Self::Once { source, size, read, number, start } => {
                let (bytes, last) = match read.take() {
                    Some(read) => read,
                    None => source.part(*size).await?,
                };
                let length = bytes.len() as u64;
                let begins = *start;
                *number += 1;
                *start += length;
                Ok(Part { number: *number, start: begins, length, last, content: Content::Held(bytes) })
            }
        }
    }

    /// An error if the source is not what it was.
    pub(super) async fn check_unchanged(&mut self) -> Result<()> {
        match self {
            Self::Again { source, .. } => source.check_unchanged().await,
            Self::Once { .. } => Ok(()),
        }
    }

    /// Nothing went out yet.
    pub(super) fn barred(mut self, why: Error) -> Outcome {
        let first = match &mut self {
            Self::Again { .. } => Bytes::new(),
            Self::Once { read, .. } => read.take().map(|(bytes, _)| bytes).unwrap_or_default(),
        };
        Outcome::Barred { why, feed: self, first }
    }
}
