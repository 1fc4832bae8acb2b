//! What a task runs on: one thing, and one that its kind can run on.

use twinhouse_core::Result;

use super::{invalid, not_empty, tasks::Scope};
use crate::jobs::task::{Task, TaskKind};

pub(super) fn check(field: &str, task: &Task, scope: &Scope<'_>) -> Result<()> {
    let at = |name: &str| format!("{field}.{name}");
    let named = [
        ("existing_cluster_id", task.existing_cluster_id.is_some()),
        ("new_cluster", task.new_cluster.is_some()),
        ("job_cluster_key", task.job_cluster_key.is_some()),
    ];
    let named: Vec<_> = named.into_iter().filter(|(_, set)| *set).map(|(name, _)| name).collect();
    if let [first, second, ..] = named[..] {
        return Err(invalid(at(second), &format!("must not be set together with `{first}`")));
    }
    let cluster = named.first().copied();
    match (&task.job_cluster_key, &scope.job_clusters) {
        (Some(_), None) => {
            return Err(invalid(
                at("job_cluster_key"),
                "must not be set: a one-time run has no job clusters; use `new_cluster`, or create a job",
            ));
        }
        (Some(key), Some(known)) if scope.whole && !known.contains(key.as_str()) => {
            return Err(invalid(
                at("job_cluster_key"),
                &format!("must be a key among `job_clusters`; `{key}` is none"),
            ));
        }
        _ => {}
    }
    if let Some(id) = &task.existing_cluster_id {
        not_empty(at("existing_cluster_id"), id)?;
    }
    if let Some(spec) = &task.new_cluster {
        spec.check(&at("new_cluster"))?;
    }
    if let Some(key) = &task.environment_key {
        if let Some(cluster) = cluster {
            return Err(invalid(at("environment_key"), &format!("must not be set together with `{cluster}`")));
        }
        if scope.whole && !scope.environments.contains(key.as_str()) {
            return Err(invalid(
                at("environment_key"),
                &format!("must be a key among `environments`; `{key}` is none"),
            ));
        }
    }
    by_kind(&at, task, cluster)
}

fn by_kind(at: &dyn Fn(&str) -> String, task: &Task, cluster: Option<&str>) -> Result<()> {
    match &task.kind {
        // What runs them is named inside, or is the service itself.
        TaskKind::Sql(_)
        | TaskKind::RunJob(_)
        | TaskKind::Condition(_)
        | TaskKind::ForEach(_)
        | TaskKind::Pipeline(_) => match cluster.or(task.environment_key.as_ref().map(|_| "environment_key")) {
            Some(name) => Err(invalid(at(name), &format!("must not be set for `{}`", task.kind.field()))),
            None => no_libraries(at, task),
        },
        TaskKind::SparkSubmit(_) if !matches!(cluster, Some("new_cluster" | "job_cluster_key")) => {
            Err(invalid(at("new_cluster"), "must be set for `spark_submit_task`"))
        }
        TaskKind::SparkJar(_) | TaskKind::SparkPython(_) | TaskKind::PythonWheel(_) | TaskKind::Dbt(_)
            if cluster.is_none() && task.environment_key.is_none() =>
        {
            Err(invalid(
                at("environment_key"),
                &format!("must be set for `{}` on serverless compute; or name a cluster", task.kind.field()),
            ))
        }
        TaskKind::Other { .. } => Ok(()),
        _ if cluster.is_none() => no_libraries(at, task),
        _ => Ok(()),
    }
}

fn no_libraries(at: &dyn Fn(&str) -> String, task: &Task) -> Result<()> {
    if task.libraries.is_empty() {
        return Ok(());
    }
    Err(invalid(at("libraries"), "must be empty without a cluster; serverless compute has an environment"))
}
