//! Runs statements on a runtime of their own, where a cross join cannot starve the server.

use std::{sync::Arc, time::Duration};

use futures::TryStreamExt;
use tokio::runtime::Handle;

use super::{
    answer::Answer,
    registry::{Entry, Origin, State, Statements},
    spool::{Shape, Spool},
};
use crate::{
    databricks::{
        engine::{Effect, Engine, Outcome, Request},
        error::{SqlError, SqlResult},
        quirks::Quirks,
    },
    faults::{FaultKind, struck},
};

/// A statement that is about to run.
pub(crate) struct Submission {
    pub(crate) request: Request,
    pub(crate) shape: Shape,
    pub(crate) origin: Origin,
    /// How long the warehouse needs to start; until then the statement is pending.
    pub(crate) delay: Duration,
    /// How long it may run.
    pub(crate) limit: Option<Duration>,
    /// Called with what the statement asks of its session.
    pub(crate) on_use: Box<dyn FnOnce(Effect) + Send>,
}

/// Starts statements.
#[derive(Clone, Debug)]
pub(crate) struct Runner {
    pub(crate) engine: Engine,
    pub(crate) statements: Arc<Statements>,
    pub(crate) quirks: Arc<Quirks>,
    pub(crate) runtime: Handle,
}

impl Runner {
    /// Starts a statement and answers at once.
    pub(crate) fn submit(&self, mut submission: Submission) -> Arc<Entry> {
        let origin = submission.origin.clone();
        let entry = self.statements.begin(submission.request.sql.clone(), submission.shape, origin);
        if let Some(FaultKind::WarehouseStarting { pause }) = struck() {
            submission.delay += pause;
        }
        let work = run_in_time(self.engine.clone(), submission, Arc::clone(&self.quirks), Arc::clone(&entry));
        let task = self.runtime.spawn(work);
        entry.attach(task.abort_handle());
        let ended = Arc::clone(&entry);
        self.runtime.spawn(async move {
            let state = match task.await {
                Ok(Ok(answer)) => State::Succeeded(Arc::new(answer)),
                Ok(Err(error)) => State::Failed(error),
                Err(error) if error.is_cancelled() => State::Canceled,
                Err(_) => State::Failed(SqlError::internal("the engine of the sandbox panicked")),
            };
            let kept = matches!(state, State::Succeeded(_)) && ended.advance(state.clone());
            if !kept {
                ended.advance(state);
                ended.remove_files();
            }
        });
        entry
    }
}

async fn run_in_time(
    engine: Engine,
    submission: Submission,
    quirks: Arc<Quirks>,
    entry: Arc<Entry>,
) -> SqlResult<Answer> {
    let limit = submission.limit;
    tokio::time::sleep(submission.delay).await;
    let work = run(engine, submission, quirks, entry);
    let Some(limit) = limit else { return work.await };
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let text = format!(
            "The query exceeded the statement timeout of {} seconds and was cancelled. To change the limit, set STATEMENT_TIMEOUT.",
            limit.as_secs()
        );
        Err(SqlError::new("QUERY_EXECUTION_TIMEOUT_EXCEEDED", "57KD0", text))
    })
}

async fn run(engine: Engine, submission: Submission, quirks: Arc<Quirks>, entry: Arc<Entry>) -> SqlResult<Answer> {
    entry.advance(State::Running);
    let (outcome, effect) = engine.run(&submission.request).await?;
    (submission.on_use)(effect);
    let mut stream = match outcome {
        Outcome::Nothing => return Ok(Answer::nothing()),
        Outcome::Rows(stream) => stream,
    };
    let quirks = Quirks { stale_names: quirks.stale_names && submission.origin.cached, ..quirks.as_ref().clone() };
    let mut spool = Spool::new(submission.shape, &quirks, stream.schema(), entry.folder().to_owned())?;
    while let Some(batch) = stream.try_next().await? {
        let more = tokio::task::block_in_place(|| spool.push(&batch))?;
        if !more {
            break;
        }
    }
    drop(stream);
    spool.finish()
}
