//! Who is told, and when a run is not well.

use crate::jobs::macros::{record, setters, words};

record! {
    /// Whom to write to.
    EmailNotifications {
        ;
        /// As it starts.
        on_start: Vec<String>,
        /// When it has succeeded.
        on_success: Vec<String>,
        /// When it has failed.
        on_failure: Vec<String>,
        /// When it takes longer than its health rules allow.
        on_duration_warning_threshold_exceeded: Vec<String>,
        /// When a stream falls behind further than its health rules allow.
        on_streaming_backlog_exceeded: Vec<String>,
        ..rest
    }
}

impl EmailNotifications {
    setters! {
        /// Writes as it starts.
        with_start(on_start: push String);
        /// Writes when it has succeeded.
        with_success(on_success: push String);
        /// Writes when it has failed.
        with_failure(on_failure: push String);
        /// Writes when it takes too long.
        with_slow(on_duration_warning_threshold_exceeded: push String);
        /// Writes when a stream falls behind.
        with_backlog(on_streaming_backlog_exceeded: push String);
    }
}

record! {
    /// A destination that an administrator has made.
    Webhook {
        /// Its id.
        id: String,
        ;
    }
}

impl From<&str> for Webhook {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}

record! {
    /// Which destinations to call, at most three for each.
    WebhookNotifications {
        ;
        /// As it starts.
        on_start: Vec<Webhook>,
        /// When it has succeeded.
        on_success: Vec<Webhook>,
        /// When it has failed.
        on_failure: Vec<Webhook>,
        /// When it takes longer than its health rules allow.
        on_duration_warning_threshold_exceeded: Vec<Webhook>,
        /// When a stream falls behind further than its health rules allow.
        on_streaming_backlog_exceeded: Vec<Webhook>,
        ..rest
    }
}

impl WebhookNotifications {
    setters! {
        /// Calls as it starts.
        with_start(on_start: push Webhook);
        /// Calls when it has succeeded.
        with_success(on_success: push Webhook);
        /// Calls when it has failed.
        with_failure(on_failure: push Webhook);
        /// Calls when it takes too long.
        with_slow(on_duration_warning_threshold_exceeded: push Webhook);
        /// Calls when a stream falls behind.
        with_backlog(on_streaming_backlog_exceeded: push Webhook);
    }

    /// Each list, by its name.
    pub(crate) fn lists(&self) -> [(&'static str, &[Webhook]); 5] {
        [
            ("on_start", &self.on_start),
            ("on_success", &self.on_success),
            ("on_failure", &self.on_failure),
            ("on_duration_warning_threshold_exceeded", &self.on_duration_warning_threshold_exceeded),
            ("on_streaming_backlog_exceeded", &self.on_streaming_backlog_exceeded),
        ]
    }
}

record! {
    /// When nobody is told after all.
    NotificationSettings {
        ;
        /// Not when it was skipped.
        no_alert_for_skipped_runs: Option<bool>,
        /// Not when it was cancelled.
        no_alert_for_canceled_runs: Option<bool>,
        /// For a task: only after its last attempt.
        alert_on_last_attempt: Option<bool>,
    }
}

impl NotificationSettings {
    setters! {
        /// Not when it was skipped.
        with_no_alert_for_skipped_runs(no_alert_for_skipped_runs: value bool);
        /// Not when it was cancelled.
        with_no_alert_for_canceled_runs(no_alert_for_canceled_runs: value bool);
        /// For a task: only after its last attempt.
        with_alert_on_last_attempt(alert_on_last_attempt: value bool);
    }
}

words! {
    /// What a health rule looks at.
    JobsHealthMetric {
        /// How long it has been running, in seconds.
        RunDurationSeconds = "RUN_DURATION_SECONDS",
        /// What a stream has still to read, in bytes.
        StreamingBacklogBytes = "STREAMING_BACKLOG_BYTES",
        /// What a stream has still to read, in records.
        StreamingBacklogRecords = "STREAMING_BACKLOG_RECORDS",
        /// How late a stream is, in seconds.
        StreamingBacklogSeconds = "STREAMING_BACKLOG_SECONDS",
        /// What a stream has still to read, in files.
        StreamingBacklogFiles = "STREAMING_BACKLOG_FILES",
    }
}

words! {
    /// How a health rule compares.
    JobsHealthOperator {
        /// More than.
        GreaterThan = "GREATER_THAN",
    }
}

record! {
    /// What is not healthy any more.
    JobsHealthRule {
        /// What is looked at.
        metric: JobsHealthMetric,
        /// How it is compared.
        op: JobsHealthOperator,
        /// With what.
        value: u64,
        ;
    }
}

record! {
    /// The rules of a job, a run or a task.
    JobsHealthRules {
        ;
        /// The rules.
        rules: Vec<JobsHealthRule>,
    }
}

impl JobsHealthRules {
    /// Not healthy above this.
    #[must_use]
    pub fn with_limit(mut self, metric: JobsHealthMetric, most: u64) -> Self {
        self.rules.push(JobsHealthRule::new(metric, JobsHealthOperator::GreaterThan, most));
        self
    }
}
