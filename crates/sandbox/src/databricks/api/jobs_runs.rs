//! `/api/2.2/jobs/runs` and `/api/2.1/jobs/runs`.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    routing::{get, post},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    jobs::{Api, no_job, request, token},
    page::Token,
    reply::{ApiError, ApiResult, Query},
};
use crate::databricks::jobs::{
    Run,
    report::{self, PAGE, Page, Telling},
};

/// The most runs of a page.
const LONGEST_PAGE: usize = 25;
const SEVERAL: &str = "Retrieving the output of runs with multiple tasks is not supported. Please retrieve the output of each individual task run instead.";

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/runs/get", get(find))
        .route("/runs/list", get(list))
        .route("/runs/get-output", get(output))
        .route("/runs/cancel", post(cancel))
        .route("/runs/cancel-all", post(cancel_all))
        .route("/runs/delete", post(remove))
        .route("/runs/repair", post(repair))
        .route("/runs/export", get(export))
}

/// The service says so with 400; its clients make 404 of it.
fn no_run(id: u64) -> ApiError {
    ApiError::invalid(format!("Run {id} does not exist."))
}

fn id_of(query: &Query) -> ApiResult<u64> {
    let id = query.required("run_id")?;
    id.parse().map_err(|_| ApiError::invalid(format!("Invalid value for run_id: '{id}'")))
}

fn run_id(request: &Value) -> ApiResult<u64> {
    let id = &request["run_id"];
    let id = id.as_u64().or_else(|| id.as_str()?.parse().ok());
    id.ok_or_else(|| ApiError::invalid("Missing required field: run_id"))
}

async fn find(State(api): State<Api>, query: Query) -> ApiResult<Json<Value>> {
    let id = id_of(&query)?;
    let telling = Telling {
        url: &api.jobs.url,
        tasks: Some(api.page(&query)?),
        history: query.flag("include_history")?,
        resolved: query.flag("include_resolved_values")?,
    };
    let told = api.jobs.store().look(id, |run| match run.task(id) {
        Some(task) => (report::task_run(run, task, telling), None),
        None => report::run(run, telling),
    });
    let (mut told, next) = told.ok_or_else(|| no_run(id))?;
    if let Some(next) = next {
        told["next_page_token"] = token(next);
    }
    Ok(Json(told))
}

async fn list(State(api): State<Api>, query: Query) -> ApiResult<Json<Value>> {
    let (active, completed) = (query.flag("active_only")?, query.flag("completed_only")?);
    if active && completed {
        return Err(ApiError::invalid("Only one of active_only and completed_only may be true"));
    }
    let limit = match query.count("limit")? {
        None => 20,
        Some(0) => LONGEST_PAGE,
        Some(limit @ 1..=LONGEST_PAGE) => limit,
        Some(limit) => {
            return Err(ApiError::invalid(format!("Invalid limit: {limit} is not from 1 to {LONGEST_PAGE}")));
        }
    };
    let job = query.text("job_id").map(str::parse::<u64>).transpose();
    let job = job.map_err(|_| ApiError::invalid("Invalid value for job_id"))?;
    if let Some(job) = job {
        // The job of submitted tasks is known by its runs alone.
        let known = api.jobs.store().job(job).is_some()
            || !api.jobs.store().scan(|run| (run.job_id == job).then_some(())).is_empty();
        if !known {
            return Err(no_job(job));
        }
    }
    let kind = query.text("run_type").map(str::to_owned);
    if kind.as_deref().is_some_and(|kind| !matches!(kind, "JOB_RUN" | "SUBMIT_RUN" | "WORKFLOW_RUN")) {
        return Err(ApiError::invalid("run_type must be JOB_RUN, WORKFLOW_RUN or SUBMIT_RUN"));
    }
    let (since, until) = (query.count("start_time_from")?, query.count("start_time_to")?);
    let after = match Token::of(&query)? {
        Some(token) => token.after.parse().map_err(|_| ApiError::invalid("Invalid page token"))?,
        None => u64::MAX,
    };
    let skip = query.count("offset")?.unwrap_or_default();
    let fits = |run: &Run| {
        run.sequence < after
            && job.is_none_or(|job| run.job_id == job)
            && kind.as_ref().is_none_or(|kind| run.kind == *kind)
            && !(active && run.is_over())
            && (!completed || run.is_over())
            && since.is_none_or(|since| run.start_time >= since as u64)
            && until.is_none_or(|until| run.start_time <= until as u64)
    };
    let expand = query.flag("expand_tasks")?;
    let page = if api.pages { Page { from: 0, size: PAGE } } else { Page::ALL };
    let telling = Telling { url: &api.jobs.url, tasks: expand.then_some(page), history: false, resolved: false };
    let mut passed = 0;
    let mut told: Vec<(u64, Value)> = api.jobs.store().scan(|run| {
        if passed > skip + limit || !fits(run) {
            return None;
        }
        passed += 1;
        (passed > skip).then(|| (run.sequence, report::run(run, telling).0))
    });
    let more = told.len() > limit;
    told.truncate(limit);
    let mut answer = json!({ "has_more": more });
    if let Some((last, _)) = told.last().filter(|_| more) {
        answer["next_page_token"] = token(last);
    }
    if !told.is_empty() {
        answer["runs"] = told.into_iter().map(|(_, run)| run).collect();
    }
    Ok(Json(answer))
}

async fn output(State(api): State<Api>, query: Query) -> ApiResult<Json<Value>> {
    let id = id_of(&query)?;
    super::files::blocking(move || {
        let store = api.jobs.store();
        let telling = Telling { url: &api.jobs.url, tasks: None, history: false, resolved: false };
        let run = store.look(id, Clone::clone).ok_or_else(|| no_run(id))?;
        let task = run.task(id).ok_or_else(|| ApiError::invalid(SEVERAL))?;
        Ok(Json(report::output(store, &run, task, telling)?))
    })
    .await
}

async fn cancel(State(api): State<Api>, body: Bytes) -> ApiResult<Json<Value>> {
    let id = run_id(&request(&body)?)?;
    let run = api.jobs.store().look(id, |run| run.id).ok_or_else(|| no_run(id))?;
    if run != id {
        return Err(ApiError::invalid(format!("Run {id} is the run of a task: cancel its job run {run}.")));
    }
    api.jobs.scheduler.cancel(id);
    Ok(Json(json!({})))
}

async fn cancel_all(State(api): State<Api>, body: Bytes) -> ApiResult<Json<Value>> {
    let request = request(&body)?;
    let job = request["job_id"].as_u64();
    let queued = request["all_queued_runs"].as_bool().unwrap_or(false);
    match job {
        Some(job) if api.jobs.store().job(job).is_none() => return Err(no_job(job)),
        None if !queued => return Err(ApiError::invalid("One of job_id and all_queued_runs must be given")),
        _ => {}
    }
    let chosen = api.jobs.store().scan(|run| {
        let ours = job.is_none_or(|job| run.job_id == job);
        let state = run.phase.life_cycle(true);
        (ours && !run.is_over() && (!queued || state == "QUEUED")).then_some(run.id)
    });
    for id in chosen {
        api.jobs.scheduler.cancel(id);
    }
    Ok(Json(json!({})))
}

async fn remove(State(api): State<Api>, body: Bytes) -> ApiResult<Json<Value>> {
    let id = run_id(&request(&body)?)?;
    let over = api.jobs.store().look(id, |run| (run.id == id).then(|| run.is_over())).flatten();
    match over.ok_or_else(|| no_run(id))? {
        true => api.jobs.store().remove_run(id)?,
        false => return Err(state(format!("Run {id} is active: it cannot be deleted. Cancel it first."))),
    }
    Ok(Json(json!({})))
}

fn state(message: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "INVALID_STATE", message)
}

async fn repair(State(api): State<Api>, body: Bytes) -> ApiResult<Json<Value>> {
    let request = request(&body)?;
    let id = run_id(&request)?;
    let run = api.jobs.store().look(id, |run| (run.id == id).then(|| run.clone())).flatten();
    let run = run.ok_or_else(|| no_run(id))?;
    let active = || state(format!("Run {id} is active: only a run that has ended can be repaired."));
    if !run.is_over() {
        return Err(active());
    }
    let latest = request["latest_repair_id"].as_u64();
    if latest != run.repairs.last().map(|repair| repair.id) {
        return Err(ApiError::invalid("latest_repair_id must be the id of the latest repair of the run"));
    }
    let all = request["rerun_all_failed_tasks"].as_bool().unwrap_or(false);
    let named: Vec<String> = request["rerun_tasks"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|key| key.as_str().map(str::to_owned))
        .collect();
    if all != named.is_empty() {
        return Err(ApiError::invalid("One of rerun_tasks and rerun_all_failed_tasks must be given"));
    }
    let keys = run.keys();
    if let Some(unknown) = named.iter().find(|key| !keys.contains(key)) {
        return Err(ApiError::invalid(format!("The run has no task {unknown}")));
    }
    let mut chosen: Vec<String> = if all {
        let failed =
            |key: &&String| run.outcome(key).is_none_or(|outcome| outcome.is_failure() || outcome.is_canceled());
        keys.iter().filter(failed).cloned().collect()
    } else {
        named
    };
    if chosen.is_empty() {
        return Err(state(format!("Run {id} has no task that failed.")));
    }
    if request["rerun_dependent_tasks"].as_bool().unwrap_or(false) {
        add_dependents(&run, &mut chosen);
    }
    let given: BTreeMap<String, String> = match &request["job_parameters"] {
        Value::Null => BTreeMap::new(),
        given => serde_json::from_value(given.clone())
            .map_err(|error| ApiError::malformed(format!("Could not parse request object: {error}")))?,
    };
    chosen.sort_by_key(|key| keys.iter().position(|known| known == key));
    let repair = api.jobs.scheduler.repair(id, &chosen, &given).ok_or_else(active)?;
    Ok(Json(json!({ "repair_id": repair })))
}

/// Adds what depends on the chosen tasks, directly or not.
fn add_dependents(run: &Run, chosen: &mut Vec<String>) {
    loop {
        let depends = |key: &String| {
            let before = run.latest(key).map(|task| task.spec["depends_on"].clone()).unwrap_or_default();
            let before: Vec<String> = before
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|dependency| dependency["task_key"].as_str().map(str::to_owned))
                .collect();
            before.iter().any(|key| chosen.contains(key))
        };
        let more: Vec<String> = run.keys().into_iter().filter(|key| !chosen.contains(key) && depends(key)).collect();
        if more.is_empty() {
            return;
        }
        chosen.extend(more);
    }
}

async fn export(State(api): State<Api>, query: Query) -> ApiResult<Json<Value>> {
    let id = id_of(&query)?;
    let views = query.text("views_to_export").unwrap_or("CODE");
    if !matches!(views, "CODE" | "DASHBOARDS" | "ALL") {
        return Err(ApiError::invalid("views_to_export must be CODE, DASHBOARDS or ALL"));
    }
    let path = api.jobs.store().look(id, |run| {
        let task = run.task(id).or_else(|| (run.keys().len() == 1).then(|| run.tasks.last()).flatten())?;
        task.spec["notebook_task"]["notebook_path"].as_str().map(str::to_owned)
    });
    let path = path.ok_or_else(|| no_run(id))?;
    let path = path.ok_or_else(|| ApiError::invalid(format!("Run {id} is not the run of a notebook task.")))?;
    if views == "DASHBOARDS" {
        // A notebook without dashboards has none to export.
        return Ok(Json(json!({})));
    }
    super::files::blocking(move || {
        let path = crate::databricks::workspace::WorkspacePath::parse(&path).map_err(ApiError::invalid)?;
        let notebook = api.jobs.workspace.notebook(&path)?;
        let cells = notebook.cells().into_iter().map(|cell| {
            format!("<pre class=\"{}\">{}</pre>\n", escaped(&cell.magic), escaped(&cell.text))
        });
        let cells: String = cells.collect();
        let name = escaped(path.name());
        let content =
            format!("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>{name}</title></head><body>\n{cells}</body></html>\n");
        Ok(Json(json!({ "views": [{ "content": content, "name": path.name(), "type": "NOTEBOOK" }] })))
    })
    .await
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
