//! The Databricks file system: `/api/2.0/dbfs`.
//!
//! Its root is switched off in many workspaces: prefer volumes, and [`files`](crate::files).
//!
//! ```no_run
//! use twinhouse_databricks::{DatabricksClient, dbfs::DbfsUploadRequest};
//!
//! # async fn example() -> twinhouse_core::Result<()> {
//! let dbfs = DatabricksClient::from_env()?.dbfs();
//! dbfs.upload(DbfsUploadRequest::new("/tmp/lookup.csv", "a,b\n1,2\n").with_overwrite(true)).await?;
//! let file = dbfs.download("/tmp/lookup.csv").await?;
//! assert_eq!(file.info().file_size, 8);
//! # Ok(())
//! # }
//! ```

mod download;
mod path;
mod upload;

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use twinhouse_core::{Effect, Error, ErrorKind, Result};

pub use self::{download::DbfsDownload, upload::DbfsUploadRequest};
use crate::{api::Client, client::DatabricksClient, wire::DbfsEntry};

/// The largest block, and the largest file in one call: 1 MB of the service.
const LARGEST_BLOCK: u64 = 1 << 20;
/// The most that one call reads.
const LARGEST_READ: u64 = 1 << 20;
/// What the service calls it when it has deleted a part of a large tree and wants to be called again.
const PARTIAL_DELETE: &str = "PARTIAL_DELETE";
const IO_ERROR: &str = "IO_ERROR";
/// Called again no more often than this, with a pause between.
const DELETES: u32 = 120;
const PAUSE: Duration = Duration::from_secs(1);

/// The Databricks file system: `/api/2.0/dbfs`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dbfs {
    client: Client,
}

/// What the service says of a file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileInfo {
    /// The whole path.
    pub path: String,
    /// True for a directory.
    pub is_dir: bool,
    /// How long it is, in bytes; 0 for a directory.
    pub file_size: u64,
    /// When it was last written.
    pub modification_time: Option<DateTime<Utc>>,
}

impl From<DbfsEntry> for FileInfo {
    fn from(entry: DbfsEntry) -> Self {
        let millis = entry.modification_time.and_then(|millis| i64::try_from(millis).ok());
        Self {
            path: entry.path,
            is_dir: entry.is_dir,
            file_size: entry.file_size.unwrap_or_default(),
            modification_time: millis.and_then(DateTime::from_timestamp_millis),
        }
    }
}

impl DatabricksClient {
    /// The Databricks file system: `/api/2.0/dbfs`.
    pub fn dbfs(&self) -> Dbfs {
        Dbfs { client: self.api().clone() }
    }
}

impl Dbfs {
    /// Makes a file of any length, block by block, and says how many bytes it has.
    ///
    /// A block whose answer is lost is not sent again, since it would be there twice: a source that can be read again is
    /// sent from its beginning, any other upload fails. One that fails is closed and removed; with `overwrite` the
    /// file that was there is gone by then.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AlreadyExists`] unless the file may be replaced; [`ErrorKind::InvalidInput`] with the context
    /// `field`; [`ErrorKind::Data`] if the source cannot be read.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes and removes what was written, in a task of its own.
    pub async fn upload(&self, request: DbfsUploadRequest) -> Result<u64> {
        upload::upload(&self.client, request).await
    }

    /// Writes a file of at most 1 MiB in one call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for more than that; [`ErrorKind::AlreadyExists`] unless the file may be replaced.
    pub async fn put(&self, path: &str, contents: impl AsRef<[u8]>, overwrite: bool) -> Result<()> {
        let contents = contents.as_ref();
        if contents.len() as u64 > LARGEST_BLOCK {
            return Err(Error::new(ErrorKind::InvalidInput, "one call takes at most 1 MiB: use `upload`")
                .with_context("field", "contents")
                .with_context("bytes", contents.len().to_string()));
        }
        self.client.dbfs_put(path::check("path", path)?, contents, overwrite).await
    }

    /// Begins to read a file: what it is, and a stream of its bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`]; [`ErrorKind::InvalidInput`] for a directory.
    pub async fn download(&self, path: &str) -> Result<DbfsDownload> {
        DbfsDownload::open(self.client.clone(), path::check("path", path)?).await
    }

    /// Reads at most `length` bytes from `offset` on, in one call; fewer at the end of the file, and beyond it none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] with the context `field` unless `length` is from 1 byte to 1 MiB;
    /// [`ErrorKind::Protocol`] if not as many bytes came as the service said.
    pub async fn read(&self, path: &str, offset: u64, length: u64) -> Result<Bytes> {
        if !(1..=LARGEST_READ).contains(&length) {
            return Err(Error::new(ErrorKind::InvalidInput, "`length` must be from 1 byte to 1 MiB")
                .with_context("field", "length")
                .with_context("length", length.to_string()));
        }
        self.client.dbfs_read(path::check("path", path)?, offset, length).await
    }

    /// What is right below a directory; of a file, the file itself. The service sends it all at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`].
    pub async fn list(&self, path: &str) -> Result<Vec<FileInfo>> {
        let entries = self.client.dbfs_list(path::check("path", path)?).await?;
        Ok(entries.into_iter().map(FileInfo::from).collect())
    }

    /// What a file or directory is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`].
    pub async fn get_status(&self, path: &str) -> Result<FileInfo> {
        Ok(self.client.dbfs_status(path::check("path", path)?).await?.into())
    }

    /// Whether there is such a file or directory.
    ///
    /// # Errors
    ///
    /// Whatever keeps the question from being answered; never for one that is not there.
    pub async fn exists(&self, path: &str) -> Result<bool> {
        match self.get_status(path).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes a directory and those above it. One that is there is fine.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AlreadyExists`] if a file is in the way.
    pub async fn mkdirs(&self, path: &str) -> Result<()> {
        self.client.dbfs_mkdirs(path::check("path", path)?).await
    }

    /// Moves a file, or a directory with all that is in it. Nothing is replaced.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] without a source, [`ErrorKind::AlreadyExists`] with a destination. After a lost answer it
    /// may have been moved: the error's [`effect`](twinhouse_core::Fault::effect) says so.
    pub async fn move_to(&self, source: &str, destination: &str) -> Result<()> {
        let (source, destination) = (path::check("source", source)?, path::check("destination", destination)?);
        self.client.dbfs_move(source, destination).await
    }

    /// Removes a file, or a directory; one that is not empty only if `recursive`. A large tree goes piece by piece, in
    /// as many calls as the service wants.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`]; [`ErrorKind::InvalidInput`] for a directory that is not empty, unless `recursive`;
    /// [`ErrorKind::Unavailable`] if the tree is not gone after many calls.
    ///
    /// # Cancellation
    ///
    /// What has been removed stays removed.
    pub async fn delete(&self, path: &str, recursive: bool) -> Result<()> {
        let path = path::check("path", path)?;
        let mut calls = 0;
        loop {
            calls += 1;
            match self.client.dbfs_delete(path, recursive).await {
                Err(error) if error.vendor_code() == Some(PARTIAL_DELETE) && calls < DELETES => {
                    tracing::debug!(path, calls, "a part of a tree is deleted, going on");
                    tokio::time::sleep(PAUSE).await;
                }
                // An earlier call, or one whose answer was lost, took the last of it.
                Err(error)
                    if error.kind() == ErrorKind::NotFound
                        && (calls > 1 || error.fault().effect == Effect::Unknown) =>
                {
                    return Ok(());
                }
                // The service's word for a directory that is not empty says as much of a failing disk.
                Err(error)
                    if error.vendor_code() == Some(IO_ERROR)
                        && !recursive
                        && self.list(path).await.is_ok_and(|inside| !inside.is_empty()) =>
                {
                    return Err(Error::new(ErrorKind::InvalidInput, "the directory is not empty: say `recursive`")
                        .with_context("field", "recursive")
                        .with_context("path", path.to_owned())
                        .with_source(error));
                }
                done => return done,
            }
        }
    }
}
