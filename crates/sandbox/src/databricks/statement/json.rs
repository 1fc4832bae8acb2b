//! JSON_ARRAY and CSV: every cell a string.

use std::fmt::Write as _;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        TimestampMicrosecondType,
    },
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use chrono::{DateTime, Datelike};
use serde_json::{Map, Value};

use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{date_and_time, java_float},
};

/// Appends the rows of a batch, each as a JSON array, with commas between; `first` tells whether one goes before.
pub(super) fn append_rows(batch: &RecordBatch, first: &mut bool, out: &mut Vec<u8>) -> SqlResult<()> {
    for row in 0..batch.num_rows() {
        if !std::mem::take(first) {
            out.push(b',');
        }
        out.push(b'[');
        for (index, column) in batch.columns().iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            match cell(column, row)? {
                Some(text) => serde_json::to_writer(&mut *out, &text).map_err(SqlError::internal)?,
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(b']');
    }
    Ok(())
}

/// Appends the rows of a batch as CSV; NULL is the word `null`.
pub(super) fn append_csv(batch: &RecordBatch, out: &mut Vec<u8>) -> SqlResult<()> {
    for row in 0..batch.num_rows() {
        let cells = batch.columns().iter().map(|column| Ok(cell(column, row)?.unwrap_or_else(|| "null".to_owned())));
        append_csv_line(&cells.collect::<SqlResult<Vec<_>>>()?, out);
    }
    Ok(())
}

/// Appends one line of CSV.
pub(super) fn append_csv_line(cells: &[String], out: &mut Vec<u8>) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if cell.contains([',', '"', '\n', '\r']) {
            out.push(b'"');
            out.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            out.push(b'"');
        } else {
            out.extend_from_slice(cell.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// The text of one cell, `None` for NULL.
pub(super) fn cell(column: &ArrayRef, row: usize) -> SqlResult<Option<String>> {
    if column.is_null(row) || column.data_type() == &DataType::Null {
        return Ok(None);
    }
    Ok(Some(match column.data_type() {
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Int8 => column.as_primitive::<Int8Type>().value(row).to_string(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float32 => {
            let number = column.as_primitive::<Float32Type>().value(row);
            java_float(f64::from(number), &number.to_string(), &format!("{number:e}"))
        }
        DataType::Float64 => {
            let number = column.as_primitive::<Float64Type>().value(row);
            java_float(number, &number.to_string(), &format!("{number:e}"))
        }
        DataType::Decimal128(..) => column.as_primitive::<Decimal128Type>().value_as_string(row),
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::Binary => BASE64_STANDARD.encode(column.as_binary::<i32>().value(row)),
        DataType::Date32 => date(column.as_primitive::<Date32Type>().value(row)),
        DataType::Timestamp(_, zone) => {
            timestamp(column.as_primitive::<TimestampMicrosecondType>().value(row), zone.is_some())
        }
        DataType::List(_) | DataType::Map(..) | DataType::Struct(_) => nested(column, row)?.to_string(),
        other => return Err(SqlError::unsupported(format_args!("JSON_ARRAY of the type {other}"))),
    }))
}

fn date(days: i32) -> String {
    let Some(date) = DateTime::from_timestamp(i64::from(days) * 86_400, 0).map(|moment| moment.date_naive()) else {
        return days.to_string();
    };
    let sign = if date.year() > 9999 { "+" } else { "" };
    format!("{sign}{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}

/// Milliseconds, always three digits with a zone; without a zone only if there are any.
fn timestamp(micros: i64, zoned: bool) -> String {
    let Some(moment) = DateTime::from_timestamp_micros(micros).map(|moment| moment.naive_utc()) else {
        return micros.to_string();
    };
    let mut text = date_and_time(&moment, 'T');
    let millis = micros.rem_euclid(1_000_000) / 1000;
    if zoned || millis != 0 {
        let _ = write!(text, ".{millis:03}");
    }
    if zoned {
        text.push('Z');
    }
    text
}

/// A nested value: structs and maps as objects, all leaves as strings.
fn nested(column: &ArrayRef, row: usize) -> SqlResult<Value> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Struct(fields) => {
            let columns = column.as_struct();
            let mut object = Map::new();
            for (field, values) in fields.iter().zip(columns.columns()) {
                object.insert(field.name().clone(), nested(values, row)?);
            }
            Value::Object(object)
        }
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            (0..items.len()).map(|index| nested(&items, index)).collect::<SqlResult<Vec<_>>>()?.into()
        }
        DataType::Map(..) => {
            let pairs = column.as_map().value(row);
            let (keys, values) = (pairs.column(0), pairs.column(1));
            let mut object = Map::new();
            for index in 0..pairs.len() {
                object.insert(cell(keys, index)?.unwrap_or_default(), nested(values, index)?);
            }
            Value::Object(object)
        }
        _ => cell(column, row)?.map_or(Value::Null, Value::String),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{
            BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray,
            StructArray, TimestampMicrosecondArray,
        },
        datatypes::Field,
    };

    use super::*;

    fn text(column: impl Array + 'static) -> Vec<Option<String>> {
        let column: ArrayRef = Arc::new(column);
        (0..column.len()).map(|row| cell(&column, row).unwrap()).collect()
    }

    fn some(values: &[&str]) -> Vec<Option<String>> {
        values.iter().map(|value| Some((*value).to_owned())).collect()
    }

    #[test]
    fn every_cell_is_a_string_in_the_recorded_form() {
        assert_eq!(text(Int64Array::from(vec![Some(i64::MIN), None])), [Some("-9223372036854775808".into()), None]);
        assert_eq!(text(BooleanArray::from(vec![true])), some(&["true"]));
        assert_eq!(
            text(Float64Array::from(vec![f64::NAN, f64::INFINITY, 1.0, 1e300])),
            some(&["NaN", "Infinity", "1.0", "1.0E300"])
        );
        let decimals = Decimal128Array::from(vec![100, -5]).with_precision_and_scale(10, 2).unwrap();
        assert_eq!(text(decimals), some(&["1.00", "-0.05"]));
        assert_eq!(text(BinaryArray::from(vec![&b"\x00\xff"[..]])), some(&["AP8="]));
        assert_eq!(text(Date32Array::from(vec![-1, 0])), some(&["1969-12-31", "1970-01-01"]));
    }

    #[test]
    fn timestamps_lose_their_microseconds() {
        let zoned = TimestampMicrosecondArray::from(vec![1_704_164_645_678_901, -1]).with_timezone("Etc/UTC");
        assert_eq!(text(zoned), some(&["2024-01-02T03:04:05.678Z", "1969-12-31T23:59:59.999Z"]));
        let bare = TimestampMicrosecondArray::from(vec![1_704_164_645_000_000, 1_704_164_645_678_000]);
        assert_eq!(text(bare), some(&["2024-01-02T03:04:05", "2024-01-02T03:04:05.678"]));
    }

    #[test]
    fn the_leaves_of_nested_values_are_strings() {
        let fields = vec![
            (Arc::new(Field::new("n", DataType::Int64, true)), Arc::new(Int64Array::from(vec![Some(7)])) as ArrayRef),
            (
                Arc::new(Field::new("s", DataType::Utf8, true)),
                Arc::new(StringArray::from(vec![None::<&str>])) as ArrayRef,
            ),
        ];
        assert_eq!(text(StructArray::from(fields)), some(&[r#"{"n":"7","s":null}"#]));
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1), None])]);
        assert_eq!(text(list), some(&[r#"["1",null]"#]));
    }

    #[test]
    fn rows_and_lines_are_put_together() {
        let batch =
            RecordBatch::try_from_iter([("a", Arc::new(StringArray::from(vec![Some("x,\"y"), None])) as ArrayRef)])
                .unwrap();
        let (mut rows, mut first) = (Vec::new(), true);
        append_rows(&batch, &mut first, &mut rows).unwrap();
        append_rows(&batch, &mut first, &mut rows).unwrap();
        assert_eq!(rows, br#"["x,\"y"],[null],["x,\"y"],[null]"#);
        let mut csv = Vec::new();
        append_csv(&batch, &mut csv).unwrap();
        assert_eq!(csv, b"\"x,\"\"y\"\r\nnull\r\n");
    }
}
