//! To Arrow and back.

use std::sync::Arc;

use twinhouse_core::{Error, Result};
use twinhouse_warehouse_api::{
    DatabricksDialect, Dialect as _,
    arrow::datatypes::{DataType, Field, Fields, IntervalUnit as ArrowInterval, Schema, SchemaRef, TimeUnit},
};

use super::{
    column::{Column, TableSchema},
    types::{DeltaType, IntervalUnit, StructField},
};

impl DeltaType {
    /// The Arrow type in which the warehouse gives values of this type.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](twinhouse_core::ErrorKind::Unsupported) for `VARIANT`, which has none.
    pub fn to_arrow(&self) -> Result<DataType> {
        Ok(match self {
            Self::Boolean => DataType::Boolean,
            Self::Byte => DataType::Int8,
            Self::Short => DataType::Int16,
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            // The parser and the dialect give a scale of at most 38.
            Self::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale as i8),
            Self::String | Self::Char(_) | Self::Varchar(_) => DataType::Utf8,
            Self::Binary => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::TimestampNtz => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Interval { from, .. } if from.is_month() => DataType::Interval(ArrowInterval::YearMonth),
            Self::Interval { .. } => DataType::Duration(TimeUnit::Microsecond),
            Self::Array(element) => DataType::List(Arc::new(Field::new("element", element.to_arrow()?, true))),
            Self::Map(key, value) => {
                let entries = Fields::from(vec![
                    Field::new("key", key.to_arrow()?, false),
                    Field::new("value", value.to_arrow()?, true),
                ]);
                DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
            }
            Self::Struct(fields) => DataType::Struct(fields.iter().map(StructField::to_arrow).collect::<Result<_>>()?),
            Self::Variant => return Err(Error::unsupported("databricks", "VARIANT has no Arrow type")),
            Self::Void => DataType::Null,
        })
    }

    /// The type of a column that holds every value of the Arrow type: the one that a load creates.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](twinhouse_core::ErrorKind::Unsupported), naming the type, if there is none.
    pub fn from_arrow(data_type: &DataType) -> Result<Self> {
        match data_type {
            DataType::Null => Ok(Self::Void),
            DataType::Interval(ArrowInterval::YearMonth) => {
                Ok(Self::Interval { from: IntervalUnit::Year, to: IntervalUnit::Month })
            }
            DataType::Duration(TimeUnit::Microsecond) => {
                Ok(Self::Interval { from: IntervalUnit::Day, to: IntervalUnit::Second })
            }
            other => DatabricksDialect.type_name(other)?.parse(),
        }
    }
}

impl StructField {
    fn to_arrow(&self) -> Result<Field> {
        Ok(Field::new(&self.name, self.data_type.to_arrow()?, self.nullable))
    }
}

impl TableSchema {
    /// The columns as the warehouse gives them. Comments, defaults and lengths have no place in Arrow.
    ///
    /// # Errors
    ///
    /// As [`DeltaType::to_arrow`], naming the column.
    pub fn to_arrow(&self) -> Result<SchemaRef> {
        let fields = self.columns().iter().map(|column| {
            let data_type = column.data_type.to_arrow().map_err(|error| error.with_context("column", &column.name))?;
            Ok(Field::new(&column.name, data_type, column.nullable))
        });
        Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?)))
    }

    /// The columns that hold every value of the Arrow schema.
    ///
    /// # Errors
    ///
    /// As [`DeltaType::from_arrow`], naming the column.
    pub fn from_arrow(schema: &Schema) -> Result<Self> {
        let columns = schema.fields().iter().map(|field| {
            let data_type =
                DeltaType::from_arrow(field.data_type()).map_err(|error| error.with_context("column", field.name()))?;
            let column = Column::new(field.name(), data_type);
            Ok(if field.is_nullable() { column } else { column.not_null() })
        });
        Ok(Self::new(columns.collect::<Result<Vec<_>>>()?))
    }
}
