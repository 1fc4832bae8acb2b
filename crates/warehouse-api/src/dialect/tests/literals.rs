use arrow::datatypes::i256;
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use proptest::prelude::*;
use sqlparser::ast::{Expr, FunctionArguments, TypedString, UnaryOperator, Value as Sql};
use twinhouse_core::ErrorKind;

use super::{BOTH, DatabricksDialect, Dialect, RedshiftDialect, parsed};
use crate::value::{Decimal, Value};

fn value() -> impl Strategy<Value = Value> {
    let date = (-4712_i32..=9999, 1_u32..=366).prop_filter_map("not a day", |(y, d)| NaiveDate::from_yo_opt(y, d));
    // 4713 BC to 9999: both calendars, all four-digit years.
    let micros = -210_000_000_000_000_000_i64..253_402_300_800_000_000;
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![any::<i32>(), Just(i32::MIN), Just(i32::MAX), Just(0)].prop_map(Value::Int),
        prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), Just(0)].prop_map(Value::Long),
        prop_oneof![prop::num::f32::ANY, Just(f32::MIN_POSITIVE / 2.0)].prop_map(Value::Float),
        prop_oneof![prop::num::f64::ANY, Just(f64::MIN_POSITIVE / 2.0), Just(-0.0)].prop_map(Value::Double),
        (any::<i128>(), 0_u8..=38)
            .prop_filter_map("over 38 digits", |(n, s)| Decimal::new(n / 10, s).ok())
            .prop_map(Value::Decimal),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        date.prop_map(Value::Date),
        micros.clone().prop_map(Value::Timestamp),
        micros.prop_map(Value::TimestampNtz),
    ]
}

fn text(value: &Sql) -> &str {
    match value {
        Sql::SingleQuotedString(text) | Sql::HexStringLiteral(text) => text,
        Sql::Number(text, false) => text,
        other => panic!("not text: {other}"),
    }
}

fn signed(expr: &Expr) -> String {
    match expr {
        Expr::Value(value) => text(&value.value).to_owned(),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => format!("-{}", signed(expr)),
        other => panic!("not a value: {other}"),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// `2024-01-02` with an optional sign before or ` BC` after.
fn day(text: &str) -> NaiveDate {
    let (text, bc) = text.strip_suffix(" BC").map_or((text, false), |text| (text, true));
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let parts: Vec<i32> = text.trim_start_matches('+').split('-').map(|part| part.parse().unwrap()).collect();
    let year = if bc { 1 - parts[0] } else { sign * parts[0] };
    NaiveDate::from_ymd_opt(year, parts[1] as u32, parts[2] as u32).unwrap()
}

fn moment(text: &str) -> i64 {
    let (text, era) = text.strip_suffix(" BC").map_or((text, ""), |text| (text, " BC"));
    let (date, time) = text.split_once(' ').unwrap();
    let time = chrono::NaiveTime::parse_from_str(time, "%H:%M:%S%.6f").unwrap();
    NaiveDateTime::new(day(&format!("{date}{era}")), time).and_utc().timestamp_micros()
}

/// What an independent parser makes of the literal, as a value again.
fn read_back(expr: &Expr) -> Value {
    match expr {
        Expr::Value(value) => match &value.value {
            Sql::Null => Value::Null,
            Sql::Boolean(truth) => Value::Bool(*truth),
            Sql::HexStringLiteral(hex) => Value::Bytes(bytes(hex)),
            number => Value::Int(text(number).parse().unwrap()),
        },
        Expr::Cast { expr, data_type, .. } => {
            let digits = signed(expr);
            match data_type.to_string().as_str() {
                "INT" | "INTEGER" => Value::Int(digits.parse().unwrap()),
                "BIGINT" => Value::Long(digits.parse().unwrap()),
                "FLOAT" | "REAL" => Value::Float(digits.parse().unwrap()),
                "DOUBLE" | "DOUBLE PRECISION" => Value::Double(digits.parse().unwrap()),
                decimal => {
                    let value = Decimal::parse(&digits).unwrap();
                    assert_eq!(decimal, format!("DECIMAL({},{})", value.precision(), value.scale()));
                    Value::Decimal(value)
                }
            }
        }
        Expr::TypedString(TypedString { data_type, value, .. }) => {
            let text = text(&value.value);
            let utc = |zone: &str| text.replace(zone, "");
            match data_type.to_string().as_str() {
                "DATE" => Value::Date(day(text)),
                "TIMESTAMP_NTZ" => Value::TimestampNtz(moment(text)),
                "TIMESTAMPTZ" => Value::Timestamp(moment(&utc("+00"))),
                "TIMESTAMP" if text.contains("+00:00") => Value::Timestamp(moment(&utc("+00:00"))),
                "TIMESTAMP" => Value::TimestampNtz(moment(text)),
                other => panic!("unexpected type {other}"),
            }
        }
        Expr::Function(function) => {
            assert_eq!(function.name.to_string(), "FROM_HEX");
            let FunctionArguments::List(list) = &function.args else { panic!("no arguments") };
            Value::Bytes(bytes(list.args[0].to_string().trim_matches('\'')))
        }
        other => panic!("unexpected expression {other:?}"),
    }
}

/// Equal to the bit, but any NaN is NaN.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        _ => a == b,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_literal_reads_back_with_its_value_and_type(value in value()) {
        for dialect in BOTH {
            let literal = dialect.literal(&value).unwrap();
            let read = read_back(&parsed(dialect, &literal));
            prop_assert!(same(&read, &value), "{}: {literal} read as {read:?}, wanted {value:?}", dialect.name());
            prop_assert!(!literal.starts_with(['-', '+']), "{literal} would join the operator before it");
        }
    }
}

#[test]
fn special_floats_are_written_by_name() {
    assert_eq!(DatabricksDialect.literal(&f64::NAN.into()).unwrap(), "CAST('NaN' AS DOUBLE)");
    assert_eq!(RedshiftDialect.literal(&f32::NEG_INFINITY.into()).unwrap(), "CAST('-Infinity' AS REAL)");
    assert_eq!(RedshiftDialect.literal(&f64::INFINITY.into()).unwrap(), "CAST('Infinity' AS DOUBLE PRECISION)");
}

#[test]
fn moments_carry_their_zone_or_none() {
    let moment = DateTime::from_timestamp_micros(-1).unwrap();
    assert_eq!(DatabricksDialect.literal(&moment.into()).unwrap(), "TIMESTAMP '1969-12-31 23:59:59.999999+00:00'");
    assert_eq!(RedshiftDialect.literal(&moment.into()).unwrap(), "TIMESTAMPTZ '1969-12-31 23:59:59.999999+00'");
    let clock = moment.naive_utc();
    assert_eq!(DatabricksDialect.literal(&clock.into()).unwrap(), "TIMESTAMP_NTZ '1969-12-31 23:59:59.999999'");
    assert_eq!(RedshiftDialect.literal(&clock.into()).unwrap(), "TIMESTAMP '1969-12-31 23:59:59.999999'");
}

#[test]
fn years_outside_four_digits_follow_each_calendar() {
    let date = |year| Value::Date(NaiveDate::from_ymd_opt(year, 3, 4).unwrap());
    assert_eq!(DatabricksDialect.literal(&date(10_000)).unwrap(), "DATE '+10000-03-04'");
    assert_eq!(DatabricksDialect.literal(&date(-1)).unwrap(), "DATE '-0001-03-04'");
    assert_eq!(RedshiftDialect.literal(&date(10_000)).unwrap(), "DATE '10000-03-04'");
    assert_eq!(RedshiftDialect.literal(&date(0)).unwrap(), "DATE '0001-03-04 BC'");
    let error = RedshiftDialect.literal(&date(-4713)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    for dialect in BOTH {
        let error = dialect.literal(&Value::Timestamp(i64::MAX)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn a_38_digit_decimal_is_not_read_through_a_float() {
    let nines = Decimal::parse("-9.9999999999999999999999999999999999999").unwrap();
    assert_eq!(
        DatabricksDialect.literal(&nines.into()).unwrap(),
        "CAST('-9.9999999999999999999999999999999999999' AS DECIMAL(38,37))"
    );
    assert_eq!(i256::from_i128(nines.unscaled()).to_string().len(), 39);
}
