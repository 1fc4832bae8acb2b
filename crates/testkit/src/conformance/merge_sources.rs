//! Where the rows of a merge come from, and merges that make no sense.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use futures::stream;
use twinhouse_core::{Error, ErrorKind};
use twinhouse_warehouse_api::{
    BatchStream, MergeRequest, MergeSource, StatementRequest, Warehouse as _, WarehouseExt as _, WhenMatched,
};

use super::{
    case::{CaseResult, refused},
    context::{Context, stream as batches},
    merge::{assert_counts, batch, expect, fields, filled, row, source, target},
};

pub(super) async fn rows_of_a_table(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let from = filled(cx, "source", &[row(2, "TWO", 21), row(4, "four", 40)]).await?;
    let request = MergeRequest::upsert(table.clone(), MergeSource::Table(from.clone()), ["id"]);
    assert_counts(&cx.warehouse().merge(request).await?, 1, 1, 0);
    expect(cx, &table, &[row(1, "one", 10), row(2, "TWO", 21), row(3, "three", 30), row(4, "four", 40)]).await?;
    expect(cx, &from, &[row(2, "TWO", 21), row(4, "four", 40)]).await
}

pub(super) async fn rows_of_a_query(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let from = filled(cx, "source", &[row(2, "TWO", 21), row(4, "four", 40), row(5, "five", 50)]).await?;
    let sql = format!("select id, name, n + :more as n from {} where name <> :not", cx.name(&from)?);
    let query = StatementRequest::read(sql).bind("more", 1_i64).bind("not", "five");
    let request = MergeRequest::upsert(table.clone(), MergeSource::Query(query), ["id"]);
    assert_counts(&cx.warehouse().merge(request).await?, 1, 1, 0);
    expect(cx, &table, &[row(1, "one", 10), row(2, "TWO", 22), row(3, "three", 30), row(4, "four", 41)]).await
}

pub(super) async fn duplicates_in_a_table_are_a_conflict(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let from = filled(cx, "source", &[row(2, "a", 1), row(2, "b", 2)]).await?;
    let request = MergeRequest::upsert(table.clone(), MergeSource::Table(from), ["id"]);
    assert_eq!(refused(cx.warehouse().merge(request).await).kind(), ErrorKind::Conflict);
    expect(cx, &table, &[row(1, "one", 10), row(2, "two", 20), row(3, "three", 30)]).await
}

pub(super) async fn columns_that_the_source_lacks_stay(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let columns: Vec<(&str, ArrayRef)> =
        vec![("n", Arc::new(Int64Array::from(vec![21, 40]))), ("id", Arc::new(Int64Array::from(vec![2, 4])))];
    let rows = batches(vec![RecordBatch::try_from_iter(columns)?])?;
    cx.warehouse().upsert(table.clone(), rows, &["id"]).await?;
    expect(cx, &table, &[row(1, "one", 10), row(2, "two", 21), row(3, "three", 30), (Some(4), None, Some(40))]).await
}

pub(super) async fn rows_that_break_off_change_nothing(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let good = batch(&[row(2, "TWO", 21)])?;
    let schema = good.schema();
    let broken =
        BatchStream::new(schema, stream::iter([Ok(good), Err(Error::new(ErrorKind::Data, "the source broke"))]));
    assert_eq!(refused(cx.warehouse().upsert(table.clone(), broken, &["id"]).await).kind(), ErrorKind::Data);
    expect(cx, &table, &[row(1, "one", 10), row(2, "two", 20), row(3, "three", 30)]).await
}

pub(super) async fn a_merge_into_no_table_is_refused(cx: &Context<'_>) -> CaseResult {
    let table = cx.unique("missing");
    let error = refused(cx.warehouse().merge(MergeRequest::upsert(table, source(&[row(1, "a", 1)])?, ["id"])).await);
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    Ok(())
}

pub(super) async fn columns_that_do_not_fit_are_named(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![2]))),
        ("n", Arc::new(StringArray::from(vec!["many"]))),
        ("surplus", Arc::new(Int64Array::from(vec![1]))),
    ];
    let rows = batches(vec![RecordBatch::try_from_iter(columns)?])?;
    let error = refused(cx.warehouse().upsert(table.clone(), rows, &["id"]).await);
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert!(["`n`", "surplus"].iter().all(|word| error.to_string().contains(word)), "{error}");
    expect(cx, &table, &[row(1, "one", 10), row(2, "two", 20), row(3, "three", 30)]).await
}

pub(super) async fn merges_without_sense_are_refused(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let upsert = |keys: &[&str]| {
        let empty = MergeSource::Batches(super::context::empty_stream(&fields()));
        MergeRequest::upsert(table.clone(), empty, keys.iter().copied())
    };
    let senseless = [
        upsert(&[]),
        upsert(&["id", "id"]),
        upsert(&["no_such_column"]),
        upsert(&["id"]).with_when_matched(WhenMatched::UpdateColumns(vec![])),
        upsert(&["id"]).with_when_matched(WhenMatched::UpdateColumns(vec!["id".into()])),
        upsert(&["id"]).with_when_matched(WhenMatched::UpdateColumns(vec!["no_such_column".into()])),
        upsert(&["id"]).with_when_matched(WhenMatched::Keep).with_insert_unmatched(false),
    ];
    for request in senseless {
        let asked = format!("{request:?}");
        let error = refused(cx.warehouse().merge(request).await);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{asked}: {error:?}");
    }
    expect(cx, &table, &[row(1, "one", 10), row(2, "two", 20), row(3, "three", 30)]).await
}
