//! Rows as files in the staging place.

use std::future::ready;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use twinhouse_core::{Error, Result};
use twinhouse_warehouse_api::{BatchStream, Fit, Progress, ProgressFn};

use super::{
    check::Limits,
    manifest::manifest,
    place::Place,
    split::{File, Splitter},
    tail::Tail,
};
use crate::tables::{Carrier, Described};

/// Files that are on their way at a time. With the one that is being written they are all that is held in memory.
const AT_A_TIME: usize = 3;
const MANIFEST: &str = "manifest";

/// One staged file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) url: String,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

/// What has been staged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Staged {
    /// Where the list of the files is; nowhere if there are no rows.
    pub(crate) manifest: Option<String>,
    pub(crate) format: Format,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) files: u64,
}

/// What the staged files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    /// CSV; which columns are JSON documents.
    Csv(Vec<bool>),
}

impl Format {
    /// Parquet, unless a column that comes wants its text.
    pub(crate) fn for_columns(table: &Described, fit: &Fit) -> Self {
        let native = || fit.columns().map(|name| table.column(name).map(|column| &column.native));
        if native().flatten().any(|native| native.carrier() == Carrier::Lines) {
            Self::Csv(native().map(|native| native.is_some_and(|native| native.is_json())).collect())
        } else {
            Self::Parquet
        }
    }

    fn extension(&self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv(_) => "csv",
        }
    }
}

/// Rows on their way into a table.
pub(crate) struct Rows {
    pub(crate) batches: BatchStream,
    pub(crate) fit: Fit,
    pub(crate) limits: Limits,
    pub(crate) format: Format,
    /// How many files the server loads at a time.
    pub(crate) slices: usize,
}

/// Writes all rows, then the manifest. No rows, no files.
pub(crate) async fn stage(place: &Place, rows: Rows, target: usize, progress: Option<&ProgressFn>) -> Result<Staged> {
    let format = rows.format.clone();
    let splitter = Splitter::new(rows.fit.schema().clone(), format.clone(), target);
    let tail = Tail::new(target, rows.slices);
    let source = Source { rows, splitter, tail, batch: 0, files: 0, ended: false };
    let files = stream::try_unfold(source, |mut source| async move {
        Ok::<_, Error>(source.next().await?.map(|file| (file, source)))
    });
    let mut so_far = Progress::default();
    let mut parts: Vec<(usize, Part)> = files
        .enumerate()
        .map(|(number, file)| file.map(|file| (number, file)))
        .map_ok(|(number, file)| upload(place, number, format.extension(), file))
        .try_buffer_unordered(AT_A_TIME)
        .and_then(|(number, part)| {
            so_far = Progress::new(so_far.rows + part.rows, so_far.bytes + part.bytes, so_far.files + 1);
            if let Some(progress) = progress {
                progress(so_far);
            }
            ready(Ok((number, part)))
        })
        .try_collect()
        .await?;
    // Uploads end in any order.
    parts.sort_by_key(|(number, _)| *number);
    let parts: Vec<Part> = parts.into_iter().map(|(_, part)| part).collect();
    let manifest = if parts.is_empty() { None } else { Some(place.put(MANIFEST, manifest(&parts)).await?.url) };
    Ok(Staged { manifest, format, rows: so_far.rows, bytes: so_far.bytes, files: so_far.files })
}

async fn upload(place: &Place, number: usize, extension: &str, file: File) -> Result<(usize, Part)> {
    let name = format!("part-{number:05}.{extension}");
    let staged = place.put(&name, file.content).await?;
    Ok((number, Part { url: staged.url, rows: file.rows, bytes: staged.bytes }))
}

struct Source {
    rows: Rows,
    splitter: Splitter,
    tail: Tail,
    batch: u64,
    files: usize,
    ended: bool,
}

impl Source {
    async fn next(&mut self) -> Result<Option<File>> {
        let file = self.advance().await?;
        self.files += usize::from(file.is_some());
        Ok(file)
    }

    async fn advance(&mut self) -> Result<Option<File>> {
        loop {
            if let Some(file) = self.splitter.next()? {
                return Ok(Some(file));
            }
            if self.ended {
                let Some(rows) = self.tail.share()? else { return self.splitter.finish() };
                if let Some(file) = self.splitter.finish()? {
                    self.tail.put_back(rows);
                    return Ok(Some(file));
                }
                self.splitter.feed(rows);
                continue;
            }
            if let Some(batch) = self.tail.overflow() {
                self.splitter.feed(batch);
                continue;
            }
            let Some(batch) = self.rows.batches.next().await.transpose()? else {
                self.ended = true;
                self.tail.close(self.files + usize::from(self.splitter.is_open()));
                continue;
            };
            let fitted =
                self.rows.fit.apply(&batch).and_then(|fitted| self.rows.limits.check(&fitted).map(|()| fitted));
            self.tail.push(fitted.map_err(|error| error.with_context("batch", self.batch.to_string()))?);
            self.batch += 1;
            // Lets the files that are on their way move on.
            tokio::task::yield_now().await;
        }
    }
}
