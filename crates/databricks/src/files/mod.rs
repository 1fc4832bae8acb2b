//! Files in Unity Catalog volumes: `/api/2.0/fs`.
//!
//! Files of any size go up and come down in bounded memory. Large ones travel past the workspace, to and from the storage
//! behind the volume, by presigned links that are secret and carry no credential of the workspace; where the storage cannot be
//! reached they go through the workspace.
//!
//! ```no_run
//! use futures::TryStreamExt as _;
//! use twinhouse_databricks::{
//!     DatabricksClient,
//!     files::{UploadRequest, UploadSource},
//! };
//!
//! # async fn example() -> twinhouse_core::Result<()> {
//! let files = DatabricksClient::from_env()?.files();
//! let landing = "/Volumes/main/default/landing";
//! files.upload(UploadRequest::new(format!("{landing}/a.parquet"), UploadSource::path("a.parquet"))).await?;
//! let mut entries = files.list_directory_contents(landing);
//! while let Some(entry) = entries.try_next().await? {
//!     println!("{} {:?}", entry.path, entry.file_size);
//! }
//! files.download_to(format!("{landing}/a.parquet"), "b.parquet").await?;
//! # Ok(())
//! # }
//! ```

mod download;
mod entry;
mod list;
mod options;
mod path;
mod source;
mod upload;

use std::path::Path;

use futures::stream::BoxStream;
use twinhouse_core::{Effect, ErrorKind, Result};

use self::path::VolumePath;
pub(crate) use self::source::{Again, ByteStream, Kind, Once};
pub use self::{
    download::{Download, DownloadRequest},
    entry::{DirectoryEntry, FileMetadata},
    list::ListRequest,
    options::{DownloadRoute, TransferOptions},
    source::UploadSource,
    upload::{UploadReport, UploadRequest, UploadRoute},
};
use crate::{api::Client, client::DatabricksClient};

/// Files in Unity Catalog volumes: `/api/2.0/fs`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Files {
    client: Client,
    options: TransferOptions,
}

impl DatabricksClient {
    /// Files in Unity Catalog volumes: `/api/2.0/fs`.
    pub fn files(&self) -> Files {
        Files { client: self.api().clone(), options: TransferOptions::default() }
    }
}

impl Files {
    /// The same, with other ways to travel.
    #[must_use]
    pub fn with_options(mut self, options: TransferOptions) -> Self {
        self.options = options;
        self
    }

    /// Makes a file, and the directories above it. Readers see all of it or nothing.
    ///
    /// Short files go to the workspace in one request. Long ones go in parts to the storage behind the volume, as many
    /// at once as [`TransferOptions::parallel`] says; a source that can be read once only is long when it has more
    /// than one part, and no more than `parallel` parts of it are held in memory.
    ///
    /// After a lost answer to the creation of a short file, a file with the very same bytes counts as made.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] with the context `field` for a path or option that cannot be, before anything is
    /// sent; [`ErrorKind::AlreadyExists`] unless the file may be replaced; [`ErrorKind::Data`] if the source cannot be
    /// read, [`ErrorKind::Conflict`] if it changed meanwhile.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives an upload in parts up, in a task of its own: nothing stays behind in the storage.
    pub async fn upload(&self, request: UploadRequest) -> Result<UploadReport> {
        Box::pin(upload::upload(self.client.clone(), self.options.clone(), request)).await
    }

    /// Makes a file out of one of this machine; one that is there stays, which is an error. The short form of
    /// [`upload`](Self::upload).
    ///
    /// # Errors
    ///
    /// As [`upload`](Self::upload).
    pub async fn upload_from(&self, path: impl Into<String>, source: impl AsRef<Path>) -> Result<UploadReport> {
        self.upload(UploadRequest::new(path, UploadSource::path(source.as_ref()))).await
    }

    /// Begins to read a file: the answer's head has come, and its bytes follow.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`]; [`ErrorKind::InvalidInput`] with the context `field`, also for a range that begins
    /// beyond the end. The stream adds [`ErrorKind::Conflict`] for a file that is replaced while it is read.
    pub async fn download(&self, request: impl Into<DownloadRequest>) -> Result<Download> {
        Box::pin(Download::open(self.client.clone(), self.options.clone(), request.into())).await
    }

    /// Reads a file into one of this machine, which is there when all of it has come and not before; one that was there
    /// is replaced. Says how many bytes it has.
    ///
    /// # Errors
    ///
    /// As [`download`](Self::download); [`ErrorKind::Data`] if it cannot be written.
    ///
    /// # Cancellation
    ///
    /// Nothing stays behind.
    pub async fn download_to(&self, request: impl Into<DownloadRequest>, destination: impl AsRef<Path>) -> Result<u64> {
        let download = self.download(request).await?;
        download::save(download, destination.as_ref()).await
    }

    /// What the service says of a file, without its bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such file.
    pub async fn metadata(&self, path: &str) -> Result<FileMetadata> {
        let path = VolumePath::file(path)?;
        Ok(FileMetadata::of(self.client.fs_head("files", path.as_str()).await?.headers()))
    }

    /// Whether there is such a file. A directory is none.
    ///
    /// # Errors
    ///
    /// Whatever keeps the question from being answered; never for a file that is not there.
    pub async fn exists(&self, path: &str) -> Result<bool> {
        found(self.metadata(path).await.map(drop))
    }

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none.
    pub async fn delete(&self, path: &str) -> Result<()> {
        gone(self.client.remove_file(VolumePath::file(path)?.as_str()).await)
    }

    /// Makes a directory and those above it. One that is there is fine.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AlreadyExists`] if a file is in the way.
    pub async fn create_directory(&self, path: &str) -> Result<()> {
        self.client.create_directory(VolumePath::directory(path)?.as_str()).await
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none, [`ErrorKind::InvalidInput`] if something is in it.
    pub async fn delete_directory(&self, path: &str) -> Result<()> {
        gone(self.client.remove_directory(VolumePath::directory(path)?.as_str()).await)
    }

    /// Whether there is such a directory. A file is none.
    ///
    /// # Errors
    ///
    /// Whatever keeps the question from being answered; never for a directory that is not there.
    pub async fn directory_exists(&self, path: &str) -> Result<bool> {
        let path = VolumePath::directory(path)?;
        found(self.client.fs_head("directories", path.as_str()).await.map(drop))
    }

    /// What is right below a directory, as it comes; a page at a time is held.
    ///
    /// # Errors
    ///
    /// The first item is [`ErrorKind::NotFound`] if there is no such directory. After an error nothing follows.
    pub fn list_directory_contents(
        &self,
        request: impl Into<ListRequest>,
    ) -> BoxStream<'static, Result<DirectoryEntry>> {
        list::list(&self.client, &request.into())
    }
}

fn found(answer: Result<()>) -> Result<bool> {
    match answer {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// What is not there any more after a call whose answer was lost, that call took.
fn gone(answer: Result<()>) -> Result<()> {
    match answer {
        Err(error) if error.kind() == ErrorKind::NotFound && error.fault().effect == Effect::Unknown => Ok(()),
        answer => answer,
    }
}
