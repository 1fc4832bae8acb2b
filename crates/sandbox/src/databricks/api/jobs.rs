//! `/api/2.2/jobs` and `/api/2.1/jobs`: definitions of jobs, and starting them. Runs are in `jobs_runs`.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    jobs_queries, jobs_runs,
    page::Token,
    reply::{ApiError, ApiResult, Query, body_of},
};
use crate::databricks::jobs::{
    Job, Jobs,
    begin::{of_job, split},
    compile,
    report::{self, PAGE, Page},
    validate,
};

/// The largest request that the service takes here.
const LARGEST: usize = 10 << 20;
/// The longest idempotency token.
const TOKEN: usize = 64;
/// The most jobs of a page.
const LONGEST_PAGE: usize = 100;
/// The most bytes of the old kinds of parameters.
const PARAMETERS: usize = 10_000;

/// The calls of one version.
#[derive(Clone, Debug)]
pub(super) struct Api {
    pub(super) jobs: Jobs,
    /// Version 2.2 tells long lists a page at a time; 2.1 tells them whole.
    pub(super) pages: bool,
}

/// Jobs and their runs, in both versions; and what running notebooks ask for.
pub(crate) fn routes(jobs: Jobs) -> Router {
    let version = |pages| {
        Router::new()
            .route("/create", post(create))
            .route("/get", get(find))
            .route("/list", get(list))
            .route("/update", post(update))
            .route("/reset", post(reset))
            .route("/delete", post(remove))
            .route("/run-now", post(run_now))
            .route("/runs/submit", post(submit))
            .merge(jobs_runs::routes())
            .with_state(Api { jobs: jobs.clone(), pages })
    };
    Router::new()
        .nest("/api/2.1/jobs", version(false))
        .nest("/api/2.2/jobs", version(true))
        .merge(jobs_queries::routes(jobs.queries.clone()))
        .route("/sandbox/notebook", get(notebook).with_state(jobs))
}

impl Api {
    /// The page of tasks that a call asks for.
    pub(super) fn page(&self, query: &Query) -> ApiResult<Page> {
        if !self.pages {
            return Ok(Page::ALL);
        }
        let from = match Token::of(query)? {
            Some(token) => token.after.parse().map_err(|_| ApiError::invalid("Invalid page token"))?,
            None => 0,
        };
        Ok(Page { from, size: PAGE })
    }
}

/// Where a list goes on.
pub(super) fn token(after: impl ToString) -> Value {
    Token { after: after.to_string(), empty: false }.encode().into()
}

/// A request of this size at most.
pub(super) fn request(body: &Bytes) -> ApiResult<Value> {
    if body.len() > LARGEST {
        return Err(ApiError::invalid(format!("The request has {} bytes; {LARGEST} are the most", body.len())));
    }
    let mut request: Value = body_of(body)?;
    drop_nulls(&mut request);
    if request.is_object() { Ok(request) } else { Err(ApiError::malformed("The request is not a JSON object")) }
}

/// A field that is null is not there.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn job_id(request: &Value) -> ApiResult<u64> {
    let id = &request["job_id"];
    let id = id.as_u64().or_else(|| id.as_str()?.parse().ok());
    id.ok_or_else(|| ApiError::invalid("Missing required field: job_id"))
}

/// The service says so with 400; its clients make 404 of it.
pub(super) fn no_job(id: u64) -> ApiError {
    ApiError::invalid(format!("Job {id} does not exist."))
}

fn existing(api: &Api, id: u64) -> ApiResult<Job> {
    api.jobs.store().job(id).ok_or_else(|| no_job(id))
}

async fn create(State(api): State<Api>, body: Bytes) -> ApiResult<Json<Value>> {
    let mut settings = request(&body)?;
    validate::job(&mut settings, api.jobs.store(), None)?;
    let id = api.jobs.store().create_job(settings)?;
    Ok(Json(json!({ "job_id": id })))
}

async fn find(State(api): State<Api>, query: Query) -> ApiResult<Json<Value>> {
    let id = query.required("job_id")?;
    let id = id.parse().map_err(|_| ApiError::invalid(format!("Invalid value for job_id: '{id}'")))?;
    let page = api.page(&query)?;
    let (mut told, next) = report::job(&existing(&api, id)?, Some(page), true);
    if let Some(next) = next {
        told["next_page_token"] = token(next);
    }
    if api.pages {
        told["has_more"] = json!(next.is_some());
    }
    Ok(Json(told))
}

async fn list(State(api): State<Api>, query: Query) -> ApiResult<Json<Value>> {
    let limit = match query.count("limit")? {
        None => 20,
        Some(limit @ 1..=LONGEST_PAGE) => limit,
        Some(limit) => {
            return Err(ApiError::invalid(format!("Invalid limit: {limit} is not from 1 to {LONGEST_PAGE}")));
        }
    };
    let after = match Token::of(&query)? {
        Some(token) => token.after.parse().map_err(|_| ApiError::invalid("Invalid page token"))?,
        None => u64::MAX,
    };
    let expand = query.flag("expand_tasks")?;
    let name = query.text("name").map(str::to_lowercase);
    let skip = query.count("offset")?.unwrap_or_default();
    let named = |job: &Job| {
        name.as_ref().is_none_or(|name| job.settings["name"].as_str().unwrap_or_default().to_lowercase() == *name)
    };
    let jobs = api.jobs.store().jobs().into_iter().filter(|job| job.sequence < after && named(job));
    let mut jobs: Vec<Job> = jobs.skip(skip).take(limit + 1).collect();
    let more = jobs.len() > limit;
    jobs.truncate(limit);
    let page = if api.pages { Page { from: 0, size: PAGE } } else { Page::ALL };
    let told: Vec<Value> = jobs
        .iter()
        .map(|job| {
            let (mut told, next) = report::job(job, expand.then_some(page), false);
            if expand && api.pages {
                told["has_more"] = json!(next.is_some());
            }
            told
        })
        .collect();
    let mut answer = json!({ "has_more": more });
    if !told.is_empty() {
        answer["jobs"] = json!(told);
    }
    if let Some(last) = jobs.last().filter(|_| more) {
        answer["next_page_token"] = token(last.sequence);
    }
    Ok(Json(answer))
}

async fn reset(State(api): State<Api>, body: Bytes) -> ApiResult<Json<Value>> {
    let mut request = request(&body)?;
    let id = job_id(&request)?;
    existing(&api, id)?;
    let mut settings = request["new_settings"].take();
    validate::job(&mut settings, api.jobs.store(), Some(id))?;
    if api.jobs.store().set_job(id, settings)? { Ok(Json(json!({}))) } else { Err(no_job(id)) }
}

async fn update(State(api): State<Api>, body: Bytes) -> ApiResult<Json<Value>> {
    let mut request = request(&body)?;
    let id = job_id(&request)?;
    let mut settings = existing(&api, id)?.settings;
    for path in request["fields_to_remove"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        remove_field(&mut settings, path);
    }
    if let (Value::Object(new), Value::Object(settings)) = (request["new_settings"].take(), &mut settings) {
        for (name, value) in new {
            change_field(settings, name, value);
        }
    }
    validate::job(&mut settings, api.jobs.store(), Some(id))?;
    if api.jobs.store().set_job(id, settings)? { Ok(Json(json!({}))) } else { Err(no_job(id)) }
}

/// The field by which the elements of a list are known.
fn key_of(list: &str) -> Option<&'static str> {
    match list {
        "tasks" => Some("task_key"),
        "job_clusters" => Some("job_cluster_key"),
        "environments" => Some("environment_key"),
        _ => None,
    }
}

/// `name` goes whole, `tasks/key` only that element.
fn remove_field(settings: &mut Value, path: &str) {
    let Some(fields) = settings.as_object_mut() else { return };
    match path.split_once('/') {
        None => drop(fields.remove(path)),
        Some((list, key)) => {
            let (Some(name), Some(Value::Array(items))) = (key_of(list), fields.get_mut(list)) else { return };
            items.retain(|item| item[name].as_str() != Some(key));
        }
    }
}

/// Lists of elements with keys are merged by them; everything else is replaced.
fn change_field(settings: &mut Map<String, Value>, name: String, value: Value) {
    let merged = match (key_of(&name), settings.get(&name), &value) {
        (Some(key), Some(Value::Array(old)), Value::Array(new)) => {
            let mut merged = old.clone();
            for item in new {
                match merged.iter_mut().find(|old| old[key] == item[key]) {
                    Some(old) => *old = item.clone(),
                    None => merged.push(item.clone()),
                }
            }
            json!(merged)
        }
        _ => value,
    };
    settings.insert(name, merged);
}

async fn remove(State(api): State<Api>, body: Bytes) -> ApiResult<Json<Value>> {
    let id = job_id(&request(&body)?)?;
    if api.jobs.store().remove_job(id)? { Ok(Json(json!({}))) } else { Err(no_job(id)) }
}

fn idempotency_token(request: &Value) -> ApiResult<Option<String>> {
    match request["idempotency_token"].as_str().filter(|token| !token.is_empty()) {
        Some(token) if token.len() > TOKEN => {
            Err(ApiError::invalid(format!("idempotency_token must have at most {TOKEN} characters")))
        }
        token => Ok(token.map(str::to_owned)),
    }
}

fn deleted(token: Option<String>) -> ApiError {
    let token = token.unwrap_or_default();
    ApiError::invalid(format!("The run with the idempotency token '{token}' was deleted"))
}

async fn submit(State(api): State<Api>, body: Bytes) -> ApiResult<Json<Value>> {
    let mut settings = request(&body)?;
    let token = idempotency_token(&settings)?;
    validate::submission(&mut settings, api.jobs.store())?;
    let (settings, tasks) = split(&settings);
    let begin = crate::databricks::jobs::Begin {
        job: None,
        name: settings["name"].as_str().unwrap_or_default().to_owned(),
        settings,
        tasks,
        token: token.clone(),
        parameters: BTreeMap::new(),
        overrides: Value::Null,
        trigger: "ONE_TIME",
        ancestors: Vec::new(),
    };
    match api.jobs.scheduler.begin(begin)? {
        Some(id) => Ok(Json(json!({ "run_id": id }))),
        None => Err(deleted(token)),
    }
}

/// The parameters that older clients give, one kind for each kind of task.
#[derive(Debug, Default, Deserialize)]
struct OldParameters {
    notebook_params: Option<BTreeMap<String, Value>>,
    python_params: Option<Vec<String>>,
    python_named_params: Option<BTreeMap<String, Value>>,
    sql_params: Option<BTreeMap<String, Value>>,
}

impl OldParameters {
    fn apply(&self, task: &mut Value) {
        let put = |task: &mut Value, kind: &str, field: &str, values: &BTreeMap<String, Value>| {
            if !task[kind].is_object() {
                return;
            }
            for (name, value) in values {
                task[kind][field][name] = value.clone();
            }
        };
        if let Some(values) = &self.notebook_params {
            put(task, "notebook_task", "base_parameters", values);
        }
        if let Some(values) = &self.python_named_params {
            put(task, "python_wheel_task", "named_parameters", values);
        }
        if let Some(values) = &self.sql_params {
            put(task, "sql_task", "parameters", values);
        }
        if let Some(values) = &self.python_params {
            for kind in ["spark_python_task", "python_wheel_task"] {
                if task[kind].is_object() {
                    task[kind]["parameters"] = json!(values);
                }
            }
        }
        if task["for_each_task"]["task"].is_object() {
            self.apply(&mut task["for_each_task"]["task"]);
        }
    }
}

async fn run_now(State(api): State<Api>, body: Bytes) -> ApiResult<Json<Value>> {
    let request = request(&body)?;
    let job = existing(&api, job_id(&request)?)?;
    let token = idempotency_token(&request)?;
    for refused in ["jar_params", "spark_submit_params", "dbt_commands", "pipeline_params"] {
        let given = &request[refused];
        if !given.is_null() && given.as_array().is_none_or(|values| !values.is_empty()) {
            return Err(ApiError::not_implemented(format_args!("{refused}")));
        }
    }
    let kinds = ["job_parameters", "notebook_params", "python_params", "python_named_params", "sql_params"];
    let mut overrides = Map::new();
    for kind in kinds {
        let given = &request[kind];
        if given.is_null() {
            continue;
        }
        if given.to_string().len() > PARAMETERS && kind != "job_parameters" {
            return Err(ApiError::invalid(format!("{kind} must have at most {PARAMETERS} bytes of JSON")));
        }
        overrides.insert(kind.to_owned(), given.clone());
    }
    let declares = job.settings["parameters"].as_array().is_some_and(|parameters| !parameters.is_empty());
    if declares && overrides.keys().any(|kind| kind != "job_parameters") {
        let text = "The job has job parameters: only job_parameters may be given, not parameters of tasks";
        return Err(ApiError::invalid(text));
    }
    let read = |error: serde_json::Error| ApiError::malformed(format!("Could not parse request object: {error}"));
    let old: OldParameters = serde_json::from_value(request.clone()).map_err(read)?;
    let given: BTreeMap<String, String> = match &request["job_parameters"] {
        Value::Null => BTreeMap::new(),
        given => serde_json::from_value(given.clone()).map_err(read)?,
    };
    let overrides = if overrides.is_empty() { Value::Null } else { Value::Object(overrides) };
    let mut begin = of_job(&job, &given, overrides);
    begin.token.clone_from(&token);
    if !request["queue"].is_null() {
        begin.settings["queue"] = request["queue"].clone();
    }
    if let Some(only) = request["only"].as_array().filter(|only| !only.is_empty()) {
        keep_only(&mut begin.tasks, only)?;
    }
    if begin.tasks.is_empty() {
        return Err(ApiError::invalid(format!("Job {} has no tasks to run", job.id)));
    }
    for task in &mut begin.tasks {
        old.apply(task);
    }
    match api.jobs.scheduler.begin(begin)? {
        Some(id) => {
            let number = api.jobs.store().look(id, |run| run.number_in_job);
            Ok(Json(json!({ "run_id": id, "number_in_job": number })))
        }
        None => Err(deleted(token)),
    }
}

/// Leaves the named tasks, and of their dependencies those that are left.
fn keep_only(tasks: &mut Vec<Value>, only: &[Value]) -> ApiResult<()> {
    if let Some(unknown) = only.iter().find(|key| !tasks.iter().any(|task| task["task_key"] == **key)) {
        return Err(ApiError::invalid(format!("The job has no task {unknown}")));
    }
    tasks.retain(|task| only.contains(&task["task_key"]));
    for task in tasks {
        if let Some(before) = task["depends_on"].as_array_mut() {
            before.retain(|dependency| only.contains(&dependency["task_key"]));
        }
    }
    Ok(())
}

/// For the process of a notebook task: the cells of a notebook.
async fn notebook(State(jobs): State<Jobs>, query: Query) -> ApiResult<Json<Value>> {
    let path = query.required("path")?.to_owned();
    let from = query.text("from").map(str::to_owned);
    super::files::blocking(move || compile(&jobs.workspace, &path, from.as_deref()).map(Json)).await
}
