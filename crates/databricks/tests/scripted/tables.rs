//! Unity Catalog.

use arrow::datatypes::{DataType, TimeUnit};
use futures::TryStreamExt as _;
use serde_json::json;
use twinhouse_core::ErrorKind;
use twinhouse_testkit::Answer;
use twinhouse_warehouse_api::{TableFilter, TableKind, TableRef, Warehouse as _};

use crate::bench::Bench;

const UNITY: &str = "/api/2.1/unity-catalog";

#[tokio::test]
async fn a_table_is_described_with_its_columns_in_order() {
    let bench = Bench::new().await;
    let column =
        |name: &str, position: u64, text: &str| json!({ "name": name, "position": position, "type_text": text });
    bench.server.once(
        "GET",
        &format!("{UNITY}/tables/main.sales.order%20%2F%20s"),
        Answer::json(json!({
            "name": "order / s", "catalog_name": "main", "schema_name": "sales", "table_type": "MANAGED",
            "data_source_format": "DELTA", "comment": "it's ours",
            "columns": [
                column("at", 2, "timestamp"),
                { "name": "Id", "type_text": "bigint", "type_name": "LONG", "nullable": false, "comment": "key" },
                column("items", 1, "array<struct<sku:string,price:decimal(12,2)>>"),
            ],
            "properties": { "delta.minReaderVersion": "1" },
        })),
    );
    let info = bench.warehouse.table(&TableRef::new("Order / S").with_schema("sales")).await.unwrap();
    assert_eq!(info.table, TableRef::new("order / s").with_schema("sales").with_catalog("main"));
    assert_eq!((&info.kind, info.comment.as_deref()), (&TableKind::Managed, Some("it's ours")));
    let names: Vec<_> = info.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["Id", "items", "at"]);
    assert!(!info.columns[0].nullable && info.columns[1].nullable);
    assert_eq!(info.columns[0].comment.as_deref(), Some("key"));
    assert_eq!(info.columns[2].data_type, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    assert_eq!(info.columns[1].native_type, "array<struct<sku:string,price:decimal(12,2)>>");
    assert_eq!(info.properties["delta.minReaderVersion"], "1");
}

#[tokio::test]
async fn a_table_that_is_not_there_is_named() {
    let bench = Bench::new().await;
    let gone = json!({ "error_code": "TABLE_DOES_NOT_EXIST", "message": "Table 'main.default.t' does not exist." });
    bench.server.once("GET", &format!("{UNITY}/tables/main.default.t"), Answer::json(gone).with_status(404));
    let error = bench.warehouse.table(&TableRef::new("t")).await.unwrap_err();
    assert_eq!((error.kind(), error.context("table")), (ErrorKind::NotFound, Some("t")));
    let error = bench.warehouse.table(&TableRef::new("t").with_catalog("c")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "a catalog without a schema means nothing");
}

#[tokio::test]
async fn empty_pages_do_not_end_a_list_and_every_schema_is_listed() {
    let bench = Bench::new().await;
    let schemas = format!("{UNITY}/schemas");
    bench.server.once("GET", &schemas, Answer::json(json!({ "next_page_token": "s/2" })));
    let names = json!([{ "name": "a" }, { "name": "information_schema" }, { "name": "b" }]);
    bench.server.once("GET", &schemas, Answer::json(json!({ "schemas": names })));
    let tables = format!("{UNITY}/tables");
    bench.server.once("GET", &tables, Answer::json(json!({ "tables": [], "next_page_token": "t1" })));
    bench.server.once(
        "GET",
        &tables,
        Answer::json(json!({ "tables": [{ "name": "one" }, { "name": "other" }], "next_page_token": "t2" })),
    );
    bench.server.once("GET", &tables, Answer::json(json!({ "tables": [{ "name": "once" }], "next_page_token": "" })));
    bench.server.once("GET", &tables, Answer::json(json!({ "tables": [{ "name": "onto" }] })));
    let filter = TableFilter::default().with_name_like("on%");
    let found: Vec<_> = bench.warehouse.tables(filter).try_collect().await.unwrap();
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["main.a.one", "main.a.once", "main.b.onto"]);
    bench.server.verify();
    let targets: Vec<_> = bench.server.requests().into_iter().map(|request| request.target).collect();
    assert!(targets.iter().all(|target| target.contains("max_results=0")), "{targets:?}");
    assert!(targets[1].contains("page_token=s%2F2") && targets[4].contains("page_token=t2"), "{targets:?}");
}

#[tokio::test]
async fn a_list_that_goes_in_circles_is_an_error() {
    for circle in ["schemas", "tables"] {
        let bench = Bench::new().await;
        let again = json!({ "schemas": [{ "name": "a" }], "tables": [{ "name": "t" }], "next_page_token": "again" });
        bench.server.always("GET", &format!("{UNITY}/{circle}"), Answer::json(again));
        bench.server.always("GET", &format!("{UNITY}/tables"), Answer::json(json!({})));
        let filter = match circle {
            "schemas" => TableFilter::default(),
            _ => TableFilter::default().with_schema("a"),
        };
        let error = bench.warehouse.tables(filter).try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!((error.kind(), bench.server.count("GET", &format!("{UNITY}/{circle}"))), (ErrorKind::Protocol, 2));
        assert!(error.operation().is_some_and(|name| name.ends_with(".list")));
    }
}

#[tokio::test]
async fn without_a_catalog_the_error_says_where_one_was_looked_for() {
    let bench = Bench::with(|builder| builder.env(twinhouse_core::config::Env::empty())).await;
    drop(bench);
    let config = twinhouse_databricks::DatabricksConfig::builder()
        .env(twinhouse_core::config::Env::empty())
        .host("http://127.0.0.1:9")
        .token("t")
        .warehouse_id("w")
        .build()
        .unwrap();
    let warehouse = twinhouse_databricks::DatabricksWarehouse::new(config).unwrap();
    let error = warehouse.table(&TableRef::new("t")).await.unwrap_err();
    assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Config, Some("catalog")));
    assert!(warehouse.tables(TableFilter::default()).try_collect::<Vec<_>>().await.is_err());
}
