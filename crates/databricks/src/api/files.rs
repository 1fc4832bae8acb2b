//! `/api/2.0/fs`: files in volumes.

use bytes::Bytes;
use serde::Deserialize;
use twinhouse_core::{
    ErrorKind, Result,
    http::{Body, Method, Request},
    resilience::Operation,
};

use super::client::{Client, FILES, TRANSFER};
use crate::wire::nullable;

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

    /// Removes the directories right below this one, with the files in them. What goes on appearing stays.
    pub(crate) async fn clear_directories(&self, path: &str) -> Result<()> {
        for directory in self.list(path).await?.into_iter().filter(|entry| entry.is_directory) {
            for file in self.list(&directory.path).await?.into_iter().filter(|entry| !entry.is_directory) {
                self.delete_file(&file.path).await?;
            }
            self.delete_directory(&directory.path).await?;
        }
        Ok(())
    }

    /// What is in a directory; nothing if it is not there.
    async fn list(&self, path: &str) -> Result<Vec<Entry>> {
        let (mut entries, mut token) = (Vec::new(), String::new());
        loop {
            let mut request = self.fs(Method::GET, "directories", path);
            if !token.is_empty() {
                request = request.with_query([("page_token", token.as_str())]);
            }
            let page = self.json::<Page>(Operation::read("directory.list").with_class(FILES), request).await;
            let Some(page) = found(page)? else { return Ok(entries) };
            entries.extend(page.contents);
            if page.next_page_token.is_empty() {
                return Ok(entries);
            }
            token = page.next_page_token;
        }
    }

    pub(super) fn fs(&self, method: Method, what: &str, path: &str) -> Request {
        self.request(method, ["api", "2.0", "fs", what].into_iter().chain(path.trim_matches('/').split('/')))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Page {
    #[serde(deserialize_with = "nullable")]
    contents: Vec<Entry>,
    #[serde(deserialize_with = "nullable")]
    next_page_token: String,
}

#[derive(Deserialize)]
struct Entry {
    path: String,
    #[serde(default)]
    is_directory: bool,
}

fn found<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
