//! Loads that replace rows or make their table: what is sent, and every point at which one can break off.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use futures::stream;
use serde_json::{Value, json};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_testkit::Answer;
use twinhouse_warehouse_api::{
    BatchStream, BulkReport, Expression, LoadMode, LoadRequest, LoadToken, TableRef, Warehouse as _,
};

use crate::bench::{Bench, ID, STAGING, STATEMENTS, Volume, counted, ddl, failed, in_line, state, statement, until};

const TABLE: &str = "/api/2.1/unity-catalog/tables/main.default.t";

fn described() -> Answer {
    let column = |name: &str, position: u64, text: &str, partition: Option<u64>| json!({ "name": name, "position": position, "type_text": text, "partition_index": partition });
    Answer::json(json!({
        "name": "t", "catalog_name": "main", "schema_name": "default", "table_type": "MANAGED", "table_id": "id-1",
        "columns": [column("id", 0, "bigint", None), column("q", 1, "string", Some(1)), column("p", 2, "bigint", Some(0))],
    }))
}

async fn bench() -> (Bench, Volume) {
    let bench = Bench::new().await;
    let volume = Volume::on(&bench);
    bench.server.always("GET", TABLE, described());
    (bench, volume)
}

async fn without_table() -> (Bench, Volume) {
    let bench = Bench::new().await;
    let volume = Volume::on(&bench);
    let gone = json!({ "error_code": "TABLE_DOES_NOT_EXIST", "message": "no such table" });
    bench.server.always("GET", TABLE, Answer::json(gone).with_status(404));
    (bench, volume)
}

fn batch(ids: std::ops::Range<i64>) -> RecordBatch {
    let text: ArrayRef = Arc::new(StringArray::from_iter_values(ids.clone().map(|id| format!("q{id}"))));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
    RecordBatch::try_from_iter([("q", text), ("id", ids.clone()), ("p", ids)]).unwrap()
}

fn request(mode: LoadMode, rows: i64) -> LoadRequest {
    let batches = BatchStream::from_batches(batch(0..0).schema(), vec![batch(0..rows)]);
    LoadRequest::append(TableRef::new("t"), batches, LoadToken::new("tok.1").unwrap()).with_mode(mode)
}

async fn load(bench: &Bench, mode: LoadMode, rows: i64) -> Result<BulkReport> {
    bench.warehouse.load(request(mode, rows)).await
}

/// Commits as `DESCRIBE HISTORY` lists them: version, operation, rows.
fn history(bench: &Bench, commits: &[(u64, &str, Option<u64>)]) {
    let rows: Vec<_> = commits
        .iter()
        .map(|(version, operation, rows)| {
            let metrics = rows.map_or_else(|| json!({}), |rows| json!({ "numOutputRows": rows.to_string() }));
            json!([version.to_string(), operation, metrics.to_string()])
        })
        .collect();
    let columns = [("version", "BIGINT"), ("operation", "STRING"), ("operationMetrics", "MAP<STRING, STRING>")];
    bench.answers(in_line(&columns, Value::Array(rows)));
}

fn differing(bench: &Bench, rows: u64) {
    bench.answers(in_line(&[("differing", "BIGINT")], json!([[rows.to_string()]])));
}

fn written(bench: &Bench, rows: u64) {
    bench.answers(counted(&[("num_affected_rows", rows), ("num_inserted_rows", rows)]));
}

/// The statements with the directory of the staged files as `{dir}`.
fn sent(bench: &Bench) -> Vec<String> {
    let plain = |mut sql: String| {
        while let Some(start) = sql.find(&format!("{STAGING}/")) {
            let end = start + sql[start..].find('`').unwrap();
            sql.replace_range(start..end, "{dir}");
        }
        sql
    };
    bench.submitted().into_iter().map(plain).collect()
}

fn ledger(volume: &Volume) -> (String, Value) {
    let name = volume.names().into_iter().find(|name| name.ends_with("/tok.1/load.json")).expect("a ledger");
    let content = serde_json::from_slice(&volume.content(&name)).unwrap();
    (name, content)
}

#[tokio::test]
async fn each_mode_is_one_statement_over_the_staged_files() {
    let predicate = LoadMode::ReplaceWhere(Expression::new("q = :q").bind("q", "it's"));
    let select = "SELECT `id`, `q`, `p` FROM parquet.`{dir}`";
    for (mode, sql) in [
        (LoadMode::Overwrite, format!("INSERT OVERWRITE `main`.`default`.`t` BY NAME {select}")),
        (predicate, format!("INSERT INTO `main`.`default`.`t` BY NAME REPLACE WHERE (\nq = 'it\\'s'\n) {select}")),
        (
            LoadMode::ReplacePartitions,
            format!("INSERT INTO `main`.`default`.`t` BY NAME REPLACE USING (`p`, `q`) {select}"),
        ),
    ] {
        let (bench, volume) = bench().await;
        history(&bench, &[(7, "WRITE", Some(1))]);
        written(&bench, 10);
        let report = load(&bench, mode, 10).await.unwrap();
        assert_eq!((report.rows, report.files, report.replayed), (10, 1, false));
        assert_eq!(sent(&bench), ["DESCRIBE HISTORY `main`.`default`.`t` LIMIT 1".to_owned(), sql]);
        assert_eq!(volume.names().len(), 1, "the ledger alone stays: {:?}", volume.names());
        let ledger = ledger(&volume).1;
        assert_eq!((&ledger["loaded"], &ledger["replacement"]["before"]), (&json!(true), &json!(7)));
    }
}

#[tokio::test]
async fn a_table_is_made_in_one_statement_with_every_type_said() {
    let (bench, volume) = without_table().await;
    bench.answers(ddl());
    let report = load(&bench, LoadMode::Create, 10).await.unwrap();
    assert_eq!((report.rows, report.replayed), (10, false));
    assert_eq!(
        sent(&bench),
        ["CREATE TABLE `main`.`default`.`t` AS SELECT CAST(`q` AS STRING) AS `q`, CAST(`id` AS BIGINT) AS `id`, \
          CAST(`p` AS BIGINT) AS `p` FROM parquet.`{dir}`"]
    );
    assert_eq!(volume.names().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_looked_for_before_anything_is_sent_again() {
    let (bench, volume) = bench().await;
    history(&bench, &[(7, "WRITE", Some(1))]);
    bench.server.once("POST", STATEMENTS, Answer::close());
    // Somebody has optimized, somebody has written other rows, and then as many as we.
    history(&bench, &[(10, "OPTIMIZE", None), (9, "WRITE", Some(10)), (8, "WRITE", Some(3)), (7, "WRITE", Some(10))]);
    differing(&bench, 0);
    let report = load(&bench, LoadMode::Overwrite, 10).await.unwrap();
    assert_eq!((report.rows, report.replayed), (10, false), "our own try did it");
    let sent = sent(&bench);
    assert_eq!(sent.iter().filter(|sql| sql.starts_with("INSERT")).count(), 1, "{sent:?}");
    assert!(sent[3].contains("FROM `main`.`default`.`t` VERSION AS OF 9"), "{sent:?}");
    assert_eq!(ledger(&volume).1["loaded"], json!(true));
}

#[tokio::test]
async fn what_has_not_landed_is_sent_again() {
    let (bench, _volume) = bench().await;
    history(&bench, &[(7, "WRITE", Some(1))]);
    bench.server.once("POST", STATEMENTS, Answer::close());
    history(&bench, &[(8, "WRITE", Some(10)), (7, "WRITE", Some(1))]);
    // As many rows, but others.
    differing(&bench, 20);
    written(&bench, 10);
    let report = load(&bench, LoadMode::Overwrite, 10).await.unwrap();
    assert_eq!((report.rows, report.replayed), (10, false));
    assert_eq!(sent(&bench).iter().filter(|sql| sql.starts_with("INSERT")).count(), 2);
}

#[tokio::test]
async fn what_cannot_be_told_is_a_conflict_that_says_what_to_do() {
    let (bench, volume) = bench().await;
    history(&bench, &[(7, "WRITE", Some(1))]);
    bench.server.once("POST", STATEMENTS, Answer::close());
    history(&bench, &[(8, "WRITE", Some(10)), (7, "WRITE", Some(1))]);
    bench.answers(failed("[DELTA_FILE_NOT_FOUND_DETAILED] vacuumed. SQLSTATE: 42K03"));
    let error = load(&bench, LoadMode::Overwrite, 10).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable(), error.context("version")), (ErrorKind::Conflict, false, Some("8")));
    assert!(error.context("cure").is_some() && error.context("staging").is_some(), "{error:?}");
    assert!(volume.names().iter().any(|name| name.ends_with(".parquet")), "the files stay: {:?}", volume.names());
}

#[tokio::test]
async fn after_a_crash_the_next_load_looks_first() {
    let (bench, volume) = bench().await;
    history(&bench, &[(7, "WRITE", Some(1))]);
    written(&bench, 10);
    load(&bench, LoadMode::Overwrite, 10).await.unwrap();
    // As if the sender had died right after the service took the statement.
    let (path, mut content) = ledger(&volume);
    content["loaded"] = json!(false);
    volume.put(&path, content.to_string());
    history(&bench, &[(8, "WRITE", Some(10)), (7, "WRITE", Some(1))]);
    differing(&bench, 0);
    let report = load(&bench, LoadMode::Overwrite, 99).await.unwrap();
    assert_eq!((report.rows, report.replayed), (0, true));
    assert_eq!(ledger(&volume).1["loaded"], json!(true));
    let requests = bench.server.requests().len();
    assert!(load(&bench, LoadMode::Overwrite, 99).await.unwrap().replayed);
    assert_eq!(bench.asked("POST", STATEMENTS).len(), 4);
    assert!(bench.server.requests()[requests..].iter().all(|request| request.method != "PUT"));
}

#[tokio::test]
async fn a_statement_that_takes_its_time_is_noted_and_asked_for_after_a_crash() {
    let (bench, volume) = bench().await;
    history(&bench, &[(7, "WRITE", Some(1))]);
    bench.server.once("POST", STATEMENTS, Answer::json(state("RUNNING")));
    bench.server.once("GET", &statement(""), Answer::json(state("RUNNING")));
    // The sender is cut off from here on.
    bench.server.once("GET", &statement(""), Answer::status(403));
    bench.server.always("POST", &statement("/cancel"), Answer::json(json!({})));
    load(&bench, LoadMode::Overwrite, 10).await.unwrap_err();
    let note = volume.names().into_iter().find(|name| name.ends_with("/statement")).expect("a note");
    assert_eq!(volume.content(&note), ID.as_bytes());

    bench.server.once("GET", &statement(""), Answer::json(counted(&[("num_affected_rows", 10)])));
    bench.server.once("GET", &statement(""), Answer::json(counted(&[("num_affected_rows", 10)])));
    let report = load(&bench, LoadMode::Overwrite, 10).await.unwrap();
    assert_eq!((report.rows, report.replayed), (0, true));
    assert_eq!(sent(&bench).iter().filter(|sql| sql.starts_with("INSERT")).count(), 1);
}

#[tokio::test]
async fn a_conflict_with_another_writer_is_tried_again() {
    let (bench, _volume) = bench().await;
    history(&bench, &[(7, "WRITE", Some(1))]);
    bench.answers(failed("[DELTA_CONCURRENT_DELETE_DELETE] Files were removed. SQLSTATE: 2D521"));
    written(&bench, 10);
    let report = load(&bench, LoadMode::Overwrite, 10).await.unwrap();
    assert_eq!((report.rows, report.replayed), (10, false));
}

#[tokio::test]
async fn rows_that_the_predicate_refuses_give_the_token_back() {
    let (bench, volume) = bench().await;
    history(&bench, &[(7, "WRITE", Some(1))]);
    bench.answers(failed("[DELTA_REPLACE_WHERE_MISMATCH] Written data does not conform. SQLSTATE: 44000"));
    let error = load(&bench, LoadMode::ReplaceWhere("id < 5".into()), 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Constraint, "{error:?}");
    assert!(volume.names().iter().all(|name| !name.ends_with("load.json")), "{:?}", volume.names());
}

#[tokio::test]
async fn no_rows_still_replace_and_never_read_files_that_are_not_there() {
    let (bench, volume) = bench().await;
    history(&bench, &[(7, "WRITE", Some(1))]);
    written(&bench, 0);
    assert_eq!(load(&bench, LoadMode::Overwrite, 0).await.unwrap().rows, 0);
    assert!(sent(&bench)[1].ends_with("FROM `main`.`default`.`t` WHERE FALSE"), "{:?}", sent(&bench));
    assert_eq!(ledger(&volume).1["loaded"], json!(true), "the token is used up: to empty it again would be a loss");
}

#[tokio::test]
async fn a_null_in_a_partition_is_refused_by_its_column() {
    let (bench, _volume) = bench().await;
    history(&bench, &[(7, "WRITE", Some(1))]);
    let fields = vec![Field::new("id", DataType::Int64, true), Field::new("p", DataType::Int64, true)];
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1])), Arc::new(Int64Array::from(vec![None::<i64>]))];
    let q = Arc::new(StringArray::from(vec!["x"]));
    let fields = fields.into_iter().chain([Field::new("q", DataType::Utf8, true)]).collect::<Vec<_>>();
    let columns = columns.into_iter().chain([q as ArrayRef]).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let batches = BatchStream::from_batches(batch.schema(), vec![batch]);
    let request = LoadRequest::append(TableRef::new("t"), batches, LoadToken::new("tok.1").unwrap());
    let error = bench.warehouse.load(request.with_mode(LoadMode::ReplacePartitions)).await.unwrap_err();
    assert_eq!((error.kind(), error.context("column")), (ErrorKind::InvalidInput, Some("p")));
}

#[tokio::test]
async fn a_token_that_was_begun_in_another_mode_is_refused() {
    let (bench, _volume) = bench().await;
    bench.server.once("POST", STATEMENTS, Answer::status(500));
    load(&bench, LoadMode::Append, 10).await.unwrap_err();
    let error = load(&bench, LoadMode::Overwrite, 10).await.unwrap_err();
    assert_eq!((error.kind(), error.context("begun as")), (ErrorKind::InvalidInput, Some("Append")));
}

#[tokio::test]
async fn a_table_that_is_there_is_found_before_anything_is_staged() {
    let (bench, volume) = bench().await;
    let error = load(&bench, LoadMode::Create, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(volume.names().is_empty() && bench.submitted().is_empty());
}

#[tokio::test]
async fn the_files_of_attempts_that_died_go_with_the_others() {
    let (bench, volume) = bench().await;
    history(&bench, &[(7, "WRITE", Some(1))]);
    bench.server.once("POST", STATEMENTS, Answer::status(403));
    load(&bench, LoadMode::Overwrite, 10).await.unwrap_err();
    let directory = ledger(&volume).0.replace("/load.json", "");
    // An attempt that never came to a ledger.
    volume.put(&format!("{directory}/attempt-dead/part-00000.parquet"), "rows");
    history(&bench, &[(7, "WRITE", Some(1))]);
    written(&bench, 10);
    load(&bench, LoadMode::Overwrite, 10).await.unwrap();
    assert_eq!(volume.names().len(), 1, "{:?}", volume.names());
}

#[tokio::test]
async fn an_attempt_that_fails_leaves_no_files_and_those_of_others_stay() {
    // The rows are refused.
    let (bench, volume) = bench().await;
    history(&bench, &[(7, "WRITE", Some(1))]);
    bench.answers(failed("[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] a null in column: p. SQLSTATE: 23502"));
    let error = load(&bench, LoadMode::Overwrite, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Constraint);
    assert!(volume.names().is_empty(), "{:?}", volume.names());

    // The source breaks. Somebody else is at work with the same token.
    let others = format!("{}/attempt-others/part-00000.parquet", error.context("staging").unwrap());
    volume.put(&others, "rows");
    let rows = vec![Ok(batch(0..5000)), Err(Error::new(ErrorKind::Data, "the source broke"))];
    let broken = BatchStream::new(batch(0..0).schema(), stream::iter(rows));
    let request = LoadRequest::append(TableRef::new("t"), broken, LoadToken::new("tok.1").unwrap());
    let request = request.with_mode(LoadMode::Overwrite).with_target_file_bytes(1);
    let error = bench.warehouse.load(request).await.unwrap_err();
    assert_eq!(error.message(), "the source broke");
    until("nothing of this attempt", || volume.names() == [others.clone()]).await;
}
