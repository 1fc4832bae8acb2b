use serde_json::{Value, json};
use twinhouse_core::{Effect, ErrorKind};

use super::*;

fn run(state: Value, status: Value) -> Run {
    serde_json::from_value(json!({ "run_id": 7, "state": state, "status": status })).unwrap()
}

fn old(life_cycle: &str, result: Value) -> Value {
    json!({ "life_cycle_state": life_cycle, "result_state": result, "state_message": "words" })
}

fn new(state: &str, code: Value, kind: Value) -> Value {
    json!({ "state": state, "termination_details": { "code": code, "type": kind, "message": "more words" } })
}

#[test]
fn every_state_that_is_no_end_is_none_in_both_shapes() {
    for state in ["QUEUED", "PENDING", "RUNNING", "TERMINATING", "BLOCKED", "WAITING_FOR_RETRY", "SOMETHING_NEW"] {
        assert_eq!(run(old(state, Value::Null), Value::Null).result(), None, "{state}");
    }
    for state in ["QUEUED", "PENDING", "RUNNING", "TERMINATING", "BLOCKED", "WAITING", "SOMETHING_NEW"] {
        assert_eq!(run(Value::Null, json!({ "state": state })).result(), None, "{state}");
    }
    // A result beside a state that is no end is not an end.
    assert_eq!(run(old("TERMINATING", json!("SUCCESS")), Value::Null).result(), None);
    assert_eq!(run(Value::Null, Value::Null).result(), None);
}

#[test]
fn every_end_of_the_older_shape_is_known() {
    for (result, wanted, kind) in [
        ("SUCCESS", RunResult::Success, None),
        ("FAILED", RunResult::Failed, Some(ErrorKind::InvalidInput)),
        ("TIMEDOUT", RunResult::TimedOut, Some(ErrorKind::Timeout)),
        ("CANCELED", RunResult::Canceled, Some(ErrorKind::Cancelled)),
        (
            "MAXIMUM_CONCURRENT_RUNS_REACHED",
            RunResult::MaximumConcurrentRunsReached,
            Some(ErrorKind::ResourceExhausted),
        ),
        ("EXCLUDED", RunResult::Excluded, Some(ErrorKind::Cancelled)),
        ("SUCCESS_WITH_FAILURES", RunResult::SuccessWithFailures, Some(ErrorKind::InvalidInput)),
        ("UPSTREAM_FAILED", RunResult::UpstreamFailed, Some(ErrorKind::InvalidInput)),
        ("UPSTREAM_CANCELED", RunResult::UpstreamCanceled, Some(ErrorKind::Cancelled)),
        ("DISABLED", RunResult::Disabled, Some(ErrorKind::Cancelled)),
        ("PARTLY", RunResult::Other("PARTLY".into()), Some(ErrorKind::InvalidInput)),
    ] {
        let outcome = run(old("TERMINATED", json!(result)), Value::Null).into_outcome().unwrap();
        assert_eq!((&outcome.result, outcome.result.as_str()), (&wanted, result));
        assert!(!outcome.is_retryable(), "{result}");
        let failure = outcome.clone().into_run().err();
        assert_eq!(failure.as_ref().map(Error::kind), kind, "{result}");
        if let Some(error) = failure {
            assert_eq!(
                (error.message(), error.context("run_id"), error.context("result")),
                ("words", Some("7"), Some(result))
            );
            assert_eq!(RunFailure::of(&error).unwrap().outcome, outcome, "the error carries the run");
        }
    }
    let skipped = run(old("SKIPPED", Value::Null), Value::Null).into_outcome().unwrap();
    assert_eq!((&skipped.result, skipped.is_retryable()), (&RunResult::Skipped, false));
    let broken = run(old("INTERNAL_ERROR", json!("FAILED")), Value::Null).into_outcome().unwrap();
    assert_eq!((&broken.result, broken.is_retryable()), (&RunResult::InternalError, true));
}

#[test]
fn an_internal_error_that_is_the_fault_of_a_task_is_a_failure() {
    let old = || old("INTERNAL_ERROR", json!("FAILED"));
    for (kind, wanted, again) in [
        ("CLIENT_ERROR", RunResult::Failed, false),
        ("CLOUD_FAILURE", RunResult::Failed, true),
        ("INTERNAL_ERROR", RunResult::InternalError, true),
    ] {
        let newer = new("TERMINATED", json!("RUN_EXECUTION_ERROR"), json!(kind));
        let over = run(old(), newer).into_outcome().unwrap();
        assert_eq!((&over.result, over.is_retryable()), (&wanted, again), "{kind}");
    }
}

#[test]
fn terminated_without_a_result_is_no_success() {
    let outcome = run(old("TERMINATED", Value::Null), Value::Null).into_outcome().unwrap();
    assert_eq!(outcome.result, RunResult::Other(String::new()));
    assert!(outcome.into_run().is_err());
}

#[test]
fn every_code_of_the_newer_shape_has_a_kind_and_the_type_says_whether_to_try_again() {
    for (code, fault, kind, again) in [
        ("USER_CANCELED", "CLIENT_ERROR", ErrorKind::Cancelled, false),
        ("CANCELED", "CLIENT_ERROR", ErrorKind::Cancelled, false),
        ("SKIPPED", "CLIENT_ERROR", ErrorKind::Cancelled, false),
        ("DISABLED", "CLIENT_ERROR", ErrorKind::Cancelled, false),
        ("RUN_EXECUTION_ERROR", "CLIENT_ERROR", ErrorKind::InvalidInput, false),
        ("DRIVER_ERROR", "INTERNAL_ERROR", ErrorKind::Unavailable, true),
        ("CLUSTER_ERROR", "CLOUD_FAILURE", ErrorKind::Unavailable, true),
        ("CLUSTER_REQUEST_LIMIT_EXCEEDED", "CLIENT_ERROR", ErrorKind::RateLimited, false),
        ("INVALID_CLUSTER_REQUEST", "CLIENT_ERROR", ErrorKind::InvalidInput, false),
        ("INVALID_RUN_CONFIGURATION", "CLIENT_ERROR", ErrorKind::InvalidInput, false),
        ("LIBRARY_INSTALLATION_ERROR", "CLIENT_ERROR", ErrorKind::InvalidInput, false),
        ("REPOSITORY_CHECKOUT_FAILED", "CLIENT_ERROR", ErrorKind::NotFound, false),
        ("RESOURCE_NOT_FOUND", "CLIENT_ERROR", ErrorKind::NotFound, false),
        ("STORAGE_ACCESS_ERROR", "CLIENT_ERROR", ErrorKind::PermissionDenied, false),
        ("UNAUTHORIZED_ERROR", "CLIENT_ERROR", ErrorKind::PermissionDenied, false),
        ("WORKSPACE_RUN_LIMIT_EXCEEDED", "CLIENT_ERROR", ErrorKind::ResourceExhausted, false),
        ("MAX_CONCURRENT_RUNS_EXCEEDED", "CLIENT_ERROR", ErrorKind::ResourceExhausted, false),
        ("MAX_JOB_QUEUE_SIZE_EXCEEDED", "CLIENT_ERROR", ErrorKind::ResourceExhausted, false),
        ("MAX_SPARK_CONTEXTS_EXCEEDED", "INTERNAL_ERROR", ErrorKind::ResourceExhausted, true),
        ("FEATURE_DISABLED", "CLIENT_ERROR", ErrorKind::Unsupported, false),
        ("BUDGET_POLICY_LIMIT_EXCEEDED", "CLIENT_ERROR", ErrorKind::ResourceExhausted, false),
        ("BREAKING_CHANGE", "INTERNAL_ERROR", ErrorKind::InvalidInput, true),
        ("CLOUD_FAILURE", "CLOUD_FAILURE", ErrorKind::Unavailable, true),
        ("INTERNAL_ERROR", "INTERNAL_ERROR", ErrorKind::Internal, true),
        ("OF_THE_FUTURE", "OF_THE_FUTURE", ErrorKind::InvalidInput, false),
    ] {
        let outcome = run(Value::Null, new("TERMINATED", json!(code), json!(fault))).into_outcome().unwrap();
        assert_eq!(outcome.is_retryable(), again, "{code}");
        assert_eq!(outcome.code().map(TerminationCode::as_str), Some(code));
        let error = outcome.into_run().unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (kind, again), "{code}");
        assert_eq!((error.message(), error.vendor_code()), ("more words", Some(code)));
    }
    let well = run(Value::Null, new("TERMINATED", json!("SUCCESS"), json!("SUCCESS"))).into_outcome().unwrap();
    assert!(well.is_success() && well.into_run().is_ok());
}

#[test]
fn both_shapes_together_give_the_one_that_says_more() {
    let both = run(old("TERMINATED", json!("TIMEDOUT")), new("TERMINATED", json!("CANCELED"), json!("CLIENT_ERROR")));
    let error = both.into_outcome().unwrap().into_run().unwrap_err();
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::Timeout, Some("CANCELED")));
    // One may be ahead of the other.
    let ahead = run(old("RUNNING", Value::Null), new("TERMINATED", json!("SUCCESS"), json!("SUCCESS")));
    assert_eq!(ahead.result(), Some(RunResult::Success));
}

#[test]
fn a_state_of_the_future_is_an_end_if_an_end_is_told_beside_it() {
    let mut future = run(old("ARCHIVED", json!("SUCCESS")), Value::Null);
    assert_eq!(future.result(), None);
    future.end_time = Some(1);
    assert_eq!(future.result(), Some(RunResult::Success));
}

#[test]
fn what_never_began_had_no_effect() {
    let effect = |result: &str| {
        let over = run(old("TERMINATED", json!(result)), Value::Null).into_outcome().unwrap();
        over.into_run().unwrap_err().fault().effect
    };
    assert_eq!(effect("FAILED"), Effect::Unknown);
    assert_eq!(effect("UPSTREAM_FAILED"), Effect::None);
    assert_eq!(effect("MAXIMUM_CONCURRENT_RUNS_REACHED"), Effect::None);
}

#[test]
fn a_failure_names_the_tasks_that_failed() {
    let run: Run = serde_json::from_value(json!({
        "run_id": "7", "state": old("TERMINATED", json!("FAILED")),
        "tasks": [
            { "run_id": 1, "task_key": "a", "attempt_number": 0, "state": old("TERMINATED", json!("FAILED")) },
            { "run_id": 2, "task_key": "b", "state": old("TERMINATED", json!("UPSTREAM_FAILED")) },
            { "run_id": 3, "task_key": "a", "attempt_number": 1, "state": old("TERMINATED", json!("SUCCESS")) },
        ],
    }))
    .unwrap();
    assert_eq!(run.task("a").unwrap().run_id.0, 3, "the last try counts");
    let error = run.into_outcome().unwrap().into_run().unwrap_err();
    let text = RunFailure::of(&error).unwrap().to_string();
    assert_eq!(text, "run 7 is over: FAILED; task b: UPSTREAM_FAILED");
}
