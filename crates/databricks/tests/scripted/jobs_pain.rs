//! What others have stumbled over, each by the name of the report, and what happens here instead.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use twinhouse_core::{Effect, ErrorKind};
use twinhouse_databricks::jobs::{IdempotencyToken, JobId, RepairRun, RunId, RunNow, WaitOptions};
use twinhouse_testkit::{Answer, Received};

use crate::jobs::{Desk, JOBS, notebook, run};

/// A service that knows tokens: one run for each, whatever becomes of its answers.
#[derive(Clone, Default)]
struct Runs(Arc<Mutex<HashMap<String, u64>>>);

impl Runs {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn start(&self, request: &Received) -> Option<u64> {
        let is_start = request.path().ends_with("/runs/submit") || request.path().ends_with("/run-now");
        let mut runs = self.0.lock().unwrap();
        let next = runs.len() as u64 + 1;
        let token = request.json()["idempotency_token"].as_str().unwrap_or_default().to_owned();
        is_start.then(|| *runs.entry(token).or_insert(next))
    }
}

/// Answers that never arrive, after the run was started: the connection breaks, the body breaks off, the gateway fails.
fn lost() -> Vec<Answer> {
    let half = Answer::json(json!({ "run_id": 1 })).cut_after(4);
    vec![Answer::close(), half, Answer::status(502), Answer::status(504), Answer::status(500), Answer::status(503)]
}

#[tokio::test(start_paused = true)]
async fn cli_5882_a_repeated_run_now_starts_no_second_run() {
    for loss in lost() {
        let (desk, runs) = (Desk::new(), Runs::default());
        let (known, mut first) = (runs.clone(), Some(loss.clone()));
        desk.server.otherwise(move |request| {
            let run = known.start(request)?;
            Some(first.take().unwrap_or_else(|| Answer::json(json!({ "run_id": run }))))
        });
        let handle = desk.jobs.run_now(RunNow::new(JobId(3))).await.unwrap();
        assert_eq!((handle.id(), runs.count()), (RunId(1), 1), "{loss:?}");
        let sent = desk.asked("run-now");
        assert_eq!(sent.len(), 2, "it was sent twice");
        assert_eq!(sent[0].json()["idempotency_token"], sent[1].json()["idempotency_token"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_submission_whose_answers_are_all_lost_can_be_found_again_by_its_token() {
    let (desk, runs) = (Desk::new(), Runs::default());
    let (known, up) = (runs.clone(), Arc::new(Mutex::new(false)));
    let is_up = up.clone();
    desk.server.otherwise(move |request| {
        let run = known.start(request)?;
        Some(if *is_up.lock().unwrap() { Answer::json(json!({ "run_id": run })) } else { Answer::close() })
    });
    let error = desk.jobs.submit(notebook()).await.unwrap_err();
    assert_eq!(error.fault().effect, Effect::Unknown, "it may be running");
    let token = IdempotencyToken::new(error.context("idempotency_token").unwrap()).unwrap();
    *up.lock().unwrap() = true;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let handle = desk.jobs.submit(notebook().with_token(token)).await.unwrap();
    assert_eq!((handle.id(), runs.count()), (RunId(1), 1));
}

#[tokio::test]
async fn airflow_68974_a_worker_that_dies_and_tries_again_submits_no_second_run() {
    let (server_side, runs) = (Desk::new(), Runs::default());
    let known = runs.clone();
    server_side.server.otherwise(move |request| Some(Answer::json(json!({ "run_id": known.start(request)? }))));
    let token = || IdempotencyToken::derived(["dag", "task", "2026-01-31", "try of any number"]);
    let first = server_side.jobs.submit(notebook().with_token(token())).await.unwrap().id();
    // The worker is gone, and everything that it knew. Another has the same work to do.
    let second = server_side.client.jobs().submit(notebook().with_token(token())).await.unwrap().id();
    assert_eq!((first, runs.count()), (second, 1));
    let other = IdempotencyToken::derived(["dag", "task", "2026-02-01", "try of any number"]);
    assert_ne!(server_side.jobs.submit(notebook().with_token(other)).await.unwrap().id(), first);
    // Without a token of one's own every submission is another run: none is taken for another by mistake.
    let third = server_side.jobs.submit(notebook()).await.unwrap().id();
    let fourth = server_side.jobs.submit(notebook()).await.unwrap().id();
    assert_ne!(third, fourth);
}

#[tokio::test(start_paused = true)]
async fn prefect_68_a_bad_answer_while_waiting_does_not_fail_the_wait() {
    let desk = Desk::new();
    let path = format!("{JOBS}/runs/get");
    let running = || Answer::json(run(7, "RUNNING"));
    desk.server.once("GET", &path, running());
    for status in [500, 502, 503, 504] {
        desk.server.once("GET", &path, Answer::status(status)).once("GET", &path, running());
    }
    desk.server.once("GET", &path, Answer::close()).once("GET", &path, running());
    desk.server.once("GET", &path, running().cut_after(5)).once("GET", &path, running());
    // More in a row than a single call is repeated.
    for _ in 0..8 {
        desk.server.once("GET", &path, Answer::status(503));
    }
    desk.server.once("GET", &path, Answer::json(run(7, "SUCCESS")));
    desk.jobs.wait(RunId(7), &WaitOptions::default()).await.unwrap();
    desk.server.verify();
}

#[tokio::test(start_paused = true)]
async fn jobs_and_repairs_have_no_token_and_are_not_sent_twice() {
    let desk = Desk::new();
    desk.server.always("POST", &format!("{JOBS}/create"), Answer::close());
    desk.server.always("POST", &format!("{JOBS}/runs/repair"), Answer::status(502));
    let error = desk.jobs.create(twinhouse_databricks::jobs::JobSettings::new().with_name("j")).await.unwrap_err();
    assert_eq!((error.fault().effect, desk.asked("create").len()), (Effect::Unknown, 1));
    let error = desk.jobs.repair_run(RepairRun::failed(RunId(7))).await.unwrap_err();
    assert_eq!((error.fault().effect, desk.asked("runs/repair").len()), (Effect::Unknown, 1));
    // Turned away unseen, they are.
    desk.server.once("POST", &format!("{JOBS}/runs/repair-nothing"), Answer::status(200));
    let desk = Desk::new();
    desk.server.once("POST", &format!("{JOBS}/create"), Answer::status(429).with_header("retry-after", "2"));
    desk.once("POST", "create", json!({ "job_id": 4 }));
    let job = desk.jobs.create(twinhouse_databricks::jobs::JobSettings::new().with_name("j")).await.unwrap();
    assert_eq!((job, desk.asked("create").len()), (JobId(4), 2));
}

#[tokio::test(start_paused = true)]
async fn removing_what_a_lost_answer_has_removed_is_no_error() {
    let desk = Desk::new();
    desk.server.once("POST", &format!("{JOBS}/delete"), Answer::close());
    desk.refuses("POST", "delete", 400, "INVALID_PARAMETER_VALUE", "Job 4 does not exist.");
    desk.jobs.delete(JobId(4)).await.unwrap();
    desk.refuses("POST", "delete", 400, "INVALID_PARAMETER_VALUE", "Job 4 does not exist.");
    assert_eq!(desk.jobs.delete(JobId(4)).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_429_delays_a_submission_and_starts_one_run() {
    let (desk, runs) = (Desk::new(), Runs::default());
    for _ in 0..3 {
        desk.server.once("POST", &format!("{JOBS}/runs/submit"), Answer::status(429).with_header("retry-after", "3"));
    }
    let known = runs.clone();
    desk.server.otherwise(move |request| Some(Answer::json(json!({ "run_id": known.start(request)? }))));
    let began = tokio::time::Instant::now();
    desk.jobs.submit(notebook()).await.unwrap();
    assert_eq!(runs.count(), 1);
    assert!(began.elapsed() >= Duration::from_secs(9), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_run_without_a_name_or_with_a_wrong_one_is_an_error() {
    for wrong in [json!({}), json!({ "run_id": 0 }), json!({ "run_id": "seven" }), json!([1])] {
        let desk = Desk::new();
        desk.once("POST", "runs/submit", wrong.clone());
        let error = desk.jobs.submit(notebook()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{wrong}");
        assert!(error.context("idempotency_token").is_some());
    }
    let desk = Desk::new();
    desk.once("POST", "runs/repair", json!({}));
    let error = desk.jobs.repair_run(RepairRun::failed(RunId(7))).await.unwrap_err();
    assert_eq!((error.kind(), error.context("run_id")), (ErrorKind::Protocol, Some("7")));
}
