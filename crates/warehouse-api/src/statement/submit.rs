//! Submission in a task of its own.

use std::{future::Future, sync::Arc};

use tokio::sync::oneshot;
use tracing::{Instrument as _, Span};
use twinhouse_core::{Error, ErrorKind, Result, telemetry::StatementWatch};

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
    submit(options, None, Box::pin(submission)).await
}

/// As [`submit_in_task`], and `watch` sees the statement from its submission to its end.
///
/// # Errors
///
/// As [`submit_in_task`].
///
/// # Cancellation
///
/// As [`submit_in_task`].
pub async fn submit_watched<D>(
    watch: StatementWatch,
    options: CallOptions,
    submission: impl Future<Output = Result<D>> + Send + 'static,
) -> Result<StatementHandle>
where
    D: StatementDriver,
{
    submit(options, Some(watch), Box::pin(submission)).await
}

/// The submission comes in a box: by value it would be in every future on the way to the task.
async fn submit<D>(
    options: CallOptions,
    watch: Option<StatementWatch>,
    submission: impl Future<Output = Result<D>> + Send + 'static,
) -> Result<StatementHandle>
where
    D: StatementDriver,
{
    let deadline = options.deadline();
    let limit = options.timeout;
    let (sender, receiver) = oneshot::channel();
    tokio::spawn(async move {
        let span = watch.as_ref().map_or_else(Span::none, |watch| watch.span().clone());
        let submitted = submission.instrument(span).await;
        if let Some(watch) = &watch {
            match &submitted {
                Ok(driver) => watch.named(driver.id().as_str()),
                Err(error) => watch.came_to(error.kind().as_str()),
            }
        }
        let handle = submitted
            .map(|driver| StatementHandle::new(Arc::new(driver), &options).with_deadline(deadline).with_watch(watch));
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
