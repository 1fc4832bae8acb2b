//! Jobs and tasks as requests write them. What is not read here is kept and told again, word for word.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// One task.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Task {
    #[serde(default)]
    pub(super) task_key: String,
    #[serde(default)]
    pub(super) depends_on: Vec<Dependency>,
    pub(super) run_if: Option<String>,
    #[serde(default)]
    pub(super) timeout_seconds: i64,
    #[serde(default)]
    pub(super) max_retries: i64,
    #[serde(default)]
    pub(super) min_retry_interval_millis: u64,
    #[serde(default)]
    pub(super) retry_on_timeout: bool,
    #[serde(default)]
    pub(super) disabled: bool,
    pub(super) environment_key: Option<String>,
    pub(super) existing_cluster_id: Option<String>,
    pub(super) new_cluster: Option<Value>,
    pub(super) job_cluster_key: Option<String>,
    #[serde(default)]
    pub(super) libraries: Vec<Value>,

    pub(super) notebook_task: Option<NotebookTask>,
    pub(super) spark_python_task: Option<PythonTask>,
    pub(super) python_wheel_task: Option<WheelTask>,
    pub(super) sql_task: Option<SqlTask>,
    pub(super) condition_task: Option<ConditionTask>,
    pub(super) for_each_task: Option<Box<ForEachTask>>,
    pub(super) run_job_task: Option<RunJobTask>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Dependency {
    pub(super) task_key: String,
    pub(super) outcome: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct NotebookTask {
    pub(super) notebook_path: String,
    #[serde(default, deserialize_with = "texts")]
    pub(super) base_parameters: BTreeMap<String, String>,
    pub(super) source: Option<String>,
    pub(super) warehouse_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct PythonTask {
    pub(super) python_file: String,
    #[serde(default)]
    pub(super) parameters: Vec<String>,
    pub(super) source: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct WheelTask {
    pub(super) package_name: String,
    pub(super) entry_point: String,
    #[serde(default)]
    pub(super) parameters: Vec<String>,
    #[serde(default, deserialize_with = "texts")]
    pub(super) named_parameters: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct SqlTask {
    #[serde(default)]
    pub(super) warehouse_id: String,
    pub(super) query: Option<SqlQuery>,
    pub(super) file: Option<SqlFile>,
    pub(super) alert: Option<Value>,
    pub(super) dashboard: Option<Value>,
    #[serde(default, deserialize_with = "texts")]
    pub(super) parameters: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct SqlQuery {
    pub(super) query_id: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct SqlFile {
    pub(super) path: String,
    pub(super) source: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct ConditionTask {
    pub(super) op: String,
    pub(super) left: String,
    pub(super) right: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct ForEachTask {
    pub(super) inputs: String,
    pub(super) concurrency: Option<i64>,
    pub(super) task: Task,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct RunJobTask {
    pub(super) job_id: u64,
    #[serde(default, deserialize_with = "texts")]
    pub(super) job_parameters: BTreeMap<String, String>,
}

/// What the sandbox runs.
pub(super) const RUN: [&str; 7] = [
    "notebook_task",
    "spark_python_task",
    "python_wheel_task",
    "sql_task",
    "condition_task",
    "for_each_task",
    "run_job_task",
];

/// What the service runs and the sandbox does not.
pub(super) const REFUSED: [&str; 13] = [
    "spark_jar_task",
    "spark_submit_task",
    "dbt_task",
    "dbt_cloud_task",
    "dbt_platform_task",
    "pipeline_task",
    "dashboard_task",
    "power_bi_task",
    "alert_task",
    "clean_rooms_notebook_task",
    "gen_ai_compute_task",
    "ai_runtime_task",
    "python_operator_task",
];

/// Reads a map whose values are texts; numbers and switches count as what they are written as.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, Value>::deserialize(deserializer)?;
    Ok(values.into_iter().map(|(name, value)| (name, plain(&value))).collect())
}

/// A JSON value as a parameter: a text is itself.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

impl Task {
    /// Reads a task of a stored or checked request.
    pub(super) fn of(value: &Value) -> Result<Self, String> {
        serde_json::from_value(value.clone()).map_err(|error| error.to_string())
    }
}
