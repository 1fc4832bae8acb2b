//! Finding statements again, closing, and what is printed on the way.

use futures::TryStreamExt as _;
use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::{StatementId, TableFilter, TransactionOptions, Warehouse as _, WarehouseExt as _};

use super::{
    case::{CaseResult, assert_rows, refused},
    cell::cells,
    context::Context,
};

pub(super) async fn a_statement_is_found_again(cx: &Context<'_>) -> CaseResult {
    let handle = cx.warehouse().submit("select 42 as answer".into()).await?;
    handle.ready().await?;
    let id = handle.detach();
    let other = cx.fixture().warehouse().await?;
    let found = other.attach(&id).await?;
    assert_eq!(found.id(), &id);
    let batches = found.stream().await?.collect_batches().await?;
    assert_rows(&cells(&batches), &[vec![42.into()]]);
    other.close().await?;
    Ok(())
}

pub(super) async fn an_attached_handle_stops_nothing_when_dropped(cx: &Context<'_>) -> CaseResult {
    let marker = cx.marker();
    let handle = cx.warehouse().submit(cx.fixture().slow_query(&marker).into()).await?;
    cx.expect_running(&marker).await;
    drop(cx.warehouse().attach(handle.id()).await?);
    for _ in 0..5 {
        cx.rows("select 1 as one").await?;
    }
    assert_ne!(cx.fixture().is_running(&marker).await, Some(false));
    // Somebody who found it may stop it all the same.
    cx.warehouse().attach(handle.id()).await?.canceller().cancel().await?;
    cx.expect_stopped(&marker).await;
    assert_eq!(refused(handle.ready().await).kind(), ErrorKind::Cancelled);
    Ok(())
}

pub(super) async fn an_unknown_statement_is_not_found(cx: &Context<'_>) -> CaseResult {
    let id = StatementId::new("01ef0000-0000-1000-8000-000000000000");
    let error = match cx.warehouse().attach(&id).await {
        Err(error) => error,
        Ok(handle) => refused(handle.ready().await),
    };
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    Ok(())
}

pub(super) async fn a_statement_says_where_it_stands(cx: &Context<'_>) -> CaseResult {
    let marker = cx.marker();
    let handle = cx.warehouse().submit(cx.fixture().slow_query(&marker).into()).await?;
    cx.expect_running(&marker).await;
    // A wire gives rows as they come: there the statement is ready while it runs.
    let status = handle.status().await?;
    assert!(!status.is_terminal(), "{status:?}");
    handle.canceller().cancel().await?;
    cx.expect_stopped(&marker).await;
    Ok(())
}

pub(super) async fn nothing_works_after_close(cx: &Context<'_>) -> CaseResult {
    let warehouse = cx.fixture().warehouse().await?;
    let table = cx.scratch().table("closed");
    warehouse.query("select 1 as one").await?.collect_batches().await?;
    warehouse.close().await?;
    refused(warehouse.query("select 1 as one").await);
    refused(warehouse.table(&table).await);
    refused(warehouse.tables(TableFilter::default()).try_collect::<Vec<_>>().await);
    refused(warehouse.begin(TransactionOptions::default()).await);
    // A second close has nothing left to do.
    warehouse.close().await?;
    Ok(())
}

pub(super) async fn close_stops_what_runs(cx: &Context<'_>) -> CaseResult {
    let warehouse = cx.fixture().warehouse().await?;
    let marker = cx.marker();
    let _handle = warehouse.submit(cx.fixture().slow_query(&marker).into()).await?;
    cx.expect_running(&marker).await;
    warehouse.close().await?;
    cx.expect_stopped(&marker).await;
    Ok(())
}

pub(super) async fn the_warehouse_says_who_it_is(cx: &Context<'_>) -> CaseResult {
    let info = cx.warehouse().info();
    assert!(!info.backend.is_empty() && !info.host.is_empty(), "{info:?}");
    assert!(!info.host.contains('@'), "the host carries credentials: {}", info.host);
    Ok(())
}

pub(super) async fn nothing_prints_a_secret(cx: &Context<'_>) -> CaseResult {
    let warehouse = cx.warehouse();
    let handle = warehouse.submit(cx.fixture().rows_query(10).into()).await?;
    let mut printed = format!("{warehouse:?} {:?} {:?} {handle:?}", warehouse.info(), handle.canceller());
    let mut stream = handle.stream().await?;
    stream.try_next().await?;
    printed += &format!("{stream:?}");
    let error = refused(cx.rows("select * from no_such_table_anywhere").await);
    printed += &format!("{error} {error:?} {}", twinhouse_core::Report(&error));
    for secret in cx.fixture().secrets() {
        assert!(!secret.is_empty() && !printed.contains(&secret), "a secret is printed");
    }
    Ok(())
}
