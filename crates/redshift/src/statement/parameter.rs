//! Values as the text and type that the wire carries them with.

use chrono::{DateTime, Datelike as _, NaiveDate, Timelike as _};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::Value;

use crate::decode::oid;

/// The type that a value is announced with. Text and null take the type of the place they stand in, as the official
/// driver does it.
pub(crate) fn type_oid(value: &Value) -> u32 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => oid::BOOL,
        Value::Int(_) => oid::INT4,
        Value::Long(_) => oid::INT8,
        Value::Float(_) => oid::FLOAT4,
        Value::Double(_) => oid::FLOAT8,
        Value::Decimal(_) => oid::NUMERIC,
        Value::Date(_) => oid::DATE,
        Value::Timestamp(_) => oid::TIMESTAMPTZ,
        Value::TimestampNtz(_) => oid::TIMESTAMP,
        _ => oid::UNKNOWN,
    }
}

/// The value's text; `None` for null.
pub(crate) fn text(name: &str, value: &Value) -> Result<Option<String>> {
    let refuse = |why: &'static str| {
        Err(Error::new(ErrorKind::InvalidInput, why)
            .with_context("parameter", name)
            .with_context("type", value.type_name()))
    };
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Bool(true) => "t".to_owned(),
        Value::Bool(false) => "f".to_owned(),
        Value::Int(n) => n.to_string(),
        Value::Long(n) => n.to_string(),
        Value::Float(x) => special(f64::from(*x)).map_or_else(|| format!("{x:e}"), str::to_owned),
        Value::Double(x) => special(*x).map_or_else(|| format!("{x:e}"), str::to_owned),
        Value::Decimal(number) => number.to_string(),
        Value::Text(text) if text.contains('\0') => return refuse("text on Redshift cannot contain NUL"),
        Value::Text(text) => text.clone(),
        Value::Date(date) => {
            let (date, era) = era(*date);
            format!("{date}{era}")
        }
        Value::Timestamp(micros) | Value::TimestampNtz(micros) => {
            let Some(moment) = DateTime::from_timestamp_micros(*micros) else {
                return refuse("the timestamp is out of range");
            };
            let (date, era) = era(moment.date_naive());
            let zone = if matches!(value, Value::Timestamp(_)) { "+00" } else { "" };
            let (hour, minute, second) = (moment.hour(), moment.minute(), moment.second());
            format!("{date} {hour:02}:{minute:02}:{second:02}.{:06}{zone}{era}", moment.nanosecond() / 1000)
        }
        _ => {
            return Err(
                Error::unsupported("redshift", "this kind of value cannot be bound").with_context("parameter", name)
            );
        }
    }))
}

fn special(x: f64) -> Option<&'static str> {
    match x {
        x if x.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

/// The server counts years before Christ from 1, without a year 0.
fn era(date: NaiveDate) -> (String, &'static str) {
    let (year, era) = if date.year() > 0 { (date.year(), "") } else { (1 - date.year(), " BC") };
    (format!("{year:04}-{:02}-{:02}", date.month(), date.day()), era)
}

#[cfg(test)]
mod tests {
    use twinhouse_warehouse_api::Decimal;

    use super::*;

    #[test]
    fn every_value_has_its_text_and_type() {
        let ides = NaiveDate::from_ymd_opt(-43, 3, 15).unwrap();
        for (value, oid, wanted) in [
            (Value::Null, 0, None),
            (Value::Bool(true), 16, Some("t")),
            (Value::Int(-7), 23, Some("-7")),
            (Value::Long(i64::MIN), 20, Some("-9223372036854775808")),
            (Value::Float(f32::NAN), 700, Some("NaN")),
            (Value::Double(f64::NEG_INFINITY), 701, Some("-Infinity")),
            (Value::Double(1e-300), 701, Some("1e-300")),
            (Value::Decimal(Decimal::parse("12.340").unwrap()), 1700, Some("12.340")),
            (Value::Text("it's \\ $1".to_owned()), 705, Some("it's \\ $1")),
            (Value::Date(ides), 1082, Some("0044-03-15 BC")),
            (Value::Timestamp(-1), 1184, Some("1969-12-31 23:59:59.999999+00")),
            (Value::TimestampNtz(0), 1114, Some("1970-01-01 00:00:00.000000")),
        ] {
            assert_eq!(type_oid(&value), oid, "{value:?}");
            assert_eq!(text("p", &value).unwrap().as_deref(), wanted, "{value:?}");
        }
    }

    #[test]
    fn what_the_wire_cannot_carry_is_refused_by_name() {
        for value in [Value::Text("a\0canary".to_owned()), Value::Timestamp(i64::MAX)] {
            let error = text("p", &value).unwrap_err();
            assert_eq!((error.kind(), error.context("parameter")), (ErrorKind::InvalidInput, Some("p")));
            assert!(!format!("{error:?}").contains("canary"));
        }
    }
}
