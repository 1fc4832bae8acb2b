//! A streaming job on its way: the notebook goes up, the run begins, and in the end the notebook goes away.

use std::{fmt::Write as _, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};
use tracing::Instrument as _;
use twinhouse_core::{Effect, Error, ErrorKind, Result};
use twinhouse_warehouse_api::OnDrop;

use super::{StreamingJobSpec, Trigger};
use crate::{
    jobs::{
        Compute, IdempotencyToken, Jobs, Run, RunHandle, RunId, RunOutcome, SubmitRun, WaitOptions, check::invalid,
        macros::setters,
    },
    wire::ImportObject,
};

/// Where notebooks go unless said.
const FOLDER: &str = "/Shared/streaming_jobs";
const TASK: &str = "stream";

/// A streaming job, and how to run it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StreamingSubmission {
    /// The job.
    pub spec: StreamingJobSpec,
    /// What it runs on. Default: serverless compute, which knows [`Trigger::AvailableNow`] only.
    pub compute: Compute,
    /// The folder of the workspace that the notebook is put into. Default: `/Shared/streaming_jobs`.
    pub folder: String,
    /// Whether the notebook is removed when a wait has seen the run end. Default: it stays.
    pub cleanup: bool,
    /// Names the run, so that it happens once. Without one, a random one is sent.
    pub idempotency_token: Option<IdempotencyToken>,
    /// How often the query is begun again after a failure; -1: without end. It goes on where it was. Default: not at all.
    pub max_retries: Option<i64>,
    /// How long it may take, in seconds. Default: without end.
    pub timeout_seconds: Option<u64>,
    /// What becomes of the run if its handle is dropped before it is over. Default: it goes on.
    pub on_drop: OnDrop,
}

impl StreamingSubmission {
    /// This job, on serverless compute.
    pub fn new(spec: StreamingJobSpec) -> Self {
        Self {
            spec,
            compute: Compute::Serverless,
            folder: FOLDER.to_owned(),
            cleanup: false,
            idempotency_token: None,
            max_retries: None,
            timeout_seconds: None,
            on_drop: OnDrop::Detach,
        }
    }

    setters! {
        /// What it runs on.
        with_compute(compute: set Compute);
        /// The folder of the workspace that the notebook is put into.
        with_folder(folder: set String);
        /// Whether the notebook is removed when a wait has seen the run end.
        with_cleanup(cleanup: set bool);
        /// Names the run, so that it happens once.
        with_token(idempotency_token: some IdempotencyToken);
        /// How often the query is begun again after a failure; -1: without end.
        with_max_retries(max_retries: value i64);
        /// How long it may take.
        with_timeout(timeout_seconds: seconds);
        /// What becomes of the run if its handle is dropped before it is over.
        with_on_drop(on_drop: set OnDrop);
    }

    fn check(&self) -> Result<()> {
        if !self.folder.starts_with('/') || self.folder.trim_matches('/').is_empty() {
            return Err(invalid("folder", "must be a folder of the workspace, from its root"));
        }
        if self.compute == Compute::Serverless && self.spec.trigger() != Trigger::AvailableNow {
            return Err(invalid(
                "compute",
                "must be a cluster for this trigger: serverless compute knows `available now` only",
            ));
        }
        Ok(())
    }

    /// The place of the notebook: the same for the same job and token, so that a repeated submission writes the same to
    /// the same place; another for another, so that none writes over what a run is reading.
    fn path(&self, notebook: &str, token: &IdempotencyToken) -> String {
        let mut hash = Sha256::new();
        hash.update((notebook.len() as u64).to_be_bytes());
        hash.update(notebook);
        hash.update(token.as_str());
        let mut name: String = self
            .spec
            .name()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' })
            .take(60)
            .collect();
        name.push('-');
        for byte in hash.finalize().iter().take(10) {
            // Writing to a text does not fail.
            let _ = write!(name, "{byte:02x}");
        }
        format!("{}/{name}", self.folder.trim_end_matches('/'))
    }
}

impl From<StreamingJobSpec> for StreamingSubmission {
    fn from(spec: StreamingJobSpec) -> Self {
        Self::new(spec)
    }
}

impl Jobs {
    /// Puts a streaming job's notebook into the workspace and runs it.
    ///
    /// What fails half-way leaves nothing behind that is at work: if the run certainly did not begin, the notebook is
    /// removed again. If it may have begun, now or with an earlier submission of the same token, the notebook stays, and
    /// the error has the contexts `idempotency_token` and `notebook`: submit again with that token, and there is still
    /// one notebook and one run.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] with the `field`, before anything is sent; or the service's.
    ///
    /// # Cancellation
    ///
    /// As [`submit`](Self::submit).
    pub async fn submit_streaming_job(&self, submission: impl Into<StreamingSubmission>) -> Result<StreamingRun> {
        let submission = submission.into();
        submission.check()?;
        let is_first = submission.idempotency_token.is_none();
        let token = submission.idempotency_token.clone().unwrap_or_else(IdempotencyToken::random);
        let notebook = submission.spec.notebook();
        let path = submission.path(&notebook, &token);
        let mut run = SubmitRun::new(submission.spec.name()).with_token(token.clone()).with_on_drop(submission.on_drop);
        let mut task = submission.spec.task(TASK, &path).on(submission.compute.clone());
        task.max_retries = submission.max_retries;
        run.timeout_seconds = submission.timeout_seconds;
        let run = run.with_task(task);
        // Before the notebook is there: what is refused here would leave it behind.
        run.check()?;

        let begin = Begin {
            jobs: self.clone(),
            folder: submission.folder,
            path,
            notebook,
            token,
            run,
            is_first,
            cleanup: submission.cleanup,
        };
        // In a task of its own: a caller who leaves in the middle leaves no notebook without a run.
        let begun = tokio::spawn(begin.go().instrument(tracing::Span::current())).await;
        begun.unwrap_or_else(|gone| match gone.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::new(ErrorKind::Cancelled, "the runtime is being shut down")),
        })
    }

    async fn put_notebook(&self, folder: &str, path: &str, notebook: &str) -> Result<()> {
        self.client().workspace_mkdirs(folder.trim_end_matches('/')).await?;
        let content = STANDARD.encode(notebook);
        let object = ImportObject {
            path,
            content,
            format: Some("SOURCE"),
            language: Some("PYTHON"),
            // The same to the same place: it may be sent twice.
            overwrite: true,
        };
        self.client().workspace_import(&object).await
    }

    /// Removes a notebook, if it is there.
    async fn remove_notebook(&self, path: &str) -> Result<()> {
        match self.client().workspace_delete(path, false).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// On the way out of an error, which says more than this one would.
    async fn remove_quietly(&self, path: &str) {
        const LIMIT: Duration = Duration::from_secs(10);
        match tokio::time::timeout(LIMIT, self.remove_notebook(path)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(notebook = path, %error, "could not remove the notebook"),
            Err(_) => tracing::warn!(notebook = path, "removing the notebook took too long"),
        }
    }
}

/// What the submission's own task has to do.
struct Begin {
    jobs: Jobs,
    folder: String,
    path: String,
    notebook: String,
    token: IdempotencyToken,
    run: SubmitRun,
    /// Nobody has submitted with this token before: no run can be reading the notebook.
    is_first: bool,
    cleanup: bool,
}

impl Begin {
    async fn go(self) -> Result<StreamingRun> {
        let Self { jobs, folder, path, notebook, token, run, is_first, cleanup } = self;
        let named = |error: Error| {
            let error = match error.context("idempotency_token") {
                Some(_) => error,
                None => error.with_context("idempotency_token", token.as_str()),
            };
            error.with_context("notebook", path.clone())
        };
        if let Err(error) = jobs.put_notebook(&folder, &path, &notebook).await {
            // An answer that was lost may have left it there.
            if is_first && error.fault().effect == Effect::Unknown {
                jobs.remove_quietly(&path).await;
            }
            return Err(named(error));
        }
        match jobs.submit(run).await {
            Ok(handle) => Ok(StreamingRun { handle, jobs, path, cleanup }),
            Err(error) => {
                if is_first && error.fault().effect == Effect::None {
                    jobs.remove_quietly(&path).await;
                }
                Err(named(error))
            }
        }
    }
}

/// A run of a streaming job.
///
/// # Cancellation
///
/// As a [`RunHandle`]'s. The notebook stays where nobody has waited for the end: the run may still need it.
#[derive(Debug)]
pub struct StreamingRun {
    handle: RunHandle,
    jobs: Jobs,
    path: String,
    cleanup: bool,
}

impl StreamingRun {
    /// The run's id.
    pub fn id(&self) -> RunId {
        self.handle.id()
    }

    /// The run.
    pub fn run(&self) -> &RunHandle {
        &self.handle
    }

    /// Where the notebook is.
    pub fn notebook(&self) -> &str {
        &self.path
    }

    /// Waits until the run is over, and well; then removes the notebook, if that was asked for.
    ///
    /// # Errors
    ///
    /// As [`Jobs::wait`]. That the notebook could not be removed is logged, and no error.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the waiting only.
    pub async fn wait(&self, options: &WaitOptions) -> Result<Run> {
        crate::jobs::succeeded(self.outcome(options).await?, options)
    }

    /// Waits until the run is over, however it comes out; then removes the notebook, if that was asked for.
    ///
    /// # Errors
    ///
    /// As [`Jobs::outcome`]. That the notebook could not be removed is logged, and no error.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the waiting only.
    pub async fn outcome(&self, options: &WaitOptions) -> Result<RunOutcome> {
        let outcome = self.handle.outcome(options).await?;
        if self.cleanup {
            self.jobs.remove_quietly(&self.path).await;
        }
        Ok(outcome)
    }

    /// Asks for the run to be stopped. What is in its checkpoint is not lost: another run goes on there.
    ///
    /// # Errors
    ///
    /// If the service could not be told.
    pub async fn stop(&self) -> Result<()> {
        self.handle.cancel().await
    }

    /// Removes the notebook, if it is there. A run that is not over may fail without it.
    ///
    /// # Errors
    ///
    /// If the service refuses.
    pub async fn remove_notebook(&self) -> Result<()> {
        self.jobs.remove_notebook(&self.path).await
    }

    /// Lets the run go on without us and answers its id.
    pub fn detach(self) -> RunId {
        self.handle.detach()
    }
}
