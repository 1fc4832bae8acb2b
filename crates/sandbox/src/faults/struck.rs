//! Faults that only the one who does the work can make: the handler of a call asks whether it is struck.

use super::FaultKind;

tokio::task_local! {
    static STRUCK: FaultKind;
}

/// The fault that strikes the call which this task answers, if it is one that is left to the call's own handler.
pub(crate) fn struck() -> Option<FaultKind> {
    STRUCK.try_with(|kind| *kind).ok()
}

/// Answers a call with the fault known to its handler.
pub(super) async fn with<F: Future>(kind: FaultKind, answer: F) -> F::Output {
    STRUCK.scope(kind, answer).await
}
