//! A long stream, batch by batch.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    BatchStream, CallOptions, LoadRequest, LoadToken, Progress, ProgressFn,
    arrow::{array::RecordBatch, compute::BatchCoalescer},
};

use super::report::StreamReport;
use crate::table::DeltaTable;

/// Appends a stream in batches of as many rows, several at a time, each a version of its own. Made by
/// [`DeltaTable::write_stream`].
///
/// For a stream that has no end in sight, or whose rows shall be seen as they come. Each batch is written exactly once:
/// repeated with the same token and the same rows, the batches that are there are left alone and the rest is written.
/// The stream is read only as fast as batches are written: as many as are under way are in memory, and one more.
///
/// ```no_run
/// # async fn example(events: &twinhouse_delta::DeltaTable, source: twinhouse_warehouse_api::BatchStream)
/// # -> twinhouse_core::Result<()> {
/// use twinhouse_warehouse_api::LoadToken;
///
/// let report = events
///     .write_stream(source, LoadToken::new("events-2026-01-01")?)
///     .with_batch_rows(50_000)
///     .with_concurrency(4)
///     .with_progress(|done| println!("{} rows", done.rows))
///     .run()
///     .await?;
/// println!("{} batches, {} of them again", report.batches, report.replayed);
/// # Ok(())
/// # }
/// ```
#[must_use = "a write does nothing until it is run"]
pub struct StreamWriter {
    table: DeltaTable,
    batches: BatchStream,
    token: LoadToken,
    batch_rows: usize,
    concurrency: usize,
    progress: Option<ProgressFn>,
    options: CallOptions,
}

impl DeltaTable {
    /// Appends a stream batch by batch. The token names the whole. Nothing is sent yet.
    pub fn write_stream(&self, batches: BatchStream, token: LoadToken) -> StreamWriter {
        StreamWriter {
            table: self.clone(),
            batches,
            token,
            batch_rows: StreamWriter::DEFAULT_BATCH_ROWS,
            concurrency: StreamWriter::DEFAULT_CONCURRENCY,
            progress: None,
            options: CallOptions::default(),
        }
    }
}

impl StreamWriter {
    /// Rows of a batch, unless set otherwise.
    pub const DEFAULT_BATCH_ROWS: usize = 100_000;
    /// Batches under way at once, unless set otherwise.
    pub const DEFAULT_CONCURRENCY: usize = 4;

    /// So many rows make a batch. A repetition with the same token must say the same number.
    pub fn with_batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows;
        self
    }

    /// So many batches are under way at once.
    pub fn with_concurrency(mut self, batches: usize) -> Self {
        self.concurrency = batches;
        self
    }

    /// Reports what has been written so far, as batches are done; must not block.
    pub fn with_progress(mut self, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// Replaces the call options; they are those of each batch.
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Carries it out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for batches of no rows, no batches at once, or a token that leaves no room for the
    /// batches' numbers; the first error of the stream or of a batch, with the number of the batch. What was written
    /// stays; write again with the same token to complete it.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the work; write again with the same token to complete it.
    pub async fn run(self) -> Result<StreamReport> {
        let began = Instant::now();
        let wrong = |why: &'static str| Error::new(ErrorKind::InvalidInput, why);
        if self.batch_rows == 0 {
            return Err(wrong("a batch has at least one row"));
        }
        if self.concurrency == 0 {
            return Err(wrong("at least one batch is written at a time"));
        }
        // The longest there can be: better now than in the middle.
        LoadToken::new(format!("{}.{}", self.token, u32::MAX)).map_err(|_| {
            wrong("the token of a stream has at most 53 characters").with_context("token", self.token.as_str())
        })?;
        let (table, token, options) = (self.table, self.token, self.options);
        let schema = self.batches.schema().clone();
        let done = Mutex::new((
            Progress::default(),
            StreamReport {
                rows: 0,
                bytes: 0,
                files: 0,
                batches: 0,
                replayed: 0,
                token: token.clone(),
                elapsed: began.elapsed(),
            },
        ));
        let cut = Cut {
            source: self.batches,
            rows: BatchCoalescer::new(schema.clone(), self.batch_rows),
            next: 0,
            ended: false,
        };
        let numbered = stream::try_unfold(cut, Cut::next);
        let written = numbered.map_ok(|(number, batch)| {
            let (table, token, options, schema) = (&table, &token, &options, &schema);
            async move {
                let token = LoadToken::new(format!("{token}.{number}"))?;
                let batches = BatchStream::from_batches(Arc::clone(schema), vec![batch]);
                let request = LoadRequest::append(table.table_ref().clone(), batches, token);
                let loaded = table.warehouse().load(request.with_options(options.clone())).await;
                loaded.map_err(|error| error.with_context("batch", number.to_string()))
            }
        });
        written
            .try_buffer_unordered(self.concurrency)
            .try_for_each(|loaded| {
                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                let (progress, report) = &mut *done;
                report.rows += loaded.rows;
                report.bytes += loaded.bytes;
                report.files += loaded.files;
                report.batches += 1;
                report.replayed += u64::from(loaded.replayed);
                *progress = Progress::new(report.rows, report.bytes, report.files);
                if let Some(tell) = &self.progress {
                    tell(*progress);
                }
                std::future::ready(Ok(()))
            })
            .await?;
        let (_, report) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(StreamReport { elapsed: began.elapsed(), ..report })
    }
}

/// Cuts a stream into batches of as many rows: the same rows make the same batches, however they come.
struct Cut {
    source: BatchStream,
    rows: BatchCoalescer,
    next: u64,
    ended: bool,
}

impl Cut {
    async fn next(mut self) -> Result<Option<((u64, RecordBatch), Self)>> {
        let broken =
            |cause| Error::new(ErrorKind::Internal, "a stream could not be cut into batches").with_source(cause);
        loop {
            if let Some(batch) = self.rows.next_completed_batch() {
                let number = self.next;
                self.next += 1;
                return Ok(Some(((number, batch), self)));
            }
            if self.ended {
                return Ok(None);
            }
            match self.source.next().await.transpose()? {
                Some(batch) => self.rows.push_batch(batch).map_err(broken)?,
                None => {
                    self.rows.finish_buffered_batch().map_err(broken)?;
                    self.ended = true;
                }
            }
        }
    }
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWriter")
            .field("table", self.table.table_ref())
            .field("token", &self.token)
            .field("batch_rows", &self.batch_rows)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}
