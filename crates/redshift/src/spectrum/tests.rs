use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use proptest::prelude::*;
use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::{TableFilter, TableRef, Value};

use super::*;
use crate::{
    copy::Role,
    testing::{Answers, Say, cluster},
    wire::script::Log,
};

fn lake() -> TableRef {
    TableRef::new("sales").with_schema("lake")
}

fn day(day: u32) -> NewPartition {
    NewPartition::new(format!("s3://lake/sales/day={day}/")).with_value("day", format!("2026-01-{day:02}"))
}

#[test]
fn partitions_are_added_a_hundred_at_a_time() {
    let many: Vec<_> = (1..=250).map(day).collect();
    let statements = partition::add_sql(&lake(), &many, true).unwrap();
    let counts: Vec<_> = statements.iter().map(|sql| sql.matches("PARTITION (").count()).collect();
    assert_eq!(counts, [100, 100, 50]);
    assert!(
        statements.iter().all(|sql| sql.starts_with("ALTER TABLE \"lake\".\"sales\" ADD IF NOT EXISTS PARTITION ("))
    );
    assert!(partition::add_sql(&lake(), &[], true).unwrap().is_empty());
    let one = &partition::add_sql(&lake(), &[day(5)], false).unwrap()[0];
    assert_eq!(
        one,
        "ALTER TABLE \"lake\".\"sales\" ADD PARTITION (\"day\"='2026-01-05') LOCATION 's3://lake/sales/day=5/'"
    );
    assert_eq!(
        partition::drop_sql(&lake(), &day(5)).unwrap(),
        "ALTER TABLE \"lake\".\"sales\" DROP PARTITION (\"day\"='2026-01-05')"
    );
}

#[test]
fn the_values_of_a_partition_are_plain_constants() {
    let clause = |value: Value| {
        let partition = NewPartition::new("s3://b/k/").with_value("c", value);
        partition::drop_sql(&lake(), &partition).map(|sql| sql.split_once("\"c\"=").unwrap().1.to_owned())
    };
    for (value, sql) in [
        (Value::Int(-7), "-7)"),
        (Value::Long(7), "7)"),
        (Value::Bool(true), "'true')"),
        (Value::Text("it's".to_owned()), "'it''s')"),
        (Value::Date(chrono::NaiveDate::from_ymd_opt(2026, 1, 31).unwrap()), "'2026-01-31')"),
    ] {
        assert_eq!(clause(value.clone()).unwrap(), sql, "{value:?}");
    }
    for value in [Value::Null, Value::Double(1.5), Value::Bytes(vec![1]), Value::Timestamp(0)] {
        assert_eq!(clause(value.clone()).unwrap_err().kind(), ErrorKind::InvalidInput, "{value:?}");
    }
}

#[test]
fn what_no_external_table_can_be_is_refused_before_anything_is_sent() {
    let bad = [
        partition::add_sql(&TableRef::new("sales"), &[day(1)], false).unwrap_err(),
        partition::add_sql(&lake(), &[NewPartition::new("s3://b/k/")], false).unwrap_err(),
        partition::add_sql(&lake(), &[NewPartition::new("/tmp/k/").with_value("a", 1)], false).unwrap_err(),
    ];
    assert!(bad.iter().all(|error| error.kind() == ErrorKind::InvalidInput));
    let table = || CreateExternalTable::new(lake(), "s3://lake/sales/", ExternalFormat::Orc);
    for wrong in [
        table(),
        table().with_column("a", "int").with_partition_column("a", "int"),
        table().with_column("a", "int) stored as parquet location 's3://mine/'; --"),
        table().with_column("a", "int, b int"),
        table().with_column("a", "array<int"),
        table().with_column("a", ""),
        CreateExternalTable::new(TableRef::new("t"), "s3://b/k/", ExternalFormat::Orc).with_column("a", "int"),
        CreateExternalTable::new(lake(), "file:///k/", ExternalFormat::Orc).with_column("a", "int"),
    ] {
        assert_eq!(wrong.sql().unwrap_err().kind(), ErrorKind::InvalidInput, "{wrong:?}");
    }
    let nested = "struct<a:int, b:array<decimal(12,2)>>";
    assert!(table().with_column("a", nested).sql().unwrap().contains(nested));
}

#[test]
fn external_tables_are_written_with_their_format_and_properties() {
    let table = CreateExternalTable::new(lake(), "s3://lake/sales/", ExternalFormat::Delimited('\''))
        .with_column("a", "varchar(20)")
        .with_property("skip.header.line.count", "1");
    assert_eq!(
        table.sql().unwrap(),
        "CREATE EXTERNAL TABLE \"lake\".\"sales\" (\"a\" varchar(20)) ROW FORMAT DELIMITED FIELDS TERMINATED BY '''' \
         STORED AS TEXTFILE LOCATION 's3://lake/sales/' TABLE PROPERTIES ('skip.header.line.count'='1')"
    );
}

#[test]
fn external_schemas_are_written_for_each_source() {
    let secret = "arn:aws:secretsmanager:eu-west-1:1:secret:s";
    let (database, host, secret_arn) = ("d".to_owned(), "h".to_owned(), secret.to_owned());
    let role = Role::arn("arn:aws:iam::1:role/r");
    for (source, expected) in [
        (
            ExternalSource::DataCatalog {
                database: "it's".to_owned(),
                region: Some("eu-west-1".to_owned()),
                create_database: false,
            },
            "FROM DATA CATALOG DATABASE 'it''s' REGION 'eu-west-1' IAM_ROLE 'arn:aws:iam::1:role/r'".to_owned(),
        ),
        (
            ExternalSource::Hive { database: database.clone(), host: host.clone(), port: Some(9083) },
            "FROM HIVE METASTORE DATABASE 'd' URI 'h' PORT 9083 IAM_ROLE 'arn:aws:iam::1:role/r'".to_owned(),
        ),
        (
            ExternalSource::Postgres {
                database: database.clone(),
                schema: Some("s".to_owned()),
                host: host.clone(),
                port: None,
                secret_arn: secret_arn.clone(),
            },
            format!(
                "FROM POSTGRES DATABASE 'd' SCHEMA 's' URI 'h' IAM_ROLE 'arn:aws:iam::1:role/r' SECRET_ARN '{secret}'"
            ),
        ),
        (
            ExternalSource::MySql { database: database.clone(), host, port: Some(3306), secret_arn },
            format!("FROM MYSQL DATABASE 'd' URI 'h' PORT 3306 IAM_ROLE 'arn:aws:iam::1:role/r' SECRET_ARN '{secret}'"),
        ),
        (ExternalSource::Redshift { database, schema: None }, "FROM REDSHIFT DATABASE 'd'".to_owned()),
    ] {
        let request = CreateExternalSchema::new("x", source).with_role(role.clone()).with_if_not_exists(true);
        assert_eq!(request.sql().unwrap(), format!("CREATE EXTERNAL SCHEMA IF NOT EXISTS \"x\" {expected}"));
    }
    let empty = ExternalSource::Redshift { database: String::new(), schema: None };
    assert!(CreateExternalSchema::new("x", empty).sql().is_err());
}

/// A data catalog with one table.
struct Catalog;

#[async_trait]
impl Answers for Catalog {
    async fn answer(&mut self, sql: &str) -> Say {
        if sql.contains("svv_external_schemas") {
            Say::row(&["lake", "1", "100", "glue", r#"{"IAM_ROLE":"arn:aws:iam::1:role/r"}"#])
        } else if sql.contains("svv_external_tables") {
            Say::row(&[
                "lake",
                "sales",
                "s3://lake/sales/",
                "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "<null>",
                "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
                r#"{"serialization.format":"1"}"#,
                "0",
                "not json",
                "TABLE",
            ])
        } else if sql.contains("svv_external_columns") {
            Say::rows(&[
                &["lake", "sales", "amount", "decimal(12,2)", "1", "0", "true"],
                &["lake", "sales", "day", "date", "2", "1", ""],
            ])
        } else if sql.contains("svv_external_partitions") {
            Say::row(&[
                "lake",
                "sales",
                r#"["2026-01-31"]"#,
                "s3://lake/sales/day=2026-01-31",
                "<null>",
                "<null>",
                "0",
                "<null>",
            ])
        } else if sql.contains("sys_external_query_detail") {
            Say::row(&["10", "2", "7", "1000", "64000", "<null>", "12", "<null>"])
        } else {
            Say::none()
        }
    }
}

#[tokio::test]
async fn tables_come_with_their_columns_and_partitions() {
    let spectrum = Spectrum(cluster(&Log::default(), None, || Catalog));
    let schemas: Vec<_> = spectrum.schemas().try_collect().await.unwrap();
    assert_eq!((schemas[0].kind, schemas[0].database.as_deref()), (Some(SchemaKind::DataCatalog), Some("glue")));
    assert_eq!(schemas[0].options["IAM_ROLE"], "arn:aws:iam::1:role/r");
    let details: Vec<_> =
        spectrum.table_details(TableFilter::default().with_schema("lake")).try_collect().await.unwrap();
    let [detail] = &details[..] else { panic!("{details:?}") };
    assert_eq!((&detail.table.table, detail.table.format()), (&lake(), Some("parquet")));
    assert_eq!(detail.table.serde_parameters["serialization.format"], "1");
    assert!(detail.table.parameters.is_empty(), "what is no JSON is left out");
    let columns: Vec<_> = detail.columns.iter().map(|c| (c.name.as_str(), c.partition_key, c.nullable)).collect();
    assert_eq!(columns, [("amount", None, Some(true)), ("day", Some(1), None)]);
    assert_eq!(detail.partitions[0].values, ["2026-01-31"]);
}

#[tokio::test]
async fn what_was_scanned_is_summed_up() {
    let spectrum = Spectrum(cluster(&Log::default(), None, || Catalog));
    let stats = spectrum.scan_stats(42).await.unwrap();
    assert_eq!((stats.query, stats.total_partitions, stats.qualified_partitions), (Some(42), Some(10), Some(2)));
    assert_eq!((stats.scanned_files, stats.returned_rows, stats.returned_bytes), (Some(7), Some(1000), Some(64_000)));
    assert_eq!((stats.listing_ms, stats.partitions_ms), (Some(12), None));
}

#[tokio::test]
async fn partitions_that_cannot_be_are_refused_before_the_first_is_sent() {
    let log = Log::default();
    let cluster = cluster(&log, None, || Catalog);
    let mut some: Vec<_> = (1..=150).map(day).collect();
    some[120].values.clear();
    let error = Spectrum(Arc::clone(&cluster)).add_partitions(&lake(), &some, true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(log.all().is_empty());
}

proptest! {
    #[test]
    fn hostile_names_and_places_never_leave_their_quotes(name in "[^\0]{1,40}", text in "[^\0]{0,60}") {
        prop_assume!(name.len() <= 127);
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        let literal = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
        let table = TableRef::new(name.clone()).with_schema("lake");
        let place = format!("s3://{text}");
        let partition = NewPartition::new(place.clone()).with_value(name.clone(), text.clone());
        let sql = partition::add_sql(&table, &[partition], false).unwrap().remove(0);
        let expected =
            format!("ALTER TABLE \"lake\".{quoted} ADD PARTITION ({quoted}={}) LOCATION {}", literal(&text), literal(&place));
        prop_assert_eq!(sql, expected);
        let table = CreateExternalTable::new(table, place.clone(), ExternalFormat::Avro).with_column(name.clone(), "int");
        let expected = format!(
            "CREATE EXTERNAL TABLE \"lake\".{quoted} ({quoted} int) STORED AS AVRO LOCATION {}",
            literal(&place)
        );
        prop_assert_eq!(table.sql().unwrap(), expected);
    }
}
