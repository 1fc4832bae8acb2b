//! How a run came out.

use std::fmt;

use twinhouse_core::{Error, Result};

use super::{
    Run, RunLifeCycleState, RunResultState, RunState, RunStatus, RunStatusState, TerminationCode, TerminationType,
};
use crate::error;

/// How a run, or a task's part of one, came out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunResult {
    /// Well.
    Success,
    /// Tasks failed, but not those at the end.
    SuccessWithFailures,
    /// A task failed.
    Failed,
    /// It ran out of time.
    TimedOut,
    /// Somebody stopped it.
    Canceled,
    /// It never began.
    Skipped,
    /// There were as many runs of the job as there may be.
    MaximumConcurrentRunsReached,
    /// A condition left it out.
    Excluded,
    /// It is switched off.
    Disabled,
    /// What it waited for failed.
    UpstreamFailed,
    /// What it waited for was stopped.
    UpstreamCanceled,
    /// The service failed.
    InternalError,
    /// A result that this crate does not know, or none: not a success.
    Other(String),
}

impl RunResult {
    /// Reads it from both ways of saying it; `None` while it is not over.
    ///
    /// The older way, where it has a result, says more: it knows what ran out of time.
    pub(super) fn of(state: Option<&RunState>, status: Option<&RunStatus>, end_time: Option<u64>) -> Option<Self> {
        let older = state.and_then(|state| state.life_cycle_state.as_ref());
        let newer = status.and_then(|status| status.state.as_ref());
        let result = state.and_then(|state| state.result_state.as_ref());
        let details = status.and_then(|status| status.termination_details.as_ref());
        let (code, fault) = (details.and_then(|it| it.code.as_ref()), details.and_then(|it| it.r#type.as_ref()));
        match (older, newer) {
            (Some(RunLifeCycleState::Skipped), _) => return Some(result.map_or(Self::Skipped, Self::of_result)),
            // So ends, too, a run of several tasks that one of them has failed: whose fault it was tells them apart.
            (Some(RunLifeCycleState::InternalError), _)
                if matches!(fault, None | Some(TerminationType::InternalError)) =>
            {
                return Some(Self::InternalError);
            }
            (Some(RunLifeCycleState::InternalError), _) => {}
            (Some(RunLifeCycleState::Terminated), _) | (_, Some(RunStatusState::Terminated)) => {}
            // A state of the future is an end only if an end is told beside it.
            (Some(RunLifeCycleState::Other(_)) | None, Some(RunStatusState::Other(_)) | None)
                if end_time.is_some_and(|end| end > 0) && (result.is_some() || code.is_some()) => {}
            _ => return None,
        }
        let none = || Self::Other(String::new());
        Some(result.map(Self::of_result).or_else(|| code.map(Self::of_code)).unwrap_or_else(none))
    }

    fn of_result(result: &RunResultState) -> Self {
        match result {
            RunResultState::Success => Self::Success,
            RunResultState::Failed => Self::Failed,
            RunResultState::TimedOut => Self::TimedOut,
            RunResultState::Canceled => Self::Canceled,
            RunResultState::MaximumConcurrentRunsReached => Self::MaximumConcurrentRunsReached,
            RunResultState::Excluded => Self::Excluded,
            RunResultState::SuccessWithFailures => Self::SuccessWithFailures,
            RunResultState::UpstreamFailed => Self::UpstreamFailed,
            RunResultState::UpstreamCanceled => Self::UpstreamCanceled,
            RunResultState::Disabled => Self::Disabled,
            RunResultState::Other(text) => Self::Other(text.clone()),
        }
    }

    fn of_code(code: &TerminationCode) -> Self {
        match code {
            TerminationCode::Success => Self::Success,
            TerminationCode::SuccessWithFailures => Self::SuccessWithFailures,
            TerminationCode::UserCanceled | TerminationCode::Canceled => Self::Canceled,
            TerminationCode::Skipped => Self::Skipped,
            TerminationCode::Disabled => Self::Disabled,
            TerminationCode::MaxConcurrentRunsExceeded => Self::MaximumConcurrentRunsReached,
            TerminationCode::InternalError => Self::InternalError,
            TerminationCode::Other(text) => Self::Other(text.clone()),
            _ => Self::Failed,
        }
    }

    /// The service's own word, or an empty text if it said nothing.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Success => "SUCCESS",
            Self::SuccessWithFailures => "SUCCESS_WITH_FAILURES",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMEDOUT",
            Self::Canceled => "CANCELED",
            Self::Skipped => "SKIPPED",
            Self::MaximumConcurrentRunsReached => "MAXIMUM_CONCURRENT_RUNS_REACHED",
            Self::Excluded => "EXCLUDED",
            Self::Disabled => "DISABLED",
            Self::UpstreamFailed => "UPSTREAM_FAILED",
            Self::UpstreamCanceled => "UPSTREAM_CANCELED",
            Self::InternalError => "INTERNAL_ERROR",
            Self::Other(text) => text,
        }
    }
}

impl fmt::Display for RunResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A run that is over, and how it came out.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a run that is over may have failed"]
#[non_exhaustive]
pub struct RunOutcome {
    /// How it came out.
    pub result: RunResult,
    /// The run.
    pub run: Run,
}

impl RunOutcome {
    #[allow(clippy::result_large_err)] // It is the run, given back.
    pub(super) fn new(run: Run) -> Result<Self, Run> {
        match run.result() {
            Some(result) => Ok(Self { result, run }),
            None => Err(run),
        }
    }

    /// Whether all went well.
    pub fn is_success(&self) -> bool {
        self.result == RunResult::Success
    }

    /// Whether the same run may come out well if it is tried again: the fault was the service's or the cloud's. Nothing
    /// is tried again by itself, because a run may have done half of its work.
    pub fn is_retryable(&self) -> bool {
        match self.fault() {
            Some(kind) => matches!(kind, TerminationType::InternalError | TerminationType::CloudFailure),
            None => self.result == RunResult::InternalError,
        }
    }

    /// Whose fault it was, where the service says so.
    pub fn fault(&self) -> Option<&TerminationType> {
        self.run.status.as_ref()?.termination_details.as_ref()?.r#type.as_ref()
    }

    /// Why it is over, where the service says so.
    pub fn code(&self) -> Option<&TerminationCode> {
        self.run.status.as_ref()?.termination_details.as_ref()?.code.as_ref()
    }

    /// The run, if it came out well.
    ///
    /// # Errors
    ///
    /// Otherwise what happened, with the kind of the failure, the run's id, its result and where a browser finds it;
    /// [`RunFailure::of`] gives the outcome back.
    pub fn into_run(self) -> Result<Run> {
        if self.is_success() { Ok(self.run) } else { Err(error::from_run(self)) }
    }
}

/// The source of an error that says that a run failed: the whole outcome.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunFailure {
    /// How it came out.
    pub outcome: RunOutcome,
}

impl RunFailure {
    /// The failed run that an error tells of, if it tells of one.
    pub fn of(error: &Error) -> Option<&Self> {
        std::error::Error::source(error)?.downcast_ref()
    }
}

impl fmt::Display for RunFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RunOutcome { result, run } = &self.outcome;
        write!(f, "run {} is over: {result}", run.run_id)?;
        let failed = run.latest_tasks().into_iter().filter(|task| {
            !matches!(task.result(), None | Some(RunResult::Success | RunResult::Excluded | RunResult::Disabled))
        });
        for task in failed.take(10) {
            write!(f, "; task {}: {}", task.task_key, task.result().map(|r| r.to_string()).unwrap_or_default())?;
        }
        Ok(())
    }
}

impl std::error::Error for RunFailure {}

#[cfg(test)]
mod tests;
