//! The folder of one attempt.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::{runtime::Handle, time::timeout};
use twinhouse_core::{Error, Report, Result};
use uuid::Uuid;

use crate::staging::{self, Folder, Staging};

/// How long tidying up may take: it is done for order's sake.
const TIDY_UP: Duration = Duration::from_secs(30);
/// So much of a name is readable in a key. The server keeps 256 bytes of a file's name with an error.
const READABLE: usize = 40;

/// A folder that nobody else writes to. Dropped, what was written to it is deleted.
#[derive(Debug)]
pub(crate) struct Place {
    folder: Folder,
    attempt: String,
    dirty: AtomicBool,
}

impl Place {
    /// A new folder under these.
    pub(crate) fn new(staging: &Staging, folders: &[&str]) -> Self {
        let attempt = Uuid::new_v4().simple().to_string();
        let parts: Vec<&str> = folders.iter().copied().chain([attempt.as_str()]).collect();
        Self { folder: staging.folder(&parts), attempt, dirty: AtomicBool::new(false) }
    }

    /// Names this attempt among all.
    pub(crate) fn attempt(&self) -> &str {
        &self.attempt
    }

    /// How the server finds it, with a slash at the end.
    pub(crate) fn url(&self) -> String {
        self.folder.url()
    }

    pub(super) async fn put(&self, name: &str, content: Bytes) -> Result<staging::Staged> {
        // Noted first: a put that fails may have gone through.
        self.taint();
        self.folder.put(name, content).await
    }

    /// Somebody else writes to it on our behalf.
    pub(crate) fn taint(&self) {
        self.dirty.store(true, Ordering::Relaxed);
    }

    /// Deletes what was written to it, as far as that can be done.
    pub(crate) async fn clear(&self) {
        if self.dirty.swap(false, Ordering::Relaxed) {
            clear(&self.folder).await;
        }
    }

    /// Leaves what was written to it, and says where it is, if the server had something against the files: somebody will
    /// want to look at them.
    pub(crate) fn keep_if_refused(&self, error: Error) -> Error {
        if error.sqlstate().is_none() || error.is_retryable() {
            return error;
        }
        self.dirty.store(false, Ordering::Relaxed);
        error.with_context("staged", self.url())
    }
}

async fn clear(folder: &Folder) {
    match timeout(TIDY_UP, folder.clear()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(folder = folder.url(), error = %Report(&error), "staged objects stay behind"),
        Err(_) => tracing::warn!(folder = folder.url(), "staged objects stay behind: deleting them took too long"),
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Outside a runtime the objects stay: no load looks at another's.
        if let (true, Ok(runtime)) = (*self.dirty.get_mut(), Handle::try_current()) {
            let folder = self.folder.clone();
            runtime.spawn(async move { clear(&folder).await });
        }
    }
}

/// A name as part of a key: readable, short, and never one that readers skip.
pub(crate) fn readable(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    name.chars().take(READABLE).map(legal).collect()
}
