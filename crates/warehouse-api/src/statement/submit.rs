//! Submission in a task of its own.

use std::{future::Future, sync::Arc};

use tokio::sync::oneshot;
use twinhouse_core::{Error, ErrorKind, Result};

use crate::statement::{CallOptions, StatementDriver, StatementHandle};

/// Runs `submission` in a task of its own and answers the handle of what it submitted.
///
/// A caller that is dropped before the server has answered with an id cannot cancel what it does not know; the task
/// goes on until it knows, and the handle that nobody takes then cancels the statement.
///
/// # Errors
///
/// Those of `submission`, and [`ErrorKind::Timeout`] when `options.timeout` passes before the server has answered.
///
/// # Cancellation
///
/// Dropping the future leaves the submission to run; what it submits is cancelled unless `options` says otherwise.
pub async fn submit_in_task<D>(
    options: CallOptions,
    submission: impl Future<Output = Result<D>> + Send + 'static,
) -> Result<StatementHandle>
where
    D: StatementDriver,
{
    let deadline = options.deadline();
    let limit = options.timeout;
    let (sender, receiver) = oneshot::channel();
    tokio::spawn(async move {
        let submitted = submission.await;
        let handle = submitted.map(|driver| StatementHandle::new(Arc::new(driver), &options).with_deadline(deadline));
        // If nobody waits any more the handle comes back here and is dropped, which cancels the statement.
        let _ = sender.send(handle);
    });
    let answer = async {
        receiver
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the submission ended without an answer")))
    };
    match deadline {
        None => answer.await,
        Some(deadline) => tokio::time::timeout_at(deadline, answer).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, "the statement ran out of time before the server accepted it")
                .with_context("wait", "submission")
                .with_context("limit", format!("{:?}", limit.unwrap_or_default())))
        }),
    }
}
