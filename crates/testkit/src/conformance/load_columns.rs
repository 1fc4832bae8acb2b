//! Rows are checked against the table before anything is sent.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray},
    datatypes::{DataType, Field},
};
use twinhouse_core::{Error, ErrorKind};
use twinhouse_warehouse_api::TableRef;

use super::{
    case::{CaseResult, Failure, assert_rows, refused},
    cell::Cell,
    context::Context,
};

fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, Failure> {
    Ok(RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))?)
}

fn ids(ids: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(ids))
}

async fn table(cx: &Context<'_>) -> Result<TableRef, Failure> {
    let fields = [
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("n", DataType::Int32, true),
    ];
    Ok(cx.create("columns", &fields).await?)
}

/// Loads what must be refused; nothing may arrive.
async fn misfit(cx: &Context<'_>, columns: Vec<(&str, ArrayRef)>) -> Result<Error, Failure> {
    let table = table(cx).await?;
    let error = refused(cx.load(&table, vec![batch(columns)?], cx.token("misfit")?).await);
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert_eq!(cx.count(&table).await?, 0);
    Ok(error)
}

#[track_caller]
fn assert_names(error: &Error, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

pub(super) async fn columns_are_matched_by_name(cx: &Context<'_>) -> CaseResult {
    let table = table(cx).await?;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(Int32Array::from(vec![7]))),
        ("name", Arc::new(StringArray::from(vec!["x"]))),
        ("id", ids([1])),
    ];
    cx.load(&table, vec![batch(columns)?], cx.token("order")?).await?;
    assert_rows(&cx.read(&table, "id").await?, &[vec![1.into(), "x".into(), 7.into()]]);
    Ok(())
}

pub(super) async fn a_column_that_is_left_out_becomes_null(cx: &Context<'_>) -> CaseResult {
    let table = table(cx).await?;
    cx.load(&table, vec![batch(vec![("id", ids([1, 2]))])?], cx.token("partial")?).await?;
    let null = |id: i64| vec![id.into(), Cell::Null, Cell::Null];
    assert_rows(&cx.read(&table, "id").await?, &[null(1), null(2)]);
    Ok(())
}

pub(super) async fn a_narrower_type_is_widened(cx: &Context<'_>) -> CaseResult {
    let table = table(cx).await?;
    let columns: Vec<(&str, ArrayRef)> =
        vec![("id", Arc::new(Int32Array::from(vec![i32::MAX]))), ("name", Arc::new(StringArray::from(vec!["x"])))];
    cx.load(&table, vec![batch(columns)?], cx.token("narrow")?).await?;
    assert_rows(&cx.read(&table, "id").await?, &[vec![i32::MAX.into(), "x".into(), Cell::Null]]);
    Ok(())
}

pub(super) async fn a_column_too_many_is_named(cx: &Context<'_>) -> CaseResult {
    let error = misfit(cx, vec![("id", ids([1])), ("surplus", ids([2]))]).await?;
    assert_names(&error, &["surplus"]);
    Ok(())
}

pub(super) async fn a_column_of_the_wrong_type_is_named(cx: &Context<'_>) -> CaseResult {
    let error = misfit(cx, vec![("id", ids([1])), ("n", Arc::new(StringArray::from(vec!["seven"])))]).await?;
    assert_names(&error, &["`n`", "Int32", "Utf8"]);
    Ok(())
}

pub(super) async fn a_wider_type_is_refused(cx: &Context<'_>) -> CaseResult {
    let error = misfit(cx, vec![("id", ids([1])), ("n", ids([7]))]).await?;
    assert_names(&error, &["`n`", "Int32", "Int64"]);
    Ok(())
}

pub(super) async fn a_required_column_that_is_left_out_is_named(cx: &Context<'_>) -> CaseResult {
    let error = misfit(cx, vec![("name", Arc::new(StringArray::from(vec!["x"])))]).await?;
    assert_names(&error, &["id"]);
    Ok(())
}

pub(super) async fn a_null_in_a_required_column_is_refused(cx: &Context<'_>) -> CaseResult {
    let error = misfit(cx, vec![("id", Arc::new(Int64Array::from(vec![Some(1), None])))]).await?;
    assert_names(&error, &["id"]);
    Ok(())
}

pub(super) async fn everything_that_is_wrong_is_named_at_once(cx: &Context<'_>) -> CaseResult {
    let error = misfit(cx, vec![("surplus", ids([1])), ("n", Arc::new(StringArray::from(vec!["x"])))]).await?;
    assert_names(&error, &["surplus", "`n`", "id"]);
    Ok(())
}

pub(super) async fn a_text_that_is_too_long_is_refused(cx: &Context<'_>) -> CaseResult {
    let most = cx.can().max_text_bytes.unwrap_or(200_000);
    let text = |bytes: usize| Arc::new(StringArray::from(vec!["x".repeat(bytes)])) as ArrayRef;
    let table = table(cx).await?;
    cx.load(&table, vec![batch(vec![("id", ids([1])), ("name", text(most))])?], cx.token("long")?).await?;
    let length = format!("select cast(length(name) as bigint) as n from {}", cx.name(&table)?);
    assert_rows(&cx.rows(length).await?, &[vec![(most as i64).into()]]);

    if cx.can().max_text_bytes.is_some() {
        let columns = vec![("id", ids([2])), ("name", text(most + 1))];
        let error = refused(cx.load(&table, vec![batch(columns)?], cx.token("long")?).await);
        assert!(matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Data), "{error:?}");
        assert_names(&error, &["name"]);
        assert_eq!(cx.count(&table).await?, 1);
    }
    Ok(())
}

pub(super) async fn a_declared_length_is_kept(cx: &Context<'_>) -> CaseResult {
    let table = cx.unique("short");
    cx.execute(format!("create table {} (id bigint, t varchar(5))", cx.name(&table)?)).await?;
    let columns = |text| vec![("id", ids([1])), ("t", Arc::new(StringArray::from(vec![text])) as ArrayRef)];
    cx.load(&table, vec![batch(columns("exact"))?], cx.token("short")?).await?;
    let error = refused(cx.load(&table, vec![batch(columns("longer"))?], cx.token("short")?).await);
    let kinds = [ErrorKind::InvalidInput, ErrorKind::Data, ErrorKind::Constraint];
    assert!(kinds.contains(&error.kind()), "{error:?}");
    assert_rows(&cx.read(&table, "id").await?, &[vec![1.into(), "exact".into()]]);
    Ok(())
}

pub(super) async fn nanoseconds_are_refused_rather_than_cut(cx: &Context<'_>) -> CaseResult {
    let fields = [Field::new("id", DataType::Int64, true), Field::new("at", super::values::timestamp(), true)];
    let table = cx.create("nanos", &fields).await?;
    let at = |nanos: i64| Arc::new(TimestampNanosecondArray::from(vec![nanos]).with_timezone("UTC")) as ArrayRef;
    cx.load(&table, vec![batch(vec![("id", ids([1])), ("at", at(-1_000))])?], cx.token("nanos")?).await?;
    let columns = vec![("id", ids([2])), ("at", at(1_001))];
    let error = refused(cx.load(&table, vec![batch(columns)?], cx.token("nanos")?).await);
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert_rows(&cx.read(&table, "id").await?, &[vec![1.into(), Cell::Timestamp(-1)]]);
    Ok(())
}
