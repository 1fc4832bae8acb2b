use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use futures::FutureExt as _;
use tokio::sync::Barrier;
use twinhouse_core::{Effect, ErrorKind};
use twinhouse_redshift::lock_tables;
use twinhouse_warehouse_api::{
    Isolation, StatementRequest, Transaction as _, TransactionOptions, Warehouse as _, WarehouseExt as _,
};

use super::support::{failed, one, read, rows, table, warehouse, warehouse_of};

#[tokio::test]
async fn isolation_is_the_databases_and_another_is_refused_by_name() {
    let warehouse = warehouse().await;
    let serializable = TransactionOptions::default().with_isolation(Isolation::Serializable);
    warehouse.begin(serializable).await.expect("the database's own").rollback().await.expect("a rollback");
    let snapshot = TransactionOptions::default().with_isolation(Isolation::Snapshot);
    let error = failed(warehouse.begin(snapshot).await);
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        (error.context("wanted"), error.context("database isolation")),
        (Some("snapshot"), Some("Serializable"))
    );
}

#[tokio::test]
async fn a_read_only_transaction_writes_nothing() {
    let warehouse = warehouse().await;
    let table = table(&warehouse, "a int").await;
    let mut open = warehouse.begin(TransactionOptions::default().with_read_only(true)).await.expect("a transaction");
    let error = failed(open.execute(format!("insert into {table} values (1)").into()).await);
    assert_eq!((error.kind(), error.fault().effect), (ErrorKind::InvalidInput, Effect::None), "{error:?}");
    open.rollback().await.expect("a rollback");
}

#[tokio::test]
async fn one_that_is_dropped_is_rolled_back_and_its_session_is_clean() {
    let warehouse = warehouse_of(1).await;
    let table = table(&warehouse, "a int").await;
    let mut open = warehouse.begin_transaction(TransactionOptions::default()).await.expect("a transaction");
    open.execute(format!("insert into {table} values (1)").into()).await.expect("a row");
    drop(open);
    assert_eq!(one(&warehouse, &format!("select count(*) from {table}")).await, "0");
    warehouse.execute(format!("drop table {table}")).await.expect("no lock is left");
}

/// aws/aws-sdk-pandas#665, #1443: conflicts are repeated as a whole, with an end to it.
#[tokio::test]
async fn a_conflict_runs_the_whole_again_and_nothing_else_does() {
    let warehouse = warehouse().await;
    let (one_table, two_table) = (table(&warehouse, "a int").await, table(&warehouse, "a int").await);
    let barrier = Arc::new(Barrier::new(2));
    let runs = Arc::new(AtomicU32::new(0));
    // Each reads what the other writes: they cannot be put one after the other.
    let work = |reads: String, writes: String| {
        let (warehouse, barrier, runs) = (warehouse.clone(), barrier.clone(), runs.clone());
        async move {
            let mut first = true;
            warehouse
                .in_transaction(TransactionOptions::default(), move |open| {
                    let (reads, writes) = (reads.clone(), writes.clone());
                    let barrier = std::mem::take(&mut first).then(|| barrier.clone());
                    runs.fetch_add(1, Ordering::SeqCst);
                    async move {
                        let mut seen = open.query(format!("select a from {reads}").as_str().into()).await?;
                        while let Some(batch) = futures::StreamExt::next(&mut seen).await {
                            batch?;
                        }
                        drop(seen);
                        if let Some(barrier) = barrier {
                            barrier.wait().await;
                        }
                        open.execute(StatementRequest::write(format!("insert into {writes} values (1)"))).await
                    }
                    .boxed()
                })
                .await
        }
    };
    let (left, right) =
        tokio::join!(work(one_table.clone(), two_table.clone()), work(two_table.clone(), one_table.clone()));
    assert_eq!((left.expect("one"), right.expect("the other")), (1, 1));
    assert_eq!(runs.load(Ordering::SeqCst), 3, "two at first, and one again");
    for table in [one_table, two_table] {
        assert_eq!(one(&warehouse, &format!("select count(*) from {table}")).await, "1");
    }

    let runs = AtomicU32::new(0);
    let error = failed(
        warehouse
            .in_transaction(TransactionOptions::default(), |open| {
                runs.fetch_add(1, Ordering::SeqCst);
                async move { open.execute("select nonsense".into()).await }.boxed()
            })
            .await,
    );
    assert_eq!((error.kind(), runs.load(Ordering::SeqCst)), (ErrorKind::NotFound, 1));
}

#[tokio::test]
async fn locked_tables_make_writers_wait_instead_of_failing() {
    let warehouse = warehouse().await;
    let table = table(&warehouse, "n int").await;
    warehouse.execute(format!("insert into {table} values (0)")).await.expect("a row");
    let lock = lock_tables(&[table.parse().expect("a name")]).expect("a lock");
    let count = || async {
        let mut open = warehouse.begin(TransactionOptions::default()).await?;
        open.execute(lock.clone()).await?;
        open.execute(StatementRequest::write(format!("update {table} set n = n + 1"))).await?;
        open.commit().await
    };
    for done in futures::future::join_all((0..6).map(|_| count())).await {
        done.expect("nobody fails");
    }
    assert_eq!(one(&warehouse, &format!("select n from {table}")).await, "6");
}

#[tokio::test]
async fn what_has_no_place_in_a_transaction_is_refused_and_does_not_spoil_it() {
    let warehouse = warehouse().await;
    let table = table(&warehouse, "a varchar(10)").await;
    let mut open = warehouse.begin(TransactionOptions::default()).await.expect("a transaction");
    open.execute(format!("insert into {table} values ('x')").into()).await.expect("a row");
    for sql in [
        "savepoint a".to_owned(),
        "vacuum".to_owned(),
        // It would commit what stands before it.
        format!("truncate {table}"),
        format!("alter table {table} alter column a type varchar(20)"),
        "commit".to_owned(),
    ] {
        assert_eq!(failed(open.execute(sql.as_str().into()).await).kind(), ErrorKind::Unsupported, "{sql}");
    }
    open.commit().await.expect("a commit");
    assert_eq!(rows(&warehouse, format!("select * from {table}").as_str()).await, [["x"]]);
    warehouse.execute(format!("truncate {table}")).await.expect("alone it may");
}

#[tokio::test]
async fn a_statement_that_failed_leaves_only_the_rollback() {
    let warehouse = warehouse().await;
    let mut open = warehouse.begin_transaction(TransactionOptions::default()).await.expect("a transaction");
    failed(read(open.query("select nonsense".into()).await).await);
    let error = failed(open.execute("select 1".into()).await);
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::InvalidInput, Some("25P02")));
    let error = failed(Box::new(open).commit().await);
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "it was rolled back, and says so");
}
