//! Rows in the service's JSON form: every cell is text or null, and so is every leaf of a nested value.

use std::{borrow::Cow, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DurationMicrosecondArray, Float32Array,
        Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, IntervalYearMonthArray, ListArray, MapArray,
        NullArray, RecordBatch, RecordBatchOptions, StringArray, StructArray, TimestampMicrosecondArray,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{DataType, SchemaRef, TimeUnit},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::Value;
use tokio::task::spawn_blocking;
use twinhouse_core::{Error, ErrorKind, Result};

use super::text;

/// One value, or null.
type Cell<'a> = Option<Cow<'a, Value>>;

/// Decodes a downloaded file: an array of rows, exactly `rows` of which count where that is known.
pub(super) async fn file(file: Bytes, rows: Option<u64>, schema: SchemaRef) -> Result<RecordBatch> {
    let decoding = spawn_blocking(move || {
        let mut read: Vec<Vec<Value>> = serde_json::from_slice(&file).map_err(|why| {
            // serde quotes what it stumbled over, and that is somebody's data: only the place is kept.
            Error::new(ErrorKind::Protocol, "a downloaded file does not hold rows in JSON")
                .with_context("at", format!("line {} column {}", why.line(), why.column()))
        })?;
        if let Some(rows) = rows {
            if (read.len() as u64) < rows {
                return Err(Error::new(ErrorKind::Protocol, "a downloaded file holds fewer rows than announced")
                    .with_context("missing", (rows - read.len() as u64).to_string()));
            }
            read.truncate(usize::try_from(rows).unwrap_or(usize::MAX));
        }
        batch(&read, &schema)
    });
    decoding.await.unwrap_or_else(|cause| {
        Err(Error::new(ErrorKind::Internal, "decoding of the downloaded rows broke off").with_source(cause))
    })
}

/// Decodes rows into columns of these types.
///
/// # Errors
///
/// [`ErrorKind::Protocol`] for a row of another width, or a cell that is not of its type or would lose something.
pub(super) fn batch(rows: &[Vec<Value>], schema: &SchemaRef) -> Result<RecordBatch> {
    if let Some(odd) = rows.iter().find(|row| row.len() != schema.fields().len()) {
        return Err(Error::new(ErrorKind::Protocol, "a row has another number of cells than there are columns")
            .with_context("columns", schema.fields().len().to_string())
            .with_context("cells", odd.len().to_string()));
    }
    let columns = schema.fields().iter().enumerate().map(|(index, field)| {
        let cells = rows.iter().map(|row| cell(&row[index])).collect::<Vec<_>>();
        column(field.data_type(), &cells).ok_or_else(|| {
            // The cell itself is left out: it is somebody's data.
            Error::new(ErrorKind::Protocol, "a cell cannot be read as its column's type")
                .with_context("column", field.name())
                .with_context("type", field.data_type().to_string())
        })
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
        .map_err(|why| Error::new(ErrorKind::Protocol, "the rows do not fit the announced columns").with_source(why))
}

fn cell(value: &Value) -> Cell<'_> {
    (!value.is_null()).then_some(Cow::Borrowed(value))
}

fn column(data_type: &DataType, cells: &[Cell<'_>]) -> Option<ArrayRef> {
    macro_rules! primitive {
        ($array:ty, $read:expr) => {{
            let values =
                cells.iter().map(|cell| cell.as_deref().map(|v| $read(&*plain(v))).map_or(Some(None), |v| v.map(Some)));
            Arc::new(values.collect::<Option<$array>>()?)
        }};
    }
    Some(match data_type {
        DataType::Null => cells.iter().all(Option::is_none).then(|| Arc::new(NullArray::new(cells.len())))?,
        DataType::Boolean => primitive!(BooleanArray, |text: &str| text.to_ascii_lowercase().parse::<bool>().ok()),
        DataType::Int8 => primitive!(Int8Array, |text: &str| text.parse::<i8>().ok()),
        DataType::Int16 => primitive!(Int16Array, |text: &str| text.parse::<i16>().ok()),
        DataType::Int32 => primitive!(Int32Array, |text: &str| text.parse::<i32>().ok()),
        DataType::Int64 => primitive!(Int64Array, |text: &str| text.parse::<i64>().ok()),
        DataType::Float32 => primitive!(Float32Array, text::float::<f32>),
        DataType::Float64 => primitive!(Float64Array, text::float::<f64>),
        DataType::Utf8 => primitive!(StringArray, |text: &str| Some(text.to_owned())),
        DataType::Binary => primitive!(BinaryArray, |text: &str| STANDARD.decode(text).ok()),
        DataType::Date32 => primitive!(Date32Array, text::date),
        DataType::Timestamp(TimeUnit::Microsecond, None) => primitive!(TimestampMicrosecondArray, text::wall_clock),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) => {
            let moments = primitive!(TimestampMicrosecondArray, text::moment);
            Arc::new(moments.as_ref().clone().with_timezone(zone.clone()))
        }
        DataType::Decimal128(precision, scale) => {
            let numbers = primitive!(Decimal128Array, |text: &str| text::decimal(text, *precision, *scale));
            Arc::new(numbers.as_ref().clone().with_precision_and_scale(*precision, *scale).ok()?)
        }
        DataType::Interval(_) => primitive!(IntervalYearMonthArray, text::months),
        DataType::Duration(TimeUnit::Microsecond) => primitive!(DurationMicrosecondArray, text::day_time),
        DataType::List(element) => {
            let lists = cells.iter().map(nested).collect::<Option<Vec<_>>>()?;
            let items = lists.iter().map(|list| match list.as_deref() {
                None => Some(&[][..]),
                Some(Value::Array(items)) => Some(items.as_slice()),
                Some(_) => None,
            });
            let items = items.collect::<Option<Vec<_>>>()?;
            let inner = items.iter().copied().flatten().map(cell).collect::<Vec<_>>();
            let values = column(element.data_type(), &inner)?;
            let offsets = OffsetBuffer::from_lengths(items.iter().map(|items| items.len()));
            Arc::new(ListArray::try_new(element.clone(), offsets, values, valid(&lists)).ok()?)
        }
        DataType::Struct(fields) => {
            let rows = cells.iter().map(nested).collect::<Option<Vec<_>>>()?;
            if !rows.iter().flatten().all(|row| row.is_object()) {
                return None;
            }
            let parts = fields.iter().map(|field| {
                let inner = rows.iter().map(|row| row.as_deref()?.get(field.name()).and_then(cell)).collect::<Vec<_>>();
                column(field.data_type(), &inner)
            });
            let parts = parts.collect::<Option<Vec<_>>>()?;
            Arc::new(StructArray::try_new_with_length(fields.clone(), parts, valid(&rows), rows.len()).ok()?)
        }
        DataType::Map(entries, sorted) => {
            let DataType::Struct(fields) = entries.data_type() else { return None };
            let maps = cells.iter().map(nested).collect::<Option<Vec<_>>>()?;
            let pairs =
                maps.iter().map(|map| map.as_deref().map_or(Some(Vec::new()), pairs)).collect::<Option<Vec<_>>>()?;
            let offsets = OffsetBuffer::from_lengths(pairs.iter().map(Vec::len));
            let (keys, values): (Vec<_>, Vec<_>) = pairs.into_iter().flatten().unzip();
            let columns = vec![column(fields[0].data_type(), &keys)?, column(fields[1].data_type(), &values)?];
            let entries_of = StructArray::try_new(fields.clone(), columns, None).ok()?;
            Arc::new(MapArray::try_new(entries.clone(), offsets, entries_of, valid(&maps), *sorted).ok()?)
        }
        _ => return None,
    })
}

/// The text of a leaf. Some servers write numbers and truth values as themselves.
fn plain(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// A nested value is JSON inside the text of its cell; further in it may be itself.
fn nested<'a>(cell: &'a Cell<'a>) -> Option<Cell<'a>> {
    match cell.as_deref() {
        None => Some(None),
        Some(Value::String(text)) => match serde_json::from_str(text).ok()? {
            Value::Null => Some(None),
            value => Some(Some(Cow::Owned(value))),
        },
        Some(value) => Some(Some(Cow::Borrowed(value))),
    }
}

/// An object, or pairs of `key` and `value`.
fn pairs(map: &Value) -> Option<Vec<(Cell<'_>, Cell<'_>)>> {
    match map {
        Value::Object(fields) => Some(
            fields.iter().map(|(key, value)| (Some(Cow::Owned(Value::String(key.clone()))), cell(value))).collect(),
        ),
        Value::Array(pairs) => {
            pairs.iter().map(|pair| Some((cell(pair.get("key")?), cell(pair.get("value")?)))).collect()
        }
        _ => None,
    }
}

fn valid(cells: &[Cell<'_>]) -> Option<NullBuffer> {
    cells.iter().any(Option::is_none).then(|| cells.iter().map(Option::is_some).collect())
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{Array as _, AsArray as _},
        datatypes::{Field, Float64Type, Schema, TimestampMicrosecondType},
        util::display::{ArrayFormatter, FormatOptions},
    };
    use serde_json::json;

    use super::*;
    use crate::types;

    fn decode(spelling: &str, cells: &[Value]) -> Result<ArrayRef> {
        let field = Field::new("c", types::parse(spelling).unwrap(), true);
        let rows = cells.iter().map(|cell| vec![cell.clone()]).collect::<Vec<_>>();
        Ok(batch(&rows, &Arc::new(Schema::new(vec![field])))?.column(0).clone())
    }

    fn shown(spelling: &str, cell: Value) -> String {
        let array = decode(spelling, &[cell]).unwrap();
        let options = FormatOptions::default().with_null("NULL");
        ArrayFormatter::try_new(&array, &options).unwrap().value(0).to_string()
    }

    #[test]
    fn every_type_is_read_exactly() {
        for (spelling, cell, wanted) in [
            ("BOOLEAN", "true", "true"),
            ("TINYINT", "-128", "-128"),
            ("SMALLINT", "32767", "32767"),
            ("INT", "-2147483648", "-2147483648"),
            ("BIGINT", "9223372036854775807", "9223372036854775807"),
            ("FLOAT", "3.4028235E38", "3.4028235e38"),
            ("DOUBLE", "5e-324", "5e-324"),
            ("DOUBLE", "-Infinity", "-inf"),
            ("DECIMAL(38,2)", "-999999999999999999999999999999999999.99", "-999999999999999999999999999999999999.99"),
            ("STRING", "", ""),
            ("STRING", "null", "null"),
            ("BINARY", "3q2+7w==", "deadbeef"),
            ("DATE", "1582-10-15", "1582-10-15"),
            ("TIMESTAMP_NTZ", "2024-01-02T03:04:05.789", "2024-01-02T03:04:05.789"),
            ("VARIANT", "{\"a\":1}", "{\"a\":1}"),
            ("INTERVAL YEAR TO MONTH", "1-2", "1 years 2 mons"),
            ("ARRAY<INT>", "[\"1\",null,\"3\"]", "[1, NULL, 3]"),
            ("ARRAY<ARRAY<STRING>>", "[[\"a\"],[]]", "[[a], []]"),
            ("STRUCT<b: DECIMAL(3,1), a: STRING>", "{\"a\":\"x\",\"b\":\"1.5\"}", "{b: 1.5, a: x}"),
            ("MAP<STRING, BIGINT>", "{\"k\":\"1\"}", "{k: 1}"),
            ("MAP<INT, BOOLEAN>", "[{\"key\":\"1\",\"value\":\"true\"}]", "{1: true}"),
        ] {
            assert_eq!(shown(spelling, json!(cell)), wanted, "{spelling} {cell}");
            assert_eq!(shown(spelling, Value::Null), "NULL", "{spelling}");
        }
        assert!(decode("DOUBLE", &[json!("NaN")]).unwrap().as_primitive::<Float64Type>().value(0).is_nan());
        let moment = decode("TIMESTAMP", &[json!("2021-01-01T10:00:00.123-08:00")]).unwrap();
        assert_eq!(moment.as_primitive::<TimestampMicrosecondType>().value(0), 1_609_524_000_123_000);
    }

    #[test]
    fn nulls_inside_nested_values_stay_where_they_are() {
        let array =
            decode("ARRAY<STRUCT<a: INT>>", &[json!("[null,{\"a\":null},{\"a\":\"7\"}]"), Value::Null]).unwrap();
        let structs = array.as_list::<i32>().value(0);
        assert!(structs.is_null(0) && structs.is_valid(1) && structs.as_struct().column(0).is_null(1));
        assert!(array.is_null(1));
    }

    #[test]
    fn a_row_of_another_width_is_an_error() {
        let schema =
            Arc::new(Schema::new(vec![Field::new("a", DataType::Int32, true), Field::new("b", DataType::Int32, true)]));
        for row in [json!(["1"]), json!(["1", "2", "3"]), json!([])] {
            let rows = [vec![json!("1"), json!("2")], row.as_array().unwrap().clone()];
            assert_eq!(batch(&rows, &schema).unwrap_err().context("columns"), Some("2"));
        }
    }

    #[test]
    fn a_cell_that_does_not_fit_is_an_error_that_names_the_column_and_not_the_value() {
        for (spelling, cell) in [
            ("TINYINT", json!("128")),
            ("DECIMAL(3,1)", json!("1.55")),
            ("BINARY", json!("not base64")),
            ("TIMESTAMP", json!("2021-01-01T10:00:00")),
            ("ARRAY<INT>", json!("{}")),
            ("STRUCT<a: INT>", json!("[1]")),
            ("VOID", json!("secret")),
        ] {
            let error = decode(spelling, std::slice::from_ref(&cell)).unwrap_err();
            assert_eq!((error.kind(), error.context("column")), (ErrorKind::Protocol, Some("c")), "{spelling}");
            assert!(!format!("{error:?}").contains("secret"));
        }
    }
}
