//! Runs: started, looked at, stopped, repaired, removed.

use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::Instrument as _;
use twinhouse_core::{
    Error, ErrorKind, Result,
    http::{Body, Method, Request},
    resilience::Operation,
};
use twinhouse_warehouse_api::OnDrop;

use super::{
    IdempotencyToken, JobId, Jobs, ListRuns, RepairId, RepairRun, Run, RunHandle, RunId, RunNow, SubmitRun,
    kept::named,
    macros::loose,
    pages::{self, RunPage, following},
    run::{ExportedView, RepairHistoryItem, ViewsToExport},
};
use crate::api::client::{CANCEL, JOBS, JOBS_SUBMIT};

#[derive(Deserialize)]
struct Started {
    #[serde(default)]
    run_id: RunId,
}

#[derive(Deserialize)]
struct Repaired {
    #[serde(default)]
    repair_id: RepairId,
}

#[derive(Deserialize)]
struct Exported {
    #[serde(default, deserialize_with = "loose")]
    views: Vec<ExportedView>,
}

/// Runs that were started, by the kind of their tasks: `notebook`, `sql`, …, `mixed`, and `job` for those of a job.
const RUNS_STARTED: &str = "twinhouse_runs_started_total";

fn counted(started: Result<RunHandle>, job_type: &'static str) -> Result<RunHandle> {
    if started.is_ok() {
        metrics::counter!(RUNS_STARTED, "job_type" => job_type).increment(1);
    }
    started
}

impl Jobs {
    /// Starts a run of tasks that are at hand.
    ///
    /// The run has an idempotency token, the request's or a random one: if an answer is lost, the request is sent again
    /// and finds the run that it has started. An error has the token as context `idempotency_token`; to try again by
    /// yourself, give it to the request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] with the `field`, before anything is sent; or the service's.
    ///
    /// # Cancellation
    ///
    /// The submission is a task of its own and goes on if the future is dropped. The run is then stopped if the request
    /// says [`OnDrop::Cancel`], and goes on if not.
    pub async fn submit(&self, mut request: SubmitRun) -> Result<RunHandle> {
        request.check()?;
        let token = request.idempotency_token.get_or_insert_with(IdempotencyToken::random).clone();
        let job_type = request.job_type();
        let span = tracing::info_span!("twinhouse.run.submit", job_type, run_id = tracing::field::Empty);
        let on_drop = request.on_drop;
        let started = self.start("run.submit", &["runs", "submit"], request, token, on_drop).instrument(span).await;
        counted(started, job_type)
    }

    /// Starts a run of a job. Everything that [`submit`](Self::submit) says holds here too.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit); [`ErrorKind::NotFound`] if there is no such job.
    ///
    /// # Cancellation
    ///
    /// As [`submit`](Self::submit).
    pub async fn run_now(&self, mut request: RunNow) -> Result<RunHandle> {
        request.check()?;
        let token = request.idempotency_token.get_or_insert_with(IdempotencyToken::random).clone();
        let span = tracing::info_span!("twinhouse.run.now", job_id = request.job_id.0, run_id = tracing::field::Empty);
        let on_drop = request.on_drop;
        let started = self.start("run.now", &["run-now"], request, token, on_drop).instrument(span).await;
        counted(started, "job")
    }

    async fn start<T: Serialize>(
        &self,
        operation: &'static str,
        path: &'static [&'static str],
        request: T,
        token: IdempotencyToken,
        on_drop: OnDrop,
    ) -> Result<RunHandle> {
        let request = self.call(Method::POST, path).with_body(Body::json(&request)?);
        let jobs = self.clone();
        let span = tracing::Span::current();
        let start = async move {
            // With its token it may be sent twice.
            let operation = Operation::read(operation).with_class(JOBS_SUBMIT);
            let started = jobs.client.json(operation, request).await;
            let started = started.and_then(|started: Started| match started.run_id {
                RunId(0) => Err(Error::new(ErrorKind::Protocol, "the service started a run without naming it")),
                run => Ok(run),
            });
            let run = started.map_err(|error| error.with_context("idempotency_token", token.as_str()))?;
            tracing::Span::current().record("run_id", run.0);
            Ok(RunHandle::new(jobs, run, on_drop))
        };
        // In a task of its own: a caller who leaves before the id is there must still be able to stop the run. The
        // handle then falls out of the task, and does what it does when it is dropped.
        let started = tokio::spawn(start.instrument(span)).await;
        started.unwrap_or_else(|gone| match gone.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::new(ErrorKind::Cancelled, "the runtime is being shut down")),
        })
    }

    /// A handle for a run that was started elsewhere. Dropping it changes nothing.
    pub fn attach(&self, run: RunId) -> RunHandle {
        RunHandle::new(self.clone(), run, OnDrop::Detach)
    }

    /// A run, of a job or of a task, with all its tasks however many pages they are.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none; the service forgets runs after 60 days.
    pub async fn get_run(&self, run: RunId) -> Result<Run> {
        let first = self.run_page(run, "").await?;
        self.rest_of(first).await
    }

    /// The pages after the first.
    pub(super) async fn rest_of(&self, mut whole: Run) -> Result<Run> {
        let run = whole.run_id;
        let mut token = whole.next_page_token.take().unwrap_or_default();
        while !token.is_empty() {
            let page = self.run_page(run, &token).await?;
            whole.tasks.extend(page.tasks);
            whole.iterations.extend(page.iterations);
            whole.job_parameters.extend(page.job_parameters);
            whole.repair_history.extend(page.repair_history);
            // What else comes in lists is added to what came of it.
            for (key, more) in page.rest {
                match (whole.rest.get_mut(&key), more) {
                    (Some(Value::Array(known)), Value::Array(more)) => known.extend(more),
                    (Some(_), _) => {}
                    (None, more) => _ = whole.rest.insert(key, more),
                }
            }
            token = following(&token, page.next_page_token.unwrap_or_default())?.unwrap_or_default();
        }
        whole.has_more = None;
        Ok(whole)
    }

    /// One page; the first has where the run stands.
    pub(super) async fn run_page(&self, run: RunId, token: &str) -> Result<Run> {
        let run_id = run.to_string();
        let mut request = self.call(Method::GET, &["runs", "get"]).with_query([("run_id", run_id.as_str())]);
        if !token.is_empty() {
            request = request.with_query([("page_token", token)]);
        }
        let page: Result<Run> = self.client.json(Operation::read("run.get").with_class(JOBS), request).await;
        let mut page = page.map_err(|error| error.with_context("run_id", run_id))?;
        page.run_id = run;
        Ok(page)
    }

    /// Streams runs, the newest first, a page at a time.
    ///
    /// # Errors
    ///
    /// Through the stream, which then ends: [`ErrorKind::InvalidInput`] with the `field`, or the service's.
    pub fn list_runs(&self, request: ListRuns) -> BoxStream<'static, Result<Run>> {
        let found = pages::stream::<RunPage>(self, "run.list", &["runs", "list"], request.query());
        if !request.expand_tasks {
            return found;
        }
        let jobs = self.clone();
        let whole = move |run: Run| {
            let jobs = jobs.clone();
            async move { if run.has_more == Some(true) { jobs.get_run(run.run_id).await } else { Ok(run) } }
        };
        found.and_then(whole).boxed()
    }

    /// Asks for a run to be stopped. The service takes note and stops it later; [`wait`](Self::wait) sees it. One that
    /// is over is no error.
    ///
    /// # Errors
    ///
    /// If the service could not be told.
    pub async fn cancel_run(&self, run: RunId) -> Result<()> {
        let body = Body::json(&json!({ "run_id": run }))?;
        let request = self.call(Method::POST, &["runs", "cancel"]).with_body(body);
        // To stop it twice is to stop it.
        self.run_done(Operation::read("run.cancel").with_class(CANCEL), run, request).await
    }

    /// Asks for all runs of a job to be stopped.
    ///
    /// # Errors
    ///
    /// If the service could not be told.
    pub async fn cancel_all_runs(&self, job: JobId) -> Result<()> {
        named(job)?;
        self.cancel_all(json!({ "job_id": job })).await
    }

    /// Asks for all runs that wait for their turn to be stopped: those of a job, or of the whole workspace.
    ///
    /// # Errors
    ///
    /// If the service could not be told.
    pub async fn cancel_all_queued_runs(&self, job: Option<JobId>) -> Result<()> {
        let mut wish = json!({ "all_queued_runs": true });
        if let Some(job) = job {
            named(job)?;
            wish["job_id"] = json!(job);
        }
        self.cancel_all(wish).await
    }

    async fn cancel_all(&self, wish: Value) -> Result<()> {
        let request = self.call(Method::POST, &["runs", "cancel-all"]).with_body(Body::json(&wish)?);
        self.client.done(Operation::read("run.cancel_all").with_class(CANCEL), request).await
    }

    /// Tries again what failed in a run that is over. The run keeps its id; [`wait`](Self::wait) for it as before.
    ///
    /// The service has no token for this. If its answer is lost, the error says that the repair may be under way
    /// ([`Effect::Unknown`](twinhouse_core::Effect)), and nothing is sent again; a second repair with the same
    /// `latest_repair_id` is refused.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] with the `field`, before anything is sent; or the service's.
    pub async fn repair_run(&self, request: RepairRun) -> Result<RepairId> {
        request.check()?;
        let body = self.call(Method::POST, &["runs", "repair"]).with_body(Body::json(&request)?);
        let operation = Operation::write("run.repair").with_class(JOBS_SUBMIT);
        let repaired = self.client.json(operation, body).await;
        let repaired = repaired.and_then(|repaired: Repaired| match repaired.repair_id {
            RepairId(0) => Err(Error::new(ErrorKind::Protocol, "the service began a repair without naming it")),
            repair => Ok(repair),
        });
        repaired.map_err(|error| error.with_context("run_id", request.run_id.to_string()))
    }

    /// The tries of a run: the first, and each repair. The last repair's id is the next one's `latest_repair_id`.
    ///
    /// # Errors
    ///
    /// As [`get_run`](Self::get_run).
    pub async fn repair_history(&self, run: RunId) -> Result<Vec<RepairHistoryItem>> {
        let run_id = run.to_string();
        let query = [("run_id", run_id.as_str()), ("include_history", "true")];
        let request = self.call(Method::GET, &["runs", "get"]).with_query(query);
        let page: Result<Run> = self.client.json(Operation::read("run.get").with_class(JOBS), request).await;
        Ok(page.map_err(|error| error.with_context("run_id", run_id))?.repair_history)
    }

    /// Removes a run that is over.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none; [`ErrorKind::InvalidInput`] while it is not over.
    pub async fn delete_run(&self, run: RunId) -> Result<()> {
        let body = Body::json(&json!({ "run_id": run }))?;
        let request = self.call(Method::POST, &["runs", "delete"]).with_body(body);
        match self.run_done(Operation::read("run.delete").with_class(JOBS), run, request).await {
            // An attempt whose answer was lost has removed it.
            Err(error) if error.kind() == ErrorKind::NotFound && error.attempts() > 1 => Ok(()),
            done => done,
        }
    }

    /// A run of a notebook, as HTML.
    ///
    /// # Errors
    ///
    /// The service's.
    pub async fn export_run(&self, run: RunId, views: ViewsToExport) -> Result<Vec<ExportedView>> {
        let run_id = run.to_string();
        let query = [("run_id", run_id.as_str()), ("views_to_export", views.as_str())];
        let request = self.call(Method::GET, &["runs", "export"]).with_query(query);
        let operation = Operation::read("run.export").with_class(JOBS);
        let exported = self.client.json::<Exported>(operation, request).await;
        Ok(exported.map_err(|error| error.with_context("run_id", run_id))?.views)
    }

    async fn run_done(&self, operation: Operation, run: RunId, request: Request) -> Result<()> {
        let done = self.client.done(operation, request).await;
        done.map_err(|error| error.with_context("run_id", run.to_string()))
    }
}
