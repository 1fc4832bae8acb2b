//! Lists: of any length, with every awkward page.

use std::sync::atomic::{AtomicU64, Ordering};

use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::json;
use twinhouse_core::{ErrorKind, config::Env, resilience::Registry};
use twinhouse_databricks::{
    DatabricksConfig,
    jobs::{ListJobs, ListRuns},
};
use twinhouse_testkit::{Answer, ScriptedServer};

use crate::jobs::{Desk, JOBS, run};

#[tokio::test]
async fn empty_pages_do_not_end_a_list_and_filters_go_with_every_page() {
    let desk = Desk::new();
    desk.once("GET", "runs/list", json!({ "runs": [run(1, "RUNNING")], "next_page_token": "a b" }));
    desk.once("GET", "runs/list", json!({ "has_more": true, "next_page_token": "2" }));
    desk.once("GET", "runs/list", json!({ "runs": null, "next_page_token": "3" }));
    desk.once("GET", "runs/list", json!({ "runs": [run(2, "NAPPING")], "next_page_token": "" }));
    let wish = ListRuns::new().with_job(twinhouse_databricks::jobs::JobId(5)).with_active_only(true).with_limit(24);
    let found: Vec<_> = desk.jobs.list_runs(wish).try_collect().await.unwrap();
    assert_eq!(found.iter().map(|run| run.run_id.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((found[1].phase(), found[1].is_over()), ("NAPPING", false), "an unknown state is kept, and no end");
    for (at, request) in desk.asked("runs/list").iter().enumerate() {
        assert!(request.target.contains("job_id=5&active_only=true&limit=24"), "{}", request.target);
        assert_eq!(request.target.contains("page_token="), at > 0);
    }
    assert!(desk.asked("runs/list")[1].target.ends_with("page_token=a+b"));
    for wrong in [
        ListRuns::new().with_limit(25),
        ListRuns::new().with_active_only(true).with_completed_only(true),
        ListRuns::new().with_started_between(2, 1),
    ] {
        let error = desk.jobs.list_runs(wrong).try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[tokio::test]
async fn what_a_list_cuts_short_is_fetched_whole() {
    let desk = Desk::new();
    let task = |key: &str| json!({ "task_key": key, "run_id": 1 });
    let mut cut = run(1, "RUNNING");
    (cut["tasks"], cut["has_more"]) = (json!([task("a")]), json!(true));
    desk.once("GET", "runs/list", json!({ "runs": [cut, run(2, "RUNNING")] }));
    let mut whole = run(1, "RUNNING");
    whole["tasks"] = json!([task("a"), task("b")]);
    desk.once("GET", "runs/get", whole);
    let found: Vec<_> = desk.jobs.list_runs(ListRuns::new().with_expand_tasks(true)).try_collect().await.unwrap();
    assert_eq!(found.iter().map(|run| run.tasks.len()).collect::<Vec<_>>(), [2, 0]);
}

#[tokio::test]
async fn a_page_that_leads_to_itself_is_an_error_and_not_for_ever() {
    let desk = Desk::new();
    desk.once("GET", "list", json!({ "jobs": [{ "job_id": 1 }], "next_page_token": "x" }));
    desk.once("GET", "list", json!({ "jobs": [{ "job_id": 2 }], "next_page_token": "x" }));
    let found: Vec<_> = desk.jobs.list(ListJobs::new()).collect().await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[1].as_ref().unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn wrong_types_are_errors_and_end_the_list() {
    for wrong in [
        json!([]),
        json!({ "jobs": {} }),
        json!({ "jobs": [1] }),
        json!({ "jobs": [{ "job_id": {} }] }),
        json!({ "jobs": [{ "job_id": -4 }] }),
        json!({ "jobs": [{ "job_id": 1, "settings": "text" }] }),
        json!({ "jobs": [{ "job_id": 1, "settings": { "tasks": { "task_key": "a" } } }] }),
        json!({ "jobs": [], "next_page_token": ["a"] }),
        json!("text"),
    ] {
        let desk = Desk::new();
        desk.once("GET", "list", wrong.clone());
        let found: Vec<_> = desk.jobs.list(ListJobs::new()).collect().await;
        assert_eq!(found.len(), 1, "{wrong}");
        assert_eq!(found[0].as_ref().unwrap_err().kind(), ErrorKind::Protocol, "{wrong}");
    }
    for wrong in [json!({ "run_id": [] }), json!({ "state": "RUNNING" }), json!({ "tasks": [[]] }), json!(null)] {
        let desk = Desk::new();
        desk.once("GET", "runs/get", wrong.clone());
        let error = desk.jobs.get_run(twinhouse_databricks::jobs::RunId(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{wrong}");
    }
}

/// Ten thousand pages, 100 jobs each. No more than a page is ever in memory: the second page is asked for only when the
/// first has been read, and so on to the end.
#[tokio::test]
async fn ten_thousand_pages_are_read_a_page_at_a_time() {
    const PAGES: u64 = 10_000;
    static SERVED: AtomicU64 = AtomicU64::new(0);
    let server = ScriptedServer::start().await.unwrap();
    let builder = DatabricksConfig::builder().env(Env::empty()).host(server.url()).token("t").rate_limit(1e9);
    let jobs = builder.registry(Registry::new()).client().unwrap().jobs();
    server.otherwise(|request| {
        let page: u64 = request.target.rsplit("page_token=").next().and_then(|text| text.parse().ok()).unwrap_or(0);
        SERVED.store(page + 1, Ordering::SeqCst);
        let entries = if page % 10 == 9 { 0 } else { 2 };
        let found: Vec<_> = (0..entries).map(|n| json!({ "job_id": page * 2 + n + 1 })).collect();
        let next = if page + 1 == PAGES { String::new() } else { (page + 1).to_string() };
        Some(Answer::json(json!({ "jobs": found, "next_page_token": next })))
    });
    let mut found = jobs.list(ListJobs::new());
    let (mut count, mut sum) = (0_u64, 0_u64);
    while let Some(job) = found.try_next().await.unwrap() {
        count += 1;
        sum += job.job_id.0;
        // The page that this entry is on is the last that was asked for.
        assert_eq!(SERVED.load(Ordering::SeqCst), (job.job_id.0 - 1) / 2 + 1);
    }
    let whole: u64 = (0..PAGES).filter(|page| page % 10 != 9).map(|page| (page * 2 + 1) + (page * 2 + 2)).sum();
    assert_eq!((count, sum), (PAGES * 9 / 10 * 2, whole));
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_429_slows_the_list_down_and_loses_nothing() {
    let desk = Desk::new();
    let mut asked = 0_u64;
    desk.server.otherwise(move |request| {
        asked += 1;
        // Two of three are turned away.
        if !asked.is_multiple_of(3) {
            return Some(Answer::status(429).with_header("retry-after", "1"));
        }
        let page: u64 = request.target.rsplit("page_token=").next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let next = if page == 29 { String::new() } else { (page + 1).to_string() };
        Some(Answer::json(json!({ "runs": [{ "run_id": page + 1 }], "next_page_token": next })))
    });
    let found: Vec<_> = desk.jobs.list_runs(ListRuns::new()).map_ok(|run| run.run_id.0).collect().await;
    let good = found.iter().filter_map(|run| run.as_ref().ok().copied()).collect::<Vec<_>>();
    assert_eq!(good, (1..=good.len() as u64).collect::<Vec<_>>(), "in order, each once");
    // The budget for repeats may end it; then the last word says so, and is one that may be tried again.
    match found.last().unwrap() {
        Ok(last) => assert_eq!(*last, 30),
        Err(error) => assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::RateLimited, true)),
    }
    assert!(good.len() >= 10, "{good:?}");
}

#[tokio::test]
async fn a_token_that_expires_in_mid_list_is_renewed_once_and_nothing_is_lost() {
    let server = ScriptedServer::start().await.unwrap();
    for _ in 0..2 {
        server.always("GET", "/.well-known/databricks-config", Answer::status(404));
        server.always("GET", "/oidc/.well-known/oauth-authorization-server", Answer::status(404));
    }
    for token in ["first", "second"] {
        let token = json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 });
        server.once("POST", "/oidc/v1/token", Answer::json(token));
    }
    let mut served = 0_u64;
    server.otherwise(move |request| {
        if !request.path().starts_with(JOBS) {
            return None;
        }
        let expired = served >= 3 && request.header("authorization") == Some("Bearer first");
        if expired {
            let body = json!({ "error_code": 403, "message": "Invalid access token." });
            return Some(Answer::json(body).with_status(403));
        }
        served += 1;
        let next = if served == 6 { String::new() } else { served.to_string() };
        Some(Answer::json(json!({ "jobs": [{ "job_id": served }], "next_page_token": next })))
    });
    let builder = DatabricksConfig::builder().env(Env::empty()).host(server.url()).client_id("i").client_secret("s");
    let jobs = builder.registry(Registry::new()).client().unwrap().jobs();
    let found: Vec<_> = jobs.list(ListJobs::new()).map_ok(|job| job.job_id.0).try_collect().await.unwrap();
    assert_eq!(found, [1, 2, 3, 4, 5, 6]);
    assert_eq!(server.count("POST", "/oidc/v1/token"), 2);
}
