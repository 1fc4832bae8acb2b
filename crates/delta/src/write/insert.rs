//! A few rows as the text of one INSERT.

use chrono::{Days, NaiveDate};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    Decimal, Dialect, Fit, TableInfo, Value,
    arrow::{
        array::{Array, ArrayRef, AsArray as _, RecordBatch},
        datatypes::{
            DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
            Schema, TimeUnit, TimestampMicrosecondType,
        },
    },
};

use crate::filter::name_list;

/// Whether every column of these can be written as a literal.
pub(super) fn is_plain(schema: &Schema) -> bool {
    use DataType::{Binary, Boolean, Date32, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, Timestamp, Utf8};
    schema.fields().iter().all(|field| {
        matches!(
            field.data_type(),
            Boolean
                | Int8
                | Int16
                | Int32
                | Int64
                | Float32
                | Float64
                | Utf8
                | Binary
                | Date32
                | Decimal128(_, _)
                | Timestamp(TimeUnit::Microsecond, _)
        )
    })
}

/// `INSERT INTO t (columns) VALUES …`; `None` for no rows.
pub(super) fn insert(
    dialect: &dyn Dialect,
    table: &TableInfo,
    fit: &Fit,
    batches: &[RecordBatch],
) -> Result<Option<String>> {
    let names = name_list(dialect, fit.columns())?;
    let mut sql = format!("INSERT INTO {} ({names}) VALUES ", dialect.table(&table.table)?);
    let mut rows = 0;
    for batch in batches {
        let batch = fit.apply(batch)?;
        for row in 0..batch.num_rows() {
            sql.push_str(if rows > 0 { ", (" } else { "(" });
            for (at, column) in batch.columns().iter().enumerate() {
                if at > 0 {
                    sql.push_str(", ");
                }
                let literal = value(column, row).and_then(|value| dialect.literal(&value));
                sql.push_str(&literal.map_err(|error| error.with_context("column", batch.schema().field(at).name()))?);
            }
            sql.push(')');
            rows += 1;
        }
    }
    Ok((rows > 0).then_some(sql))
}

/// One cell of a [plain](is_plain) column.
fn value(column: &ArrayRef, row: usize) -> Result<Value> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Int8 => column.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float32 => column.as_primitive::<Float32Type>().value(row).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).into(),
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::Binary => column.as_binary::<i32>().value(row).into(),
        DataType::Decimal128(_, scale) => {
            let scale = u8::try_from(*scale).map_err(|_| unknown(column.data_type()))?;
            Decimal::new(column.as_primitive::<Decimal128Type>().value(row), scale)?.into()
        }
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>().value(row);
            let epoch = NaiveDate::default();
            let apart = Days::new(days.unsigned_abs().into());
            let date = if days < 0 { epoch.checked_sub_days(apart) } else { epoch.checked_add_days(apart) };
            date.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the date is out of range"))?.into()
        }
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            Value::Timestamp(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            Value::TimestampNtz(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        other => return Err(unknown(other)),
    })
}

fn unknown(data_type: &DataType) -> Error {
    Error::unsupported("databricks", "cannot write a value of this type into an INSERT; let the rows be staged")
        .with_context("type", data_type.to_string())
}
