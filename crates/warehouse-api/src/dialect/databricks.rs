//! Databricks SQL.

use std::fmt::Write as _;

use arrow::datatypes::DataType;
use twinhouse_core::Result;

use super::{
    Bound, Dialect, MarkerStyle,
    lexer::Flavour,
    literal::{self, Moment},
    markers, quoted, quoted_table,
    types::Shape,
};
use crate::{params::Params, table::TableRef, value::Value};

/// The longest name Unity Catalog keeps, in characters.
const MAX_NAME: usize = 255;

/// The SQL of Databricks: backticks around names, backslash escapes in strings, `:name` markers on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatabricksDialect;

impl Dialect for DatabricksDialect {
    fn name(&self) -> &'static str {
        "databricks"
    }

    fn marker_style(&self) -> MarkerStyle {
        MarkerStyle::Named
    }

    fn quote(&self, identifier: &str) -> Result<String> {
        let too_long = identifier.chars().nth(MAX_NAME).is_some();
        quoted(identifier, '`', too_long, "a name has at most 255 characters")
    }

    fn table(&self, table: &TableRef) -> Result<String> {
        quoted_table(self, table)
    }

    fn string(&self, text: &str) -> Result<String> {
        let mut out = String::with_capacity(text.len() + 2);
        out.push('\'');
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\\' => out.push_str(r"\\"),
                // Doubling would end one literal and begin the next: the quote would be lost.
                '\'' => out.push_str(r"\'"),
                '\0' => out.push_str(r"\u0000"),
                // `${x}` is replaced in the text before it is parsed, in strings too.
                '$' if rest.peek() == Some(&'{') => out.push_str(r"\u0024"),
                c => out.push(c),
            }
        }
        out.push('\'');
        Ok(out)
    }

    fn literal(&self, value: &Value) -> Result<String> {
        Ok(match value {
            Value::Null => "NULL".to_owned(),
            Value::Bool(true) => "TRUE".to_owned(),
            Value::Bool(false) => "FALSE".to_owned(),
            Value::Int(n) if *n >= 0 => n.to_string(),
            Value::Int(n) => format!("CAST({n} AS INT)"),
            // `5L` would do, but not every parser of this SQL reads suffixes.
            Value::Long(n) => format!("CAST({n} AS BIGINT)"),
            Value::Float(x) => format!("CAST('{}' AS FLOAT)", literal::float(*x)),
            Value::Double(x) => format!("CAST('{}' AS DOUBLE)", literal::double(*x)),
            Value::Decimal(d) => format!("CAST('{d}' AS DECIMAL({},{}))", d.precision(), d.scale()),
            Value::Text(text) => return self.string(text),
            Value::Bytes(bytes) => format!("X'{}'", literal::hex(bytes)),
            Value::Date(date) => format!("DATE '{}'", literal::iso_date(*date)),
            Value::Timestamp(micros) => format!("TIMESTAMP '{}+00:00'", Moment::new(*micros)?.iso()),
            Value::TimestampNtz(micros) => format!("TIMESTAMP_NTZ '{}'", Moment::new(*micros)?.iso()),
        })
    }

    fn type_name(&self, data_type: &DataType) -> Result<String> {
        let name = match Shape::of(data_type) {
            Some(Shape::Bool) => "BOOLEAN",
            Some(Shape::Int8) => "TINYINT",
            Some(Shape::Int16) => "SMALLINT",
            Some(Shape::Int32) => "INT",
            Some(Shape::Int64) => "BIGINT",
            Some(Shape::Decimal(precision, scale)) => return Ok(format!("DECIMAL({precision},{scale})")),
            Some(Shape::Float32) => "FLOAT",
            Some(Shape::Float64) => "DOUBLE",
            Some(Shape::Text) => "STRING",
            Some(Shape::Bytes(_)) => "BINARY",
            Some(Shape::Date) => "DATE",
            Some(Shape::Timestamp) => "TIMESTAMP",
            Some(Shape::TimestampNtz) => "TIMESTAMP_NTZ",
            Some(Shape::List(element)) => return Ok(format!("ARRAY<{}>", self.type_name(element)?)),
            Some(Shape::Map(key, value)) => {
                return Ok(format!("MAP<{}, {}>", self.type_name(key)?, self.type_name(value)?));
            }
            Some(Shape::Struct(fields)) => {
                let mut out = String::from("STRUCT<");
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    let null = if field.is_nullable() { "" } else { " NOT NULL" };
                    let _ = write!(
                        out,
                        "{comma}{}: {}{null}",
                        self.quote(field.name())?,
                        self.type_name(field.data_type())?
                    );
                }
                return Ok(out + ">");
            }
            Some(Shape::Time) | None => return Err(super::types::unsupported(self.name(), data_type)),
        };
        Ok(name.to_owned())
    }

    fn bind(&self, sql: &str, params: &Params) -> Result<Bound> {
        markers::bind(Flavour::Databricks, self.marker_style(), sql, params)
    }

    fn inline(&self, sql: &str, params: &Params) -> Result<String> {
        markers::inline(self, Flavour::Databricks, sql, params)
    }
}
