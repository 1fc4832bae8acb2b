use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use proptest::prelude::*;
use sqlparser::{
    ast::{ArrayElemTypeDef, DataType as Sql, ExactNumberInfo, TimezoneInfo},
    dialect::{RedshiftSqlDialect, SparkSqlDialect},
    parser::Parser,
};
use twinhouse_core::ErrorKind;

use super::{BOTH, DatabricksDialect, Dialect, RedshiftDialect};

/// The Arrow type that the services return for a column of this SQL type.
fn arrow_of(sql: &Sql) -> DataType {
    let field = |name: &str, sql: &Sql| Arc::new(Field::new(name, arrow_of(sql), true));
    match sql {
        Sql::Boolean => DataType::Boolean,
        Sql::TinyInt(_) => DataType::Int8,
        Sql::SmallInt(_) => DataType::Int16,
        Sql::Int(_) | Sql::Integer(_) => DataType::Int32,
        Sql::BigInt(_) => DataType::Int64,
        Sql::Decimal(ExactNumberInfo::PrecisionAndScale(p, s)) => DataType::Decimal128(*p as u8, *s as i8),
        Sql::Float(_) | Sql::Real => DataType::Float32,
        Sql::Double(_) | Sql::DoublePrecision => DataType::Float64,
        Sql::String(_) | Sql::Varchar(_) => DataType::Utf8,
        Sql::Binary(_) => DataType::Binary,
        Sql::Custom(name, _) if name.to_string() == "VARBYTE" => DataType::Binary,
        Sql::Date => DataType::Date32,
        Sql::Time(..) => DataType::Time64(TimeUnit::Microsecond),
        Sql::TimestampNtz(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
        Sql::Timestamp(_, TimezoneInfo::Tz) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Sql::Timestamp(_, _) => DataType::Timestamp(TimeUnit::Microsecond, None),
        Sql::Array(ArrayElemTypeDef::AngleBracket(element)) => DataType::List(field("element", element)),
        Sql::Map(key, value) => {
            let key = Field::new("key", arrow_of(key), false);
            let fields = Fields::from(vec![Arc::new(key), field("value", value)]);
            DataType::Map(Arc::new(Field::new("entries", DataType::Struct(fields), false)), false)
        }
        Sql::Struct(fields, _) => DataType::Struct(
            fields.iter().map(|f| field(&f.field_name.as_ref().unwrap().value, &f.field_type)).collect(),
        ),
        other => panic!("unexpected type {other:?}"),
    }
}

fn read_back(dialect: &dyn Dialect, name: &str) -> DataType {
    // Of the parsers at hand the one for Spark reads maps; the one for Databricks does not.
    let parser = match dialect.name() {
        "databricks" => Parser::new(&SparkSqlDialect),
        _ => Parser::new(&RedshiftSqlDialect {}),
    };
    let mut parser = parser.try_with_sql(name).unwrap();
    let read = parser.parse_data_type().unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(parser.peek_token().token, sqlparser::tokenizer::Token::EOF, "{name}");
    if dialect.name() == "databricks" && read.to_string() == "TIMESTAMP" {
        return DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    }
    arrow_of(&read)
}

fn scalar() -> impl Strategy<Value = DataType> {
    prop_oneof![
        prop::sample::select(vec![
            DataType::Boolean,
            DataType::Int16,
            DataType::Int32,
            DataType::Int64,
            DataType::Float32,
            DataType::Float64,
            DataType::Utf8,
            DataType::Binary,
            DataType::Date32,
            DataType::Timestamp(TimeUnit::Microsecond, None),
        ]),
        (1_u8..=38).prop_flat_map(|p| (Just(p), 0..=p as i8)).prop_map(|(p, s)| DataType::Decimal128(p, s)),
    ]
}

fn nested() -> impl Strategy<Value = DataType> {
    scalar().prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|t| DataType::List(Arc::new(Field::new("element", t, true)))),
            (scalar(), inner.clone()).prop_map(|(key, value)| {
                let fields = vec![Field::new("key", key, false), Field::new("value", value, true)];
                DataType::Map(Arc::new(Field::new("entries", DataType::Struct(fields.into()), false)), false)
            }),
            prop::collection::vec(("[a-z `.:,<>]{1,8}", inner), 1..4).prop_map(|fields| {
                DataType::Struct(fields.into_iter().map(|(name, t)| Field::new(name, t, true)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn a_type_comes_back_from_its_name(data_type in scalar()) {
        for dialect in BOTH {
            prop_assert_eq!(read_back(dialect, &dialect.type_name(&data_type).unwrap()), data_type.clone());
        }
    }

    #[test]
    fn a_nested_type_comes_back_from_its_databricks_name(data_type in nested()) {
        let name = DatabricksDialect.type_name(&data_type).unwrap();
        prop_assert_eq!(read_back(&DatabricksDialect, &name), data_type.clone());
        if data_type.is_nested() {
            prop_assert_eq!(RedshiftDialect.type_name(&data_type).unwrap(), "SUPER");
        }
    }
}

#[test]
fn each_type_has_the_narrowest_column_that_holds_it() {
    use DataType::*;
    let utc = || Some(Arc::<str>::from("Europe/Berlin"));
    let dictionary = Dictionary(Box::new(Int8), Box::new(LargeUtf8));
    for (data_type, databricks, redshift) in [
        (Int8, "TINYINT", "SMALLINT"),
        (UInt8, "SMALLINT", "SMALLINT"),
        (UInt16, "INT", "INTEGER"),
        (UInt32, "BIGINT", "BIGINT"),
        (UInt64, "DECIMAL(20,0)", "DECIMAL(20,0)"),
        (Float16, "FLOAT", "REAL"),
        (LargeUtf8, "STRING", "VARCHAR(65535)"),
        (Utf8View, "STRING", "VARCHAR(65535)"),
        (BinaryView, "BINARY", "VARBYTE(1024000)"),
        (FixedSizeBinary(16), "BINARY", "VARBYTE(16)"),
        (Date64, "DATE", "DATE"),
        (Timestamp(TimeUnit::Nanosecond, utc()), "TIMESTAMP", "TIMESTAMPTZ"),
        (Timestamp(TimeUnit::Second, None), "TIMESTAMP_NTZ", "TIMESTAMP"),
        (Decimal128(5, -3), "DECIMAL(8,0)", "DECIMAL(8,0)"),
        (Decimal64(2, 5), "DECIMAL(5,5)", "DECIMAL(5,5)"),
        (Decimal256(38, 38), "DECIMAL(38,38)", "DECIMAL(38,38)"),
        (dictionary, "STRING", "VARCHAR(65535)"),
    ] {
        assert_eq!(DatabricksDialect.type_name(&data_type).unwrap(), databricks);
        assert_eq!(RedshiftDialect.type_name(&data_type).unwrap(), redshift);
    }
    assert_eq!(RedshiftDialect.type_name(&Time64(TimeUnit::Microsecond)).unwrap(), "TIME");
    let fields = vec![Field::new("a", Int32, false), Field::new("b`", Utf8, true)];
    assert_eq!(
        DatabricksDialect.type_name(&Struct(fields.into())).unwrap(),
        "STRUCT<`a`: INT NOT NULL, `b```: STRING>"
    );
}

#[test]
fn what_no_column_holds_is_refused_by_name() {
    use DataType::*;
    let list = List(Arc::new(Field::new("item", Duration(TimeUnit::Second), true)));
    for data_type in [
        Null,
        Duration(TimeUnit::Second),
        Interval(arrow::datatypes::IntervalUnit::MonthDayNano),
        Decimal256(39, 0),
        Decimal128(38, -1),
        Struct(Fields::empty()),
        list,
    ] {
        for dialect in BOTH {
            let error = dialect.type_name(&data_type).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let named = if data_type.is_nested() && !matches!(data_type, Struct(_)) {
                "Duration"
            } else {
                &data_type.to_string()
            };
            assert!(error.to_string().contains(named), "{error}");
            assert_eq!(error.context("backend"), Some(dialect.name()));
        }
    }
    assert!(DatabricksDialect.type_name(&Time64(TimeUnit::Microsecond)).is_err());
    assert!(RedshiftDialect.type_name(&FixedSizeBinary(1_024_001)).is_err());
}
