//! A run that is over and did not come out well.

use twinhouse_core::{Effect, Error, ErrorKind, Fault, FaultClass};

use super::tidy;
use crate::jobs::run::{RunFailure, RunOutcome, RunResult};

/// Why the service ended a run, and what that is to a caller. It goes before the result.
#[rustfmt::skip]
const CODES: &[(&str, ErrorKind)] = &[
    ("BUDGET_POLICY_LIMIT_EXCEEDED",    ErrorKind::ResourceExhausted),
    ("CANCELED",                        ErrorKind::Cancelled),
    ("CLOUD_FAILURE",                   ErrorKind::Unavailable),
    ("CLUSTER_ERROR",                   ErrorKind::Unavailable),
    ("CLUSTER_REQUEST_LIMIT_EXCEEDED",  ErrorKind::RateLimited),
    ("DISABLED",                        ErrorKind::Cancelled),
    ("DRIVER_ERROR",                    ErrorKind::Unavailable),
    ("FEATURE_DISABLED",                ErrorKind::Unsupported),
    ("INTERNAL_ERROR",                  ErrorKind::Internal),
    ("INVALID_CLUSTER_REQUEST",         ErrorKind::InvalidInput),
    ("INVALID_RUN_CONFIGURATION",       ErrorKind::InvalidInput),
    ("LIBRARY_INSTALLATION_ERROR",      ErrorKind::InvalidInput),
    ("MAX_CONCURRENT_RUNS_EXCEEDED",    ErrorKind::ResourceExhausted),
    ("MAX_JOB_QUEUE_SIZE_EXCEEDED",     ErrorKind::ResourceExhausted),
    ("MAX_SPARK_CONTEXTS_EXCEEDED",     ErrorKind::ResourceExhausted),
    ("REPOSITORY_CHECKOUT_FAILED",      ErrorKind::NotFound),
    ("RESOURCE_NOT_FOUND",              ErrorKind::NotFound),
    // The run's own code failed: it cannot be carried out as it is written.
    ("RUN_EXECUTION_ERROR",             ErrorKind::InvalidInput),
    ("SKIPPED",                         ErrorKind::Cancelled),
    ("STORAGE_ACCESS_ERROR",            ErrorKind::PermissionDenied),
    ("UNAUTHORIZED_ERROR",              ErrorKind::PermissionDenied),
    ("USER_CANCELED",                   ErrorKind::Cancelled),
    ("WORKSPACE_RUN_LIMIT_EXCEEDED",    ErrorKind::ResourceExhausted),
];

/// What a failed run is to its caller. The outcome is the error's source.
pub(crate) fn from_run(outcome: RunOutcome) -> Error {
    let by_code = || {
        let code = outcome.code()?.as_str();
        CODES.iter().find(|(known, _)| *known == code).map(|(_, kind)| *kind)
    };
    let kind = match &outcome.result {
        // The newer way calls this cancelled: the older one knows why.
        RunResult::TimedOut => ErrorKind::Timeout,
        result => by_code().unwrap_or_else(|| by_result(result)),
    };
    let class = if outcome.is_retryable() { FaultClass::Transient } else { FaultClass::Permanent };
    let began = !matches!(
        outcome.result,
        RunResult::Skipped
            | RunResult::Excluded
            | RunResult::Disabled
            | RunResult::MaximumConcurrentRunsReached
            | RunResult::UpstreamFailed
            | RunResult::UpstreamCanceled
    );
    let effect = if began { Effect::Unknown } else { Effect::None };
    let message = outcome.run.message().map_or_else(
        || match outcome.result.as_str() {
            "" => "the run is over, and the service does not say how".to_owned(),
            result => format!("the run is over: {result}"),
        },
        |message| tidy(message).into_owned(),
    );
    let mut error = Error::new(kind, message)
        .with_fault(Fault { class, effect, retry_after: None })
        .with_context("run_id", outcome.run.run_id.to_string())
        .with_context("result", outcome.result.to_string());
    if let Some(url) = &outcome.run.run_page_url {
        error = error.with_context("page", url.clone());
    }
    if let Some(code) = outcome.code() {
        error = error.with_vendor_code(code.as_str());
    }
    error.with_source(RunFailure { outcome })
}

fn by_result(result: &RunResult) -> ErrorKind {
    match result {
        RunResult::Success
        | RunResult::SuccessWithFailures
        | RunResult::Failed
        | RunResult::UpstreamFailed
        | RunResult::Other(_) => ErrorKind::InvalidInput,
        RunResult::TimedOut => ErrorKind::Timeout,
        RunResult::Canceled
        | RunResult::UpstreamCanceled
        | RunResult::Skipped
        | RunResult::Excluded
        | RunResult::Disabled => ErrorKind::Cancelled,
        RunResult::MaximumConcurrentRunsReached => ErrorKind::ResourceExhausted,
        RunResult::InternalError => ErrorKind::Internal,
    }
}
