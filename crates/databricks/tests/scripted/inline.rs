//! Results as JSON in the answer itself.

use std::collections::BTreeMap;

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

/// Every type of the service, as it stands in a caller's row.
#[derive(Debug, Deserialize, PartialEq)]
struct Everything {
    flag: bool,
    tiny: i8,
    small: i16,
    int: i32,
    big: i64,
    float: f32,
    double: f64,
    price: String,
    text: String,
    bytes: Vec<u8>,
    date: String,
    at: String,
    wall: String,
    months: i32,
    span: String,
    nothing: Option<String>,
    list: Vec<Option<i64>>,
    map: BTreeMap<String, Option<i32>>,
    inner: Inner,
    json: String,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Inner {
    price: String,
    note: Option<String>,
}

#[tokio::test]
async fn every_type_of_the_service_decodes_into_a_row() {
    let bench = Bench::new().await;
    let columns = [
        ("flag", "BOOLEAN"),
        ("tiny", "TINYINT"),
        ("small", "SMALLINT"),
        ("int", "INT"),
        ("big", "BIGINT"),
        ("float", "FLOAT"),
        ("double", "DOUBLE"),
        ("price", "DECIMAL(38,18)"),
        ("text", "STRING"),
        ("bytes", "BINARY"),
        ("date", "DATE"),
        ("at", "TIMESTAMP"),
        ("wall", "TIMESTAMP_NTZ"),
        ("months", "INTERVAL YEAR TO MONTH"),
        ("span", "INTERVAL DAY TO SECOND"),
        ("nothing", "VOID"),
        ("list", "ARRAY<BIGINT>"),
        ("map", "MAP<STRING, INTERVAL MONTH>"),
        ("inner", "STRUCT<price: DECIMAL(38,2), note: STRING>"),
        ("json", "VARIANT"),
    ];
    let row = json!([
        "true",
        "-128",
        "32767",
        "7",
        "-9223372036854775808",
        "1.5",
        "5e-324",
        "0.000000000000000001",
        "it's",
        "AP8=",
        "2024-02-29",
        "2024-01-02T03:04:05.678Z",
        "2024-01-02T03:04:05.678",
        "1-2",
        "1 02:03:04.000005000",
        null,
        "[\"1\",null]",
        "{\"k\":\"-0-3\"}",
        "{\"price\":\"1.10\",\"note\":null}",
        "{\"a\":1}"
    ]);
    bench.answers(in_line(&columns, json!([row])));
    let wanted = Everything {
        flag: true,
        tiny: -128,
        small: 32767,
        int: 7,
        big: i64::MIN,
        float: 1.5,
        double: 5e-324,
        price: "0.000000000000000001".to_owned(),
        text: "it's".to_owned(),
        bytes: vec![0, 255],
        date: "2024-02-29".to_owned(),
        at: "2024-01-02T03:04:05.678Z".to_owned(),
        wall: "2024-01-02T03:04:05.678".to_owned(),
        months: 14,
        span: "PT93784.000005s".to_owned(),
        nothing: None,
        list: vec![Some(1), None],
        map: [("k".to_owned(), Some(-3))].into(),
        inner: Inner { price: "1.10".to_owned(), note: None },
        json: "{\"a\":1}".to_owned(),
    };
    assert_eq!(bench.warehouse.fetch_one::<Everything>("select").await.unwrap(), wanted);
}

#[tokio::test]
async fn null_that_a_row_has_no_room_for_is_an_error_that_names_the_column() {
    let bench = Bench::new().await;
    bench.answers(in_line(&[("id", "BIGINT"), ("note", "STRING")], json!([["1", null]])));
    let error = bench.warehouse.fetch_one::<(i64, String)>("select").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("null") && why.contains("note"), "{why}");
}
