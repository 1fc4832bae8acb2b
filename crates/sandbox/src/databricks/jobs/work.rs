//! What the scheduler needs of whoever does the work of a task.

use std::{collections::BTreeMap, path::PathBuf};

use async_trait::async_trait;
use serde_json::Value;

use super::{run::Output, spec::Task, state::Ending};

/// One try at a task, its references resolved.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    pub(super) run: u64,
    pub(super) job: u64,
    pub(super) task_run: u64,
    pub(super) task: Task,
    /// The job's parameters, which tasks with named parameters are given too.
    pub(super) parameters: BTreeMap<String, String>,
    /// The `environments` of the job.
    pub(super) environments: Value,
    /// What the tasks before it said: task, key, value.
    pub(super) values: BTreeMap<String, BTreeMap<String, Value>>,
    /// Where it leaves its files.
    pub(super) folder: PathBuf,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Finished {
    pub(super) ending: Ending,
    pub(super) output: Output,
}

/// Does the work of notebook, Python, wheel and SQL tasks.
#[async_trait]
pub(super) trait Work: std::fmt::Debug + Send + Sync {
    /// Dropping the future stops the work and everything that it started.
    async fn run(&self, assignment: Assignment) -> Finished;
}
