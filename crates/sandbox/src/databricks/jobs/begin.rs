//! From a job and a request to run it to a run that may begin.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{run::Parameter, scheduler::Begin, spec::plain, store::Job};

/// A run of a job that another job's task asks for.
pub(super) fn job_run(job: &Job, parameters: &BTreeMap<String, String>, ancestors: Vec<u64>) -> Begin {
    let overrides = if parameters.is_empty() { Value::Null } else { json!({ "job_parameters": parameters }) };
    Begin { trigger: "RUN_JOB_TASK", ancestors, ..of_job(job, parameters, overrides) }
}

/// A run of a job with these parameters.
pub(crate) fn of_job(job: &Job, parameters: &BTreeMap<String, String>, overrides: Value) -> Begin {
    let (settings, tasks) = split(&job.settings);
    Begin {
        job: Some(job.id),
        name: settings["name"].as_str().unwrap_or("Untitled").to_owned(),
        parameters: merged(&settings, parameters),
        settings,
        tasks,
        token: None,
        overrides,
        trigger: "ONE_TIME",
        ancestors: Vec::new(),
    }
}

/// The settings and their tasks, apart.
pub(crate) fn split(settings: &Value) -> (Value, Vec<Value>) {
    let mut settings = settings.clone();
    let tasks = settings.as_object_mut().and_then(|fields: &mut Map<String, Value>| fields.remove("tasks"));
    let tasks = match tasks {
        Some(Value::Array(tasks)) => tasks,
        _ => Vec::new(),
    };
    (settings, tasks)
}

/// The parameters that a job declares, and those that a run gives.
fn merged(settings: &Value, given: &BTreeMap<String, String>) -> BTreeMap<String, Parameter> {
    let declared = settings["parameters"].as_array().into_iter().flatten().filter_map(|parameter| {
        let name = parameter["name"].as_str()?.to_owned();
        Some((name, Parameter { default: plain(&parameter["default"]), value: None }))
    });
    let mut merged: BTreeMap<String, Parameter> = declared.collect();
    for (name, value) in given {
        let parameter = merged.entry(name.clone()).or_insert_with(|| Parameter { default: String::new(), value: None });
        parameter.value = Some(value.clone());
    }
    merged
}
