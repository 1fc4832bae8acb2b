//! Loads happen exactly once.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use futures::{FutureExt as _, StreamExt as _, stream};
use twinhouse_core::{Error, ErrorKind};
use twinhouse_warehouse_api::{BatchStream, BulkReport, LoadRequest, LoadToken, Progress, TableRef, Warehouse as _};

use super::{
    case::{CaseResult, Failure, assert_rows, refused},
    cell::Cell,
    context::{Context, empty_stream, stream as batches},
};

pub(super) fn fields() -> Vec<Field> {
    vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, true)]
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(fields()))
}

/// Rows `(id, "row id")`.
pub(super) fn batch(ids: impl IntoIterator<Item = i64>) -> Result<RecordBatch, Failure> {
    let ids: Vec<i64> = ids.into_iter().collect();
    let names = StringArray::from_iter_values(ids.iter().map(|id| format!("row {id}")));
    Ok(RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(ids)), Arc::new(names)])?)
}

pub(super) fn rows(ids: impl IntoIterator<Item = i64>) -> Vec<Vec<Cell>> {
    ids.into_iter().map(|id| vec![id.into(), format!("row {id}").into()]).collect()
}

pub(super) async fn rows_arrive(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("plain", &fields()).await?;
    let report = cx.load(&table, vec![batch(0..3)?, batch(3..5)?], cx.token("plain")?).await?;
    assert_eq!((report.rows, report.replayed), (5, false));
    assert!(report.files >= 1 && report.bytes > 0, "{report:?}");
    assert_rows(&cx.read(&table, "id").await?, &rows(0..5));
    Ok(())
}

pub(super) async fn rows_are_added_to_those_there(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("added", &fields()).await?;
    cx.insert(&table, &[vec![100_i64.into(), "row 100".into()]]).await?;
    for ids in [0..2, 2..4] {
        cx.load(&table, vec![batch(ids)?], cx.token("added")?).await?;
    }
    assert_rows(&cx.read(&table, "id").await?, &rows((0..4).chain([100])));
    Ok(())
}

pub(super) async fn the_same_token_changes_nothing(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("replay", &fields()).await?;
    let token = cx.token("replay")?;
    cx.load(&table, vec![batch(0..5)?], token.clone()).await?;
    for _ in 0..2 {
        let report = cx.load(&table, vec![batch(0..5)?], token.clone()).await?;
        assert_eq!((report.rows, report.replayed), (0, true));
    }
    assert_rows(&cx.read(&table, "id").await?, &rows(0..5));
    Ok(())
}

pub(super) async fn the_same_token_changes_nothing_with_other_rows(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("replay", &fields()).await?;
    let token = cx.token("replay")?;
    cx.load(&table, vec![batch(0..5)?], token.clone()).await?;
    // More rows and more batches than before: the token names the load, whatever comes under it.
    let report = cx.load(&table, vec![batch(50..60)?, batch(60..99)?], token).await?;
    assert_eq!((report.rows, report.replayed), (0, true));
    assert_rows(&cx.read(&table, "id").await?, &rows(0..5));
    Ok(())
}

pub(super) async fn a_new_connection_knows_old_tokens(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("replay", &fields()).await?;
    let token = cx.token("replay")?;
    cx.load(&table, vec![batch(0..5)?], token.clone()).await?;
    let other = cx.fixture().warehouse().await?;
    let report = other.load(LoadRequest::append(table.clone(), batches(vec![batch(0..5)?])?, token)).await?;
    other.close().await?;
    assert!(report.replayed);
    assert_rows(&cx.read(&table, "id").await?, &rows(0..5));
    Ok(())
}

pub(super) async fn one_token_at_the_same_time_twice(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("race", &fields()).await?;
    let token = cx.token("race")?;
    let load = || async { cx.load(&table, vec![batch(0..50)?], token.clone()).await.map_err(Failure::from) };
    let (first, second) = futures::join!(load(), load());
    // One of the two may be turned away; then it is told that it may try again.
    let done = [first, second].into_iter().filter_map(Result::ok).collect::<Vec<_>>();
    assert!(!done.is_empty(), "both loads failed");
    assert!(done.iter().filter(|report| !report.replayed).count() <= 1, "{done:?}");
    assert!(load().await?.replayed, "a third load must find it done");
    assert_rows(&cx.read(&table, "id").await?, &rows(0..50));
    Ok(())
}

pub(super) async fn other_tokens_at_the_same_time_all_count(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("parallel", &fields()).await?;
    let loads = (0..4_i64).map(|n| {
        let table = &table;
        async move {
            let token = cx.token("parallel")?;
            // A conflict with another writer changes nothing and may be tried again, with the same token.
            for _ in 0..20 {
                match cx.load(table, vec![batch(n * 10..n * 10 + 10)?], token.clone()).await {
                    Err(error) if error.kind() == ErrorKind::Conflict => {}
                    other => return Ok::<BulkReport, Failure>(other?),
                }
            }
            panic!("a load never got through");
        }
    });
    let reports = futures::future::try_join_all(loads).await?;
    assert!(reports.iter().all(|report| report.rows == 10), "{reports:?}");
    assert_rows(&cx.read(&table, "id").await?, &rows(0..40));
    Ok(())
}

pub(super) async fn a_token_is_known_per_table(cx: &Context<'_>) -> CaseResult {
    let token = cx.token("tables")?;
    for stem in ["one", "two"] {
        let table = cx.create(stem, &fields()).await?;
        let report = cx.load(&table, vec![batch(0..2)?], token.clone()).await?;
        assert_eq!((report.rows, report.replayed), (2, false));
        assert_eq!(cx.count(&table).await?, 2);
    }
    Ok(())
}

pub(super) async fn nothing_to_load_is_a_load(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("nothing", &fields()).await?;
    let load = LoadRequest::append(table.clone(), empty_stream(&fields()), cx.token("nothing")?);
    assert_eq!(cx.warehouse().load(load).await?.rows, 0);
    let empty = RecordBatch::new_empty(schema());
    assert_eq!(cx.load(&table, vec![empty.clone(), batch(0..2)?, empty], cx.token("nothing")?).await?.rows, 2);
    assert_eq!(cx.count(&table).await?, 2);
    Ok(())
}

pub(super) async fn a_hundred_thousand_rows_in_several_files(cx: &Context<'_>) -> CaseResult {
    const ROWS: i64 = 100_000;
    let table = cx.create("big", &fields()).await?;
    let parts = (0..20).map(|n| batch(n * ROWS / 20..(n + 1) * ROWS / 20)).collect::<Result<Vec<_>, _>>()?;
    let seen = Arc::new(Mutex::new(Vec::<Progress>::new()));
    let note = seen.clone();
    let request = LoadRequest::append(table.clone(), batches(parts)?, cx.token("big")?)
        .with_target_file_bytes(128 * 1024)
        .with_progress(move |progress| note.lock().unwrap_or_else(PoisonError::into_inner).push(progress));
    let report = cx.warehouse().load(request).await?;
    assert_eq!(report.rows, ROWS as u64);
    assert!(report.files > 1, "{report:?}");

    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let grows = |a: &Progress, b: &Progress| a.rows <= b.rows && a.bytes <= b.bytes && a.files <= b.files;
    assert!(seen.windows(2).all(|pair| grows(&pair[0], &pair[1])), "progress went backwards: {seen:?}");
    let last = seen.last().copied().unwrap_or_default();
    assert_eq!((last.rows, last.files, last.bytes), (ROWS as u64, report.files, report.bytes));

    let t = cx.name(&table)?;
    let sql = format!("select count(*) as n, cast(sum(id) as bigint) as s, count(distinct name) as d from {t}");
    assert_rows(&cx.rows(sql).await?, &[vec![ROWS.into(), (ROWS * (ROWS - 1) / 2).into(), ROWS.into()]]);
    Ok(())
}

/// Rows that end in an error.
fn breaking(ids: i64, error: Error) -> Result<BatchStream, Failure> {
    let good = (0..ids / 100).map(|n| batch(n * 100..n * 100 + 100)).collect::<Result<Vec<_>, _>>()?;
    Ok(BatchStream::new(schema(), stream::iter(good.into_iter().map(Ok).chain([Err(error)]))))
}

pub(super) async fn rows_that_break_off_leave_nothing(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("broken", &fields()).await?;
    let token = cx.token("broken")?;
    let error = Error::new(ErrorKind::Data, "the source broke").with_context("source", "conformance");
    let request =
        LoadRequest::append(table.clone(), breaking(5_000, error)?, token.clone()).with_target_file_bytes(4_096);
    let error = refused(cx.warehouse().load(request).await);
    assert_eq!((error.kind(), error.context("source")), (ErrorKind::Data, Some("conformance")), "{error:?}");
    assert_eq!(cx.count(&table).await?, 0);

    // What is left of the first attempt in the staging place must not be loaded with the second.
    let report = cx.load(&table, vec![batch(0..10)?], token).await?;
    assert_eq!((report.rows, report.replayed), (10, false));
    assert_rows(&cx.read(&table, "id").await?, &rows(0..10));
    Ok(())
}

pub(super) async fn a_dropped_load_can_be_completed(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("dropped", &fields()).await?;
    let token = cx.token("dropped")?;
    // The source gives some rows, then nothing more, so that the drop falls into the middle for certain.
    let (reached, waits) = tokio::sync::oneshot::channel();
    let some = (0..30).map(|n| batch(n * 100..n * 100 + 100)).collect::<Result<Vec<_>, _>>()?;
    let stalls = async move {
        let _ = reached.send(());
        std::future::pending::<twinhouse_core::Result<RecordBatch>>().await
    };
    let rest = stream::once(stalls.boxed());
    let source = BatchStream::new(schema(), stream::iter(some.into_iter().map(Ok)).chain(rest));
    let request = LoadRequest::append(table.clone(), source, token.clone()).with_target_file_bytes(4_096);
    let warehouse = cx.warehouse().clone();
    let load = tokio::spawn(async move { warehouse.load(request).await });
    assert!(waits.await.is_ok(), "the load ended before its source did: {:?}", load.await);
    load.abort();
    assert_eq!(cx.count(&table).await?, 0);

    let report = cx.load(&table, vec![batch(0..10)?], token).await?;
    assert_eq!((report.rows, report.replayed), (10, false));
    assert_rows(&cx.read(&table, "id").await?, &rows(0..10));
    Ok(())
}

pub(super) async fn a_load_into_no_table_is_refused(cx: &Context<'_>) -> CaseResult {
    let table: TableRef = cx.unique("missing");
    let token: LoadToken = cx.token("missing")?;
    let error = refused(cx.load(&table, vec![batch(0..2)?], token.clone()).await);
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    // The token is not used up: once there is a table, the load can be done.
    cx.create_as(&table, &fields()).await?;
    assert_eq!(cx.load(&table, vec![batch(0..2)?], token).await?.rows, 2);
    Ok(())
}

pub(super) async fn a_hostile_name_is_loaded_into(cx: &Context<'_>) -> CaseResult {
    let fields = [Field::new("a'b", DataType::Int64, true), Field::new("a\"`b", DataType::Utf8, true)];
    let table = cx.create("a'b\"`--$$", &fields).await?;
    let columns: Vec<arrow::array::ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1])), Arc::new(StringArray::from(vec!["it's"]))];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), columns)?;
    cx.load(&table, vec![batch], cx.token("hostile")?).await?;
    assert_rows(&cx.read(&table, "a'b").await?, &[vec![1.into(), "it's".into()]]);
    Ok(())
}
