//! Files of any length, block by block.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio::runtime::Handle;
use twinhouse_core::{Error, ErrorKind, Result, resilience::Operation};

use super::{LARGEST_BLOCK, path};
use crate::{
    api::{Client, client::DBFS},
    files::{Again, ByteStream, Kind, Once, UploadSource},
};

/// How long cleaning up may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The upload as a whole has no limit of time: each of its calls has one.
const NO_LIMIT: Duration = Duration::from_secs(7 * 86400);

/// A file to be made.
#[derive(Debug)]
#[non_exhaustive]
pub struct DbfsUploadRequest {
    /// Where: `/…` or `dbfs:/…`.
    pub path: String,
    /// What.
    pub source: UploadSource,
    /// Whether a file that is there is replaced. Otherwise it is an error, [`ErrorKind::AlreadyExists`], and stays.
    pub overwrite: bool,
}

impl DbfsUploadRequest {
    /// This file, with these bytes. A file that is there stays.
    pub fn new(path: impl Into<String>, source: impl Into<UploadSource>) -> Self {
        Self { path: path.into(), source: source.into(), overwrite: false }
    }

    /// Replaces a file that is there.
    #[must_use]
    pub fn with_overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }
}

pub(super) async fn upload(client: &Client, request: DbfsUploadRequest) -> Result<u64> {
    let (path, overwrite) = (path::check("path", &request.path)?, request.overwrite);
    let source = match request.source.0 {
        Kind::Path(file) => Again::file(file).await?,
        Kind::Again(source) => source,
        Kind::Once { length, stream } => return blocks(client, path, overwrite, length, stream).await,
    };
    // A block whose answer was lost may be there: it is not sent again, but the whole file is, from its beginning.
    let operation = Operation::read("dbfs.upload").with_class(DBFS).with_attempt_timeout(NO_LIMIT);
    let length = source.length();
    let written = client
        .repeat(operation, || {
            let stream = stream::once(std::future::ready(source.open(0, length))).flatten().boxed();
            blocks(client, path, overwrite, Some(length), stream)
        })
        .await?;
    source.check_unchanged().await?;
    Ok(written)
}

async fn blocks(client: &Client, path: &str, overwrite: bool, length: Option<u64>, stream: ByteStream) -> Result<u64> {
    let handle = client.dbfs_create(path, overwrite).await?;
    let file = Unfinished { client: client.clone(), path: path.to_owned(), handle, armed: true };
    match fill(client, handle, path, Once::new(length, stream)).await {
        Ok(written) => {
            file.finished();
            Ok(written)
        }
        Err(error) => {
            file.remove().await;
            Err(error)
        }
    }
}

async fn fill(client: &Client, handle: u64, path: &str, mut source: Once) -> Result<u64> {
    let mut written = 0;
    loop {
        let (block, last) = source.part(LARGEST_BLOCK).await?;
        if !block.is_empty() {
            client.dbfs_add_block(handle, &block).await?;
            written += block.len() as u64;
        }
        if last {
            break;
        }
    }
    client.dbfs_close(handle).await?;
    let there = client.dbfs_status(path).await?.file_size;
    if there.is_some_and(|there| there != written) {
        return Err(Error::new(ErrorKind::Conflict, "the file has another length than was written")
            .with_context("path", path.to_owned())
            .with_context("written", written.to_string())
            .with_context("length", there.unwrap_or_default().to_string()));
    }
    Ok(written)
}

/// Half a file, which is closed and removed when it is dropped.
struct Unfinished {
    client: Client,
    path: String,
    handle: u64,
    armed: bool,
}

impl Unfinished {
    fn finished(mut self) {
        self.armed = false;
    }

    async fn remove(mut self) {
        self.armed = false;
        remove(self.client.clone(), self.path.clone(), self.handle).await;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(remove(self.client.clone(), self.path.clone(), self.handle));
    }
}

async fn remove(client: Client, path: String, handle: u64) {
    let work = async {
        // The handle may be closed already.
        let _ = client.dbfs_close(handle).await;
        client.dbfs_delete(&path, false).await
    };
    if !matches!(tokio::time::timeout(PATIENCE, work).await, Ok(Ok(()))) {
        tracing::warn!(path, "half a file could not be removed");
    }
}
