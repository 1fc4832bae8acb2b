//! A nightly job: SQL makes a table, a notebook sums it up; asked for twice, it runs once.
//!
//! `cargo run --bin nightly` runs it on the sandbox; `cargo run --bin nightly -- databricks` on the workspace of the
//! environment, on the SQL warehouse `DATABRICKS_WAREHOUSE_ID` and serverless compute.

use std::time::Duration;

use twinhouse::{
    ErrorKind, Result,
    databricks::{
        DatabricksClient,
        jobs::{IdempotencyToken, SubmitRun, Task, WaitOptions, task::NotebookTask},
        workspace::{ImportFormat, ImportRequest, Language},
    },
    sandbox::{Sandbox, SandboxConfig as _},
};

const FOLDER: &str = "/Shared/nightly";
const MAKE: &str = "create or replace table nightly_days as select id as day, id * id as orders from range(1, 31)";
const REPORT: &str = r#"
total = spark.sql("select sum(orders) as orders from nightly_days").first()["orders"]
dbutils.notebook.exit(f"{dbutils.widgets.get('month')}: {total} orders")
"#;

#[tokio::main]
async fn main() -> Result<()> {
    let sandbox;
    let client = if std::env::args().nth(1).as_deref() == Some("databricks") {
        DatabricksClient::from_env()?
    } else {
        sandbox = Sandbox::shared().await?;
        DatabricksClient::new(sandbox.databricks_config().await?)?
    };
    let warehouse = client.config().warehouse_id().unwrap_or_default().to_owned();

    let workspace = client.workspace();
    workspace.mkdirs(FOLDER).await?;
    let make = ImportRequest::new(format!("{FOLDER}/make.sql"), MAKE).with_format(ImportFormat::Auto);
    workspace.import(make.with_overwrite(true)).await?;
    let report = ImportRequest::new(format!("{FOLDER}/report"), REPORT).with_language(Language::Python);
    workspace.import(report.with_overwrite(true)).await?;

    // The token is made of what the run is for: whoever asks for this month again gets this run.
    let ask = || {
        let report = NotebookTask::new(format!("{FOLDER}/report")).with_parameter("month", "2026-01");
        SubmitRun::new("nightly 2026-01")
            .with_task(Task::sql_file("make", &warehouse, format!("{FOLDER}/make.sql")))
            .with_task(Task::new("report", report).after("make"))
            .with_timeout(Duration::from_secs(600))
            .with_token(IdempotencyToken::derived(["nightly", "2026-01", FOLDER]))
    };
    let run = client.jobs().submit(ask()).await?;
    let again = client.jobs().submit(ask()).await?;
    assert_eq!(run.id(), again.id(), "one piece of work is one run");

    let options = WaitOptions::default().with_first_pause(Duration::from_millis(100));
    let outcome = run
        .outcome_with(&options, |look| println!("{:>5.1} s  {}", look.elapsed.as_secs_f32(), look.run.phase()))
        .await?;
    outcome.into_run()?;
    for task in run.outputs().await? {
        println!("{}: {}", task.task_key, task.output?.notebook_result().unwrap_or("done"));
    }

    // A wrong request is refused before it is sent, by the name of its field.
    let wrong = SubmitRun::new("circle").with_task(Task::notebook("a", "/a").after("a"));
    let error = client.jobs().submit(wrong).await.expect_err("a circle");
    assert_eq!(
        (error.kind(), error.context("field")),
        (ErrorKind::InvalidInput, Some("tasks[0].depends_on[0].task_key"))
    );
    println!("refused: {error}");
    Ok(())
}
