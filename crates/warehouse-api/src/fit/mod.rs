//! Whether rows fit a table: decided from the schemas before anything is sent, then carried out without loss.

mod convert;
mod rules;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use twinhouse_core::{Error, ErrorKind, Result};

use crate::table::{TableInfo, TableRef};

/// How the columns of a source go into a table: which into which, and as what type.
///
/// Columns are matched by name: exactly, else without regard to case where only one column qualifies. A type may
/// only become one that holds each of its values; what depends on the value (nanoseconds that are not whole
/// microseconds, a null for a `NOT NULL` column) is checked row by row in [`apply`](Self::apply).
///
/// ```
/// use std::sync::Arc;
/// use twinhouse_warehouse_api::{
///     ColumnInfo, Fit, TableInfo, TableKind, TableRef,
///     arrow::{array::{Int32Array, RecordBatch}, datatypes::{DataType, Field, Schema}},
/// };
///
/// let columns = vec![
///     ColumnInfo::new("id", DataType::Int64, "bigint").with_nullable(false),
///     ColumnInfo::new("note", DataType::Utf8, "string"),
/// ];
/// let table = TableInfo::new(TableRef::new("orders"), TableKind::Managed, columns);
/// let source = Arc::new(Schema::new(vec![Field::new("ID", DataType::Int32, false)]));
///
/// let fit = Fit::plan(&table, &source)?;
/// assert_eq!(fit.columns().collect::<Vec<_>>(), ["id"]);
/// let batch = RecordBatch::try_new(source, vec![Arc::new(Int32Array::from(vec![1, 2]))])?;
/// assert_eq!(fit.apply(&batch)?.schema().field(0).data_type(), &DataType::Int64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fit {
    table: TableRef,
    source: SchemaRef,
    target: SchemaRef,
    /// For each column of `target`, its index in `source`.
    from: Vec<usize>,
}

impl Fit {
    /// Matches the source's columns with the table's.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] that lists everything that is wrong, each with the column, what was wanted and
    /// what came: columns the table lacks, columns that could mean more than one or go into the same one, types that
    /// do not fit, `NOT NULL` columns that are missing.
    pub fn plan(target: &TableInfo, source: &Schema) -> Result<Self> {
        let wanted = rules::Wanted {
            fields: &target.schema().fields,
            native: &target.columns.iter().map(|column| column.native_type.as_str()).collect::<Vec<_>>(),
        };
        let mut problems = Vec::new();
        let sources = wanted.sources("", source.fields(), &mut problems);
        if source.fields().is_empty() {
            problems.push("there are no columns".to_owned());
        }
        if !problems.is_empty() {
            let message = format!("the columns do not fit the table: {}", problems.join("; "));
            return Err(Error::new(ErrorKind::InvalidInput, message).with_context("table", target.table.to_string()));
        }
        let (mut from, mut fields) = (Vec::new(), Vec::new());
        for (field, index) in target.schema().fields().iter().zip(sources) {
            if let Some(index) = index {
                from.push(index);
                fields.push(Arc::clone(field));
            }
        }
        Ok(Self {
            table: target.table.clone(),
            source: Arc::new(source.clone()),
            target: Arc::new(Schema::new(fields)),
            from,
        })
    }

    /// The columns that will be written, with the table's names, types and order. Columns that the source lacks are
    /// not among them.
    pub fn schema(&self) -> &SchemaRef {
        &self.target
    }

    /// The names of the columns that will be written, in the table's order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.target.fields().iter().map(|field| field.name().as_str())
    }

    /// Brings rows of the source into the table's types, value for value.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the batch does not have the source's schema, or if a value does not fit: the
    /// context names the column and the row, counted from 0 within the batch.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let schema = batch.schema_ref();
        if schema.fields().len() != self.source.fields().len()
            || !schema.fields().iter().zip(self.source.fields()).all(|(got, planned)| same(got, planned))
        {
            return Err(Error::new(ErrorKind::InvalidInput, "the batch does not have the schema that was planned for")
                .with_context("table", self.table.to_string())
                .with_context("wanted", describe(&self.source))
                .with_context("got", describe(schema)));
        }
        let mut columns = Vec::with_capacity(self.from.len());
        for (field, &index) in self.target.fields().iter().zip(&self.from) {
            let column = convert::field(batch.column(index), field, None).map_err(|misfit| {
                Error::new(ErrorKind::InvalidInput, misfit.why)
                    .with_context("table", self.table.to_string())
                    .with_context("column", format!("{}{}", field.name(), misfit.path))
                    .with_context("row", misfit.row.to_string())
            })?;
            columns.push(column);
        }
        RecordBatch::try_new(Arc::clone(&self.target), columns).map_err(|error| {
            Error::new(ErrorKind::Internal, "converted columns do not make a batch")
                .with_context("table", self.table.to_string())
                .with_source(error)
        })
    }
}

fn same(got: &Field, planned: &Field) -> bool {
    got.name() == planned.name() && got.data_type() == planned.data_type()
}

fn describe(schema: &Schema) -> String {
    let fields: Vec<_> =
        schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
    fields.join(", ")
}

/// The two fields of a map's entries.
fn entries(field: &Field) -> Option<(&Field, &Field)> {
    match field.data_type() {
        DataType::Struct(fields) if fields.len() == 2 => Some((&fields[0], &fields[1])),
        _ => None,
    }
}
