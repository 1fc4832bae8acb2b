use std::num::NonZeroU32;

use futures::StreamExt as _;
use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::{StatementRequest, Transaction as _, TransactionOptions, WarehouseExt as _};

use super::support::{failed, one, read, rows, table, texts, warehouse, warehouse_of};

fn pages_of(rows: u32) -> NonZeroU32 {
    NonZeroU32::new(rows).expect("not zero")
}

#[tokio::test]
async fn pages_come_one_by_one_until_all_rows_are_there() {
    let warehouse = warehouse_of(1).await;
    for (rows, size) in [(0, 10), (1, 10), (10, 10), (25, 10), (3000, 1000)] {
        let sql = format!("select g as n, 'row ' || g as t from generate_series(1, {rows}) g");
        let stream = warehouse.cursor(sql.as_str(), pages_of(size)).await.expect("a cursor");
        assert_eq!(stream.schema().fields().len(), 2);
        let batches = stream.collect_batches().await.expect("rows");
        assert!(batches.iter().all(|batch| batch.num_rows() <= size as usize));
        let all = texts(&batches);
        assert_eq!(all.len(), rows);
        assert!(all.last().is_none_or(|last| *last == [rows.to_string(), format!("row {rows}")]));
    }
    assert_eq!(one(&warehouse, "select count(*) from pg_cursors where name = 'twinhouse_cursor'").await, "0");
}

#[tokio::test]
async fn values_are_bound_and_mistakes_are_placed_in_the_query() {
    let warehouse = warehouse().await;
    let request = StatementRequest::read("select :text as t, :n + 1 as n").bind("text", "it's \\").bind("n", 41);
    assert_eq!(read(warehouse.cursor(request, pages_of(5)).await).await.expect("rows"), [["it's \\", "42"]]);
    let error = failed(warehouse.cursor("select 1,\n nonsense", pages_of(5)).await);
    assert_eq!((error.kind(), error.context("position")), (ErrorKind::NotFound, Some("line 2, column 2")), "{error:?}");
    assert_eq!(failed(warehouse.cursor("delete from t", pages_of(5)).await).kind(), ErrorKind::InvalidInput);
}

/// Only one cursor is open in a session on Redshift.
#[tokio::test]
async fn a_second_cursor_is_refused_before_it_is_sent_and_the_first_goes_on() {
    let warehouse = warehouse().await;
    let mut open = warehouse.begin_transaction(TransactionOptions::default()).await.expect("a transaction");
    let sql = "select * from generate_series(1, 10)";
    let mut first = open.cursor(sql.into(), pages_of(4)).await.expect("a cursor");
    assert_eq!(first.next().await.expect("a page").expect("rows").num_rows(), 4);
    // The page is read to its end by the next look; between pages the session is free.
    assert_eq!(first.next().await.expect("a page").expect("rows").num_rows(), 4);
    for attempt in [
        open.cursor(sql.into(), pages_of(4)).await.map(drop),
        open.execute("declare c cursor for select 1".into()).await.map(drop),
    ] {
        let error = failed(attempt);
        assert!(matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput), "{error:?}");
    }
    assert_eq!(first.next().await.expect("a page").expect("rows").num_rows(), 2);
    assert!(first.next().await.is_none());
    drop(first);
    let second = open.cursor(sql.into(), pages_of(100)).await.expect("the first is closed");
    assert_eq!(texts(&second.collect_batches().await.expect("rows")).len(), 10);
    Box::new(open).commit().await.expect("a commit");
}

#[tokio::test]
async fn one_that_is_dropped_is_closed_on_the_server() {
    let warehouse = warehouse_of(1).await;
    let table = table(&warehouse, "a int").await;
    warehouse.execute(format!("insert into {table} select * from generate_series(1, 50)")).await.expect("rows");
    let mut stream = warehouse.cursor(format!("select a from {table}").as_str(), pages_of(10)).await.expect("a cursor");
    stream.next().await.expect("a page").expect("rows");
    drop(stream);
    // Its transaction is over: the lock is gone, and the only connection is free.
    warehouse.execute(format!("drop table {table}")).await.expect("no lock is left");
    assert_eq!(rows(&warehouse, "select name from pg_cursors where name = 'twinhouse_cursor'").await.len(), 0);
}

/// r-dbi/RPostgres#148, brianc/node-pg-cursor#55: no DECLARE through prepared statements, no portals that pause.
#[tokio::test]
async fn statements_go_between_two_pages() {
    let warehouse = warehouse().await;
    let mut open = warehouse.begin_transaction(TransactionOptions::default()).await.expect("a transaction");
    let mut stream = open.cursor("select * from generate_series(1, 6)".into(), pages_of(2)).await.expect("a cursor");
    let mut seen = 0;
    while let Some(batch) = stream.next().await {
        seen += batch.expect("rows").num_rows();
    }
    assert_eq!(seen, 6);
    drop(stream);
    assert_eq!(read(open.query("select 1".into()).await).await.expect("rows"), [["1"]]);
    Box::new(open).commit().await.expect("a commit");
}

#[tokio::test]
async fn numbers_keep_one_type_from_page_to_page() {
    let warehouse = warehouse().await;
    // No stated precision here: the first page decides, and the others keep to it.
    let sql = "select g * 1.5 as n from generate_series(1, 9) g";
    let batches = warehouse.cursor(sql, pages_of(4)).await.expect("a cursor").collect_batches().await.expect("rows");
    assert!(batches.iter().all(|batch| batch.schema() == batches[0].schema()));
    assert_eq!(texts(&batches)[8], ["13.5"]);
    let error = failed(warehouse.cursor("select 0.1::real as r", pages_of(4)).await);
    assert_eq!((error.kind(), error.context("column")), (ErrorKind::Unsupported, Some("r")));
}
