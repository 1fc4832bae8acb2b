//! Rows as the caller's own type.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use arrow::array::RecordBatch;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use serde::de::DeserializeOwned;
use twinhouse_core::{Error, ErrorKind, Result};

use crate::batches::BatchStream;

/// Rows of a result as `T`, decoded batch by batch.
///
/// # Cancellation
///
/// As [`BatchStream`]: dropping it before its end cancels the statement on the server.
pub struct RowStream<T> {
    batches: BatchStream,
    rows: VecDeque<T>,
}

impl<T: DeserializeOwned + Send + 'static> RowStream<T> {
    pub(crate) fn new(batches: BatchStream) -> Self {
        Self { batches, rows: VecDeque::new() }
    }

    /// All rows at once. Memory grows with the result.
    ///
    /// # Errors
    ///
    /// The first error of the stream.
    pub async fn collect_rows(self) -> Result<Vec<T>> {
        self.try_collect().await
    }
}

/// Nothing in it is pinned: rows are handed out whole.
impl<T> Unpin for RowStream<T> {}

impl<T: DeserializeOwned> Stream for RowStream<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(row) = self.rows.pop_front() {
                return Poll::Ready(Some(Ok(row)));
            }
            match ready!(self.batches.poll_next_unpin(cx)) {
                None => return Poll::Ready(None),
                Some(batch) => match batch.and_then(|batch| decode(&batch)) {
                    Ok(rows) => self.rows = rows,
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
            }
        }
    }
}

fn decode<T: DeserializeOwned>(batch: &RecordBatch) -> Result<VecDeque<T>> {
    let rows: Vec<T> = serde_arrow::from_record_batch(batch).map_err(|cause| {
        let columns =
            batch.schema().fields().iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect::<Vec<_>>();
        Error::new(ErrorKind::Data, "the rows do not fit the type they are read as")
            .with_context("type", std::any::type_name::<T>())
            .with_context("columns", columns.join(", "))
            .with_source(cause)
    })?;
    Ok(rows.into())
}

impl<T> fmt::Debug for RowStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").field("batches", &self.batches).field("decoded", &self.rows.len()).finish()
    }
}
