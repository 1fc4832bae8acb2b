//! What is no longer wanted stops, on the server too.

use std::time::Duration;

use futures::TryStreamExt as _;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    BatchStream, CallOptions, Canceller, OnDrop, StatementHandle, StatementRequest, Warehouse as _, WarehouseExt as _,
};

use super::{
    case::{CaseResult, assert_rows, refused},
    context::Context,
};

/// A statement that is at work on the server, and its marker.
async fn slow(cx: &Context<'_>, options: CallOptions) -> Result<(StatementHandle, String)> {
    let marker = cx.marker();
    let request = StatementRequest::read(cx.fixture().slow_query(&marker)).with_options(options);
    let handle = cx.warehouse().submit(request).await?;
    cx.expect_running(&marker).await;
    Ok((handle, marker))
}

/// The statement reads to its end in a task of its own.
fn read(handle: StatementHandle) -> tokio::task::JoinHandle<Result<Vec<arrow::array::RecordBatch>>> {
    tokio::spawn(async move { handle.stream().await?.collect_batches().await })
}

async fn error_of(reader: tokio::task::JoinHandle<Result<Vec<arrow::array::RecordBatch>>>) -> Error {
    match reader.await {
        Ok(outcome) => refused(outcome),
        Err(panic) => panic!("the reader panicked: {panic}"),
    }
}

pub(super) async fn a_dropped_handle_stops_the_server(cx: &Context<'_>) -> CaseResult {
    let (handle, marker) = slow(cx, CallOptions::default()).await?;
    drop(handle);
    cx.expect_stopped(&marker).await;
    Ok(())
}

pub(super) async fn a_dropped_wait_stops_the_server(cx: &Context<'_>) -> CaseResult {
    let (handle, marker) = slow(cx, CallOptions::default()).await?;
    let reader = read(handle);
    tokio::task::yield_now().await;
    reader.abort();
    cx.expect_stopped(&marker).await;
    Ok(())
}

pub(super) async fn a_dropped_stream_stops_the_server(cx: &Context<'_>) -> CaseResult {
    let marker = cx.marker();
    let sql = format!("/* {marker} */ {}", cx.fixture().rows_query(1_000_000));
    let mut stream: BatchStream = cx.warehouse().query(sql).await?;
    let first = stream.try_next().await?;
    assert!(first.is_some_and(|batch| batch.num_rows() > 0));
    drop(stream);
    cx.expect_stopped(&marker).await;
    // Whatever was left of the result must not come out of the next statement.
    assert_rows(&cx.rows("select 1 as one").await?, &[vec![1.into()]]);
    Ok(())
}

pub(super) async fn a_dropped_submission_stops_the_server(cx: &Context<'_>) -> CaseResult {
    let mut markers = Vec::new();
    // Nobody sees from outside how far a submission has come: it is dropped at several points.
    for yields in [0, 1, 2, 5, 20, 100] {
        let marker = cx.marker();
        let warehouse = cx.warehouse().clone();
        let request = StatementRequest::read(cx.fixture().slow_query(&marker));
        let submission = tokio::spawn(async move {
            let _handle = warehouse.submit(request).await;
            std::future::pending::<()>().await
        });
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        submission.abort();
        markers.push(marker);
    }
    // What was on its way arrives and is stopped then.
    tokio::time::sleep(Duration::from_millis(500)).await;
    for marker in &markers {
        cx.expect_stopped(marker).await;
    }
    assert_rows(&cx.rows("select 1 as one").await?, &[vec![1.into()]]);
    Ok(())
}

pub(super) async fn another_task_cancels(cx: &Context<'_>) -> CaseResult {
    let (handle, marker) = slow(cx, CallOptions::default()).await?;
    let canceller: Canceller = handle.canceller();
    let reader = read(handle);
    let cancelled = tokio::spawn(async move { canceller.cancel().await }).await;
    cancelled.unwrap_or_else(|panic| panic!("{panic}"))?;
    let error = error_of(reader).await;
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
    cx.expect_stopped(&marker).await;
    Ok(())
}

pub(super) async fn cancelling_twice_is_no_error(cx: &Context<'_>) -> CaseResult {
    let (handle, marker) = slow(cx, CallOptions::default()).await?;
    let canceller = handle.canceller();
    let reader = read(handle);
    canceller.cancel().await?;
    canceller.cancel().await?;
    assert_eq!(error_of(reader).await.kind(), ErrorKind::Cancelled);
    canceller.cancel().await?;
    cx.expect_stopped(&marker).await;
    Ok(())
}

pub(super) async fn cancelling_what_is_over_is_no_error(cx: &Context<'_>) -> CaseResult {
    let handle = cx.warehouse().submit("select 1 as one".into()).await?;
    let canceller = handle.canceller();
    assert_eq!(handle.stream().await?.collect_batches().await?.iter().map(|b| b.num_rows()).sum::<usize>(), 1);
    canceller.cancel().await?;
    // On a wire a late cancellation could hit whatever runs there next.
    for n in 0..5_i64 {
        assert_rows(&cx.rows(StatementRequest::read("select :n as n").bind("n", n)).await?, &[vec![n.into()]]);
    }
    Ok(())
}

pub(super) async fn a_call_that_runs_out_of_time_stops_the_server(cx: &Context<'_>) -> CaseResult {
    let marker = cx.marker();
    let options = CallOptions::default().with_timeout(Duration::from_millis(700));
    let request = StatementRequest::read(cx.fixture().slow_query(&marker)).with_options(options);
    let error = refused(cx.warehouse().query(request).await);
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    cx.expect_stopped(&marker).await;
    Ok(())
}

pub(super) async fn a_call_within_its_time_is_left_alone(cx: &Context<'_>) -> CaseResult {
    let options = CallOptions::default().with_timeout(Duration::from_secs(120)).with_label("conformance");
    let rows = cx.rows(StatementRequest::read("select 1 as one").with_options(options)).await?;
    assert_rows(&rows, &[vec![1.into()]]);
    Ok(())
}

pub(super) async fn a_detached_statement_goes_on(cx: &Context<'_>) -> CaseResult {
    let (handle, marker) = slow(cx, CallOptions::default().with_on_drop(OnDrop::Detach)).await?;
    let canceller = handle.canceller();
    drop(handle);
    // Other statements come and go meanwhile.
    for _ in 0..5 {
        cx.rows("select 1 as one").await?;
    }
    assert_ne!(cx.fixture().is_running(&marker).await, Some(false), "it was stopped although it was detached");
    canceller.cancel().await?;
    cx.expect_stopped(&marker).await;
    Ok(())
}

pub(super) async fn dropping_many_leaves_room_for_more(cx: &Context<'_>) -> CaseResult {
    let mut markers = Vec::new();
    for _ in 0..8 {
        let (handle, marker) = slow(cx, CallOptions::default()).await?;
        drop(handle);
        markers.push(marker);
    }
    for marker in &markers {
        cx.expect_stopped(marker).await;
    }
    assert_rows(&cx.rows("select 1 as one").await?, &[vec![1.into()]]);
    Ok(())
}
