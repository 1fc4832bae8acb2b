//! The wait loop, the deadline and cancel-on-drop, once for every backend.

use std::{convert::identity, future::Future, sync::Arc, time::Duration};

use futures::StreamExt as _;
use tokio::{
    runtime::Handle,
    time::{Instant, sleep, timeout, timeout_at},
};
use twinhouse_core::{Error, ErrorKind, Result, telemetry::StatementWatch};

use crate::{
    batches::BatchStream,
    statement::{CallOptions, OnDrop, StatementDriver, StatementId, StatementStatus},
};

/// How long a caller whose time is up waits until the server has been told.
const CANCEL_LIMIT: Duration = Duration::from_secs(10);
/// How long a cancellation that nobody waits for may take: a statement that hears of none goes on billing.
const ABANDONED_LIMIT: Duration = Duration::from_secs(60);
/// First and longest pause between two looks. Well under the 15 minutes after which Databricks gives up on a
/// statement nobody asks about.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long the looks may fail one after the other: the statement goes on meanwhile, and a server that cannot be asked
/// for a minute is no reason to stop hours of work.
const PATIENCE: Duration = Duration::from_secs(120);

/// A statement on the server.
///
/// # Cancellation
///
/// Dropping the handle, or the stream made from it before its end, cancels the statement on the server in a task of
/// its own, unless the request said [`OnDrop::Detach`] or [`detach`](Self::detach) was called.
#[derive(Debug)]
pub struct StatementHandle {
    guard: Guard,
    deadline: Option<Instant>,
    timeout: Option<Duration>,
    watch: Option<StatementWatch>,
}

impl StatementHandle {
    /// Wraps what a backend has submitted. The time-out of `options` counts from now.
    pub fn new(driver: Arc<dyn StatementDriver>, options: &CallOptions) -> Self {
        Self {
            guard: Guard { driver: Some(driver), on_drop: options.on_drop },
            deadline: options.deadline(),
            timeout: options.timeout,
            watch: None,
        }
    }

    /// Counts the time-out from when the request was made, not from when the server answered.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    pub(super) fn with_watch(mut self, watch: Option<StatementWatch>) -> Self {
        self.watch = watch;
        self
    }

    /// The server's name for it.
    pub fn id(&self) -> &StatementId {
        self.driver().id()
    }

    /// One look at where it stands.
    ///
    /// # Errors
    ///
    /// Those of the look itself; a failed statement is `Ok(StatementStatus::Failed(_))`.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the statement as it is.
    pub async fn status(&self) -> Result<StatementStatus> {
        self.driver().status().await
    }

    /// Waits until results can be read. A look that fails is taken again while the failure promises to pass, for two
    /// minutes after the last that did not.
    ///
    /// # Errors
    ///
    /// The statement's own error; [`ErrorKind::Cancelled`] if somebody stopped it; [`ErrorKind::Timeout`] when the
    /// call's time ran out, after the server was told to stop.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the waiting only; the statement is stopped when the handle is dropped.
    pub async fn ready(&self) -> Result<()> {
        let ready = self.within_deadline(self.poll()).await.and_then(identity);
        self.came_to(&ready);
        ready
    }

    async fn poll(&self) -> Result<()> {
        let mut pause = FIRST_PAUSE;
        let mut last_seen = Instant::now();
        loop {
            let mut wish = Duration::ZERO;
            match self.driver().status().await {
                Ok(StatementStatus::Ready | StatementStatus::Succeeded) => return Ok(()),
                Ok(StatementStatus::Failed(error)) => return Err(error),
                Ok(StatementStatus::Cancelled) => {
                    return Err(Error::new(ErrorKind::Cancelled, "the statement was cancelled")
                        .with_statement_id(self.id().as_str()));
                }
                Ok(StatementStatus::Queued | StatementStatus::Running) => last_seen = Instant::now(),
                Err(error) if !error.is_retryable() || last_seen.elapsed() >= PATIENCE => return Err(error),
                Err(error) => {
                    tracing::debug!(statement = %self.id(), %error, "could not look at the statement, and will look again");
                    wish = error.retry_after().unwrap_or_default();
                }
            }
            sleep(pause.max(wish)).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }

    /// Waits for the results and streams them; the deadline goes on counting until the last row.
    ///
    /// # Errors
    ///
    /// As [`ready`](Self::ready). Errors while reading come through the stream, which then ends.
    ///
    /// # Cancellation
    ///
    /// Dropping the future, or the stream before its end, cancels the statement on the server.
    pub async fn stream(self) -> Result<BatchStream> {
        self.ready().await?;
        let results = self.within_deadline(self.driver().results()).await.and_then(identity);
        self.came_to(&results);
        let results = results?;
        let schema = results.schema().clone();
        let outcome = results.outcome().clone();
        let batches = futures::stream::unfold(Some((results, self)), |state| async move {
            let (mut results, handle) = state?;
            let batch = handle.within_deadline(results.next()).await.and_then(Option::transpose);
            handle.came_to(&batch);
            match batch {
                Ok(Some(batch)) => {
                    if let Some(watch) = &handle.watch {
                        watch.read(batch.num_rows() as u64, batch.get_array_memory_size() as u64);
                    }
                    Some((Ok(batch), Some((results, handle))))
                }
                Ok(None) => {
                    handle.guard.disarm();
                    None
                }
                // A statement that failed is over: there is nothing to cancel that the driver has not let go of. A
                // broken read is not, so the guard stays armed.
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(BatchStream::new(schema, batches).with_outcome(outcome))
    }

    /// Runs it to the end, reading and dropping any rows. Answers how many rows it affected, where the server says.
    ///
    /// # Errors
    ///
    /// As [`ready`](Self::ready), and those of reading.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement on the server.
    pub async fn finish(self) -> Result<Option<u64>> {
        let mut stream = self.stream().await?;
        while let Some(batch) = stream.next().await {
            batch?;
        }
        Ok(stream.rows_affected())
    }

    /// Something that can stop the statement from any task, as often as wanted.
    pub fn canceller(&self) -> Canceller {
        Canceller { driver: self.driver().clone() }
    }

    /// Lets the statement go on without us and answers its id. It goes on billing, too.
    pub fn detach(mut self) -> StatementId {
        self.guard.on_drop = OnDrop::Detach;
        self.id().clone()
    }

    fn driver(&self) -> &Arc<dyn StatementDriver> {
        self.guard.driver.as_ref().unwrap_or_else(|| unreachable!("the driver leaves the guard only when both end"))
    }

    fn came_to<T>(&self, result: &Result<T>) {
        if let Some(watch) = &self.watch {
            watch.came_to(result.as_ref().map_or_else(|error| error.kind().as_str(), |_| "ok"));
        }
    }

    /// Runs `work` inside the deadline; when it passes, the server is told to stop before the error is returned.
    async fn within_deadline<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let Some(deadline) = self.deadline else { return Ok(work.await) };
        if let Ok(done) = timeout_at(deadline, work).await {
            return Ok(done);
        }
        cancel_bounded(self.driver().as_ref(), CANCEL_LIMIT).await;
        Err(Error::new(ErrorKind::Timeout, "the statement ran out of time")
            .with_context("wait", "statement")
            .with_context("limit", format!("{:?}", self.timeout.unwrap_or_default()))
            .with_statement_id(self.id().as_str()))
    }
}

/// Stops a statement from any task.
#[derive(Clone, Debug)]
pub struct Canceller {
    driver: Arc<dyn StatementDriver>,
}

impl Canceller {
    /// Asks the server to stop the statement. One that is over is no error.
    ///
    /// # Errors
    ///
    /// If the server could not be told.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped may not have told it.
    pub async fn cancel(&self) -> Result<()> {
        self.driver.cancel().await
    }

    /// The statement's id.
    pub fn id(&self) -> &StatementId {
        self.driver.id()
    }
}

#[derive(Debug)]
struct Guard {
    driver: Option<Arc<dyn StatementDriver>>,
    on_drop: OnDrop,
}

impl Guard {
    fn disarm(mut self) {
        self.driver = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (Some(driver), OnDrop::Cancel) = (self.driver.take(), self.on_drop) else { return };
        // Outside a runtime there is nobody to run the cancellation; the server's own time-outs remain.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move { cancel_bounded(driver.as_ref(), ABANDONED_LIMIT).await });
    }
}

async fn cancel_bounded(driver: &dyn StatementDriver, limit: Duration) {
    match timeout(limit, driver.cancel()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(statement = %driver.id(), %error, "could not cancel"),
        Err(_) => tracing::warn!(statement = %driver.id(), "cancelling took too long"),
    }
}
