//! Asking for a run of what is kept: a job, or what failed in a run.

use std::collections::BTreeMap;

use serde::Serialize;
use twinhouse_core::Result;
use twinhouse_warehouse_api::OnDrop;

use crate::jobs::{
    IdempotencyToken, JobId, RepairId, RunId,
    check::{self, bytes, invalid},
    macros::{is_default, queue_setters, setters},
    settings::{PerformanceTarget, QueueSettings},
};

/// What a run of a job is given in place of what the job says.
///
/// `job_parameters` are the way; the others are for jobs that have none, each for tasks of its kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunParameters {
    /// Parameters of the job.
    #[serde(skip_serializing_if = "is_default")]
    pub job_parameters: BTreeMap<String, String>,
    /// Of notebooks.
    #[serde(skip_serializing_if = "is_default")]
    pub notebook_params: BTreeMap<String, String>,
    /// Of JARs.
    #[serde(skip_serializing_if = "is_default")]
    pub jar_params: Vec<String>,
    /// Of Python files.
    #[serde(skip_serializing_if = "is_default")]
    pub python_params: Vec<String>,
    /// Of Python wheels, by name.
    #[serde(skip_serializing_if = "is_default")]
    pub python_named_params: BTreeMap<String, String>,
    /// Of `spark-submit`.
    #[serde(skip_serializing_if = "is_default")]
    pub spark_submit_params: Vec<String>,
    /// Of SQL.
    #[serde(skip_serializing_if = "is_default")]
    pub sql_params: BTreeMap<String, String>,
    /// Commands of dbt.
    #[serde(skip_serializing_if = "is_default")]
    pub dbt_commands: Vec<String>,
}

impl RunParameters {
    fn check(&self) -> Result<()> {
        bytes("job_parameters".into(), &self.job_parameters)?;
        bytes("notebook_params".into(), &self.notebook_params)?;
        bytes("jar_params".into(), &self.jar_params)?;
        bytes("python_params".into(), &self.python_params)?;
        bytes("python_named_params".into(), &self.python_named_params)?;
        bytes("spark_submit_params".into(), &self.spark_submit_params)?;
        bytes("sql_params".into(), &self.sql_params)?;
        bytes("dbt_commands".into(), &self.dbt_commands)?;
        if !self.notebook_params.is_empty() && !self.jar_params.is_empty() {
            return Err(invalid("notebook_params", "must not be set together with `jar_params`"));
        }
        Ok(())
    }
}

/// A run of a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunNow {
    /// The job.
    pub job_id: JobId,
    /// Names the run, so that it happens once. Without one, a random one is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_token: Option<IdempotencyToken>,
    /// What it is given in place of what the job says.
    #[serde(flatten)]
    pub parameters: RunParameters,
    /// Only these tasks of the job.
    #[serde(skip_serializing_if = "is_default")]
    pub only: Vec<String>,
    /// Whether it waits where it cannot begin.
    #[serde(skip_serializing_if = "is_default")]
    pub queue: Option<QueueSettings>,
    /// How soon serverless compute begins.
    #[serde(skip_serializing_if = "is_default")]
    pub performance_target: Option<PerformanceTarget>,
    /// What becomes of the run if its handle is dropped before it is over. Unless said, it goes on.
    #[serde(skip)]
    pub on_drop: OnDrop,
}

impl RunNow {
    /// A run of this job, as the job says.
    pub fn new(job: impl Into<JobId>) -> Self {
        Self {
            job_id: job.into(),
            idempotency_token: None,
            parameters: RunParameters::default(),
            only: Vec::new(),
            queue: None,
            performance_target: None,
            on_drop: OnDrop::Detach,
        }
    }

    queue_setters! {}
    setters! {
        /// Names the run, so that it happens once.
        with_token(idempotency_token: some IdempotencyToken);
        /// Replaces what it is given.
        with_run_parameters(parameters: set RunParameters);
        /// One more of the tasks that are run instead of all.
        with_only(only: push String);
        /// What becomes of the run if its handle is dropped before it is over.
        with_on_drop(on_drop: set OnDrop);
    }

    /// A parameter of the job.
    #[must_use]
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.job_parameters.insert(name.into(), value.into());
        self
    }

    /// Looks at it without sending it, as [`run_now`](crate::jobs::Jobs::run_now) does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput), with the `field` as context.
    pub fn check(&self) -> Result<()> {
        if self.job_id.0 == 0 {
            return Err(invalid("job_id", "must be set"));
        }
        for (at, key) in self.only.iter().enumerate() {
            // `+` before or after a key adds what it waits for, or what waits for it.
            check::key(format!("only[{at}]"), key.trim_matches('+'))?;
        }
        self.parameters.check()
    }
}

/// Another try of what failed in a run, or of tasks by their keys.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RepairRun {
    /// The run.
    pub run_id: RunId,
    /// The tasks to run again.
    #[serde(skip_serializing_if = "is_default")]
    pub rerun_tasks: Vec<String>,
    /// Everything that failed, instead.
    #[serde(skip_serializing_if = "is_default")]
    pub rerun_all_failed_tasks: Option<bool>,
    /// With `rerun_tasks`: those that wait for them too.
    #[serde(skip_serializing_if = "is_default")]
    pub rerun_dependent_tasks: Option<bool>,
    /// The repair before this one; needed from the second on. The service refuses if there has been another since.
    #[serde(skip_serializing_if = "is_default")]
    pub latest_repair_id: Option<RepairId>,
    /// What it is given in place of what the job says.
    #[serde(flatten)]
    pub parameters: RunParameters,
}

impl RepairRun {
    /// Everything that failed in this run.
    pub fn failed(run: impl Into<RunId>) -> Self {
        Self { rerun_all_failed_tasks: Some(true), ..Self::empty(run.into()) }
    }

    /// These tasks of this run.
    pub fn tasks(run: impl Into<RunId>, keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { rerun_tasks: keys.into_iter().map(Into::into).collect(), ..Self::empty(run.into()) }
    }

    fn empty(run_id: RunId) -> Self {
        Self {
            run_id,
            rerun_tasks: Vec::new(),
            rerun_all_failed_tasks: None,
            rerun_dependent_tasks: None,
            latest_repair_id: None,
            parameters: RunParameters::default(),
        }
    }

    setters! {
        /// Those that wait for the tasks, too.
        with_dependents(rerun_dependent_tasks: value bool);
        /// The repair before this one.
        with_latest_repair(latest_repair_id: some RepairId);
        /// Replaces what it is given.
        with_run_parameters(parameters: set RunParameters);
    }

    pub(in crate::jobs) fn check(&self) -> Result<()> {
        if self.run_id.0 == 0 {
            return Err(invalid("run_id", "must be set"));
        }
        for (at, key) in self.rerun_tasks.iter().enumerate() {
            check::key(format!("rerun_tasks[{at}]"), key)?;
        }
        match (self.rerun_tasks.is_empty(), self.rerun_all_failed_tasks) {
            (true, Some(true)) if self.rerun_dependent_tasks.is_some() => {
                Err(invalid("rerun_dependent_tasks", "must not be set together with `rerun_all_failed_tasks`"))
            }
            (true, Some(true)) | (false, None | Some(false)) => self.parameters.check(),
            _ => Err(invalid("rerun_tasks", "must be set, or `rerun_all_failed_tasks`, and not both")),
        }
    }
}
