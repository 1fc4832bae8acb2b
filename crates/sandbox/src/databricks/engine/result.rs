//! What a statement answers: rows in the types that the service has, or nothing.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType},
};
use datafusion::{execution::SendableRecordBatchStream, physical_plan::stream::RecordBatchStreamAdapter};
use futures::StreamExt;

use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::DUPLICATE,
};

/// The zone in which the service sends its moments, as recorded.
const ZONE: &str = "Etc/UTC";

/// The answer of a statement.
pub(crate) enum Outcome {
    /// DDL and CTAS: no columns at all.
    Nothing,
    /// Rows, perhaps none.
    Rows(SendableRecordBatchStream),
}

impl Outcome {
    /// One small batch as an answer.
    pub(crate) fn of(batch: RecordBatch) -> Self {
        let schema = batch.schema();
        Self::Rows(Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter([Ok(batch)]))))
    }

    /// One row of counts, as DML answers.
    pub(crate) fn counts(counts: &[(&str, u64)]) -> SqlResult<Self> {
        let fields: Vec<Field> = counts.iter().map(|(name, _)| Field::new(*name, DataType::Int64, true)).collect();
        let columns: Vec<ArrayRef> = counts
            .iter()
            .map(|(_, count)| Arc::new(arrow::array::Int64Array::from(vec![*count as i64])) as ArrayRef)
            .collect();
        Ok(Self::of(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?))
    }
}

/// The stream in the service's own types, with the names that were written.
pub(crate) fn normalise(
    stream: SendableRecordBatchStream,
    name: impl Fn(&str) -> String,
) -> SqlResult<SendableRecordBatchStream> {
    let fields: Vec<Field> = stream
        .schema()
        .fields()
        .iter()
        .map(|field| {
            let own = field.name().split(DUPLICATE).next().unwrap_or_default();
            Ok(Field::new(name(own), normal_type(field.data_type())?, true))
        })
        .collect::<SqlResult<_>>()?;
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let target = Arc::clone(&schema);
    let batches = stream.map(move |batch| Ok(normal_batch(&batch?, &target)?));
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
}

fn normal_batch(batch: &RecordBatch, schema: &SchemaRef) -> SqlResult<RecordBatch> {
    let columns: Vec<ArrayRef> = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| normal_column(column, field.data_type()))
        .collect::<SqlResult<_>>()?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

fn normal_column(column: &ArrayRef, to: &DataType) -> SqlResult<ArrayRef> {
    if column.data_type() == to {
        return Ok(Arc::clone(column));
    }
    // A new name for the same zone needs no arithmetic.
    if let (DataType::Timestamp(TimeUnit::Microsecond, Some(_)), DataType::Timestamp(_, Some(_))) =
        (column.data_type(), to)
    {
        let micros = column.as_primitive::<TimestampMicrosecondType>().clone();
        return Ok(Arc::new(micros.with_timezone(ZONE)));
    }
    Ok(cast(column, to)?)
}

/// The one Arrow type in which the service sends a type.
pub(crate) fn normal_type(data_type: &DataType) -> SqlResult<DataType> {
    let field = |field: &Field| -> SqlResult<Arc<Field>> {
        Ok(Arc::new(Field::new(field.name(), normal_type(field.data_type())?, field.is_nullable())))
    };
    Ok(match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Dictionary(_, value) => normal_type(value)?,
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, Some(ZONE.into())),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::FixedSizeList(item, _) => DataType::List(field(item)?),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|inner| field(inner)).collect::<SqlResult<Fields>>()?)
        }
        DataType::Map(entries, sorted) => {
            let entries = Field::new(entries.name(), normal_type(entries.data_type())?, entries.is_nullable());
            DataType::Map(Arc::new(entries), *sorted)
        }
        DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32
        | DataType::Decimal128(..) => data_type.clone(),
        other => return Err(SqlError::unsupported(format_args!("a result of the type {other}"))),
    })
}

/// The type as the service writes it, `DECIMAL(10,2)`.
pub(crate) fn type_text_of_arrow(data_type: &DataType) -> SqlResult<String> {
    Ok(match data_type {
        DataType::Null => "VOID".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Utf8 => "STRING".to_owned(),
        DataType::Binary => "BINARY".to_owned(),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP".to_owned(),
        DataType::Timestamp(_, None) => "TIMESTAMP_NTZ".to_owned(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision},{scale})"),
        DataType::List(item) => format!("ARRAY<{}>", type_text_of_arrow(item.data_type())?),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                let (key, value) = (type_text_of_arrow(pair[0].data_type())?, type_text_of_arrow(pair[1].data_type())?);
                format!("MAP<{key}, {value}>")
            }
            _ => return Err(SqlError::internal("a map without pairs")),
        },
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| {
                    let required = if field.is_nullable() { "" } else { " NOT NULL" };
                    Ok(format!("{}: {}{required}", field.name(), type_text_of_arrow(field.data_type())?))
                })
                .collect::<SqlResult<_>>()?;
            format!("STRUCT<{}>", fields.join(", "))
        }
        other => type_text_of_arrow(&normal_type(other)?)?,
    })
}

/// The service's enum for a type.
pub(crate) fn type_name_of_arrow(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Null => "NULL",
        DataType::Boolean => "BOOLEAN",
        DataType::Int8 => "BYTE",
        DataType::Int16 => "SHORT",
        DataType::Int32 => "INT",
        DataType::Int64 => "LONG",
        DataType::Float32 => "FLOAT",
        DataType::Float64 => "DOUBLE",
        DataType::Binary => "BINARY",
        DataType::Date32 => "DATE",
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP",
        DataType::Timestamp(_, None) => "TIMESTAMP_NTZ",
        DataType::Decimal128(..) => "DECIMAL",
        DataType::List(_) => "ARRAY",
        DataType::Map(..) => "MAP",
        DataType::Struct(_) => "STRUCT",
        _ => "STRING",
    }
}
