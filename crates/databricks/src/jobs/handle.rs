//! A run, held.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::runtime::Handle;
use twinhouse_core::Result;
use twinhouse_warehouse_api::OnDrop;

use super::{Jobs, Run, RunId, RunOutcome, RunOutput, TaskOutput, WaitOptions, WaitProgress};

/// How long a cancellation that nobody waits for may take.
const CANCEL_LIMIT: Duration = Duration::from_secs(10);

/// A run on the service.
///
/// # Cancellation
///
/// Dropping the handle changes nothing, unless the request said [`OnDrop::Cancel`]: then the run is stopped in a task of
/// its own, if it is not known to be over. Dropping the future of a wait stops the waiting only.
#[derive(Debug)]
pub struct RunHandle {
    jobs: Jobs,
    id: RunId,
    on_drop: OnDrop,
    over: AtomicBool,
}

impl RunHandle {
    pub(super) fn new(jobs: Jobs, id: RunId, on_drop: OnDrop) -> Self {
        Self { jobs, id, on_drop, over: AtomicBool::new(false) }
    }

    /// The run's id.
    pub fn id(&self) -> RunId {
        self.id
    }

    /// What becomes of the run if the handle is dropped before it is known to be over.
    #[must_use]
    pub fn with_on_drop(mut self, on_drop: OnDrop) -> Self {
        self.on_drop = on_drop;
        self
    }

    /// One look at the run, with all its tasks.
    ///
    /// # Errors
    ///
    /// Those of the look itself: a run that failed is no error here.
    pub async fn status(&self) -> Result<Run> {
        Ok(self.noted(self.jobs.get_run(self.id).await?))
    }

    /// Waits until the run is over, and well.
    ///
    /// # Errors
    ///
    /// As [`Jobs::wait`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the waiting only.
    pub async fn wait(&self, options: &WaitOptions) -> Result<Run> {
        super::wait::succeeded(self.outcome(options).await?, options)
    }

    /// Waits until the run is over, however it comes out.
    ///
    /// # Errors
    ///
    /// As [`Jobs::outcome`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the waiting only.
    pub async fn outcome(&self, options: &WaitOptions) -> Result<RunOutcome> {
        self.outcome_with(options, |_| ()).await
    }

    /// As [`outcome`](Self::outcome), and tells of every look.
    ///
    /// # Errors
    ///
    /// As [`Jobs::outcome`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the waiting only.
    pub async fn outcome_with(
        &self,
        options: &WaitOptions,
        progress: impl FnMut(WaitProgress<'_>) + Send,
    ) -> Result<RunOutcome> {
        // It may have been repaired since somebody saw it end.
        self.over.store(false, Ordering::Relaxed);
        let outcome = self.jobs.outcome_with(self.id, options, progress).await?;
        self.over.store(true, Ordering::Relaxed);
        Ok(outcome)
    }

    /// Asks for the run to be stopped, from any task, as often as wanted. The service stops it later; one that is over
    /// is no error.
    ///
    /// # Errors
    ///
    /// If the service could not be told.
    pub async fn cancel(&self) -> Result<()> {
        self.jobs.cancel_run(self.id).await
    }

    /// What the run's only task has left behind; see [`Jobs::get_run_output`].
    ///
    /// # Errors
    ///
    /// As [`Jobs::get_run_output`].
    pub async fn output(&self) -> Result<RunOutput> {
        self.jobs.get_run_output(self.id).await
    }

    /// What each task has left behind; see [`Jobs::outputs`].
    ///
    /// # Errors
    ///
    /// As [`Jobs::outputs`].
    pub async fn outputs(&self) -> Result<Vec<TaskOutput>> {
        self.jobs.outputs(self.id).await
    }

    /// Lets the run go on without us and answers its id.
    pub fn detach(mut self) -> RunId {
        self.on_drop = OnDrop::Detach;
        self.id
    }

    fn noted(&self, run: Run) -> Run {
        // A repair makes a run that was over begin again.
        self.over.store(run.is_over(), Ordering::Relaxed);
        run
    }
}

impl Drop for RunHandle {
    fn drop(&mut self) {
        if self.on_drop == OnDrop::Detach || self.over.load(Ordering::Relaxed) {
            return;
        }
        // Outside a runtime there is nobody to run the cancellation; the run's own time-out remains.
        let Ok(runtime) = Handle::try_current() else { return };
        let (jobs, id) = (self.jobs.clone(), self.id);
        runtime.spawn(async move {
            match tokio::time::timeout(CANCEL_LIMIT, jobs.cancel_run(id)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(run = %id, %error, "could not cancel"),
                Err(_) => tracing::warn!(run = %id, "cancelling took too long"),
            }
        });
    }
}
