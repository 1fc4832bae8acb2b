//! Rows as the caller's own type.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use arrow::{
    array::{Array as _, ArrayData, RecordBatch, RecordBatchOptions, make_array},
    datatypes::{DataType, Field, FieldRef, IntervalUnit, Schema},
    error::ArrowError,
};
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

    /// Whether the server cut the result short (a row or byte limit). Known at the end of the stream.
    pub fn is_truncated(&self) -> bool {
        self.batches.is_truncated()
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
    let misfit = |cause: Box<dyn std::error::Error + Send + Sync>| {
        let columns =
            batch.schema().fields().iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect::<Vec<_>>();
        Error::new(ErrorKind::Data, "the rows do not fit the type they are read as")
            .with_context("type", std::any::type_name::<T>())
            .with_context("columns", columns.join(", "))
            .with_source(cause)
    };
    let batch = readable(batch).map_err(|cause| misfit(cause.into()))?;
    let rows: Vec<T> = serde_arrow::from_record_batch(&batch).map_err(|cause| misfit(cause.into()))?;
    Ok(rows.into())
}

/// The same rows without a type that the decoder does not know: an interval of years and months is its months.
fn readable(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let fields: Vec<_> = batch.schema().fields().iter().map(readable_field).collect();
    let columns = batch.columns().iter().zip(&fields).map(|(column, field)| match field.data_type() {
        same if same == column.data_type() => Ok(column.clone()),
        other => as_type(column.to_data(), other).map(make_array),
    });
    let columns = columns.collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

fn readable_field(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Interval(IntervalUnit::YearMonth) => DataType::Int32,
        DataType::List(element) => DataType::List(readable_field(element)),
        DataType::Map(entries, sorted) => DataType::Map(readable_field(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(readable_field).collect()),
        _ => return field.clone(),
    };
    Arc::new(Field::clone(field).with_data_type(data_type))
}

/// The same bytes by the name of another type of the same shape.
fn as_type(data: ArrayData, to: &DataType) -> Result<ArrayData, ArrowError> {
    if data.data_type() == to {
        return Ok(data);
    }
    let inner = match to {
        DataType::List(field) | DataType::Map(field, _) => std::slice::from_ref(field),
        DataType::Struct(fields) => fields,
        _ => &[],
    };
    let children = data.child_data().iter().zip(inner).map(|(child, field)| as_type(child.clone(), field.data_type()));
    let children = children.collect::<Result<_, _>>()?;
    data.into_builder().data_type(to.clone()).child_data(children).build()
}

impl<T> fmt::Debug for RowStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").field("batches", &self.batches).field("decoded", &self.rows.len()).finish()
    }
}
