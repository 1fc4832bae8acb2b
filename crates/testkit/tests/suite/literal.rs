//! Reads Databricks literals: written apart from the dialect that writes them.

use arrow::datatypes::{DataType, TimeUnit};
use chrono::{NaiveDate, NaiveDateTime};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Decimal, Params, Value};

/// What is left of a text.
pub(crate) struct Reader<'a> {
    rest: &'a str,
    params: &'a Params,
}

pub(crate) fn bad(what: &str) -> Error {
    Error::new(ErrorKind::Syntax, format!("the engine of this test does not read {what}")).with_sqlstate("42601")
}

impl<'a> Reader<'a> {
    pub(crate) fn new(sql: &'a str, params: &'a Params) -> Self {
        Self { rest: sql.trim(), params }
    }

    pub(crate) fn rest(&self) -> &'a str {
        self.rest
    }

    /// Takes a word or a sign if it is next, in any case.
    pub(crate) fn take(&mut self, word: &str) -> bool {
        let found = self.rest.get(..word.len()).is_some_and(|next| next.eq_ignore_ascii_case(word));
        if found {
            self.rest = self.rest[word.len()..].trim_start();
        }
        found
    }

    pub(crate) fn want(&mut self, word: &str) -> Result<()> {
        if self.take(word) { Ok(()) } else { Err(bad(&format!("`{}` where `{word}` is wanted", self.rest))) }
    }

    /// A name in backticks.
    pub(crate) fn name(&mut self) -> Result<String> {
        self.quoted('`', |rest| rest.strip_prefix('`').map(|rest| ('`', rest)))
    }

    /// Up to the closing quote; `escape` reads what stands after a quote or a backslash.
    fn quoted(&mut self, quote: char, doubled: impl Fn(&'a str) -> Option<(char, &'a str)>) -> Result<String> {
        let mut rest = self.rest.strip_prefix(quote).ok_or_else(|| bad(self.rest))?;
        let mut out = String::new();
        loop {
            let c = rest.chars().next().ok_or_else(|| bad("an open quote"))?;
            rest = &rest[c.len_utf8()..];
            match c {
                c if c == quote => match doubled(rest) {
                    Some((c, after)) => {
                        out.push(c);
                        rest = after;
                    }
                    None => break,
                },
                '\\' if quote == '\'' => {
                    if let Some(hex) = rest.strip_prefix('u') {
                        let code = hex.get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                        out.push(code.and_then(char::from_u32).ok_or_else(|| bad("an escape"))?);
                        rest = &hex[4..];
                    } else {
                        let c = rest.chars().next().ok_or_else(|| bad("an open escape"))?;
                        out.push(c);
                        rest = &rest[c.len_utf8()..];
                    }
                }
                c => out.push(c),
            }
        }
        self.rest = rest.trim_start();
        Ok(out)
    }

    fn text(&mut self) -> Result<String> {
        self.quoted('\'', |_| None)
    }

    /// A word of letters, digits and signs that numbers have.
    fn word(&mut self) -> &'a str {
        let end =
            self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_-+.".contains(c))).unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        self.rest = self.rest[end..].trim_start();
        word
    }

    pub(crate) fn data_type(&mut self) -> Result<DataType> {
        let micros = TimeUnit::Microsecond;
        Ok(match self.word() {
            "BOOLEAN" => DataType::Boolean,
            "SMALLINT" => DataType::Int16,
            "INT" => DataType::Int32,
            "BIGINT" => DataType::Int64,
            "FLOAT" => DataType::Float32,
            "DOUBLE" => DataType::Float64,
            "STRING" => DataType::Utf8,
            "BINARY" => DataType::Binary,
            "DATE" => DataType::Date32,
            "TIMESTAMP" => DataType::Timestamp(micros, Some("UTC".into())),
            "TIMESTAMP_NTZ" => DataType::Timestamp(micros, None),
            "DECIMAL" => {
                self.want("(")?;
                let precision = self.word().parse().map_err(|_| bad("a precision"))?;
                self.want(",")?;
                let scale = self.word().parse().map_err(|_| bad("a scale"))?;
                self.want(")")?;
                DataType::Decimal128(precision, scale)
            }
            "ARRAY" => {
                self.want("<")?;
                let element = self.data_type()?;
                self.want(">")?;
                DataType::new_list(element, true)
            }
            other => return Err(bad(other)),
        })
    }

    /// A literal, a parameter or a cast of one, and its type.
    pub(crate) fn value(&mut self) -> Result<(DataType, Value)> {
        if self.take("cast(") {
            let text = self.rest.starts_with('\'');
            let (_, value) = self.value()?;
            self.want("as")?;
            let data_type = self.data_type()?;
            self.want(")")?;
            let value = if text { of_text(&data_type, &value)? } else { of_number(&data_type, value) };
            return Ok((data_type, value));
        }
        if self.take(":") {
            let name = self.word();
            let value = self.params.find(name).cloned().ok_or_else(|| bad(name))?;
            return Ok((type_of(&value), value));
        }
        let value = if self.rest.starts_with('\'') {
            Value::Text(self.text()?)
        } else if self.take("NULL") {
            Value::Null
        } else if self.take("TRUE") {
            Value::Bool(true)
        } else if self.take("FALSE") {
            Value::Bool(false)
        } else if self.take("X") {
            Value::Bytes(unhex(&self.text()?)?)
        } else if self.take("DATE") {
            of_text(&DataType::Date32, &Value::Text(self.text()?))?
        } else if self.take("TIMESTAMP_NTZ") {
            Value::TimestampNtz(micros(&self.text()?)?)
        } else if self.take("TIMESTAMP") {
            let text = self.text()?;
            Value::Timestamp(micros(text.strip_suffix("+00:00").ok_or_else(|| bad("a zone"))?)?)
        } else {
            let number: i64 = self.word().parse().map_err(|_| bad("this for a number"))?;
            i32::try_from(number).map_or(Value::Long(number), Value::Int)
        };
        Ok((type_of(&value), value))
    }
}

fn type_of(value: &Value) -> DataType {
    match value {
        Value::Bool(_) => DataType::Boolean,
        Value::Int(_) => DataType::Int32,
        Value::Long(_) => DataType::Int64,
        Value::Float(_) => DataType::Float32,
        Value::Double(_) => DataType::Float64,
        Value::Decimal(d) => DataType::Decimal128(d.precision(), d.scale() as i8),
        Value::Text(_) => DataType::Utf8,
        Value::Bytes(_) => DataType::Binary,
        Value::Date(_) => DataType::Date32,
        Value::Timestamp(_) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Value::TimestampNtz(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
        _ => DataType::Null,
    }
}

fn of_text(data_type: &DataType, value: &Value) -> Result<Value> {
    let Value::Text(text) = value else { return Ok(value.clone()) };
    Ok(match data_type {
        DataType::Float32 => Value::Float(text.parse().map_err(|_| bad("a float"))?),
        DataType::Float64 => Value::Double(text.parse().map_err(|_| bad("a double"))?),
        DataType::Decimal128(..) => Value::Decimal(Decimal::parse(text)?),
        DataType::Date32 => Value::Date(NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| bad("a date"))?),
        _ => value.clone(),
    })
}

fn of_number(data_type: &DataType, value: Value) -> Value {
    match (data_type, value) {
        (DataType::Int64, Value::Int(n)) => Value::Long(n.into()),
        (_, value) => value,
    }
}

fn micros(text: &str) -> Result<i64> {
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").map_err(|_| bad("a timestamp"))?;
    Ok(time.and_utc().timestamp_micros())
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default());
    pairs.map(|pair| u8::from_str_radix(pair, 16).map_err(|_| bad("hex"))).collect()
}
