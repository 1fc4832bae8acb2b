//! Amazon Redshift SQL.

use arrow::datatypes::DataType;
use twinhouse_core::{Error, ErrorKind, Result};

use super::{
    Bound, Dialect, MarkerStyle,
    lexer::Flavour,
    literal::{self, Moment},
    markers, quoted, quoted_table,
    types::{self, Shape},
};
use crate::{params::Params, table::TableRef, value::Value};

/// The longest name, in bytes; the server cuts longer ones without a word.
const MAX_NAME: usize = 127;

/// The longest VARBYTE.
const MAX_BYTES: i32 = 1_024_000;

/// The first year of the server's calendar, 4713 BC, counted with a year 0.
const FIRST_YEAR: i32 = -4712;

/// The SQL of Amazon Redshift: double quotes around names, doubled quotes and backslashes in strings, `$1` on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedshiftDialect;

impl Dialect for RedshiftDialect {
    fn name(&self) -> &'static str {
        "redshift"
    }

    fn marker_style(&self) -> MarkerStyle {
        MarkerStyle::Numbered
    }

    fn quote(&self, identifier: &str) -> Result<String> {
        quoted(identifier, '"', identifier.len() > MAX_NAME, "a name has at most 127 bytes")
    }

    fn table(&self, table: &TableRef) -> Result<String> {
        quoted_table(self, table)
    }

    fn string(&self, text: &str) -> Result<String> {
        if text.contains('\0') {
            return Err(Error::new(ErrorKind::InvalidInput, "text on Redshift cannot contain NUL"));
        }
        let mut out = String::with_capacity(text.len() + 2);
        out.push('\'');
        for c in text.chars() {
            // Backslash always escapes on this server: `\'` would leave the literal open. `E'…'` is not read at all.
            if matches!(c, '\'' | '\\') {
                out.push(c);
            }
            out.push(c);
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
            Value::Int(n) => format!("CAST({n} AS INTEGER)"),
            Value::Long(n) => format!("CAST({n} AS BIGINT)"),
            Value::Float(x) => format!("CAST('{}' AS REAL)", literal::float(*x)),
            Value::Double(x) => format!("CAST('{}' AS DOUBLE PRECISION)", literal::double(*x)),
            Value::Decimal(d) => format!("CAST('{d}' AS DECIMAL({},{}))", d.precision(), d.scale()),
            Value::Text(text) => return self.string(text),
            Value::Bytes(bytes) => format!("FROM_HEX('{}')", literal::hex(bytes)),
            Value::Date(date) => {
                let (date, era) = literal::era_date(*date, FIRST_YEAR)?;
                format!("DATE '{date}{era}'")
            }
            // `TIMESTAMP '…+00'` would drop the zone without a word.
            Value::Timestamp(micros) => {
                let (date, time, era) = Moment::new(*micros)?.era(FIRST_YEAR)?;
                format!("TIMESTAMPTZ '{date} {time}+00{era}'")
            }
            Value::TimestampNtz(micros) => {
                let (date, time, era) = Moment::new(*micros)?.era(FIRST_YEAR)?;
                format!("TIMESTAMP '{date} {time}{era}'")
            }
        })
    }

    fn type_name(&self, data_type: &DataType) -> Result<String> {
        let name = match Shape::of(data_type) {
            Some(Shape::Bool) => "BOOLEAN",
            Some(Shape::Int8 | Shape::Int16) => "SMALLINT",
            Some(Shape::Int32) => "INTEGER",
            Some(Shape::Int64) => "BIGINT",
            Some(Shape::Decimal(precision, scale)) => return Ok(format!("DECIMAL({precision},{scale})")),
            Some(Shape::Float32) => "REAL",
            Some(Shape::Float64) => "DOUBLE PRECISION",
            Some(Shape::Text) => "VARCHAR(65535)",
            Some(Shape::Bytes(None)) => return Ok(format!("VARBYTE({MAX_BYTES})")),
            Some(Shape::Bytes(Some(width))) if width <= MAX_BYTES => return Ok(format!("VARBYTE({})", width.max(1))),
            Some(Shape::Date) => "DATE",
            Some(Shape::Time) => "TIME",
            Some(Shape::Timestamp) => "TIMESTAMPTZ",
            Some(Shape::TimestampNtz) => "TIMESTAMP",
            Some(Shape::List(element)) => {
                self.type_name(element)?;
                "SUPER"
            }
            Some(Shape::Map(key, value)) => {
                self.type_name(key)?;
                self.type_name(value)?;
                "SUPER"
            }
            Some(Shape::Struct(fields)) => {
                for field in fields {
                    self.type_name(field.data_type())?;
                }
                "SUPER"
            }
            Some(Shape::Bytes(Some(_))) | None => return Err(types::unsupported(self.name(), data_type)),
        };
        Ok(name.to_owned())
    }

    fn bind(&self, sql: &str, params: &Params) -> Result<Bound> {
        markers::bind(Flavour::Redshift, self.marker_style(), sql, params)
    }

    fn inline(&self, sql: &str, params: &Params) -> Result<String> {
        markers::inline(self, Flavour::Redshift, sql, params)
    }
}
