//! Submitting, waiting, stopping.

use std::time::Duration;

use futures::TryStreamExt as _;
use serde_json::json;
use twinhouse_core::{Effect, ErrorKind};
use twinhouse_testkit::{Answer, transport::ScriptedTransport};
use twinhouse_warehouse_api::{
    CallOptions, OnDrop, StatementId, StatementRequest, StatementStatus, TransactionOptions, UnloadRequest,
    Warehouse as _, WarehouseExt as _,
};

use crate::bench::{
    Bench, ID, STATEMENTS, counted, ddl, failed, file, in_line, linked, numbers, offline, state, statement,
};

fn one() -> serde_json::Value {
    in_line(&[("one", "INT")], json!([["1"]]))
}

#[tokio::test]
async fn a_short_query_is_one_round_trip_and_says_everything() {
    let bench = Bench::new().await;
    bench.answers(one());
    let options = CallOptions::default().with_label("nightly");
    let request = StatementRequest::read("select :n as one").bind("n", 1).with_options(options);
    bench.warehouse.query(request).await.unwrap().collect_batches().await.unwrap();
    bench.until_asked("DELETE", &statement("")).await;
    let requests = bench.server.requests();
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert_eq!(requests[0].header("authorization"), Some("Bearer dapi-canary-token"));
    assert_eq!(
        requests[0].json(),
        json!({
            "statement": "select :n as one",
            "warehouse_id": "wh",
            "catalog": "main",
            "schema": "default",
            "parameters": [{ "name": "n", "type": "INT", "value": "1" }],
            "disposition": "EXTERNAL_LINKS",
            "format": "ARROW_STREAM",
            "result_compression": "LZ4_FRAME",
            "wait_timeout": "10s",
            "on_wait_timeout": "CONTINUE",
            "query_tags": [{ "key": "label", "value": "nightly" }],
        })
    );
}

#[tokio::test]
async fn a_long_query_is_looked_at_until_it_is_done_and_survives_a_bad_answer_in_between() {
    let bench = Bench::new().await;
    bench.answers(state("PENDING"));
    let path = statement("");
    bench.server.once("GET", &path, Answer::json(state("PENDING")));
    bench.server.once("GET", &path, Answer::json(state("RUNNING")));
    bench.server.once("GET", &path, Answer::status(500));
    bench.server.once("GET", &path, Answer::json(state("A STATE OF THE FUTURE")));
    bench.server.once("GET", &path, Answer::json(one()));
    let handle = bench.warehouse.submit("select 1 as one".into()).await.unwrap();
    assert!(matches!(handle.status().await.unwrap(), StatementStatus::Queued));
    let rows = handle.stream().await.unwrap().collect_batches().await.unwrap();
    assert_eq!(rows[0].num_rows(), 1);
    assert_eq!(bench.server.count("GET", &path), 5);
}

#[tokio::test]
async fn a_look_at_a_statement_is_never_older_than_the_question() {
    let bench = Bench::new().await;
    bench.answers(state("RUNNING"));
    bench.server.once("GET", &statement(""), Answer::json(state("CANCELED")));
    let handle = bench.warehouse.submit("select 1".into()).await.unwrap();
    assert!(matches!(handle.status().await.unwrap(), StatementStatus::Cancelled), "somebody else stopped it meanwhile");
}

#[tokio::test]
async fn sql_python_679_a_submission_is_repeated_only_if_it_certainly_was_not_begun() {
    for (first, repeated) in [
        (Answer::status(429), true),
        (Answer::status(503).with_header("retry-after", "0"), true),
        (Answer::status(503), false),
        (Answer::status(500), false),
        (Answer::status(504), false),
        (Answer::close(), false),
        (Answer::json(one()).cut_after(20), false),
    ] {
        let bench = Bench::new().await;
        bench.server.once("POST", STATEMENTS, first.clone());
        bench.answers(one());
        let outcome = bench.warehouse.query("select 1 as one").await;
        assert_eq!(outcome.is_ok(), repeated, "{first:?}");
        assert_eq!(bench.server.count("POST", STATEMENTS), 1 + usize::from(repeated), "{first:?}");
        if let Err(error) = outcome {
            assert_eq!(
                (error.fault().effect, error.operation()),
                (Effect::Unknown, Some("statement.submit")),
                "{error:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let bench = Bench::new().await;
    let refused = || Answer::json(json!({ "error_code": 403, "message": "Invalid access token." })).with_status(403);
    bench.server.once("POST", STATEMENTS, refused());
    bench.answers(one());
    bench.warehouse.execute("select 1 as one").await.unwrap();
    assert_eq!(bench.server.count("POST", STATEMENTS), 2);

    bench.server.always("POST", STATEMENTS, refused());
    let error = bench.warehouse.execute("select 1 as one").await.unwrap_err();
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::Unauthenticated, Some("403")));
    assert_eq!(bench.server.count("POST", STATEMENTS), 4);
}

#[tokio::test]
async fn a_failed_statement_is_an_error_with_all_that_is_known_and_is_not_cancelled() {
    let bench = Bench::new().await;
    bench.answers(failed("\n[PARSE_SYNTAX_ERROR] Syntax error at or near 'frm'. SQLSTATE: 42601 (line 1, pos 9)\n\n== SQL ==\nselect 1 frm"));
    let error = bench.warehouse.query("select 1 frm").await.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate(), error.statement_id()), (ErrorKind::Syntax, Some("42601"), Some(ID)));
    assert_eq!(error.context("position"), Some("line 1, column 10"));
    tokio::task::yield_now().await;
    assert_eq!(bench.server.requests().len(), 1);
}

#[tokio::test]
async fn closed_with_a_result_is_success_and_closed_without_is_not() {
    let bench = Bench::new().await;
    let mut closed = one();
    closed["status"]["state"] = json!("CLOSED");
    bench.server.once("POST", STATEMENTS, Answer::json(closed));
    assert_eq!(bench.warehouse.query("select 1").await.unwrap().collect_batches().await.unwrap()[0].num_rows(), 1);
    bench.server.once("POST", STATEMENTS, Answer::json(state("CLOSED")));
    let error = bench.warehouse.query("select 1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(bench.server.requests().len(), 2, "what is closed is neither closed nor cancelled again");
}

#[tokio::test]
async fn counts_are_reported_and_ddl_has_none() {
    let bench = Bench::new().await;
    bench.answers(counted(&[("num_affected_rows", 7), ("num_inserted_rows", 7)]));
    assert_eq!(bench.warehouse.execute("insert into t select 1").await.unwrap(), 7);
    bench.answers(ddl());
    assert_eq!(bench.warehouse.execute("create table t (a int)").await.unwrap(), 0);
    bench.answers(in_line(&[("num_affected_rows", "BIGINT"), ("other", "INT")], json!([["9", "1"]])));
    assert_eq!(bench.warehouse.execute("select 9 as num_affected_rows, 1 as other").await.unwrap(), 0);
}

#[tokio::test]
async fn a_dropped_handle_cancels_on_the_server() {
    let bench = Bench::new().await;
    bench.answers(state("RUNNING"));
    bench.server.once("POST", &statement("/cancel"), Answer::json(json!({})));
    drop(bench.warehouse.submit("select 1".into()).await.unwrap());
    bench.until_asked("POST", &statement("/cancel")).await;
    bench.server.verify();
}

#[tokio::test]
async fn a_caller_that_leaves_before_the_id_has_come_still_gets_it_cancelled() {
    let bench = Bench::new().await;
    bench.answers(state("RUNNING"));
    bench.server.once("POST", &statement("/cancel"), Answer::json(json!({})));
    {
        let submission = bench.warehouse.submit("select 1".into());
        futures::pin_mut!(submission);
        // One look starts it; nobody looks again.
        assert!(futures::poll!(&mut submission).is_pending());
    }
    bench.until_asked("POST", &statement("/cancel")).await;
    assert_eq!(bench.server.count("POST", STATEMENTS), 1);
}

/// After each look that a caller takes it may go: before the id is there, while the statement runs, while its rows come.
#[tokio::test(start_paused = true)]
async fn wherever_a_caller_leaves_the_service_is_told_once() {
    let mut told = Vec::new();
    for looks in 0.. {
        let (server, client) = offline();
        server.once("POST", STATEMENTS, Answer::json(state("PENDING")));
        server.once("GET", &statement(""), Answer::json(state("RUNNING")));
        let link = |n: u64| json!([{ "external_link": format!("https://s.example/{n}"), "chunk_index": n, "row_offset": n, "row_count": 1 }]);
        server.once("GET", &statement(""), Answer::json(linked(&[("n", "BIGINT")], 2, 2, link(0))));
        let next = json!({ "external_links": link(1) });
        server.once("GET", &statement("/result/chunks/1"), Answer::json(next));
        for n in 0..2 {
            server.once("GET", &format!("/{n}"), Answer::ok(file(&[numbers("n", [n])])));
        }
        server.always("POST", &statement("/cancel"), Answer::json(json!({})));
        server.always("DELETE", &statement(""), Answer::json(json!({})));
        let sql = client.sql("wh");
        let mut rows = Box::pin(sql.fetch_all::<(i64,)>("select n"));
        let mut done = false;
        for _ in 0..looks {
            done = futures::poll!(&mut rows).is_ready();
            if done {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(rows);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let stops = ["cancel", "close"].map(|stop| match stop {
            "cancel" => server.count("POST", &statement("/cancel")),
            _ => server.count("DELETE", &statement("")),
        });
        assert_eq!(stops.iter().sum::<usize>(), server.count("POST", STATEMENTS), "{looks} {stops:?}");
        told.push(stops);
        if done {
            break;
        }
    }
    // Before anything was sent, while it ran, and when there were rows.
    assert_eq!(told[0], [0, 0]);
    assert!(told.contains(&[1, 0]) && told.last() == Some(&[0, 1]) && told.len() > 10, "{told:?}");
}

#[tokio::test]
async fn a_result_that_nobody_reads_is_given_up_rather_than_cancelled() {
    let bench = Bench::new().await;
    bench.answers(one());
    drop(bench.warehouse.submit("select 1".into()).await.unwrap());
    bench.until_asked("DELETE", &statement("")).await;
    assert_eq!(bench.server.count("POST", &statement("/cancel")), 0);
}

#[tokio::test]
async fn a_detached_statement_is_left_alone() {
    let bench = Bench::new().await;
    bench.answers(state("RUNNING"));
    let options = CallOptions::default().with_on_drop(OnDrop::Detach);
    drop(bench.warehouse.submit(StatementRequest::read("select 1").with_options(options)).await.unwrap());
    tokio::task::yield_now().await;
    assert_eq!(bench.server.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_runs_out_of_time_is_asynchronous_and_is_cancelled_once() {
    let server = ScriptedTransport::new();
    let bench = Bench::with(|builder| builder.transport(server.clone())).await;
    server.once("POST", STATEMENTS, Answer::json(state("PENDING")));
    server.always("GET", &statement(""), Answer::json(state("PENDING")));
    server.always("POST", &statement("/cancel"), Answer::json(json!({})));
    let options = CallOptions::default().with_timeout(Duration::from_millis(200));
    let error = bench.warehouse.query(StatementRequest::read("select 1").with_options(options)).await.unwrap_err();
    assert_eq!((error.kind(), error.context("wait")), (ErrorKind::Timeout, Some("statement")));
    assert_eq!(server.requests()[0].json()["wait_timeout"], "0s");
    assert_eq!(server.count("POST", &statement("/cancel")), 1, "before the error is told");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(server.count("POST", &statement("/cancel")), 1, "and not again when the handle goes");
}

#[tokio::test]
async fn the_service_waits_well_within_the_time_of_the_request_and_of_the_call() {
    let seconds = Duration::from_secs;
    for (wait, request, call, sent) in [
        (None, None, None, "10s"),
        (Some(seconds(30)), None, None, "30s"),
        (Some(seconds(50)), Some(seconds(40)), None, "20s"),
        (None, Some(seconds(8)), None, "0s"),
        (None, None, Some(seconds(12)), "6s"),
        (None, None, Some(seconds(9)), "0s"),
        (Some(Duration::ZERO), None, None, "0s"),
    ] {
        let bench = Bench::with(|mut builder| {
            if let Some(wait) = wait {
                builder = builder.wait(wait);
            }
            if let Some(request) = request {
                builder = builder.timeout(request);
            }
            builder
        })
        .await;
        bench.answers(one());
        let options = call.map_or_else(CallOptions::default, |call| CallOptions::default().with_timeout(call));
        bench.warehouse.execute(StatementRequest::read("select 1").with_options(options)).await.unwrap();
        assert_eq!(bench.asked("POST", STATEMENTS)[0].json()["wait_timeout"], sent);
    }
}

#[tokio::test]
async fn a_statement_is_found_again_and_letting_go_of_it_changes_nothing() {
    let bench = Bench::new().await;
    bench.server.always("GET", &statement(""), Answer::json(one()));
    let handle = bench.warehouse.attach(&StatementId::new(ID)).await.unwrap();
    assert_eq!(handle.stream().await.unwrap().collect_batches().await.unwrap()[0].num_rows(), 1);
    drop(bench.warehouse.attach(&StatementId::new(ID)).await.unwrap());
    tokio::task::yield_now().await;
    assert!(bench.server.requests().iter().all(|request| request.method == "GET"));

    let gone = json!({ "error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such statement" });
    bench.server.once("GET", "/api/2.0/sql/statements/x%2Fy", Answer::json(gone).with_status(404));
    let error = bench.warehouse.attach(&StatementId::new("x/y")).await.unwrap_err();
    assert_eq!((error.kind(), error.statement_id()), (ErrorKind::NotFound, Some("x/y")));
}

#[tokio::test]
async fn cancelling_while_rows_are_read_ends_them_with_an_error() {
    let bench = Bench::new().await;
    let mut answer = one();
    answer["result"]["next_chunk_index"] = json!(1);
    answer["manifest"]["total_chunk_count"] = json!(2);
    bench.answers(answer);
    let handle = bench.warehouse.submit("select 1".into()).await.unwrap();
    let canceller = handle.canceller();
    let mut rows = handle.stream().await.unwrap();
    assert!(rows.try_next().await.unwrap().is_some());
    canceller.cancel().await.unwrap();
    assert_eq!(rows.try_next().await.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(rows.try_next().await.unwrap().is_none());
    canceller.cancel().await.unwrap();
}

#[tokio::test]
async fn closing_stops_what_runs_and_refuses_what_comes() {
    let bench = Bench::new().await;
    bench.answers(state("RUNNING"));
    bench.server.always("POST", &statement("/cancel"), Answer::json(json!({})));
    let _running = bench.warehouse.submit("select 1".into()).await.unwrap();
    bench.warehouse.close().await.unwrap();
    assert_eq!(bench.server.count("POST", &statement("/cancel")), 1);
    let error = bench.warehouse.submit("select 1".into()).await.unwrap_err();
    assert_eq!(error.message(), "the warehouse has been closed");
    assert_eq!(bench.server.count("POST", STATEMENTS), 1);
}

#[tokio::test]
async fn what_the_service_has_not_is_refused_by_name_before_anything_is_sent() {
    let bench = Bench::new().await;
    let can = bench.warehouse.capabilities();
    assert!(can.attach && can.load && can.merge && !can.transactions && !can.unload);
    let begun = bench.warehouse.begin(TransactionOptions::default()).await.unwrap_err();
    let unloaded = bench.warehouse.unload(UnloadRequest::parquet("select 1", "s3://b/p")).await.unwrap_err();
    for error in [begun, unloaded] {
        assert_eq!((error.kind(), error.context("backend")), (ErrorKind::Unsupported, Some("databricks")));
    }
    assert!(bench.server.requests().is_empty());
}
