//! Jobs and runs: what is sent, what is read, what is refused before it is sent.

use futures::TryStreamExt as _;
use serde_json::{Value, json};
use twinhouse_core::{Effect, ErrorKind};
use twinhouse_databricks::{
    DatabricksClient,
    jobs::{
        ApiVersion, Compute, CreateJob, IdempotencyToken, JobId, JobSettings, Jobs, ListJobs, OnDrop, RepairRun, RunId,
        RunNow, RunParameters, SubmitRun, Task, UpdateJob,
        cluster::{Cloud, ClusterSpec},
        run::ViewsToExport,
        settings::{AccessControlRequest, CronSchedule, JobCluster, JobEnvironment, PermissionLevel},
        task::{ConditionOp, ForEachTask, RunIf},
    },
};
use twinhouse_testkit::{Answer, Received, transport::ScriptedTransport};

use crate::bench::{offline, until};

pub(crate) const JOBS: &str = "/api/2.2/jobs";

pub(crate) struct Desk {
    pub(crate) server: ScriptedTransport,
    pub(crate) client: DatabricksClient,
    pub(crate) jobs: Jobs,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let (server, client) = offline();
        Self { server, jobs: client.jobs(), client }
    }

    pub(crate) fn once(&self, method: &str, path: &str, answer: Value) -> &Self {
        self.server.once(method, &format!("{JOBS}/{path}"), Answer::json(answer));
        self
    }

    pub(crate) fn refuses(&self, method: &str, path: &str, status: u16, code: &str, message: &str) -> &Self {
        let body = json!({ "error_code": code, "message": message });
        self.server.once(method, &format!("{JOBS}/{path}"), Answer::json(body).with_status(status));
        self
    }

    pub(crate) fn asked(&self, path: &str) -> Vec<Received> {
        let path = format!("{JOBS}/{path}");
        self.server.requests().into_iter().filter(|request| request.path() == path).collect()
    }

    pub(crate) async fn until_asked(&self, path: &str) -> Received {
        until(path, || !self.asked(path).is_empty()).await;
        self.asked(path).remove(0)
    }
}

/// A run in one of its states, in both ways of saying it.
pub(crate) fn run(id: u64, state: &str) -> Value {
    let (older, newer) = match state {
        "SUCCESS" => (
            json!({ "life_cycle_state": "TERMINATED", "result_state": "SUCCESS" }),
            json!({ "state": "TERMINATED", "termination_details": { "code": "SUCCESS", "type": "SUCCESS" } }),
        ),
        "FAILED" => (
            json!({ "life_cycle_state": "TERMINATED", "result_state": "FAILED", "state_message": "it broke" }),
            json!({ "state": "TERMINATED",
                    "termination_details": { "code": "RUN_EXECUTION_ERROR", "type": "CLIENT_ERROR" } }),
        ),
        other => (json!({ "life_cycle_state": other }), json!({ "state": other })),
    };
    json!({ "run_id": id, "state": older, "status": newer, "start_time": 1000, "run_page_url": "https://h/run" })
}

pub(crate) fn notebook() -> SubmitRun {
    SubmitRun::new("report").with_task(Task::notebook("main", "/Shared/report"))
}

#[tokio::test]
async fn a_submission_says_everything_and_always_has_a_token() {
    let desk = Desk::new();
    desk.once("POST", "runs/submit", json!({ "run_id": 455_644_833 }));
    let cluster = ClusterSpec::small(Cloud::Azure);
    let request = SubmitRun::new("nightly")
        .with_task(Task::spark_jar("load", "com.example.Load", "/Volumes/m/d/load.jar").with_new_cluster(cluster))
        .with_task(Task::spark_python("clean", "/Workspace/clean.py").with_environment("py").after("load"))
        .with_task(Task::sql_file("tidy", "wh", "/Shared/tidy.sql").after("clean").with_run_if(RunIf::AllDone))
        .with_environment(JobEnvironment::installing("py", ["pandas==2.2"]))
        .with_timeout(std::time::Duration::from_millis(90_500))
        .with_access(AccessControlRequest::group("ops").may(PermissionLevel::CanView));
    let handle = desk.jobs.submit(request).await.unwrap();
    assert_eq!(handle.id(), RunId(455_644_833));
    let sent = desk.asked("runs/submit")[0].json();
    let token = sent["idempotency_token"].as_str().unwrap();
    assert!((1..=64).contains(&token.chars().count()), "{token}");
    let mut rest = sent.clone();
    rest.as_object_mut().unwrap().remove("idempotency_token");
    assert_eq!(
        rest,
        json!({
            "run_name": "nightly",
            "tasks": [
                {
                    "task_key": "load",
                    "spark_jar_task": { "main_class_name": "com.example.Load" },
                    "libraries": [{ "jar": "/Volumes/m/d/load.jar" }],
                    "new_cluster": { "spark_version": "16.4.x-scala2.12", "node_type_id": "Standard_DS3_v2", "num_workers": 2 },
                },
                {
                    "task_key": "clean",
                    "spark_python_task": { "python_file": "/Workspace/clean.py" },
                    "environment_key": "py",
                    "depends_on": [{ "task_key": "load" }],
                },
                {
                    "task_key": "tidy",
                    "sql_task": { "warehouse_id": "wh", "file": { "path": "/Shared/tidy.sql" } },
                    "depends_on": [{ "task_key": "clean" }],
                    "run_if": "ALL_DONE",
                },
            ],
            "environments": [
                { "environment_key": "py", "spec": { "environment_version": "4", "dependencies": ["pandas==2.2"] } },
            ],
            "timeout_seconds": 91,
            "access_control_list": [{ "group_name": "ops", "permission_level": "CAN_VIEW" }],
        })
    );
}

#[tokio::test]
async fn short_cuts_are_submissions_of_one_task() {
    let desk = Desk::new();
    for id in 1..=3 {
        desk.once("POST", "runs/submit", json!({ "run_id": id }));
    }
    desk.jobs.submit_notebook("/Shared/n", [("day", "2026-01-31")]).await.unwrap();
    desk.jobs
        .submit_jar("com.example.Main", "/Volumes/m/d/a.jar", ["--fast"], ClusterSpec::small(Cloud::Aws))
        .await
        .unwrap();
    desk.jobs.submit_python("/Workspace/a.py", ["x"], Compute::Serverless).await.unwrap();
    let tasks: Vec<_> = desk.asked("runs/submit").iter().map(|sent| sent.json()["tasks"][0].clone()).collect();
    assert_eq!(
        tasks[0]["notebook_task"],
        json!({ "notebook_path": "/Shared/n", "base_parameters": { "day": "2026-01-31" } })
    );
    assert_eq!(tasks[1]["spark_jar_task"]["parameters"], json!(["--fast"]));
    assert_eq!(tasks[1]["new_cluster"]["node_type_id"], "m5d.xlarge");
    assert_eq!(tasks[2]["spark_python_task"], json!({ "python_file": "/Workspace/a.py", "parameters": ["x"] }));
    assert_eq!(tasks[2]["environment_key"], desk.asked("runs/submit")[2].json()["environments"][0]["environment_key"]);
}

#[tokio::test]
async fn the_older_version_of_the_api_can_be_spoken() {
    let desk = Desk::new();
    desk.server.once("GET", "/api/2.1/jobs/runs/get", Answer::json(run(7, "RUNNING")));
    let older = desk.client.jobs().with_version(ApiVersion::V2_1);
    assert_eq!(older.get_run(RunId(7)).await.unwrap().phase(), "RUNNING");
}

#[tokio::test]
async fn tasks_past_the_hundredth_are_not_lost() {
    let desk = Desk::new();
    let page = |from: u64, next: Option<&str>| {
        let mut page = run(7, "RUNNING");
        page["tasks"] = (from..from + 100).map(|n| json!({ "task_key": format!("t{n}"), "run_id": n })).collect();
        page["job_clusters"] = json!([{ "job_cluster_key": format!("c{from}") }]);
        page["next_page_token"] = json!(next);
        page
    };
    desk.once("GET", "runs/get", page(0, Some("p/2")));
    desk.once("GET", "runs/get", json!({ "run_id": 7, "next_page_token": "p3" }));
    desk.once("GET", "runs/get", page(100, None));
    let run = desk.jobs.get_run(RunId(7)).await.unwrap();
    assert_eq!((run.tasks.len(), run.next_page_token), (200, None));
    assert_eq!(run.rest["job_clusters"].as_array().unwrap().len(), 2);
    let targets: Vec<_> = desk.asked("runs/get").into_iter().map(|request| request.target).collect();
    assert!(targets[1].ends_with("?run_id=7&page_token=p%2F2") && targets[2].ends_with("page_token=p3"), "{targets:?}");
}

#[tokio::test]
async fn a_job_is_made_read_changed_and_removed_and_nothing_unknown_is_lost() {
    let desk = Desk::new();
    desk.once("POST", "create", json!({ "job_id": "11" }));
    let settings = JobSettings::new()
        .with_name("nightly")
        .with_job_cluster(JobCluster::of("shared", ClusterSpec::small(Cloud::Gcp)))
        .with_task(Task::notebook("load", "/Shared/load").with_job_cluster("shared"))
        .with_schedule(CronSchedule::new("0 30 5 * * ?", "UTC"))
        .with_parameter("day", "today")
        .with_queue(true);
    let create =
        CreateJob::new(settings).with_access(AccessControlRequest::user("a@b.c").may(PermissionLevel::IsOwner));
    let job = desk.jobs.create(create).await.unwrap();
    assert_eq!(job, JobId(11));
    let sent = desk.asked("create")[0].json();
    assert_eq!((&sent["name"], &sent["queue"]), (&json!("nightly"), &json!({ "enabled": true })));
    assert_eq!(sent["access_control_list"][0]["permission_level"], "IS_OWNER");

    let stored = json!({
        "name": "nightly", "format": "MULTI_TASK", "new_thing": { "deep": [1, { "x": null }] },
        "tasks": [
            { "task_key": "load", "notebook_task": { "notebook_path": "/Shared/load", "new_field": 1 },
              "another_new_thing": true },
            { "task_key": "future", "quantum_task": { "qubits": 3 } },
        ],
        "schedule": { "quartz_cron_expression": "0 30 5 * * ?", "timezone_id": "UTC", "pause_status": "NAPPING" },
    });
    let more = json!({ "tasks": [{ "task_key": "more", "notebook_task": { "notebook_path": "/m" } }] });
    desk.once("GET", "get", json!({ "job_id": 11, "settings": stored, "next_page_token": "2", "has_more": true }));
    desk.once("GET", "get", json!({ "job_id": 11, "settings": more }));
    let read = desk.jobs.get(job).await.unwrap();
    let settings = read.settings.unwrap();
    assert_eq!(settings.tasks.len(), 3, "both pages");

    desk.once("POST", "reset", json!({}));
    desk.jobs.reset(job, settings).await.unwrap();
    let mut wanted = stored;
    wanted["tasks"].as_array_mut().unwrap().push(more["tasks"][0].clone());
    assert_eq!(desk.asked("reset")[0].json(), json!({ "job_id": 11, "new_settings": wanted }));

    desk.once("POST", "update", json!({}));
    let change = UpdateJob::new(job).with_settings(JobSettings::new().with_max_concurrent_runs(3)).without("schedule");
    desk.jobs.update(change).await.unwrap();
    assert_eq!(
        desk.asked("update")[0].json(),
        json!({ "job_id": 11, "new_settings": { "max_concurrent_runs": 3 }, "fields_to_remove": ["schedule"] })
    );
    desk.once("POST", "delete", json!({}));
    desk.jobs.delete(job).await.unwrap();
    assert_eq!(desk.asked("delete")[0].json(), json!({ "job_id": 11 }));
    desk.server.verify();
}

#[tokio::test]
async fn runs_are_stopped_repaired_exported_and_removed() {
    let desk = Desk::new();
    for path in ["runs/cancel", "runs/cancel-all", "runs/cancel-all", "runs/delete"] {
        desk.once("POST", path, json!({}));
    }
    desk.once("POST", "runs/repair", json!({ "repair_id": 99 }));
    desk.once("GET", "runs/export", json!({ "views": [{ "content": "<html>", "name": "n", "type": "NOTEBOOK" }] }));
    let jobs = &desk.jobs;
    jobs.cancel_run(RunId(7)).await.unwrap();
    jobs.cancel_all_runs(JobId(3)).await.unwrap();
    jobs.cancel_all_queued_runs(None).await.unwrap();
    jobs.delete_run(RunId(7)).await.unwrap();
    let repair = RepairRun::tasks(RunId(7), ["load"]).with_dependents(true);
    let repair = jobs.repair_run(repair).await.unwrap();
    let views = jobs.export_run(RunId(7), ViewsToExport::All).await.unwrap();
    assert_eq!((repair.0, views[0].content.as_str()), (99, "<html>"));
    let sent = |path| desk.asked(path).iter().map(Received::json).collect::<Vec<_>>();
    assert_eq!(sent("runs/cancel"), [json!({ "run_id": 7 })]);
    assert_eq!(sent("runs/cancel-all"), [json!({ "job_id": 3 }), json!({ "all_queued_runs": true })]);
    assert_eq!(sent("runs/repair"), [json!({ "run_id": 7, "rerun_tasks": ["load"], "rerun_dependent_tasks": true })]);
    assert!(desk.asked("runs/export")[0].target.ends_with("?run_id=7&views_to_export=ALL"));
    for wrong in [RepairRun::tasks(RunId(7), [""; 0]), RepairRun::failed(RunId(7)).with_dependents(true)] {
        assert_eq!(jobs.repair_run(wrong).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    desk.server.verify();
}

#[tokio::test]
async fn a_second_repair_names_the_first() {
    let desk = Desk::new();
    let mut repaired = run(7, "FAILED");
    repaired["repair_history"] = json!([{ "type": "ORIGINAL", "task_run_ids": [1] }, { "type": "REPAIR", "id": "98" }]);
    desk.once("GET", "runs/get", repaired).once("POST", "runs/repair", json!({ "repair_id": 99 }));
    let history = desk.jobs.repair_history(RunId(7)).await.unwrap();
    assert!(desk.asked("runs/get")[0].target.ends_with("run_id=7&include_history=true"));
    let latest = history.last().and_then(|repair| repair.id).unwrap();
    desk.jobs.repair_run(RepairRun::failed(RunId(7)).with_latest_repair(latest)).await.unwrap();
    assert_eq!(
        desk.asked("runs/repair")[0].json(),
        json!({ "run_id": 7, "rerun_all_failed_tasks": true, "latest_repair_id": 98 })
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_found_although_the_service_says_400() {
    let desk = Desk::new();
    let code = "INVALID_PARAMETER_VALUE";
    desk.refuses("GET", "get", 400, code, "Job 5 does not exist.");
    desk.refuses("GET", "runs/get", 400, code, "Run 6 does not exist.");
    desk.refuses("GET", "runs/get", 400, code, "Run: 6 in job: 5 doesn't exist.");
    desk.refuses("GET", "runs/get", 400, code, "run_id must be positive");
    assert_eq!(desk.jobs.get(JobId(5)).await.unwrap_err().kind(), ErrorKind::NotFound);
    for kind in [ErrorKind::NotFound, ErrorKind::NotFound, ErrorKind::InvalidInput] {
        let error = desk.jobs.get_run(RunId(6)).await.unwrap_err();
        assert_eq!((error.kind(), error.context("run_id")), (kind, Some("6")));
    }
}

#[tokio::test]
async fn a_job_is_found_by_name_and_names_are_not_unique() {
    let desk = Desk::new();
    let entry = |id: u64, name: &str| json!({ "job_id": id, "settings": { "name": name } });
    let several = || json!({ "jobs": [entry(1, "Nightly"), entry(2, "nightly")], "next_page_token": "x" });
    desk.once("GET", "list", several()).once("GET", "list", json!({ "jobs": [] })).once(
        "GET",
        "get",
        entry(2, "nightly"),
    );
    assert_eq!(desk.jobs.get_by_name("nightly").await.unwrap().job_id, JobId(2));
    desk.once("GET", "list", several()).once("GET", "list", json!({ "jobs": [entry(3, "nightly")] }));
    let error = desk.jobs.get_by_name("nightly").await.unwrap_err();
    assert_eq!((error.kind(), error.context("jobs")), (ErrorKind::Conflict, Some("2, 3")));
    desk.once("GET", "list", json!({}));
    assert_eq!(desk.jobs.get_by_name("nightly").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(desk.asked("list")[0].target.contains("name=nightly"));
}

/// Every row is one request that is wrong, and the field that its error names. Nothing is sent.
#[tokio::test]
async fn what_can_be_known_to_be_wrong_is_refused_by_field_before_it_is_sent() {
    let desk = Desk::new();
    let n = |key: &str| Task::notebook(key, "/n");
    let with = |task: Task| SubmitRun::new("r").with_task(task);
    let cluster = || ClusterSpec::small(Cloud::Aws);
    let long = "x".repeat(10_001);
    let each = |inputs: &str, task: Task| Task::for_each("e", ForEachTask::new(inputs, task));
    let condition = Task::condition("c", "1", ConditionOp::EqualTo, "1");
    let rows: Vec<(SubmitRun, &str)> = vec![
        (SubmitRun::new("r"), "tasks"),
        (SubmitRun::new(" ").with_task(n("a")), "run_name"),
        (with(n("a b")), "tasks[0].task_key"),
        (with(n(&"k".repeat(101))), "tasks[0].task_key"),
        (with(n("")), "tasks[0].task_key"),
        (with(n("a")).with_task(n("a")), "tasks[1].task_key"),
        (with(n("a").after("b")), "tasks[0].depends_on[0].task_key"),
        (with(n("a").after("a")), "tasks[0].depends_on[0].task_key"),
        (with(n("x")).with_task(n("a").after("b")).with_task(n("b").after("a")), "tasks[1].depends_on"),
        (with(n("a")).with_task(n("b").after_outcome("a", true)), "tasks[1].depends_on[0].outcome"),
        (with(n("a").with_job_cluster("shared")), "tasks[0].job_cluster_key"),
        (with(n("a").with_existing_cluster("c").with_new_cluster(cluster())), "tasks[0].new_cluster"),
        (with(n("a").with_new_cluster(cluster().with_autoscale(5, 2))), "tasks[0].new_cluster.autoscale"),
        (with(n("a").with_environment("py")), "tasks[0].environment_key"),
        (with(Task::spark_python("a", "/a.py")), "tasks[0].environment_key"),
        (with(Task::python_wheel("a", "p", "main")), "tasks[0].environment_key"),
        (with(Task::dbt("a", ["dbt run"])), "tasks[0].environment_key"),
        (with(Task::spark_submit("a", ["--class", "A"]).with_existing_cluster("c")), "tasks[0].new_cluster"),
        (with(Task::sql_file("a", "wh", "/q.sql").with_existing_cluster("c")), "tasks[0].existing_cluster_id"),
        (with(n("a").with_existing_cluster(" ")), "tasks[0].existing_cluster_id"),
        (with(Task::sql_file("a", "", "/q.sql")), "tasks[0].sql_task.warehouse_id"),
        (with(n("a").with_library(twinhouse_databricks::jobs::settings::Library::pypi("x"))), "tasks[0].libraries"),
        (with(Task::notebook("a", "relative")), "tasks[0].notebook_task.notebook_path"),
        (with(n("a").with_max_retries(-2)), "tasks[0].max_retries"),
        (with(Task::dbt("a", ["rm -rf"]).with_existing_cluster("c")), "tasks[0].dbt_task.commands[0]"),
        (with(each("not json", n("i"))), "tasks[0].for_each_task.inputs"),
        (with(each("{}", n("i"))), "tasks[0].for_each_task.inputs"),
        (with(each("[1]", each("[2]", n("i")))), "tasks[0].for_each_task.task.for_each_task"),
        (with(each("[1]", n("i i"))), "tasks[0].for_each_task.task.task_key"),
        (
            with(Task::for_each("e", ForEachTask::new("[1]", n("i")).with_concurrency(101))),
            "tasks[0].for_each_task.concurrency",
        ),
        (with(Task::run_job("a", JobId(0))), "tasks[0].run_job_task.job_id"),
        (with(Task::pipeline("a", "")), "tasks[0].pipeline_task.pipeline_id"),
        (with(condition.clone().with_environment("x")), "tasks[0].environment_key"),
        (
            with(
                Task::spark_jar("a", "A", "/a.jar")
                    .with_new_cluster(cluster())
                    .with_library(twinhouse_databricks::jobs::settings::Library::maven("")),
            ),
            "tasks[0].libraries[1].maven.coordinates",
        ),
        (
            with(Task::new(
                "a",
                twinhouse_databricks::jobs::task::NotebookTask::new("/n").with_parameter("p", long.as_str()),
            )),
            "tasks[0].notebook_task.base_parameters",
        ),
        (with(n("a")).with_access(AccessControlRequest::user("u")), "access_control_list[0].permission_level"),
    ];
    let count = rows.len();
    for (request, field) in rows {
        let shown = format!("{request:?}");
        let error = desk.jobs.submit(request).await.err().unwrap_or_else(|| panic!("taken: {field} {shown}"));
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some(field)), "{error}");
        assert_eq!(error.fault().effect, Effect::None);
        assert!(error.to_string().contains(field), "{error}");
    }
    let mut commands = RunParameters::default();
    commands.dbt_commands.push(format!("dbt run {long}"));
    let run = || RunNow::new(JobId(1));
    for (error, field) in [
        (desk.jobs.run_now(run().with_parameter("p", long)).await.unwrap_err(), "job_parameters"),
        (desk.jobs.run_now(run().with_run_parameters(commands)).await.unwrap_err(), "dbt_commands"),
        (desk.jobs.repair_run(RepairRun::failed(RunId(0))).await.unwrap_err(), "run_id"),
        (desk.jobs.cancel_all_runs(JobId(0)).await.unwrap_err(), "job_id"),
        (desk.jobs.cancel_all_queued_runs(Some(JobId(0))).await.unwrap_err(), "job_id"),
    ] {
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some(field)), "{error}");
    }
    let list = |limit| desk.jobs.list(ListJobs::new().with_limit(limit)).try_collect::<Vec<_>>();
    for limit in [0, 101] {
        assert_eq!(list(limit).await.unwrap_err().context("field"), Some("limit"));
    }
    let lone = JobSettings::new().with_task(n("a").with_job_cluster("shared"));
    assert_eq!(desk.jobs.create(lone).await.unwrap_err().context("field"), Some("tasks[0].job_cluster_key"));
    assert!(count > 30 && desk.server.requests().is_empty(), "nothing was sent");
    // Conditions, and outcomes of theirs, are fine.
    with(condition)
        .with_task(n("yes").after_outcome("c", true))
        .with_task(n("no").after_outcome("c", false))
        .check()
        .unwrap();
}

#[tokio::test]
async fn a_handle_that_is_dropped_stops_the_run_only_if_the_request_says_so() {
    let desk = Desk::new();
    desk.server.always("POST", &format!("{JOBS}/runs/cancel"), Answer::json(json!({})));
    desk.once("POST", "runs/submit", json!({ "run_id": 1 }));
    drop(desk.jobs.submit(notebook()).await.unwrap());
    desk.once("POST", "runs/submit", json!({ "run_id": 2 }));
    desk.jobs.submit(notebook().with_on_drop(OnDrop::Cancel)).await.unwrap().detach();
    desk.once("POST", "runs/submit", json!({ "run_id": 3 }));
    drop(desk.jobs.submit(notebook().with_on_drop(OnDrop::Cancel)).await.unwrap());
    assert_eq!(desk.until_asked("runs/cancel").await.json(), json!({ "run_id": 3 }));
    // One that is known to be over is left alone.
    desk.once("POST", "runs/submit", json!({ "run_id": 4 })).once("GET", "runs/get", run(4, "SUCCESS"));
    let over = desk.jobs.submit(notebook().with_on_drop(OnDrop::Cancel)).await.unwrap();
    over.wait(&twinhouse_databricks::jobs::WaitOptions::default()).await.unwrap();
    drop(over);
    tokio::task::yield_now().await;
    assert_eq!(desk.asked("runs/cancel").len(), 1);
}

#[tokio::test]
async fn a_caller_who_leaves_before_the_id_is_there_still_stops_the_run() {
    let desk = Desk::new();
    desk.once("POST", "runs/submit", json!({ "run_id": 9 }));
    desk.once("POST", "runs/cancel", json!({}));
    let jobs = desk.jobs.clone();
    let mut submission = Box::pin(async move { jobs.submit(notebook().with_on_drop(OnDrop::Cancel)).await });
    // Polled once: the task is on its way, the answer is not here.
    assert!(futures::poll!(&mut submission).is_pending());
    drop(submission);
    assert_eq!(desk.until_asked("runs/cancel").await.json(), json!({ "run_id": 9 }));
}

#[tokio::test]
async fn a_token_of_ones_own_is_sent_as_it_is() {
    let desk = Desk::new();
    desk.once("POST", "run-now", json!({ "run_id": 5, "number_in_job": 2 }));
    let token = IdempotencyToken::derived(["nightly", "2026-01-31"]);
    desk.jobs
        .run_now(RunNow::new(JobId(3)).with_parameter("day", "2026-01-31").with_token(token.clone()))
        .await
        .unwrap();
    assert_eq!(
        desk.asked("run-now")[0].json(),
        json!({ "job_id": 3, "idempotency_token": token.as_str(), "job_parameters": { "day": "2026-01-31" } })
    );
}
