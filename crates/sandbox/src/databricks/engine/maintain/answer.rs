//! Result columns, typed as the service types them.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanArray, Float64Array, Int64Array, ListBuilder, MapBuilder, MapFieldNames, RecordBatch,
        StringArray, StringBuilder, StructArray, TimestampMicrosecondArray, new_null_array,
    },
    datatypes::{DataType, Field, Fields, Schema},
};

use super::super::Outcome;
use crate::databricks::error::SqlResult;

/// A result from its columns.
pub(super) fn answer(columns: Vec<(&str, ArrayRef)>) -> SqlResult<Outcome> {
    let field = |(name, column): &(&str, ArrayRef)| Field::new(*name, column.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    Ok(Outcome::of(RecordBatch::try_new(Arc::new(schema), columns)?))
}

pub(super) fn texts<T: AsRef<str>>(values: impl IntoIterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

pub(super) fn text(value: impl AsRef<str>) -> ArrayRef {
    texts([Some(value)])
}

pub(super) fn longs(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int64Array>())
}

pub(super) fn long(value: impl TryInto<i64>) -> ArrayRef {
    longs([value.try_into().ok()])
}

pub(super) fn double(value: f64) -> ArrayRef {
    Arc::new(Float64Array::from(vec![value]))
}

pub(super) fn booleans(values: impl IntoIterator<Item = Option<bool>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<BooleanArray>())
}

/// Moments from milliseconds since 1970.
pub(super) fn moments(millis: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    let micros = millis.into_iter().map(|millis| millis.map(|millis| millis * 1000));
    Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("Etc/UTC"))
}

pub(super) fn list<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    values.into_iter().for_each(|value| builder.values().append_value(value));
    builder.append(true);
    Arc::new(builder.finish())
}

/// One map of texts a row.
pub(super) fn maps<'a, I>(rows: impl IntoIterator<Item = I>) -> SqlResult<ArrayRef>
where
    I: IntoIterator<Item = (&'a String, &'a String)>,
{
    let names = MapFieldNames { entry: "entries".to_owned(), key: "key".to_owned(), value: "value".to_owned() };
    let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for row in rows {
        for (key, value) in row {
            builder.keys().append_value(key);
            builder.values().append_value(value);
        }
        builder.append(true)?;
    }
    Ok(Arc::new(builder.finish()))
}

pub(super) fn structure(columns: Vec<(&str, ArrayRef)>) -> ArrayRef {
    let field = |(name, column): &(&str, ArrayRef)| Arc::new(Field::new(*name, column.data_type().clone(), true));
    let fields: Fields = columns.iter().map(field).collect();
    Arc::new(StructArray::new(fields, columns.into_iter().map(|(_, column)| column).collect(), None))
}

/// A column of nulls, of texts or of structures of texts.
pub(super) fn nulls(fields: &[&str], rows: usize) -> ArrayRef {
    if fields.is_empty() {
        return new_null_array(&DataType::Utf8, rows);
    }
    let fields: Fields = fields.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    new_null_array(&DataType::Struct(fields), rows)
}
