//! Rows of the caller's own type.

use std::sync::Arc;

use serde::Serialize;
use serde_arrow::schema::{SchemaLike as _, TracingOptions};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    BatchStream, TableInfo,
    arrow::datatypes::{Field, FieldRef, Schema},
};

/// Rows that take the types of the table they go into; if there is none, those that their values suggest.
pub(crate) struct RowSource(Box<Encode>);

type Encode = dyn FnOnce(Option<&TableInfo>) -> Result<BatchStream> + Send;

impl RowSource {
    pub(crate) fn new<T: Serialize + Send + 'static>(rows: Vec<T>) -> Self {
        Self(Box::new(move |table| encode(&rows, table)))
    }

    pub(crate) fn batches(self, table: Option<&TableInfo>) -> Result<BatchStream> {
        (self.0)(table)
    }
}

fn encode<T: Serialize>(rows: &[T], table: Option<&TableInfo>) -> Result<BatchStream> {
    let misfit = |cause: serde_arrow::Error| {
        let error =
            Error::new(ErrorKind::InvalidInput, "the rows do not become columns: each must be a struct or a map")
                .with_context("type", std::any::type_name::<T>());
        match table {
            Some(table) => error.with_context("table", table.table.to_string()),
            None => error,
        }
        .with_source(cause)
    };
    if rows.is_empty() {
        // Without a row the type says nothing of its columns.
        let table = table.ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, "a table cannot be made of no rows of a type; give batches")
        })?;
        return Ok(BatchStream::from_batches(table.schema(), Vec::new()));
    }
    let options = TracingOptions::default()
        .allow_null_fields(true)
        .strings_as_large_utf8(false)
        .sequence_as_large_list(false)
        .enums_without_data_as_strings(true);
    let traced = Vec::<FieldRef>::from_samples(rows, options).map_err(misfit)?;
    let fields: Vec<FieldRef> = traced.iter().map(|field| typed(field, table)).collect();
    let batch = serde_arrow::to_record_batch(&fields, &rows).map_err(misfit)?;
    Ok(BatchStream::from_batches(Arc::new(Schema::new(fields)), vec![batch]))
}

/// The field as the table has it, under the row's own name. A column that the table lacks is left for the check that
/// follows.
fn typed(field: &FieldRef, table: Option<&TableInfo>) -> FieldRef {
    let columns = table.map(|table| table.columns.as_slice()).unwrap_or_default();
    let exact = columns.iter().find(|column| column.name == *field.name());
    let alike = || columns.iter().find(|column| column.name.to_lowercase() == field.name().to_lowercase());
    match exact.or_else(alike) {
        Some(column) => Arc::new(Field::new(field.name(), column.data_type.clone(), true)),
        None => Arc::clone(field),
    }
}
