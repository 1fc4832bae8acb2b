//! The answer to a statement, as Arrow batches that come as they are read.

use std::time::Duration;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use tokio::time::{Instant, timeout_at};
use twinhouse_core::{
    Error, ErrorKind, Result,
    telemetry::metric::{self, Direction},
};
use twinhouse_warehouse_api::{BatchStream, Outcome};

use super::Lease;
use crate::{
    decode::batch::BatchBuilder,
    wire::{
        Notice,
        message::{CommandTag, WireColumn, row_description, tag, unexpected},
    },
};

/// A statement that has been sent.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) lease: Lease,
    /// The columns of its answer, if it was prepared.
    pub(crate) columns: Vec<WireColumn>,
    /// When to stop reading, where nobody outside counts.
    pub(crate) deadline: Option<(Instant, Duration)>,
    /// It is a page of a longer answer, whose schema the first page decided.
    pub(crate) page_of: Option<Page>,
}

/// Which page of a longer answer.
#[derive(Clone, Debug)]
pub(crate) enum Page {
    First,
    /// The schema of the first.
    Later(SchemaRef),
}

impl Started {
    /// Waits for the beginning of the answer, and with it the schema.
    pub(crate) async fn open(self) -> Result<BatchStream> {
        let mut lease = self.lease;
        lease.begin_reading();
        let mut rows = Rows {
            lease: Some(lease),
            builder: BatchBuilder::new(&self.columns),
            described: !self.columns.is_empty(),
            begun: false,
            outcome: Outcome::default(),
            deadline: self.deadline,
            page_of: self.page_of,
        };
        let first = rows.first().await?;
        let (schema, outcome) = (rows.builder.schema().clone(), rows.outcome.clone());
        Ok(stream(schema, outcome, first, rows))
    }
}

fn stream(schema: SchemaRef, outcome: Outcome, first: Option<RecordBatch>, rows: Rows) -> BatchStream {
    let batches = futures::stream::unfold(Some((first, rows)), |state| async move {
        let (first, mut rows) = state?;
        let next = match first {
            Some(batch) => Ok(Some(batch)),
            None => rows.next().await,
        };
        match next {
            Ok(Some(batch)) => Some((Ok(batch), Some((None, rows)))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    BatchStream::new(schema, batches).with_outcome(outcome)
}

#[derive(Debug)]
struct Rows {
    /// None once the answer is read to its end.
    lease: Option<Lease>,
    builder: BatchBuilder,
    described: bool,
    /// Whether anything of the answer has arrived.
    begun: bool,
    outcome: Outcome,
    deadline: Option<(Instant, Duration)>,
    page_of: Option<Page>,
}

/// Why reading paused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// The answer has begun.
    Begun,
    Full,
    End,
}

impl Rows {
    /// Reads until the schema is certain: to the beginning of the answer, or through the first batch.
    async fn first(&mut self) -> Result<Option<RecordBatch>> {
        let mut pause = self.read(true).await?;
        if !self.builder.is_open() {
            return Ok(None);
        }
        if pause == Pause::Begun {
            pause = self.read(false).await?;
        }
        // An answer without rows still has a schema.
        let complete = pause == Pause::End && self.page_of.is_none();
        let batch = self.builder.settle(complete)?;
        Ok(Some(batch).filter(|batch| batch.num_rows() > 0))
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if self.lease.is_some() && !self.builder.is_full() {
            self.read(false).await?;
        }
        if self.builder.is_empty() {
            return Ok(None);
        }
        let bytes = self.builder.bytes();
        let batch = self.builder.finish()?;
        metric::transferred("redshift", Direction::Read, batch.num_rows() as u64, bytes as u64);
        Ok(Some(batch))
    }

    async fn read(&mut self, first: bool) -> Result<Pause> {
        let Some((deadline, limit)) = self.deadline else { return self.read_on(first).await };
        match timeout_at(deadline, self.read_on(first)).await {
            Ok(read) => read,
            Err(_) => Err(self.explain(
                Error::new(ErrorKind::Timeout, "the statement ran out of time")
                    .with_context("wait", "statement")
                    .with_context("limit", format!("{limit:?}")),
            )),
        }
    }

    /// Reads until the batch is full or the answer ends; with `first`, only until the answer has begun.
    async fn read_on(&mut self, first: bool) -> Result<Pause> {
        match self.messages(first).await {
            Ok(Pause::End) => {
                if let Some(lease) = self.lease.take() {
                    lease.finish();
                }
                Ok(Pause::End)
            }
            Ok(pause) => Ok(pause),
            Err(error) => {
                let error = self.explain(error);
                // A statement that failed is over, and its session as good as before.
                if let Some(mut lease) = self.lease.take()
                    && lease.connection().is_quiet()
                {
                    lease.finish();
                }
                Err(error)
            }
        }
    }

    fn explain(&self, error: Error) -> Error {
        match &self.lease {
            Some(lease) => lease.control().explain(error),
            None => error,
        }
    }

    async fn messages(&mut self, first: bool) -> Result<Pause> {
        let Self { lease: Some(lease), builder, described, begun, outcome, page_of, .. } = self else {
            return Ok(Pause::End);
        };
        let connection = lease.connection();
        loop {
            if first && *begun {
                return Ok(Pause::Begun);
            }
            let frame = match connection.buffered()? {
                Some(frame) => frame,
                None => connection.next().await?,
            };
            match frame.tag {
                tag::DATA_ROW if first => *begun = true,
                tag::DATA_ROW => {
                    builder.push(connection.body(frame))?;
                    connection.discard(frame)?;
                    if builder.is_full() {
                        return Ok(Pause::Full);
                    }
                }
                tag::BIND_COMPLETE | tag::EMPTY_QUERY | tag::NO_DATA => connection.discard(frame)?,
                tag::ROW_DESCRIPTION => {
                    if std::mem::replace(described, true) {
                        return Err(Error::unsupported("redshift", "the statement gives more than one result"));
                    }
                    *builder = BatchBuilder::new(&row_description(connection.body(frame))?);
                    if let Some(Page::Later(schema)) = page_of {
                        builder.decide(schema)?;
                    }
                    connection.discard(frame)?;
                }
                tag::COMMAND_COMPLETE => {
                    let changed = CommandTag::parse(connection.body(frame))?.rows_changed();
                    let notices = connection.take_notices();
                    if let Some(rows) = changed.or_else(|| notices.iter().find_map(Notice::rows_loaded)) {
                        outcome.note_rows_affected(rows);
                    }
                    connection.discard(frame)?;
                    // A statement without rows is over here, but its session only with the next message.
                }
                tag::ERROR => {
                    let error = connection.take_error(frame)?;
                    if !connection.is_broken() {
                        connection.drain().await?;
                    }
                    return Err(error);
                }
                tag::READY_FOR_QUERY => {
                    connection.discard(frame)?;
                    return Ok(Pause::End);
                }
                tag::COPY_IN | tag::COPY_OUT => {
                    return Err(Error::unsupported("redshift", "COPY through the connection; Redshift copies from S3"));
                }
                other => return Err(unexpected(other)),
            }
        }
    }
}
