//! A job: tasks, and what surrounds them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use twinhouse_core::Result;

use super::{
    AccessControlRequest, Continuous, CronSchedule, EmailNotifications, GitSource, JobEnvironment, JobRunAs,
    JobsHealthRules, NotificationSettings, PerformanceTarget, QueueSettings, TriggerSettings, WebhookNotifications,
};
use crate::jobs::{
    JobId,
    check::{self, at_most, at_most_bytes, invalid, not_empty},
    cluster::ClusterSpec,
    macros::{notice_setters, queue_setters, record, setters, surroundings_setters},
    task::Task,
};

const LONGEST_NAME: usize = 4096;
const MOST_TAGS: usize = 25;
const MOST_JOB_CLUSTERS: usize = 100;
const MOST_CONCURRENT_RUNS: u64 = 1000;
const MOST_WEBHOOKS: usize = 3;

record! {
    /// A cluster that tasks of a job share, by the key that they name it with.
    JobCluster {
        /// The key.
        job_cluster_key: String,
        ;
        /// The cluster.
        new_cluster: Option<ClusterSpec>,
        ..rest
    }
}

impl JobCluster {
    /// This cluster, by this key.
    pub fn of(key: impl Into<String>, cluster: ClusterSpec) -> Self {
        Self { new_cluster: Some(cluster), ..Self::new(key) }
    }
}

record! {
    /// A parameter that all tasks of a job know, and what it is unless a run says otherwise.
    JobParameterDefinition {
        /// Its name: letters, digits, `_`, `-` and `.`.
        name: String,
        /// What it is unless a run says otherwise.
        default: String,
        ;
    }
}

record! {
    /// What a job is. Fields that this crate does not know are kept in `rest`: what was read can be changed and given
    /// to [`reset`](crate::jobs::Jobs::reset) without a loss.
    ///
    /// ```
    /// use twinhouse_databricks::jobs::{JobSettings, Task, settings::CronSchedule};
    ///
    /// let settings = JobSettings::new()
    ///     .with_name("nightly")
    ///     .with_task(Task::notebook("load", "/Shared/load"))
    ///     .with_task(Task::notebook("report", "/Shared/report").after("load"))
    ///     .with_schedule(CronSchedule::new("0 30 5 * * ?", "UTC"));
    /// # let _ = settings;
    /// ```
    JobSettings {
        ;
        /// Its name.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// Its tasks.
        tasks: Vec<Task>,
        /// Clusters that tasks share.
        job_clusters: Vec<JobCluster>,
        /// Environments of tasks on serverless compute.
        environments: Vec<JobEnvironment>,
        /// Parameters that all tasks know.
        parameters: Vec<JobParameterDefinition>,
        /// Fixed times at which it runs.
        schedule: Option<CronSchedule>,
        /// What else makes it run.
        trigger: Option<TriggerSettings>,
        /// Runs without end.
        continuous: Option<Continuous>,
        /// How many runs there may be at once; 0 stops new ones.
        max_concurrent_runs: Option<u64>,
        /// Whether runs that cannot begin wait.
        queue: Option<QueueSettings>,
        /// In whose name it works.
        run_as: Option<JobRunAs>,
        /// Tags, at most 25. Job clusters have them too.
        tags: BTreeMap<String, String>,
        /// Where code comes from.
        git_source: Option<GitSource>,
        /// How long a run may take, in seconds; 0: without end.
        timeout_seconds: Option<u64>,
        /// When a run is not well.
        health: Option<JobsHealthRules>,
        /// Whom to write to.
        email_notifications: Option<EmailNotifications>,
        /// Whom to call.
        webhook_notifications: Option<WebhookNotifications>,
        /// When nobody is told after all.
        notification_settings: Option<NotificationSettings>,
        /// How soon serverless compute begins.
        performance_target: Option<PerformanceTarget>,
        /// Whom serverless compute is charged to.
        budget_policy_id: Option<String>,
        ..rest
    }
}

impl JobSettings {
    surroundings_setters! {}
    setters! {
        /// Its name.
        with_name(name: some String);
        /// What it is for.
        with_description(description: some String);
        /// One more cluster that tasks share.
        with_job_cluster(job_clusters: push JobCluster);
        /// Fixed times at which it runs.
        with_schedule(schedule: some CronSchedule);
        /// What else makes it run.
        with_trigger(trigger: some TriggerSettings);
        /// Runs without end.
        with_continuous(continuous: some Continuous);
        /// How many runs there may be at once.
        with_max_concurrent_runs(max_concurrent_runs: value u64);
        /// A tag.
        with_tag(tags: pair);
    }

    /// A parameter that all tasks know, and what it is unless a run says otherwise.
    #[must_use]
    pub fn with_parameter(mut self, name: impl Into<String>, default: impl Into<String>) -> Self {
        self.parameters.push(JobParameterDefinition::new(name, default));
        self
    }

    /// Looks at it without sending it, as [`create`](crate::jobs::Jobs::create) does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput), with the `field` as context.
    pub fn check(&self) -> Result<()> {
        check_settings(self, true)
    }
}

/// A job to be made: what it is, and who may do what with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CreateJob {
    /// What it is.
    #[serde(flatten)]
    pub settings: JobSettings,
    /// Who may do what with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_control_list: Vec<AccessControlRequest>,
}

impl CreateJob {
    /// This job.
    pub fn new(settings: JobSettings) -> Self {
        Self { settings, access_control_list: Vec::new() }
    }

    setters! {
        /// What somebody may do with it.
        with_access(access_control_list: push AccessControlRequest);
    }
}

impl From<JobSettings> for CreateJob {
    fn from(settings: JobSettings) -> Self {
        Self::new(settings)
    }
}

record! {
    /// A change of a job: fields of `new_settings` replace those of the job; tasks, job clusters, environments and
    /// parameters do so by their keys, and what they do not name stays.
    UpdateJob {
        /// The job.
        job_id: JobId,
        ;
        /// Fields with their new values.
        new_settings: Option<JobSettings>,
        /// Fields to remove: `schedule`, or `tasks/report`.
        fields_to_remove: Vec<String>,
    }
}

impl UpdateJob {
    setters! {
        /// Fields with their new values.
        with_settings(new_settings: some JobSettings);
        /// A field to remove: `schedule`, or `tasks/report`.
        without(fields_to_remove: push String);
    }

    pub(crate) fn check(&self) -> Result<()> {
        for (at, field) in self.fields_to_remove.iter().enumerate() {
            not_empty(format!("fields_to_remove[{at}]"), field)?;
        }
        match &self.new_settings {
            Some(settings) => check_settings(settings, false),
            None if self.fields_to_remove.is_empty() => {
                Err(invalid("new_settings", "must be set, or `fields_to_remove`"))
            }
            None => Ok(()),
        }
    }
}

/// `whole`: everything that the job will be is here, so that what tasks refer to must be here too.
pub(in crate::jobs) fn check_settings(settings: &JobSettings, whole: bool) -> Result<()> {
    if let Some(name) = &settings.name {
        not_empty("name", name)?;
        at_most_bytes("name", name, LONGEST_NAME)?;
    }
    at_most("tags", settings.tags.len(), MOST_TAGS)?;
    at_most("job_clusters", settings.job_clusters.len(), MOST_JOB_CLUSTERS)?;
    for (at, cluster) in settings.job_clusters.iter().enumerate() {
        let field = format!("job_clusters[{at}]");
        check::key(format!("{field}.job_cluster_key"), &cluster.job_cluster_key)?;
        match &cluster.new_cluster {
            Some(spec) => spec.check(&format!("{field}.new_cluster"))?,
            None if cluster.rest.is_empty() => return Err(invalid(format!("{field}.new_cluster"), "must be set")),
            None => {}
        }
    }
    let keys = settings.job_clusters.iter().map(|cluster| cluster.job_cluster_key.as_str());
    let clusters = check::unique(|at| format!("job_clusters[{at}].job_cluster_key"), keys)?;
    for (at, parameter) in settings.parameters.iter().enumerate() {
        let legal = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        if parameter.name.is_empty() || !parameter.name.chars().all(legal) {
            return Err(invalid(format!("parameters[{at}].name"), "must have letters, digits, `_`, `-` and `.` only"));
        }
    }
    check::unique(|at| format!("parameters[{at}].name"), settings.parameters.iter().map(|p| p.name.as_str()))?;
    if let Some(schedule) = &settings.schedule {
        schedule.check()?;
    }
    if let Some(trigger) = &settings.trigger {
        trigger.check()?;
    }
    if settings.continuous.is_some() && (settings.schedule.is_some() || settings.trigger.is_some()) {
        return Err(invalid("continuous", "must not be set together with `schedule` or `trigger`"));
    }
    if settings.max_concurrent_runs.is_some_and(|runs| runs > MOST_CONCURRENT_RUNS) {
        return Err(invalid("max_concurrent_runs", &format!("must be at most {MOST_CONCURRENT_RUNS}")));
    }
    check_surroundings(&Surroundings {
        environments: &settings.environments,
        git_source: settings.git_source.as_ref(),
        run_as: settings.run_as.as_ref(),
        access_control_list: &[],
        webhooks: settings.webhook_notifications.as_ref(),
    })?;
    let scope = check::Scope {
        environments: settings.environments.iter().map(|one| one.environment_key.as_str()).collect(),
        job_clusters: Some(clusters),
        has_git: settings.git_source.is_some(),
        whole,
    };
    check::tasks(&settings.tasks, &scope)
}

/// What jobs and one-time runs both have around their tasks.
pub(in crate::jobs) struct Surroundings<'a> {
    pub(in crate::jobs) environments: &'a [JobEnvironment],
    pub(in crate::jobs) git_source: Option<&'a GitSource>,
    pub(in crate::jobs) run_as: Option<&'a JobRunAs>,
    pub(in crate::jobs) access_control_list: &'a [AccessControlRequest],
    pub(in crate::jobs) webhooks: Option<&'a WebhookNotifications>,
}

pub(in crate::jobs) fn check_surroundings(around: &Surroundings<'_>) -> Result<()> {
    for (at, environment) in around.environments.iter().enumerate() {
        check::key(format!("environments[{at}].environment_key"), &environment.environment_key)?;
    }
    let keys = around.environments.iter().map(|one| one.environment_key.as_str());
    check::unique(|at| format!("environments[{at}].environment_key"), keys)?;
    around.git_source.map_or(Ok(()), GitSource::check)?;
    around.run_as.map_or(Ok(()), JobRunAs::check)?;
    for (at, entry) in around.access_control_list.iter().enumerate() {
        entry.check(&format!("access_control_list[{at}]"))?;
    }
    check_webhooks("webhook_notifications", around.webhooks)
}

pub(in crate::jobs) fn check_webhooks(field: &str, webhooks: Option<&WebhookNotifications>) -> Result<()> {
    for (name, list) in webhooks.iter().flat_map(|webhooks| webhooks.lists()) {
        at_most(format!("{field}.{name}"), list.len(), MOST_WEBHOOKS)?;
    }
    Ok(())
}
