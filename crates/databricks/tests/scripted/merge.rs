//! Merges: what is sent, and what is refused.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{StreamExt as _, stream};
use serde_json::json;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_testkit::Answer;
use twinhouse_warehouse_api::{
    BatchStream, MergeReport, MergeRequest, MergeSource, StatementRequest, TableRef, Warehouse as _, WhenMatched,
};

use crate::{
    bench::{Bench, STAGING, STATEMENTS, Volume, counted, failed, in_line, until},
    files_store::noise,
};

const TABLES: &str = "/api/2.1/unity-catalog/tables/main.default.";

async fn bench() -> (Bench, Volume) {
    let bench = Bench::new().await;
    let volume = Volume::on(&bench);
    let column =
        |name: &str, position: u64, text: &str| json!({ "name": name, "position": position, "type_text": text });
    let columns = json!([column("id", 0, "bigint"), column("na`me", 1, "string"), column("n", 2, "bigint")]);
    let table = |name: &str| {
        Answer::json(json!({ "name": name, "catalog_name": "main", "schema_name": "default", "columns": columns }))
    };
    bench.server.always("GET", &format!("{TABLES}t"), table("t"));
    bench.server.always("GET", &format!("{TABLES}src"), table("src"));
    (bench, volume)
}

fn duplicates(bench: &Bench, count: u64) -> &Bench {
    bench.answers(in_line(&[("duplicates", "BIGINT")], json!([[count.to_string()]])))
}

fn merged(bench: &Bench) -> &Bench {
    bench.answers(counted(&[
        ("num_affected_rows", 6),
        ("num_updated_rows", 3),
        ("num_deleted_rows", 1),
        ("num_inserted_rows", 2),
    ]))
}

fn rows(ids: &[i64]) -> MergeSource {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("na`me", Arc::new(StringArray::from_iter_values(ids.iter().map(|id| format!("row {id}"))))),
        ("ID", Arc::new(Int64Array::from(ids.to_vec()))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    MergeSource::Batches(BatchStream::from_batches(batch.schema(), vec![batch]))
}

fn upsert(source: MergeSource) -> MergeRequest {
    MergeRequest::upsert(TableRef::new("t"), source, ["Id"])
}

async fn merge(bench: &Bench, request: MergeRequest) -> Result<MergeReport> {
    bench.warehouse.merge(request).await
}

/// The statements with the directory of the staged files as `{dir}`.
fn sent(bench: &Bench) -> Vec<String> {
    let plain = |sql: String| match sql.split_once(&format!("{STAGING}/merge-")) {
        Some((before, rest)) => format!("{before}{{dir}}{}", &rest[36..]),
        None => sql,
    };
    bench.submitted().into_iter().map(plain).collect()
}

#[tokio::test]
async fn rows_from_memory_are_staged_checked_merged_and_cleaned_up() {
    let (bench, volume) = bench().await;
    merged(duplicates(&bench, 0));
    let report = merge(&bench, upsert(rows(&[1, 2]))).await.unwrap();
    assert_eq!(report, MergeReport::new(Some(2), Some(3), Some(1)));
    assert_eq!(
        sent(&bench),
        [
            "SELECT count(*) AS duplicates FROM (SELECT count(*) AS copies FROM (SELECT `id`, `na``me` FROM \
             parquet.`{dir}`) AS s WHERE s.`id` IS NOT NULL GROUP BY s.`id` HAVING count(*) > 1) AS d",
            "MERGE INTO `main`.`default`.`t` AS t USING (SELECT `id`, `na``me` FROM parquet.`{dir}`) AS s \
             ON t.`id` = s.`id` WHEN MATCHED THEN UPDATE SET `na``me` = s.`na``me` \
             WHEN NOT MATCHED THEN INSERT (`id`, `na``me`) VALUES (s.`id`, s.`na``me`)",
        ]
    );
    let uploads: Vec<_> =
        bench.server.requests().into_iter().filter(|r| r.path().ends_with("/part-00000.parquet")).collect();
    assert_eq!(uploads.iter().map(|r| r.method.as_str()).collect::<Vec<_>>(), ["PUT", "DELETE"]);
    assert!(volume.names().is_empty());
}

#[tokio::test]
async fn every_wish_has_its_clause() {
    let base = "WHEN NOT MATCHED THEN INSERT (`id`, `na``me`) VALUES (s.`id`, s.`na``me`)";
    for (request, clauses) in [
        (upsert(rows(&[1])).with_when_matched(WhenMatched::Keep), base.to_owned()),
        (
            upsert(rows(&[1])).with_when_matched(WhenMatched::Delete).with_insert_unmatched(false),
            "WHEN MATCHED THEN DELETE".to_owned(),
        ),
        (
            upsert(rows(&[1])).with_when_matched(WhenMatched::UpdateColumns(vec!["NA`ME".into()])),
            format!("WHEN MATCHED THEN UPDATE SET `na``me` = s.`na``me` {base}"),
        ),
        (
            upsert(rows(&[1])).with_delete_unmatched_by_source(true),
            format!("WHEN MATCHED THEN UPDATE SET `na``me` = s.`na``me` {base} WHEN NOT MATCHED BY SOURCE THEN DELETE"),
        ),
    ] {
        let (bench, _volume) = bench().await;
        merged(duplicates(&bench, 0));
        merge(&bench, request).await.unwrap();
        assert!(sent(&bench)[1].ends_with(&format!("ON t.`id` = s.`id` {clauses}")), "{:?}", sent(&bench));
    }
}

#[tokio::test]
async fn duplicate_keys_are_a_conflict_before_anything_is_changed() {
    let (bench, volume) = bench().await;
    duplicates(&bench, 1);
    let error = merge(&bench, upsert(rows(&[7, 7]))).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable(), error.context("keys")), (ErrorKind::Conflict, false, Some("id")));
    assert_eq!(sent(&bench).len(), 1, "no MERGE");
    assert!(volume.names().is_empty());
}

#[tokio::test]
async fn duplicates_that_only_the_server_saw_are_the_same_conflict() {
    let (bench, volume) = bench().await;
    duplicates(&bench, 0)
        .answers(failed("[DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE] no. SQLSTATE: 21506"));
    let error = merge(&bench, upsert(rows(&[1]))).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Conflict, false));
    assert!(volume.names().is_empty());
}

#[tokio::test]
async fn a_merge_whose_answer_is_lost_is_not_repeated_and_keeps_its_files() {
    let (bench, volume) = bench().await;
    duplicates(&bench, 0);
    bench.server.once("POST", STATEMENTS, Answer::close());
    let error = merge(&bench, upsert(rows(&[1]))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert_eq!(sent(&bench).len(), 2);
    let directory = error.context("staging").unwrap();
    assert!(volume.names().iter().all(|name| name.starts_with(directory)) && volume.names().len() == 1);
}

#[tokio::test]
async fn a_merge_that_breaks_off_while_it_is_staged_leaves_nothing() {
    // As many rows as are written at a time, and more than one file takes.
    let text = STANDARD.encode(noise(27 << 20));
    let names = StringArray::from_iter_values((0..1024).map(|row| &text[row * 36_000..(row + 1) * 36_000]));
    let columns: Vec<(&str, ArrayRef)> =
        vec![("id", Arc::new(Int64Array::from_iter_values(0..1024))), ("na`me", Arc::new(names))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    // Then the source breaks, or whoever waits goes away.
    for breaks in [true, false] {
        let (bench, volume) = bench().await;
        let end = match breaks {
            true => stream::iter([Err(Error::new(ErrorKind::Data, "the source broke"))]).boxed(),
            false => stream::pending().boxed(),
        };
        let rows = BatchStream::new(batch.schema(), stream::iter([Ok(batch.clone())]).chain(end));
        let request = upsert(MergeSource::Batches(rows));
        let is_staged = || bench.server.requests().iter().any(|request| request.path().ends_with(".parquet"));
        if breaks {
            let error = merge(&bench, request).await.unwrap_err();
            assert!(error.message() == "the source broke" && error.context("staging").is_some());
        } else {
            let warehouse = bench.warehouse.clone();
            let merging = tokio::spawn(async move { warehouse.merge(request).await.map(drop) });
            until("a file", || !volume.names().is_empty()).await;
            merging.abort();
            merging.await.unwrap_err();
            assert!(is_staged());
        }
        until("nothing left", || volume.names().is_empty()).await;
        assert!(sent(&bench).is_empty());
    }
}

#[tokio::test]
async fn tables_and_queries_are_sources_too() {
    let (bench, _volume) = bench().await;
    merged(duplicates(&bench, 0));
    merge(&bench, upsert(MergeSource::Table(TableRef::new("src")))).await.unwrap();
    let select = "SELECT `id`, `na``me`, `n` FROM `main`.`default`.`src`";
    assert!(sent(&bench)[1].starts_with(&format!("MERGE INTO `main`.`default`.`t` AS t USING ({select}) AS s ON")));

    let (bench, volume) = self::bench().await;
    bench.answers(in_line(&[("ID", "BIGINT"), ("n", "BIGINT")], json!([])));
    merged(duplicates(&bench, 0));
    let query = StatementRequest::read("select id as ID, n from src where n > :least; -- all").bind("least", 5_i64);
    // The comment hides neither the bracket nor, here, the semicolon.
    let query = StatementRequest::read(query.sql().replace("; -- all", " -- all")).with_params(query.params().clone());
    merge(&bench, upsert(MergeSource::Query(query))).await.unwrap();
    let inner = "(\nselect id as ID, n from src where n > :least -- all\n)";
    assert_eq!(sent(&bench)[0], format!("SELECT * FROM {inner} AS s WHERE FALSE"));
    assert!(
        sent(&bench)[2].contains(&format!("USING (SELECT `ID` AS `id`, `n` FROM {inner}) AS s")),
        "{:?}",
        sent(&bench)
    );
    for post in bench.asked("POST", STATEMENTS) {
        assert_eq!(post.json()["parameters"], json!([{ "name": "least", "type": "BIGINT", "value": "5" }]));
    }
    assert!(volume.names().is_empty());
}

#[tokio::test]
async fn no_rows_change_nothing_unless_their_absence_means_something() {
    let (bench, volume) = bench().await;
    let report = merge(&bench, upsert(rows(&[]))).await.unwrap();
    assert_eq!(report, MergeReport::new(Some(0), Some(0), Some(0)));
    assert!(sent(&bench).is_empty());
    merged(duplicates(&bench, 0));
    merge(&bench, upsert(rows(&[])).with_delete_unmatched_by_source(true)).await.unwrap();
    assert!(sent(&bench)[1].contains("FROM (SELECT * FROM `main`.`default`.`t` WHERE FALSE)"), "{:?}", sent(&bench));
    assert!(volume.names().is_empty());
}

#[tokio::test]
async fn merges_without_sense_are_refused_before_anything_is_staged() {
    let (bench, volume) = bench().await;
    let named = |keys: &[&str]| MergeRequest::upsert(TableRef::new("t"), rows(&[]), keys.iter().copied());
    for request in [
        named(&[]),
        named(&["n"]),
        named(&["id"]).with_when_matched(WhenMatched::UpdateColumns(vec!["n".into()])),
        named(&["id", "na`me"]).with_insert_unmatched(false),
    ] {
        assert_eq!(merge(&bench, request).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert!(volume.names().is_empty() && sent(&bench).is_empty());
}
