//! What goes wrong in the clients of others, by the name of the report. Those whose cure was tested already are named
//! where they stand: in `inline.rs`, `links.rs` and `statements.rs`.

use std::{sync::Arc, time::Duration};

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, Decimal128Array, ListArray, RecordBatch},
    buffer::OffsetBuffer,
    datatypes::{DataType, Decimal128Type, Field},
};
use futures::StreamExt as _;
use serde_json::{Value, json};
use twinhouse_core::{ErrorKind, config::Env, resilience::Registry};
use twinhouse_databricks::{
    DatabricksClient, DatabricksConfig,
    sql::{Disposition, SqlRequest, col},
};
use twinhouse_testkit::Answer;
use twinhouse_warehouse_api::StatementId;

use crate::{
    bench::{Bench, ID, STATEMENTS, TOKEN, file, in_line, linked, numbers, offline, read, statement, until},
    sql::sql,
};

const FAR: &str = "2999-01-01T00:00:00Z";

fn link(bench: &Bench, path: &str, more: Value) -> Value {
    let mut link = json!({ "external_link": format!("{}{path}?sig=x", bench.server.url()), "expiration": FAR });
    link.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    link
}

/// Apostrophes, backslashes and what looks like SQL travel as they are: bound, or escaped so that they come back.
#[tokio::test]
async fn jdbc_1674_and_sql_python_51_apostrophes_are_neither_lost_nor_doubled() {
    let hostile = r#"it's \ a "test"'; drop table t; --"#;
    let bench = Bench::new().await;
    bench.answers(in_line(&[("t", "STRING")], json!([[hostile]])));
    let request = SqlRequest::read("select :t").bind("t", hostile);
    assert_eq!(sql(&bench).fetch_all::<(String,)>(request).await.unwrap(), [(hostile.to_owned(),)]);
    let sent = bench.asked("POST", STATEMENTS)[0].json();
    assert_eq!(sent["parameters"], json!([{ "name": "t", "type": "STRING", "value": hostile }]));
    assert_eq!(sent["statement"], "select :t");
    // A moment of time travel stands in the text: escaped with backslashes, for `''` is no apostrophe.
    let query = twinhouse_databricks::sql::QueryBuilder::new()
        .from("t")
        .timestamp_as_of(r"it's \")
        .where_(col("a").eq(hostile))
        .build()
        .unwrap();
    assert_eq!(query.sql(), r"SELECT * FROM `t` TIMESTAMP AS OF 'it\'s \\' WHERE `a` = :__q1");
}

/// The chunk that is asked for is the chunk that comes, wherever its rows begin.
#[tokio::test]
async fn sdk_py_255_a_chunk_is_fetched_by_its_number_whatever_its_row_offset_says() {
    for offset in [json!(2), json!("2"), Value::Null] {
        let bench = Bench::new().await;
        let mut answer = in_line(&[("n", "BIGINT")], json!([["1"], ["2"]]));
        answer["manifest"]["total_row_count"] = json!(3);
        answer["manifest"]["total_chunk_count"] = json!(2);
        answer["manifest"]["chunks"] =
            json!([{ "row_count": 2 }, { "chunk_index": 1, "row_offset": offset, "row_count": "1" }]);
        bench.server.always("GET", &statement(""), Answer::json(answer));
        let first = json!({ "row_count": 2, "data_array": [["1"], ["2"]], "next_chunk_index": 1 });
        let second = json!({ "chunk_index": 1, "row_offset": offset, "row_count": 1, "data_array": [["3"]] });
        bench.server.once("GET", &statement("/result/chunks/0"), Answer::json(first));
        bench.server.once("GET", &statement("/result/chunks/1"), Answer::json(second));
        let sql = sql(&bench);
        let id = StatementId::new(ID);
        assert_eq!(read(&sql.fetch_chunk(&id, 1).await.unwrap()), [3]);
        assert_eq!(read(&sql.fetch_chunk(&id, 0).await.unwrap()), [1, 2]);
        let short = json!({ "row_count": 2, "data_array": [["1"]] });
        bench.server.once("GET", &statement("/result/chunks/0"), Answer::json(short));
        assert_eq!(sql.fetch_chunk(&id, 0).await.unwrap_err().context("received"), Some("1"));
    }
}

/// The links of a result are fetched through the proxy that the calls go through.
#[tokio::test]
async fn sql_python_413_downloads_take_the_same_proxy_as_calls() {
    let bench = Bench::new().await;
    let config = DatabricksConfig::builder()
        .env(Env::empty())
        .host(bench.server.url())
        .token(TOKEN)
        .proxy(bench.server.url())
        .wait(Duration::ZERO)
        .registry(Registry::new());
    let client = DatabricksClient::new(config.build().unwrap()).unwrap();
    // Nobody knows this host: only a proxy can answer for it.
    let far = json!({ "external_link": "http://storage.invalid/far", "expiration": FAR, "row_count": 1 });
    let answer = linked(&[("n", "BIGINT")], 1, 1, json!([far]));
    let content = file(&[numbers("n", [7])]);
    bench.server.otherwise(move |request| match (request.method.as_str(), request.path()) {
        ("POST", path) if path.ends_with(STATEMENTS) => Some(Answer::json(answer.clone())),
        ("GET", "http://storage.invalid/far") => Some(Answer::ok(content.clone())),
        ("DELETE", _) => Some(Answer::json(json!({}))),
        _ => None,
    });
    let batches = client.sql("wh").query("select n").await.unwrap().collect_batches().await.unwrap();
    assert_eq!(read(&batches), [7]);
    assert!(bench.server.requests().iter().any(|request| request.target == "http://storage.invalid/far"));
}

/// Decimals inside lists keep every digit, whichever way they come.
#[tokio::test]
async fn sql_go_253_decimals_inside_nested_types_keep_every_digit() {
    let digits = "99999999999999999999999999999999999.999";
    let columns = [("d", "ARRAY<DECIMAL(38,3)>")];
    let in_json = Bench::new().await;
    in_json.answers(in_line(&columns, json!([[format!("[\"{digits}\",null]")]])));

    let by_link = Bench::new().await;
    let values = Decimal128Array::from(vec![Some(10i128.pow(38) - 1), None]).with_precision_and_scale(38, 3).unwrap();
    let element = Arc::new(Field::new("element", DataType::Decimal128(38, 3), true));
    let list = ListArray::new(element, OffsetBuffer::from_lengths([2]), Arc::new(values), None);
    let batch = RecordBatch::try_from_iter([("d", Arc::new(list) as ArrayRef)]).unwrap();
    by_link.answers(linked(&columns, 1, 1, json!([link(&by_link, "/d", json!({ "row_count": 1 }))])));
    by_link.server.once("GET", "/d", Answer::ok(file(&[batch])));

    for (bench, request) in [
        (in_json, SqlRequest::read("select").with_disposition(Disposition::Inline)),
        (by_link, SqlRequest::read("select")),
    ] {
        let batches = sql(&bench).query(request).await.unwrap().collect_batches().await.unwrap();
        let list = batches[0].column(0).as_list::<i32>().value(0);
        assert_eq!(list.as_primitive::<Decimal128Type>().value_as_string(0), digits);
        assert!(list.is_null(1));
    }
}

/// A reader that goes away takes its downloads with it.
#[tokio::test]
async fn sql_go_357_a_dropped_result_leaves_no_download_behind() {
    let bench = Bench::new().await;
    let links =
        [0, 1].map(|n| link(&bench, &format!("/{n}"), json!({ "chunk_index": n, "row_offset": n, "row_count": 1 })));
    bench.answers(linked(&[("n", "BIGINT")], 2, 2, json!(links)));
    bench.server.once("GET", "/0", Answer::ok(file(&[numbers("n", [0])])));
    bench.server.always("GET", "/1", Answer::hang());
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut stream = sql(&bench).query("select n").await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    bench.until_asked("GET", "/1").await;
    drop(stream);
    bench.until_asked("DELETE", &statement("")).await;
    // What is left are the connections of the scripted server and of the client, which are kept for the next call.
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    until(&format!("about as many tasks as before, {before}"), || alive() <= before + 6).await;
}

/// A file that stops coming is an error within the time of the call, and the statement is told.
#[tokio::test(start_paused = true)]
async fn arrow_adbc_3396_a_download_that_hangs_ends_with_the_time_of_the_call() {
    let (server, client) = offline();
    let link = json!({ "external_link": "https://storage.example/a", "expiration": FAR, "row_count": 1 });
    server.once("POST", STATEMENTS, Answer::json(linked(&[("n", "BIGINT")], 1, 1, json!([link]))));
    server.always("GET", "/a", Answer::hang());
    server.once("DELETE", &statement(""), Answer::json(json!({})));
    let request = SqlRequest::read("select n").with_timeout(Duration::from_secs(20));
    let mut stream = client.sql("wh").query(request).await.unwrap();
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.statement_id()), (ErrorKind::Timeout, Some(ID)));
    assert!(stream.next().await.is_none());
    until("DELETE", || server.count("DELETE", &statement("")) > 0).await;
}
