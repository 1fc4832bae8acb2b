//! A task: what it does, on what, after what.

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};
use serde_json::{Map, Value};

use super::{
    ConditionOp, ConditionTask, DbtTask, ForEachTask, NotebookTask, PipelineTask, PythonWheelTask, RunJobTask,
    SparkJarTask, SparkPythonTask, SparkSubmitTask, SqlTask, TaskKind,
};
use crate::jobs::{
    JobId,
    cluster::ClusterSpec,
    macros::{is_default, loose, open_enum, record, setters},
    settings::{EmailNotifications, JobsHealthRules, Library, NotificationSettings, WebhookNotifications},
};

open_enum! {
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
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Task {
    /// Its key: 1 to 100 letters, digits, `_` and `-`.
    pub task_key: String,
    /// What it does.
    pub kind: TaskKind,
    /// The tasks that it waits for.
    pub depends_on: Vec<TaskDependency>,
    /// How those must have come out for it to run.
    pub run_if: Option<RunIf>,
    /// What it is for.
    pub description: Option<String>,
    /// A cluster that is there. Without this, `new_cluster` and `job_cluster_key` it runs on serverless compute.
    pub existing_cluster_id: Option<String>,
    /// A cluster made for it.
    pub new_cluster: Option<ClusterSpec>,
    /// One of the job's shared clusters. One-time runs have none.
    pub job_cluster_key: Option<String>,
    /// One of the job's or run's environments, for code on serverless compute.
    pub environment_key: Option<String>,
    /// What its cluster installs before it begins.
    pub libraries: Vec<Library>,
    /// How long an attempt may take, in seconds; 0: without end.
    pub timeout_seconds: Option<u64>,
    /// How often it is tried again after a failure; -1: without end.
    pub max_retries: Option<i64>,
    /// How long there is between attempts at least, in milliseconds.
    pub min_retry_interval_millis: Option<u64>,
    /// Whether it is tried again after it ran out of time.
    pub retry_on_timeout: Option<bool>,
    /// Whether it is left out.
    pub disabled: Option<bool>,
    /// When it is not well.
    pub health: Option<JobsHealthRules>,
    /// Whom to write to.
    pub email_notifications: Option<EmailNotifications>,
    /// Whom to call.
    pub webhook_notifications: Option<WebhookNotifications>,
    /// When nobody is told after all.
    pub notification_settings: Option<NotificationSettings>,
    /// Fields that this crate does not know. They are kept, and sent.
    pub rest: Map<String, Value>,
}

/// The same without the kind, whose field is one of many.
#[derive(Serialize, Deserialize)]
struct Wire {
    task_key: String,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "loose")]
    depends_on: Vec<TaskDependency>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "loose")]
    run_if: Option<RunIf>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "loose")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "loose")]
    existing_cluster_id: Option<String>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "loose")]
    new_cluster: Option<ClusterSpec>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "loose")]
    job_cluster_key: Option<String>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "loose")]
    environment_key: Option<String>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "loose")]
    libraries: Vec<Library>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "loose")]
    timeout_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "loose")]
    max_retries: Option<i64>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "loose")]
    min_retry_interval_millis: Option<u64>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "loose")]
    retry_on_timeout: Option<bool>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "loose")]
    disabled: Option<bool>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "loose")]
    health: Option<JobsHealthRules>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "loose")]
    email_notifications: Option<EmailNotifications>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "loose")]
    webhook_notifications: Option<WebhookNotifications>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "loose")]
    notification_settings: Option<NotificationSettings>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl<'de> Deserialize<'de> for Task {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Wire {
            task_key,
            depends_on,
            run_if,
            description,
            existing_cluster_id,
            new_cluster,
            job_cluster_key,
            environment_key,
            libraries,
            timeout_seconds,
            max_retries,
            min_retry_interval_millis,
            retry_on_timeout,
            disabled,
            health,
            email_notifications,
            webhook_notifications,
            notification_settings,
            mut rest,
        } = Wire::deserialize(from)?;
        let kind = TaskKind::take(&mut rest);
        Ok(Self {
            task_key,
            kind,
            depends_on,
            run_if,
            description,
            existing_cluster_id,
            new_cluster,
            job_cluster_key,
            environment_key,
            libraries,
            timeout_seconds,
            max_retries,
            min_retry_interval_millis,
            retry_on_timeout,
            disabled,
            health,
            email_notifications,
            webhook_notifications,
            notification_settings,
            rest,
        })
    }
}

impl Serialize for Task {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let task = self.clone();
        let mut rest = task.rest;
        if !task.kind.field().is_empty() {
            rest.insert(task.kind.field().to_owned(), task.kind.to_value().map_err(S::Error::custom)?);
        }
        let wire = Wire {
            task_key: task.task_key,
            depends_on: task.depends_on,
            run_if: task.run_if,
            description: task.description,
            existing_cluster_id: task.existing_cluster_id,
            new_cluster: task.new_cluster,
            job_cluster_key: task.job_cluster_key,
            environment_key: task.environment_key,
            libraries: task.libraries,
            timeout_seconds: task.timeout_seconds,
            max_retries: task.max_retries,
            min_retry_interval_millis: task.min_retry_interval_millis,
            retry_on_timeout: task.retry_on_timeout,
            disabled: task.disabled,
            health: task.health,
            email_notifications: task.email_notifications,
            webhook_notifications: task.webhook_notifications,
            notification_settings: task.notification_settings,
            rest,
        };
        wire.serialize(to)
    }
}

impl Task {
    /// A task of this kind.
    pub fn new(task_key: impl Into<String>, kind: impl Into<TaskKind>) -> Self {
        Self {
            task_key: task_key.into(),
            kind: kind.into(),
            depends_on: Vec::new(),
            run_if: None,
            description: None,
            existing_cluster_id: None,
            new_cluster: None,
            job_cluster_key: None,
            environment_key: None,
            libraries: Vec::new(),
            timeout_seconds: None,
            max_retries: None,
            min_retry_interval_millis: None,
            retry_on_timeout: None,
            disabled: None,
            health: None,
            email_notifications: None,
            webhook_notifications: None,
            notification_settings: None,
            rest: Map::new(),
        }
    }

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
        /// When it is not well.
        with_health(health: some JobsHealthRules);
        /// Whom to write to.
        with_email_notifications(email_notifications: some EmailNotifications);
        /// Whom to call.
        with_webhook_notifications(webhook_notifications: some WebhookNotifications);
        /// When nobody is told after all.
        with_notification_settings(notification_settings: some NotificationSettings);
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
