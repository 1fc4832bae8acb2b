//! Jobs and runs as the service tells them.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    run::{Run, TaskRun},
    runners::tail,
    store::{Job, Store},
};
use crate::databricks::{
    api::{ApiResult, WORKSPACE_ID},
    engine::USER,
};

/// How many tasks one answer of version 2.2 holds.
pub(crate) const PAGE: usize = 100;

/// How a run is to be told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Telling<'a> {
    pub(crate) url: &'a str,
    /// `None` leaves the tasks out; where the page begins, or everything for version 2.1.
    pub(crate) tasks: Option<Page>,
    pub(crate) history: bool,
    pub(crate) resolved: bool,
}

/// A part of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub(crate) from: usize,
    pub(crate) size: usize,
}

impl Page {
    pub(crate) const ALL: Self = Self { from: 0, size: usize::MAX };

    /// The items of the page, and where the next begins.
    pub(crate) fn cut<'a, T>(&self, items: &'a [T]) -> (&'a [T], Option<usize>) {
        let from = self.from.min(items.len());
        let end = from.saturating_add(self.size).min(items.len());
        (&items[from..end], (end < items.len()).then_some(end))
    }
}

/// The run of a job. The second part: where the tasks go on.
pub(crate) fn run(run: &Run, telling: Telling<'_>) -> (Value, Option<usize>) {
    let mut told = json!({
        "job_id": run.job_id,
        "run_id": run.id,
        "creator_user_name": USER,
        "run_as_user_name": USER,
        "number_in_job": run.number_in_job,
        "original_attempt_run_id": run.id,
        "job_run_id": run.id,
        "run_name": run.name,
        "run_type": run.kind,
        "trigger": run.trigger,
        "format": "MULTI_TASK",
        "attempt_number": 0,
        "run_page_url": page_url(telling.url, run.job_id, run.id),
        "state": run.phase.state(true),
        "status": run.phase.status(),
    });
    times(&mut told, run.start_time, run.begun, run.end_time);
    if !run.parameters.is_empty() {
        let parameters = run.parameters.iter().map(|(name, parameter)| {
            let mut told = json!({ "name": name, "default": parameter.default });
            if let Some(value) = &parameter.value {
                told["value"] = json!(value);
            }
            told
        });
        told["job_parameters"] = parameters.collect();
    }
    if !run.overrides.is_null() {
        told["overriding_parameters"] = run.overrides.clone();
    }
    for kept in ["job_clusters", "git_source"] {
        if !run.settings[kept].is_null() {
            told[kept] = run.settings[kept].clone();
        }
    }
    if telling.history && !run.repairs.is_empty() {
        told["repair_history"] = history(run);
    }
    let Some(page) = telling.tasks else { return (told, None) };
    let (tasks, next) = page.cut(&run.tasks);
    told["tasks"] = tasks.iter().map(|task| self::task(run, task, telling)).collect();
    if page.size != usize::MAX {
        told["has_more"] = json!(next.is_some());
    }
    (told, next)
}

/// The run of a task, asked for by its own number.
pub(crate) fn task_run(run: &Run, found: &TaskRun, telling: Telling<'_>) -> Value {
    let mut told = task(run, found, telling);
    let own = json!({
        "job_id": run.job_id,
        "job_run_id": run.id,
        "number_in_job": found.id,
        "original_attempt_run_id": found.id,
        "creator_user_name": USER,
        "run_name": found.key,
        "run_type": run.kind,
        "trigger": run.trigger,
        "format": "SINGLE_TASK",
    });
    extend(&mut told, own);
    let iterations: Vec<&TaskRun> = run.iterations.iter().filter(|inner| inner.parent == Some(found.id)).collect();
    if !iterations.is_empty() {
        told["iterations"] = iterations.iter().map(|inner| task(run, inner, telling)).collect();
    }
    told
}

fn task(run: &Run, found: &TaskRun, telling: Telling<'_>) -> Value {
    // The task as it was written, and how it went.
    let mut told = found.spec.clone();
    let own = json!({
        "run_id": found.id,
        "task_key": found.key,
        "attempt_number": found.attempt,
        "run_page_url": page_url(telling.url, run.job_id, found.id),
        "state": found.phase.state(false),
        "status": found.phase.status(),
    });
    extend(&mut told, own);
    times(&mut told, found.start_time, found.begun, found.end_time);
    if let Some(outcome) = found.output.condition {
        told["condition_task"]["outcome"] = json!(outcome.to_string());
    }
    if found.spec["for_each_task"].is_object() {
        let own = |test: &dyn Fn(&TaskRun) -> bool| {
            run.iterations.iter().filter(|inner| inner.parent == Some(found.id) && test(inner)).count()
        };
        let ended = |inner: &TaskRun| inner.phase.ending().map(|ending| ending.outcome);
        let succeeded = own(&|inner| ended(inner).is_some_and(|outcome| outcome.is_success()));
        told["for_each_task"]["stats"] = json!({
            "task_run_stats": {
                "total_iterations": own(&|_| true),
                "scheduled_iterations": own(&|_| true),
                "active_iterations": own(&|inner| inner.begun.is_some() && ended(inner).is_none()),
                "completed_iterations": own(&|inner| ended(inner).is_some()),
                "succeeded_iterations": succeeded,
                "failed_iterations": own(&|inner| ended(inner).is_some_and(|outcome| !outcome.is_success())),
            },
        });
    }
    if let (Some(child), true) = (found.output.run, found.spec["run_job_task"].is_object()) {
        told["run_job_task"]["run_id"] = json!(child);
    }
    if let (Some(resolved), true) = (&found.output.resolved, telling.resolved) {
        told["resolved_values"] = resolved.clone();
    }
    told
}

/// What a task left behind.
pub(crate) fn output(store: &Store, run: &Run, found: &TaskRun, telling: Telling<'_>) -> ApiResult<Value> {
    let folder = store.task_folder(run.id, found.id);
    let output = &found.output;
    let mut told = json!({ "metadata": task_run(run, found, telling) });
    if found.spec["notebook_task"].is_object() {
        let mut notebook = json!({});
        if output.result {
            notebook["result"] = json!(text(&folder.join("result"))?);
            notebook["truncated"] = json!(output.result_truncated);
        }
        told["notebook_output"] = notebook;
    } else if let Some((log, truncated)) = tail::read(&folder)? {
        told["logs"] = json!(log);
        told["logs_truncated"] = json!(truncated);
    }
    if let Some(sql) = &output.sql {
        told["sql_output"] = sql.clone();
        told["sql_output"]["query_output"]["output_link"] = json!(page_url(telling.url, run.job_id, found.id));
    }
    if let Some(child) = output.run {
        told["run_job_output"] = json!({ "run_id": child });
    }
    if let Some(error) = &output.error {
        told["error"] = json!(error);
    }
    if let Some(trace) = &output.error_trace {
        told["error_trace"] = json!(trace);
    }
    Ok(told)
}

/// A job. The second part: where its tasks go on.
pub(crate) fn job(job: &Job, tasks: Option<Page>, whole: bool) -> (Value, Option<usize>) {
    let mut settings = job.settings.clone();
    let mut next = None;
    if let Some(fields) = settings.as_object_mut() {
        let list = fields.remove("tasks");
        if let (Some(Value::Array(list)), Some(page)) = (list, tasks) {
            let (page, after) = page.cut(&list);
            next = after;
            fields.insert("tasks".to_owned(), json!(page));
        }
        if !whole {
            fields.retain(|name, _| {
                matches!(
                    name.as_str(),
                    "name"
                        | "tasks"
                        | "max_concurrent_runs"
                        | "timeout_seconds"
                        | "format"
                        | "tags"
                        | "schedule"
                        | "email_notifications"
                        | "webhook_notifications"
                        | "parameters"
                        | "queue"
                        | "trigger"
                        | "continuous"
                )
            });
        }
    }
    let mut told = json!({
        "job_id": job.id,
        "creator_user_name": USER,
        "settings": settings,
        "created_time": job.created_time,
    });
    if whole {
        told["run_as_user_name"] = json!(USER);
    }
    (told, next)
}

fn history(run: &Run) -> Value {
    let first: Vec<u64> = run.tasks.iter().filter(|task| task.attempt == 0).map(|task| task.id).collect();
    let original = json!({
        "type": "ORIGINAL",
        "start_time": run.start_time,
        "end_time": run.repairs.first().map(|repair| repair.start_time),
        "task_run_ids": first,
    });
    let repairs = run.repairs.iter().map(|repair| {
        json!({
            "type": "REPAIR",
            "id": repair.id,
            "start_time": repair.start_time,
            "end_time": repair.end_time,
            "state": repair.phase.state(true),
            "status": repair.phase.status(),
            "task_run_ids": repair.task_runs,
        })
    });
    std::iter::once(original).chain(repairs).collect()
}

fn times(told: &mut Value, start: u64, begun: Option<u64>, end: Option<u64>) {
    let setup = begun.map_or(0, |begun| begun.saturating_sub(start));
    let fields = json!({
        "start_time": start,
        "setup_duration": setup,
        "execution_duration": end.map_or(0, |end| end.saturating_sub(begun.unwrap_or(end))),
        "cleanup_duration": 0,
        "end_time": end.unwrap_or(0),
        "run_duration": end.map_or(0, |end| end.saturating_sub(start)),
    });
    extend(told, fields);
}

fn extend(told: &mut Value, more: Value) {
    if let (Value::Object(told), Value::Object(more)) = (told, more) {
        let more: Map<String, Value> = more;
        told.extend(more);
    }
}

fn page_url(url: &str, job: u64, run: u64) -> String {
    format!("{url}/?o={WORKSPACE_ID}#job/{job}/run/{run}")
}

fn text(file: &Path) -> std::io::Result<String> {
    Ok(String::from_utf8_lossy(&std::fs::read(file)?).into_owned())
}
