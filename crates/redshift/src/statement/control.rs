//! The means to stop a statement from anywhere, and never the next one on its session.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use tokio::time::Instant;
use twinhouse_core::{Effect, Error, ErrorKind, Fault, Result};
use twinhouse_warehouse_api::{StatementId, StatementStatus};

use crate::wire::CancelKey;

/// The server's clock and ours do not start at the same moment.
const SLACK: Duration = Duration::from_millis(50);
/// How long to wait before a request to cancel is repeated, and how often it is.
const INSIST: Duration = Duration::from_millis(500);
const INSISTENCE: usize = 10;

/// One statement as those who want to stop it see it.
pub(crate) struct Control {
    id: StatementId,
    timeout: Option<Duration>,
    began: Instant,
    /// Whether anybody ever wanted it stopped, be it between two tries.
    unwanted: AtomicBool,
    phase: Mutex<Phase>,
}

#[derive(Clone)]
enum Phase {
    /// It runs, or is about to.
    Running(CancelKey),
    /// Somebody asked the server to stop it. Its session is not used again: the request may arrive late.
    Cancelled(CancelKey),
    /// Its session is no longer its own.
    Over { cancelled: bool },
}

impl Control {
    pub(crate) fn new(id: String, key: CancelKey, timeout: Option<Duration>) -> Self {
        Self {
            id: StatementId::new(id),
            timeout,
            began: Instant::now(),
            unwanted: AtomicBool::new(false),
            phase: Mutex::new(Phase::Running(key)),
        }
    }

    pub(crate) fn id(&self) -> &StatementId {
        &self.id
    }

    /// It goes on on another session. Fails if it was cancelled meanwhile.
    pub(crate) fn move_to(&self, key: CancelKey) -> Result<()> {
        let mut phase = self.phase();
        if self.unwanted.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Cancelled, "the statement was cancelled"));
        }
        *phase = Phase::Running(key);
        Ok(())
    }

    /// Its session is about to be somebody else's. True if it must not be: a cancellation is on its way.
    pub(crate) fn end(&self) -> bool {
        let mut phase = self.phase();
        let cancelled = matches!(&*phase, Phase::Cancelled(_) | Phase::Over { cancelled: true });
        *phase = Phase::Over { cancelled };
        cancelled
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(&*self.phase(), Phase::Cancelled(_) | Phase::Over { cancelled: true })
    }

    /// Asks the server to stop it; again, if asked again; nothing, if it is over.
    pub(crate) async fn cancel(&self) -> Result<()> {
        let key = {
            let mut phase = self.phase();
            self.unwanted.store(true, Ordering::Release);
            let key = match &*phase {
                Phase::Running(key) | Phase::Cancelled(key) => key.clone(),
                Phase::Over { .. } => return Ok(()),
            };
            *phase = Phase::Cancelled(key.clone());
            key
        };
        key.cancel().await.map_err(|error| error.with_statement_id(self.id.as_str()))
    }

    /// Asks again for as long as the statement goes on, a bounded number of times: a request that arrives before the
    /// statement does is lost.
    pub(crate) async fn insist(self: Arc<Self>) {
        for _ in 0..INSISTENCE {
            tokio::time::sleep(INSIST).await;
            if !matches!(&*self.phase(), Phase::Cancelled(_)) {
                return;
            }
            if let Err(error) = self.cancel().await {
                tracing::debug!(%error, "could not cancel again");
            }
        }
    }

    /// The server process that runs it, unless it is over.
    pub(crate) fn process(&self) -> Option<i32> {
        match &*self.phase() {
            Phase::Running(key) | Phase::Cancelled(key) => Some(key.process()),
            Phase::Over { .. } => None,
        }
    }

    pub(crate) fn status(&self) -> StatementStatus {
        match &*self.phase() {
            Phase::Running(_) => StatementStatus::Ready,
            Phase::Cancelled(_) | Phase::Over { cancelled: true } => StatementStatus::Cancelled,
            Phase::Over { cancelled: false } => StatementStatus::Succeeded,
        }
    }

    /// Names the statement in its error. The server's words are the same whether a limit ran out or somebody cancelled:
    /// who did it is known only here.
    pub(crate) fn explain(&self, error: Error) -> Error {
        let own_limit = self.timeout.filter(|limit| {
            error.sqlstate() == Some("57014") && !self.is_cancelled() && self.began.elapsed() + SLACK >= *limit
        });
        let error = match own_limit {
            None => error,
            Some(limit) => Error::new(ErrorKind::Timeout, "the statement ran out of time")
                .with_fault(Fault::transient(Effect::None))
                .with_context("wait", "statement")
                .with_context("limit", format!("{limit:?}"))
                .with_sqlstate("57014")
                .with_source(error),
        };
        error.with_statement_id(self.id.as_str())
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Every statement that runs at the moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running(Arc<Mutex<Vec<Weak<Control>>>>);

impl Running {
    pub(crate) fn add(&self, control: &Arc<Control>) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|known| known.strong_count() > 0);
        running.push(Arc::downgrade(control));
    }

    pub(crate) fn find(&self, id: &StatementId) -> Option<Arc<Control>> {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.iter().filter_map(Weak::upgrade).find(|control| control.id() == id)
    }

    /// Stops them all.
    pub(crate) async fn cancel_all(&self) {
        let running: Vec<_> = {
            let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            running.drain(..).filter_map(|known| known.upgrade()).collect()
        };
        for failed in join_all(running.iter().map(|control| control.cancel())).await.into_iter().filter_map(Result::err)
        {
            tracing::warn!(error = %failed, "could not cancel");
        }
    }
}
