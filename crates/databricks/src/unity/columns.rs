//! Columns and their types.

use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize, Serializer};
use twinhouse_core::Result;

use super::name::{bad, check_part};
use crate::{
    setters::setters,
    types::{Spelling, field_json, of_column, of_json},
    wire,
    words::words,
};

words! {
    /// The kind of a type, without what is inside it.
    ColumnTypeName {
        /// True or false.
        Boolean = "BOOLEAN",
        /// 8 bits.
        Byte = "BYTE",
        /// 16 bits.
        Short = "SHORT",
        /// 32 bits.
        Int = "INT",
        /// 64 bits.
        Long = "LONG",
        /// A float of 32 bits.
        Float = "FLOAT",
        /// A float of 64 bits.
        Double = "DOUBLE",
        /// A day.
        Date = "DATE",
        /// A moment.
        Timestamp = "TIMESTAMP",
        /// Date and time without zone.
        TimestampNtz = "TIMESTAMP_NTZ",
        /// Text.
        String = "STRING",
        /// Bytes.
        Binary = "BINARY",
        /// An exact number.
        Decimal = "DECIMAL",
        /// A span of time.
        Interval = "INTERVAL",
        /// Many of one type.
        Array = "ARRAY",
        /// Fields.
        Struct = "STRUCT",
        /// Keys and values.
        Map = "MAP",
        /// Text of a fixed length.
        Char = "CHAR",
        /// Nothing.
        Null = "NULL",
        /// A type around another.
        UserDefinedType = "USER_DEFINED_TYPE",
        /// The type of a function that answers a table.
        TableType = "TABLE_TYPE",
        /// JSON-like data.
        Variant = "VARIANT",
        /// A place on the globe.
        Geography = "GEOGRAPHY",
        /// A shape on a plane.
        Geometry = "GEOMETRY",
    }
}

/// The function behind which a column's values are hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColumnMask {
    /// Its full name.
    pub function_name: String,
    /// Further columns that it takes.
    pub using_column_names: Vec<String>,
}

/// A column of a table, as the service describes it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "wire::Column")]
#[non_exhaustive]
pub struct ColumnInfo {
    /// The name.
    pub name: String,
    /// The type, out of [`type_json`](Self::type_json), which alone is exact, or else the other fields. What Arrow has no
    /// type for is text.
    pub data_type: DataType,
    /// Its kind.
    pub type_name: Option<ColumnTypeName>,
    /// Its SQL: `decimal(12,2)`, `array<bigint>`.
    pub type_text: String,
    /// Spark's JSON of it.
    pub type_json: Option<String>,
    /// The precision of a decimal; otherwise 0 or nothing.
    pub type_precision: Option<u64>,
    /// The scale of a decimal; otherwise 0 or nothing.
    pub type_scale: Option<u64>,
    /// Which interval it is.
    pub type_interval_type: Option<String>,
    /// Its place among the columns, from 0.
    pub position: Option<u64>,
    /// Its place among those that the table is partitioned by, from 0.
    pub partition_index: Option<u64>,
    /// Whether it may hold nulls.
    pub nullable: bool,
    /// What it is about.
    pub comment: Option<String>,
    /// What its values are hidden behind.
    pub mask: Option<ColumnMask>,
}

impl From<wire::Column> for ColumnInfo {
    fn from(column: wire::Column) -> Self {
        Self {
            data_type: data_type(&column),
            name: column.name,
            type_name: column.type_name.map(ColumnTypeName::from),
            type_text: column.type_text.unwrap_or_default(),
            type_json: column.type_json,
            type_precision: column.type_precision,
            type_scale: column.type_scale,
            type_interval_type: column.type_interval_type,
            position: column.position,
            partition_index: column.partition_index,
            nullable: column.nullable.unwrap_or(true),
            comment: column.comment.filter(|comment| !comment.is_empty()),
            mask: column.mask.filter(|mask| !mask.function_name.is_empty()).map(|mask| ColumnMask {
                function_name: mask.function_name,
                using_column_names: mask.using_column_names,
            }),
        }
    }
}

/// The type of a column or parameter, as exactly as it is told.
pub(super) fn data_type(column: &wire::Column) -> DataType {
    let otherwise = || {
        of_column(
            column.type_text.as_deref(),
            column.type_name.as_deref(),
            column.type_precision,
            column.type_scale,
            column.type_interval_type.as_deref(),
        )
    };
    column.type_json.as_deref().and_then(of_json).unwrap_or_else(otherwise)
}

/// Columns in the order of their positions, whatever order they came in.
pub(super) fn in_order<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<ColumnInfo>, D::Error> {
    let mut columns: Vec<ColumnInfo> = wire::nullable(from)?;
    columns.sort_by_key(|column| column.position.unwrap_or(0));
    Ok(columns)
}

/// A column of a table that is to be registered, or a parameter of a function that is to be made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NewColumn {
    /// The name.
    pub name: String,
    /// The type.
    pub data_type: DataType,
    /// Whether it may hold nulls.
    pub nullable: bool,
    /// What it is about.
    pub comment: Option<String>,
    /// Its place among those that the table is partitioned by, from 0.
    pub partition_index: Option<u32>,
}

impl NewColumn {
    /// A column that may hold nulls.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self { name: name.into(), data_type, nullable: true, comment: None, partition_index: None }
    }

    setters! {
        /// Whether it may hold nulls.
        with_nullable(nullable: is bool);
        /// What it is about.
        with_comment(comment: some String);
        /// Its place among those that the table is partitioned by, from 0.
        with_partition_index(partition_index: value u32);
    }

    /// Refuses a name that a column cannot have, and a type that has no spelling here.
    pub(super) fn check(&self, field: &'static str) -> Result<()> {
        // Columns may have periods in their names.
        check_part(field, &self.name.replace('.', "_"))?;
        match Spelling::of(&self.data_type) {
            Some(_) => Ok(()),
            None => Err(bad(field, format_args!("has a column of type {}, which no table keeps", self.data_type))
                .with_context("column", self.name.clone())),
        }
    }
}

/// A column or parameter as the service takes it.
#[derive(Serialize)]
pub(super) struct Described<'a> {
    name: &'a str,
    type_name: &'static str,
    type_text: String,
    type_json: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    type_precision: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    type_scale: Option<i8>,
    position: usize,
    /// A parameter has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    nullable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
}

impl<'a> Described<'a> {
    /// As a column: its JSON is that of a field.
    pub(super) fn column(position: usize, column: &'a NewColumn) -> Self {
        let described = Self::parameter(position, column);
        let json = field_json(&column.name, spelling(&column.data_type).json, column.nullable).to_string();
        Self { type_json: json, nullable: Some(column.nullable), partition_index: column.partition_index, ..described }
    }

    /// As a parameter.
    pub(super) fn parameter(position: usize, column: &'a NewColumn) -> Self {
        let Spelling { name, text, json } = spelling(&column.data_type);
        let (precision, scale) = match &column.data_type {
            DataType::Decimal128(precision, scale) => (Some(*precision), Some(*scale)),
            _ => (None, None),
        };
        Self {
            name: &column.name,
            type_name: name,
            type_text: text,
            type_json: json.to_string(),
            type_precision: precision,
            type_scale: scale,
            position,
            nullable: None,
            partition_index: None,
            comment: column.comment.as_deref(),
        }
    }
}

/// Types are checked before they are spelled; text stands for what was not.
pub(super) fn spelling(data_type: &DataType) -> Spelling {
    Spelling::of(data_type).unwrap_or(Spelling { name: "STRING", text: "string".to_owned(), json: "string".into() })
}

/// Columns as the service takes them.
pub(super) fn described<S: Serializer>(columns: &[NewColumn], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(columns.iter().enumerate().map(|(position, column)| Described::column(position, column)))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_json_of_a_type_goes_before_its_text() {
        let column: ColumnInfo = serde_json::from_value(json!({
            "name": "tags", "type_text": "array<string>", "type_name": "ARRAY", "nullable": false, "position": "3",
            "type_json": r#"{"name":"tags","type":{"type":"array","elementType":"string","containsNull":false},"nullable":false,"metadata":{}}"#,
        }))
        .unwrap();
        let element = Field::new("element", DataType::Utf8, false);
        assert_eq!(column.data_type, DataType::List(element.into()));
        assert_eq!((column.nullable, column.position), (false, Some(3)));
    }

    #[test]
    fn json_that_is_not_understood_leaves_the_word_to_the_text() {
        let column: ColumnInfo = serde_json::from_value(json!({
            "name": "d", "type_text": "decimal(12,2)", "type_name": "DECIMAL", "type_json": "not json",
        }))
        .unwrap();
        assert_eq!(column.data_type, DataType::Decimal128(12, 2));
        let column: ColumnInfo = serde_json::from_value(json!({ "name": "h", "type_name": "HOLOGRAM" })).unwrap();
        assert_eq!(column.data_type, DataType::Utf8);
        assert_eq!(column.type_name, Some(ColumnTypeName::Other("HOLOGRAM".to_owned())));
    }

    #[test]
    fn a_column_that_is_sent_says_its_type_in_all_ways() {
        let column = NewColumn::new("price", DataType::Decimal128(12, 2)).with_nullable(false).with_comment("net");
        column.check("columns").unwrap();
        assert_eq!(
            serde_json::to_value(Described::column(1, &column)).unwrap(),
            json!({
                "name": "price", "type_name": "DECIMAL", "type_text": "decimal(12,2)", "type_precision": 12,
                "type_scale": 2, "position": 1, "nullable": false, "comment": "net",
                "type_json": r#"{"metadata":{},"name":"price","nullable":false,"type":"decimal(12,2)"}"#,
            })
        );
        assert_eq!(NewColumn::new("u", DataType::UInt64).check("columns").unwrap_err().context("column"), Some("u"));
    }
}
