//! Arrow arrays from values.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array,
        Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, Schema},
    error::ArrowError,
};
use twinhouse_warehouse_api::Value;

/// An array of this type from values; a value of another kind becomes a null.
///
/// # Errors
///
/// If a decimal needs more digits than the type has, or the type is none that a [`Value`] can be of.
pub fn column(data_type: &DataType, values: &[Value]) -> Result<ArrayRef, ArrowError> {
    macro_rules! gather {
        ($array:ty, $variant:ident, |$v:ident| $value:expr) => {
            values
                .iter()
                .map(|value| match value {
                    Value::$variant($v) => Some($value),
                    _ => None,
                })
                .collect::<$array>()
        };
    }
    Ok(match data_type {
        DataType::Boolean => Arc::new(gather!(BooleanArray, Bool, |v| *v)),
        DataType::Int32 => Arc::new(gather!(Int32Array, Int, |v| *v)),
        DataType::Int64 => Arc::new(gather!(Int64Array, Long, |v| *v)),
        DataType::Float32 => Arc::new(gather!(Float32Array, Float, |v| *v)),
        DataType::Float64 => Arc::new(gather!(Float64Array, Double, |v| *v)),
        DataType::Decimal128(precision, scale) => {
            let digits = gather!(Decimal128Array, Decimal, |v| v.unscaled()
                * 10_i128.pow(scale.abs_diff(v.scale() as i8).into()));
            let digits = digits.with_precision_and_scale(*precision, *scale)?;
            digits.validate_decimal_precision(*precision)?;
            Arc::new(digits)
        }
        DataType::Utf8 => Arc::new(gather!(StringArray, Text, |v| v.as_str())),
        DataType::Binary => Arc::new(gather!(BinaryArray, Bytes, |v| v.as_slice())),
        DataType::Date32 => Arc::new(gather!(Date32Array, Date, |v| v.to_epoch_days())),
        DataType::Timestamp(_, Some(zone)) => {
            Arc::new(gather!(TimestampMicrosecondArray, Timestamp, |v| *v).with_timezone(zone.clone()))
        }
        DataType::Timestamp(_, None) => Arc::new(gather!(TimestampMicrosecondArray, TimestampNtz, |v| *v)),
        other => return Err(ArrowError::NotYetImplemented(format!("an array of {other} from values"))),
    })
}

/// A batch of these columns; the n-th value of each row goes into the n-th column.
///
/// # Errors
///
/// As [`column()`], and if a row is too short or a `NOT NULL` column gets a null.
pub fn table_batch(fields: &[Field], rows: &[Vec<Value>]) -> Result<RecordBatch, ArrowError> {
    let mut columns = Vec::with_capacity(fields.len());
    for (index, field) in fields.iter().enumerate() {
        let values: Vec<_> = rows.iter().map(|row| row.get(index).cloned().unwrap_or(Value::Null)).collect();
        columns.push(column(field.data_type(), &values)?);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), columns)
}
