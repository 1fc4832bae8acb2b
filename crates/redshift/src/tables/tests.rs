use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use async_trait::async_trait;
use futures::TryStreamExt as _;
use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::{TableFilter, TableKind, TableRef};

use super::{
    Carrier, Here, Limit,
    describe::{best, column, describe, find, kind},
    elements,
    list::{list, page},
    types::Native,
};
use crate::{
    testing::{Answers, Say, cluster},
    wire::script::Log,
};

fn here() -> Here {
    Here { database: "dev".to_owned(), schemas: vec!["u".to_owned(), "public".to_owned()] }
}

#[test]
fn types_are_read_however_the_view_spells_their_sizes() {
    let micros = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    for (text, length, precision, scale, native, data_type) in [
        ("boolean", None, None, None, "boolean", DataType::Boolean),
        ("smallint", None, Some(16), Some(0), "smallint", DataType::Int16),
        ("integer", None, Some(32), Some(0), "integer", DataType::Int32),
        ("bigint", None, Some(64), Some(0), "bigint", DataType::Int64),
        ("real", None, Some(24), None, "real", DataType::Float32),
        ("double precision", None, Some(53), None, "double precision", DataType::Float64),
        ("numeric", None, Some(12), Some(2), "numeric(12,2)", DataType::Decimal128(12, 2)),
        ("numeric(38,37)", None, None, None, "numeric(38,37)", DataType::Decimal128(38, 37)),
        ("NUMERIC(5, 0)", None, Some(1), Some(1), "numeric(5,0)", DataType::Decimal128(5, 0)),
        ("character varying", Some(256), None, None, "varchar(256)", DataType::Utf8),
        ("character varying(10)", None, None, None, "varchar(10)", DataType::Utf8),
        ("character", Some(3), None, None, "char(3)", DataType::Utf8),
        ("date", None, None, None, "date", DataType::Date32),
        ("time without time zone", None, None, None, "time", DataType::Time64(TimeUnit::Microsecond)),
        ("time with time zone", None, None, None, "timetz", DataType::Utf8),
        ("timestamp without time zone", None, None, None, "timestamp", micros(None)),
        ("timestamp with time zone", None, None, None, "timestamptz", micros(Some("UTC"))),
        ("super", None, None, None, "super", DataType::Utf8),
        ("binary varying(64000)", None, None, None, "varbyte(64000)", DataType::Binary),
        ("geometry", None, None, None, "geometry", DataType::Utf8),
        ("interval year to month", None, None, None, "interval year to month", DataType::Utf8),
        ("numeric", None, None, None, "numeric", DataType::Utf8),
        ("numeric(39,2)", None, None, None, "numeric", DataType::Utf8),
    ] {
        let read = Native::of(text, length, precision, scale);
        assert_eq!((read.to_string().as_str(), read.data_type()), (native, data_type), "{text}");
    }
}

#[test]
fn lengths_are_kept_and_what_is_only_read_as_text_cannot_be_loaded() {
    let limit = |text: &str, length| Native::of(text, length, None, None).limit();
    assert_eq!(limit("character varying", Some(256)), Some(Limit::Varchar(256)));
    assert_eq!(limit("character(7)", None), Some(Limit::Char(7)));
    assert_eq!(limit("varbyte", Some(9)), Some(Limit::Varbyte(9)));
    assert_eq!(limit("character varying", None), Some(Limit::Varchar(65_535)));
    assert_eq!(limit("character varying", Some(-1)), Some(Limit::Varchar(65_535)));
    assert_eq!(limit("integer", None), None);
    let carrier = |text: &str| Native::of(text, None, None, None).carrier();
    for text in ["geometry", "hllsketch", "interval day to second", "numeric"] {
        assert_eq!(carrier(text), Carrier::None, "{text}");
    }
    for text in ["super", "time", "time with time zone"] {
        assert_eq!(carrier(text), Carrier::Lines, "{text}");
    }
    for text in ["bigint", "character varying", "numeric(4,2)", "timestamp with time zone", "varbyte"] {
        assert_eq!(carrier(text), Carrier::Columns, "{text}");
    }
}

#[test]
fn a_column_keeps_what_the_view_says_of_it() {
    let row = |values: [Option<&str>; 8]| column(values.map(|value| value.map(str::to_owned)).to_vec());
    let (info, more) =
        row([Some("n"), Some("character varying"), Some("9"), None, None, Some("NO"), Some("'x'"), Some("why")]);
    assert_eq!((info.name.as_str(), info.native_type.as_str(), info.nullable), ("n", "varchar(9)", false));
    assert_eq!(info.comment.as_deref(), Some("why"));
    assert!(more.has_default && !more.is_identity);
    let (info, more) = row([
        Some("id"),
        Some("bigint"),
        None,
        Some("64"),
        Some("0"),
        Some("YES"),
        Some("\"identity\"(100, 0, '1,1'::text)"),
        None,
    ]);
    assert!(info.nullable && more.is_identity && info.comment.is_none());
}

#[test]
fn kinds_are_told_apart() {
    assert_eq!(kind("TABLE"), TableKind::Managed);
    assert_eq!(kind("EXTERNAL TABLE"), TableKind::External);
    assert_eq!(kind("VIEW"), TableKind::View);
    assert_eq!(kind("MATERIALIZED VIEW"), TableKind::Other("MATERIALIZED VIEW".to_owned()));
}

#[test]
fn names_are_looked_up_as_given_and_as_folded_and_never_become_sql() {
    let table = TableRef::new("Or\\'; --").with_schema("s");
    let sql = find(&table, &here()).unwrap();
    assert!(sql.contains(r"table_name IN ('Or\\''; --', 'or\\''; --')"), "{sql}");
    assert!(sql.contains("schema_name IN ('s')") && sql.contains("database_name IN ('dev')"), "{sql}");
    let sql = find(&TableRef::new("t"), &here()).unwrap();
    assert!(sql.contains("schema_name IN ('public', 'u')"), "{sql}");
    assert_eq!(find(&TableRef::new("a\0b"), &here()).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn the_first_schema_of_the_path_wins_and_the_exact_name_before_the_folded() {
    let row = |schema: &str, name: &str| ["dev", schema, name, "TABLE", ""].map(str::to_owned).to_vec();
    let rows = || vec![row("public", "t"), row("u", "t")];
    assert_eq!(best(rows(), &TableRef::new("t"), &here()).unwrap().schema, "u");
    let rows = || vec![row("s", "t"), row("s", "T")];
    assert_eq!(best(rows(), &TableRef::new("T").with_schema("s"), &here()).unwrap().name, "T");
    assert_eq!(best(vec![row("s", "t")], &TableRef::new("T").with_schema("S"), &here()).unwrap().name, "t");
    assert_eq!(best(Vec::new(), &TableRef::new("t"), &here()), None);
}

#[test]
fn an_array_is_taken_apart() {
    assert_eq!(elements("{public}"), ["public"]);
    assert_eq!(elements(r#"{"$user",public,"a,\"b\\"}"#), ["$user", "public", r#"a,"b\"#]);
    assert!(elements("{}").is_empty());
}

#[test]
fn a_page_is_asked_for_behind_the_last_name_and_with_the_pattern() {
    let filter = TableFilter::default().with_schema("s").with_name_like("a\\_%^\\\\'");
    let after = ("s".to_owned(), "it's".to_owned());
    let sql = page("dev", &filter, Some(&after), 7).unwrap();
    assert!(sql.contains(r"table_name LIKE 'a^_%^^\\''' ESCAPE '^'"), "{sql}");
    assert!(sql.contains("(schema_name > 's' OR (schema_name = 's' AND table_name > 'it''s'))"), "{sql}");
    assert!(sql.ends_with("ORDER BY schema_name, table_name LIMIT 7") && !sql.contains("pg_"), "{sql}");
    let sql = page("dev", &TableFilter::default().with_name_like("Ab%"), None, 7).unwrap();
    assert!(sql.contains("(table_name LIKE 'Ab%' ESCAPE '^' OR table_name LIKE 'ab%' ESCAPE '^')"), "{sql}");
    assert!(sql.contains("LEFT(schema_name, 3) <> 'pg_'"), "{sql}");
}

/// A server with one table, and another whose names fill pages.
struct Catalogue(usize);

#[async_trait]
impl Answers for Catalogue {
    async fn answer(&mut self, sql: &str) -> Say {
        if sql.contains("current_database()") {
            Say::row(&["dev", "{public}"])
        } else if sql.contains("LIMIT 500") {
            let start = sql.split("table_name > 't").nth(1).map_or(0, |rest| rest[..4].parse::<usize>().unwrap() + 1);
            let name = |n: usize| ["dev", "public", &format!("t{n:04}")].map(|text| Some(text.to_owned())).to_vec();
            Say::Rows((start..self.0.min(start + 500)).map(name).collect())
        } else if sql.contains("svv_all_tables") && sql.contains("'orders'") {
            Say::row(&["dev", "public", "orders", "TABLE", "all of them"])
        } else if sql.contains("svv_all_columns") {
            Say::rows(&[
                &["id", "bigint", "<null>", "64", "0", "NO", "<null>", "<null>"],
                &["note", "character varying", "20", "<null>", "<null>", "YES", "<null>", "free text"],
            ])
        } else {
            Say::none()
        }
    }
}

#[tokio::test]
async fn a_table_is_described_with_its_full_name() {
    let log = Log::default();
    let cluster = cluster(&log, None, || Catalogue(0));
    let table = describe(&cluster, &TableRef::new("ORDERS")).await.unwrap();
    assert_eq!(table.info.table, TableRef::new("orders").with_schema("public").with_catalog("dev"));
    assert_eq!((table.info.kind.clone(), table.info.comment.as_deref()), (TableKind::Managed, Some("all of them")));
    let fields = [Field::new("id", DataType::Int64, false), Field::new("note", DataType::Utf8, true)];
    assert_eq!(table.info.schema().as_ref(), &Schema::new(fields.to_vec()));
    assert_eq!(table.info.columns[1].comment.as_deref(), Some("free text"));
    assert_eq!(table.sql_name().unwrap(), "\"public\".\"orders\"");
    assert!(table.is_local);
}

#[tokio::test]
async fn a_table_that_is_not_there_is_named() {
    let cluster = cluster(&Log::default(), None, || Catalogue(0));
    let error = describe(&cluster, &TableRef::new("missing").with_schema("s")).await.unwrap_err();
    assert_eq!((error.kind(), error.context("table")), (ErrorKind::NotFound, Some("s.missing")));
}

#[tokio::test]
async fn a_name_that_cannot_be_is_refused_before_anything_is_sent() {
    let log = Log::default();
    let cluster = cluster(&log, None, || Catalogue(0));
    for bad in [TableRef::new(""), TableRef::new("x".repeat(128)), TableRef::new("t").with_catalog("dev")] {
        assert_eq!(describe(&cluster, &bad).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert!(log.all().is_empty(), "{:?}", log.all());
}

#[tokio::test]
async fn a_list_is_read_page_by_page_to_its_end() {
    for (tables, pages) in [(0, 1), (3, 1), (500, 2), (1001, 3)] {
        let log = Log::default();
        let cluster = cluster(&log, None, move || Catalogue(tables));
        let all: Vec<TableRef> = list(Arc::clone(&cluster), TableFilter::default()).try_collect().await.unwrap();
        assert_eq!(all.len(), tables);
        assert!(all.iter().enumerate().all(|(n, table)| table.name() == format!("t{n:04}")), "{all:?}");
        assert_eq!(log.count("LIMIT 500"), pages, "{tables}");
    }
}

#[tokio::test]
async fn a_list_that_is_dropped_asks_for_no_more() {
    let log = Log::default();
    let cluster = cluster(&log, None, || Catalogue(2000));
    let mut tables = list(cluster, TableFilter::default());
    for _ in 0..500 {
        tables.try_next().await.unwrap().unwrap();
    }
    drop(tables);
    assert_eq!(log.count("LIMIT 500"), 1);
}

#[test]
fn a_column_that_the_server_fills_in_need_not_come() {
    let column = |name: &str, default: Option<&str>| {
        column(
            [Some(name), Some("bigint"), None, None, None, Some("NO"), default, None]
                .map(|v| v.map(str::to_owned))
                .to_vec(),
        )
    };
    let (infos, columns) = [column("a", None), column("b", Some("7")), column("c", Some("7"))].into_iter().unzip();
    let info = twinhouse_warehouse_api::TableInfo::new(TableRef::new("t"), TableKind::Managed, infos);
    let table = super::Described { info, columns, is_local: true };
    let source = Schema::new(vec![Field::new("C", DataType::Int64, true)]);
    let nullable = |adds: bool| table.for_rows_of(&source, adds).columns.iter().map(|c| c.nullable).collect::<Vec<_>>();
    assert_eq!(nullable(true), [false, true, false]);
    assert_eq!(nullable(false), [true, true, false]);
}
