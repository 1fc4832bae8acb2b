//! Values of a result, comparable to the last bit whatever the Arrow type that carries them.

use std::fmt;

use arrow::{
    array::{Array, ArrayRef, AsArray as _, RecordBatch},
    compute::cast,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    },
};
use twinhouse_warehouse_api::Value;

/// One value of a result.
///
/// Floats are equal if their bits are, so that `-0.0` is not `0.0`; all NaNs are equal. Decimals are equal if digits
/// and scale are. Integers of all widths are one kind: warehouses differ in how narrow a type they keep.
#[derive(Clone)]
pub enum Cell {
    /// SQL `NULL`.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer of any width.
    Int(i64),
    /// A 32-bit float.
    Float(f32),
    /// A 64-bit float.
    Double(f64),
    /// Digits without the point, and how many of them stand after it.
    Decimal(i128, i8),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// Microseconds since 1970-01-01T00:00:00 on some clock on a wall.
    TimestampNtz(i64),
    /// A list.
    List(Vec<Cell>),
    /// A map, in the order in which the warehouse gave it.
    Map(Vec<(Cell, Cell)>),
    /// A struct, with the names of its fields.
    Struct(Vec<(String, Cell)>),
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            (Self::Decimal(a, s), Self::Decimal(b, t)) => (a, s) == (b, t),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Date(a), Self::Date(b)) => a == b,
            (Self::Timestamp(a), Self::Timestamp(b)) | (Self::TimestampNtz(a), Self::TimestampNtz(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Struct(a), Self::Struct(b)) => a == b,
            _ => false,
        }
    }
}

/// Long values are cut: a case about 64 KB of text must fail readably.
impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 60;
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(v) => write!(f, "{v}"),
            Self::Int(v) => write!(f, "{v}"),
            Self::Float(v) => write!(f, "{v:e}f32"),
            Self::Double(v) => write!(f, "{v:e}f64"),
            Self::Decimal(v, scale) => write!(f, "{v}e-{scale}"),
            Self::Text(v) if v.len() > SHOWN => {
                write!(f, "{:?}… ({} bytes)", v.chars().take(SHOWN / 4).collect::<String>(), v.len())
            }
            Self::Text(v) => write!(f, "{v:?}"),
            Self::Bytes(v) => write!(f, "{:02x?}… ({} bytes)", &v[..v.len().min(16)], v.len()),
            Self::Date(v) => write!(f, "date {v}"),
            Self::Timestamp(v) => write!(f, "timestamp {v}"),
            Self::TimestampNtz(v) => write!(f, "timestamp_ntz {v}"),
            Self::List(v) => f.debug_list().entries(v).finish(),
            Self::Map(v) => f.debug_map().entries(v.iter().map(|(k, v)| (k, v))).finish(),
            Self::Struct(v) => f.debug_map().entries(v.iter().map(|(k, v)| (k, v))).finish(),
        }
    }
}

impl From<&Value> for Cell {
    fn from(value: &Value) -> Self {
        match value {
            Value::Bool(v) => Self::Bool(*v),
            Value::Int(v) => Self::Int((*v).into()),
            Value::Long(v) => Self::Int(*v),
            Value::Float(v) => Self::Float(*v),
            Value::Double(v) => Self::Double(*v),
            Value::Decimal(v) => Self::Decimal(v.unscaled(), v.scale() as i8),
            Value::Text(v) => Self::Text(v.clone()),
            Value::Bytes(v) => Self::Bytes(v.clone()),
            Value::Date(v) => Self::Date(v.to_epoch_days()),
            Value::Timestamp(v) => Self::Timestamp(*v),
            Value::TimestampNtz(v) => Self::TimestampNtz(*v),
            // `Value` may grow; a kind that nobody compares yet must not look like another.
            _ => Self::Null,
        }
    }
}

macro_rules! from {
    ($($from:ty => $variant:ident;)*) => {$(
        impl From<$from> for Cell {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

from! {
    bool => Bool;
    i32 => Int;
    i64 => Int;
    f64 => Double;
    &str => Text;
    String => Text;
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The rows of some batches.
///
/// # Panics
///
/// If a column has an Arrow type that no warehouse should answer with.
pub fn cells(batches: &[RecordBatch]) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<Vec<Cell>> = batch.columns().iter().map(column_cells).collect();
        rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row].clone()).collect()));
    }
    rows
}

fn column_cells(array: &ArrayRef) -> Vec<Cell> {
    (0..array.len()).map(|row| if array.is_null(row) { Cell::Null } else { cell(array, row) }).collect()
}

fn cell(array: &ArrayRef, row: usize) -> Cell {
    match array.data_type() {
        DataType::Null => Cell::Null,
        DataType::Boolean => Cell::Bool(array.as_boolean().value(row)),
        DataType::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
            cell(&recast(array, row, &DataType::Int64), 0)
        }
        DataType::Float32 => Cell::Float(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => Cell::Double(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => Cell::Decimal(array.as_primitive::<Decimal128Type>().value(row), *scale),
        DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::LargeUtf8 | DataType::Utf8View => cell(&recast(array, row, &DataType::Utf8), 0),
        DataType::Binary => Cell::Bytes(array.as_binary::<i32>().value(row).to_vec()),
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            cell(&recast(array, row, &DataType::Binary), 0)
        }
        DataType::Date32 => Cell::Date(array.as_primitive::<Date32Type>().value(row)),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            if zone.is_some() { Cell::Timestamp(micros) } else { Cell::TimestampNtz(micros) }
        }
        DataType::List(_) => Cell::List(column_cells(&array.as_list::<i32>().value(row))),
        DataType::LargeList(_) => Cell::List(column_cells(&array.as_list::<i64>().value(row))),
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let keys = column_cells(entries.column(0));
            Cell::Map(keys.into_iter().zip(column_cells(entries.column(1))).collect())
        }
        DataType::Struct(fields) => {
            let names = fields.iter().map(|field| field.name().clone());
            let values = array.as_struct().columns().iter().map(|column| column_cells(&column.slice(row, 1)).remove(0));
            Cell::Struct(names.zip(values).collect())
        }
        other => panic!("a warehouse must not answer with a column of type {other}"),
    }
}

/// One row as an array of another type that holds the same value.
fn recast(array: &ArrayRef, row: usize, to: &DataType) -> ArrayRef {
    cast(&array.slice(row, 1), to).unwrap_or_else(|error| panic!("{} as {to}: {error}", array.data_type()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int16Array, StringViewArray};

    use super::*;

    #[test]
    fn cells_tell_apart_what_equality_of_floats_and_decimals_does_not() {
        assert_ne!(Cell::Double(-0.0), Cell::Double(0.0));
        assert_eq!(Cell::Double(f64::NAN), Cell::Double(-f64::NAN));
        assert_ne!(Cell::Decimal(1230, 2), Cell::Decimal(12300, 3));
        assert_ne!(Cell::Timestamp(0), Cell::TimestampNtz(0));
        assert_ne!(Cell::Text(String::new()), Cell::Null);
    }

    #[test]
    fn narrow_and_view_arrays_read_as_their_plain_kind() {
        let batch = RecordBatch::try_from_iter([
            ("i", Arc::new(Int16Array::from(vec![Some(-7), None])) as ArrayRef),
            ("t", Arc::new(StringViewArray::from(vec!["a", "b"])) as ArrayRef),
            ("f", Arc::new(Float64Array::from(vec![0.5, f64::INFINITY])) as ArrayRef),
        ])
        .unwrap();
        assert_eq!(
            cells(&[batch]),
            [
                vec![Cell::Int(-7), Cell::Text("a".into()), Cell::Double(0.5)],
                vec![Cell::Null, Cell::Text("b".into()), Cell::Double(f64::INFINITY)],
            ]
        );
    }
}
