//! Results as the Data API hands them out, into Arrow.
//!
//! Values come as JSON: numbers and booleans as such, everything else as the server's own text. They take the road that
//! the text of the wire takes, so that both routes give the same columns.

use aws_sdk_redshiftdata::types::{ColumnMetadata, Field};
use twinhouse_core::{Error, ErrorKind, Result};

use crate::{
    decode::oid,
    wire::message::{WireColumn, row_values},
};

/// The columns of a result, as the wire would have announced them.
pub(super) fn columns(metadata: &[ColumnMetadata]) -> Vec<WireColumn> {
    metadata
        .iter()
        .map(|column| {
            let name = column.label().or(column.name()).unwrap_or_default().to_owned();
            let oid = type_id(column.type_name().unwrap_or_default());
            let modifier = if oid == oid::NUMERIC { modifier(column.precision(), column.scale()) } else { -1 };
            WireColumn { name, oid, modifier, format: 0 }
        })
        .collect()
}

fn type_id(name: &str) -> u32 {
    match name {
        "bool" => oid::BOOL,
        "int2" => oid::INT2,
        "int4" => oid::INT4,
        "int8" => oid::INT8,
        "oid" => oid::OID,
        "float4" => oid::FLOAT4,
        "float8" => oid::FLOAT8,
        "numeric" => oid::NUMERIC,
        "date" => oid::DATE,
        "time" => oid::TIME,
        "timestamp" => oid::TIMESTAMP,
        "timestamptz" => oid::TIMESTAMPTZ,
        "varbyte" | "bytea" => oid::VARBYTE,
        _ => oid::UNKNOWN,
    }
}

/// As on the wire; no stated precision is none.
fn modifier(precision: i32, scale: i32) -> i32 {
    if (1..=38).contains(&precision) && (0..=precision).contains(&scale) { (precision << 16 | scale) + 4 } else { -1 }
}

/// One row in the form of a `DataRow` message, which is what the decoder reads.
pub(super) fn row(fields: &[Field], out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    let count = u16::try_from(fields.len()).map_err(|_| strange("a row has too many columns"))?;
    out.extend(count.to_be_bytes());
    for field in fields {
        match field {
            Field::IsNull(true) => out.extend((-1_i32).to_be_bytes()),
            Field::StringValue(text) => value(text.as_bytes(), out)?,
            Field::LongValue(number) => value(number.to_string().as_bytes(), out)?,
            // The shortest text that reads back as the same number.
            Field::DoubleValue(number) => value(number.to_string().as_bytes(), out)?,
            Field::BooleanValue(yes) => value(if *yes { b"t" } else { b"f" }, out)?,
            _ => return Err(strange("a value has a form that is not known")),
        }
    }
    Ok(())
}

/// One row as text.
pub(super) fn texts(fields: &[Field]) -> Result<Vec<Option<String>>> {
    let mut bytes = Vec::new();
    row(fields, &mut bytes)?;
    let texts = row_values(&bytes).map(|value| {
        value?.map(|bytes| String::from_utf8(bytes.to_vec()).map_err(|_| strange("a value is not UTF-8"))).transpose()
    });
    texts.collect()
}

fn value(text: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let length = i32::try_from(text.len()).map_err(|_| strange("a value is too long"))?;
    out.extend(length.to_be_bytes());
    out.extend(text);
    Ok(())
}

fn strange(why: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, why)
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::AsArray as _,
        datatypes::{DataType, Decimal128Type, Float32Type, Float64Type, TimeUnit},
    };

    use super::*;
    use crate::decode::batch::BatchBuilder;

    fn column(name: &str, type_name: &str, precision: i32, scale: i32) -> ColumnMetadata {
        ColumnMetadata::builder().name(name).type_name(type_name).precision(precision).scale(scale).build()
    }

    fn text(value: &str) -> Field {
        Field::StringValue(value.to_owned())
    }

    #[test]
    fn every_type_becomes_what_the_wire_makes_of_it() {
        let metadata = [
            column("b", "bool", 0, 0),
            column("i", "int8", 0, 0),
            column("f", "float4", 0, 0),
            column("d", "float8", 0, 0),
            column("n", "numeric", 38, 2),
            column("v", "varchar", 0, 0),
            column("day", "date", 0, 0),
            column("at", "timestamptz", 0, 0),
            column("x", "varbyte", 0, 0),
            column("s", "super", 0, 0),
        ];
        let columns = columns(&metadata);
        let mut batch = BatchBuilder::new(&columns);
        let mut bytes = Vec::new();
        let rows = [
            vec![
                Field::BooleanValue(true),
                Field::LongValue(i64::MIN),
                Field::DoubleValue(f64::from(1.1_f32)),
                Field::DoubleValue(1e300),
                text("999999999999999999999999999999999999.99"),
                text(""),
                text("1998-12-01"),
                text("2026-11-21 05:00:00.5+00"),
                text("00ff"),
                text("{\"a\":1}"),
            ],
            vec![Field::IsNull(true); 10],
        ];
        for fields in &rows {
            row(fields, &mut bytes).unwrap();
            batch.push(&bytes).unwrap();
        }
        let batch = batch.finish().unwrap();
        let types: Vec<_> = batch.schema().fields().iter().map(|field| field.data_type().clone()).collect();
        assert_eq!(types[4], DataType::Decimal128(38, 2));
        assert_eq!(types[7], DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
        assert_eq!(batch.column(2).as_primitive::<Float32Type>().value(0), 1.1);
        assert_eq!(batch.column(3).as_primitive::<Float64Type>().value(0), 1e300);
        assert_eq!(batch.column(4).as_primitive::<Decimal128Type>().value(0), 10_i128.pow(38) - 1);
        assert_eq!(batch.column(5).as_string::<i32>().value(0), "");
        assert_eq!(batch.column(8).as_binary::<i32>().value(0), [0, 255]);
        assert!(batch.columns().iter().all(|column| column.is_null(1)));
    }

    #[test]
    fn a_value_of_no_known_form_is_an_error_and_no_null() {
        let blob = Field::BlobValue(aws_sdk_redshiftdata::primitives::Blob::new([1]));
        assert_eq!(row(&[blob], &mut Vec::new()).unwrap_err().kind(), ErrorKind::Protocol);
        assert_eq!(row(&[Field::IsNull(false)], &mut Vec::new()).unwrap_err().kind(), ErrorKind::Protocol);
    }
}
