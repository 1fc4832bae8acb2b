//! Loads, and every point at which one can break off.

use std::sync::{Arc, Mutex};

use arrow::{
    array::{ArrayRef, AsArray as _, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Int64Type, TimeUnit},
};
use bytes::Bytes;
use futures::stream;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use twinhouse_core::{Effect, Error, ErrorKind, Result};
use twinhouse_testkit::Answer;
use twinhouse_warehouse_api::{
    BatchStream, BulkReport, CallOptions, LoadRequest, LoadToken, Progress, TableRef, Warehouse as _, WarehouseExt as _,
};

use crate::bench::{Bench, STAGING, STATEMENTS, Volume, counted, failed};

const TABLE: &str = "/api/2.1/unity-catalog/tables/main.default.t";

fn described() -> Answer {
    let column =
        |name: &str, position: u64, text: &str| json!({ "name": name, "position": position, "type_text": text });
    Answer::json(json!({
        "name": "t", "catalog_name": "main", "schema_name": "default", "table_type": "MANAGED", "table_id": "id-1",
        "columns": [column("id", 0, "bigint"), column("name", 1, "string"), column("at", 2, "timestamp")],
    }))
}

async fn bench() -> (Bench, Volume) {
    let bench = Bench::new().await;
    let volume = Volume::on(&bench);
    bench.server.always("GET", TABLE, described());
    (bench, volume)
}

/// Rows `(id int, at timestamp)`: an id that must be widened, in another order than the table's, without its name.
fn rows(ids: std::ops::Range<i32>) -> RecordBatch {
    let at = TimestampMicrosecondArray::from_iter_values(ids.clone().map(i64::from)).with_timezone("UTC");
    let columns: Vec<(&str, ArrayRef)> =
        vec![("at", Arc::new(at)), ("ID", Arc::new(Int32Array::from_iter_values(ids)))];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn request(batches: Vec<RecordBatch>) -> LoadRequest {
    let batches = BatchStream::from_batches(rows(0..0).schema(), batches);
    LoadRequest::append(TableRef::new("t"), batches, LoadToken::new("tok.1").unwrap())
}

async fn load(bench: &Bench, ids: std::ops::Range<i32>) -> Result<BulkReport> {
    bench.warehouse.load(request(vec![rows(ids)])).await
}

fn loads(bench: &Bench, rows: u64) {
    bench.answers(counted(&[
        ("num_affected_rows", rows),
        ("num_inserted_rows", rows),
        ("num_skipped_corrupt_files", 0),
    ]));
}

/// The ledger, which must be the only file there.
fn ledger(volume: &Volume) -> (String, Value) {
    let names = volume.names();
    assert!(names.len() == 1 && names[0].ends_with("/tok.1/load.json"), "{names:?}");
    (names[0].clone(), serde_json::from_slice(&volume.content(&names[0])).unwrap())
}

#[tokio::test]
async fn rows_become_parquet_of_the_tables_types_and_one_copy_names_the_files() {
    let (bench, volume) = bench().await;
    loads(&bench, 3000);
    let staged = Arc::new(Mutex::new(Vec::new()));
    let (seen, files) = (staged.clone(), volume.clone());
    let progress = move |progress: Progress| seen.lock().unwrap().push((progress, files.names().len()));
    let labelled = CallOptions::default().with_label("nightly");
    let request = request(vec![rows(0..1500), rows(1500..3000)]).with_options(labelled);
    let request = request.with_target_file_bytes(1).with_progress(progress);
    let report = bench.warehouse.load(request).await.unwrap();
    assert_eq!((report.rows, report.files, report.replayed), (3000, 3, false));

    let uploads: Vec<_> =
        bench.server.requests().into_iter().filter(|r| r.path().ends_with(".parquet") && r.method == "PUT").collect();
    assert_eq!(uploads.len(), 3);
    let directory = uploads[0].path().trim_start_matches("/api/2.0/fs/files").rsplit_once('/').unwrap().0.to_owned();
    assert!(directory.starts_with(&format!("{STAGING}/t-t-")) && directory.ends_with("/tok.1"), "{directory}");
    assert_eq!(
        bench.submitted(),
        [format!(
            "COPY INTO `main`.`default`.`t` FROM '{directory}' FILEFORMAT = PARQUET \
                  FILES = ('part-00000.parquet', 'part-00001.parquet', 'part-00002.parquet')"
        )]
    );
    assert_eq!(bench.asked("POST", STATEMENTS)[0].json()["query_tags"][0]["value"], "nightly");
    let last = *staged.lock().unwrap().last().unwrap();
    assert_eq!((last.0.rows, last.0.files, last.0.bytes), (3000, 3, report.bytes));

    let first = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(uploads[0].body.clone())).unwrap();
    let schema = first.schema().clone();
    assert_eq!(schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(), ["id", "at"]);
    assert_eq!(schema.field(0).data_type(), &DataType::Int64);
    assert_eq!(schema.field(1).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    let ids: Vec<i64> = first
        .build()
        .unwrap()
        .flat_map(|batch| batch.unwrap().column(0).as_primitive::<Int64Type>().values().to_vec())
        .collect();
    assert_eq!(ids, (0..1024).collect::<Vec<_>>());

    let (_, ledger) = ledger(&volume);
    assert_eq!((&ledger["loaded"], &ledger["staged"]["parts"][2]["rows"]), (&json!(true), &json!(952)));
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_anything_is_sent() {
    let (bench, _volume) = bench().await;
    let columns: Vec<(&str, ArrayRef)> = vec![("id", Arc::new(StringArray::from(vec!["x"])))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let batches = BatchStream::from_batches(batch.schema(), vec![batch]);
    let request = LoadRequest::append(TableRef::new("t"), batches, LoadToken::new("tok.1").unwrap());
    let error = bench.warehouse.load(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("`id`") && error.to_string().contains("bigint"), "{error}");
    assert_eq!(bench.server.requests().len(), 1, "only the table was looked at");
}

#[tokio::test]
async fn columns_that_parquet_cannot_fill_are_refused_by_name() {
    let bench = Bench::new().await;
    let columns = json!([{ "name": "v", "type_text": "variant" }]);
    bench.server.always("GET", TABLE, Answer::json(json!({ "name": "t", "columns": columns })));
    let columns: Vec<(&str, ArrayRef)> = vec![("v", Arc::new(StringArray::from(vec!["{}"])))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let batches = BatchStream::from_batches(batch.schema(), vec![batch]);
    let request = LoadRequest::append(TableRef::new("t"), batches, LoadToken::new("tok.1").unwrap());
    let error = bench.warehouse.load(request).await.unwrap_err();
    assert_eq!((error.kind(), error.context("column")), (ErrorKind::Unsupported, Some("v")));
}

#[tokio::test]
async fn a_token_that_was_loaded_is_left_alone_whatever_comes_with_it() {
    let (bench, volume) = bench().await;
    loads(&bench, 10);
    load(&bench, 0..10).await.unwrap();
    let before = bench.server.requests().len();
    let report = bench.warehouse.load(request(vec![rows(50..9000)]).with_target_file_bytes(1)).await.unwrap();
    assert_eq!((report.rows, report.replayed), (0, true));
    assert!(bench.server.requests()[before..].iter().all(|r| r.method != "PUT" && r.method != "POST"));
    ledger(&volume);
}

#[tokio::test]
async fn broken_off_before_the_ledger_the_next_load_names_only_its_own_files() {
    let (bench, volume) = bench().await;
    let batches = vec![Ok(rows(0..5000)), Err(Error::new(ErrorKind::Data, "the source broke"))];
    let broken = BatchStream::new(rows(0..0).schema(), stream::iter(batches));
    let token = LoadToken::new("tok.1").unwrap();
    let request = LoadRequest::append(TableRef::new("t"), broken, token).with_target_file_bytes(1);
    let error = bench.warehouse.load(request).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Data, "the source broke"));
    assert!(error.context("staging").unwrap().ends_with("/tok.1"));
    assert!(volume.names().iter().any(|name| name.ends_with("part-00000.parquet")), "{:?}", volume.names());
    assert!(bench.submitted().is_empty());

    loads(&bench, 10);
    assert_eq!(load(&bench, 0..10).await.unwrap().rows, 10);
    assert!(bench.submitted()[0].ends_with("FILES = ('part-00000.parquet')"), "{:?}", bench.submitted());
    // What the first left behind goes with the files of the second.
    ledger(&volume);
}

#[tokio::test]
async fn broken_off_after_the_ledger_the_files_of_then_are_copied_not_those_of_now() {
    let (bench, volume) = bench().await;
    bench.server.once("POST", STATEMENTS, Answer::status(500));
    let error = load(&bench, 0..10).await.unwrap_err();
    assert_eq!(error.fault().effect, Effect::Unknown);
    assert_eq!(volume.names().len(), 2, "the part stays for the next load");
    let part = volume.names()[1].clone();
    let content = volume.content(&part);

    // The other rows would be two parts.
    loads(&bench, 10);
    let report = bench.warehouse.load(request(vec![rows(100..2000)]).with_target_file_bytes(1)).await.unwrap();
    assert_eq!((report.rows, report.replayed), (10, false));
    assert!(bench.submitted().last().unwrap().ends_with("FILES = ('part-00000.parquet')"));
    let puts: Vec<_> =
        bench.server.requests().into_iter().filter(|r| r.method == "PUT" && r.path().ends_with(&part)).collect();
    assert!(puts.len() == 1 && puts[0].body == content, "the part was written anew");
    ledger(&volume);
}

#[tokio::test]
async fn a_lost_answer_to_the_copy_is_answered_by_copying_again() {
    let (bench, volume) = bench().await;
    bench.server.once("POST", STATEMENTS, Answer::close());
    loads(&bench, 0);
    let report = load(&bench, 0..10).await.unwrap();
    assert_eq!((report.rows, report.replayed), (10, false), "the first try did it");
    let sent = bench.submitted();
    assert!(sent.len() == 2 && sent[0] == sent[1], "{sent:?}");
    ledger(&volume);
}

#[tokio::test]
async fn a_copy_that_certainly_did_nothing_does_not_take_credit_for_somebody_elses() {
    let (bench, _volume) = bench().await;
    bench.answers(failed("[DELTA_CONCURRENT_APPEND] Files were added. SQLSTATE: 2D521"));
    loads(&bench, 0);
    let report = load(&bench, 0..10).await.unwrap();
    assert_eq!((report.rows, report.replayed), (0, true));
    assert_eq!(bench.submitted().len(), 2);
}

#[tokio::test]
async fn copied_but_not_marked_the_next_load_finds_it_done() {
    let (bench, volume) = bench().await;
    loads(&bench, 10);
    load(&bench, 0..10).await.unwrap();
    // As if the mark had not been made: the parts are still there.
    let (path, mut content) = ledger(&volume);
    content["loaded"] = json!(false);
    volume.put(&path, content.to_string());
    let part = path.replace("load.json", "part-00000.parquet");
    volume.put(&part, "anything");
    loads(&bench, 0);
    let report = load(&bench, 0..10).await.unwrap();
    assert_eq!((report.rows, report.replayed), (0, true));
    assert_eq!(ledger(&volume).1["loaded"], json!(true));
}

#[tokio::test]
async fn marked_but_not_cleaned_up_the_next_load_cleans_up() {
    let (bench, volume) = bench().await;
    loads(&bench, 10);
    load(&bench, 0..10).await.unwrap();
    let (path, _) = ledger(&volume);
    volume.put(&path.replace("load.json", "part-00000.parquet"), "left over");
    assert!(load(&bench, 0..10).await.unwrap().replayed);
    ledger(&volume);
}

#[tokio::test]
async fn a_load_that_cannot_be_marked_keeps_its_files() {
    let (bench, volume) = bench().await;
    loads(&bench, 10);
    load(&bench, 0..10).await.unwrap();
    let path = ledger(&volume).0;
    // Again, for another table of the same name, so that the paths are known beforehand.
    volume.put(
        &path,
        json!({ "format": 1, "writer": "w", "token": "tok.1", "table": "t", "loaded": false,
        "staged": { "parts": [{ "name": "part-00000.parquet", "rows": 10, "bytes": 1 }] } })
        .to_string(),
    );
    volume.put(&path.replace("load.json", "part-00000.parquet"), "rows");
    bench.server.once("PUT", &format!("/api/2.0/fs/files{path}"), Answer::status(403));
    loads(&bench, 10);
    assert_eq!(load(&bench, 0..10).await.unwrap().rows, 10);
    assert_eq!(volume.names().len(), 2, "the next load will ask for the part");
}

#[tokio::test]
async fn rows_that_the_table_refuses_give_the_token_back() {
    let (bench, volume) = bench().await;
    bench.answers(failed(
        "[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: name. SQLSTATE: 23502",
    ));
    let error = load(&bench, 0..10).await.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Constraint, Some("23502")));
    assert!(error.context("staging").is_some());
    assert!(volume.names().is_empty(), "neither ledger nor files: {:?}", volume.names());
    loads(&bench, 20);
    assert_eq!(load(&bench, 0..20).await.unwrap().rows, 20, "better rows come under the same token");
}

#[tokio::test]
async fn another_number_of_rows_than_staged_is_never_a_success() {
    for counts in [vec![("num_affected_rows", 7)], vec![("num_affected_rows", 10), ("num_skipped_corrupt_files", 1)]] {
        let (bench, volume) = bench().await;
        bench.answers(counted(&counts));
        let error = load(&bench, 0..10).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.fault().effect, error.is_retryable()),
            (ErrorKind::Data, Effect::Unknown, false)
        );
        assert!(volume.names().iter().any(|name| name.ends_with("load.json")), "the token is not given back");
    }
}

#[tokio::test]
async fn of_two_at_once_one_finds_the_others_ledger() {
    let (bench, volume) = bench().await;
    loads(&bench, 10);
    load(&bench, 0..10).await.unwrap();
    let path = ledger(&volume).0;
    // The second looked before the first had written it.
    let url = format!("/api/2.0/fs/files{path}");
    bench.server.once("GET", &url, Answer::status(404));
    let report = load(&bench, 0..10).await.unwrap();
    assert_eq!((report.rows, report.replayed), (0, true));
    assert_eq!(bench.submitted().len(), 1);
}

#[tokio::test]
async fn files_that_somebody_else_loaded_and_deleted_under_our_hands_are_a_replay() {
    let (bench, volume) = bench().await;
    loads(&bench, 10);
    load(&bench, 0..10).await.unwrap();
    let (path, mut content) = ledger(&volume);
    content["loaded"] = json!(false);
    let url = format!("/api/2.0/fs/files{path}");
    bench.server.once("GET", &url, Answer::ok(content.to_string()));
    bench.answers(failed("[PATH_NOT_FOUND] Path does not exist. SQLSTATE: 42K03"));
    let report = load(&bench, 0..10).await.unwrap();
    assert_eq!((report.rows, report.replayed), (0, true));
    assert_eq!(ledger(&volume).1["loaded"], json!(true), "the ledger stands");
}

#[tokio::test]
async fn nothing_to_load_stages_nothing_and_uses_no_token() {
    let (bench, volume) = bench().await;
    let report = bench.warehouse.load(request(vec![rows(0..0)])).await.unwrap();
    assert_eq!((report.rows, report.files, report.replayed), (0, 0, false));
    assert!(volume.names().is_empty() && bench.submitted().is_empty());
}

#[tokio::test]
async fn a_table_made_anew_is_another_table() {
    let (bench, _volume) = bench().await;
    loads(&bench, 10);
    load(&bench, 0..10).await.unwrap();
    let other = Bench::new().await;
    Volume::on(&other);
    let mut described = json!({ "name": "t", "catalog_name": "main", "schema_name": "default", "table_id": "id-2" });
    described["columns"] = json!([{ "name": "id", "type_text": "bigint" }, { "name": "at", "type_text": "timestamp" }]);
    other.server.always("GET", TABLE, Answer::json(described));
    loads(&other, 10);
    load(&other, 0..10).await.unwrap();
    assert_ne!(bench.submitted(), other.submitted());
}

#[tokio::test]
async fn without_a_staging_place_loads_and_merges_are_refused_with_the_setting() {
    let config = twinhouse_databricks::DatabricksConfig::builder()
        .env(twinhouse_core::config::Env::empty())
        .url("databricks://token:t@127.0.0.1:9/w?scheme=http&catalog=c")
        .build()
        .unwrap();
    let warehouse = twinhouse_databricks::DatabricksWarehouse::new(config).unwrap();
    assert!(!warehouse.capabilities().load && !warehouse.capabilities().merge);
    let error = warehouse.load(request(vec![])).await.unwrap_err();
    assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Unsupported, Some("staging_volume")));
    let error = warehouse.upsert(TableRef::new("t"), request(vec![]).into_batches(), &["id"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
