//! One statement of a scripted warehouse.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    BatchStream, Outcome as StreamOutcome, StatementDriver, StatementId, StatementRequest, StatementStatus,
};

use super::script::{Outcome, Reply};

/// How long one look waits for news, as a server's long poll does.
const LOOK: std::time::Duration = std::time::Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Statement {
    id: StatementId,
    request: StatementRequest,
    reply: Reply,
    done_at: Instant,
    state: Mutex<Stage>,
    stopped: watch::Sender<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running,
    Over,
    Cancelled,
}

impl Statement {
    pub(super) fn new(number: usize, request: StatementRequest, reply: Reply) -> Self {
        Self {
            id: StatementId::new(format!("scripted-{number}")),
            request,
            done_at: Instant::now() + reply.delay,
            reply,
            state: Mutex::new(Stage::Running),
            stopped: watch::Sender::new(false),
        }
    }

    pub(super) fn request(&self) -> &StatementRequest {
        &self.request
    }

    pub(super) fn id(&self) -> &StatementId {
        &self.id
    }

    pub(super) fn is_running(&self) -> bool {
        *self.stage() == Stage::Running
    }

    pub(super) fn was_cancelled(&self) -> bool {
        *self.stage() == Stage::Cancelled
    }

    pub(super) fn stop(&self) {
        let mut stage = self.stage();
        if *stage == Stage::Running {
            *stage = Stage::Cancelled;
            self.stopped.send_replace(true);
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is over unless somebody stopped it before.
    fn finish(&self) {
        let mut stage = self.stage();
        if *stage == Stage::Running {
            *stage = Stage::Over;
        }
    }

    fn cancelled(&self) -> Error {
        Error::new(ErrorKind::Cancelled, "the statement was cancelled").with_statement_id(self.id.as_str())
    }

    /// Until the server has something to say: the statement is done or stopped.
    async fn settled(&self) {
        let mut stopped = self.stopped.subscribe();
        let stopped = async {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        let done = async {
            match self.reply.outcome {
                Outcome::Hangs => std::future::pending().await,
                _ => sleep_until(self.done_at).await,
            }
        };
        tokio::select! {
            () = stopped => {}
            () = done => {}
        }
    }

    /// The rows, as the script has them.
    pub(super) fn read(self: Arc<Self>) -> Result<BatchStream> {
        if self.was_cancelled() {
            return Err(self.cancelled());
        }
        let (schema, batches, then) = match &self.reply.outcome {
            Outcome::Rows { schema, batches, then } => (schema.clone(), batches.clone(), then.clone()),
            Outcome::Affected(rows) => {
                self.finish();
                let outcome = StreamOutcome::default();
                outcome.note_rows_affected(*rows);
                return Ok(BatchStream::from_batches(Reply::no_columns(), Vec::new()).with_outcome(outcome));
            }
            Outcome::Failed(error) => {
                self.finish();
                return Err(error.clone().with_statement_id(self.id.as_str()));
            }
            Outcome::Hangs | Outcome::Computed(_) => {
                return Err(Error::new(ErrorKind::Internal, "a statement was read before it was ready"));
            }
        };
        let steps = batches.into_iter().map(Ok).chain(then.map(Err));
        let end = stream::once(async move {
            self.finish();
            None
        });
        let batches = stream::iter(steps).map(Some).chain(end).filter_map(|step| async { step });
        Ok(BatchStream::new(schema, batches))
    }

    /// Waits and reads: what a transaction does, which has no handle.
    pub(super) async fn run(self: Arc<Self>) -> Result<BatchStream> {
        self.settled().await;
        self.read()
    }
}

/// What the handle drives.
#[derive(Debug)]
pub(super) struct Driver(pub(super) Arc<Statement>);

#[async_trait]
impl StatementDriver for Driver {
    fn id(&self) -> &StatementId {
        &self.0.id
    }

    async fn status(&self) -> Result<StatementStatus> {
        let settled = timeout(LOOK, self.0.settled()).await.is_ok();
        Ok(match (*self.0.stage(), &self.0.reply.outcome) {
            (Stage::Cancelled, _) => StatementStatus::Cancelled,
            (_, _) if !settled => StatementStatus::Running,
            (_, Outcome::Failed(error)) => StatementStatus::Failed(error.clone().with_statement_id(self.0.id.as_str())),
            (Stage::Over, _) => StatementStatus::Succeeded,
            (Stage::Running, _) => StatementStatus::Ready,
        })
    }

    async fn cancel(&self) -> Result<()> {
        self.0.stop();
        Ok(())
    }

    async fn results(&self) -> Result<BatchStream> {
        Arc::clone(&self.0).read()
    }
}
