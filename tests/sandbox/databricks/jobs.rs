//! Jobs on the sandbox: notebooks, SQL and Python that really run.

use std::time::Duration;

use futures::TryStreamExt as _;
use twinhouse_core::ErrorKind;
use twinhouse_databricks::{
    DatabricksClient,
    jobs::{
        ApiVersion, Compute, CreateJob, IdempotencyToken, JobSettings, ListJobs, ListRuns, OnDrop, RepairRun,
        RunFailure, RunHandle, RunNow, RunResult, SubmitRun, Task, UpdateJob, WaitOptions,
        run::{TerminationType, ViewsToExport},
        settings::JobEnvironment,
        task::{ConditionOp, ForEachTask, NotebookTask, RunIf, SparkPythonTask, SqlTask},
    },
    sql::SqlRequest,
    workspace::{ImportFormat, ImportRequest, Language},
};
use twinhouse_sandbox::{FaultKind, FaultRule, When};

use crate::fixtures::{Breakable, PATIENCE, databricks_builder, shared};

/// A workspace, and a folder and names that no other test has.
struct Desk {
    client: DatabricksClient,
    mark: String,
}

impl Desk {
    async fn new() -> Self {
        let access = shared().await.unwrap().databricks().await.unwrap();
        Self::of(databricks_builder(access).wait(Duration::ZERO).client().unwrap()).await
    }

    async fn of(client: DatabricksClient) -> Self {
        let mark = format!("jobs_{}", uuid::Uuid::new_v4().simple());
        client.workspace().mkdirs(&format!("/Shared/{mark}")).await.unwrap();
        Self { client, mark }
    }

    fn path(&self, name: &str) -> String {
        format!("/Shared/{}/{name}", self.mark)
    }

    async fn notebook(&self, name: &str, python: &str) -> String {
        let path = self.path(name);
        let request = ImportRequest::new(&path, python.to_owned()).with_language(Language::Python);
        self.client.workspace().import(request.with_overwrite(true)).await.unwrap();
        path
    }

    async fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        let request = ImportRequest::new(&path, text.to_owned()).with_format(ImportFormat::Auto);
        self.client.workspace().import(request.with_overwrite(true)).await.unwrap();
        path
    }

    /// How many rows a table has.
    async fn count(&self, table: &str) -> i64 {
        let warehouse = self.client.config().warehouse_id().unwrap().to_owned();
        let query = SqlRequest::read(format!("select count(*) from {table}"));
        let rows: Vec<(i64,)> = self.client.sql(warehouse).fetch_all(query).await.unwrap();
        rows[0].0
    }

    async fn create(&self, table: &str) {
        let warehouse = self.client.config().warehouse_id().unwrap().to_owned();
        let create = SqlRequest::write(format!("create table {table} (n bigint)"));
        self.client.sql(warehouse).run(create).await.unwrap();
    }

    async fn submit(&self, run: SubmitRun) -> RunHandle {
        self.client.jobs().submit(run).await.unwrap()
    }
}

/// The sandbox is quick; a machine may be slow.
fn soon() -> WaitOptions {
    let pauses = WaitOptions::default().with_first_pause(Duration::from_millis(50));
    pauses.with_longest_pause(Duration::from_millis(500)).with_timeout(PATIENCE)
}

#[tokio::test]
async fn a_notebook_gets_its_parameters_and_its_exit_comes_back() {
    let desk = Desk::new().await;
    let echo = "import json\ndbutils.notebook.exit(json.dumps({n: dbutils.widgets.get(n) for n in ('day', 'text')}))";
    let path = desk.notebook("echo", echo).await;
    let hostile = "it's \"quoted\" \\ and\nmore: ☃";
    let run = desk.client.jobs().submit_notebook(path, [("day", "2026-01-31"), ("text", hostile)]).await.unwrap();
    let over = run.wait(&soon()).await.unwrap();
    assert_eq!((over.result(), over.tasks.len()), (Some(RunResult::Success), 1));
    assert!(over.duration().unwrap() > Duration::ZERO);
    // Of the run itself: it has one task.
    let output = run.output().await.unwrap();
    let exit: serde_json::Value = serde_json::from_str(output.notebook_result().unwrap()).unwrap();
    assert_eq!(exit, serde_json::json!({ "day": "2026-01-31", "text": hostile }));
    let views = desk.client.jobs().export_run(run.id(), ViewsToExport::Code).await.unwrap();
    assert!(views[0].content.contains("dbutils.notebook.exit"));
}

#[tokio::test]
async fn sql_python_and_a_notebook_work_on_the_same_tables_in_order() {
    let desk = Desk::new().await;
    let warehouse = desk.client.config().warehouse_id().unwrap().to_owned();
    let table = format!("main.default.{}", desk.mark);
    let make = format!("create table {table} (n bigint);\ninsert into {table} select id from range(100);");
    let make = desk.file("make.sql", &make).await;
    let count = desk
        .notebook(
            "count",
            &format!("n = spark.sql('select sum(n) as s from {table}').first()['s']\ndbutils.notebook.exit(str(n))"),
        )
        .await;
    let say = desk.file("say.py", "import sys\nprint('said', *sys.argv[1:])\n").await;
    let run = SubmitRun::new("in order")
        .with_task(Task::new("make", SqlTask::file(warehouse, make)))
        .with_task(Task::notebook("count", count).after("make"))
        .with_task(Task::condition("some", "4950", ConditionOp::GreaterThan, "10").after("count"))
        .with_task(
            Task::new("say", SparkPythonTask::new(say).with_parameters(["a b", "c"]))
                .with_environment("py")
                .after_outcome("some", true),
        )
        .with_task(Task::notebook("never", desk.path("count")).after_outcome("some", false))
        .with_environment(JobEnvironment::installing("py", [""; 0]));
    let run = desk.submit(run).await;
    let mut looks = 0;
    let outcome = run.outcome_with(&soon(), |progress| looks = progress.looks).await.unwrap();
    assert!(outcome.is_success(), "{:?}", outcome.run);
    assert!(looks >= 1);
    let task = |key: &str| outcome.run.task(key).unwrap();
    assert_eq!(task("some").condition_outcome(), Some("true"));
    assert_eq!(task("never").result(), Some(RunResult::Excluded));
    assert!(task("make").end_time <= task("count").start_time.max(task("count").end_time));
    let outputs = run.outputs().await.unwrap();
    let output = |key: &str| outputs.iter().find(|task| task.task_key == key).unwrap().output.as_ref().unwrap();
    assert_eq!(output("count").notebook_result(), Some("4950"));
    assert_eq!(output("say").logs.as_deref().map(str::trim), Some("said a b c"));
    assert!(output("make").sql_output.as_ref().unwrap().query_output.is_some());
    assert_eq!(desk.count(&table).await, 100);
    // One output of several is asked for by its task.
    let error = run.output().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.context("tasks").unwrap().contains("count="));
}

#[tokio::test]
async fn a_failure_is_an_error_with_the_run_and_a_repair_makes_it_good() {
    let desk = Desk::new().await;
    let broken = desk.notebook("broken", "raise ValueError('canary of the test')").await;
    let good = desk.notebook("good", "dbutils.notebook.exit('good')").await;
    let run = SubmitRun::new("repaired")
        .with_task(Task::notebook("before", &good))
        .with_task(Task::notebook("work", &broken).after("before"))
        .with_task(Task::notebook("after", &good).after("work"))
        .with_task(Task::notebook("always", &good).after("work").with_run_if(RunIf::AllDone));
    let run = desk.submit(run).await;
    let error = run.wait(&soon()).await.unwrap_err();
    let failure = RunFailure::of(&error).unwrap_or_else(|| panic!("{error:?}"));
    assert_eq!(failure.outcome.result, RunResult::Failed);
    assert_eq!((failure.outcome.fault(), failure.outcome.is_retryable()), (Some(&TerminationType::ClientError), false));
    assert!(failure.to_string().contains("task work: FAILED"), "{failure}");
    assert_eq!(failure.outcome.run.task("after").unwrap().result(), Some(RunResult::UpstreamFailed));
    assert_eq!(failure.outcome.run.task("always").unwrap().result(), Some(RunResult::Success));
    let work = failure.outcome.run.task("work").unwrap().run_id;
    let output = desk.client.jobs().get_run_output(work).await.unwrap();
    assert!(output.error.unwrap().contains("canary of the test"));
    assert!(output.error_trace.unwrap().contains("ValueError"));

    desk.notebook("broken", "dbutils.notebook.exit('mended')").await;
    let jobs = desk.client.jobs();
    let repair = jobs.repair_run(RepairRun::failed(run.id())).await.unwrap();
    let mended = run.wait(&soon()).await.unwrap();
    assert_ne!(mended.task("work").unwrap().run_id, work);
    assert_eq!(mended.task("after").unwrap().result(), Some(RunResult::Success));
    let outputs = run.outputs().await.unwrap();
    let results: Vec<_> = outputs.iter().map(|task| task.output.as_ref().unwrap().notebook_result().unwrap()).collect();
    assert_eq!(results, ["good", "mended", "good", "good"], "the last try of each");
    let history = jobs.repair_history(run.id()).await.unwrap();
    assert_eq!(history.last().unwrap().id, Some(repair));
    // A second one must name the first.
    let again = RepairRun::tasks(run.id(), ["work"]);
    assert_eq!(jobs.repair_run(again.clone()).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    jobs.repair_run(again.with_latest_repair(repair)).await.unwrap();
    run.wait(&soon()).await.unwrap();
}

#[tokio::test]
async fn a_run_is_stopped_by_its_handle_by_its_drop_and_by_its_time() {
    let desk = Desk::new().await;
    let sleep = desk.notebook("sleep", "import time\ntime.sleep(600)").await;
    let asleep = || SubmitRun::new("asleep").with_task(Task::notebook("sleep", &sleep));
    let run = desk.submit(asleep()).await;
    run.cancel().await.unwrap();
    run.cancel().await.unwrap();
    let error = run.wait(&soon()).await.unwrap_err();
    assert_eq!((error.kind(), error.context("result")), (ErrorKind::Cancelled, Some("CANCELED")));

    let dropped = desk.submit(asleep().with_on_drop(OnDrop::Cancel)).await;
    let id = dropped.id();
    drop(dropped);
    assert_eq!(desk.client.jobs().outcome(id, &soon()).await.unwrap().result, RunResult::Canceled);

    let late = desk.submit(asleep().with_timeout(Duration::from_secs(1))).await;
    let error = late.wait(&soon()).await.unwrap_err();
    assert_eq!((error.kind(), error.context("result")), (ErrorKind::Timeout, Some("TIMEDOUT")));

    let left = desk.submit(asleep()).await;
    let hurry = soon().with_timeout(Duration::from_millis(500)).with_cancel_on_timeout(true);
    let error = left.wait(&hurry).await.unwrap_err();
    assert_eq!((error.kind(), error.context("wait")), (ErrorKind::Timeout, Some("run")));
    assert_eq!(left.outcome(&soon()).await.unwrap().result, RunResult::Canceled);
}

#[tokio::test]
async fn the_same_token_is_the_same_run_and_its_work_is_done_once() {
    let desk = Desk::new().await;
    let table = format!("main.default.{}", desk.mark);
    desk.create(&table).await;
    let insert = desk.notebook("insert", &format!("spark.sql('insert into {table} values (1)')")).await;
    let run = || {
        let token = IdempotencyToken::derived([desk.mark.as_str(), "insert"]);
        SubmitRun::new("once").with_task(Task::notebook("insert", &insert)).with_token(token)
    };
    let first = desk.submit(run()).await;
    let second = desk.submit(run()).await;
    assert_eq!(first.id(), second.id());
    first.wait(&soon()).await.unwrap();
    assert_eq!(desk.submit(run()).await.id(), first.id(), "also when it is over");
    assert_eq!(desk.count(&table).await, 1);
    // Once it is removed, its token is refused, and not a new run.
    let jobs = desk.client.jobs();
    jobs.delete_run(first.id()).await.unwrap();
    let error = jobs.submit(run()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert_eq!(jobs.get_run(first.id()).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(desk.count(&table).await, 1);
}

/// The request that starts a run is hit after the run has begun; the client repeats it.
#[tokio::test]
async fn a_lost_answer_to_a_submission_starts_no_second_run() {
    let breakable = Breakable::take().await;
    let access = breakable.sandbox.databricks().await.unwrap();
    let desk = Desk::of(databricks_builder(access).wait(Duration::ZERO).client().unwrap()).await;
    let path = desk.notebook("quick", "dbutils.notebook.exit('done')").await;
    for kind in [
        FaultKind::Reset { when: When::After },
        FaultKind::Truncated,
        FaultKind::Unavailable { when: When::After, retry_after: None },
        FaultKind::Unavailable { when: When::Before, retry_after: None },
        FaultKind::Throttled { retry_after: Some(Duration::from_secs(1)) },
    ] {
        let name = format!("{} {kind:?}", desk.mark);
        let rule = FaultRule::databricks(kind).with_method("POST").with_path("/jobs/runs/submit");
        let fault = breakable.faults().schedule(rule).unwrap();
        let run = desk.submit(SubmitRun::new(&name).with_task(Task::notebook("quick", &path))).await;
        assert_eq!((fault.fired(), fault.seen() >= 1), (1, true), "{kind:?}");
        run.wait(&soon()).await.unwrap();
        let runs: Vec<_> = desk.client.jobs().list_runs(ListRuns::new()).try_collect().await.unwrap();
        let ours: Vec<_> = runs.iter().filter(|run| run.run_name.as_deref() == Some(&name)).collect();
        assert_eq!(ours.len(), 1, "{kind:?}");
    }
    // And a bad answer while waiting does not end the wait.
    let run = desk.submit(SubmitRun::new("waited").with_task(Task::notebook("quick", &path))).await;
    for kind in [FaultKind::Unavailable { when: When::Before, retry_after: None }, FaultKind::Truncated] {
        let rule = FaultRule::databricks(kind).with_method("GET").with_path("/jobs/runs/get").times(2);
        breakable.faults().schedule(rule).unwrap();
    }
    run.wait(&soon()).await.unwrap();
}

#[tokio::test]
async fn a_job_is_kept_changed_run_and_removed() {
    let desk = Desk::new().await;
    let jobs = desk.client.jobs();
    let echo = desk.notebook("echo", "dbutils.notebook.exit(dbutils.widgets.get('day'))").await;
    let settings = JobSettings::new()
        .with_name(&desk.mark)
        .with_parameter("day", "none")
        .with_tag("team", "data")
        .with_task(Task::new("echo", NotebookTask::new(&echo)));
    let job = jobs.create(CreateJob::new(settings)).await.unwrap();
    let read = jobs.get_by_name(&desk.mark).await.unwrap();
    assert_eq!(read.job_id, job);

    let run = jobs.run_now(RunNow::new(job).with_parameter("day", "2026-01-31")).await.unwrap();
    assert_eq!(run.wait(&soon()).await.unwrap().job_id, Some(job));
    assert_eq!(run.output().await.unwrap().notebook_result(), Some("2026-01-31"));

    let more = JobSettings::new().with_task(Task::notebook("more", &echo).after("echo"));
    jobs.update(UpdateJob::new(job).with_settings(more).without("tags")).await.unwrap();
    let mut settings = jobs.get(job).await.unwrap().settings.unwrap();
    assert_eq!((settings.tasks.len(), settings.tags.len()), (2, 0), "tasks are added, by key");
    settings.tasks.retain(|task| task.task_key == "echo");
    jobs.reset(job, settings).await.unwrap();
    assert_eq!(jobs.get(job).await.unwrap().settings.unwrap().tasks.len(), 1);

    let listed: Vec<_> = jobs.list(ListJobs::new().with_limit(1)).try_collect().await.unwrap();
    assert!(listed.iter().any(|listed| listed.job_id == job));
    let of_job = ListRuns::new().with_job(job).with_completed_only(true).with_limit(1);
    let runs: Vec<_> = jobs.list_runs(of_job).try_collect().await.unwrap();
    assert_eq!(runs.iter().map(|run| run.run_id).collect::<Vec<_>>(), [run.id()]);
    jobs.cancel_all_runs(job).await.unwrap();
    jobs.delete(job).await.unwrap();
    assert_eq!(jobs.get(job).await.unwrap_err().kind(), ErrorKind::NotFound);
    let error = jobs.run_now(RunNow::new(job)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
}

#[tokio::test]
async fn more_tasks_than_a_page_has_are_all_there() {
    let desk = Desk::new().await;
    let tasks = (0..230).map(|n| Task::condition(format!("t{n:03}"), "1", ConditionOp::EqualTo, "1"));
    let run = desk.submit(SubmitRun::new("many").with_tasks(tasks.clone())).await;
    let over = run.wait(&soon()).await.unwrap();
    let keys: std::collections::BTreeSet<_> = over.tasks.iter().map(|task| task.task_key.clone()).collect();
    assert_eq!((keys.len(), over.tasks.len()), (230, 230));
    assert!(over.tasks.iter().all(|task| task.result() == Some(RunResult::Success)));
    // The older version has them in one answer.
    let older = desk.client.jobs().with_version(ApiVersion::V2_1);
    assert_eq!(older.get_run(run.id()).await.unwrap().tasks.len(), 230);
    let job = desk.client.jobs().create(JobSettings::new().with_name(&desk.mark).with_tasks(tasks)).await.unwrap();
    assert_eq!(desk.client.jobs().get(job).await.unwrap().settings.unwrap().tasks.len(), 230);
    let listed = desk.client.jobs().list(ListJobs::new().with_name(&desk.mark).with_expand_tasks(true));
    let listed: Vec<_> = listed.try_collect().await.unwrap();
    assert_eq!(listed[0].settings.as_ref().unwrap().tasks.len(), 230, "what the list cuts short is fetched");
    desk.client.jobs().delete(job).await.unwrap();
}

#[tokio::test]
async fn a_task_for_each_value_has_an_output_for_each() {
    let desk = Desk::new().await;
    let square = "n = int(dbutils.widgets.get('n'))\ndbutils.notebook.exit(str(n * n))";
    let square = desk.notebook("square", square).await;
    let inner = Task::new("square", NotebookTask::new(square).with_parameter("n", "{{input}}"));
    let each = ForEachTask::over(&[1, 2, 3, 4], inner).unwrap().with_concurrency(2);
    let run = desk.submit(SubmitRun::new("each").with_task(Task::for_each("each", each))).await;
    let over = run.wait(&soon()).await.unwrap();
    let outputs = desk.client.jobs().outputs(over.task("each").unwrap().run_id).await.unwrap();
    let mut results: Vec<_> =
        outputs.iter().map(|task| task.output.as_ref().unwrap().notebook_result().unwrap()).collect();
    results.sort_unstable();
    assert_eq!(results, ["1", "16", "4", "9"]);
}

#[tokio::test]
async fn python_files_print_and_are_told_what_they_are_given() {
    let desk = Desk::new().await;
    let file = desk.file("main.py", "import sys\nprint(sys.argv[1:])\nprint(sys.version_info.major)\n").await;
    let run = desk.client.jobs().submit_python(file, ["x y", "it's"], Compute::Serverless).await.unwrap();
    run.wait(&soon()).await.unwrap();
    assert_eq!(run.output().await.unwrap().logs.as_deref(), Some("['x y', \"it's\"]\n3\n"));
}

#[tokio::test]
async fn what_the_sandbox_does_not_run_is_refused_by_name() {
    let desk = Desk::new().await;
    let dbt = Task::dbt("dbt", ["dbt run"]).with_existing_cluster("0123-456789-abc");
    let error = desk.client.jobs().submit(SubmitRun::new("dbt").with_task(dbt)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    assert!(error.message().contains("dbt_task"), "{error}");
}
