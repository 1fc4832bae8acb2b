//! The result of a statement that has succeeded.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream::BoxStream};
use serde::de::DeserializeOwned;
use twinhouse_core::Result;
use twinhouse_warehouse_api::{BatchStream, RowStream, StatementId};

use super::response::ResultManifest;

/// A result that waits to be read.
///
/// # Cancellation
///
/// Dropping it, or the stream made from it before its end, gives the result up on the service.
#[derive(Debug)]
pub struct StatementResult {
    pub(super) id: StatementId,
    pub(super) manifest: ResultManifest,
    pub(super) batches: BatchStream,
}

impl StatementResult {
    /// The service's name for the statement.
    pub fn statement_id(&self) -> &StatementId {
        &self.id
    }

    /// What is known before it is read: the columns in the service's own types, the number of rows, whether it was
    /// cut short.
    pub fn manifest(&self) -> &ResultManifest {
        &self.manifest
    }

    /// The columns as they are read.
    pub fn schema(&self) -> &SchemaRef {
        self.batches.schema()
    }

    /// The rows as Arrow batches, as they come.
    pub fn into_batches(self) -> BatchStream {
        self.batches
    }

    /// The rows as `T`, as they come.
    pub fn into_rows<T: DeserializeOwned + Send + 'static>(self) -> RowStream<T> {
        self.batches.rows()
    }

    /// All rows at once. Memory grows with the result.
    ///
    /// # Errors
    ///
    /// Those of reading; [`ErrorKind::Data`](twinhouse_core::ErrorKind::Data) if a row does not fit `T`.
    pub async fn collect_rows<T: DeserializeOwned + Send + 'static>(self) -> Result<Vec<T>> {
        self.into_rows().collect_rows().await
    }

    /// Reads it to its end and answers how many rows the statement changed, where the service says.
    ///
    /// # Errors
    ///
    /// Those of reading.
    pub async fn finish(mut self) -> Result<Option<u64>> {
        while self.batches.try_next().await?.is_some() {}
        Ok(self.batches.rows_affected())
    }
}

/// The files of a result as they are, in order: a stream of one [`Bytes`] for each file.
///
/// It ends with `None` only when all files have come; one that failed half-way yields one `Err` and then ends.
///
/// # Cancellation
///
/// Dropping it before its end gives the result up on the service.
pub struct RawResult {
    pub(super) id: StatementId,
    pub(super) manifest: ResultManifest,
    pub(super) files: BoxStream<'static, Result<Bytes>>,
}

impl RawResult {
    /// The service's name for the statement.
    pub fn statement_id(&self) -> &StatementId {
        &self.id
    }

    /// What is known before the files are read.
    pub fn manifest(&self) -> &ResultManifest {
        &self.manifest
    }
}

impl Stream for RawResult {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.files.poll_next_unpin(cx)
    }
}

impl fmt::Debug for RawResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawResult").field("id", &self.id).finish_non_exhaustive()
    }
}
