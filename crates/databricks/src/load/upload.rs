//! Puts rows into files in a volume.

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::task::{JoinSet, spawn_blocking};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{BatchStream, Fit, Progress, ProgressFn};

use super::parquet::{Part, Splitter};
use crate::api::Client;

/// Files on their way at once; each is held until it has arrived.
const UPLOADS: usize = 3;

/// One file that is in the volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StagedPart {
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// All files of one load or merge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Staged {
    pub(crate) parts: Vec<StagedPart>,
}

impl Staged {
    pub(crate) fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }
}

/// Writes the rows, brought into the table's types, as Parquet files under `directory`.
pub(crate) async fn stage(
    client: &Client,
    directory: &str,
    mut batches: BatchStream,
    fit: Fit,
    target_bytes: usize,
    progress: Option<&ProgressFn>,
) -> Result<Staged> {
    let mut uploads = Uploads {
        client,
        directory,
        progress,
        tasks: JoinSet::new(),
        staged: Staged::default(),
        done: Progress::default(),
    };
    let mut work = (Splitter::new(fit.schema().clone(), target_bytes), fit);
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        let (back, parts) = blocking(move || {
            let (splitter, fit) = &mut work;
            let parts = splitter.push(fit.apply(&batch)?)?;
            Ok((work, parts))
        })
        .await?;
        work = back;
        for part in parts {
            uploads.start(part).await?;
        }
    }
    let last = blocking(move || work.0.finish()).await?;
    if let Some(part) = last {
        uploads.start(part).await?;
    }
    uploads.finish().await
}

/// Conversion and compression are work for a thread, not for the executor.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|cause| {
        Err(Error::new(ErrorKind::Internal, "writing the rows as Parquet broke off").with_source(cause))
    })
}

struct Uploads<'a> {
    client: &'a Client,
    directory: &'a str,
    progress: Option<&'a ProgressFn>,
    /// Ends with this struct.
    tasks: JoinSet<Result<StagedPart>>,
    staged: Staged,
    done: Progress,
}

impl Uploads<'_> {
    async fn start(&mut self, part: Part) -> Result<()> {
        while self.tasks.len() >= UPLOADS {
            self.wait().await?;
        }
        // No reader skips a name like this one.
        let name = format!("part-{:05}.parquet", self.staged.parts.len());
        let staged = StagedPart { name, rows: part.rows, bytes: part.content.len() as u64 };
        self.staged.parts.push(staged.clone());
        let (client, path) = (self.client.clone(), format!("{}/{}", self.directory, staged.name));
        self.tasks.spawn(async move { client.put_file(&path, part.content).await.map(|()| staged) });
        Ok(())
    }

    async fn wait(&mut self) -> Result<bool> {
        let Some(done) = self.tasks.join_next().await else { return Ok(false) };
        let part = done
            .unwrap_or_else(|cause| Err(Error::new(ErrorKind::Internal, "an upload broke off").with_source(cause)))?;
        self.done = Progress::new(self.done.rows + part.rows, self.done.bytes + part.bytes, self.done.files + 1);
        if let Some(progress) = self.progress {
            progress(self.done);
        }
        Ok(true)
    }

    async fn finish(mut self) -> Result<Staged> {
        while self.wait().await? {}
        Ok(self.staged)
    }
}
