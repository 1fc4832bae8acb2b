//! Loads of every mode and type, beyond what the contract's suite asks.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, Time64MicrosecondArray};
use twinhouse_core::{ErrorKind, Result};
use twinhouse_redshift::RedshiftWarehouse;
use twinhouse_warehouse_api::{
    BatchStream, BulkReport, Expression, LoadMode, LoadRequest, LoadToken, TableRef, Warehouse as _, WarehouseExt as _,
};

use super::files::{rows, table, warehouse};

fn numbers(ids: impl IntoIterator<Item = i64>) -> RecordBatch {
    let ids: Vec<i64> = ids.into_iter().collect();
    let names: Vec<String> = ids.iter().map(|id| format!("n{id}")).collect();
    let columns: Vec<(&str, ArrayRef)> =
        vec![("id", Arc::new(Int64Array::from(ids))), ("name", Arc::new(StringArray::from(names)))];
    RecordBatch::try_from_iter(columns).expect("a batch")
}

fn token() -> LoadToken {
    LoadToken::new(uuid::Uuid::new_v4().to_string()).expect("a token")
}

async fn load(
    warehouse: &RedshiftWarehouse,
    table: &TableRef,
    batch: RecordBatch,
    token: &LoadToken,
    mode: LoadMode,
) -> Result<BulkReport> {
    let batches = BatchStream::from_batches(batch.schema(), vec![batch]);
    warehouse.load(LoadRequest::append(table.clone(), batches, token.clone()).with_mode(mode)).await
}

async fn ids(warehouse: &RedshiftWarehouse, table: &TableRef) -> Vec<String> {
    rows(warehouse, format!("select id from {table} order by id")).await.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_replayed_token_changes_nothing_in_any_mode_even_after_later_writes() {
    let warehouse = warehouse().await;
    for mode in [
        LoadMode::Append,
        LoadMode::Overwrite,
        LoadMode::ReplaceWhere(Expression::new("id < :most").bind("most", 100_i64)),
        LoadMode::Create,
        LoadMode::CreateOrReplace,
    ] {
        let t = TableRef::new(format!("mode_{}", uuid::Uuid::new_v4().simple())).with_schema("public");
        if !matches!(mode, LoadMode::Create | LoadMode::CreateOrReplace) {
            warehouse.execute(format!("create table {t} (id bigint, name varchar(20))")).await.expect("a table");
        }
        let (first, second) = (token(), token());
        assert_eq!(
            load(&warehouse, &t, numbers(0..3), &first, mode.clone()).await.expect("loaded").rows,
            3,
            "{mode:?}"
        );
        load(&warehouse, &t, numbers(200..202), &second, LoadMode::Append).await.expect("loaded");
        let again = load(&warehouse, &t, numbers(50..60), &first, mode.clone()).await.expect("known");
        assert_eq!((again.rows, again.replayed), (0, true), "{mode:?}");
        assert_eq!(ids(&warehouse, &t).await, ["0", "1", "2", "200", "201"], "{mode:?}");
    }
}

#[tokio::test]
async fn what_was_known_of_a_table_is_known_of_the_one_that_takes_its_place() {
    let warehouse = warehouse().await;
    let t = TableRef::new(format!("mode_{}", uuid::Uuid::new_v4().simple()));
    let (old, new) = (token(), token());
    load(&warehouse, &t, numbers(0..3), &old, LoadMode::CreateOrReplace).await.expect("made");
    load(&warehouse, &t, numbers(5..7), &new, LoadMode::CreateOrReplace).await.expect("replaced");
    assert!(load(&warehouse, &t, numbers(0..3), &old, LoadMode::CreateOrReplace).await.expect("known").replayed);
    assert_eq!(ids(&warehouse, &t).await, ["5", "6"]);
}

#[tokio::test]
async fn new_rows_outside_of_the_predicate_change_nothing() {
    let warehouse = warehouse().await;
    let t = table(&warehouse, "id bigint, name varchar(20)").await;
    load(&warehouse, &t, numbers([1, 2, 30]), &token(), LoadMode::Append).await.expect("loaded");
    let below = || LoadMode::ReplaceWhere(Expression::new("id < :most or id is null").bind("most", 10_i64));
    let error = load(&warehouse, &t, numbers([3, 40]), &token(), below()).await.expect_err("40 is not below 10");
    assert_eq!(
        (error.kind(), error.is_retryable(), error.context("outside")),
        (ErrorKind::Constraint, false, Some("1"))
    );
    assert_eq!(ids(&warehouse, &t).await, ["1", "2", "30"]);
    load(&warehouse, &t, numbers([3]), &token(), below()).await.expect("replaced");
    assert_eq!(ids(&warehouse, &t).await, ["3", "30"]);
    let wrong = LoadMode::ReplaceWhere(Expression::new("no_such_column = 1"));
    assert_eq!(
        load(&warehouse, &t, numbers([3]), &token(), wrong).await.expect_err("unknown").kind(),
        ErrorKind::NotFound
    );
    let hostile = LoadMode::ReplaceWhere(Expression::new("1 = 1); drop table x; --"));
    assert_eq!(
        load(&warehouse, &t, numbers([3]), &token(), hostile).await.expect_err("two").kind(),
        ErrorKind::InvalidInput
    );
}

#[tokio::test]
async fn partitions_are_refused_by_name_and_a_table_that_is_there_is_not_made() {
    let warehouse = warehouse().await;
    let t = table(&warehouse, "id bigint, name varchar(20)").await;
    let error = load(&warehouse, &t, numbers([1]), &token(), LoadMode::ReplacePartitions).await.expect_err("none here");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let error = load(&warehouse, &t, numbers([1]), &token(), LoadMode::Create).await.expect_err("there");
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

/// Pain points: SUPER is bare text; text longer than VARCHAR; identity columns; columns in another order.
#[tokio::test]
async fn json_documents_and_times_are_loaded_as_what_they_are() {
    let warehouse = warehouse().await;
    let t = table(&warehouse, "id bigint, doc super, at time, zoned timetz, note varchar(20), n decimal(10,2)").await;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("note", Arc::new(StringArray::from(vec![Some("\"q\", \\N\n"), Some(""), None]))),
        ("DOC", Arc::new(StringArray::from(vec![Some("{\"a\": {\"b\": [1, 2]}}"), Some("\"text\""), None]))),
        ("at", Arc::new(Time64MicrosecondArray::from(vec![Some(86_399_999_999), Some(0), None]))),
        ("zoned", Arc::new(StringArray::from(vec![Some("12:00:00+01"), None, None]))),
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3]))),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)));
    load(&warehouse, &t, batch.expect("a batch"), &token(), LoadMode::Append).await.expect("loaded");
    // It was taken apart, and is no string that looks like a document.
    assert_eq!(
        rows(&warehouse, format!("select id, json_typeof(doc), at, zoned, note, n from {t} order by id")).await,
        [
            ["1", "object", "23:59:59.999999", "12:00:00+01", "\"q\", \\N\n", "NULL"],
            ["2", "string", "00:00:00", "NULL", "", "NULL"],
            ["3", "NULL", "NULL", "NULL", "NULL", "NULL"],
        ]
    );
    let bad = RecordBatch::try_from_iter([("doc", Arc::new(StringArray::from(vec!["{}", "{nope"])) as ArrayRef)]);
    let error = load(&warehouse, &t, bad.expect("a batch"), &token(), LoadMode::Append).await.expect_err("no document");
    assert_eq!(
        (error.kind(), error.context("column"), error.context("row")),
        (ErrorKind::InvalidInput, Some("doc"), Some("1"))
    );
}

#[tokio::test]
async fn files_are_as_many_as_the_slices_share_evenly() {
    let warehouse = warehouse().await;
    let slices: u64 = rows(&warehouse, "select count(*) from stv_slices").await[0][0].parse().expect("a number");
    let t = table(&warehouse, "id bigint, name varchar(20)").await;
    let batch = numbers(0..200_000);
    let report = load(&warehouse, &t, batch, &token(), LoadMode::Append).await.expect("loaded");
    assert_eq!((report.rows, report.files % slices), (200_000, 0), "{report:?} on {slices} slices");
}
