//! Brings a downloaded column to the type that the manifest announced, where that loses nothing.

use std::sync::Arc;

use arrow::{
    array::{
        Array as _, ArrayRef, AsArray as _, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray,
        new_null_array,
    },
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, SchemaRef, TimestampMicrosecondType},
    error::ArrowError,
};
use twinhouse_core::{Error, ErrorKind, Result};

/// Names and types columns by position: the names inside a file can be those of an older query with the same result.
pub(super) fn batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.num_columns() != schema.fields().len() {
        return Err(Error::new(
            ErrorKind::Protocol,
            "the downloaded rows have another number of columns than announced",
        )
        .with_context("announced", schema.fields().len().to_string())
        .with_context("received", batch.num_columns().to_string()));
    }
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        array(column, field.data_type()).map_err(|why| {
            Error::new(ErrorKind::Protocol, "a downloaded column is not of the announced type")
                .with_context("column", field.name())
                .with_context("announced", field.data_type().to_string())
                .with_context("received", column.data_type().to_string())
                .with_source(why)
        })
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(|why| {
        Error::new(ErrorKind::Protocol, "the downloaded rows do not fit the announced columns").with_source(why)
    })
}

fn array(column: &ArrayRef, want: &DataType) -> Result<ArrayRef, ArrowError> {
    use DataType as T;
    let have = column.data_type();
    if have == want {
        return Ok(column.clone());
    }
    let cast = || {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(column, want, &options)
    };
    match (have, want) {
        (T::Null, _) => Ok(new_null_array(want, column.len())),
        (T::Timestamp(unit, Some(_)), T::Timestamp(to, Some(zone))) if unit == to => {
            // The same moments; only the zone that they would be shown in differs.
            let moments = column.as_primitive::<TimestampMicrosecondType>().clone();
            Ok(Arc::new(moments.with_timezone(zone.clone())))
        }
        (T::Utf8 | T::LargeUtf8 | T::Utf8View, T::Utf8)
        | (T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_), T::Binary)
        | (T::Duration(_), T::Duration(_))
        | (T::Date64, T::Date32)
        | (T::Dictionary(..), _) => cast(),
        (T::Timestamp(_, None), T::Timestamp(_, None)) => cast(),
        (T::Decimal128(_, from), T::Decimal128(_, to)) if from == to => cast(),
        (T::List(_), T::List(element)) => {
            let list = column.as_list::<i32>();
            let values = array(list.values(), element.data_type())?;
            Ok(Arc::new(ListArray::try_new(element.clone(), list.offsets().clone(), values, list.nulls().cloned())?))
        }
        (T::Map(..), T::Map(entries, sorted)) => {
            let map = column.as_map();
            let rows = array(&(Arc::new(map.entries().clone()) as ArrayRef), entries.data_type())?;
            let rows = rows.as_struct().clone();
            let nulls = map.nulls().cloned();
            Ok(Arc::new(MapArray::try_new(entries.clone(), map.offsets().clone(), rows, nulls, *sorted)?))
        }
        (T::Struct(from), T::Struct(to)) if from.len() == to.len() => {
            let rows = column.as_struct();
            let parts = rows.columns().iter().zip(to).map(|(part, field)| array(part, field.data_type()));
            let parts = parts.collect::<Result<Vec<_>, _>>()?;
            Ok(Arc::new(StructArray::try_new_with_length(to.clone(), parts, rows.nulls().cloned(), rows.len())?))
        }
        _ => Err(ArrowError::SchemaError(format!("{have} cannot stand for {want}"))),
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{Int32Array, Int64Array, StringArray, TimestampMicrosecondArray},
        datatypes::{Field, Int32Type, Schema, TimeUnit},
    };

    use super::*;
    use crate::types;

    fn conformed(column: ArrayRef, want: DataType) -> Result<ArrayRef> {
        let stale = Arc::new(Schema::new(vec![Field::new("stale", column.data_type().clone(), true)]));
        let schema = Arc::new(Schema::new(vec![Field::new("wanted", want, true)]));
        let rows = RecordBatch::try_new(stale, vec![column]).unwrap();
        let rows = batch(&rows, &schema)?;
        assert_eq!(rows.schema(), schema);
        Ok(rows.column(0).clone())
    }

    #[test]
    fn names_come_from_the_manifest_and_moments_stay_the_same_in_another_zone() {
        let local = TimestampMicrosecondArray::from(vec![Some(1), None]).with_timezone("America/Los_Angeles");
        let wanted = TimestampMicrosecondArray::from(vec![Some(1), None]).with_timezone("UTC");
        let got = conformed(Arc::new(local), wanted.data_type().clone()).unwrap();
        assert_eq!(got.as_primitive::<TimestampMicrosecondType>(), &wanted);
    }

    #[test]
    fn nested_children_are_renamed_without_touching_values() {
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
        let got = conformed(Arc::new(list.clone()), types::list(DataType::Int32)).unwrap();
        assert_eq!(got.as_list::<i32>().values(), list.values());
        assert!(got.is_null(1) && got.as_list::<i32>().value(2).is_empty());
    }

    #[test]
    fn what_would_lose_or_invent_is_refused() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let error = conformed(numbers, DataType::Int32).unwrap_err();
        assert_eq!((error.kind(), error.context("column")), (ErrorKind::Protocol, Some("wanted")));
        let wall: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1]));
        let moment = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        assert!(conformed(wall, moment).is_err(), "a wall clock is not a moment");
    }

    #[test]
    fn a_missing_column_is_noticed() {
        let both =
            Arc::new(Schema::new(vec![Field::new("a", DataType::Int32, true), Field::new("b", DataType::Utf8, true)]));
        let columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![1])), Arc::new(StringArray::from(vec!["x"]))];
        let rows = RecordBatch::try_new(both, columns).unwrap();
        let one = Arc::new(Schema::new(vec![Field::new("a", DataType::Int32, true)]));
        assert_eq!(batch(&rows, &one).unwrap_err().context("received"), Some("2"));
    }
}
