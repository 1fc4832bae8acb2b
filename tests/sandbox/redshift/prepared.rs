use twinhouse_core::ErrorKind;
use twinhouse_redshift::ParameterType;
use twinhouse_warehouse_api::{Params, Transaction as _, TransactionOptions, WarehouseExt as _};

use super::support::{failed, one, read, rows, table, warehouse, warehouse_of};

fn row(id: i32, name: &str) -> Params {
    Params::new().bind("id", id).bind("name", name)
}

#[tokio::test]
async fn prepared_once_it_runs_on_every_connection() {
    let warehouse = warehouse_of(3).await;
    let table = table(&warehouse, "id bigint, name varchar(20)").await;
    let types = [("id", ParameterType::BigInt)];
    let insert =
        warehouse.prepare(&format!("insert into {table} values (:id, :name)"), &types).await.expect("prepared");
    assert_eq!(insert.parameters().collect::<Vec<_>>(), ["id", "name"]);
    assert!(insert.schema().is_none());
    for done in futures::future::join_all((0..20).map(|id| insert.execute(row(id, "x")))).await {
        assert_eq!(done.expect("a row"), 1);
    }
    let select =
        warehouse.prepare(&format!("select id, name from {table} where id = :id"), &[]).await.expect("prepared");
    assert_eq!(select.schema().expect("columns").field(0).data_type().to_string(), "Int64");
    assert_eq!(read(select.query(Params::new().bind("id", 7_i64)).await).await.expect("a row"), [["7", "x"]]);
    assert_eq!(read(select.query(Params::new().bind("id", None::<i64>)).await).await.expect("none").len(), 0);
    assert_eq!(one(&warehouse, &format!("select count(*) from {table}")).await, "20");
}

/// Redshift drops or distrusts prepared statements after DDL and rollbacks.
#[tokio::test]
async fn it_survives_changes_of_its_table_and_rollbacks() {
    let warehouse = warehouse_of(1).await;
    let table = table(&warehouse, "a int").await;
    warehouse.execute(format!("insert into {table} values (1)")).await.expect("a row");
    let select = warehouse.prepare(&format!("select * from {table}"), &[]).await.expect("prepared");
    assert_eq!(read(select.query(Params::new()).await).await.expect("a row"), [["1"]]);
    // By ourselves, on the same session.
    warehouse.execute(format!("alter table {table} add column b varchar(5) default 'new'")).await.expect("a column");
    assert_eq!(read(select.query(Params::new()).await).await.expect("a row"), [["1", "new"]]);
    // By somebody else: only the server knows.
    let other = self::warehouse().await;
    other.execute(format!("alter table {table} add column c int")).await.expect("a column");
    assert_eq!(read(select.query(Params::new()).await).await.expect("a row"), [["1", "new", "NULL"]]);
    let open = warehouse.begin_transaction(TransactionOptions::default()).await.expect("a transaction");
    Box::new(open).rollback().await.expect("a rollback");
    assert_eq!(read(select.query(Params::new()).await).await.expect("a row").len(), 1);
}

#[tokio::test]
async fn it_survives_a_connection_that_is_lost() {
    let warehouse = warehouse_of(1).await;
    let select = warehouse.prepare("select cast(:a as int) + 1", &[]).await.expect("prepared");
    let pid = one(&warehouse, "select pg_backend_pid()").await;
    let other = self::warehouse().await;
    rows(&other, format!("select pg_terminate_backend({pid})").as_str()).await;
    assert_eq!(read(select.query(Params::new().bind("a", 1)).await).await.expect("a row"), [["2"]]);
}

#[tokio::test]
async fn a_batch_is_all_or_nothing_with_a_count_for_each_set() {
    let warehouse = warehouse().await;
    let table = table(&warehouse, "id int, name varchar(5)").await;
    let insert = warehouse.prepare(&format!("insert into {table} values (:id, :name)"), &[]).await.expect("prepared");
    let counts = insert.execute_batch((0..1000).map(|id| row(id, "x"))).await.expect("a batch");
    assert_eq!((counts.len(), counts.iter().sum::<u64>()), (1000, 1000));
    let sets = (0..700).map(|id| row(id, if id == 555 { "too long" } else { "y" }));
    let error = failed(insert.execute_batch(sets).await);
    assert_eq!((error.kind(), error.context("set")), (ErrorKind::Data, Some("556")), "{error:?}");
    assert_eq!(one(&warehouse, &format!("select count(*) from {table} where name = 'y'")).await, "0");
    let update = format!("update {table} set name = 'z' where id < :n");
    let update = warehouse.prepare(&update, &[]).await.expect("prepared");
    let counts = update.execute_batch([0, 3, 10].map(|n| Params::new().bind("n", n))).await.expect("a batch");
    assert_eq!(counts, [0, 3, 10]);
    // Nulls and values of other types among the sets.
    let mixed = [Params::new().bind("n", 1), Params::new().bind("n", None::<i32>), Params::new().bind("n", 2_i64)];
    assert_eq!(update.execute_batch(mixed).await.expect("a batch"), [1, 0, 2]);
}

#[tokio::test]
async fn in_a_transaction_it_is_part_of_it() {
    let warehouse = warehouse().await;
    let table = table(&warehouse, "id int, name varchar(5)").await;
    let insert = warehouse.prepare(&format!("insert into {table} values (:id, :name)"), &[]).await.expect("prepared");
    let mut open = warehouse.begin_transaction(TransactionOptions::default()).await.expect("a transaction");
    for id in 0..3 {
        assert_eq!(open.execute_prepared(&insert, row(id, "x")).await.expect("a row"), 1);
    }
    Box::new(open).rollback().await.expect("a rollback");
    assert_eq!(one(&warehouse, &format!("select count(*) from {table}")).await, "0");
}

#[tokio::test]
async fn mistakes_show_when_it_is_prepared() {
    let warehouse = warehouse().await;
    let error = failed(warehouse.prepare("select nonsense, :a", &[]).await);
    assert_eq!((error.kind(), error.context("position")), (ErrorKind::NotFound, Some("line 1, column 8")), "{error:?}");
    assert_eq!(failed(warehouse.prepare("vacuum", &[]).await).kind(), ErrorKind::Unsupported);
    let select = warehouse.prepare("select 1", &[]).await.expect("prepared");
    assert_eq!(failed(select.execute_batch([Params::new()]).await).kind(), ErrorKind::InvalidInput);
    select.deallocate();
}

#[tokio::test]
async fn what_is_let_go_does_not_stay_on_the_server() {
    let warehouse = warehouse_of(1).await;
    for _ in 0..5 {
        let select = warehouse.prepare("select :a::int", &[]).await.expect("prepared");
        read(select.query(Params::new().bind("a", 1)).await).await.expect("a row");
        select.deallocate();
    }
    let kept = one(&warehouse, "select count(*) from pg_prepared_statements where name like 'twinhouse_%'").await;
    assert!(kept.parse::<u32>().expect("a number") <= 1, "{kept}");
}
