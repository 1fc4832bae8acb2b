//! Rows as CSV, for tables with columns that Parquet cannot fill: the server reads SUPER, TIME and TIMETZ from their text.

use std::io::Write as _;

use arrow::{
    array::{Array, ArrayRef, AsArray as _, RecordBatch},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
        Time64MicrosecondType, TimestampMicrosecondType,
    },
    temporal_conversions::{date32_to_datetime, time64us_to_time, timestamp_us_to_datetime},
};
use chrono::Datelike as _;
use twinhouse_core::{Error, ErrorKind, Result};

/// What stands for null: no text of a table is likely to be it, and one that is is refused.
pub(super) const NULL: &str = "@twinhouse:null@";
/// The server takes no longer row, in bytes.
const LONGEST: usize = 4 << 20;

/// Appends the rows of a batch; `json` says which columns are JSON documents.
pub(super) fn write(batch: &RecordBatch, json: &[bool], out: &mut Vec<u8>) -> Result<()> {
    for row in 0..batch.num_rows() {
        let start = out.len();
        for (at, column) in batch.columns().iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            if column.is_null(row) {
                out.extend_from_slice(NULL.as_bytes());
                continue;
            }
            value(column, row, json.get(at) == Some(&true), out).map_err(|why| {
                Error::new(ErrorKind::InvalidInput, why)
                    .with_context("column", batch.schema_ref().field(at).name().clone())
                    .with_context("row", row.to_string())
            })?;
        }
        out.push(b'\n');
        if out.len() - start > LONGEST {
            return Err(Error::new(ErrorKind::InvalidInput, "a row has more than the 4 MB that a load takes")
                .with_context("row", row.to_string()));
        }
    }
    Ok(())
}

fn value(column: &ArrayRef, row: usize, json: bool, out: &mut Vec<u8>) -> Result<(), &'static str> {
    const NO_DATE: &str = "a date outside of the years 1 to 9999 cannot be loaded as text";
    // Writing into memory does not fail.
    let _ = match column.data_type() {
        DataType::Boolean => write!(out, "{}", if column.as_boolean().value(row) { 't' } else { 'f' }),
        DataType::Int16 => write!(out, "{}", column.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => write!(out, "{}", column.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => write!(out, "{}", column.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => {
            let x = column.as_primitive::<Float32Type>().value(row);
            if x.is_infinite() { write!(out, "{}Infinity", if x < 0.0 { "-" } else { "" }) } else { write!(out, "{x}") }
        }
        DataType::Float64 => {
            let x = column.as_primitive::<Float64Type>().value(row);
            if x.is_infinite() { write!(out, "{}Infinity", if x < 0.0 { "-" } else { "" }) } else { write!(out, "{x}") }
        }
        DataType::Decimal128(..) => write!(out, "{}", column.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Date32 => {
            let date = date32_to_datetime(column.as_primitive::<Date32Type>().value(row)).ok_or(NO_DATE)?;
            if !(1..=9999).contains(&date.year()) {
                return Err(NO_DATE);
            }
            write!(out, "{}", date.format("%Y-%m-%d"))
        }
        DataType::Time64(_) => {
            let time = time64us_to_time(column.as_primitive::<Time64MicrosecondType>().value(row));
            write!(out, "{}", time.ok_or("a time is not within a day")?.format("%H:%M:%S%.6f"))
        }
        DataType::Timestamp(_, zone) => {
            let moment = column.as_primitive::<TimestampMicrosecondType>().value(row);
            let moment = timestamp_us_to_datetime(moment).ok_or(NO_DATE)?;
            if !(1..=9999).contains(&moment.year()) {
                return Err(NO_DATE);
            }
            let zone = if zone.is_some() { "+00" } else { "" };
            write!(out, "{}{zone}", moment.format("%Y-%m-%d %H:%M:%S%.6f"))
        }
        DataType::Utf8 => {
            let text = column.as_string::<i32>().value(row);
            if json && serde_json::from_str::<serde_json::Value>(text).is_err() {
                return Err("a value of a SUPER column is no JSON document");
            }
            if text == NULL {
                return Err("a text is the one that stands for null");
            }
            write!(out, "\"{}\"", text.replace('"', "\"\""))
        }
        DataType::Binary => {
            column.as_binary::<i32>().value(row).iter().for_each(|byte| {
                let _ = write!(out, "{byte:02x}");
            });
            Ok(())
        }
        _ => return Err("a column of this type cannot be loaded as text"),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray,
        Time64MicrosecondArray, TimestampMicrosecondArray,
    };

    use super::*;

    fn of(columns: Vec<(&str, ArrayRef)>, json: &[bool]) -> Result<String> {
        let mut out = Vec::new();
        write(&RecordBatch::try_from_iter(columns).unwrap(), json, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_value_has_one_text() {
        let decimals = Decimal128Array::from(vec![Some(-5), None]).with_precision_and_scale(10, 2).unwrap();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("b", Arc::new(BooleanArray::from(vec![Some(true), None]))),
            ("i", Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))),
            ("f", Arc::new(Float64Array::from(vec![Some(f64::NEG_INFINITY), None]))),
            ("n", Arc::new(decimals)),
            ("d", Arc::new(Date32Array::from(vec![Some(-719_162), None]))),
            ("t", Arc::new(Time64MicrosecondArray::from(vec![Some(86_399_999_999), None]))),
            ("m", Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None]).with_timezone("UTC"))),
            ("s", Arc::new(StringArray::from(vec![Some("a \"b\",\n"), None]))),
            ("v", Arc::new(BinaryArray::from(vec![Some(&b"\x00\xff"[..]), None]))),
            ("j", Arc::new(StringArray::from(vec![Some("{\"x\": 1}"), Some("\"\"")]))),
        ];
        let null = NULL;
        assert_eq!(
            of(columns, &[false, false, false, false, false, false, false, false, false, true]).unwrap(),
            format!(
                "t,-9223372036854775808,-Infinity,-0.05,0001-01-01,23:59:59.999999,1969-12-31 23:59:59.999999+00,\
                 \"a \"\"b\"\",\n\",00ff,\"{{\"\"x\"\": 1}}\"\n\
                 {null},{null},{null},{null},{null},{null},{null},{null},{null},\"\"\"\"\"\"\n"
            )
        );
    }

    #[test]
    fn what_has_no_text_is_refused_by_column_and_row() {
        let texts = |text: &str| Arc::new(StringArray::from(vec!["1", text])) as ArrayRef;
        let years = Arc::new(Date32Array::from(vec![0, -719_163])) as ArrayRef;
        for (column, json) in
            [(texts("{nope"), true), (texts(NULL), false), (years, false), (texts(&"x".repeat(5 << 20)), false)]
        {
            let error = of(vec![("c", column)], &[json]).unwrap_err();
            assert_eq!((error.kind(), error.context("row")), (ErrorKind::InvalidInput, Some("1")), "{error}");
        }
    }
}
