//! A task: what it does, on what, after what.

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};

use super::{
    ConditionOp, ConditionTask, DbtTask, ForEachTask, NotebookTask, PipelineTask, PythonWheelTask, RunJobTask,
    SparkJarTask, SparkPythonTask, SparkSubmitTask, SqlTask, TaskKind,
};
use crate::jobs::{
    JobId,
    cluster::ClusterSpec,
    macros::{notice_setters, record, setters, words},
    settings::{EmailNotifications, JobsHealthRules, Library, NotificationSettings, WebhookNotifications},
};

words! {
    /// Of those that a task depends on, which must have come out how for it to run.
    RunIf {
        /// All have succeeded. So it is unless said.
        AllSuccess = "ALL_SUCCESS",
        /// One has succeeded.
        AtLeastOneSuccess = "AT_LEAST_ONE_SUCCESS",
        /// None has failed, and one has run.
        NoneFailed = "NONE_FAILED",
        /// All are over, however.
        AllDone = "ALL_DONE",
        /// One has failed.
        AtLeastOneFailed = "AT_LEAST_ONE_FAILED",
        /// All have failed.
        AllFailed = "ALL_FAILED",
    }
}

record! {
    /// A task that another waits for.
    TaskDependency {
        /// Its key.
        task_key: String,
        ;
        /// Of a condition: `true` or `false`.
        outcome: Option<String>,
    }
}

/// What a task runs on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Compute {
    /// What the service has.
    Serverless,
    /// A cluster that is there, by its id.
    Existing(String),
    /// A cluster made for it.
    New(Box<ClusterSpec>),
}

impl From<ClusterSpec> for Compute {
    fn from(spec: ClusterSpec) -> Self {
        Self::New(Box::new(spec))
    }
}

record! {
    /// A task. Fields that this crate does not know are kept in `rest`.
    ///
    /// ```
    /// use twinhouse_databricks::jobs::{Task, task::RunIf};
    ///
    /// let load = Task::notebook("load", "/Shared/load");
    /// let report = Task::spark_python("report", "/Workspace/Shared/report.py").with_environment("default").after("load");
    /// let tidy = Task::sql_file("tidy", "warehouse", "/Shared/tidy.sql").after("report").with_run_if(RunIf::AllDone);
    /// # let _ = (load, report, tidy);
    /// ```
    #[serde(remote = "Self")]
    Task {
        /// Its key: 1 to 100 letters, digits, `_` and `-`.
        task_key: String,
        /// What it does.
        #[serde(skip, default = "TaskKind::none")]
        kind: TaskKind,
        ;
        /// The tasks that it waits for.
        depends_on: Vec<TaskDependency>,
        /// How those must have come out for it to run.
        run_if: Option<RunIf>,
        /// What it is for.
        description: Option<String>,
        /// A cluster that is there. Without this, `new_cluster` and `job_cluster_key` it runs on serverless compute.
        existing_cluster_id: Option<String>,
        /// A cluster made for it.
        new_cluster: Option<ClusterSpec>,
        /// One of the job's shared clusters. One-time runs have none.
        job_cluster_key: Option<String>,
        /// One of the job's or run's environments, for code on serverless compute.
        environment_key: Option<String>,
        /// What its cluster installs before it begins.
        libraries: Vec<Library>,
        /// How long an attempt may take, in seconds; 0: without end.
        timeout_seconds: Option<u64>,
        /// How often it is tried again after a failure; -1: without end.
        max_retries: Option<i64>,
        /// How long there is between attempts at least, in milliseconds.
        min_retry_interval_millis: Option<u64>,
        /// Whether it is tried again after it ran out of time.
        retry_on_timeout: Option<bool>,
        /// Whether it is left out.
        disabled: Option<bool>,
        /// When it is not well.
        health: Option<JobsHealthRules>,
        /// Whom to write to.
        email_notifications: Option<EmailNotifications>,
        /// Whom to call.
        webhook_notifications: Option<WebhookNotifications>,
        /// When nobody is told after all.
        notification_settings: Option<NotificationSettings>,
        ..rest
    }
}

/// The kind has a field of its own, one of many: it is read out of the rest, and written into it.
impl<'de> Deserialize<'de> for Task {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut task = Self::deserialize(from)?;
        task.kind = TaskKind::take(&mut task.rest);
        Ok(task)
    }
}

impl Serialize for Task {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut task = self.clone();
        if !task.kind.field().is_empty() {
            task.rest.insert(task.kind.field().to_owned(), task.kind.to_value().map_err(S::Error::custom)?);
        }
        Self::serialize(&task, to)
    }
}

impl Task {
    /// A notebook.
    pub fn notebook(task_key: impl Into<String>, path: impl Into<String>) -> Self {
        Self::new(task_key, NotebookTask::new(path))
    }

    /// A class of a JAR, given where both are.
    pub fn spark_jar(task_key: impl Into<String>, main_class: impl Into<String>, jar: impl Into<String>) -> Self {
        Self::new(task_key, SparkJarTask::new(main_class)).with_library(Library::Jar(jar.into()))
    }

    /// A Python file.
    pub fn spark_python(task_key: impl Into<String>, file: impl Into<String>) -> Self {
        Self::new(task_key, SparkPythonTask::new(file))
    }

    /// The command line of `spark-submit`, word by word.
    pub fn spark_submit(task_key: impl Into<String>, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(task_key, SparkSubmitTask::new().with_parameters(words))
    }

    /// An entry point of a Python wheel.
    pub fn python_wheel(
        task_key: impl Into<String>,
        package: impl Into<String>,
        entry_point: impl Into<String>,
    ) -> Self {
        Self::new(task_key, PythonWheelTask::new(package, entry_point))
    }

    /// A file with SQL.
    pub fn sql_file(task_key: impl Into<String>, warehouse_id: impl Into<String>, path: impl Into<String>) -> Self {
        Self::new(task_key, SqlTask::file(warehouse_id, path))
    }

    /// Commands of dbt, each beginning with `dbt`.
    pub fn dbt(task_key: impl Into<String>, commands: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(task_key, DbtTask::of(commands))
    }

    /// A run of another job.
    pub fn run_job(task_key: impl Into<String>, job: JobId) -> Self {
        Self::new(task_key, RunJobTask::new(job))
    }

    /// A question.
    pub fn condition(
        task_key: impl Into<String>,
        left: impl Into<String>,
        op: ConditionOp,
        right: impl Into<String>,
    ) -> Self {
        Self::new(task_key, ConditionTask::new(left, op, right))
    }

    /// A task for each of many values.
    pub fn for_each(task_key: impl Into<String>, each: ForEachTask) -> Self {
        Self::new(task_key, each)
    }

    /// An update of a declarative pipeline.
    pub fn pipeline(task_key: impl Into<String>, pipeline_id: impl Into<String>) -> Self {
        Self::new(task_key, PipelineTask::new(pipeline_id))
    }

    notice_setters! {}
    setters! {
        /// How those that it waits for must have come out.
        with_run_if(run_if: some RunIf);
        /// What it is for.
        with_description(description: some String);
        /// Runs on a cluster that is there.
        with_existing_cluster(existing_cluster_id: some String);
        /// Runs on a cluster made for it.
        with_new_cluster(new_cluster: some ClusterSpec);
        /// Runs on one of the job's shared clusters.
        with_job_cluster(job_cluster_key: some String);
        /// Runs in one of the environments, on serverless compute.
        with_environment(environment_key: some String);
        /// One more library for its cluster.
        with_library(libraries: push Library);
        /// How long an attempt may take.
        with_timeout(timeout_seconds: seconds);
        /// How often it is tried again; -1: without end.
        with_max_retries(max_retries: value i64);
        /// How long there is between attempts at least.
        with_min_retry_interval(min_retry_interval_millis: millis);
        /// Whether it is tried again after it ran out of time.
        with_retry_on_timeout(retry_on_timeout: value bool);
        /// Whether it is left out.
        with_disabled(disabled: value bool);
    }

    /// Waits for this one.
    #[must_use]
    pub fn after(mut self, task_key: impl Into<String>) -> Self {
        self.depends_on.push(TaskDependency::new(task_key));
        self
    }

    /// Waits for these.
    #[must_use]
    pub fn after_all(mut self, keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.depends_on.extend(keys.into_iter().map(TaskDependency::new));
        self
    }

    /// Waits for this condition, and runs only if it came out so.
    #[must_use]
    pub fn after_outcome(mut self, task_key: impl Into<String>, outcome: bool) -> Self {
        self.depends_on.push(TaskDependency { outcome: Some(outcome.to_string()), ..TaskDependency::new(task_key) });
        self
    }

    /// Runs on this.
    #[must_use]
    pub fn on(mut self, compute: impl Into<Compute>) -> Self {
        (self.existing_cluster_id, self.new_cluster, self.job_cluster_key) = (None, None, None);
        match compute.into() {
            Compute::Serverless => {}
            Compute::Existing(id) => self.existing_cluster_id = Some(id),
            Compute::New(spec) => self.new_cluster = Some(*spec),
        }
        self
    }
}
