//! Results behind presigned links.

use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use twinhouse_core::{ErrorKind, Result};
use twinhouse_testkit::Answer;
use twinhouse_warehouse_api::WarehouseExt as _;

use crate::bench::{Bench, TOKEN, file, linked, numbers, read, statement};

const FAR: &str = "2999-01-01T00:00:00Z";
const PAST: &str = "2001-01-01T00:00:00Z";

/// A link to this path of the server.
fn link(bench: &Bench, path: &str, expiration: &str, more: Value) -> Value {
    let mut link = json!({
        "external_link": format!("{}{path}?X-Amz-Signature=canary-signature", bench.server.url()),
        "expiration": expiration,
        "http_headers": { "x-needed": "canary-header" },
    });
    link.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    link
}

async fn rows(bench: &Bench) -> Result<Vec<i64>> {
    let batches = bench.warehouse.query("select n").await?.collect_batches().await?;
    assert!(batches.iter().all(|batch| batch.schema().field(0).name() == "n"), "names come from the manifest");
    Ok(read(&batches))
}

fn answer(bench: &Bench, total: u64, chunks: u64, first: Value) {
    bench.answers(linked(&[("n", "BIGINT")], total, chunks, first));
}

#[tokio::test]
async fn sql_go_351_and_372_frames_padding_and_stale_names_do_not_show_and_the_link_sees_no_credential() {
    let bench = Bench::new().await;
    let first = link(&bench, "/a", FAR, json!({ "row_count": 3 }));
    answer(&bench, 3, 1, json!([first]));
    bench.server.once("GET", "/a", Answer::ok(file(&[numbers("stale", [1, 2]), numbers("stale", [3, 4])])));
    assert_eq!(rows(&bench).await.unwrap(), [1, 2, 3]);
    let asked = &bench.asked("GET", "/a")[0];
    assert_eq!(asked.header("x-needed"), Some("canary-header"));
    assert_eq!(asked.header("authorization"), None);
    assert!(!asked.headers.iter().any(|(_, value)| value.contains(TOKEN)));
    bench.until_asked("DELETE", &statement("")).await;
}

#[tokio::test]
async fn sql_python_286_chunks_come_in_order_and_once_although_links_come_late_twice_or_several_at_once() {
    let bench = Bench::with(|builder| builder.parallel_downloads(2)).await;
    let at = |path: &str, chunk: u64, offset: u64, count: u64, next: Option<u64>| {
        let mut more = json!({ "chunk_index": chunk, "row_offset": offset.to_string(), "row_count": count });
        if let Some(next) = next {
            more["next_chunk_index"] = json!(next);
        }
        link(&bench, path, FAR, more)
    };
    // Zeros left out, and two files for the first chunk.
    let mut zero = at("/a", 0, 0, 2, Some(1));
    zero.as_object_mut().unwrap().retain(|key, _| key != "chunk_index" && key != "row_offset");
    answer(&bench, 9, 4, json!([at("/b", 0, 2, 1, Some(1)), zero]));
    let chunk = |n: u64, links: Value| {
        let path = statement(&format!("/result/chunks/{n}"));
        bench.server.once("GET", &path, Answer::json(json!({ "external_links": links })));
    };
    chunk(1, json!([at("/c", 1, 3, 2, Some(2)), at("/d", 2, 5, 1, Some(3))]));
    chunk(3, json!([at("/d", 2, 5, 1, Some(3)), at("/e", 3, 6, 3, None)]));
    for (path, values) in
        [("/a", vec![1, 2]), ("/b", vec![3]), ("/c", vec![4, 5]), ("/d", vec![6]), ("/e", vec![7, 8, 9])]
    {
        bench.server.once("GET", path, Answer::ok(file(&[numbers("n", values)])));
    }
    assert_eq!(rows(&bench).await.unwrap(), (1..=9).collect::<Vec<_>>());
    bench.server.verify();
}

#[tokio::test]
async fn arrow_adbc_2855_a_link_that_has_expired_or_is_refused_is_replaced() {
    for (expiration, tried) in [(PAST, 0), (FAR, 1)] {
        let bench = Bench::new().await;
        answer(&bench, 2, 1, json!([link(&bench, "/old", expiration, json!({ "row_count": 2 }))]));
        bench.server.always("GET", "/old", Answer::ok("<Error><Code>AccessDenied</Code></Error>").with_status(403));
        let fresh = link(&bench, "/new", FAR, json!({ "row_count": 2 }));
        let path = statement("/result/chunks/0");
        bench.server.once("GET", &path, Answer::json(json!({ "external_links": [fresh] })));
        bench.server.once("GET", "/new", Answer::ok(file(&[numbers("n", [1, 2])])));
        assert_eq!(rows(&bench).await.unwrap(), [1, 2]);
        assert_eq!(bench.server.count("GET", "/old"), tried, "{expiration}");
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_on_our_side_does_no_harm() {
    let bench = Bench::new().await;
    let old = || link(&bench, "/a", PAST, json!({ "row_count": 1 }));
    answer(&bench, 1, 1, json!([old()]));
    bench.server.once("GET", &statement("/result/chunks/0"), Answer::json(json!({ "external_links": [old()] })));
    bench.server.once("GET", "/a", Answer::ok(file(&[numbers("n", [1])])));
    assert_eq!(rows(&bench).await.unwrap(), [1]);
}

#[tokio::test]
async fn grafana_114324_a_link_that_is_refused_for_ever_is_an_error_not_an_empty_result() {
    let bench = Bench::new().await;
    let dead = || link(&bench, "/dead", FAR, json!({ "row_count": 2 }));
    answer(&bench, 2, 1, json!([dead()]));
    bench.server.always("GET", "/dead", Answer::status(403));
    bench.server.always("GET", &statement("/result/chunks/0"), Answer::json(json!({ "external_links": [dead()] })));
    let error = rows(&bench).await.unwrap_err();
    assert_eq!((error.kind(), error.context("status")), (ErrorKind::PermissionDenied, Some("403")));
    assert_eq!(bench.server.count("GET", "/dead"), 4);
}

#[tokio::test]
async fn sql_python_474_half_a_file_is_fetched_again() {
    let bench = Bench::new().await;
    answer(&bench, 2, 1, json!([link(&bench, "/a", FAR, json!({ "row_count": 2 }))]));
    let whole = file(&[numbers("n", [1, 2])]);
    bench.server.once("GET", "/a", Answer::ok(whole.clone()).cut_after(whole.len() / 2));
    bench.server.once("GET", "/a", Answer::status(503));
    bench.server.once("GET", "/a", Answer::ok(whole));
    assert_eq!(rows(&bench).await.unwrap(), [1, 2]);
    bench.server.verify();
}

#[tokio::test]
async fn sql_python_383_too_few_rows_are_an_error_wherever_they_are_missing() {
    // In the file, in the links, in both answers.
    for (total, count, inside) in [(3, 3, 2), (4, 3, 3), (2, 3, 3)] {
        let bench = Bench::new().await;
        answer(&bench, total, 1, json!([link(&bench, "/a", FAR, json!({ "row_count": count }))]));
        bench.server.once("GET", "/a", Answer::ok(file(&[numbers("n", 0..inside)])));
        let mut stream = bench.warehouse.query("select n").await.unwrap();
        let error = loop {
            match stream.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break error,
                None => panic!("ended as if it were complete: {total} {count} {inside}"),
            }
        };
        assert_eq!((error.kind(), error.statement_id()), (ErrorKind::Protocol, Some("01ab")), "{error}");
        assert!(stream.next().await.is_none());
        drop(stream);
        bench.until_asked("DELETE", &statement("")).await;
    }
}

#[tokio::test]
async fn a_result_that_was_cut_short_says_so() {
    let bench = Bench::new().await;
    let mut cut = linked(&[("n", "BIGINT")], 1000, 1, json!([link(&bench, "/a", FAR, json!({ "row_count": 1 }))]));
    cut["manifest"]["truncated"] = json!(true);
    bench.answers(cut.clone());
    bench.server.once("GET", "/a", Answer::ok(file(&[numbers("n", [1])])));
    let mut stream = bench.warehouse.query("select n").await.unwrap();
    assert!(stream.try_next().await.unwrap().is_some() && stream.try_next().await.unwrap().is_none());
    assert!(stream.is_truncated());

    bench.answers(cut);
    bench.server.once("GET", "/a", Answer::ok(file(&[numbers("n", [1])])));
    let mut rows = bench.warehouse.query_as::<(i64,)>("select n").await.unwrap();
    assert_eq!((rows.try_next().await.unwrap(), rows.try_next().await.unwrap()), (Some((1,)), None));
    assert!(rows.is_truncated());
}

#[tokio::test]
async fn jdbc_1508_and_sql_go_235_no_more_files_are_fetched_ahead_than_asked_for() {
    let bench = Bench::with(|builder| builder.parallel_downloads(2)).await;
    let links: Vec<_> = (0..20)
        .map(|n| link(&bench, &format!("/{n}"), FAR, json!({ "chunk_index": n, "row_offset": n, "row_count": 1 })))
        .collect();
    answer(&bench, 20, 20, json!(links));
    for n in 0..20 {
        bench.server.once("GET", &format!("/{n}"), Answer::ok(file(&[numbers("n", [n])])));
    }
    let mut stream = bench.warehouse.query("select n").await.unwrap();
    assert_eq!(read(&[stream.try_next().await.unwrap().unwrap()]), [0]);
    bench.until_asked("GET", "/1").await;
    let fetched = bench.server.requests().iter().filter(|request| request.method == "GET").count();
    assert!(fetched <= 3, "{fetched} files for one batch");
    let rest = read(&stream.try_collect::<Vec<_>>().await.unwrap());
    assert_eq!(rest, (1..20).collect::<Vec<_>>());
}
