//! Results as JSON in the answer itself.

use arrow::{array::AsArray as _, datatypes::Decimal128Type};
use serde::Deserialize;
use serde_json::json;
use twinhouse_core::ErrorKind;
use twinhouse_databricks::ResultRoute;
use twinhouse_testkit::Answer;
use twinhouse_warehouse_api::WarehouseExt as _;

use crate::bench::{Bench, STATEMENTS, in_line, read, statement};

#[tokio::test]
async fn jdbc_1071_inline_chunks_are_all_read() {
    let bench = Bench::with(|builder| builder.result_route(ResultRoute::Inline)).await;
    let mut answer = in_line(&[("n", "BIGINT")], json!([["1"], ["2"]]));
    answer["manifest"]["total_row_count"] = json!("4");
    answer["manifest"]["total_chunk_count"] = json!(3);
    answer["result"]["next_chunk_index"] = json!(1);
    bench.answers(answer);
    let chunk = |n: u64, of| bench.server.once("GET", &statement(&format!("/result/chunks/{n}")), Answer::json(of));
    chunk(1, json!({ "chunk_index": 1, "row_offset": 2, "data_array": [["3"]], "next_chunk_index": 2 }));
    chunk(2, json!({ "chunk_index": 2, "data_array": [["4"]] }));
    let batches = bench.warehouse.query("select n").await.unwrap().collect_batches().await.unwrap();
    assert_eq!(read(&batches), [1, 2, 3, 4]);
    let sent = bench.asked("POST", STATEMENTS)[0].json();
    assert_eq!((&sent["disposition"], &sent["format"]), (&json!("INLINE"), &json!("JSON_ARRAY")));
    assert!(sent.get("result_compression").is_none());
}

#[tokio::test]
async fn jdbc_1071_a_missing_chunk_is_an_error_not_a_short_result() {
    let bench = Bench::new().await;
    let mut answer = in_line(&[("n", "BIGINT")], json!([["1"], ["2"]]));
    answer["manifest"]["total_row_count"] = json!(4);
    bench.answers(answer);
    let error = bench.warehouse.query("select n").await.unwrap().collect_batches().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.context("announced"), error.context("received")),
        (ErrorKind::Protocol, Some("4"), Some("2"))
    );
}

#[tokio::test]
async fn another_chunk_than_was_asked_for_is_not_taken_for_it() {
    let bench = Bench::new().await;
    let mut answer = in_line(&[("n", "BIGINT")], json!([["1"]]));
    answer["manifest"]["total_row_count"] = json!(2);
    answer["result"]["next_chunk_index"] = json!(1);
    bench.answers(answer);
    let other = json!({ "chunk_index": 2, "data_array": [["3"]] });
    bench.server.once("GET", &statement("/result/chunks/1"), Answer::json(other));
    let error = bench.warehouse.query("select n").await.unwrap().collect_batches().await.unwrap_err();
    assert_eq!((error.kind(), error.context("asked")), (ErrorKind::Protocol, Some("1")));
}

#[tokio::test]
async fn jdbc_1476_the_hybrid_form_is_refused_not_cut_short() {
    let bench = Bench::new().await;
    let mut answer = in_line(&[("n", "BIGINT")], json!([]));
    answer["result"] = json!({ "attachment": "QVJST1cx" });
    bench.answers(answer);
    let error = bench.warehouse.query("select n").await.unwrap_err();
    assert_eq!((error.kind(), error.statement_id()), (ErrorKind::Protocol, Some("01ab")));
}

#[tokio::test]
async fn columns_stand_where_their_position_says() {
    let bench = Bench::new().await;
    let mut answer = in_line(&[("first", "INT"), ("second", "STRING")], json!([["1", "x"]]));
    answer["manifest"]["schema"]["columns"].as_array_mut().unwrap().reverse();
    bench.answers(answer);
    let batches = bench.warehouse.query("select").await.unwrap().collect_batches().await.unwrap();
    let names: Vec<_> = batches[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["first", "second"]);
}

#[derive(Debug, Deserialize, PartialEq)]
struct Row {
    id: i64,
    price: String,
    note: Option<String>,
    placed: String,
}

#[tokio::test]
async fn rows_decode_into_the_callers_type() {
    let bench = Bench::new().await;
    let columns = [("id", "BIGINT"), ("price", "DECIMAL(38,2)"), ("note", "STRING"), ("placed", "DATE")];
    let price = "999999999999999999999999999999999999.99";
    bench.answers(in_line(&columns, json!([["7", price, null, "2024-02-29"]])));
    let stream = bench.warehouse.query("select").await.unwrap();
    let batches = stream.collect_batches().await.unwrap();
    assert_eq!(batches[0].column(1).as_primitive::<Decimal128Type>().value_as_string(0), price);
    bench.answers(in_line(&columns, json!([["7", price, null, "2024-02-29"]])));
    let row: Row = bench.warehouse.fetch_one("select").await.unwrap();
    assert_eq!(row, Row { id: 7, price: price.to_owned(), note: None, placed: "2024-02-29".to_owned() });
}

#[tokio::test]
async fn an_empty_result_keeps_its_columns() {
    let bench = Bench::new().await;
    let mut empty = in_line(&[("n", "BIGINT"), ("s", "STRUCT<a: INT>")], json!([]));
    empty["result"] = json!({});
    bench.answers(empty);
    let stream = bench.warehouse.query("select").await.unwrap();
    assert_eq!(stream.schema().fields().len(), 2);
    assert!(stream.collect_batches().await.unwrap().is_empty());
}
