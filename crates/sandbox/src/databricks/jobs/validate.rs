//! What a job or a submission must be like. The refusal says what is wrong.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::{
    spec::{REFUSED, RUN, Task},
    store::Store,
};
use crate::databricks::api::{ApiError, ApiResult};

/// The most tasks of a job.
const TASKS: usize = 1000;
/// The longest key of a task and name of a job.
const KEY: usize = 100;
const NAME: usize = 4096;
const RULES: [&str; 6] =
    ["ALL_SUCCESS", "AT_LEAST_ONE_SUCCESS", "NONE_FAILED", "ALL_DONE", "AT_LEAST_ONE_FAILED", "ALL_FAILED"];
const COMPARISONS: [&str; 6] =
    ["EQUAL_TO", "NOT_EQUAL", "GREATER_THAN", "GREATER_THAN_OR_EQUAL", "LESS_THAN", "LESS_THAN_OR_EQUAL"];

/// Checks what is submitted to run once, and fills in what it leaves out.
pub(crate) fn submission(settings: &mut Value, store: &Store) -> ApiResult<()> {
    if settings["job_clusters"].is_array() {
        return Err(invalid("job_clusters are not for runs that are submitted: give each task its new_cluster"));
    }
    let name = settings["run_name"].as_str().filter(|name| !name.is_empty()).unwrap_or("Untitled").to_owned();
    settings["name"] = json!(name);
    if settings["tasks"].as_array().is_none_or(Vec::is_empty) {
        let legacy = RUN.iter().chain(&REFUSED).find(|kind| !settings[**kind].is_null());
        return Err(match legacy {
            Some(kind) => ApiError::not_implemented(format_args!("{kind} outside of tasks")),
            None => invalid("At least one task must be given in tasks"),
        });
    }
    check(settings, store, None)
}

/// Checks the settings of a job, and fills in what they leave out.
pub(crate) fn job(settings: &mut Value, store: &Store, id: Option<u64>) -> ApiResult<()> {
    if !settings.is_object() {
        return Err(invalid("Job settings must be specified"));
    }
    if settings["name"].is_null() {
        settings["name"] = json!("Untitled");
    }
    if settings["max_concurrent_runs"].is_null() {
        settings["max_concurrent_runs"] = json!(1);
    }
    settings["format"] = json!("MULTI_TASK");
    if settings["max_concurrent_runs"].as_u64().is_none_or(|limit| limit > 1000) {
        return Err(invalid("max_concurrent_runs must be from 0 to 1000"));
    }
    for parameter in items(settings, "parameters") {
        let name = parameter["name"].as_str().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || !name.chars().all(plain) {
            return Err(invalid(format!("Job parameter '{name}' needs a name of letters, digits, '_', '-' and '.'")));
        }
        if parameter["default"].is_null() {
            return Err(invalid(format!("Job parameter {name} needs a default")));
        }
    }
    check(settings, store, id)
}

fn check(settings: &mut Value, store: &Store, id: Option<u64>) -> ApiResult<()> {
    if !settings["git_source"].is_null() {
        return Err(ApiError::not_implemented("git_source: put the code into the workspace"));
    }
    if settings["name"].as_str().is_none_or(|name| name.len() > NAME) {
        return Err(invalid(format!("A name is a text of at most {NAME} bytes")));
    }
    not_negative(settings, "timeout_seconds", "the job")?;
    let clusters = keys(settings, "job_clusters", "job_cluster_key")?;
    let environments = keys(settings, "environments", "environment_key")?;
    if !settings["timeout_seconds"].is_u64() {
        settings["timeout_seconds"] = json!(0);
    }
    let Some(tasks) = settings["tasks"].as_array_mut() else {
        if settings["tasks"].is_null() {
            return Ok(());
        }
        return Err(invalid("tasks must be a list"));
    };
    if tasks.len() > TASKS {
        return Err(invalid(format!("A job has at most {TASKS} tasks, and {} were given", tasks.len())));
    }
    let mut read = Vec::new();
    for value in tasks.iter_mut() {
        let task = one(value, &clusters, &environments, true)?;
        // As the service tells it.
        if value["run_if"].is_null() {
            value["run_if"] = json!("ALL_SUCCESS");
        }
        read.push(task);
    }
    graph(&read)?;
    cycles(&read, store, id)
}

/// Checks one task, its inner task too.
fn one(value: &Value, clusters: &HashSet<String>, environments: &HashSet<String>, outer: bool) -> ApiResult<Task> {
    let Some(fields) = value.as_object() else { return Err(invalid("A task must be an object")) };
    let key = value["task_key"].as_str().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    // The key of an iteration's task may hold references.
    let odd = outer && !key.chars().all(plain);
    if odd || key.is_empty() || key.len() > KEY {
        return Err(invalid(format!(
            "The task key '{key}' must be 1 to {KEY} characters, only letters, digits, '_' and '-'"
        )));
    }
    let wrong = |what: &str| Err(invalid(format!("Task {key}: {what}")));
    if let Some(kind) = REFUSED.iter().find(|kind| fields.get(**kind).is_some_and(|task| !task.is_null())) {
        return Err(ApiError::not_implemented(format_args!("{kind} (task {key})")));
    }
    let kinds: Vec<&str> =
        RUN.into_iter().filter(|kind| fields.get(*kind).is_some_and(|task| !task.is_null())).collect();
    let kind = match kinds[..] {
        [kind] => kind,
        [] => {
            return wrong(
                "one of notebook_task, spark_python_task, python_wheel_task, sql_task, condition_task, for_each_task and run_job_task must be given",
            );
        }
        _ => return wrong(&format!("only one of {} may be given", kinds.join(", "))),
    };
    let task = Task::of(value).map_err(|error| ApiError::malformed(format!("Task {key}: {error}")))?;
    if task.run_if.as_deref().is_some_and(|rule| !RULES.contains(&rule)) {
        return wrong("run_if is not one of the service's rules");
    }
    not_negative(value, "timeout_seconds", &format!("task {key}"))?;
    if task.max_retries < -1 {
        return wrong("max_retries must be -1 or more");
    }
    compute(&task, kind, clusters, environments)?;
    let git = |source: &Option<String>| source.as_deref() == Some("GIT");
    if let Some(notebook) = &task.notebook_task {
        if git(&notebook.source) {
            return Err(ApiError::not_implemented("notebooks of a Git provider"));
        }
        if !notebook.notebook_path.starts_with('/') {
            return wrong("Only absolute paths are currently supported. Paths must begin with '/'.");
        }
    }
    if let Some(python) = &task.spark_python_task {
        if git(&python.source) {
            return Err(ApiError::not_implemented("Python files of a Git provider"));
        }
        if python.python_file.is_empty() {
            return wrong("python_file must be given");
        }
    }
    if let Some(wheel) = &task.python_wheel_task {
        if wheel.package_name.is_empty() || wheel.entry_point.is_empty() {
            return wrong("package_name and entry_point must be given");
        }
        if !wheel.parameters.is_empty() && !wheel.named_parameters.is_empty() {
            return wrong("only one of parameters and named_parameters may be given");
        }
    }
    if let Some(sql) = &task.sql_task {
        if sql.warehouse_id.is_empty() {
            return wrong("warehouse_id must be given");
        }
        if sql.alert.is_some() || sql.dashboard.is_some() {
            return Err(ApiError::not_implemented("SQL tasks of alerts and dashboards"));
        }
        match (&sql.file, &sql.query) {
            (Some(file), None) if git(&file.source) => {
                return Err(ApiError::not_implemented("SQL files of a Git provider"));
            }
            (Some(file), None) if !file.path.starts_with('/') => {
                return wrong("the path of the file must begin with '/'");
            }
            (Some(_), None) => {}
            (None, Some(query)) if query.query_id.is_empty() => return wrong("query_id must be given"),
            (None, Some(_)) => {}
            _ => return wrong("one of query, file, alert and dashboard must be given"),
        }
    }
    if task.condition_task.as_ref().is_some_and(|condition| !COMPARISONS.contains(&condition.op.as_str())) {
        return wrong("op is not one of the service's comparisons");
    }
    if let Some(for_each) = &task.for_each_task {
        if !outer {
            return wrong("a for_each_task may not hold another");
        }
        if for_each.concurrency.is_some_and(|count| !(1..=100).contains(&count)) {
            return wrong("concurrency must be from 1 to 100");
        }
        one(&value["for_each_task"]["task"], clusters, environments, false)?;
    }
    Ok(task)
}

fn compute(task: &Task, kind: &str, clusters: &HashSet<String>, environments: &HashSet<String>) -> ApiResult<()> {
    let key = &task.task_key;
    let wrong = |what: String| Err(invalid(format!("Task {key}: {what}")));
    let named = [
        ("existing_cluster_id", task.existing_cluster_id.is_some()),
        ("new_cluster", task.new_cluster.is_some()),
        ("job_cluster_key", task.job_cluster_key.is_some()),
    ];
    let given: Vec<&str> = named.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    if given.len() > 1 {
        return wrong(format!("only one of {} may be given", given.join(", ")));
    }
    let code = matches!(kind, "notebook_task" | "spark_python_task" | "python_wheel_task");
    if !code && !given.is_empty() {
        return wrong(format!("a {kind} runs on no cluster, and {} was given", given[0]));
    }
    if let Some(cluster) = &task.job_cluster_key
        && !clusters.contains(cluster)
    {
        return wrong(format!("the job cluster '{cluster}' is not defined in field 'job_clusters'"));
    }
    if let Some(environment) = &task.environment_key {
        if !given.is_empty() {
            return wrong("an environment_key is for serverless compute only".to_owned());
        }
        if !environments.contains(environment) {
            return wrong(format!("the environment '{environment}' is not defined in field 'environments'"));
        }
        if !task.libraries.is_empty() {
            return wrong("libraries belong into the environment on serverless compute".to_owned());
        }
    } else if code && kind != "notebook_task" && given.is_empty() {
        return wrong("an environment_key is required for serverless compute, or a cluster".to_owned());
    }
    Ok(())
}

fn graph(tasks: &[Task]) -> ApiResult<()> {
    let mut known: HashMap<&str, &Task> = HashMap::new();
    for task in tasks {
        if known.insert(&task.task_key, task).is_some() {
            return Err(invalid(format!("Duplicate task key '{}'", task.task_key)));
        }
    }
    for task in tasks {
        for before in &task.depends_on {
            let Some(found) = known.get(before.task_key.as_str()) else {
                return Err(invalid(format!(
                    "Task {}: the dependency '{}' is not a task of the job",
                    task.task_key, before.task_key
                )));
            };
            if let Some(outcome) = &before.outcome
                && (found.condition_task.is_none() || !matches!(outcome.as_str(), "true" | "false"))
            {
                return Err(invalid(format!(
                    "Task {}: an outcome is 'true' or 'false' of a condition task",
                    task.task_key
                )));
            }
        }
    }
    // What can be done first is taken away until nothing is left.
    let mut left: HashSet<&str> = known.keys().copied().collect();
    loop {
        let free: Vec<&str> = left
            .iter()
            .filter(|key| known[*key].depends_on.iter().all(|before| !left.contains(before.task_key.as_str())))
            .copied()
            .collect();
        if free.is_empty() {
            break;
        }
        for key in free {
            left.remove(key);
        }
    }
    match left.into_iter().min() {
        Some(key) => Err(invalid(format!("The dependencies of task {key} lead back to itself"))),
        None => Ok(()),
    }
}

/// A job must not run itself, by whatever way.
fn cycles(tasks: &[Task], store: &Store, id: Option<u64>) -> ApiResult<()> {
    let mut todo: Vec<u64> = tasks.iter().filter_map(|task| Some(task.run_job_task.as_ref()?.job_id)).collect();
    let mut seen = HashSet::new();
    while let Some(next) = todo.pop() {
        if Some(next) == id {
            return Err(invalid(format!("Job {next} would run itself through its run_job_task")));
        }
        if !seen.insert(next) {
            continue;
        }
        let Some(job) = store.job(next) else {
            if tasks.iter().any(|task| task.run_job_task.as_ref().is_some_and(|run| run.job_id == next)) {
                return Err(invalid(format!("Job {next} does not exist.")));
            }
            continue;
        };
        todo.extend(items(&job.settings, "tasks").filter_map(|task| task["run_job_task"]["job_id"].as_u64()));
    }
    Ok(())
}

fn keys(settings: &Value, list: &str, name: &str) -> ApiResult<HashSet<String>> {
    let mut keys = HashSet::new();
    for item in items(settings, list) {
        let key = item[name].as_str().unwrap_or_default();
        if key.is_empty() || !keys.insert(key.to_owned()) {
            return Err(invalid(format!("Each of {list} needs its own {name}")));
        }
    }
    Ok(keys)
}

fn items<'a>(settings: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    settings[list].as_array().into_iter().flatten()
}

fn not_negative(value: &Value, field: &str, whose: &str) -> ApiResult<()> {
    match value[field].as_i64() {
        Some(number) if number < 0 => Err(invalid(format!("{field} of {whose} must not be negative"))),
        None if !value[field].is_null() => Err(invalid(format!("{field} of {whose} must be a whole number"))),
        _ => Ok(()),
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::invalid(message)
}
