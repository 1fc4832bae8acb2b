//! Waiting for a run to be over.

use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument as _;
use twinhouse_core::{Error, ErrorKind, Result};

use super::{Jobs, Run, RunId, RunOutcome, RunResult, check::invalid, macros::setters};

/// How a wait goes about it.
///
/// Between two looks it pauses, at first shortly, then longer and longer; whenever something has changed it begins
/// anew, because where one thing has just happened the next is not far. Pauses are shortened by chance by up to a
/// quarter, so that many waits do not look all at once.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WaitOptions {
    /// The pause after the first look, and after each change. Default 1 s.
    pub first_pause: Duration,
    /// The longest pause. Default 30 s.
    pub longest_pause: Duration,
    /// When to give up waiting. Default: never.
    pub timeout: Option<Duration>,
    /// Stops the run when the wait gives up. Default: it goes on.
    pub cancel_on_timeout: bool,
    /// For how long the service may fail to say where the run stands, look after look, before the wait fails. Default
    /// 5 minutes.
    pub patience: Duration,
    /// Takes `SUCCESS_WITH_FAILURES` for success: tasks have failed, but not those at the end. Default: it is a failure.
    pub accept_failures: bool,
}

impl Default for WaitOptions {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
            timeout: None,
            cancel_on_timeout: false,
            patience: Duration::from_secs(300),
            accept_failures: false,
        }
    }
}

impl WaitOptions {
    setters! {
        /// The pause after the first look, and after each change.
        with_first_pause(first_pause: set Duration);
        /// The longest pause.
        with_longest_pause(longest_pause: set Duration);
        /// When to give up waiting.
        with_timeout(timeout: some Duration);
        /// Whether to stop the run when the wait gives up.
        with_cancel_on_timeout(cancel_on_timeout: set bool);
        /// For how long the service may fail to answer.
        with_patience(patience: set Duration);
        /// Whether `SUCCESS_WITH_FAILURES` is success.
        with_accept_failures(accept_failures: set bool);
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.first_pause.is_zero() {
            return Err(invalid("first_pause", "must not be zero"));
        }
        if self.longest_pause < self.first_pause {
            return Err(invalid("longest_pause", "must not be shorter than `first_pause`"));
        }
        Ok(())
    }
}

/// What a look has shown.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WaitProgress<'a> {
    /// The run. Of a run with more than a hundred tasks, the first hundred are here until it is over.
    pub run: &'a Run,
    /// How long the wait has taken so far.
    pub elapsed: Duration,
    /// Which look this is, from 1.
    pub looks: u64,
}

impl Jobs {
    /// Waits until a run is over, and well.
    ///
    /// # Errors
    ///
    /// A run that is over and not well is an error of the kind of its failure; its source is the
    /// [`RunFailure`](super::RunFailure), with the whole run. Otherwise as [`outcome`](Self::outcome).
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the waiting; the run goes on.
    pub async fn wait(&self, run: RunId, options: &WaitOptions) -> Result<Run> {
        succeeded(self.outcome(run, options).await?, options)
    }

    /// Waits until a run is over, however it comes out.
    ///
    /// A look that fails is made again while the failure promises to pass, for as long as `patience` allows: one bad
    /// answer does not end a wait of hours.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] with context `wait: run` when the time of `options` ran out, after the run was stopped if
    /// they say so; [`ErrorKind::NotFound`] if there is no such run; or the service's, once patience has run out.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the waiting; the run goes on.
    pub async fn outcome(&self, run: RunId, options: &WaitOptions) -> Result<RunOutcome> {
        self.outcome_with(run, options, |_| ()).await
    }

    /// As [`outcome`](Self::outcome), and tells of every look.
    ///
    /// # Errors
    ///
    /// As [`outcome`](Self::outcome).
    ///
    /// # Cancellation
    ///
    /// As [`outcome`](Self::outcome).
    pub async fn outcome_with(
        &self,
        run: RunId,
        options: &WaitOptions,
        progress: impl FnMut(WaitProgress<'_>) + Send,
    ) -> Result<RunOutcome> {
        options.check()?;
        let span = tracing::info_span!("twinhouse.run.wait", run_id = run.0, looks = tracing::field::Empty);
        let began = Instant::now();
        // A time-out too long for the clock is no time-out.
        let deadline = options.timeout.and_then(|timeout| began.checked_add(timeout));
        let mut wait = Wait { jobs: self, run, options, began, looks: 0, progress };
        let waited = match deadline {
            None => wait.until_over().instrument(span).await,
            Some(deadline) => match tokio::time::timeout_at(deadline, wait.until_over().instrument(span)).await {
                Ok(waited) => waited,
                Err(_) => Err(self.gave_up(run, options).await),
            },
        };
        let result = match &waited {
            Ok(outcome) => outcome.result.as_str().to_owned(),
            Err(error) => error.kind().to_string(),
        };
        metrics::histogram!(RUN_SECONDS, "result" => result).record(began.elapsed().as_secs_f64());
        waited
    }

    async fn gave_up(&self, run: RunId, options: &WaitOptions) -> Error {
        let limit = options.timeout.unwrap_or_default();
        let error = Error::new(ErrorKind::Timeout, "the run was not over in time")
            .with_context("wait", "run")
            .with_context("limit", format!("{limit:?}"))
            .with_context("run_id", run.to_string());
        if !options.cancel_on_timeout {
            return error;
        }
        match tokio::time::timeout(CANCEL_LIMIT, self.cancel_run(run)).await {
            Ok(Ok(())) => error.with_context("cancelled", "true"),
            Ok(Err(cause)) => error.with_context("cancelled", "false").with_source(cause),
            Err(_) => error.with_context("cancelled", "unknown"),
        }
    }
}

/// How long a wait for a run took, in seconds, by how it came out.
const RUN_SECONDS: &str = "twinhouse_run_wait_seconds";
/// How long the service may take to hear that the run is to be stopped.
const CANCEL_LIMIT: Duration = Duration::from_secs(10);

/// The run, if it came out as the options want it.
pub(crate) fn succeeded(outcome: RunOutcome, options: &WaitOptions) -> Result<Run> {
    if options.accept_failures && outcome.result == RunResult::SuccessWithFailures {
        return Ok(outcome.run);
    }
    outcome.into_run()
}

struct Wait<'a, P> {
    jobs: &'a Jobs,
    run: RunId,
    options: &'a WaitOptions,
    began: Instant,
    looks: u64,
    progress: P,
}

impl<P: FnMut(WaitProgress<'_>) + Send> Wait<'_, P> {
    async fn until_over(&mut self) -> Result<RunOutcome> {
        let mut pause = self.options.first_pause;
        let mut position = None;
        let mut last_seen = Instant::now();
        loop {
            let mut wish = Duration::ZERO;
            match self.look().await {
                Ok(run) => {
                    last_seen = Instant::now();
                    let here = run.position();
                    if position.as_ref() != Some(&here) {
                        pause = self.options.first_pause;
                        position = Some(here);
                    }
                    if run.is_over() {
                        match self.whole(run).await {
                            Ok(outcome) => return Ok(outcome),
                            Err(error) => wish = self.bear(error, last_seen)?,
                        }
                    }
                }
                Err(error) => wish = self.bear(error, last_seen)?,
            }
            tokio::time::sleep(shortened(pause).max(wish)).await;
            pause = (pause * 3 / 2).min(self.options.longest_pause);
        }
    }

    async fn look(&mut self) -> Result<Run> {
        let run = self.jobs.run_page(self.run, "").await?;
        self.looks += 1;
        tracing::Span::current().record("looks", self.looks);
        (self.progress)(WaitProgress { run: &run, elapsed: self.began.elapsed(), looks: self.looks });
        Ok(run)
    }

    /// All pages of a run that is over.
    async fn whole(&self, run: Run) -> Result<RunOutcome> {
        let whole = self.jobs.rest_of(run).await?;
        whole.into_outcome().map_err(|_| Error::new(ErrorKind::Protocol, "a run was over, and then it was not"))
    }

    /// Lets a failure pass that may pass; answers how long the service wants to be left alone.
    fn bear(&self, error: Error, last_seen: Instant) -> Result<Duration> {
        if !error.is_retryable() {
            return Err(error);
        }
        if last_seen.elapsed() >= self.options.patience {
            return Err(error.with_context("last seen", format!("{:.0?} ago", last_seen.elapsed())));
        }
        tracing::debug!(run = %self.run, %error, "could not look at the run, and will look again");
        Ok(error.retry_after().unwrap_or_default())
    }
}

/// Up to a quarter shorter, by chance.
fn shortened(pause: Duration) -> Duration {
    pause.mul_f64(1.0 - 0.25 * fastrand::f64())
}

#[cfg(test)]
mod tests;
