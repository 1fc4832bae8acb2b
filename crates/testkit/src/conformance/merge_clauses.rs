//! Merges by clauses: in order, each with its condition and its set list.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::{
    Assignment, Duplicates, Expression, MergeAction, MergeClause, MergeRequest, MergeSource, MergeWhen, TableRef,
    Warehouse as _, WhenMatched,
};

use super::{
    case::{CaseResult, Failure, assert_rows, refused},
    cell::Cell,
    context::{Context, stream},
    merge::{assert_counts, expect, filled, row, source, target},
};

/// A row of the tables of this suite.
type Row = (Option<i64>, Option<&'static str>, Option<i64>);

fn when(when: MergeWhen, action: MergeAction) -> MergeClause {
    MergeClause::new(when, action)
}

fn request(
    table: &TableRef,
    rows: &[Row],
    clauses: impl IntoIterator<Item = MergeClause>,
) -> Result<MergeRequest, Failure> {
    Ok(MergeRequest::upsert(table.clone(), source(rows)?, ["id"]).with_clauses(clauses))
}

async fn untouched(cx: &Context<'_>, table: &TableRef) -> CaseResult {
    expect(cx, table, &[row(1, "one", 10), row(2, "two", 20), row(3, "three", 30)]).await
}

pub(super) async fn the_first_clause_whose_condition_holds_is_carried_out(cx: &Context<'_>) -> CaseResult {
    use {MergeAction::*, MergeWhen::*};
    let table = target(cx).await?;
    let clauses = [
        when(Matched, Delete).with_condition("s.n = 0"),
        when(Matched, Update(vec![Assignment::new("n", "s.n")])).with_condition("s.n > t.n"),
        when(NotMatched, Insert(vec![Assignment::new("id", "s.id"), Assignment::new("name", "'new'")]))
            .with_condition("s.n < 0"),
        when(NotMatched, InsertAll).with_condition("s.n > 100"),
    ];
    let rows = [
        row(1, "gone", 0),
        row(2, "TWO", 21),
        row(3, "THREE", 29),
        row(4, "x", -1),
        row(5, "five", 500),
        row(6, "six", 6),
    ];
    let report = cx.warehouse().merge(request(&table, &rows, clauses)?).await?;
    assert_counts(&report, 2, 1, 1);
    let want = [row(2, "two", 21), row(3, "three", 30), (Some(4), Some("new"), None), row(5, "five", 500)];
    expect(cx, &table, &want).await
}

pub(super) async fn values_are_computed_from_both_rows(cx: &Context<'_>) -> CaseResult {
    use {MergeAction::*, MergeWhen::*};
    let table = target(cx).await?;
    let clauses = [
        when(Matched, Update(vec![Assignment::new("n", "t.n * 100 + s.n"), Assignment::new("name", "upper(t.name)")])),
        when(NotMatched, Insert(vec![Assignment::new("n", "-s.n"), Assignment::new("id", "s.id + 1")])),
    ];
    let report = cx.warehouse().merge(request(&table, &[row(2, "x", 7), row(8, "y", 9)], clauses)?).await?;
    assert_counts(&report, 1, 1, 0);
    let want = [row(1, "one", 10), row(2, "TWO", 2007), row(3, "three", 30), (Some(9), None, Some(-9))];
    expect(cx, &table, &want).await
}

pub(super) async fn all_columns_are_set_and_inserted_at_once(cx: &Context<'_>) -> CaseResult {
    use {MergeAction::*, MergeWhen::*};
    let table = target(cx).await?;
    let clauses = [when(Matched, UpdateAll).with_condition("t.id > 1"), when(NotMatched, InsertAll)];
    let rows = [row(1, "ONE", 11), row(2, "TWO", 21), row(4, "four", 40)];
    let report = cx.warehouse().merge(request(&table, &rows, clauses)?).await?;
    assert_counts(&report, 1, 1, 0);
    expect(cx, &table, &[row(1, "one", 10), row(2, "TWO", 21), row(3, "three", 30), row(4, "four", 40)]).await
}

pub(super) async fn rows_that_the_source_lacks_are_changed_by_condition(cx: &Context<'_>) -> CaseResult {
    use {MergeAction::*, MergeWhen::*};
    let table = target(cx).await?;
    let clauses = [
        when(NotMatchedBySource, Delete).with_condition("t.n > 20"),
        when(NotMatchedBySource, Update(vec![Assignment::new("name", "'lost'")])),
    ];
    let report = cx.warehouse().merge(request(&table, &[row(2, "x", 0), row(4, "y", 0)], clauses)?).await?;
    assert_counts(&report, 0, 1, 1);
    expect(cx, &table, &[row(1, "lost", 10), row(2, "two", 20)]).await
}

pub(super) async fn values_of_one_name_stay_apart(cx: &Context<'_>) -> CaseResult {
    use {MergeAction::*, MergeWhen::*};
    let hostile = "it's \\' -- :v";
    let table = target(cx).await?;
    let bound = |sql: &str, value: i64| Expression::new(sql).bind("v", value);
    let clauses = [
        when(Matched, Delete).with_condition(bound("s.n = :v -- not :w", 1)),
        when(
            Matched,
            Update(vec![
                Assignment::new("n", bound(":v", 2)),
                Assignment::new("name", Expression::new(":v").bind("v", hostile)),
            ]),
        )
        .with_condition(bound("s.n = :v", 3)),
        when(NotMatched, Insert(vec![Assignment::new("id", "s.id"), Assignment::new("n", bound(":v", 4))])),
    ];
    let rows = [row(1, "x", 1), row(2, "x", 3), row(3, "x", 4), row(9, "x", 9)];
    let mut request = request(&table, &rows, clauses)?;
    request = request.with_on(bound("s.n >= :v", 1));
    let report = cx.warehouse().merge(request).await?;
    assert_counts(&report, 1, 1, 1);
    expect(cx, &table, &[row(2, hostile, 2), row(3, "three", 30), (Some(9), None, Some(4))]).await
}

pub(super) async fn a_match_can_want_more_than_equal_keys(cx: &Context<'_>) -> CaseResult {
    use {MergeAction::*, MergeWhen::*};
    let table = target(cx).await?;
    let rows = [row(1, "ONE", 11), row(2, "TWO", 21)];
    let request = request(&table, &rows, [when(Matched, UpdateAll)])?.with_on("t.n > 10");
    assert_counts(&cx.warehouse().merge(request).await?, 0, 1, 0);
    expect(cx, &table, &[row(1, "one", 10), row(2, "TWO", 21), row(3, "three", 30)]).await
}

pub(super) async fn clauses_without_sense_are_refused(cx: &Context<'_>) -> CaseResult {
    use {MergeAction::*, MergeWhen::*};
    let table = target(cx).await?;
    let set = |column: &str| vec![Assignment::new(column, "1")];
    let senseless = [
        vec![when(Matched, InsertAll)],
        vec![when(NotMatched, UpdateAll)],
        vec![when(NotMatched, Delete)],
        vec![when(Matched, Update(vec![]))],
        vec![when(Matched, Update(set("id")))],
        vec![when(Matched, Update(set("no_such_column")))],
        vec![when(NotMatched, Insert(set("no_such_column")))],
        vec![when(NotMatched, InsertAll), when(NotMatched, Insert(set("id"))).with_condition("s.n > 1")],
        vec![when(Matched, UpdateAll), when(Matched, Update(set("n"))).with_condition("s.n > 1")],
    ];
    for clauses in senseless {
        let asked = format!("{clauses:?}");
        let error = refused(cx.warehouse().merge(request(&table, &[row(1, "x", 1)], clauses)?).await);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{asked}: {error:?}");
    }
    untouched(cx, &table).await
}

pub(super) async fn the_greatest_of_the_rows_of_one_key_counts(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let rows = [
        row(2, "early", 1),
        row(2, "late", 3),
        row(2, "middle", 2),
        (Some(7), Some("none"), None),
        row(7, "some", -5),
        row(3, "THREE", 31),
        (None, Some("no key"), Some(1)),
        (None, Some("nor here"), Some(2)),
    ];
    let request = MergeRequest::upsert(table.clone(), source(&rows)?, ["id"])
        .with_duplicates(Duplicates::KeepGreatest("n".into()));
    assert_counts(&cx.warehouse().merge(request).await?, 3, 2, 0);
    let t = cx.name(&table)?;
    let got = cx.rows(format!("select id, name, n from {t} where id is not null order by id")).await?;
    let want = [row(1, "one", 10), row(2, "late", 3), row(3, "THREE", 31), row(7, "some", -5)];
    assert_rows(&got, &want.map(|row| vec![row.0.into(), row.1.into(), row.2.into()]));
    // Rows without a key share none.
    let got = cx.rows(format!("select name from {t} where id is null order by name")).await?;
    assert_rows(&got, &[vec!["no key".into()], vec!["nor here".into()]]);
    Ok(())
}

pub(super) async fn the_greatest_of_the_rows_of_a_table_counts(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let from = filled(cx, "source", &[row(2, "a", 1), row(2, "b", 2), row(5, "c", 1), row(5, "d", 0)]).await?;
    let request = MergeRequest::upsert(table.clone(), MergeSource::Table(from), ["id"])
        .with_duplicates(Duplicates::KeepGreatest("N".into()))
        .with_when_matched(WhenMatched::UpdateColumns(vec!["name".into()]));
    assert_counts(&cx.warehouse().merge(request).await?, 1, 1, 0);
    expect(cx, &table, &[row(1, "one", 10), row(2, "b", 20), row(3, "three", 30), row(5, "c", 1)]).await
}

pub(super) async fn an_order_that_the_source_lacks_is_named(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let request = MergeRequest::upsert(table.clone(), source(&[row(1, "x", 1)])?, ["id"])
        .with_duplicates(Duplicates::KeepGreatest("no_such_column".into()));
    let error = refused(cx.warehouse().merge(request).await);
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    untouched(cx, &table).await
}

/// Rows `(id, n, more, a'b)`: the last two columns are new to the target.
fn wider() -> Result<MergeSource, Failure> {
    let fields = vec![
        Field::new("id", DataType::Int64, true),
        Field::new("n", DataType::Int64, true),
        Field::new("more", DataType::Decimal128(12, 2), true),
        Field::new("note", DataType::Utf8, true),
    ];
    let more = arrow::array::Decimal128Array::from(vec![150, 250]).with_precision_and_scale(12, 2)?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![2, 4])),
        Arc::new(Int64Array::from(vec![21, 40])),
        Arc::new(more),
        Arc::new(StringArray::from(vec!["b", "d"])),
    ];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    Ok(MergeSource::Batches(stream(vec![batch])?))
}

pub(super) async fn new_columns_of_the_source_are_added(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let request = MergeRequest::upsert(table.clone(), wider()?, ["id"]).with_schema_evolution(true);
    assert_counts(&cx.warehouse().merge(request).await?, 1, 1, 0);
    let sql = format!("select id, name, n, more, note from {} order by id", cx.name(&table)?);
    let two = |n| Cell::Decimal(n, 2);
    let want = [
        vec![1.into(), "one".into(), 10.into(), Cell::Null, Cell::Null],
        vec![2.into(), "two".into(), 21.into(), two(150), "b".into()],
        vec![3.into(), "three".into(), 30.into(), Cell::Null, Cell::Null],
        vec![4.into(), Cell::Null, 40.into(), two(250), "d".into()],
    ];
    assert_rows(&cx.rows(sql).await?, &want);
    Ok(())
}

pub(super) async fn without_leave_no_column_is_added(cx: &Context<'_>) -> CaseResult {
    let table = target(cx).await?;
    let error = refused(cx.warehouse().merge(MergeRequest::upsert(table.clone(), wider()?, ["id"])).await);
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert!(["more", "note"].iter().all(|name| error.to_string().contains(name)), "{error}");
    untouched(cx, &table).await
}
