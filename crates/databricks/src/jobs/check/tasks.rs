//! Tasks: keys, what waits for what, what each kind needs.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use twinhouse_core::Result;

use super::{at_most, compute, invalid, key, not_empty, unique};
use crate::jobs::{
    settings::{Source, check_webhooks},
    task::{DbtTask, ForEachTask, PythonWheelTask, SqlTask, Task, TaskKind},
};

/// What the service takes in one request.
const MOST_TASKS: usize = 1000;
const MOST_AT_ONCE: u64 = 100;
/// The limit of the older, per-kind parameters, which tasks have too.
const MOST_PARAMETER_BYTES: usize = 10_000;

/// What tasks may refer to.
#[derive(Debug)]
pub(in crate::jobs) struct Scope<'a> {
    pub(in crate::jobs) environments: HashSet<&'a str>,
    /// `None`: there can be none.
    pub(in crate::jobs) job_clusters: Option<HashSet<&'a str>>,
    pub(in crate::jobs) has_git: bool,
    /// Whether all that tasks refer to must be here.
    pub(in crate::jobs) whole: bool,
}

pub(in crate::jobs) fn tasks(tasks: &[Task], scope: &Scope<'_>) -> Result<()> {
    at_most("tasks", tasks.len(), MOST_TASKS)?;
    for (at, task) in tasks.iter().enumerate() {
        one(&format!("tasks[{at}]"), task, scope)?;
    }
    let keys = unique(|at| format!("tasks[{at}].task_key"), tasks.iter().map(|task| task.task_key.as_str()))?;
    let kinds: HashMap<_, _> = tasks.iter().map(|task| (task.task_key.as_str(), &task.kind)).collect();
    for (at, task) in tasks.iter().enumerate() {
        for (nth, dependency) in task.depends_on.iter().enumerate() {
            let field = |name: &str| format!("tasks[{at}].depends_on[{nth}].{name}");
            let on = dependency.task_key.as_str();
            if on == task.task_key {
                return Err(invalid(field("task_key"), "must not be the task's own key"));
            }
            if scope.whole && !keys.contains(on) {
                return Err(invalid(field("task_key"), &format!("must be the key of a task; `{on}` is none")));
            }
            match (&dependency.outcome, kinds.get(on)) {
                (Some(outcome), _) if outcome != "true" && outcome != "false" => {
                    return Err(invalid(field("outcome"), "must be `true` or `false`"));
                }
                (Some(_), Some(kind)) if !matches!(kind, TaskKind::Condition(_) | TaskKind::Other { .. }) => {
                    return Err(invalid(field("outcome"), "must be of a condition task"));
                }
                _ => {}
            }
        }
    }
    cycle(tasks)
}

/// Follows the tasks whose dependencies are done; what is left over waits for itself.
fn cycle(tasks: &[Task]) -> Result<()> {
    let keys: HashSet<_> = tasks.iter().map(|task| task.task_key.as_str()).collect();
    let mut waits: HashMap<&str, usize> = HashMap::new();
    let mut next: HashMap<&str, Vec<&str>> = HashMap::new();
    for task in tasks {
        let on: HashSet<_> =
            task.depends_on.iter().map(|on| on.task_key.as_str()).filter(|on| keys.contains(on)).collect();
        waits.insert(&task.task_key, on.len());
        for on in on {
            next.entry(on).or_default().push(&task.task_key);
        }
    }
    let mut free: Vec<_> = waits.iter().filter(|(_, waits)| **waits == 0).map(|(key, _)| *key).collect();
    let mut done = HashSet::new();
    while let Some(key) = free.pop() {
        done.insert(key);
        for after in next.get(key).into_iter().flatten() {
            if let Some(left) = waits.get_mut(after) {
                *left -= 1;
                if *left == 0 {
                    free.push(after);
                }
            }
        }
    }
    match tasks.iter().enumerate().find(|(_, task)| !done.contains(task.task_key.as_str())) {
        Some((at, task)) => Err(invalid(
            format!("tasks[{at}].depends_on"),
            &format!("must not form a cycle; `{}` waits for itself", task.task_key),
        )),
        None => Ok(()),
    }
}

fn one(field: &str, task: &Task, scope: &Scope<'_>) -> Result<()> {
    let at = |name: &str| format!("{field}.{name}");
    key(at("task_key"), &task.task_key)?;
    if task.max_retries.is_some_and(|retries| retries < -1) {
        return Err(invalid(at("max_retries"), "must be -1 or more"));
    }
    for (nth, library) in task.libraries.iter().enumerate() {
        library.check(&at(&format!("libraries[{nth}]")))?;
    }
    check_webhooks(&at("webhook_notifications"), task.webhook_notifications.as_ref())?;
    kind(field, task, scope)?;
    compute::check(field, task, scope)
}

fn kind(field: &str, task: &Task, scope: &Scope<'_>) -> Result<()> {
    let at = |name: &str| format!("{field}.{}.{name}", task.kind.field());
    match &task.kind {
        TaskKind::Notebook(notebook) => {
            path(at("notebook_path"), &notebook.notebook_path, notebook.source.as_ref(), scope)?;
            bytes(at("base_parameters"), &notebook.base_parameters)
        }
        TaskKind::SparkJar(jar) => {
            not_empty(at("main_class_name"), &jar.main_class_name)?;
            bytes(at("parameters"), &jar.parameters)
        }
        TaskKind::SparkPython(python) => {
            not_empty(at("python_file"), &python.python_file)?;
            git(at("source"), python.source.as_ref(), scope)?;
            bytes(at("parameters"), &python.parameters)
        }
        TaskKind::SparkSubmit(submit) => {
            if submit.parameters.is_empty() {
                return Err(invalid(at("parameters"), "must not be empty"));
            }
            bytes(at("parameters"), &submit.parameters)
        }
        TaskKind::PythonWheel(PythonWheelTask { package_name, entry_point, parameters, named_parameters, .. }) => {
            not_empty(at("package_name"), package_name)?;
            not_empty(at("entry_point"), entry_point)?;
            if !parameters.is_empty() && !named_parameters.is_empty() {
                return Err(invalid(at("named_parameters"), "must not be set together with `parameters`"));
            }
            bytes(at("parameters"), parameters)?;
            bytes(at("named_parameters"), named_parameters)
        }
        TaskKind::Sql(sql) => sql_task(&at, sql, scope),
        TaskKind::Dbt(dbt) => dbt_task(&at, dbt, scope),
        TaskKind::RunJob(run) => {
            if run.job_id.0 == 0 {
                Err(invalid(at("job_id"), "must be set"))
            } else {
                Ok(())
            }
        }
        TaskKind::Condition(condition) => {
            not_empty(at("left"), &condition.left)?;
            not_empty(at("right"), &condition.right)
        }
        TaskKind::ForEach(each) => for_each(&at, each, scope),
        TaskKind::Pipeline(pipeline) => not_empty(at("pipeline_id"), &pipeline.pipeline_id),
        TaskKind::Other { field: name, .. } if name.is_empty() => {
            Err(invalid(field, "must have a kind, such as `notebook_task`"))
        }
        TaskKind::Other { .. } => Ok(()),
    }
}

fn sql_task(at: &dyn Fn(&str) -> String, sql: &SqlTask, scope: &Scope<'_>) -> Result<()> {
    not_empty(at("warehouse_id"), &sql.warehouse_id)?;
    let what = [sql.query.is_some(), sql.file.is_some(), sql.dashboard.is_some(), sql.alert.is_some()];
    let what = what.into_iter().filter(|set| *set).count();
    if what > 1 || (what == 0 && sql.rest.is_empty()) {
        return Err(invalid(at("query"), "must be set, or one of `file`, `dashboard` and `alert` instead"));
    }
    if let Some(query) = &sql.query {
        not_empty(at("query.query_id"), &query.query_id)?;
    }
    if let Some(file) = &sql.file {
        path(at("file.path"), &file.path, file.source.as_ref(), scope)?;
    }
    if let Some(dashboard) = &sql.dashboard {
        not_empty(at("dashboard.dashboard_id"), &dashboard.dashboard_id)?;
    }
    if let Some(alert) = &sql.alert {
        not_empty(at("alert.alert_id"), &alert.alert_id)?;
    }
    bytes(at("parameters"), &sql.parameters)
}

fn dbt_task(at: &dyn Fn(&str) -> String, dbt: &DbtTask, scope: &Scope<'_>) -> Result<()> {
    if dbt.commands.is_empty() {
        return Err(invalid(at("commands"), "must not be empty"));
    }
    for (nth, command) in dbt.commands.iter().enumerate() {
        if command.split_whitespace().next() != Some("dbt") {
            return Err(invalid(at(&format!("commands[{nth}]")), "must begin with `dbt`"));
        }
    }
    git(at("source"), dbt.source.as_ref(), scope)?;
    if dbt.profiles_directory.is_some() && dbt.warehouse_id.is_some() {
        return Err(invalid(at("profiles_directory"), "must not be set together with `warehouse_id`"));
    }
    if dbt.catalog.is_some() && dbt.warehouse_id.is_none() {
        return Err(invalid(at("catalog"), "must not be set without `warehouse_id`"));
    }
    bytes(at("commands"), &dbt.commands)
}

fn for_each(at: &dyn Fn(&str) -> String, each: &ForEachTask, scope: &Scope<'_>) -> Result<()> {
    let is_reference = each.inputs.trim_start().starts_with("{{");
    if !is_reference && !matches!(serde_json::from_str(&each.inputs), Ok(Value::Array(_))) {
        return Err(invalid(at("inputs"), "must be a JSON array, or a reference in double braces"));
    }
    if each.concurrency.is_some_and(|many| many == 0 || many > MOST_AT_ONCE) {
        return Err(invalid(at("concurrency"), &format!("must be 1 to {MOST_AT_ONCE}")));
    }
    if matches!(each.task.kind, TaskKind::ForEach(_)) {
        return Err(invalid(at("task.for_each_task"), "must not be inside another"));
    }
    if !each.task.depends_on.is_empty() {
        return Err(invalid(at("task.depends_on"), "must be empty: what waits is the task around it"));
    }
    one(&at("task"), &each.task, scope)
}

/// A path in the workspace begins at its root, one in a repository does not.
fn path(field: String, path: &str, source: Option<&Source>, scope: &Scope<'_>) -> Result<()> {
    not_empty(field.as_str(), path)?;
    git(field.as_str(), source, scope)?;
    let in_git = match source {
        Some(Source::Git) => true,
        Some(_) => false,
        None => scope.has_git,
    };
    match (in_git, path.starts_with('/')) {
        // What was not sent whole may have its repository on the server.
        (false, false) if scope.whole => Err(invalid(field, "must begin with `/`: it is a path in the workspace")),
        (true, true) => Err(invalid(field, "must not begin with `/`: it is a path in a repository")),
        _ => Ok(()),
    }
}

fn git(field: impl Into<String>, source: Option<&Source>, scope: &Scope<'_>) -> Result<()> {
    if source == Some(&Source::Git) && !scope.has_git && scope.whole {
        return Err(invalid(field, "must not come from `GIT`: there is no `git_source`"));
    }
    Ok(())
}

/// Parameters have a limit of their own, as JSON.
pub(in crate::jobs) fn bytes<T: serde::Serialize>(field: String, parameters: &T) -> Result<()> {
    let json = serde_json::to_string(parameters).unwrap_or_default();
    if json.len() > MOST_PARAMETER_BYTES {
        return Err(invalid(
            field,
            &format!("must have at most {MOST_PARAMETER_BYTES} bytes as JSON, not {}", json.len()),
        ));
    }
    Ok(())
}
