//! One run of a job, and the runs of its tasks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::{Outcome, Phase};

/// A run of a job, or of tasks that were submitted without one. Times are milliseconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) id: u64,
    /// Newer runs have greater numbers.
    pub(crate) sequence: u64,
    pub(crate) job_id: u64,
    pub(crate) number_in_job: u64,
    pub(crate) name: String,
    /// `JOB_RUN`, `SUBMIT_RUN`
    pub(crate) kind: String,
    /// `ONE_TIME`, `RUN_JOB_TASK`
    pub(crate) trigger: String,
    pub(crate) token: Option<String>,
    /// Everything but the tasks of the job or the submission, as it was when the run began.
    pub(crate) settings: Value,
    pub(crate) parameters: BTreeMap<String, Parameter>,
    /// `overriding_parameters`
    pub(crate) overrides: Value,
    /// The jobs whose task started this run, outermost first.
    pub(crate) ancestors: Vec<u64>,
    pub(crate) phase: Phase,
    pub(crate) start_time: u64,
    /// When it left the queue.
    pub(crate) begun: Option<u64>,
    pub(crate) end_time: Option<u64>,
    /// Every try at every task, oldest first.
    pub(crate) tasks: Vec<TaskRun>,
    /// What for-each tasks ran.
    pub(crate) iterations: Vec<TaskRun>,
    pub(crate) repairs: Vec<Repair>,
}

/// A job's parameter in this run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Parameter {
    pub(crate) default: String,
    pub(crate) value: Option<String>,
}

impl Parameter {
    pub(crate) fn text(&self) -> &str {
        self.value.as_deref().unwrap_or(&self.default)
    }
}

/// One try at one task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TaskRun {
    pub(crate) id: u64,
    pub(crate) key: String,
    pub(crate) attempt: u32,
    /// The task as it was written.
    pub(crate) spec: Value,
    pub(crate) phase: Phase,
    pub(crate) start_time: u64,
    /// When its work began.
    pub(crate) begun: Option<u64>,
    pub(crate) end_time: Option<u64>,
    pub(crate) output: Output,
    /// The for-each task whose iteration this is.
    pub(crate) parent: Option<u64>,
}

/// What a task left behind.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Output {
    pub(crate) error: Option<String>,
    pub(crate) error_trace: Option<String>,
    /// A notebook was exited with a text, which is in a file.
    #[serde(default)]
    pub(crate) result: bool,
    #[serde(default)]
    pub(crate) result_truncated: bool,
    pub(crate) sql: Option<Value>,
    /// The run that a run-job task started.
    pub(crate) run: Option<u64>,
    /// `true` or `false`, of a condition.
    pub(crate) condition: Option<bool>,
    /// The parameters after their references were resolved.
    pub(crate) resolved: Option<Value>,
    /// What the task told the tasks after it.
    #[serde(default)]
    pub(crate) values: BTreeMap<String, Value>,
}

/// A later try at some tasks of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Repair {
    pub(crate) id: u64,
    pub(crate) start_time: u64,
    pub(crate) end_time: Option<u64>,
    pub(crate) task_runs: Vec<u64>,
    pub(crate) phase: Phase,
}

impl Run {
    pub(crate) fn is_over(&self) -> bool {
        self.phase.is_over()
    }

    /// The last try at a task.
    pub(crate) fn latest(&self, key: &str) -> Option<&TaskRun> {
        self.tasks.iter().rev().find(|task| task.key == key)
    }

    /// The outcome of a task that is over.
    pub(crate) fn outcome(&self, key: &str) -> Option<Outcome> {
        self.latest(key)?.phase.ending().map(|ending| ending.outcome)
    }

    /// A task run, an iteration's too.
    pub(crate) fn task(&self, id: u64) -> Option<&TaskRun> {
        self.tasks.iter().chain(&self.iterations).find(|task| task.id == id)
    }

    /// The same, to change it.
    pub(crate) fn task_mut(&mut self, id: u64) -> Option<&mut TaskRun> {
        self.all_tasks_mut().find(|task| task.id == id)
    }

    /// Every task run, iterations too.
    pub(crate) fn all_tasks_mut(&mut self) -> impl Iterator<Item = &mut TaskRun> {
        self.tasks.iter_mut().chain(&mut self.iterations)
    }

    /// The keys in the order of the tasks, each once.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.tasks.iter().filter(|task| task.attempt == 0).map(|task| task.key.clone()).collect()
    }
}

impl TaskRun {
    pub(crate) fn new(id: u64, key: &str, attempt: u32, spec: Value, phase: Phase, now: u64) -> Self {
        Self {
            id,
            key: key.to_owned(),
            attempt,
            spec,
            phase,
            start_time: now,
            begun: None,
            end_time: None,
            output: Output::default(),
            parent: None,
        }
    }
}
