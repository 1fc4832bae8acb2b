//! A streaming job on its way, and what is left behind where the way ends.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use twinhouse_core::{Effect, ErrorKind};
use twinhouse_databricks::{
    jobs::{
        Compute, IdempotencyToken, OnDrop, WaitOptions,
        cluster::{Cloud, ClusterSpec},
    },
    streaming::StreamingSubmission,
};
use twinhouse_testkit::Answer;

use crate::{
    jobs::{Desk, JOBS, run},
    streaming::copy,
};

const WORKSPACE: &str = "/api/2.0/workspace";

fn submission() -> StreamingSubmission {
    StreamingSubmission::new(copy().build().unwrap())
}

impl Desk {
    fn workspace(&self, call: &str, answer: Answer) -> &Self {
        self.server.once("POST", &format!("{WORKSPACE}/{call}"), answer);
        self
    }

    fn takes_notebooks(&self) -> &Self {
        let done = || Answer::json(json!({}));
        self.workspace("mkdirs", done()).workspace("import", done())
    }

    fn removed(&self) -> Vec<String> {
        let path = format!("{WORKSPACE}/delete");
        let asked = self.server.requests().into_iter().filter(|request| request.path() == path);
        asked.map(|request| request.json()["path"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn the_notebook_goes_up_the_run_begins_and_in_the_end_the_notebook_goes_away() {
    let desk = Desk::new();
    desk.takes_notebooks().once("POST", "runs/submit", json!({ "run_id": 7 }));
    let streaming = desk.jobs.submit_streaming_job(submission().with_cleanup(true)).await.unwrap();
    assert_eq!(streaming.id().0, 7);
    let requests = desk.server.requests();
    assert_eq!(requests[0].json(), json!({ "path": "/Shared/streaming_jobs" }));
    let import = requests[1].json();
    assert_eq!(
        (&import["format"], &import["language"], &import["path"], &import["overwrite"]),
        (&json!("SOURCE"), &json!("PYTHON"), &json!(streaming.notebook()), &json!(true))
    );
    let text = STANDARD.decode(import["content"].as_str().unwrap()).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), copy().build().unwrap().notebook());
    let submit = requests[2].json();
    assert_eq!(submit["tasks"][0]["notebook_task"], json!({ "notebook_path": streaming.notebook() }));
    assert!(streaming.notebook().starts_with("/Shared/streaming_jobs/main_b_u-"), "{}", streaming.notebook());

    assert!(desk.removed().is_empty(), "it is needed");
    desk.once("GET", "runs/get", run(7, "RUNNING")).once("GET", "runs/get", run(7, "FAILED"));
    desk.workspace("delete", Answer::json(json!({})));
    streaming.wait(&WaitOptions::default()).await.unwrap_err();
    assert_eq!(desk.removed(), [streaming.notebook()], "also after a failure");
}

#[tokio::test(start_paused = true)]
async fn without_being_asked_the_notebook_stays_and_one_that_is_gone_is_no_error() {
    let desk = Desk::new();
    desk.takes_notebooks().once("POST", "runs/submit", json!({ "run_id": 7 })).once(
        "GET",
        "runs/get",
        run(7, "SUCCESS"),
    );
    let streaming = desk.jobs.submit_streaming_job(submission()).await.unwrap();
    streaming.wait(&WaitOptions::default()).await.unwrap();
    assert!(desk.removed().is_empty());
    let gone = json!({ "error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone" });
    desk.workspace("delete", Answer::json(gone).with_status(404));
    streaming.remove_notebook().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_run_that_certainly_did_not_begin_leaves_no_notebook() {
    let desk = Desk::new();
    desk.takes_notebooks().refuses("POST", "runs/submit", 403, "PERMISSION_DENIED", "no");
    desk.workspace("delete", Answer::json(json!({})));
    let error = desk.jobs.submit_streaming_job(submission()).await.unwrap_err();
    assert_eq!((error.kind(), error.fault().effect), (ErrorKind::PermissionDenied, Effect::None));
    assert_eq!(desk.removed(), [error.context("notebook").unwrap()]);
}

#[tokio::test(start_paused = true)]
async fn a_notebook_that_an_earlier_submission_of_the_token_may_need_stays() {
    let again = || submission().with_token(IdempotencyToken::derived(["nightly"]));
    let desk = Desk::new();
    desk.takes_notebooks().refuses("POST", "runs/submit", 403, "PERMISSION_DENIED", "no");
    desk.jobs.submit_streaming_job(again()).await.unwrap_err();
    desk.workspace("mkdirs", Answer::json(json!({})));
    desk.server.always("POST", &format!("{WORKSPACE}/import"), Answer::close());
    desk.jobs.submit_streaming_job(again()).await.unwrap_err();
    assert!(desk.removed().is_empty(), "a run of the same token may be reading it");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_may_have_begun_keeps_its_notebook_and_is_found_again() {
    let desk = Desk::new();
    desk.takes_notebooks();
    for _ in 0..5 {
        desk.server.once("POST", &format!("{JOBS}/runs/submit"), Answer::close());
    }
    let error = desk.jobs.submit_streaming_job(submission()).await.unwrap_err();
    assert_eq!(error.fault().effect, Effect::Unknown);
    assert!(desk.removed().is_empty());
    tokio::time::sleep(Duration::from_secs(60)).await;
    // The same again, with the token that the error names: the same notebook in the same place, and the same run.
    let token = IdempotencyToken::new(error.context("idempotency_token").unwrap()).unwrap();
    desk.takes_notebooks().once("POST", "runs/submit", json!({ "run_id": 7 }));
    let streaming = desk.jobs.submit_streaming_job(submission().with_token(token.clone())).await.unwrap();
    assert_eq!(Some(streaming.notebook()), error.context("notebook"));
    let tokens: Vec<_> =
        desk.asked("runs/submit").iter().map(|sent| sent.json()["idempotency_token"].clone()).collect();
    assert!(tokens.iter().all(|sent| *sent == json!(token.as_str())), "{tokens:?}");
    // Another submission has another place: it does not write over what a run reads.
    desk.takes_notebooks().once("POST", "runs/submit", json!({ "run_id": 8 }));
    let other = desk.jobs.submit_streaming_job(submission()).await.unwrap();
    assert_ne!(other.notebook(), streaming.notebook());
}

#[tokio::test(start_paused = true)]
async fn a_notebook_that_may_be_there_without_a_run_is_removed() {
    let desk = Desk::new();
    desk.workspace("mkdirs", Answer::json(json!({})));
    desk.server.always("POST", &format!("{WORKSPACE}/import"), Answer::close());
    desk.workspace("delete", Answer::json(json!({})));
    let error = desk.jobs.submit_streaming_job(submission()).await.unwrap_err();
    assert_eq!(desk.removed(), [error.context("notebook").unwrap()]);
    assert!(desk.asked("runs/submit").is_empty());
    // One that was refused is not there.
    let desk = Desk::new();
    desk.workspace("mkdirs", Answer::status(403));
    desk.jobs.submit_streaming_job(submission()).await.unwrap_err();
    assert_eq!(desk.server.requests().len(), 1);
}

#[tokio::test]
async fn what_cannot_run_is_refused_before_the_notebook_goes_up() {
    let desk = Desk::new();
    let endless = || StreamingSubmission::new(copy().trigger_interval(Duration::from_secs(5)).build().unwrap());
    let broken = ClusterSpec::small(Cloud::Aws).with_autoscale(4, 1);
    for (submission, field) in [
        (endless(), "compute"),
        (submission().with_folder("relative"), "folder"),
        (submission().with_folder("/"), "folder"),
        (submission().with_max_retries(-2), "tasks[0].max_retries"),
        (endless().with_compute(broken), "tasks[0].new_cluster.autoscale"),
    ] {
        let error = desk.jobs.submit_streaming_job(submission).await.unwrap_err();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some(field)), "{error}");
    }
    assert!(desk.server.requests().is_empty());
    desk.takes_notebooks().once("POST", "runs/submit", json!({ "run_id": 7 }));
    let endless = endless().with_compute(Compute::Existing("c".into())).with_max_retries(-1);
    desk.jobs.submit_streaming_job(endless).await.unwrap();
    let task = desk.asked("runs/submit")[0].json()["tasks"][0].clone();
    assert_eq!((&task["existing_cluster_id"], &task["max_retries"]), (&json!("c"), &json!(-1)));
}

#[tokio::test]
async fn a_caller_who_leaves_in_the_middle_leaves_a_run_that_is_stopped_and_none_without() {
    let desk = Desk::new();
    desk.takes_notebooks().once("POST", "runs/submit", json!({ "run_id": 7 })).once("POST", "runs/cancel", json!({}));
    let jobs = desk.jobs.clone();
    let mut leaving =
        Box::pin(async move { jobs.submit_streaming_job(submission().with_on_drop(OnDrop::Cancel)).await });
    assert!(futures::poll!(&mut leaving).is_pending());
    drop(leaving);
    assert_eq!(desk.until_asked("runs/cancel").await.json(), json!({ "run_id": 7 }));
}
