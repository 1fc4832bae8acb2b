use arrow::{
    array::{Array as _, AsArray as _},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
        Time64MicrosecondType, TimestampMicrosecondType,
    },
};
use proptest::prelude::*;

use super::*;
use crate::decode::oid;

fn column(oid: u32, modifier: i32, format: i16) -> WireColumn {
    WireColumn { name: format!("c{oid}"), oid, modifier, format }
}

fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut row = i16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
    for value in values {
        let length = value.map_or(-1, |value| i32::try_from(value.len()).unwrap());
        row.extend(length.to_be_bytes());
        row.extend(value.unwrap_or_default());
    }
    row
}

fn one(oid: u32, modifier: i32, format: i16, value: &[u8]) -> Result<ArrayRef> {
    let mut builder = BatchBuilder::new(&[column(oid, modifier, format)]);
    builder.push(&row(&[Some(value)]))?;
    builder.push(&row(&[None]))?;
    let batch = builder.finish()?;
    assert!(batch.column(0).is_null(1) && batch.column(0).is_valid(0));
    Ok(batch.column(0).clone())
}

fn text(oid: u32, value: &str) -> Result<ArrayRef> {
    one(oid, -1, 0, value.as_bytes())
}

#[test]
fn text_of_every_type_is_read() {
    assert!(text(oid::BOOL, "t").unwrap().as_boolean().value(0));
    assert!(!text(oid::BOOL, "f").unwrap().as_boolean().value(0));
    assert_eq!(text(oid::INT2, "-32768").unwrap().as_primitive::<Int16Type>().value(0), i16::MIN);
    assert_eq!(text(oid::INT4, "2147483647").unwrap().as_primitive::<Int32Type>().value(0), i32::MAX);
    assert_eq!(text(oid::INT8, "-9223372036854775808").unwrap().as_primitive::<Int64Type>().value(0), i64::MIN);
    assert!(text(oid::FLOAT4, "NaN").unwrap().as_primitive::<Float32Type>().value(0).is_nan());
    assert_eq!(text(oid::FLOAT8, "-Infinity").unwrap().as_primitive::<Float64Type>().value(0), f64::NEG_INFINITY);
    assert_eq!(text(oid::FLOAT8, "5e-324").unwrap().as_primitive::<Float64Type>().value(0), 5e-324);
    assert_eq!(text(25, "zwölf \u{10ffff}").unwrap().as_string::<i32>().value(0), "zwölf \u{10ffff}");
    assert_eq!(text(1042, "pad  ").unwrap().as_string::<i32>().value(0), "pad  ");
    assert_eq!(text(4000, r#"{"a":[1]}"#).unwrap().as_string::<i32>().value(0), r#"{"a":[1]}"#);
    assert_eq!(text(987_654, "anything").unwrap().as_string::<i32>().value(0), "anything");
    assert_eq!(text(oid::DATE, "1969-12-31").unwrap().as_primitive::<Date32Type>().value(0), -1);
    assert_eq!(text(oid::TIME, "00:00:01").unwrap().as_primitive::<Time64MicrosecondType>().value(0), 1_000_000);
    let moment = text(oid::TIMESTAMPTZ, "1970-01-01 02:00:00+02").unwrap();
    assert_eq!(moment.as_primitive::<TimestampMicrosecondType>().value(0), 0);
    assert_eq!(moment.data_type(), &Kind::TimestampTz.data_type());
    assert_eq!(text(oid::VARBYTE, "00ff").unwrap().as_binary::<i32>().value(0), [0, 255]);
    assert_eq!(text(oid::BYTEA, r"\x00ff").unwrap().as_binary::<i32>().value(0), [0, 255]);
    let digits = "-12345678901234567890123456789012345.678";
    let number = one(oid::NUMERIC, (38 << 16 | 3) + 4, 0, digits.as_bytes()).unwrap();
    assert_eq!(number.data_type(), &DataType::Decimal128(38, 3));
    assert_eq!(number.as_primitive::<Decimal128Type>().value_as_string(0), digits);
}

#[test]
fn binary_of_the_types_that_are_asked_for_so_is_read() {
    assert_eq!(one(oid::INT2, -1, 1, &7_i16.to_be_bytes()).unwrap().as_primitive::<Int16Type>().value(0), 7);
    assert_eq!(one(oid::INT8, -1, 1, &i64::MIN.to_be_bytes()).unwrap().as_primitive::<Int64Type>().value(0), i64::MIN);
    let float = one(oid::FLOAT4, -1, 1, &f32::MIN_POSITIVE.to_be_bytes()).unwrap();
    assert_eq!(float.as_primitive::<Float32Type>().value(0), f32::MIN_POSITIVE);
    let moment = one(oid::TIMESTAMP, -1, 1, &0_i64.to_be_bytes()).unwrap();
    assert_eq!(moment.as_primitive::<TimestampMicrosecondType>().value(0), 946_684_800_000_000);
}

#[test]
fn what_arrow_cannot_hold_is_refused_by_column_and_never_quoted() {
    for (oid, modifier, format, value) in [
        (oid::BOOL, -1, 0, &b"canary"[..]),
        (oid::INT2, -1, 0, b"32768"),
        (oid::INT4, -1, 1, b"abc"),
        (oid::DATE, -1, 0, b"infinity"),
        (oid::TIMESTAMP, -1, 0, b"-infinity"),
        (oid::TIMESTAMP, -1, 1, &i64::MAX.to_be_bytes()),
        (oid::NUMERIC, (5 << 16 | 2) + 4, 0, b"NaN"),
        (oid::NUMERIC, (5 << 16 | 2) + 4, 0, b"1000.00"),
        (oid::VARBYTE, -1, 0, b"canary"),
        (25, -1, 0, b"\xff"),
        (oid::NUMERIC, -1, 1, b"\0\0"),
    ] {
        let error = one(oid, modifier, format, value).unwrap_err();
        assert_eq!((error.kind(), error.context("column")), (ErrorKind::Data, Some(format!("c{oid}").as_str())));
        assert!(!format!("{error:?}").contains("canary"));
    }
    let infinite = one(oid::TIMESTAMP, -1, 1, &i64::MIN.to_be_bytes()).unwrap_err();
    assert!(infinite.message().contains("infinite"), "{infinite}");
}

#[test]
fn a_row_of_another_width_is_malformed() {
    let mut builder = BatchBuilder::new(&[column(25, -1, 0)]);
    for bad in [row(&[]), row(&[None, None]), vec![0]] {
        assert_eq!(builder.push(&bad).unwrap_err().kind(), ErrorKind::Protocol);
    }
}

#[test]
fn rows_without_columns_are_counted() {
    let mut builder = BatchBuilder::new(&[]);
    builder.push(&row(&[])).unwrap();
    builder.push(&row(&[])).unwrap();
    assert_eq!(builder.finish().unwrap().num_rows(), 2);
}

#[test]
fn a_batch_is_full_at_either_bound() {
    let mut builder = BatchBuilder::new(&[column(25, -1, 0)]);
    builder.push(&row(&[Some(&vec![b'x'; BYTES])])).unwrap();
    assert!(builder.is_full());
    builder.finish().unwrap();
    assert!(builder.is_empty() && !builder.is_full());
    for _ in 0..ROWS {
        builder.push(&row(&[None])).unwrap();
    }
    assert!(builder.is_full());
}

#[test]
fn numbers_of_no_stated_precision_settle_with_the_first_batch() {
    let mut builder = BatchBuilder::new(&[column(oid::NUMERIC, -1, 0), column(25, -1, 0)]);
    assert!(builder.is_open());
    builder.push(&row(&[Some(b"1.50"), Some(b"x")])).unwrap();
    let first = builder.settle(false).unwrap();
    assert_eq!(first.schema().field(0).data_type(), &DataType::Decimal128(38, 2));
    assert!(!builder.is_open());
    builder.push(&row(&[Some(b"2.5"), None])).unwrap();
    assert_eq!(builder.finish().unwrap().schema(), first.schema());
    let error = builder.push(&row(&[Some(b"2.125"), None])).unwrap_err();
    assert!(error.kind() == ErrorKind::Data && error.message().contains("cast"), "{error}");
}

proptest! {
    #[test]
    fn doubles_read_back_from_the_seventeen_digits_the_server_prints(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        let array = text(oid::FLOAT8, &format!("{value:.16e}")).unwrap();
        prop_assert_eq!(array.as_primitive::<Float64Type>().value(0).to_bits(), value.to_bits());
    }

    #[test]
    fn text_comes_through_as_it_is(value in "\\PC{0,40}") {
        let array = text(1043, &value).unwrap();
        prop_assert_eq!(array.as_string::<i32>().value(0), value);
    }
}
