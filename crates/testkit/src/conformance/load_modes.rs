//! What a load does with the rows that are there: readers see the table before or after, never between.

use std::sync::Arc;

use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::{Field, Schema},
};
use futures::{join, stream};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    BatchStream, BulkReport, Expression, LoadMode, LoadRequest, LoadToken, TableRef, Warehouse as _,
};

use super::{
    case::{CaseResult, Failure, assert_rows, refused},
    context::{Context, empty_stream, stream as batches},
    load::{batch, fields, rows},
};

/// The error kinds of a new row that the predicate or the table does not take.
const OF_THE_ROWS: [ErrorKind; 3] = [ErrorKind::InvalidInput, ErrorKind::Constraint, ErrorKind::Data];

fn request(
    table: &TableRef,
    rows: Vec<RecordBatch>,
    token: &LoadToken,
    mode: &LoadMode,
) -> Result<LoadRequest, Failure> {
    Ok(LoadRequest::append(table.clone(), batches(rows)?, token.clone()).with_mode(mode.clone()))
}

async fn load(
    cx: &Context<'_>,
    table: &TableRef,
    rows: Vec<RecordBatch>,
    token: &LoadToken,
    mode: &LoadMode,
) -> Result<Result<BulkReport>, Failure> {
    Ok(cx.warehouse().load(request(table, rows, token, mode)?).await)
}

/// A table that holds these rows.
async fn filled(cx: &Context<'_>, stem: &str, ids: std::ops::Range<i64>) -> Result<TableRef, Failure> {
    let table = cx.create(stem, &fields()).await?;
    cx.load(&table, vec![batch(ids)?], cx.token(stem)?).await?;
    Ok(table)
}

async fn expect(cx: &Context<'_>, table: &TableRef, ids: impl IntoIterator<Item = i64>) -> CaseResult {
    assert_rows(&cx.read(table, "id").await?, &rows(ids));
    Ok(())
}

fn below(limit: i64) -> LoadMode {
    // In brackets of no one's making: an OR must not escape.
    LoadMode::ReplaceWhere(Expression::new("id < :limit or id < :limit - 1").bind("limit", limit))
}

pub(super) async fn an_overwrite_leaves_only_the_new_rows(cx: &Context<'_>) -> CaseResult {
    let table = filled(cx, "over", 0..10).await?;
    let report =
        load(cx, &table, vec![batch(100..103)?, batch(103..105)?], &cx.token("over")?, &LoadMode::Overwrite).await??;
    assert_eq!((report.rows, report.replayed), (5, false));
    expect(cx, &table, 100..105).await
}

pub(super) async fn an_overwrite_with_nothing_empties_the_table(cx: &Context<'_>) -> CaseResult {
    let table = filled(cx, "emptied", 0..10).await?;
    let nothing = LoadRequest::append(table.clone(), empty_stream(&fields()), cx.token("emptied")?);
    assert_eq!(cx.warehouse().load(nothing.with_mode(LoadMode::Overwrite)).await?.rows, 0);
    expect(cx, &table, []).await
}

pub(super) async fn an_overwrite_with_a_known_token_changes_nothing(cx: &Context<'_>) -> CaseResult {
    let table = filled(cx, "again", 0..3).await?;
    let token = cx.token("again")?;
    load(cx, &table, vec![batch(10..13)?], &token, &LoadMode::Overwrite).await??;
    cx.load(&table, vec![batch(20..22)?], cx.token("between")?).await?;
    let report = load(cx, &table, vec![batch(10..13)?], &token, &LoadMode::Overwrite).await??;
    assert_eq!((report.rows, report.replayed), (0, true));
    // What came between is not overwritten by the answer to an old question.
    expect(cx, &table, (10..13).chain(20..22)).await
}

pub(super) async fn an_empty_overwrite_with_a_known_token_changes_nothing(cx: &Context<'_>) -> CaseResult {
    let table = filled(cx, "nothing", 0..3).await?;
    let token = cx.token("nothing")?;
    for between in [3..5, 5..7] {
        let nothing = LoadRequest::append(table.clone(), empty_stream(&fields()), token.clone());
        cx.warehouse().load(nothing.with_mode(LoadMode::Overwrite)).await?;
        cx.load(&table, vec![batch(between)?], cx.token("between")?).await?;
    }
    expect(cx, &table, 3..7).await
}

pub(super) async fn an_overwrite_that_breaks_off_leaves_the_old_rows(cx: &Context<'_>) -> CaseResult {
    let table = filled(cx, "broken", 0..3).await?;
    let token = cx.token("broken")?;
    let good = (0..50).map(|n| batch(n * 100..n * 100 + 100)).collect::<Result<Vec<_>, _>>()?;
    let error = Error::new(ErrorKind::Data, "the source broke");
    let breaking = stream::iter(good.into_iter().map(Ok).chain([Err(error)]));
    let source = BatchStream::new(Arc::new(Schema::new(fields())), breaking);
    let request = LoadRequest::append(table.clone(), source, token.clone()).with_mode(LoadMode::Overwrite);
    let error = refused(cx.warehouse().load(request.with_target_file_bytes(4_096)).await);
    assert_eq!(error.kind(), ErrorKind::Data, "{error:?}");
    expect(cx, &table, 0..3).await?;
    assert_eq!(load(cx, &table, vec![batch(7..9)?], &token, &LoadMode::Overwrite).await??.rows, 2);
    expect(cx, &table, 7..9).await
}

pub(super) async fn an_overwrite_that_is_refused_leaves_the_old_rows(cx: &Context<'_>) -> CaseResult {
    let table = filled(cx, "refused", 0..3).await?;
    let fields = [Field::new("id", fields()[0].data_type().clone(), true)];
    let ids = Arc::new(Int64Array::from(vec![Some(7), None]));
    let wrong = RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), vec![ids])?;
    let error = refused(load(cx, &table, vec![wrong], &cx.token("refused")?, &LoadMode::Overwrite).await?);
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    expect(cx, &table, 0..3).await
}

pub(super) async fn one_overwrite_at_the_same_time_twice(cx: &Context<'_>) -> CaseResult {
    let table = filled(cx, "twice", 0..3).await?;
    let token = cx.token("twice")?;
    let once = async || load(cx, &table, vec![batch(10..500)?], &token, &LoadMode::Overwrite).await;
    let (one, other) = join!(once(), once());
    let done = [one?, other?];
    assert!(done.iter().any(Result::is_ok), "{done:?}");
    for error in done.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    }
    expect(cx, &table, 10..500).await?;
    assert!(load(cx, &table, vec![batch(10..500)?], &token, &LoadMode::Overwrite).await??.replayed);
    expect(cx, &table, 10..500).await
}

pub(super) async fn two_overwrites_at_the_same_time_do_not_mix(cx: &Context<'_>) -> CaseResult {
    let table = filled(cx, "race", 0..3).await?;
    let (a, b) = (cx.token("a")?, cx.token("b")?);
    let (one, other) = join!(
        load(cx, &table, vec![batch(10..20)?], &a, &LoadMode::Overwrite),
        load(cx, &table, vec![batch(20..30)?], &b, &LoadMode::Overwrite)
    );
    let done = [one?, other?];
    for error in done.iter().filter_map(|done| done.as_ref().err()) {
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    }
    let left = cx.read(&table, "id").await?;
    let of_one = [(0, rows(10..20)), (1, rows(20..30))];
    assert!(of_one.iter().any(|(at, rows)| done[*at].is_ok() && left == *rows), "{done:?}: {left:?}");
    Ok(())
}

pub(super) async fn rows_of_a_predicate_give_way(cx: &Context<'_>) -> CaseResult {
    let table = filled(cx, "where", 0..10).await?;
    let report = load(cx, &table, vec![batch([1, 2, -5])?], &cx.token("where")?, &below(4)).await??;
    assert_eq!((report.rows, report.replayed), (3, false));
    expect(cx, &table, [-5, 1, 2].into_iter().chain(4..10)).await
}

pub(super) async fn a_new_row_outside_of_the_predicate_is_refused(cx: &Context<'_>) -> CaseResult {
    let table = filled(cx, "outside", 0..10).await?;
    let token = cx.token("outside")?;
    let error = refused(load(cx, &table, vec![batch([1, 4])?], &token, &below(4)).await?);
    assert!(OF_THE_ROWS.contains(&error.kind()), "{error:?}");
    expect(cx, &table, 0..10).await?;
    // The token is not used up by what was refused.
    assert_eq!(load(cx, &table, vec![batch([1])?], &token, &below(4)).await??.rows, 1);
    expect(cx, &table, [1].into_iter().chain(4..10)).await
}

pub(super) async fn the_values_of_a_predicate_never_become_sql(cx: &Context<'_>) -> CaseResult {
    let hostile = "it's \\' or 1=1 --";
    let table = filled(cx, "hostile", 0..3).await?;
    let fields = fields();
    let names = Arc::new(StringArray::from(vec![hostile]));
    let ids = Arc::new(Int64Array::from(vec![50]));
    let row = RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![ids, names])?;
    let predicate = LoadMode::ReplaceWhere(Expression::new("name = :name -- the end").bind("name", hostile));
    for token in ["first", "second"] {
        load(cx, &table, vec![row.clone()], &cx.token(token)?, &predicate).await??;
    }
    let want: Vec<_> = rows(0..3).into_iter().chain([vec![50.into(), hostile.into()]]).collect();
    assert_rows(&cx.read(&table, "id").await?, &want);
    Ok(())
}

pub(super) async fn a_replacement_with_nothing_removes_the_rows(cx: &Context<'_>) -> CaseResult {
    let table = filled(cx, "removed", 0..10).await?;
    let nothing = LoadRequest::append(table.clone(), empty_stream(&fields()), cx.token("removed")?);
    assert_eq!(cx.warehouse().load(nothing.with_mode(below(8))).await?.rows, 0);
    expect(cx, &table, 8..10).await
}

pub(super) async fn a_replacement_with_a_known_token_changes_nothing(cx: &Context<'_>) -> CaseResult {
    let table = filled(cx, "known", 0..10).await?;
    let token = cx.token("known")?;
    load(cx, &table, vec![batch([0])?], &token, &below(8)).await??;
    cx.load(&table, vec![batch([1])?], cx.token("between")?).await?;
    assert!(load(cx, &table, vec![batch([0])?], &token, &below(8)).await??.replayed);
    expect(cx, &table, [0, 1, 8, 9]).await
}

/// A table of `(id, name)` in partitions by name.
async fn partitioned(cx: &Context<'_>, stem: &str, by: &str) -> Result<TableRef, Failure> {
    let table = cx.unique(stem);
    let columns = fields().iter().map(|field| cx.column(field)).collect::<Result<Vec<_>>>()?;
    let by = cx.dialect().quote(by)?;
    cx.execute(format!("create table {} ({}) partitioned by ({by})", cx.name(&table)?, columns.join(", "))).await?;
    Ok(table)
}

fn named(of: &[(i64, Option<&str>)]) -> Result<RecordBatch, Failure> {
    let ids = Arc::new(Int64Array::from_iter_values(of.iter().map(|row| row.0)));
    let names = Arc::new(of.iter().map(|row| row.1).collect::<StringArray>());
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields())), vec![ids, names])?)
}

pub(super) async fn partitions_that_come_give_way(cx: &Context<'_>) -> CaseResult {
    let table = partitioned(cx, "parts", "name").await?;
    let old = named(&[(1, Some("a'b")), (2, Some("a'b")), (3, Some("b")), (4, Some("c"))])?;
    cx.load(&table, vec![old], cx.token("old")?).await?;
    let token = cx.token("parts")?;
    let new = named(&[(10, Some("a'b")), (11, Some("d")), (12, Some("b"))])?;
    let report = load(cx, &table, vec![new.clone()], &token, &LoadMode::ReplacePartitions).await??;
    assert_eq!((report.rows, report.replayed), (3, false));
    let want = [(4, "c"), (10, "a'b"), (11, "d"), (12, "b")].map(|(id, name)| vec![id.into(), name.into()]);
    assert_rows(&cx.read(&table, "id").await?, &want);
    assert!(load(cx, &table, vec![new], &token, &LoadMode::ReplacePartitions).await??.replayed);
    assert_rows(&cx.read(&table, "id").await?, &want);
    Ok(())
}

pub(super) async fn no_rows_touch_no_partition(cx: &Context<'_>) -> CaseResult {
    let table = partitioned(cx, "untouched", "name").await?;
    cx.load(&table, vec![batch(0..3)?], cx.token("old")?).await?;
    let nothing = LoadRequest::append(table.clone(), empty_stream(&fields()), cx.token("untouched")?);
    assert_eq!(cx.warehouse().load(nothing.with_mode(LoadMode::ReplacePartitions)).await?.rows, 0);
    expect(cx, &table, 0..3).await
}

pub(super) async fn a_table_without_partitions_has_none_to_replace(cx: &Context<'_>) -> CaseResult {
    let table = filled(cx, "flat", 0..3).await?;
    let token = cx.token("flat")?;
    let error = refused(load(cx, &table, vec![batch(7..9)?], &token, &LoadMode::ReplacePartitions).await?);
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    expect(cx, &table, 0..3).await
}
