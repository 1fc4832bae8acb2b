//! Parameters as the service takes them: text, with the name of a type.

use chrono::DateTime;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{DatabricksDialect, Dialect as _, StatementRequest, Value};

use crate::{error::BACKEND, wire::Parameter};

/// The longest statement that the service takes, in bytes.
pub(crate) const MAX_STATEMENT: usize = 16 * 1024 * 1024;

/// The text to send and the parameters beside it. `typed` have a type of the service's that no [`Value`] has;
/// `positional` stand for `?`.
pub(super) fn bind(
    request: &StatementRequest,
    typed: &[Parameter],
    positional: &[Value],
) -> Result<(String, Vec<Parameter>)> {
    let own = |name: &str| typed.iter().find(|parameter| parameter.name.as_deref() == Some(name));
    // Each marker must have a value, and each value a marker, whatever its type is.
    let names = typed.iter().filter_map(|parameter| parameter.name.as_deref());
    if let Some(twice) = names.clone().find(|name| request.params().find(name).is_some()) {
        return Err(Error::new(ErrorKind::InvalidInput, "a parameter is bound twice").with_context("parameter", twice));
    }
    let params = names.fold(request.params().clone(), |params, name| params.bind(name, Value::Null));
    if !positional.is_empty() && !params.is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "a statement takes `:name` or `?` markers, not both")
            .with_context("field", "parameters"));
    }
    let bound = DatabricksDialect.bind(request.sql(), &params)?;
    // A parameter's value is text, and text cast to BINARY is its UTF-8: bytes can only stand in the statement.
    let (sql, parameters) = if bound.values.iter().any(|(_, value)| matches!(value, Value::Bytes(_))) {
        if !typed.is_empty() {
            return Err(Error::unsupported(BACKEND, "cannot bind bytes beside a parameter with a type of its own")
                .with_context("field", "parameters"));
        }
        (DatabricksDialect.inline(request.sql(), request.params())?, Vec::new())
    } else if !positional.is_empty() {
        let parameters = positional.iter().enumerate().map(|(at, value)| {
            let name = (at + 1).to_string();
            let bytes = matches!(value, Value::Bytes(_)).then(|| {
                Error::unsupported(BACKEND, "cannot bind bytes to `?`: give them a name, and they stand in the text")
            });
            bytes
                .map_or_else(|| parameter(&name, value.clone()), Err)
                .map(|parameter| Parameter { name: None, ordinal: Some(at + 1), ..parameter })
                .map_err(|error| error.with_context("parameter", name))
        });
        (bound.sql, parameters.collect::<Result<Vec<_>>>()?)
    } else {
        let parameters = bound.values.into_iter().map(|(name, value)| match own(&name) {
            Some(typed) => Ok(typed.clone()),
            None => parameter(&name, value).map_err(|error| error.with_context("parameter", name)),
        });
        (bound.sql, parameters.collect::<Result<Vec<_>>>()?)
    };
    if sql.len() > MAX_STATEMENT {
        return Err(Error::new(ErrorKind::InvalidInput, "the statement is longer than 16 MiB")
            .with_context("bytes", sql.len().to_string()));
    }
    Ok((sql, parameters))
}

pub(crate) fn parameter(name: &str, value: Value) -> Result<Parameter> {
    let (type_name, value) = match value {
        // The type of NULL itself: one of text would be refused by a column of numbers.
        Value::Null => ("VOID".to_owned(), None),
        Value::Bool(v) => ("BOOLEAN".to_owned(), Some(v.to_string())),
        Value::Int(v) => ("INT".to_owned(), Some(v.to_string())),
        Value::Long(v) => ("BIGINT".to_owned(), Some(v.to_string())),
        Value::Float(v) => ("FLOAT".to_owned(), Some(special(v.into()).unwrap_or_else(|| format!("{v:e}")))),
        Value::Double(v) => ("DOUBLE".to_owned(), Some(special(v).unwrap_or_else(|| format!("{v:e}")))),
        Value::Decimal(v) => (format!("DECIMAL({},{})", v.precision(), v.scale()), Some(v.to_string())),
        Value::Text(v) => ("STRING".to_owned(), Some(v)),
        Value::Date(v) => ("DATE".to_owned(), Some(v.format("%Y-%m-%d").to_string())),
        Value::Timestamp(micros) => ("TIMESTAMP".to_owned(), Some(moment(micros, "+00:00")?)),
        Value::TimestampNtz(micros) => ("TIMESTAMP_NTZ".to_owned(), Some(moment(micros, "")?)),
        other => {
            return Err(
                Error::unsupported(BACKEND, "cannot bind a value of this type").with_context("type", other.type_name())
            );
        }
    };
    Ok(Parameter { name: Some(name.to_owned()), ordinal: None, type_name, value })
}

fn special(v: f64) -> Option<String> {
    let name = if v.is_nan() {
        "NaN"
    } else if v == f64::INFINITY {
        "Infinity"
    } else if v == f64::NEG_INFINITY {
        "-Infinity"
    } else {
        return None;
    };
    Some(name.to_owned())
}

fn moment(micros: i64, zone: &str) -> Result<String> {
    let moment = DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the timestamp is out of range"))?;
    Ok(format!("{}{zone}", moment.naive_utc().format("%Y-%m-%d %H:%M:%S%.6f")))
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use twinhouse_warehouse_api::Decimal;

    use super::*;

    #[test]
    fn every_value_has_its_exact_type_and_text() {
        for (value, type_name, text) in [
            (Value::Null, "VOID", None),
            (Value::Bool(true), "BOOLEAN", Some("true")),
            (Value::Int(-1), "INT", Some("-1")),
            (Value::Long(i64::MIN), "BIGINT", Some("-9223372036854775808")),
            (Value::Float(0.1), "FLOAT", Some("1e-1")),
            (Value::Double(f64::NAN), "DOUBLE", Some("NaN")),
            (Value::Double(f64::NEG_INFINITY), "DOUBLE", Some("-Infinity")),
            (Value::Decimal(Decimal::parse("-0.10").unwrap()), "DECIMAL(2,2)", Some("-0.10")),
            (Value::Text("it's \\ 'x'".into()), "STRING", Some("it's \\ 'x'")),
            (Value::Date(NaiveDate::from_ymd_opt(1, 1, 1).unwrap()), "DATE", Some("0001-01-01")),
            (Value::Timestamp(-1), "TIMESTAMP", Some("1969-12-31 23:59:59.999999+00:00")),
            (Value::TimestampNtz(0), "TIMESTAMP_NTZ", Some("1970-01-01 00:00:00.000000")),
        ] {
            let sent = parameter("p", value).unwrap();
            assert_eq!((sent.type_name.as_str(), sent.value.as_deref()), (type_name, text));
        }
    }

    #[test]
    fn bytes_stand_in_the_statement_because_parameters_are_text() {
        let request = StatementRequest::read("select :b, :t").bind("b", vec![0xffu8, 0]).bind("t", "it's");
        let (sql, parameters) = bind(&request, &[], &[]).unwrap();
        assert_eq!(sql, r"select X'FF00', 'it\'s'");
        assert!(parameters.is_empty());
    }

    #[test]
    fn what_does_not_match_is_refused_before_anything_is_sent() {
        for request in [
            StatementRequest::read("select :a"),
            StatementRequest::read("select 1").bind("a", 1),
            StatementRequest::read("x".repeat(MAX_STATEMENT + 1)),
            StatementRequest::read("select :a").bind("a", Value::Timestamp(i64::MAX)),
        ] {
            assert_eq!(bind(&request, &[], &[]).err().map(|error| error.kind()), Some(ErrorKind::InvalidInput));
        }
    }
}
