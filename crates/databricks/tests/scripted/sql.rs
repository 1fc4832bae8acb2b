//! The SQL client: what it sends, what it makes of the answers, and what it refuses to send.

use std::time::Duration;

use arrow::array::AsArray as _;
use chrono::{TimeDelta, Utc};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use twinhouse_core::{ErrorKind, config::Env, resilience::Registry};
use twinhouse_databricks::{
    DatabricksClient, DatabricksConfig,
    sql::{
        CLIENT_ID_TAG, Disposition, ExecuteStatementRequest, Format, OnWaitTimeout, QueryFilter, QueryStatus, QueryTag,
        SqlClient, SqlRequest, StatementParameter, StatementState,
    },
};
use twinhouse_testkit::Answer;
use twinhouse_warehouse_api::{OnDrop, StatementId};

use crate::bench::{
    Bench, ID, STATEMENTS, TOKEN, counted, ddl, failed, file, in_line, linked, numbers, offline, read, state,
    statement, until,
};

pub(crate) const SESSIONS: &str = "/api/2.0/sql/sessions";
const HISTORY: &str = "/api/2.0/sql/history/queries";

pub(crate) fn client(bench: &Bench) -> DatabricksClient {
    let config = DatabricksConfig::builder()
        .env(Env::empty())
        .host(bench.server.url())
        .token(TOKEN)
        .catalog("main")
        .schema("default")
        .wait(Duration::ZERO)
        .registry(Registry::new());
    DatabricksClient::new(config.build().unwrap()).unwrap()
}

pub(crate) fn sql(bench: &Bench) -> SqlClient {
    client(bench).sql("other")
}

fn one() -> Value {
    in_line(&[("one", "INT")], json!([["1"]]))
}

fn id() -> StatementId {
    StatementId::new(ID)
}

#[derive(Debug, Deserialize, PartialEq)]
struct One {
    one: i32,
}

#[tokio::test]
async fn a_statement_carries_everything_that_was_asked_for() {
    let bench = Bench::new().await;
    bench.answers(one());
    let request = SqlRequest::read("select :n as one, :t")
        .bind("n", 1)
        .bind_typed("t", "TINYINT", Some("7"))
        .with_row_limit(10)
        .with_byte_limit(4096)
        .with_tag(QueryTag::new("team", "sales"))
        .with_tag(QueryTag::bare("nightly"))
        .with_client_id("c-1")
        .with_catalog("c")
        .with_schema("s")
        .with_disposition(Disposition::Inline);
    assert_eq!(sql(&bench).fetch_all::<One>(request).await.unwrap(), [One { one: 1 }]);
    assert_eq!(
        bench.server.requests()[0].json(),
        json!({
            "statement": "select :n as one, :t",
            "warehouse_id": "other",
            "catalog": "c",
            "schema": "s",
            "parameters": [
                { "name": "n", "type": "INT", "value": "1" },
                { "name": "t", "type": "TINYINT", "value": "7" },
            ],
            "row_limit": 10,
            "byte_limit": 4096,
            "disposition": "INLINE",
            "format": "JSON_ARRAY",
            "wait_timeout": "0s",
            "on_wait_timeout": "CONTINUE",
            "query_tags": [
                { "key": "team", "value": "sales" },
                { "key": "nightly" },
                { "key": CLIENT_ID_TAG, "value": "c-1" },
            ],
        })
    );
}

#[tokio::test]
async fn a_result_says_what_it_is_before_it_is_read() {
    let bench = Bench::new().await;
    let mut answer = in_line(&[("price", "DECIMAL(10,2)"), ("n", "BIGINT")], json!([["1.50", "2"]]));
    answer["manifest"]["truncated"] = json!(true);
    answer["manifest"]["total_byte_count"] = json!("77");
    answer["manifest"]["chunks"] = json!([{ "row_count": 1, "byte_count": "77" }]);
    bench.answers(answer);
    let result = sql(&bench).execute("select").await.unwrap();
    let manifest = result.manifest().clone();
    assert_eq!(result.statement_id().as_str(), ID);
    assert_eq!((manifest.total_row_count, manifest.total_byte_count, manifest.truncated), (Some(1), Some(77), true));
    assert_eq!(manifest.columns[0].type_text.as_deref(), Some("DECIMAL(10,2)"));
    assert_eq!((manifest.chunks[0].chunk_index, manifest.chunks[0].row_count), (0, 1));
    assert_eq!(result.collect_rows::<(String, i64)>().await.unwrap(), [("1.50".to_owned(), 2)]);
}

#[tokio::test]
async fn what_changes_rows_says_how_many_and_ddl_has_no_result() {
    let bench = Bench::new().await;
    bench.answers(counted(&[("num_affected_rows", 3), ("num_updated_rows", 3)]));
    assert_eq!(sql(&bench).run("update t set a = 1").await.unwrap(), 3);
    bench.answers(ddl());
    let result = sql(&bench).execute("create table t (a int)").await.unwrap();
    assert!(result.manifest().columns.is_empty());
    assert_eq!(result.finish().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_statement_whose_time_is_up_is_cancelled_on_the_server() {
    let (server, client) = offline();
    server.once("POST", STATEMENTS, Answer::json(state("RUNNING")));
    server.always("GET", &statement(""), Answer::json(state("RUNNING")));
    server.once("POST", &statement("/cancel"), Answer::json(json!({})));
    let limit = Duration::from_secs(200);
    let error = client.sql("wh").execute_with_timeout("select slow", limit).await.unwrap_err();
    assert_eq!((error.kind(), error.statement_id()), (ErrorKind::Timeout, Some(ID)));
    assert_eq!(server.count("POST", &statement("/cancel")), 1);
}

#[tokio::test]
async fn waiting_looks_until_it_is_done_and_a_failure_is_the_statements_own() {
    let bench = Bench::new().await;
    let path = statement("");
    bench.server.once("GET", &path, Answer::json(state("PENDING")));
    bench.server.once("GET", &path, Answer::json(state("RUNNING")));
    bench.server.once("GET", &path, Answer::json(one()));
    let handle = sql(&bench).wait(&id()).await.unwrap();
    assert_eq!(handle.stream().await.unwrap().collect_batches().await.unwrap()[0].num_rows(), 1);

    bench.server.once("GET", &path, Answer::json(failed("[DIVIDE_BY_ZERO] no. SQLSTATE: 22012")));
    let error = sql(&bench).wait(&id()).await.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Data, Some("22012")));
    // It is somebody else's: nothing was cancelled and nothing closed.
    assert_eq!(bench.server.requests().iter().filter(|request| request.method != "GET").count(), 0);
}

#[tokio::test]
async fn one_look_keeps_what_the_service_says_and_words_it_does_not_know() {
    let bench = Bench::new().await;
    let path = statement("");
    bench.server.once("GET", &path, Answer::json(state("HIBERNATING")));
    bench.server.once("GET", &path, Answer::json(failed("[DIVIDE_BY_ZERO] no. SQLSTATE: 22012")));
    let sql = sql(&bench);
    assert_eq!(sql.status(&id()).await.unwrap().state, StatementState::Other("HIBERNATING".to_owned()));
    let failed = sql.status(&id()).await.unwrap();
    assert_eq!(failed.state, StatementState::Failed);
    assert_eq!(failed.error.as_ref().unwrap().error_code.as_deref(), Some("BAD_REQUEST"));
    assert_eq!(failed.failure().unwrap().kind(), ErrorKind::Data);
}

#[tokio::test]
async fn statements_are_cancelled_and_closed_by_id() {
    let bench = Bench::new().await;
    bench.server.once("POST", &statement("/cancel"), Answer::ok(""));
    bench.server.once("DELETE", &statement(""), Answer::json(json!({})));
    let missing = json!({ "error_code": "RESOURCE_DOES_NOT_EXIST", "message": "The statement was not found." });
    bench.server.once("DELETE", &statement(""), Answer::json(missing).with_status(404));
    let sql = sql(&bench);
    sql.cancel(&id()).await.unwrap();
    sql.close(&id()).await.unwrap();
    assert_eq!(sql.close(&id()).await.unwrap_err().kind(), ErrorKind::NotFound);
    bench.server.verify();
}

#[tokio::test]
async fn text_is_handed_out_as_it_is_in_order_and_given_up_at_the_end() {
    let bench = Bench::new().await;
    let link = |n: u64, next: Option<u64>| {
        json!({
            "external_link": format!("{}/csv{n}?sig=x", bench.server.url()),
            "expiration": "2999-01-01T00:00:00Z",
            "chunk_index": n, "row_offset": n, "row_count": 1, "next_chunk_index": next,
        })
    };
    let mut answer = linked(&[("a", "INT")], 2, 2, json!([link(0, Some(1))]));
    answer["manifest"]["format"] = json!("CSV");
    bench.answers(answer);
    let chunk = json!({ "external_links": [link(1, None)] });
    bench.server.once("GET", &statement("/result/chunks/1"), Answer::json(chunk));
    bench.server.once("GET", "/csv0", Answer::ok("a\n1\n"));
    bench.server.once("GET", "/csv1", Answer::ok("null\n"));
    let result = sql(&bench).download("select a").await.unwrap();
    assert_eq!(result.manifest().format.as_deref(), Some("CSV"));
    let files: Vec<_> = result.try_collect().await.unwrap();
    assert_eq!(files, [&b"a\n1\n"[..], &b"null\n"[..]]);
    let sent = bench.asked("POST", STATEMENTS)[0].json();
    assert_eq!((&sent["disposition"], &sent["format"]), (&json!("EXTERNAL_LINKS"), &json!("CSV")));
    assert!(sent.get("result_compression").is_none());
    assert!(bench.asked("GET", "/csv0")[0].header("authorization").is_none());
    bench.until_asked("DELETE", &statement("")).await;
}

#[tokio::test]
async fn a_download_that_is_dropped_gives_the_result_up() {
    let bench = Bench::new().await;
    let link = json!({ "external_link": format!("{}/csv", bench.server.url()), "row_count": 1, "next_chunk_index": 1 });
    bench.answers(linked(&[("a", "INT")], 2, 2, json!([link])));
    bench.server.once("GET", "/csv", Answer::ok("a\n1\n"));
    bench.server.always("GET", &statement("/result/chunks/1"), Answer::hang());
    let mut result = sql(&bench).download("select a").await.unwrap();
    assert!(result.next().await.unwrap().is_ok());
    drop(result);
    bench.until_asked("DELETE", &statement("")).await;
}

#[tokio::test]
async fn rows_in_json_behind_links_are_read_too() {
    let bench = Bench::new().await;
    let link = json!({ "external_link": format!("{}/json", bench.server.url()), "row_count": 2 });
    let mut answer = linked(&[("n", "BIGINT"), ("t", "STRING")], 2, 1, json!([link]));
    answer["manifest"]["format"] = json!("JSON_ARRAY");
    bench.answers(answer.clone());
    bench.server.once("GET", "/json", Answer::ok(r#"[["1","a"],["2",null]]"#));
    let request =
        || SqlRequest::read("select").with_disposition(Disposition::ExternalLinks).with_format(Format::JsonArray);
    let rows: Vec<(i64, Option<String>)> = sql(&bench).fetch_all(request()).await.unwrap();
    assert_eq!(rows, [(1, Some("a".to_owned())), (2, None)]);

    bench.answers(answer);
    bench.server.once("GET", "/json", Answer::ok(r#"[["1","a"]]"#));
    let error = sql(&bench).fetch_all::<(i64, Option<String>)>(request()).await.unwrap_err();
    assert_eq!((error.kind(), error.context("missing")), (ErrorKind::Protocol, Some("1")));
}

#[tokio::test]
async fn a_session_keeps_its_place_and_is_closed_with_its_warehouse() {
    let bench = Bench::new().await;
    bench.server.once("POST", SESSIONS, Answer::json(json!({ "session_id": "s-1" })));
    bench.server.once("DELETE", &format!("{SESSIONS}/s-1"), Answer::json(json!({})));
    let tags = [QueryTag::new("team", "a,b:c"), QueryTag::bare("nightly")];
    let session = sql(&bench)
        .session()
        .with_timezone("Europe/Berlin")
        .with_ansi_mode(false)
        .with_statement_timeout(Duration::from_secs(60))
        .with_query_tags(tags)
        .open()
        .await
        .unwrap();
    assert_eq!(
        bench.server.requests()[0].json(),
        json!({
            "warehouse_id": "other", "catalog": "main", "schema": "default",
            "session_confs": {
                "ANSI_MODE": "false",
                "QUERY_TAGS": "team:a\\,b\\:c,nightly",
                "STATEMENT_TIMEOUT": "60",
                "TIMEZONE": "Europe/Berlin",
            },
        })
    );
    bench.answers(one());
    let request = SqlRequest::read("select ? as one").bind_next(1).bind_next(None::<&str>);
    session.sql().fetch_all::<One>(request).await.unwrap();
    let sent = bench.asked("POST", STATEMENTS)[0].json();
    assert_eq!(sent["session_id"], "s-1");
    assert!(sent.get("catalog").is_none() && sent.get("schema").is_none());
    assert_eq!(
        sent["parameters"],
        json!([{ "ordinal": 1, "type": "INT", "value": "1" }, { "ordinal": 2, "type": "VOID" }])
    );
    session.close().await.unwrap();
    let closed = &bench.asked("DELETE", &format!("{SESSIONS}/s-1"))[0];
    assert_eq!(closed.target, format!("{SESSIONS}/s-1?warehouse_id=other"));
}

#[tokio::test]
async fn a_session_that_is_dropped_is_closed() {
    let bench = Bench::new().await;
    bench.server.once("POST", SESSIONS, Answer::json(json!({ "session_id": "s-2" })));
    bench.server.once("DELETE", &format!("{SESSIONS}/s-2"), Answer::json(json!({})));
    drop(sql(&bench).session().open().await.unwrap());
    bench.until_asked("DELETE", &format!("{SESSIONS}/s-2")).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_closing_is_dropped_is_closed() {
    let (server, client) = offline();
    server.once("POST", SESSIONS, Answer::json(json!({ "session_id": "s-4" })));
    let path = format!("{SESSIONS}/s-4");
    server.once("DELETE", &path, Answer::hang()).once("DELETE", &path, Answer::json(json!({})));
    let mut closing = Box::pin(client.sql("wh").session().open().await.unwrap().close());
    while server.count("DELETE", &path) == 0 {
        assert!(futures::poll!(&mut closing).is_pending());
        tokio::task::yield_now().await;
    }
    drop(closing);
    until("a second try", || server.count("DELETE", &path) == 2).await;
}

#[tokio::test]
async fn a_workspace_without_sessions_says_so_clearly() {
    let body = |code: &str| json!({ "error_code": code, "message": "no" });
    for (answer, kind) in [
        (Answer::status(404), ErrorKind::Unsupported),
        (Answer::json(body("ENDPOINT_NOT_FOUND")).with_status(404), ErrorKind::Unsupported),
        (Answer::json(body("NOT_IMPLEMENTED")).with_status(501), ErrorKind::Unsupported),
        (Answer::json(body("RESOURCE_DOES_NOT_EXIST")).with_status(404), ErrorKind::NotFound),
    ] {
        let bench = Bench::new().await;
        bench.server.once("POST", SESSIONS, answer);
        let error = sql(&bench).session().open().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        if kind == ErrorKind::Unsupported {
            assert!(error.message().contains("does not offer them"), "{error}");
        }
    }
}

#[tokio::test]
async fn the_history_is_read_page_by_page_and_searched_by_tag_here() {
    let bench = Bench::new().await;
    let query = |n: u32, tag: &str| json!({ "query_id": format!("q{n}"), "status": "FINISHED", "query_tags": [{ "key": "k", "value": tag }], "duration": "12" });
    let page = |queries: Vec<Value>, next: &str| {
        Answer::json(json!({ "res": queries, "next_page_token": next, "has_next_page": !next.is_empty() }))
    };
    bench.server.once("GET", HISTORY, page(vec![query(1, "a"), query(2, "b")], "t+1"));
    bench.server.once("GET", HISTORY, page(vec![], "t2"));
    bench.server.once("GET", HISTORY, page(vec![query(3, "c")], ""));
    let now = Utc::now();
    let filter = QueryFilter::new()
        .with_warehouse("other")
        .with_status(QueryStatus::Finished)
        .started_between(now - TimeDelta::hours(1), now);
    let history = client(&bench).query_history();
    let found = history.find_by_tag(&QueryTag::new("k", "c"), filter).await.unwrap().unwrap();
    assert_eq!(
        (found.query_id.as_deref(), found.status, found.duration),
        (Some("q3"), Some(QueryStatus::Finished), Some(12))
    );
    let asked = bench.asked("GET", HISTORY);
    let first = asked[0].target.split_once('?').unwrap().1;
    for part in [
        "max_results=100".to_owned(),
        "filter_by.warehouse_ids=other".to_owned(),
        "filter_by.statuses=FINISHED".to_owned(),
        format!("filter_by.query_start_time_range.end_time_ms={}", now.timestamp_millis()),
    ] {
        assert!(first.split('&').any(|pair| pair == part), "{part} in {first}");
    }
    assert!(asked[1].target.contains("page_token=t%2B1"), "{}", asked[1].target);
    assert_eq!(asked.len(), 3);
}

#[tokio::test]
async fn a_history_that_leads_in_a_circle_is_an_error_not_a_loop() {
    let bench = Bench::new().await;
    bench.server.always("GET", HISTORY, Answer::json(json!({ "res": [], "next_page_token": "same" })));
    let listed = client(&bench).query_history().list(QueryFilter::new()).try_collect::<Vec<_>>().await;
    assert_eq!(listed.unwrap_err().kind(), ErrorKind::Protocol);
    assert_eq!(bench.server.count("GET", HISTORY), 2);
}

#[tokio::test]
async fn a_statement_whose_id_was_lost_is_found_and_not_submitted_twice() {
    let bench = Bench::new().await;
    bench.server.once("POST", STATEMENTS, Answer::close());
    // The history lags.
    bench.server.once("GET", HISTORY, Answer::json(json!({ "res": [] })));
    let tags = json!([{ "key": CLIENT_ID_TAG, "value": "mine" }]);
    let orphan = json!({ "query_id": ID, "status": "RUNNING", "query_tags": tags });
    let other = json!({ "query_id": "other", "query_tags": [{ "key": CLIENT_ID_TAG, "value": "theirs" }] });
    bench.server.once("GET", HISTORY, Answer::json(json!({ "res": [other, orphan] })));
    bench.server.once("GET", &statement(""), Answer::json(counted(&[("num_affected_rows", 5)])));
    bench.server.once("DELETE", &statement(""), Answer::json(json!({})));
    let request = SqlRequest::write("insert into t select 1").with_client_id("mine");
    let handle = sql(&bench).submit_or_find(request, Duration::from_secs(30)).await.unwrap();
    assert_eq!(handle.id().as_str(), ID);
    assert_eq!(handle.finish().await.unwrap(), Some(5));
    assert_eq!(bench.server.count("POST", STATEMENTS), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_statement_that_cannot_be_taken_over_at_once_is_tried_again_and_its_name_is_told() {
    let (server, client) = offline();
    let lost = || {
        server.once("POST", STATEMENTS, Answer::close());
        SqlRequest::write("insert into t select 1").with_client_id("mine")
    };
    let tags = json!([{ "key": CLIENT_ID_TAG, "value": "mine" }]);
    server.always("GET", HISTORY, Answer::json(json!({ "res": [{ "query_id": ID, "query_tags": tags }] })));
    for _ in 0..8 {
        server.once("GET", &statement(""), Answer::status(503));
    }
    server.once("GET", &statement(""), Answer::json(state("RUNNING")));
    let handle = client.sql("wh").submit_or_find(lost(), Duration::from_secs(600)).await.unwrap();
    assert_eq!((handle.detach().as_str(), server.count("POST", STATEMENTS)), (ID, 1));

    server.once("GET", &statement(""), Answer::status(404));
    let error = client.sql("wh").submit_or_find(lost(), Duration::from_secs(600)).await.unwrap_err();
    assert_eq!((error.kind(), error.context("client_id")), (ErrorKind::NotFound, Some("mine")));
}

#[tokio::test]
async fn a_lost_statement_that_is_not_found_leaves_the_name_to_look_for() {
    let bench = Bench::new().await;
    bench.server.once("POST", STATEMENTS, Answer::status(504));
    bench.server.always("GET", HISTORY, Answer::json(json!({ "res": [] })));
    let error = sql(&bench).submit_or_find("select 1", Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let client_id = error.context("client_id").unwrap();
    let sent = bench.asked("POST", STATEMENTS)[0].json();
    assert_eq!(sent["query_tags"], json!([{ "key": CLIENT_ID_TAG, "value": client_id }]));
    // What the server certainly did not begin is not looked for.
    bench.server.once("POST", STATEMENTS, Answer::json(json!({ "error_code": "BAD_REQUEST" })).with_status(400));
    let before = bench.server.count("GET", HISTORY);
    sql(&bench).submit_or_find("select 1", Duration::from_secs(5)).await.unwrap_err();
    assert_eq!(bench.server.count("GET", HISTORY), before);
}

#[tokio::test]
async fn every_field_is_checked_before_anything_is_sent() {
    let bench = Bench::new().await;
    let sql = sql(&bench);
    let read = || SqlRequest::read("select :a").bind("a", 1);
    let tagged = |count: u32| (0..count).fold(read(), |request, n| request.with_tag(QueryTag::bare(format!("t{n}"))));
    for (field, request) in [
        ("statement", SqlRequest::read("  ")),
        ("row_limit", read().with_row_limit(0)),
        ("row_limit", read().with_row_limit(u64::MAX)),
        ("byte_limit", read().with_byte_limit(0)),
        ("catalog", read().with_catalog("")),
        ("schema", read().with_schema("")),
        ("client_id", read().with_client_id("")),
        ("query_tags", tagged(21)),
        ("query_tags", read().with_tag(QueryTag::bare(" "))),
        ("query_tags", read().with_tag(QueryTag::bare("k")).with_tag(QueryTag::new("k", "v"))),
        ("format", read().with_disposition(Disposition::Inline).with_format(Format::ArrowStream)),
        ("format", read().with_format(Format::Csv)),
        ("parameters", read().bind_next(1)),
        ("parameters", SqlRequest::read("select :a").bind_typed("a", "ARRAY<INT>", Some("[1]"))),
        ("parameters", SqlRequest::read("select :a").bind_typed("a", "INT'; drop", Some("1"))),
        ("parameters", SqlRequest::read("select :a").bind_typed("1a", "INT", Some("1"))),
    ] {
        let error = sql.execute(request).await.unwrap_err();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some(field)), "{error}");
    }
    let twice = read().bind_typed("a", "INT", Some("1"));
    assert_eq!(sql.execute(twice).await.unwrap_err().context("parameter"), Some("a"));
    let inline = sql.download(read().with_disposition(Disposition::Inline)).await.unwrap_err();
    assert_eq!(inline.context("field"), Some("disposition"));
    for id in ["", "a/b", "..", "a?b"] {
        let id = StatementId::new(id);
        for error in [
            sql.status(&id).await.err(),
            sql.cancel(&id).await.err(),
            sql.close(&id).await.err(),
            sql.attach(&id).await.err(),
            sql.fetch_chunk(&id, 0).await.err(),
        ] {
            assert_eq!(error.unwrap().context("field"), Some("statement_id"));
        }
    }
    let nowhere = client(&bench).sql("").execute("select 1").await.unwrap_err();
    assert_eq!((nowhere.kind(), nowhere.context("field")), (ErrorKind::InvalidInput, Some("warehouse_id")));
    let now = Utc::now();
    let history = client(&bench).query_history();
    for (field, filter) in [
        ("query_start_time_range", QueryFilter::new().started_between(now, now - TimeDelta::hours(1))),
        ("query_start_time_range", QueryFilter::new().started_between(now - TimeDelta::days(31), now)),
        ("warehouse_ids", QueryFilter::new().with_warehouse("")),
        ("statement_ids", QueryFilter::new().with_statement(&StatementId::new(""))),
    ] {
        let error = history.list(filter).try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(error.context("field"), Some(field));
    }
    let unbounded = history.find_by_tag(&QueryTag::bare("k"), QueryFilter::new()).await.unwrap_err();
    assert_eq!(unbounded.context("field"), Some("query_start_time_range"));
    for (field, session) in [
        ("session_confs", sql.session().with_conf("a b", "c")),
        ("query_tags", sql.session().with_query_tags([QueryTag::bare("")])),
        ("catalog", sql.session().with_catalog("")),
    ] {
        assert_eq!(session.open().await.unwrap_err().context("field"), Some(field));
    }
    assert!(bench.server.requests().is_empty());
}

#[tokio::test]
async fn every_field_of_the_low_level_request_is_checked_too() {
    let bench = Bench::new().await;
    let statements = client(&bench).statements();
    let new = || ExecuteStatementRequest::new("wh", "select 1");
    let with = |change: fn(&mut ExecuteStatementRequest)| {
        let mut request = new();
        change(&mut request);
        request
    };
    for (field, request) in [
        ("statement", ExecuteStatementRequest::new("wh", "")),
        ("statement", ExecuteStatementRequest::new("wh", "x".repeat((16 << 20) + 1))),
        ("warehouse_id", ExecuteStatementRequest::new("", "select 1")),
        ("wait_timeout", new().with_wait_timeout(Duration::from_secs(4))),
        ("wait_timeout", new().with_wait_timeout(Duration::from_secs(51))),
        ("wait_timeout", new().with_wait_timeout(Duration::from_millis(5500))),
        ("on_wait_timeout", new().with_wait_timeout(Duration::ZERO).with_on_wait_timeout(OnWaitTimeout::Cancel)),
        ("format", with(|r| r.format = Some(Format::Csv))),
        ("format", new().with_result(Disposition::Inline, Format::ArrowStream)),
        ("row_limit", with(|r| r.row_limit = Some(0))),
        ("byte_limit", with(|r| r.byte_limit = Some(0))),
        ("catalog", with(|r| (r.session_id, r.catalog) = (Some("s".into()), Some("c".into())))),
        ("session_id", with(|r| r.session_id = Some(String::new()))),
        ("query_tags", new().with_tag(QueryTag::bare(""))),
        (
            "parameters",
            new()
                .with_parameter(StatementParameter::named("a", "INT", None))
                .with_parameter(StatementParameter::positional(1, "INT", None)),
        ),
        ("parameters", new().with_parameter(StatementParameter::positional(0, "INT", None))),
        ("parameters", new().with_parameter(StatementParameter::positional(2, "INT", None))),
        (
            "parameters",
            with(|r| {
                r.parameters.push(StatementParameter::named("a", "INT", None));
                r.parameters[0].ordinal = Some(1);
            }),
        ),
    ] {
        let error = statements.execute(&request).await.unwrap_err();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some(field)), "{error}");
    }
    assert!(bench.server.requests().is_empty());
}

#[tokio::test]
async fn the_low_level_calls_are_one_request_each() {
    let bench = Bench::new().await;
    let link = json!({ "external_link": format!("{}/a?sig=canary", bench.server.url()), "row_count": 2, "chunk_index": 1, "row_offset": 4 });
    bench.server.once("POST", STATEMENTS, Answer::json(state("PENDING")));
    bench.server.once("GET", &statement(""), Answer::json(linked(&[("n", "BIGINT")], 6, 2, json!([]))));
    let chunk = json!({ "external_links": [link] });
    bench.server.once("GET", &statement("/result/chunks/1"), Answer::json(chunk));
    bench.server.once("GET", "/a", Answer::ok("the file"));
    bench.server.once("POST", &statement("/cancel"), Answer::json(json!({})));
    bench.server.once("DELETE", &statement(""), Answer::json(json!({})));
    let statements = client(&bench).statements();
    let request = ExecuteStatementRequest::new("wh", "select :n, :d")
        .with_parameter(StatementParameter::of("n", 7i64).unwrap())
        .with_parameter(StatementParameter::named("d", "INTERVAL DAY TO SECOND", Some("1 00:00:00")))
        .with_wait_timeout(Duration::from_secs(5))
        .with_on_wait_timeout(OnWaitTimeout::Continue)
        .with_result(Disposition::ExternalLinks, Format::ArrowStream);
    let submitted = statements.execute(&request).await.unwrap();
    assert_eq!((submitted.state, submitted.statement_id.as_str()), (StatementState::Pending, ID));
    assert_eq!(
        bench.server.requests()[0].json(),
        json!({
            "statement": "select :n, :d",
            "warehouse_id": "wh",
            "parameters": [
                { "name": "n", "type": "BIGINT", "value": "7" },
                { "name": "d", "type": "INTERVAL DAY TO SECOND", "value": "1 00:00:00" },
            ],
            "disposition": "EXTERNAL_LINKS",
            "format": "ARROW_STREAM",
            "wait_timeout": "5s",
            "on_wait_timeout": "CONTINUE",
        })
    );
    let done = statements.get(&id()).await.unwrap();
    assert_eq!(done.manifest.unwrap().total_row_count, Some(6));
    let chunk = statements.get_result_chunk(&id(), 1).await.unwrap();
    assert_eq!(
        (chunk.chunk_index, chunk.row_offset, chunk.row_count, chunk.next_chunk_index),
        (1, Some(4), Some(2), None)
    );
    assert!(!format!("{chunk:?} {:?}", chunk.external_links).contains("canary"));
    assert_eq!(statements.download(&chunk.external_links[0]).await.unwrap(), &b"the file"[..]);
    statements.cancel(&id()).await.unwrap();
    statements.close(&id()).await.unwrap();
    bench.server.verify();
    assert_eq!(bench.server.requests().len(), 6);
}

#[tokio::test]
async fn closing_a_session_stops_what_runs_in_it() {
    let bench = Bench::new().await;
    bench.server.once("POST", SESSIONS, Answer::json(json!({ "session_id": "s-3" })));
    bench.server.once("DELETE", &format!("{SESSIONS}/s-3"), Answer::json(json!({})));
    bench.server.once("POST", STATEMENTS, Answer::json(state("RUNNING")));
    bench.server.once("POST", &statement("/cancel"), Answer::json(json!({})));
    let session = sql(&bench).session().open().await.unwrap();
    let running = session.sql().submit(SqlRequest::read("select slow").with_on_drop(OnDrop::Detach)).await.unwrap();
    session.close().await.unwrap();
    assert_eq!(bench.server.count("POST", &statement("/cancel")), 1);
    drop(running);
}

#[tokio::test]
async fn a_chunk_of_arrow_is_read_by_its_number() {
    let bench = Bench::new().await;
    let link = |n: u64| json!({ "external_link": format!("{}/f{n}", bench.server.url()), "chunk_index": n, "row_offset": n * 2, "row_count": 2 });
    let mut answer = linked(&[("n", "BIGINT")], 4, 2, json!([link(0)]));
    answer["manifest"]["chunks"] = json!([{ "row_count": 2 }, { "chunk_index": 1, "row_offset": 2, "row_count": 2 }]);
    bench.server.always("GET", &statement(""), Answer::json(answer));
    bench.server.always("GET", &statement("/result/chunks/1"), Answer::json(json!({ "external_links": [link(1)] })));
    bench.server.once("GET", "/f1", Answer::ok(file(&[numbers("stale", [3, 4, 99])])));
    let batches = sql(&bench).fetch_chunk(&id(), 1).await.unwrap();
    assert_eq!(read(&batches), [3, 4]);
    assert_eq!(batches[0].schema().field(0).name(), "n");
    let beyond = sql(&bench).fetch_chunk(&id(), 2).await.unwrap_err();
    assert_eq!((beyond.kind(), beyond.context("field")), (ErrorKind::InvalidInput, Some("chunk_index")));
    assert!(batches[0].column(0).as_primitive_opt::<arrow::datatypes::Int64Type>().is_some());
    // Another than was asked for is none.
    for other in [json!({ "external_links": [link(1)] }), json!({ "chunk_index": 1, "data_array": [["3"], ["4"]] })] {
        bench.server.once("GET", &statement("/result/chunks/0"), Answer::json(other));
        let error = sql(&bench).fetch_chunk(&id(), 0).await.unwrap_err();
        assert_eq!((error.kind(), error.context("asked")), (ErrorKind::Protocol, Some("0")));
    }
}
