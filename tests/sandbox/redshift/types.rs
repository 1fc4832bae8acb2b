//! Every type on every path: what is written is what is read, to the last digit.

use std::num::NonZeroU32;

use arrow::{
    array::{Array, AsArray as _, RecordBatch},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
        Time64MicrosecondType, TimestampMicrosecondType,
    },
};
use twinhouse_core::{ErrorKind, Result};
use twinhouse_redshift::RedshiftWarehouse;
use twinhouse_warehouse_api::{Params, StatementRequest, WarehouseExt as _};

use super::support::{failed, warehouse};

struct Case {
    /// As the page has it.
    name: &'static str,
    /// An expression of the type over a text.
    expression: &'static str,
    arrow: &'static str,
    /// What is written, and what it is in Arrow: microseconds, days, digits, hexadecimal.
    values: &'static [(&'static str, &'static str)],
}

const CASES: &[Case] = &[
    Case {
        name: "BOOLEAN",
        expression: "cast({} as boolean)",
        arrow: "Boolean",
        values: &[("true", "true"), ("f", "false")],
    },
    Case {
        name: "SMALLINT",
        expression: "cast({} as smallint)",
        arrow: "Int16",
        values: &[("-32768", "-32768"), ("32767", "32767")],
    },
    Case {
        name: "INTEGER",
        expression: "cast({} as integer)",
        arrow: "Int32",
        values: &[("-2147483648", "-2147483648"), ("2147483647", "2147483647")],
    },
    Case {
        name: "BIGINT",
        expression: "cast({} as bigint)",
        arrow: "Int64",
        values: &[
            ("-9223372036854775808", "-9223372036854775808"),
            ("9007199254740993", "9007199254740993"),
            ("9223372036854775807", "9223372036854775807"),
        ],
    },
    Case {
        name: "REAL",
        expression: "cast({} as real)",
        arrow: "Float32",
        values: &[
            ("0.1", "0.1"),
            ("16777217.5", "16777218"),
            ("1.17549435e-38", "1.1754944e-38"),
            ("NaN", "NaN"),
            ("-Infinity", "-inf"),
        ],
    },
    Case {
        name: "DOUBLE PRECISION",
        expression: "cast({} as double precision)",
        arrow: "Float64",
        values: &[
            ("0.1", "0.1"),
            ("0.30000000000000004", "0.30000000000000004"),
            ("1.7976931348623157e308", "1.7976931348623157e308"),
            ("-5e-324", "-5e-324"),
            ("NaN", "NaN"),
            ("Infinity", "inf"),
            ("-Infinity", "-inf"),
        ],
    },
    Case {
        name: "NUMERIC(8,2)",
        expression: "cast({} as numeric(8,2))",
        arrow: "Decimal128(8, 2)",
        // npgsql/npgsql#3843: 12.34 was read as 123400000000.
        values: &[("12.34", "12.34"), ("-0.01", "-0.01"), ("999999.99", "999999.99")],
    },
    Case {
        name: "NUMERIC(38,0)",
        expression: "cast({} as numeric(38,0))",
        arrow: "Decimal128(38, 0)",
        values: &[
            ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
            ("-99999999999999999999999999999999999999", "-99999999999999999999999999999999999999"),
        ],
    },
    Case {
        name: "NUMERIC(38,37)",
        expression: "cast({} as numeric(38,37))",
        arrow: "Decimal128(38, 37)",
        // aws/amazon-redshift-python-driver#207: high precision was wrong.
        values: &[
            ("9.9999999999999999999999999999999999999", "9.9999999999999999999999999999999999999"),
            ("-0.0000000000000000000000000000000000001", "-0.0000000000000000000000000000000000001"),
        ],
    },
    Case {
        name: "CHAR",
        expression: "cast({} as char(5))",
        arrow: "Utf8",
        values: &[("ab", "ab   "), ("it's\\", "it's\\")],
    },
    Case {
        name: "VARCHAR",
        expression: "cast({} as varchar(100))",
        arrow: "Utf8",
        values: &[("", ""), ("ü\n\t\u{1F600} 'x' \\ $1 :a", "ü\n\t\u{1F600} 'x' \\ $1 :a"), (" NULL ", " NULL ")],
    },
    Case {
        name: "DATE",
        expression: "cast({} as date)",
        arrow: "Date32",
        // The last is beyond what most calendars of programs have.
        values: &[
            ("1970-01-01", "0"),
            ("0001-01-01 BC", "-719528"),
            ("4713-12-31 BC", "-2440185"),
            ("294276-12-31", "106762939"),
        ],
    },
    Case {
        name: "TIME",
        expression: "cast({} as time)",
        arrow: "Time64(µs)",
        values: &[("00:00:00", "0"), ("23:59:59.999999", "86399999999")],
    },
    Case {
        name: "TIMETZ",
        expression: "cast({} as timetz)",
        arrow: "Utf8",
        values: &[("23:59:59.999999-08", "23:59:59.999999-08"), ("00:00:00+05:30", "00:00:00+05:30")],
    },
    Case {
        name: "TIMESTAMP",
        expression: "cast({} as timestamp)",
        arrow: "Timestamp(µs)",
        values: &[
            ("1970-01-01 00:00:00.000001", "1"),
            ("1969-12-31 23:59:59.999999", "-1"),
            ("0044-03-15 10:00:00 BC", "-63517788000000000"),
            ("9999-12-31 23:59:59.999999", "253402300799999999"),
        ],
    },
    Case {
        name: "TIMESTAMPTZ",
        expression: "cast({} as timestamptz)",
        arrow: "Timestamp(µs, \"UTC\")",
        values: &[("1970-01-01 00:00:00+01", "-3600000000"), ("2024-07-01 12:00:00.5-05:30", "1719855000500000")],
    },
    Case {
        name: "SUPER",
        expression: "json_parse({})",
        arrow: "Utf8",
        values: &[
            (
                r#"{"a":[1,null,"x, \"y\""],"n":12345678901234567890.123}"#,
                r#"{"a":[1,null,"x, \"y\""],"n":12345678901234567890.123}"#,
            ),
            ("null", "null"),
        ],
    },
    Case {
        name: "VARBYTE",
        expression: "to_varbyte({}, 'hex')",
        arrow: "Binary",
        values: &[("00ff5c27", "00ff5c27"), ("", "")],
    },
    Case {
        name: "INTERVAL",
        expression: "cast({} as interval)",
        arrow: "Utf8",
        values: &[("1 year 2 months", "1 year 2 mons"), ("-3 days 04:05:06.000007", "-3 days +04:05:06.000007")],
    },
];

const PATHS: [&str; 5] = ["query", "bound", "prepared", "cursor", "transaction"];

async fn along(path: &str, warehouse: &RedshiftWarehouse, case: &Case, text: &str) -> Result<Vec<RecordBatch>> {
    let bound = format!("select {} as v", case.expression.replace("{}", ":v"));
    let literal = warehouse_dialect(warehouse).string(text)?;
    let plain = format!("select {} as v", case.expression.replace("{}", &literal));
    match path {
        "query" => warehouse.query(plain).await?.collect_batches().await,
        "bound" => warehouse.query(StatementRequest::read(bound).bind("v", text)).await?.collect_batches().await,
        "prepared" => {
            let prepared = warehouse.prepare(&bound, &[]).await?;
            prepared.query(Params::new().bind("v", text)).await?.collect_batches().await
        }
        "cursor" => {
            let size = NonZeroU32::MIN;
            warehouse.cursor(StatementRequest::read(bound).bind("v", text), size).await?.collect_batches().await
        }
        _ => {
            let mut open = twinhouse_warehouse_api::Warehouse::begin(warehouse, Default::default()).await?;
            let rows = open.query(plain.into()).await?.collect_batches().await?;
            open.commit().await.map(|()| rows)
        }
    }
}

fn warehouse_dialect(warehouse: &RedshiftWarehouse) -> std::sync::Arc<dyn twinhouse_warehouse_api::Dialect> {
    twinhouse_warehouse_api::Warehouse::info(warehouse).dialect.clone()
}

/// The value as Arrow holds it, without any calendar between.
fn held(array: &dyn Array) -> String {
    if array.is_null(0) {
        return "NULL".to_owned();
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(0).to_string(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(0).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(0).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(0).to_string(),
        DataType::Float32 => format!("{:?}", array.as_primitive::<Float32Type>().value(0)),
        DataType::Float64 => format!("{:?}", array.as_primitive::<Float64Type>().value(0)),
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value_as_string(0),
        DataType::Date32 => array.as_primitive::<Date32Type>().value(0).to_string(),
        DataType::Time64(_) => array.as_primitive::<Time64MicrosecondType>().value(0).to_string(),
        DataType::Timestamp(..) => array.as_primitive::<TimestampMicrosecondType>().value(0).to_string(),
        DataType::Binary => array.as_binary::<i32>().value(0).iter().map(|byte| format!("{byte:02x}")).collect(),
        DataType::Utf8 => array.as_string::<i32>().value(0).to_owned(),
        other => panic!("{other}"),
    }
}

fn same(held: &str, wanted: &str, arrow: &str) -> bool {
    match (arrow.starts_with("Float"), held.parse::<f64>(), wanted.parse::<f64>()) {
        (true, Ok(held), Ok(wanted)) => held == wanted || (held.is_nan() && wanted.is_nan()),
        _ => held == wanted,
    }
}

#[tokio::test]
async fn every_type_is_exact_on_every_path() {
    let warehouse = warehouse().await;
    let mut table = String::from("| type | Arrow |");
    PATHS.iter().for_each(|path| table.push_str(&format!(" {path} |")));
    table.push_str("\n|---|---|---|---|---|---|---|");
    let mut wrong = Vec::new();
    for case in CASES {
        table.push_str(&format!("\n| `{}` | `{}` |", case.name, case.arrow));
        for path in PATHS {
            let mut cell = "exact";
            for (text, wanted) in case.values {
                match along(path, &warehouse, case, text).await {
                    Ok(batches) => {
                        let column = batches[0].column(0);
                        let (held, arrow) = (held(column), column.data_type().to_string());
                        if !same(&held, wanted, case.arrow)
                            || arrow != case.arrow
                            || batches.len() != 1
                            || column.len() != 1
                        {
                            wrong.push(format!("{} by {path}: {text} became {held} ({arrow})", case.name));
                        }
                    }
                    // Its text has too few digits, so that a cursor does not read it at all.
                    Err(error) if case.name == "REAL" && path == "cursor" && error.kind() == ErrorKind::Unsupported => {
                        cell = "refused";
                    }
                    Err(error) => wrong.push(format!("{} by {path}: {text}: {error:?}", case.name)),
                }
            }
            table.push_str(&format!(" {cell} |"));
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let page = include_str!("../../../docs/redshift.md");
    for line in table.lines() {
        assert!(page.contains(line), "docs/redshift.md does not have: {line}");
    }
}

#[tokio::test]
async fn null_is_null_on_every_path() {
    let warehouse = warehouse().await;
    for case in CASES.iter().filter(|case| case.name != "REAL") {
        let sql = format!("select {} as v", case.expression.replace("{}", "null"));
        let bound = format!("select {} as v", case.expression.replace("{}", ":v"));
        let null = || StatementRequest::read(bound.clone()).bind("v", None::<&str>);
        let prepared = warehouse.prepare(&bound, &[]).await.expect("prepared");
        for (path, stream) in [
            ("query", warehouse.query(sql).await),
            ("bound", warehouse.query(null()).await),
            ("prepared", prepared.query(Params::new().bind("v", None::<&str>)).await),
            ("cursor", warehouse.cursor(null(), NonZeroU32::MIN).await),
        ] {
            let batches = stream.expect(case.name).collect_batches().await.expect(case.name);
            assert_eq!(held(batches[0].column(0)), "NULL", "{} by {path}", case.name);
        }
    }
}

#[tokio::test]
async fn what_arrow_cannot_hold_is_an_error_that_says_how_to_read_it() {
    let warehouse = warehouse().await;
    for (sql, cure) in [
        ("cast('infinity' as timestamp)", "cast"),
        ("cast('-infinity' as date)", "cast"),
        ("cast('infinity' as timestamptz)", "cast"),
    ] {
        for path in ["query", "cursor"] {
            let sql = format!("select {sql} as v");
            let outcome = match path {
                "query" => async { warehouse.query(sql.as_str()).await?.collect_batches().await }.await,
                _ => async { warehouse.cursor(sql.as_str(), NonZeroU32::MIN).await?.collect_batches().await }.await,
            };
            let error = failed(outcome);
            assert_eq!((error.kind(), error.context("column")), (ErrorKind::Data, Some("v")), "{sql} by {path}");
            assert!(error.message().contains(cure), "{error}");
        }
        super::support::rows(&warehouse, format!("select cast({sql} as varchar) as v").as_str()).await;
    }
}
