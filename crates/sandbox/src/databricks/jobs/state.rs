//! How a run is doing, in the service's old words (`state`) and its new ones (`status`).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Where a run of a job or of a task is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Waits for the tasks before it.
    Blocked,
    /// Waits for other runs of its job.
    Queued,
    Pending,
    Running,
    /// Failed, and will be tried again.
    Waiting,
    Terminating,
    Ended(Ending),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ending {
    pub(crate) outcome: Outcome,
    pub(crate) message: String,
    /// The code of the new words, where the outcome does not give it.
    pub(crate) code: Option<String>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Success,
    /// A job whose leaves succeeded, though not all of its tasks.
    SuccessWithFailures,
    Failed,
    TimedOut,
    Canceled,
    /// Too many runs of the job at once.
    MaximumReached,
    Excluded,
    UpstreamFailed,
    UpstreamCanceled,
    Disabled,
    /// The sandbox itself could not go on.
    Broken,
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::SuccessWithFailures => "SUCCESS_WITH_FAILURES",
            Self::Failed | Self::Broken => "FAILED",
            Self::TimedOut => "TIMEDOUT",
            Self::Canceled => "CANCELED",
            Self::MaximumReached => "MAXIMUM_CONCURRENT_RUNS_REACHED",
            Self::Excluded => "EXCLUDED",
            Self::UpstreamFailed => "UPSTREAM_FAILED",
            Self::UpstreamCanceled => "UPSTREAM_CANCELED",
            Self::Disabled => "DISABLED",
        }
    }

    pub(crate) fn is_success(self) -> bool {
        matches!(self, Self::Success | Self::SuccessWithFailures)
    }

    /// Counts as failed for the tasks behind it.
    pub(crate) fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut | Self::UpstreamFailed | Self::MaximumReached | Self::Broken)
    }

    pub(crate) fn is_canceled(self) -> bool {
        matches!(self, Self::Canceled | Self::UpstreamCanceled)
    }

    fn code(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::SuccessWithFailures => "SUCCESS_WITH_FAILURES",
            Self::Failed | Self::TimedOut => "RUN_EXECUTION_ERROR",
            Self::Canceled => "USER_CANCELED",
            Self::MaximumReached => "MAX_CONCURRENT_RUNS_EXCEEDED",
            Self::Excluded | Self::UpstreamFailed | Self::UpstreamCanceled => "SKIPPED",
            Self::Disabled => "DISABLED",
            Self::Broken => "INTERNAL_ERROR",
        }
    }

    /// Who is to blame, by which clients decide about another try.
    fn kind(self) -> &'static str {
        match self {
            Self::Failed | Self::TimedOut | Self::MaximumReached | Self::UpstreamFailed => "CLIENT_ERROR",
            Self::Broken => "INTERNAL_ERROR",
            _ => "SUCCESS",
        }
    }
}

impl Ending {
    pub(crate) fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self { outcome, message: message.into(), code: None }
    }

    pub(crate) fn success() -> Self {
        Self::new(Outcome::Success, "")
    }

    /// With the service's code for it.
    #[must_use]
    pub(crate) fn with_code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }
}

impl Phase {
    pub(crate) fn ending(&self) -> Option<&Ending> {
        match self {
            Self::Ended(ending) => Some(ending),
            _ => None,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ending().is_some()
    }

    /// `life_cycle_state`. The service calls the run of a job whose task failed an internal error, and the failed task
    /// terminated; clients must survive that.
    pub(crate) fn life_cycle(&self, of_job: bool) -> &'static str {
        match self {
            Self::Blocked => "BLOCKED",
            Self::Queued => "QUEUED",
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Waiting => "WAITING_FOR_RETRY",
            Self::Terminating => "TERMINATING",
            Self::Ended(ending) => match ending.outcome {
                Outcome::Broken => "INTERNAL_ERROR",
                Outcome::Failed | Outcome::UpstreamFailed if of_job => "INTERNAL_ERROR",
                Outcome::MaximumReached
                | Outcome::Excluded
                | Outcome::UpstreamFailed
                | Outcome::UpstreamCanceled
                | Outcome::Disabled => "SKIPPED",
                _ => "TERMINATED",
            },
        }
    }

    /// The old `state`.
    pub(crate) fn state(&self, of_job: bool) -> Value {
        let mut state = json!({ "life_cycle_state": self.life_cycle(of_job), "state_message": "" });
        if let Self::Ended(ending) = self {
            state["result_state"] = json!(ending.outcome.name());
            state["state_message"] = json!(ending.message);
        }
        let stopped = matches!(self.ending().map(|ending| ending.outcome), Some(Outcome::Canceled | Outcome::TimedOut));
        state["user_cancelled_or_timedout"] = json!(stopped);
        if *self == Self::Queued {
            state["queue_reason"] = json!("Queued due to reaching maximum concurrent runs in the job.");
        }
        state
    }

    /// The new `status`.
    pub(crate) fn status(&self) -> Value {
        match self {
            Self::Ended(ending) => json!({
                "state": "TERMINATED",
                "termination_details": {
                    "code": ending.code.as_deref().unwrap_or(ending.outcome.code()),
                    "type": ending.outcome.kind(),
                    "message": ending.message,
                },
            }),
            Self::Queued => json!({
                "state": "QUEUED",
                "queue_details": {
                    "code": "MAX_CONCURRENT_RUNS_REACHED",
                    "message": "Queued due to reaching maximum concurrent runs in the job.",
                },
            }),
            Self::Waiting => json!({ "state": "WAITING" }),
            other => json!({ "state": other.life_cycle(true) }),
        }
    }
}
