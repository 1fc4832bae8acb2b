//! Asking for a run of tasks that are at hand.

use serde::Serialize;
use serde_json::{Map, Value};
use twinhouse_core::Result;
use twinhouse_warehouse_api::OnDrop;

use crate::jobs::{
    IdempotencyToken,
    check::{self, Scope, at_most_bytes, invalid, not_empty},
    macros::{is_default, notice_setters, queue_setters, setters, surroundings_setters},
    settings::{
        AccessControlRequest, EmailNotifications, GitSource, JobEnvironment, JobRunAs, JobsHealthRules,
        NotificationSettings, PerformanceTarget, QueueSettings, Surroundings, WebhookNotifications, check_surroundings,
    },
    task::Task,
};

const LONGEST_NAME: usize = 4096;

/// A one-time run: its tasks are here, and no job is kept.
///
/// ```
/// use std::time::Duration;
/// use twinhouse_databricks::jobs::{IdempotencyToken, SubmitRun, Task};
///
/// let run = SubmitRun::new("report 2026-01-31")
///     .with_task(Task::notebook("load", "/Shared/load"))
///     .with_task(Task::notebook("report", "/Shared/report").after("load"))
///     .with_timeout(Duration::from_secs(3600))
///     .with_token(IdempotencyToken::derived(["report", "2026-01-31"]));
/// run.check().unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SubmitRun {
    /// What the run is called.
    pub run_name: String,
    /// Its tasks.
    pub tasks: Vec<Task>,
    /// Names the run, so that it happens once. Without one, a random one is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_token: Option<IdempotencyToken>,
    /// Environments of tasks on serverless compute.
    #[serde(skip_serializing_if = "is_default")]
    pub environments: Vec<JobEnvironment>,
    /// How long the run may take, in seconds; 0: without end.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout_seconds: Option<u64>,
    /// Whether it waits where it cannot begin.
    #[serde(skip_serializing_if = "is_default")]
    pub queue: Option<QueueSettings>,
    /// In whose name it works.
    #[serde(skip_serializing_if = "is_default")]
    pub run_as: Option<JobRunAs>,
    /// Where code comes from.
    #[serde(skip_serializing_if = "is_default")]
    pub git_source: Option<GitSource>,
    /// Who may do what with it.
    #[serde(skip_serializing_if = "is_default")]
    pub access_control_list: Vec<AccessControlRequest>,
    /// When it is not well.
    #[serde(skip_serializing_if = "is_default")]
    pub health: Option<JobsHealthRules>,
    /// Whom to write to.
    #[serde(skip_serializing_if = "is_default")]
    pub email_notifications: Option<EmailNotifications>,
    /// Whom to call.
    #[serde(skip_serializing_if = "is_default")]
    pub webhook_notifications: Option<WebhookNotifications>,
    /// When nobody is told after all.
    #[serde(skip_serializing_if = "is_default")]
    pub notification_settings: Option<NotificationSettings>,
    /// How soon serverless compute begins.
    #[serde(skip_serializing_if = "is_default")]
    pub performance_target: Option<PerformanceTarget>,
    /// Whom serverless compute is charged to.
    #[serde(skip_serializing_if = "is_default")]
    pub budget_policy_id: Option<String>,
    /// Fields that this crate does not know. They are sent.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
    /// What becomes of the run if its handle is dropped before it is over. Unless said, it goes on.
    #[serde(skip)]
    pub on_drop: OnDrop,
}

impl SubmitRun {
    /// A run of this name, without tasks so far.
    pub fn new(run_name: impl Into<String>) -> Self {
        Self {
            run_name: run_name.into(),
            tasks: Vec::new(),
            idempotency_token: None,
            environments: Vec::new(),
            timeout_seconds: None,
            queue: None,
            run_as: None,
            git_source: None,
            access_control_list: Vec::new(),
            health: None,
            email_notifications: None,
            webhook_notifications: None,
            notification_settings: None,
            performance_target: None,
            budget_policy_id: None,
            rest: Map::new(),
            on_drop: OnDrop::Detach,
        }
    }

    surroundings_setters! {}
    setters! {
        /// Names the run, so that it happens once.
        with_token(idempotency_token: some IdempotencyToken);
        /// What somebody may do with it.
        with_access(access_control_list: push AccessControlRequest);
        /// What becomes of the run if its handle is dropped before it is over.
        with_on_drop(on_drop: set OnDrop);
    }

    /// Looks at it without sending it, as [`submit`](crate::jobs::Jobs::submit) does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput), with the `field` as context.
    pub fn check(&self) -> Result<()> {
        not_empty("run_name", &self.run_name)?;
        at_most_bytes("run_name", &self.run_name, LONGEST_NAME)?;
        if self.tasks.is_empty() {
            return Err(invalid("tasks", "must not be empty"));
        }
        check_surroundings(&Surroundings {
            environments: &self.environments,
            git_source: self.git_source.as_ref(),
            run_as: self.run_as.as_ref(),
            access_control_list: &self.access_control_list,
            webhooks: self.webhook_notifications.as_ref(),
        })?;
        let scope = Scope {
            environments: self.environments.iter().map(|one| one.environment_key.as_str()).collect(),
            job_clusters: None,
            has_git: self.git_source.is_some(),
            whole: true,
        };
        check::tasks(&self.tasks, &scope)
    }

    /// The kind of its tasks, if they are of one.
    pub(in crate::jobs) fn job_type(&self) -> &'static str {
        let mut kinds = self.tasks.iter().map(|task| task.kind.name());
        match kinds.next() {
            Some(first) if kinds.all(|kind| kind == first) => first,
            _ => "mixed",
        }
    }
}
