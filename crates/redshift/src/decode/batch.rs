//! Rows of the wire into Arrow batches.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder,
        Int16Builder, Int32Builder, Int64Builder, RecordBatch, RecordBatchOptions, StringBuilder,
        Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
    },
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use twinhouse_core::{Error, ErrorKind, Result};

use super::{Kind, number, open, time};
use crate::wire::message::{WireColumn, malformed, row_values};

/// The most rows of one batch.
pub(crate) const ROWS: usize = 8192;
/// A batch is closed at about this many bytes of wire.
pub(crate) const BYTES: usize = 8 * 1024 * 1024;
/// Room for the first rows; later batches take what the one before took.
const FIRST_ROOM: usize = 64;

/// Gathers rows until there are enough for a batch.
#[derive(Debug)]
pub(crate) struct BatchBuilder {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Column {
    name: String,
    kind: Kind,
    binary: bool,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Bool(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder),
    Text(StringBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Bytes(BinaryBuilder),
}

impl BatchBuilder {
    /// For a result of these columns. Numbers of no stated precision are text until [`settle`](Self::settle).
    pub(crate) fn new(columns: &[WireColumn]) -> Self {
        let columns = columns.iter().map(|column| {
            let kind = Kind::of(column);
            Column {
                name: column.name.clone(),
                kind,
                binary: column.format == 1,
                values: Values::new(kind, FIRST_ROOM),
            }
        });
        let columns: Vec<_> = columns.collect();
        Self { schema: schema(&columns), columns, rows: 0, bytes: 0 }
    }

    /// Whether the schema depends on what the first values are.
    pub(crate) fn is_open(&self) -> bool {
        self.columns.iter().any(|column| column.kind == Kind::Open)
    }

    /// Gives every number of no stated precision the type that it has in `schema`.
    pub(crate) fn decide(&mut self, schema: &SchemaRef) -> Result<()> {
        if schema.fields().len() != self.columns.len() {
            return Err(malformed());
        }
        for (column, field) in self.columns.iter_mut().zip(schema.fields()) {
            if column.kind == Kind::Open {
                column.kind = match field.data_type() {
                    DataType::Decimal128(precision, scale) => Kind::Decimal(*precision, *scale),
                    _ => Kind::Text,
                };
                column.values = Values::new(column.kind, FIRST_ROOM);
            }
        }
        self.schema = self::schema(&self.columns);
        Ok(())
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows >= ROWS || self.bytes >= BYTES
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the row of a `DataRow` message.
    pub(crate) fn push(&mut self, row: &[u8]) -> Result<()> {
        let mut values = row_values(row);
        for column in &mut self.columns {
            let value = values.next().ok_or_else(malformed)??;
            column.push(value)?;
        }
        if values.next().is_some() {
            return Err(malformed());
        }
        self.rows += 1;
        self.bytes += row.len();
        Ok(())
    }

    /// The rows so far as a batch.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let arrays = self.columns.iter_mut().map(|column| column.finish(rows)).collect::<Result<Vec<_>>>()?;
        assemble(&self.schema, arrays, rows)
    }

    /// The rows so far as a batch, and with them the type of every number of no stated precision. `complete` says
    /// whether more rows follow.
    pub(crate) fn settle(&mut self, complete: bool) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let mut arrays = Vec::with_capacity(self.columns.len());
        for column in &mut self.columns {
            let array = column.finish(rows)?;
            if column.kind == Kind::Open {
                let (kind, array) = open::settle(&array, complete);
                column.kind = kind;
                column.values = Values::new(kind, FIRST_ROOM);
                arrays.push(array);
            } else {
                arrays.push(array);
            }
        }
        self.schema = schema(&self.columns);
        assemble(&self.schema, arrays, rows)
    }
}

fn assemble(schema: &SchemaRef, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
        .map_err(|cause| Error::new(ErrorKind::Internal, "the columns do not make a batch").with_source(cause))
}

fn schema(columns: &[Column]) -> SchemaRef {
    let field = |column: &Column| Field::new(&column.name, column.kind.data_type(), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

impl Column {
    #[inline]
    fn push(&mut self, value: Option<&[u8]>) -> Result<()> {
        let read = match value {
            None => {
                self.values.push_null();
                Some(())
            }
            Some(bytes) if self.binary => self.values.push_binary(bytes, self.kind),
            Some(bytes) => self.values.push_text(bytes, self.kind),
        };
        read.ok_or_else(|| self.misfit(value.unwrap_or_default()))
    }

    /// The value itself stays out of the message: it may be personal data. What has a cure is told it.
    #[cold]
    fn misfit(&self, value: &[u8]) -> Error {
        let special = matches!(value, b"infinity" | b"-infinity" | b"Infinity" | b"-Infinity" | b"NaN");
        let binary_infinity = self.binary && (value == i64::MAX.to_be_bytes() || value == i64::MIN.to_be_bytes());
        let why = match self.kind {
            _ if special || binary_infinity => {
                "the value is infinite or no number, which its Arrow type does not have; cast the column to varchar"
            }
            Kind::Decimal(..) => "a number has more digits than those before it; cast the column to numeric(p,s)",
            Kind::Timestamp | Kind::TimestampTz => {
                "the value is no moment that its Arrow type has; cast the column to varchar"
            }
            _ => "a value cannot be read as its column's type",
        };
        Error::new(ErrorKind::Data, why)
            .with_context("column", self.name.clone())
            .with_context("type", self.kind.data_type().to_string())
    }

    fn finish(&mut self, rows: usize) -> Result<ArrayRef> {
        let room = rows.clamp(FIRST_ROOM, ROWS);
        let values = std::mem::replace(&mut self.values, Values::new(self.kind, room));
        values.finish(self.kind)
    }
}

impl Values {
    fn new(kind: Kind, room: usize) -> Self {
        match kind {
            Kind::Bool => Self::Bool(BooleanBuilder::with_capacity(room)),
            Kind::Int16 => Self::Int16(Int16Builder::with_capacity(room)),
            Kind::Int32 => Self::Int32(Int32Builder::with_capacity(room)),
            Kind::Int64 => Self::Int64(Int64Builder::with_capacity(room)),
            Kind::Float32 => Self::Float32(Float32Builder::with_capacity(room)),
            Kind::Float64 => Self::Float64(Float64Builder::with_capacity(room)),
            Kind::Decimal(..) => Self::Decimal(Decimal128Builder::with_capacity(room)),
            Kind::Open | Kind::Text => Self::Text(StringBuilder::with_capacity(room, room * 16)),
            Kind::Date => Self::Date(Date32Builder::with_capacity(room)),
            Kind::Time => Self::Time(Time64MicrosecondBuilder::with_capacity(room)),
            Kind::Timestamp | Kind::TimestampTz => Self::Timestamp(TimestampMicrosecondBuilder::with_capacity(room)),
            Kind::Bytes => Self::Bytes(BinaryBuilder::with_capacity(room, room * 16)),
        }
    }

    fn push_null(&mut self) {
        match self {
            Self::Bool(values) => values.append_null(),
            Self::Int16(values) => values.append_null(),
            Self::Int32(values) => values.append_null(),
            Self::Int64(values) => values.append_null(),
            Self::Float32(values) => values.append_null(),
            Self::Float64(values) => values.append_null(),
            Self::Decimal(values) => values.append_null(),
            Self::Text(values) => values.append_null(),
            Self::Date(values) => values.append_null(),
            Self::Time(values) => values.append_null(),
            Self::Timestamp(values) => values.append_null(),
            Self::Bytes(values) => values.append_null(),
        }
    }

    #[inline]
    fn push_text(&mut self, bytes: &[u8], kind: Kind) -> Option<()> {
        match self {
            Self::Bool(values) => values.append_value(match bytes {
                b"t" | b"true" => true,
                b"f" | b"false" => false,
                _ => return None,
            }),
            Self::Int16(values) => values.append_value(number::integer(bytes)?.try_into().ok()?),
            Self::Int32(values) => values.append_value(number::integer(bytes)?.try_into().ok()?),
            Self::Int64(values) => values.append_value(number::integer(bytes)?),
            Self::Float32(values) => values.append_value(str::from_utf8(bytes).ok()?.parse().ok()?),
            Self::Float64(values) => values.append_value(str::from_utf8(bytes).ok()?.parse().ok()?),
            Self::Decimal(values) => {
                let Kind::Decimal(precision, scale) = kind else { return None };
                let value = number::decimal(bytes, scale.unsigned_abs())?;
                if value.unsigned_abs() >= 10_u128.pow(precision.into()) {
                    return None;
                }
                values.append_value(value);
            }
            Self::Text(values) => values.append_value(str::from_utf8(bytes).ok()?),
            Self::Date(values) => values.append_value(time::date(bytes)?),
            Self::Time(values) => values.append_value(time::time(bytes)?),
            Self::Timestamp(values) if kind == Kind::TimestampTz => values.append_value(time::timestamptz(bytes)?),
            Self::Timestamp(values) => values.append_value(time::timestamp(bytes)?),
            Self::Bytes(values) => values.append_value(number::hex(bytes)?),
        }
        Some(())
    }

    #[inline]
    fn push_binary(&mut self, bytes: &[u8], kind: Kind) -> Option<()> {
        match self {
            Self::Int16(values) => values.append_value(i16::from_be_bytes(bytes.try_into().ok()?)),
            Self::Int32(values) => values.append_value(i32::from_be_bytes(bytes.try_into().ok()?)),
            Self::Int64(values) => values.append_value(i64::from_be_bytes(bytes.try_into().ok()?)),
            Self::Float32(values) => values.append_value(f32::from_be_bytes(bytes.try_into().ok()?)),
            Self::Float64(values) => values.append_value(f64::from_be_bytes(bytes.try_into().ok()?)),
            Self::Timestamp(values) => {
                values.append_value(time::from_binary(i64::from_be_bytes(bytes.try_into().ok()?))?);
            }
            Self::Text(_) if kind == Kind::Text => return self.push_text(bytes, kind),
            // Nothing else is ever asked for in binary.
            _ => return None,
        }
        Some(())
    }

    fn finish(self, kind: Kind) -> Result<ArrayRef> {
        Ok(match self {
            Self::Bool(mut values) => Arc::new(values.finish()),
            Self::Int16(mut values) => Arc::new(values.finish()),
            Self::Int32(mut values) => Arc::new(values.finish()),
            Self::Int64(mut values) => Arc::new(values.finish()),
            Self::Float32(mut values) => Arc::new(values.finish()),
            Self::Float64(mut values) => Arc::new(values.finish()),
            Self::Decimal(mut values) => {
                let Kind::Decimal(precision, scale) = kind else { return Err(malformed()) };
                Arc::new(
                    values
                        .finish()
                        .with_precision_and_scale(precision, scale)
                        .map_err(|cause| Error::new(ErrorKind::Internal, "no such decimal type").with_source(cause))?,
                )
            }
            Self::Text(mut values) => Arc::new(values.finish()),
            Self::Date(mut values) => Arc::new(values.finish()),
            Self::Time(mut values) => Arc::new(values.finish()),
            Self::Timestamp(mut values) => match kind {
                Kind::TimestampTz => Arc::new(values.finish().with_timezone("UTC")),
                _ => Arc::new(values.finish()),
            },
            Self::Bytes(mut values) => Arc::new(values.finish()),
        })
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
