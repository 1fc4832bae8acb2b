//! Several statements, all or nothing.

use arrow::datatypes::{DataType, Field};
use futures::TryStreamExt as _;
use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::{StatementRequest, TableRef, TransactionOptions, Warehouse as _, WarehouseExt as _};

use super::{
    case::{CaseResult, Failure, assert_rows, refused},
    cell::{Cell, cells},
    context::Context,
};

/// A table of one row: `(1, 0)`.
async fn counter(cx: &Context<'_>) -> Result<(TableRef, String), Failure> {
    let fields = [Field::new("id", DataType::Int64, false), Field::new("n", DataType::Int64, false)];
    let table = cx.create("counter", &fields).await?;
    cx.insert(&table, &[vec![1_i64.into(), 0_i64.into()]]).await?;
    let name = cx.name(&table)?;
    Ok((table, name))
}

fn pair(id: i64, n: i64) -> Vec<Cell> {
    vec![id.into(), n.into()]
}

pub(super) async fn a_commit_keeps_everything(cx: &Context<'_>) -> CaseResult {
    let (table, t) = counter(cx).await?;
    let mut transaction = cx.warehouse().begin(TransactionOptions::default()).await?;
    assert_eq!(transaction.execute(StatementRequest::write(format!("insert into {t} values (2, 5)"))).await?, 1);
    let update = StatementRequest::write(format!("update {t} set n = n + :more")).bind("more", 1_i64);
    assert_eq!(transaction.execute(update).await?, 2);
    transaction.commit().await?;
    assert_rows(&cx.read(&table, "id").await?, &[pair(1, 1), pair(2, 6)]);
    Ok(())
}

pub(super) async fn a_rollback_undoes_everything(cx: &Context<'_>) -> CaseResult {
    let (table, t) = counter(cx).await?;
    let mut transaction = cx.warehouse().begin(TransactionOptions::default()).await?;
    transaction.execute(StatementRequest::write(format!("insert into {t} values (2, 5)"))).await?;
    transaction.execute(StatementRequest::write(format!("delete from {t} where id = 1"))).await?;
    transaction.rollback().await?;
    assert_rows(&cx.read(&table, "id").await?, &[pair(1, 0)]);
    Ok(())
}

pub(super) async fn a_dropped_transaction_is_rolled_back(cx: &Context<'_>) -> CaseResult {
    let (table, t) = counter(cx).await?;
    let mut transaction = cx.warehouse().begin(TransactionOptions::default()).await?;
    transaction.execute(StatementRequest::write(format!("update {t} set n = 99"))).await?;
    drop(transaction);
    // Had it stayed open, this would wait for its lock.
    cx.execute(format!("update {t} set n = n + 1")).await?;
    assert_rows(&cx.read(&table, "id").await?, &[pair(1, 1)]);
    Ok(())
}

pub(super) async fn a_transaction_reads_what_it_wrote(cx: &Context<'_>) -> CaseResult {
    let (table, t) = counter(cx).await?;
    let mut transaction = cx.warehouse().begin(TransactionOptions::default()).await?;
    transaction.execute(StatementRequest::write(format!("insert into {t} values (2, 5)"))).await?;
    let inside = transaction.query(StatementRequest::read(format!("select id, n from {t} order by id"))).await?;
    assert_rows(&cells(&inside.collect_batches().await?), &[pair(1, 0), pair(2, 5)]);
    // Nobody else sees it yet.
    assert_rows(&cx.read(&table, "id").await?, &[pair(1, 0)]);
    transaction.commit().await?;
    assert_rows(&cx.read(&table, "id").await?, &[pair(1, 0), pair(2, 5)]);
    Ok(())
}

pub(super) async fn an_error_inside_undoes_everything(cx: &Context<'_>) -> CaseResult {
    let (table, t) = counter(cx).await?;
    let mut transaction = cx.warehouse().begin(TransactionOptions::default()).await?;
    transaction.execute(StatementRequest::write(format!("update {t} set n = 99"))).await?;
    let error =
        refused(transaction.execute(StatementRequest::write(format!("update {t} set no_such_column = 1"))).await);
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    // The transaction is broken: it neither goes on nor commits.
    refused(transaction.execute(StatementRequest::write(format!("update {t} set n = 100"))).await);
    refused(transaction.commit().await);
    assert_rows(&cx.read(&table, "id").await?, &[pair(1, 0)]);
    Ok(())
}

pub(super) async fn a_parameter_error_leaves_the_transaction_whole(cx: &Context<'_>) -> CaseResult {
    let (table, t) = counter(cx).await?;
    let mut transaction = cx.warehouse().begin(TransactionOptions::default()).await?;
    transaction.execute(StatementRequest::write(format!("update {t} set n = 1"))).await?;
    let error = refused(transaction.execute(StatementRequest::write(format!("update {t} set n = :missing"))).await);
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    transaction.commit().await?;
    assert_rows(&cx.read(&table, "id").await?, &[pair(1, 1)]);
    Ok(())
}

pub(super) async fn a_read_only_transaction_refuses_writes(cx: &Context<'_>) -> CaseResult {
    let (table, t) = counter(cx).await?;
    let mut transaction = cx.warehouse().begin(TransactionOptions::default().with_read_only(true)).await?;
    let rows = transaction.query(StatementRequest::read(format!("select id, n from {t}"))).await?;
    assert_rows(&cells(&rows.collect_batches().await?), &[pair(1, 0)]);
    refused(transaction.execute(StatementRequest::write(format!("update {t} set n = 1"))).await);
    transaction.rollback().await?;
    assert_rows(&cx.read(&table, "id").await?, &[pair(1, 0)]);
    Ok(())
}

pub(super) async fn the_closure_commits_what_it_did(cx: &Context<'_>) -> CaseResult {
    let (table, t) = counter(cx).await?;
    let answer = cx
        .warehouse()
        .in_transaction(TransactionOptions::default(), |transaction| {
            let sql = format!("update {t} set n = 7");
            Box::pin(async move { transaction.execute(StatementRequest::write(sql)).await })
        })
        .await?;
    assert_eq!(answer, 1);
    assert_rows(&cx.read(&table, "id").await?, &[pair(1, 7)]);
    Ok(())
}

pub(super) async fn the_closure_that_fails_leaves_nothing(cx: &Context<'_>) -> CaseResult {
    let (table, t) = counter(cx).await?;
    let outcome: twinhouse_core::Result<()> = cx
        .warehouse()
        .in_transaction(TransactionOptions::default(), |transaction| {
            let sql = format!("update {t} set n = 7");
            Box::pin(async move {
                transaction.execute(StatementRequest::write(sql)).await?;
                Err(twinhouse_core::Error::new(ErrorKind::InvalidInput, "changed my mind"))
            })
        })
        .await;
    assert_eq!(refused(outcome).message(), "changed my mind");
    assert_rows(&cx.read(&table, "id").await?, &[pair(1, 0)]);
    Ok(())
}

/// Reads the counter and writes it back larger: right only if nobody came in between.
async fn increment(cx: &Context<'_>, t: &str) -> twinhouse_core::Result<()> {
    let options = TransactionOptions::default().with_max_attempts(20);
    cx.warehouse()
        .in_transaction(options, |transaction| {
            let read = StatementRequest::read(format!("select n from {t} where id = 1"));
            let write = format!("update {t} set n = :n where id = 1");
            Box::pin(async move {
                let batches: Vec<_> = transaction.query(read).await?.try_collect().await?;
                let n = match cells(&batches).concat().as_slice() {
                    [Cell::Int(n)] => *n,
                    other => panic!("wanted one number, got {other:?}"),
                };
                transaction.execute(StatementRequest::write(write).bind("n", n + 1)).await?;
                Ok(())
            })
        })
        .await
}

pub(super) async fn concurrent_increments_all_count(cx: &Context<'_>) -> CaseResult {
    let (table, t) = counter(cx).await?;
    futures::future::try_join_all((0..4).map(|_| increment(cx, &t))).await?;
    assert_rows(&cx.read(&table, "id").await?, &[pair(1, 4)]);
    Ok(())
}

pub(super) async fn a_conflict_says_that_the_whole_may_be_tried_again(cx: &Context<'_>) -> CaseResult {
    let (table, t) = counter(cx).await?;
    let read = || StatementRequest::read(format!("select n from {t} where id = 1"));
    let mut late = cx.warehouse().begin(TransactionOptions::default()).await?;
    late.query(read()).await?.collect_batches().await?;
    // Somebody else changes the row that was read.
    cx.execute(format!("update {t} set n = n + 10")).await?;
    let outcome = match late.execute(StatementRequest::write(format!("update {t} set n = n + 1"))).await {
        Ok(_) => late.commit().await,
        Err(error) => late.rollback().await.and(Err(error)),
    };
    let error = refused(outcome);
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert!(error.is_retryable(), "{error:?}");
    assert_rows(&cx.read(&table, "id").await?, &[pair(1, 10)]);
    Ok(())
}

pub(super) async fn tables_made_inside_go_with_the_rollback(cx: &Context<'_>) -> CaseResult {
    let table = cx.unique("inside");
    let t = cx.name(&table)?;
    let mut transaction = cx.warehouse().begin(TransactionOptions::default()).await?;
    transaction.execute(StatementRequest::write(format!("create table {t} (id int)"))).await?;
    transaction.execute(StatementRequest::write(format!("insert into {t} values (1)"))).await?;
    transaction.rollback().await?;
    assert_eq!(refused(cx.warehouse().table(&table).await).kind(), ErrorKind::NotFound);
    Ok(())
}
