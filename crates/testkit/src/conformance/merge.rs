//! Merges by key, all or nothing.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::{
    MergeReport, MergeRequest, MergeSource, TableRef, Value, Warehouse as _, WarehouseExt as _, WhenMatched,
};

use super::{
    case::{CaseResult, Failure, assert_rows, refused},
    cell::Cell,
    context::{Context, empty_stream, stream},
};

/// A row of the tables below.
type Row = (Option<i64>, Option<&'static str>, Option<i64>);

pub(super) fn fields() -> Vec<Field> {
    vec![
        Field::new("id", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("n", DataType::Int64, true),
    ]
}

pub(super) fn row(id: i64, name: &'static str, n: i64) -> Row {
    (Some(id), Some(name), Some(n))
}

pub(super) fn batch(rows: &[Row]) -> Result<RecordBatch, Failure> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>()),
    ];
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields())), columns)?)
}

pub(super) fn source(rows: &[Row]) -> Result<MergeSource, Failure> {
    Ok(MergeSource::Batches(stream(vec![batch(rows)?])?))
}

/// A table that holds rows 1, 2 and 3.
pub(super) async fn target(cx: &Context<'_>) -> Result<TableRef, Failure> {
    filled(cx, "target", &[row(1, "one", 10), row(2, "two", 20), row(3, "three", 30)]).await
}

pub(super) async fn filled(cx: &Context<'_>, stem: &str, rows: &[Row]) -> Result<TableRef, Failure> {
    let table = cx.create(stem, &fields()).await?;
    let values = |row: &Row| vec![Value::from(row.0), Value::from(row.1), Value::from(row.2)];
    cx.insert(&table, &rows.iter().map(values).collect::<Vec<_>>()).await?;
    Ok(table)
}

pub(super) async fn expect(cx: &Context<'_>, table: &TableRef, rows: &[Row]) -> CaseResult {
    let cells = |row: &Row| vec![Cell::from(row.0), Cell::from(row.1), Cell::from(row.2)];
    assert_rows(&cx.read(table, "id").await?, &rows.iter().map(cells).collect::<Vec<_>>());
    Ok(())
}

/// Counts that the server gives must be right; it need not give any.
#[track_caller]
pub(super) fn assert_counts(report: &MergeReport, inserted: u64, updated: u64, deleted: u64) {
    for (name, got, want) in [
        ("inserted", report.inserted, inserted),
        ("updated", report.updated, updated),
        ("deleted", report.deleted, deleted),
    ] {
        assert!(got.is_none_or(|got| got == want), "{name}: wanted {want}, got {got:?} in {report:?}");
    }
}

async fn untouched(cx: &Context<'_>, table: &TableRef) -> CaseResult {
    expect(cx, table, &[row(1, "one", 10), row(2, "two", 20), row(3, "three", 30)]).await
}

pub(super) async fn an_upsert_updates_and_inserts(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let rows = stream(vec![batch(&[row(2, "TWO", 21)])?, batch(&[row(4, "four", 40), (Some(3), None, None)])?])?;
    let report = cx.warehouse().upsert(table.clone(), rows, &["id"]).await?;
    assert_counts(&report, 1, 2, 0);
    expect(cx, &table, &[row(1, "one", 10), row(2, "TWO", 21), (Some(3), None, None), row(4, "four", 40)]).await
}

pub(super) async fn an_upsert_again_changes_nothing_more(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    for _ in 0..2 {
        let rows = stream(vec![batch(&[row(1, "ONE", 11), row(9, "nine", 90)])?])?;
        cx.warehouse().upsert(table.clone(), rows, &["id"]).await?;
    }
    expect(cx, &table, &[row(1, "ONE", 11), row(2, "two", 20), row(3, "three", 30), row(9, "nine", 90)]).await
}

pub(super) async fn only_the_named_columns_are_set(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let request = MergeRequest::upsert(table.clone(), source(&[row(2, "TWO", 21), row(4, "four", 40)])?, ["id"])
        .with_when_matched(WhenMatched::UpdateColumns(vec!["n".into()]));
    assert_counts(&cx.warehouse().merge(request).await?, 1, 1, 0);
    expect(cx, &table, &[row(1, "one", 10), row(2, "two", 21), row(3, "three", 30), row(4, "four", 40)]).await
}

pub(super) async fn matched_rows_can_be_kept(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let request = MergeRequest::upsert(table.clone(), source(&[row(2, "TWO", 21), row(4, "four", 40)])?, ["id"])
        .with_when_matched(WhenMatched::Keep);
    assert_counts(&cx.warehouse().merge(request).await?, 1, 0, 0);
    expect(cx, &table, &[row(1, "one", 10), row(2, "two", 20), row(3, "three", 30), row(4, "four", 40)]).await
}

pub(super) async fn unmatched_rows_can_be_left_out(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let request = MergeRequest::upsert(table.clone(), source(&[row(2, "TWO", 21), row(4, "four", 40)])?, ["id"])
        .with_insert_unmatched(false);
    assert_counts(&cx.warehouse().merge(request).await?, 0, 1, 0);
    expect(cx, &table, &[row(1, "one", 10), row(2, "TWO", 21), row(3, "three", 30)]).await
}

pub(super) async fn matched_rows_can_be_deleted(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let request = MergeRequest::upsert(table.clone(), source(&[row(2, "x", 0), row(4, "y", 0)])?, ["id"])
        .with_when_matched(WhenMatched::Delete)
        .with_insert_unmatched(false);
    assert_counts(&cx.warehouse().merge(request).await?, 0, 0, 1);
    expect(cx, &table, &[row(1, "one", 10), row(3, "three", 30)]).await
}

pub(super) async fn rows_that_the_source_lacks_can_be_deleted(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let request = MergeRequest::upsert(table.clone(), source(&[row(2, "TWO", 21), row(4, "four", 40)])?, ["id"])
        .with_delete_unmatched_by_source(true);
    assert_counts(&cx.warehouse().merge(request).await?, 1, 1, 2);
    expect(cx, &table, &[row(2, "TWO", 21), row(4, "four", 40)]).await
}

pub(super) async fn two_source_rows_of_one_key_are_a_conflict(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let error = refused(
        cx.warehouse()
            .merge(MergeRequest::upsert(
                table.clone(),
                source(&[row(2, "a", 1), row(5, "five", 50), row(2, "b", 2)])?,
                ["id"],
            ))
            .await,
    );
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    // The same rows conflict again: nobody should try.
    assert!(!error.is_retryable(), "{error:?}");
    untouched(cx, &table).await
}

pub(super) async fn two_new_source_rows_of_one_key_are_a_conflict(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let rows = source(&[row(7, "a", 1), row(7, "b", 2)])?;
    let error = refused(cx.warehouse().merge(MergeRequest::upsert(table.clone(), rows, ["id"])).await);
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    untouched(cx, &table).await
}

pub(super) async fn a_null_key_matches_nothing(cx: &Context<'_>) -> CaseResult {
    let table = filled(cx, "nulls", &[row(1, "one", 10), (None, Some("old"), Some(0))]).await?;
    // Two rows without a key are not two rows of one key.
    let rows = source(&[(None, Some("new"), Some(1)), (None, Some("newer"), Some(2)), row(1, "ONE", 11)])?;
    let report = cx.warehouse().merge(MergeRequest::upsert(table.clone(), rows, ["id"])).await?;
    assert_counts(&report, 2, 1, 0);
    let t = cx.name(&table)?;
    let got = cx.rows(format!("select name, n from {t} order by n, name")).await?;
    let want = [("old", 0), ("new", 1), ("newer", 2), ("ONE", 11)];
    assert_rows(&got, &want.map(|(name, n)| vec![name.into(), n.into()]));
    Ok(())
}

pub(super) async fn an_empty_source_changes_nothing(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let report = cx.warehouse().upsert(table.clone(), empty_stream(&fields()), &["id"]).await?;
    assert_counts(&report, 0, 0, 0);
    untouched(cx, &table).await
}

pub(super) async fn several_columns_can_be_the_key(cx: &Context<'_>) -> CaseResult {
    let table = filled(cx, "composite", &[row(1, "a", 10), row(1, "b", 20), row(2, "a", 30)]).await?;
    let rows = stream(vec![batch(&[row(1, "b", 21), row(2, "b", 40)])?])?;
    assert_counts(&cx.warehouse().upsert(table.clone(), rows, &["id", "name"]).await?, 1, 1, 0);
    let got = cx.rows(format!("select id, name, n from {} order by id, name", cx.name(&table)?)).await?;
    let want = [(1, "a", 10), (1, "b", 21), (2, "a", 30), (2, "b", 40)];
    assert_rows(&got, &want.map(|(id, name, n)| vec![id.into(), name.into(), n.into()]));
    Ok(())
}

pub(super) async fn hostile_names_are_merged(cx: &Context<'_>) -> CaseResult {
    let fields = [Field::new("select", DataType::Int64, true), Field::new("a'b\"`", DataType::Utf8, true)];
    let table = cx.create("a'b\"`--$$", &fields).await?;
    cx.insert(&table, &[vec![1_i64.into(), "old".into()]]).await?;
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1, 2])), Arc::new(StringArray::from(vec!["it's", "\\'; --"]))];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), columns)?;
    cx.warehouse().upsert(table.clone(), stream(vec![batch])?, &["select"]).await?;
    let want = [vec![Cell::Int(1), "it's".into()], vec![Cell::Int(2), "\\'; --".into()]];
    assert_rows(&cx.read(&table, "select").await?, &want);
    Ok(())
}
