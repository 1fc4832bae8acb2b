//! Databricks' casts (ANSI mode), where Arrow's differ.

use std::{fmt::Write as _, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, PrimitiveArray, StringArray,
        TimestampMicrosecondArray,
    },
    compute::{CastOptions, cast_with_options, kernels::arity},
    datatypes::{ArrowPrimitiveType, DataType, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType},
    error::ArrowError,
    util::display::FormatOptions,
};
use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};

use crate::databricks::error::{SqlError, SqlResult};

const MICROS: i64 = 1_000_000;

/// Casts as `CAST(… AS to)` does, or with NULL for what does not fit.
pub(crate) fn cast_array(array: &ArrayRef, to: &DataType, lenient: bool) -> SqlResult<ArrayRef> {
    let from = array.data_type().clone();
    if &from == to {
        return Ok(Arc::clone(array));
    }
    match (&from, to) {
        (DataType::Utf8View | DataType::LargeUtf8 | DataType::Dictionary(..), _) => {
            let plain = arrow(array, &DataType::Utf8, false)?;
            cast_array(&plain, to, lenient)
        }
        (_, DataType::Utf8) => to_text(array, &from),
        (DataType::Utf8, DataType::Binary) => Ok(Arc::new(BinaryArray::from(array.as_string::<i32>().clone()))),
        (DataType::Utf8, to) => from_text(array.as_string(), to, lenient),
        (from, DataType::Timestamp(TimeUnit::Microsecond, zone)) if from.is_numeric() => {
            let seconds = arrow(array, &DataType::Float64, lenient)?;
            let micros: TimestampMicrosecondArray =
                seconds.as_primitive::<Float64Type>().unary(|seconds| (seconds * MICROS as f64).round() as i64);
            Ok(Arc::new(micros.with_timezone_opt(zone.clone())))
        }
        (DataType::Timestamp(..), to) if to.is_numeric() => {
            let micros = arrow(array, &DataType::Timestamp(TimeUnit::Microsecond, None), lenient)?;
            let micros = micros.as_primitive::<TimestampMicrosecondType>();
            if to.is_integer() {
                let seconds: PrimitiveArray<arrow::datatypes::Int64Type> =
                    micros.unary(|micros| micros.div_euclid(MICROS));
                return arrow(&(Arc::new(seconds) as ArrayRef), to, lenient);
            }
            let seconds: Float64Array = micros.unary(|micros| micros as f64 / MICROS as f64);
            arrow(&(Arc::new(seconds) as ArrayRef), to, lenient)
        }
        (
            DataType::Date32 | DataType::Boolean | DataType::Binary,
            DataType::Date32 | DataType::Boolean | DataType::Binary,
        )
        | (DataType::Date32, DataType::Int32) => Err(mismatch(&from, to)),
        _ => arrow(array, to, lenient),
    }
}

fn mismatch(from: &DataType, to: &DataType) -> SqlError {
    let text = format!("Cannot resolve the cast due to data type mismatch: cannot cast \"{from}\" to \"{to}\".");
    SqlError::new("DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION", "42K09", text)
}

fn arrow(array: &ArrayRef, to: &DataType, lenient: bool) -> SqlResult<ArrayRef> {
    let options = CastOptions { safe: lenient, format_options: FormatOptions::default() };
    cast_with_options(array, to, &options).map_err(|error| match error {
        ArrowError::CastError(text) if text.starts_with("Casting from") => mismatch(array.data_type(), to),
        ArrowError::CastError(_)
        | ArrowError::InvalidArgumentError(_)
        | ArrowError::ComputeError(_)
        | ArrowError::ArithmeticOverflow(_) => {
            SqlError::new("CAST_OVERFLOW", "22003", format!("The value cannot be cast to {to} due to an overflow."))
        }
        other => SqlError::from(other),
    })
}

fn malformed(text: &str, to: &DataType) -> SqlError {
    let shown: String = text.chars().take(60).collect();
    let text = format!(
        "The value '{shown}' of the type \"STRING\" cannot be cast to \"{}\" because it is malformed. Correct the value as per the syntax, or change its target type. Use `try_cast` to tolerate malformed input and return NULL instead.",
        type_word(to)
    );
    SqlError::new("CAST_INVALID_INPUT", "22018", text)
}

fn type_word(to: &DataType) -> String {
    match to {
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP".to_owned(),
        DataType::Timestamp(_, None) => "TIMESTAMP_NTZ".to_owned(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision},{scale})"),
        other => other.to_string().to_ascii_uppercase(),
    }
}

fn from_text(texts: &StringArray, to: &DataType, lenient: bool) -> SqlResult<ArrayRef> {
    if let DataType::Boolean = to {
        let mut truths = Vec::with_capacity(texts.len());
        for text in texts {
            truths.push(match text.map(|text| text.trim().to_ascii_lowercase()).as_deref() {
                None => None,
                Some("t" | "true" | "y" | "yes" | "1") => Some(true),
                Some("f" | "false" | "n" | "no" | "0") => Some(false),
                Some(_) if lenient => None,
                Some(other) => return Err(malformed(other, to)),
            });
        }
        return Ok(Arc::new(BooleanArray::from(truths)));
    }
    if to.is_nested() {
        return Err(mismatch(&DataType::Utf8, to));
    }
    let trimmed: StringArray = texts.iter().map(|text| text.map(str::trim)).collect();
    let trimmed: ArrayRef = Arc::new(trimmed);
    // A strict cast stops at the first bad value without naming it: cast leniently, then look.
    let cast =
        match cast_with_options(&trimmed, to, &CastOptions { safe: true, format_options: FormatOptions::default() }) {
            Ok(cast) => cast,
            Err(_) => return Err(mismatch(&DataType::Utf8, to)),
        };
    if lenient || cast.null_count() == trimmed.null_count() {
        return Ok(cast);
    }
    let bad = (0..texts.len()).find(|row| cast.is_null(*row) && !texts.is_null(*row));
    let text = bad.map(|row| texts.value(row)).unwrap_or_default();
    // Digits without fault are simply too many.
    let number = text.trim().trim_start_matches(['-', '+']);
    let digits = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.');
    if digits && matches!(to, DataType::Decimal128(..)) {
        let text = format!("The value {text} cannot be represented as {}.", type_word(to));
        return Err(SqlError::new("NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", "22003", text));
    }
    Err(malformed(text, to))
}

fn to_text(array: &ArrayRef, from: &DataType) -> SqlResult<ArrayRef> {
    let text = match from {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let binary = arrow(array, &DataType::Binary, false)?;
            let texts: StringArray = binary
                .as_binary::<i32>()
                .iter()
                .map(|bytes| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
                .collect();
            texts
        }
        DataType::Float32 => texts(array.as_primitive::<Float32Type>(), |number| {
            java_float(f64::from(number), &number.to_string(), &format!("{number:e}"))
        }),
        DataType::Float64 => texts(array.as_primitive::<Float64Type>(), |number| {
            java_float(number, &number.to_string(), &format!("{number:e}"))
        }),
        DataType::Timestamp(_, _) => {
            let micros = arrow(array, &DataType::Timestamp(TimeUnit::Microsecond, None), false)?;
            texts(micros.as_primitive::<TimestampMicrosecondType>(), timestamp_text)
        }
        nested if nested.is_nested() => return Err(SqlError::unsupported("a cast of nested values to STRING")),
        _ => return arrow(array, &DataType::Utf8, false),
    };
    Ok(Arc::new(text))
}

fn texts<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, text: impl Fn(T::Native) -> String) -> StringArray {
    array.iter().map(|value| value.map(&text)).collect()
}

/// As Java prints: `1.0`, `1.0E10`, `NaN`, `Infinity`; scientific outside 1e-3 to 1e7.
pub(crate) fn java_float(number: f64, plain: &str, scientific: &str) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if number == 0.0 || (1e-3..1e7).contains(&number.abs()) {
        return if plain.contains('.') { plain.to_owned() } else { format!("{plain}.0") };
    }
    let (digits, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}

/// `2024-01-02 03:04:05.6`: the fraction without trailing zeros.
fn timestamp_text(micros: i64) -> String {
    let Some(moment) = DateTime::from_timestamp_micros(micros).map(|moment| moment.naive_utc()) else {
        return micros.to_string();
    };
    let mut text = date_and_time(&moment, ' ');
    let fraction = micros.rem_euclid(MICROS);
    if fraction != 0 {
        let digits = format!("{fraction:06}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
    text
}

/// Date and time to the second, with Java's sign before years of more than four digits.
pub(crate) fn date_and_time(moment: &NaiveDateTime, between: char) -> String {
    let mut text = String::new();
    let sign = if moment.year() > 9999 { "+" } else { "" };
    let _ = write!(
        text,
        "{sign}{:04}-{:02}-{:02}{between}{:02}:{:02}:{:02}",
        moment.year(),
        moment.month(),
        moment.day(),
        moment.hour(),
        moment.minute(),
        moment.second()
    );
    text
}

/// Days since 1970-01-01 as INT, or the date of such a number.
pub(super) fn days(array: &ArrayRef) -> SqlResult<ArrayRef> {
    Ok(arrow::compute::cast(array, &DataType::Int32)?)
}

pub(super) fn date_of_days(array: &ArrayRef) -> SqlResult<ArrayRef> {
    let days = arrow::compute::cast(array, &DataType::Int32)?;
    Ok(arrow::compute::cast(&days, &DataType::Date32)?)
}

/// Applies a fallible function to two columns of one type.
pub(super) fn try_zip<T: ArrowPrimitiveType, O: ArrowPrimitiveType>(
    left: &PrimitiveArray<T>,
    right: &PrimitiveArray<T>,
    op: impl Fn(T::Native, T::Native) -> SqlResult<O::Native>,
) -> SqlResult<PrimitiveArray<O>> {
    let applied: Result<PrimitiveArray<O>, ArrowError> =
        arity::try_binary(left, right, |a, b| op(a, b).map_err(|error| ArrowError::ExternalError(Box::new(error))));
    Ok(applied?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Decimal128Array, Int32Array};

    use super::*;

    fn text_of(array: ArrayRef) -> Vec<Option<String>> {
        let texts = cast_array(&array, &DataType::Utf8, false).unwrap();
        texts.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
    }

    #[test]
    fn numbers_and_moments_print_as_java_prints_them() {
        let doubles: ArrayRef =
            Arc::new(Float64Array::from(vec![1.0, 1.5e10, 1e-4, f64::NAN, f64::NEG_INFINITY, -0.25, 123456.789]));
        let printed: Vec<String> = text_of(doubles).into_iter().flatten().collect();
        assert_eq!(printed, ["1.0", "1.5E10", "1.0E-4", "NaN", "-Infinity", "-0.25", "123456.789"]);
        let moments: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None, Some(1_500_000)]));
        assert_eq!(
            text_of(moments),
            [Some("1969-12-31 23:59:59.999999".into()), None, Some("1970-01-01 00:00:01.5".into())]
        );
        let decimals: ArrayRef = Arc::new(Decimal128Array::from(vec![-5, 120]).with_precision_and_scale(5, 2).unwrap());
        assert_eq!(text_of(decimals), [Some("-0.05".into()), Some("1.20".into())]);
    }

    #[test]
    fn a_bad_text_is_named_and_try_cast_makes_it_null() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some(" 7 "), Some("abc"), None]));
        let error = cast_array(&texts, &DataType::Int32, false).unwrap_err();
        assert_eq!((error.class(), error.sqlstate()), ("CAST_INVALID_INPUT", "22018"));
        assert!(error.message().contains("'abc'"));
        let lenient = cast_array(&texts, &DataType::Int32, true).unwrap();
        assert_eq!(lenient.as_primitive::<arrow::datatypes::Int32Type>(), &Int32Array::from(vec![Some(7), None, None]));
    }

    #[test]
    fn a_number_that_does_not_fit_is_an_overflow() {
        let big: ArrayRef = Arc::new(Int32Array::from(vec![300]));
        assert_eq!(cast_array(&big, &DataType::Int8, false).unwrap_err().class(), "CAST_OVERFLOW");
        let digits: ArrayRef = Arc::new(StringArray::from(vec!["12345.6"]));
        let error = cast_array(&digits, &DataType::Decimal128(4, 1), false).unwrap_err();
        assert_eq!(error.sqlstate(), "22003");
    }
}
