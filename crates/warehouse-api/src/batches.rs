//! Arrow batches, as they arrive.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream::BoxStream};
use serde::de::DeserializeOwned;
use twinhouse_core::Result;

use crate::rows::RowStream;

/// What becomes known only at the end of a result. Shared between a stream and what wraps it.
#[derive(Clone, Debug, Default)]
pub struct Outcome(Arc<OutcomeState>);

#[derive(Debug, Default)]
struct OutcomeState {
    rows_affected: OnceLock<u64>,
    truncated: AtomicBool,
}

impl Outcome {
    /// Notes how many rows the statement changed. The first note stands.
    pub fn note_rows_affected(&self, rows: u64) {
        let _ = self.0.rows_affected.set(rows);
    }

    /// Notes that the server cut the result short.
    pub fn note_truncated(&self) {
        self.0.truncated.store(true, Ordering::Relaxed);
    }
}

/// Rows as a stream of Arrow [`RecordBatch`]es, with the schema known before the first of them.
///
/// It ends with `None` only when the result is complete; a result that failed or was cancelled half-way yields one
/// `Err` and then ends. Memory does not grow with the result: nothing is read ahead beyond a small bound.
///
/// # Cancellation
///
/// Dropping the stream before its end cancels the statement on the server, unless its request said otherwise.
pub struct BatchStream {
    schema: SchemaRef,
    batches: BoxStream<'static, Result<RecordBatch>>,
    outcome: Outcome,
    ended: bool,
}

impl BatchStream {
    /// A stream of batches of this schema.
    pub fn new(schema: SchemaRef, batches: impl Stream<Item = Result<RecordBatch>> + Send + 'static) -> Self {
        Self { schema, batches: batches.boxed(), outcome: Outcome::default(), ended: false }
    }

    /// Batches that are there already.
    pub fn from_batches(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self::new(schema, futures::stream::iter(batches.into_iter().map(Ok)))
    }

    /// Shares what becomes known at the end with whoever fills it in.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What becomes known at the end.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// How many rows the statement changed, where the server says. Known at the end of the stream.
    pub fn rows_affected(&self) -> Option<u64> {
        self.outcome.0.rows_affected.get().copied()
    }

    /// Whether the server cut the result short (a row or byte limit). Known at the end of the stream.
    pub fn is_truncated(&self) -> bool {
        self.outcome.0.truncated.load(Ordering::Relaxed)
    }

    /// All batches at once. Memory grows with the result.
    ///
    /// # Errors
    ///
    /// The first error of the stream.
    pub async fn collect_batches(self) -> Result<Vec<RecordBatch>> {
        self.try_collect().await
    }

    /// Rows as `T`, decoded from the batches by column name.
    ///
    /// Decimals decode into strings or into a decimal type that reads one, dates and times into strings or `chrono`
    /// types.
    pub fn rows<T: DeserializeOwned + Send + 'static>(self) -> RowStream<T> {
        RowStream::new(self)
    }
}

impl Stream for BatchStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let next = self.batches.poll_next_unpin(cx);
        self.ended = matches!(next, Poll::Ready(None | Some(Err(_))));
        next
    }
}

impl fmt::Debug for BatchStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchStream").field("columns", &self.schema.fields().len()).field("ended", &self.ended).finish()
    }
}
