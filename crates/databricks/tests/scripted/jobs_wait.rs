//! Waiting: how often it looks, what it bears, how it ends.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use twinhouse_core::ErrorKind;
use twinhouse_databricks::jobs::{RunFailure, RunId, RunResult, WaitOptions};
use twinhouse_testkit::Answer;

use crate::jobs::{Desk, JOBS, run};

const RUN: RunId = RunId(7);

fn path() -> String {
    format!("{JOBS}/runs/get")
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_and_begin_anew_where_something_has_changed() {
    let desk = Desk::new();
    for state in ["PENDING", "PENDING", "PENDING", "PENDING", "RUNNING", "RUNNING", "SUCCESS"] {
        desk.once("GET", "runs/get", run(7, state));
    }
    let mut looks = Vec::new();
    let options = WaitOptions::default().with_longest_pause(Duration::from_secs(2));
    let outcome = desk
        .jobs
        .outcome_with(RUN, &options, |progress| looks.push((Instant::now(), progress.run.phase().to_owned())))
        .await
        .unwrap();
    assert!(outcome.is_success());
    let pauses: Vec<_> = looks.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs_f64()).collect();
    // After a look that shows something new it is the first pause again.
    for (pause, wish) in pauses.iter().zip([1.0, 1.5, 2.0, 2.0, 1.0, 1.5]) {
        assert!((wish * 0.75..=wish + 0.1).contains(pause), "{pauses:?}");
    }
    assert_eq!(looks.last().unwrap().1, "TERMINATED");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_moves_on_is_a_change_too() {
    let desk = Desk::new();
    let with_task = |state: &str| {
        let mut whole = run(7, "RUNNING");
        whole["tasks"] = json!([{ "task_key": "a", "run_id": 70, "state": { "life_cycle_state": state } }]);
        whole
    };
    for state in ["PENDING", "PENDING", "PENDING", "RUNNING"] {
        desk.once("GET", "runs/get", with_task(state));
    }
    desk.once("GET", "runs/get", run(7, "SUCCESS"));
    let mut looks = Vec::new();
    let options = WaitOptions::default();
    let wait = desk.jobs.outcome_with(RUN, &options, |_| looks.push(Instant::now()));
    assert!(wait.await.unwrap().is_success());
    let pauses: Vec<_> = looks.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    assert!(pauses[2] > 1.5 && pauses[3] < 1.2, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn terminated_is_no_success_and_the_error_has_the_run() {
    let desk = Desk::new();
    desk.once("GET", "runs/get", run(7, "FAILED"));
    let error = desk.jobs.wait(RUN, &WaitOptions::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::InvalidInput, "it broke"));
    assert_eq!((error.context("result"), error.context("page")), (Some("FAILED"), Some("https://h/run")));
    let failure = RunFailure::of(&error).unwrap();
    assert_eq!((failure.outcome.run.run_id, &failure.outcome.result), (RUN, &RunResult::Failed));
    assert!(!failure.outcome.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn success_with_failures_is_a_success_only_for_those_who_say_so() {
    let desk = Desk::new();
    let mut partly = run(7, "SUCCESS");
    partly["state"]["result_state"] = json!("SUCCESS_WITH_FAILURES");
    desk.server.always("GET", &path(), Answer::json(partly));
    let options = WaitOptions::default();
    assert!(desk.jobs.wait(RUN, &options).await.is_err());
    desk.jobs.wait(RUN, &options.with_accept_failures(true)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn when_time_runs_out_the_wait_ends_and_stops_the_run_if_asked() {
    let desk = Desk::new();
    desk.server.always("GET", &path(), Answer::json(run(7, "RUNNING")));
    desk.once("POST", "runs/cancel", json!({}));
    let began = Instant::now();
    let options = WaitOptions::default().with_timeout(Duration::from_secs(100));
    let error = desk.jobs.wait(RUN, &options).await.unwrap_err();
    assert_eq!((error.kind(), error.context("wait")), (ErrorKind::Timeout, Some("run")));
    assert_eq!(began.elapsed().as_secs(), 100);
    assert!(desk.asked("runs/cancel").is_empty(), "a run is not stopped unless asked");
    let error = desk.jobs.wait(RUN, &options.with_cancel_on_timeout(true)).await.unwrap_err();
    assert_eq!((error.kind(), error.context("cancelled")), (ErrorKind::Timeout, Some("true")));
    assert_eq!(desk.asked("runs/cancel").len(), 1);
    // Three looks in the first seconds, then fewer and fewer: not one every second.
    assert!(desk.asked("runs/get").len() < 30, "{}", desk.asked("runs/get").len());
}

#[tokio::test(start_paused = true)]
async fn patience_has_an_end_and_a_run_that_is_not_there_has_none() {
    let desk = Desk::new();
    desk.server.always("GET", &path(), Answer::status(503));
    let began = Instant::now();
    let options = WaitOptions::default().with_patience(Duration::from_secs(60));
    let error = desk.jobs.wait(RUN, &options).await.unwrap_err();
    assert!(error.is_retryable() && error.kind() == ErrorKind::Unavailable, "{error:?}");
    assert!((60..180).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());

    let desk = Desk::new();
    desk.refuses("GET", "runs/get", 400, "INVALID_PARAMETER_VALUE", "Run 7 does not exist.");
    let error = desk.jobs.wait(RUN, &options).await.unwrap_err();
    assert_eq!((error.kind(), desk.asked("runs/get").len()), (ErrorKind::NotFound, 1));
}

#[tokio::test(start_paused = true)]
async fn the_last_look_has_all_tasks_and_those_before_only_the_first_page() {
    let desk = Desk::new();
    let page = |state: &str, next: Value| {
        let mut page = run(7, state);
        page["tasks"] = json!([{ "task_key": format!("t{next}"), "run_id": 1 }]);
        page["next_page_token"] = next;
        page
    };
    desk.once("GET", "runs/get", page("RUNNING", json!("2")));
    desk.once("GET", "runs/get", page("SUCCESS", json!("2")));
    desk.once("GET", "runs/get", page("SUCCESS", Value::Null));
    let run = desk.jobs.wait(RUN, &WaitOptions::default()).await.unwrap();
    assert_eq!(run.tasks.len(), 2);
    desk.server.verify();
}
