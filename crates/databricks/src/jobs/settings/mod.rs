//! What surrounds tasks: when they run, where their code comes from, who is told, who may.

mod environment;
mod git;
mod job;
mod library;
mod notify;
mod people;
mod when;

pub use environment::{Environment, JobEnvironment};
pub use git::{GitProvider, GitSource, Source};
pub use job::{CreateJob, JobCluster, JobParameterDefinition, JobSettings, UpdateJob};
pub use library::{Library, MavenLibrary, PythonPyPiLibrary, RCranLibrary};
pub use notify::{
    EmailNotifications, JobsHealthMetric, JobsHealthOperator, JobsHealthRule, JobsHealthRules, NotificationSettings,
    Webhook, WebhookNotifications,
};
pub use people::{AccessControlRequest, JobRunAs, PermissionLevel};
pub use when::{
    Condition, Continuous, CronSchedule, FileArrival, PauseStatus, PerformanceTarget, Periodic, PeriodicUnit,
    QueueSettings, TableUpdate, TriggerSettings,
};

pub(super) use job::{Surroundings, check_settings, check_surroundings, check_webhooks};
