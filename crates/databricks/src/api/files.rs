//! `/api/2.0/fs`: files in volumes.

use bytes::Bytes;
use futures::{TryStreamExt as _, stream};
use twinhouse_core::{
    ErrorKind, Result,
    http::{Body, Method, Request},
    resilience::Operation,
};

use super::client::{Client, FILES, TRANSFER};
use crate::wire::DirectoryItem;

/// What this crate reads back from a volume is small.
const LARGEST_FILE: usize = 16 << 20;

impl Client {
    /// Writes a file in place of any that is there.
    pub(crate) async fn put_file(&self, path: &str, content: Bytes) -> Result<()> {
        let request = self.fs(Method::PUT, "files", path).with_query([("overwrite", "true")]);
        // Writing the same again is harmless.
        let operation = Operation::read("file.put").with_class(FILES).with_attempt_timeout(TRANSFER);
        self.done(operation, request.with_body(Body::bytes(content))).await
    }

    /// Writes a file unless one is there; answers whether this call did it. After a lost answer it may say no although
    /// it did.
    pub(crate) async fn create_file(&self, path: &str, content: Bytes) -> Result<bool> {
        let request = self.fs(Method::PUT, "files", path).with_query([("overwrite", "false")]);
        let request = request.with_body(Body::bytes(content));
        match self.done(Operation::read("file.create").with_class(FILES), request).await {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads a small file; `None` if there is none.
    pub(crate) async fn file(&self, path: &str) -> Result<Option<Bytes>> {
        let request = self.fs(Method::GET, "files", path);
        found(self.bytes(Operation::read("file.get").with_class(FILES), request, LARGEST_FILE).await)
    }

    /// Removes a file, if it is there.
    pub(crate) async fn delete_file(&self, path: &str) -> Result<()> {
        let request = self.fs(Method::DELETE, "files", path);
        found(self.done(Operation::read("file.delete").with_class(FILES), request).await).map(drop)
    }

    /// Makes a directory and those above it; one that is there is fine.
    pub(crate) async fn create_directory(&self, path: &str) -> Result<()> {
        let request = self.fs(Method::PUT, "directories", path);
        self.done(Operation::read("directory.create").with_class(FILES), request).await
    }

    /// Removes an empty directory, if it is there.
    pub(crate) async fn delete_directory(&self, path: &str) -> Result<()> {
        let request = self.fs(Method::DELETE, "directories", path);
        found(self.done(Operation::read("directory.delete").with_class(FILES), request).await).map(drop)
    }

    /// Removes the directories right below this one whose names begin so, with the files in them. What goes on appearing
    /// stays.
    pub(crate) async fn clear_directories(&self, path: &str, prefix: &str) -> Result<()> {
        let below = self.list(path).await?.into_iter().filter(|entry| entry.is_directory);
        for directory in below.filter(|directory| last_of(&directory.path).starts_with(prefix)) {
            self.clear_directory(&directory.path).await?;
        }
        Ok(())
    }

    /// Removes a directory with the files in it.
    pub(crate) async fn clear_directory(&self, path: &str) -> Result<()> {
        self.clear_files(path, None).await?;
        self.delete_directory(path).await
    }

    /// Removes the files in a directory, except the one of this name.
    pub(crate) async fn clear_files(&self, path: &str, except: Option<&str>) -> Result<()> {
        let files = self.list(path).await?.into_iter();
        let files = files.filter(|entry| !entry.is_directory && Some(last_of(&entry.path)) != except);
        let remove = |file: DirectoryItem| async move { self.delete_file(&file.path).await };
        stream::iter(files.map(Ok)).try_for_each_concurrent(8, remove).await
    }

    /// What is in a directory; nothing if it is not there.
    async fn list(&self, path: &str) -> Result<Vec<DirectoryItem>> {
        Ok(found(self.directory(Ok(path), None).try_collect().await)?.unwrap_or_default())
    }

    pub(super) fn fs(&self, method: Method, what: &str, path: &str) -> Request {
        self.request(method, ["api", "2.0", "fs", what].into_iter().chain(path.trim_matches('/').split('/')))
    }
}

fn found<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The last part of a path.
fn last_of(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}
