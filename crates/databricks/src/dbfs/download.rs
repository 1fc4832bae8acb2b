//! Files read piece by piece, and checked.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{
    Stream, StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use tokio::io::AsyncWrite;
use twinhouse_core::{Error, ErrorKind, Result};

use super::{FileInfo, LARGEST_READ};
use crate::api::{Client, copy::copy_to};

/// A file that is being read: a stream of its bytes, which ends with `None` only when all have come and the file is
/// still what it was at the beginning.
pub struct DbfsDownload {
    info: FileInfo,
    bytes: BoxStream<'static, Result<Bytes>>,
}

impl DbfsDownload {
    pub(super) async fn open(client: Client, path: &str) -> Result<Self> {
        let info = FileInfo::from(client.dbfs_status(path).await?);
        if info.is_dir {
            return Err(Error::new(ErrorKind::InvalidInput, "the path is that of a directory")
                .with_context("field", "path")
                .with_context("path", path.to_owned()));
        }
        let (path, then) = (path.to_owned(), info.clone());
        let bytes = stream::try_unfold(0, move |at| {
            let (client, path, then) = (client.clone(), path.clone(), then.clone());
            async move {
                if at < then.file_size {
                    let piece = client.dbfs_read(&path, at, LARGEST_READ.min(then.file_size - at)).await?;
                    if piece.is_empty() {
                        return Err(changed(&path));
                    }
                    let next = at + piece.len() as u64;
                    return Ok(Some((piece, next)));
                }
                let now = FileInfo::from(client.dbfs_status(&path).await?);
                if (now.file_size, now.modification_time) != (then.file_size, then.modification_time) {
                    return Err(changed(&path));
                }
                Ok(None)
            }
        });
        Ok(Self { info, bytes: bytes.boxed() })
    }

    /// What the service said of the file.
    pub fn info(&self) -> &FileInfo {
        &self.info
    }

    /// All of it, if it is not more than `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ResourceExhausted`] if it is more; else as the stream.
    pub async fn bytes(self, limit: usize) -> Result<Bytes> {
        if self.info.file_size > limit as u64 {
            return Err(Error::new(ErrorKind::ResourceExhausted, format!("the file is longer than {limit} bytes"))
                .with_context("limit", limit.to_string()));
        }
        let pieces: Vec<Bytes> = self.try_collect().await?;
        Ok(pieces.concat().into())
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

impl Stream for DbfsDownload {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.bytes.poll_next_unpin(cx)
    }
}

impl fmt::Debug for DbfsDownload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DbfsDownload").field("info", &self.info).finish_non_exhaustive()
    }
}

fn changed(path: &str) -> Error {
    Error::new(ErrorKind::Conflict, "the file was replaced while it was read: read it again from the beginning")
        .with_context("path", path.to_owned())
}
