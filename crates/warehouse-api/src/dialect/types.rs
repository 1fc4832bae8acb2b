//! What an Arrow type is to a warehouse, before either of them spells it.

use arrow::datatypes::{DataType, Fields};
use twinhouse_core::Error;

use crate::value::Decimal;

/// The kinds of column that at least one warehouse has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape<'a> {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    /// Precision and scale.
    Decimal(u8, u8),
    Float32,
    Float64,
    Text,
    /// With its width, where that is fixed.
    Bytes(Option<i32>),
    Date,
    Time,
    Timestamp,
    TimestampNtz,
    List(&'a DataType),
    Map(&'a DataType, &'a DataType),
    Struct(&'a Fields),
}

impl<'a> Shape<'a> {
    /// The narrowest kind that holds every value of the type.
    pub(super) fn of(data_type: &'a DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Bool,
            DataType::Int8 => Self::Int8,
            DataType::Int16 | DataType::UInt8 => Self::Int16,
            DataType::Int32 | DataType::UInt16 => Self::Int32,
            DataType::Int64 | DataType::UInt32 => Self::Int64,
            DataType::UInt64 => Self::Decimal(20, 0),
            DataType::Float16 | DataType::Float32 => Self::Float32,
            DataType::Float64 => Self::Float64,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => return decimal(*precision, *scale),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Self::Bytes(None),
            DataType::FixedSizeBinary(width) => Self::Bytes(Some(*width)),
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Time32(_) | DataType::Time64(_) => Self::Time,
            DataType::Timestamp(_, Some(_)) => Self::Timestamp,
            DataType::Timestamp(_, None) => Self::TimestampNtz,
            DataType::List(element)
            | DataType::LargeList(element)
            | DataType::FixedSizeList(element, _)
            | DataType::ListView(element)
            | DataType::LargeListView(element) => Self::List(element.data_type()),
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(fields) if fields.len() == 2 => {
                    Self::Map(fields[0].data_type(), fields[1].data_type())
                }
                _ => return None,
            },
            DataType::Struct(fields) if !fields.is_empty() => Self::Struct(fields),
            DataType::Dictionary(_, values) => return Self::of(values),
            DataType::RunEndEncoded(_, values) => return Self::of(values.data_type()),
            _ => return None,
        })
    }
}

fn decimal<'a>(precision: u8, scale: i8) -> Option<Shape<'a>> {
    // Both warehouses want 0 <= scale <= precision <= 38.
    let (precision, scale) = match u8::try_from(scale) {
        Ok(scale) => (precision.max(scale), scale),
        Err(_) => (precision.checked_add(scale.unsigned_abs())?, 0),
    };
    (1..=Decimal::MAX_PRECISION).contains(&precision).then_some(Shape::Decimal(precision, scale))
}

pub(super) fn unsupported(backend: &'static str, data_type: &DataType) -> Error {
    Error::unsupported(backend, format!("no column type holds {data_type}")).with_context("type", data_type.to_string())
}
