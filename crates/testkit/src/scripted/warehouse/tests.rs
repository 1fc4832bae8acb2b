//! The scripted warehouse keeps the contract that it stands in for.

use std::{sync::Arc, time::Duration};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field},
};
use futures::TryStreamExt as _;
use twinhouse_core::Effect;
use twinhouse_warehouse_api::{
    BatchStream, CallOptions, LoadRequest, LoadToken, MergeReport, MergeRequest, MergeSource, TableFilter,
    TransactionOptions, Warehouse as _, WarehouseExt as _, WhenMatched,
};

use super::*;
use crate::conformance::{Cell, cells};

fn batch(rows: &[(Option<i64>, &str)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()) as ArrayRef, true),
        ("name", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1))) as ArrayRef, true),
    ])
    .unwrap()
}

fn stream(batch: RecordBatch) -> BatchStream {
    BatchStream::from_batches(batch.schema(), vec![batch])
}

fn orders() -> (ScriptedWarehouse, TableRef) {
    let warehouse = ScriptedWarehouse::new();
    let table = TableRef::new("orders").with_schema("sales");
    warehouse.add_table(table.clone(), &batch(&[]).schema());
    (warehouse, table)
}

async fn load(warehouse: &ScriptedWarehouse, table: &TableRef, token: &str) -> Result<u64> {
    let rows = stream(batch(&[(Some(1), "one"), (Some(2), "two")]));
    Ok(warehouse.load(LoadRequest::append(table.clone(), rows, LoadToken::new(token)?)).await?.rows)
}

fn content(warehouse: &ScriptedWarehouse, table: &TableRef) -> Vec<(Cell, Cell)> {
    cells(&warehouse.rows(table)).into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
}

#[tokio::test]
async fn lines_are_spent_in_order_and_white_space_does_not_matter() {
    let warehouse = ScriptedWarehouse::new();
    warehouse.once("select 1", Reply::affected(1)).once(Sql::contains("from t"), Reply::affected(2));
    warehouse.always(Sql::any(), Reply::affected(3));
    assert_eq!(warehouse.execute("select\n  1").await.unwrap(), 1);
    assert_eq!(warehouse.execute("select 1").await.unwrap(), 3);
    assert_eq!(warehouse.execute("select * from t").await.unwrap(), 2);
    warehouse.verify();
    assert_eq!(warehouse.calls(), [Call::Submit; 3]);
}

#[tokio::test]
async fn a_statement_that_nobody_foresaw_is_an_error_that_shows_it() {
    let error = ScriptedWarehouse::new().execute("drop table x").await.unwrap_err();
    assert_eq!(error.context("sql"), Some("drop table x"));
}

#[tokio::test]
async fn parameters_are_checked_as_a_backend_would() {
    let warehouse = ScriptedWarehouse::new();
    warehouse.always(Sql::any(), Reply::affected(0));
    let error = warehouse.execute("delete from t where id = :id").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(warehouse.statements().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_statement_is_cancelled_and_a_slow_one_takes_its_time() {
    let warehouse = ScriptedWarehouse::new();
    warehouse.once("slow", Reply::rows(batch(&[(Some(1), "x")])).after(Duration::from_secs(60)));
    warehouse.once("endless", Reply::hang());
    let began = tokio::time::Instant::now();
    let rows: Vec<_> = warehouse.query("slow").await.unwrap().try_collect().await.unwrap();
    assert_eq!((rows.len(), began.elapsed().as_secs()), (1, 60));

    let options = CallOptions::default().with_timeout(Duration::from_secs(5));
    let error = warehouse.query(StatementRequest::read("endless").with_options(options)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(warehouse.running().is_empty());
    assert_eq!(warehouse.cancelled().iter().map(StatementRequest::sql).collect::<Vec<_>>(), ["endless"]);
}

#[tokio::test]
async fn a_result_can_break_off() {
    let warehouse = ScriptedWarehouse::new();
    let broken = Error::new(ErrorKind::Connection, "reset");
    warehouse.once("select", Reply::rows(batch(&[(Some(1), "x")])).then_error(broken));
    let mut rows = warehouse.query("select").await.unwrap();
    assert_eq!(rows.try_next().await.unwrap().unwrap().num_rows(), 1);
    assert_eq!(rows.try_next().await.unwrap_err().kind(), ErrorKind::Connection);
    assert!(rows.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_load_happens_once_even_if_its_answer_was_lost() {
    let (warehouse, table) = orders();
    let lost = Error::new(ErrorKind::Connection, "lost").with_fault(Fault::transient(Effect::Unknown));
    warehouse.lose_next_answer(Call::Load, lost);
    assert_eq!(load(&warehouse, &table, "t1").await.unwrap_err().kind(), ErrorKind::Connection);
    assert_eq!(load(&warehouse, &table, "t1").await.unwrap(), 0);
    assert_eq!(content(&warehouse, &table).len(), 2);
    assert_eq!(load(&warehouse, &table, "t2").await.unwrap(), 2);
    assert_eq!(content(&warehouse, &table).len(), 4);
}

#[tokio::test]
async fn a_planned_failure_strikes_once_and_does_nothing() {
    let (warehouse, table) = orders();
    warehouse.fail_next(Call::Load, Error::new(ErrorKind::Unavailable, "down"));
    assert_eq!(load(&warehouse, &table, "t").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(content(&warehouse, &table).is_empty());
    assert_eq!(load(&warehouse, &table, "t").await.unwrap(), 2);
}

#[tokio::test]
async fn rows_that_do_not_fit_are_refused() {
    let (warehouse, table) = orders();
    let other = RecordBatch::try_from_iter([("surplus", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    let request = LoadRequest::append(table.clone(), stream(other), LoadToken::new("t").unwrap());
    assert_eq!(warehouse.load(request).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let missing = load(&warehouse, &TableRef::new("missing"), "t").await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn merges_update_insert_and_delete_by_key() {
    let (warehouse, table) = orders();
    load(&warehouse, &table, "t").await.unwrap();
    let source = || MergeSource::Batches(stream(batch(&[(Some(2), "TWO"), (Some(3), "three"), (None, "none")])));
    let report = warehouse.merge(MergeRequest::upsert(table.clone(), source(), ["id"])).await.unwrap();
    assert_eq!(report, MergeReport::new(Some(2), Some(1), Some(0)));
    let cell = |id: i64, name: &str| (Cell::Int(id), Cell::from(name));
    let null = (Cell::Null, Cell::from("none"));
    assert_eq!(content(&warehouse, &table), [cell(1, "one"), cell(2, "TWO"), cell(3, "three"), null.clone()]);

    let request = MergeRequest::upsert(table.clone(), source(), ["id"]).with_when_matched(WhenMatched::Delete);
    let request = request.with_insert_unmatched(false).with_delete_unmatched_by_source(true);
    let report = warehouse.merge(request).await.unwrap();
    assert_eq!((report.deleted, content(&warehouse, &table)), (Some(4), vec![]));

    let twice = MergeSource::Batches(stream(batch(&[(Some(7), "a"), (Some(7), "b")])));
    let error = warehouse.merge(MergeRequest::upsert(table.clone(), twice, ["id"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_transaction_notes_how_it_ended() {
    let warehouse = ScriptedWarehouse::new();
    warehouse.always(Sql::any(), Reply::affected(1));
    warehouse
        .fail_next(Call::Commit, Error::new(ErrorKind::Conflict, "1023").with_fault(Fault::transient(Effect::None)));
    let done = warehouse
        .in_transaction(TransactionOptions::default(), |tx| Box::pin(tx.execute(StatementRequest::write("update t"))))
        .await;
    assert_eq!(done.unwrap(), 1);
    use Call::*;
    assert_eq!(warehouse.calls(), [Begin, InTransaction, Commit, Begin, InTransaction, Commit]);
    drop(warehouse.begin(TransactionOptions::default()).await.unwrap());
    assert_eq!(warehouse.calls().last(), Some(&Rollback));
}

#[tokio::test]
async fn tables_are_listed_and_described() {
    let (warehouse, table) = orders();
    warehouse.add_table(
        TableRef::new("other").with_schema("x"),
        &Schema::new(vec![Field::new("d", DataType::Date32, false)]),
    );
    let filter = TableFilter::default().with_schema("sales").with_name_like("ord%");
    assert_eq!(warehouse.tables(filter).try_collect::<Vec<_>>().await.unwrap(), std::slice::from_ref(&table));
    let info = warehouse.table(&table).await.unwrap();
    assert_eq!(info.columns.iter().map(|c| c.native_type.as_str()).collect::<Vec<_>>(), ["BIGINT", "STRING"]);
}

#[tokio::test]
async fn nothing_works_after_close() {
    let warehouse = ScriptedWarehouse::new();
    warehouse.always(Sql::any(), Reply::hang());
    let handle = warehouse.submit("endless".into()).await.unwrap();
    warehouse.close().await.unwrap();
    assert_eq!(handle.ready().await.unwrap_err().kind(), ErrorKind::Cancelled);
    let error = warehouse.submit("again".into()).await.unwrap_err();
    assert!(!error.is_retryable(), "{error:?}");
}
