//! Outputs: of tasks, found by the run.

use serde_json::{Value, json};
use twinhouse_core::ErrorKind;
use twinhouse_databricks::jobs::{RunId, RunResult};

use crate::jobs::{Desk, run};

const SEVERAL: &str = "Retrieving the output of runs with multiple tasks is not supported. Please retrieve the output \
                       of each individual task run instead.";

fn of_tasks(tasks: &[(&str, u64, u64)]) -> Value {
    let mut whole = run(7, "SUCCESS");
    whole["tasks"] = tasks
        .iter()
        .map(|(key, id, attempt)| {
            let mut task = run(*id, "SUCCESS");
            task["task_key"] = json!(key);
            task["attempt_number"] = json!(attempt);
            task
        })
        .collect();
    whole
}

#[tokio::test]
async fn the_output_of_a_task_is_one_call() {
    let desk = Desk::new();
    desk.once(
        "GET",
        "runs/get-output",
        json!({ "notebook_output": { "result": "42", "truncated": false }, "metadata": { "run_id": 70 } }),
    );
    let output = desk.jobs.get_run_output(RunId(70)).await.unwrap();
    assert_eq!((output.notebook_result(), output.is_truncated()), (Some("42"), false));
    assert_eq!(desk.server.requests().len(), 1);
}

#[tokio::test]
async fn the_run_of_a_job_is_resolved_to_its_only_task() {
    let desk = Desk::new();
    desk.refuses("GET", "runs/get-output", 400, "INVALID_PARAMETER_VALUE", SEVERAL);
    desk.once("GET", "runs/get", of_tasks(&[("main", 70, 0), ("main", 71, 1)]));
    let printed = json!({ "notebook_output": { "truncated": false }, "logs": "printed", "logs_truncated": true });
    desk.once("GET", "runs/get-output", printed);
    let output = desk.jobs.get_run_output(RunId(7)).await.unwrap();
    assert_eq!((output.logs.as_deref(), output.is_truncated()), (Some("printed"), true));
    let targets: Vec<_> = desk.asked("runs/get-output").into_iter().map(|request| request.target).collect();
    assert!(targets[1].ends_with("run_id=71"), "the last try: {targets:?}");
}

#[tokio::test]
async fn a_run_of_several_tasks_names_them_and_outputs_has_all_in_order() {
    let desk = Desk::new();
    desk.refuses("GET", "runs/get-output", 400, "INVALID_PARAMETER_VALUE", SEVERAL);
    desk.once("GET", "runs/get", of_tasks(&[("a", 70, 0), ("b", 71, 0)]));
    let error = desk.jobs.get_run_output(RunId(7)).await.unwrap_err();
    assert_eq!((error.kind(), error.context("tasks")), (ErrorKind::InvalidInput, Some("a=70, b=71")));

    desk.once("GET", "runs/get", of_tasks(&[("a", 70, 0), ("b", 71, 0), ("c", 72, 0)]));
    desk.server.otherwise(|request| {
        let id = request.target.rsplit("run_id=").next()?.to_owned();
        Some(match id.as_str() {
            "71" => twinhouse_testkit::Answer::json(json!({ "error_code": "NOT_FOUND", "message": "gone" }))
                .with_status(404),
            id => twinhouse_testkit::Answer::json(json!({ "notebook_output": { "result": id }, "of_the_future": 1 })),
        })
    });
    let outputs = desk.jobs.outputs(RunId(7)).await.unwrap();
    let found: Vec<_> = outputs
        .iter()
        .map(|task| {
            let output = task.output.as_ref().map(|output| output.notebook_result().unwrap_or_default().to_owned());
            (task.task_key.as_str(), task.run_id.0, output.map_err(|error| error.kind()))
        })
        .collect();
    assert_eq!(found, [("a", 70, Ok("70".into())), ("b", 71, Err(ErrorKind::NotFound)), ("c", 72, Ok("72".into()))]);
    assert!(outputs.iter().all(|task| task.result == Some(RunResult::Success)));
    assert!(outputs[0].output.as_ref().unwrap().rest.contains_key("of_the_future"));
}

#[tokio::test]
async fn links_to_the_files_of_dbt_do_not_print() {
    let desk = Desk::new();
    let dbt = json!({ "artifacts_link": "https://store/canary", "artifacts_headers": { "k": "canary" } });
    desk.once("GET", "runs/get-output", json!({ "dbt_output": dbt }));
    let output = desk.jobs.get_run_output(RunId(70)).await.unwrap();
    assert!(!format!("{output:?}").contains("canary") && !serde_json::to_string(&output).unwrap().contains("canary"));
    assert_eq!(output.dbt_output.unwrap().artifacts_link.unwrap().expose(), "https://store/canary");
    desk.once("GET", "runs/get-output", json!({ "dbt_output": { "artifacts_link": null, "artifacts_headers": null } }));
    assert!(desk.jobs.get_run_output(RunId(70)).await.unwrap().dbt_output.unwrap().artifacts_headers.is_empty());
}

#[tokio::test]
async fn for_each_task_gives_the_outputs_of_its_iterations() {
    let desk = Desk::new();
    let mut whole = run(70, "SUCCESS");
    whole["iterations"] =
        json!([{ "task_key": "each_iteration", "run_id": 81 }, { "task_key": "each_iteration", "run_id": 82 }]);
    desk.once("GET", "runs/get", whole);
    desk.server.always(
        "GET",
        "/api/2.2/jobs/runs/get-output",
        twinhouse_testkit::Answer::json(json!({ "notebook_output": { "result": "r" } })),
    );
    let outputs = desk.jobs.outputs(RunId(70)).await.unwrap();
    assert_eq!(outputs.iter().map(|output| output.run_id.0).collect::<Vec<_>>(), [81, 82]);
}
