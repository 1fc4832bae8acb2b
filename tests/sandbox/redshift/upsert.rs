//! Merges by each of their strategies.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use twinhouse_core::ErrorKind;
use twinhouse_redshift::{MergeStrategy, RedshiftWarehouse};
use twinhouse_warehouse_api::{
    BatchStream, Duplicates, MergeRequest, MergeSource, TableRef, WarehouseExt as _, WhenMatched,
};

use super::files::{rows, table, warehouse};

const STRATEGIES: [MergeStrategy; 3] = [MergeStrategy::UpdateInsert, MergeStrategy::DeleteInsert, MergeStrategy::Merge];

fn source(of: &[(Option<i64>, &str)]) -> MergeSource {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(of.iter().map(|row| row.0).collect::<Int64Array>())),
        ("name", Arc::new(StringArray::from(of.iter().map(|row| row.1).collect::<Vec<_>>()))),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)));
    let batch = batch.expect("a batch");
    MergeSource::Batches(BatchStream::from_batches(batch.schema(), vec![batch]))
}

async fn target(warehouse: &RedshiftWarehouse) -> TableRef {
    let t = table(warehouse, "id bigint, name varchar(20)").await;
    warehouse.execute(format!("insert into {t} values (1, 'one'), (2, 'two')")).await.expect("filled");
    t
}

async fn all(warehouse: &RedshiftWarehouse, t: &TableRef) -> Vec<Vec<String>> {
    rows(warehouse, format!("select id, name from {t} order by id, name")).await
}

#[tokio::test]
async fn every_strategy_updates_and_inserts_and_keeps_rows_without_a_key() {
    let warehouse = warehouse().await;
    for strategy in STRATEGIES {
        let t = target(&warehouse).await;
        let rows = [(Some(2), "TWO"), (Some(3), "three"), (None, "no key")];
        let request = MergeRequest::upsert(t.clone(), source(&rows), ["ID"]);
        let report = warehouse.merge_by(request, strategy).await.expect("merged");
        let counted = strategy == MergeStrategy::UpdateInsert;
        assert_eq!((report.inserted, report.updated), (counted.then_some(2), counted.then_some(1)), "{strategy:?}");
        let want = [["1", "one"], ["2", "TWO"], ["3", "three"], ["NULL", "no key"]];
        assert_eq!(all(&warehouse, &t).await, want, "{strategy:?}");
    }
}

/// Pain point: "Found multiple matches to update the same tuple."
#[tokio::test]
async fn source_rows_that_share_a_key_are_refused_or_reduced_by_every_strategy() {
    let warehouse = warehouse().await;
    for strategy in STRATEGIES {
        let t = target(&warehouse).await;
        let twice =
            || source(&[(Some(2), "b"), (Some(2), "c"), (Some(9), "x"), (Some(9), "w"), (None, "u"), (None, "v")]);
        let error = warehouse.merge_by(MergeRequest::upsert(t.clone(), twice(), ["id"]), strategy).await;
        assert_eq!(error.expect_err("twice").kind(), ErrorKind::Conflict, "{strategy:?}");
        assert_eq!(all(&warehouse, &t).await, [["1", "one"], ["2", "two"]], "{strategy:?}");
        let keep = MergeRequest::upsert(t.clone(), twice(), ["id"]);
        let keep = keep.with_duplicates(Duplicates::KeepGreatest("NAME".into()));
        warehouse.merge_by(keep, strategy).await.expect("merged");
        let want = [["1", "one"], ["2", "c"], ["9", "x"], ["NULL", "u"], ["NULL", "v"]];
        assert_eq!(all(&warehouse, &t).await, want, "{strategy:?}");
    }
}

#[tokio::test]
async fn the_servers_own_merge_deletes_matched_rows() {
    let warehouse = warehouse().await;
    let t = target(&warehouse).await;
    let request = MergeRequest::upsert(t.clone(), source(&[(Some(2), "gone"), (Some(3), "three")]), ["id"]);
    warehouse.merge_by(request.with_when_matched(WhenMatched::Delete), MergeStrategy::Merge).await.expect("merged");
    assert_eq!(all(&warehouse, &t).await, [["1", "one"], ["3", "three"]]);
}

#[tokio::test]
async fn what_a_strategy_cannot_do_is_refused_by_name_and_changes_nothing() {
    let warehouse = warehouse().await;
    let t = target(&warehouse).await;
    let request = || MergeRequest::upsert(t.clone(), source(&[(Some(2), "x")]), ["id"]);
    for (request, strategy) in [
        (request().with_delete_unmatched_by_source(true), MergeStrategy::Merge),
        (request().with_insert_unmatched(false), MergeStrategy::Merge),
        (request().with_when_matched(WhenMatched::Keep), MergeStrategy::DeleteInsert),
    ] {
        let error = warehouse.merge_by(request, strategy).await.expect_err("refused");
        assert_eq!(
            (error.kind(), error.context("strategy")),
            (ErrorKind::Unsupported, Some(&*format!("{strategy:?}")))
        );
    }
    assert_eq!(all(&warehouse, &t).await, [["1", "one"], ["2", "two"]]);
}

#[tokio::test]
async fn documents_are_merged_as_documents() {
    let warehouse = warehouse().await;
    let t = table(&warehouse, "id bigint, name super").await;
    warehouse.execute(format!("insert into {t} select 1, json_parse('[1]')")).await.expect("filled");
    let request = MergeRequest::upsert(t.clone(), source(&[(Some(1), "{\"a\": 7}"), (Some(2), "[2]")]), ["id"]);
    warehouse.merge_by(request, MergeStrategy::UpdateInsert).await.expect("merged");
    let found =
        rows(&warehouse, format!("select id, json_typeof(name), json_serialize(name) from {t} order by id")).await;
    assert_eq!(found, [["1", "object", "{\"a\":7}"], ["2", "array", "[2]"]]);
}
