//! One statement on the service.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{BatchStream, StatementDriver, StatementId, StatementStatus};

use super::results;
use crate::{
    api::Client,
    error,
    wire::{Manifest, State, Statement},
};

/// A statement on the service: its first answer is kept, so that a short query costs one round trip.
#[derive(Clone, Debug)]
pub(crate) struct Driver(Arc<Live>);

/// The part that a closing warehouse can reach, as long as somebody holds the statement.
pub(crate) struct Live {
    client: Client,
    id: StatementId,
    /// Ours to close. Somebody else's result is not.
    owned: bool,
    downloads: usize,
    progress: Mutex<Progress>,
    /// Stops the reading of rows.
    stop: CancellationToken,
}

struct Progress {
    phase: Phase,
    /// The last answer, until somebody has used it.
    answer: Option<Statement>,
    /// What is known of the result, once there is one.
    manifest: Option<Arc<Manifest>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// As far as we know.
    Running,
    /// It has succeeded and the service keeps its result.
    Kept,
    /// There is nothing left on the service.
    Over,
}

impl Driver {
    pub(super) fn submitted(client: Client, id: String, answer: Statement, downloads: usize) -> Self {
        Self(Arc::new(Live::new(client, id, answer, downloads, true)))
    }

    pub(super) fn attached(client: Client, id: String, answer: Statement, downloads: usize) -> Self {
        Self(Arc::new(Live::new(client, id, answer, downloads, false)))
    }

    /// What is known of the result, once the statement has succeeded.
    pub(crate) fn manifest(&self) -> Option<Arc<Manifest>> {
        self.0.progress().manifest.clone()
    }

    /// The answer with the result, and who reads it.
    pub(super) async fn reader(&self) -> Result<(results::Reader, Statement)> {
        let live = &*self.0;
        let answer = live.answer().await?;
        let reader = results::Reader {
            client: live.client.clone(),
            id: live.id.clone(),
            downloads: live.downloads,
            stop: live.stop.clone(),
            close: live.owned && answer.status.state != State::Closed,
        };
        Ok((reader, answer))
    }

    pub(super) fn live(&self) -> Weak<Live> {
        Arc::downgrade(&self.0)
    }
}

impl Live {
    fn new(client: Client, id: String, answer: Statement, downloads: usize, owned: bool) -> Self {
        let progress = Mutex::new(Progress { phase: Phase::Running, answer: Some(answer), manifest: None });
        Self { client, id: StatementId::new(id), owned, downloads, progress, stop: CancellationToken::new() }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn cancel(&self) -> Result<()> {
        self.stop.cancel();
        let kept = self.progress().answer.take();
        // The answer to the submission may know more than anybody has asked.
        if let Some(answer) = kept {
            self.learn(answer);
        }
        let phase = self.progress().phase;
        let told = match phase {
            Phase::Running => self.client.cancel(self.id.as_str()).await,
            // Too late to stop it; but nobody will read what it holds.
            Phase::Kept if self.owned => self.client.close(self.id.as_str()).await,
            Phase::Kept | Phase::Over => return Ok(()),
        };
        match told {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.with_statement_id(self.id.as_str())),
            // Once is enough, until a later look finds it still at work.
            _ => {
                self.progress().phase = Phase::Over;
                Ok(())
            }
        }
    }

    /// The kept answer if it is the last word, or a new one.
    async fn answer(&self) -> Result<Statement> {
        let kept = self.progress().answer.take();
        match kept.filter(|answer| answer.status.state.is_final()) {
            Some(answer) => Ok(answer),
            None => self.client.statement(self.id.as_str()).await.map_err(|e| e.with_statement_id(self.id.as_str())),
        }
    }

    /// Learns from an answer, and keeps it if it holds the result.
    fn learn(&self, answer: Statement) -> StatementStatus {
        let has_result = answer.manifest.is_some() || answer.result.is_some();
        let (phase, status) = match answer.status.state {
            State::Pending => (Phase::Running, StatementStatus::Queued),
            // A state of the future is not an end that we know.
            State::Running | State::Other(_) => (Phase::Running, StatementStatus::Running),
            State::Succeeded => (Phase::Kept, StatementStatus::Succeeded),
            // The service closes by itself what it could answer in full.
            State::Closed if has_result => (Phase::Over, StatementStatus::Succeeded),
            State::Closed => {
                let gone = Error::new(ErrorKind::NotFound, "the result was given up before it was read")
                    .with_statement_id(self.id.as_str());
                (Phase::Over, StatementStatus::Failed(gone))
            }
            State::Failed => {
                let failure = error::from_status(&answer.status, self.id.as_str());
                let status = match failure.kind() {
                    ErrorKind::Cancelled => StatementStatus::Cancelled,
                    _ => StatementStatus::Failed(failure),
                };
                (Phase::Over, status)
            }
            State::Canceled => (Phase::Over, StatementStatus::Cancelled),
        };
        let mut progress = self.progress();
        progress.phase = phase;
        if let (StatementStatus::Succeeded, None) = (&status, &progress.manifest) {
            progress.manifest = answer.manifest.clone().map(Arc::new);
        }
        progress.answer = matches!(status, StatementStatus::Succeeded).then_some(answer);
        status
    }
}

#[async_trait]
impl StatementDriver for Driver {
    fn id(&self) -> &StatementId {
        &self.0.id
    }

    async fn status(&self) -> Result<StatementStatus> {
        let answer = self.0.answer().await?;
        Ok(self.0.learn(answer))
    }

    async fn cancel(&self) -> Result<()> {
        self.0.cancel().await
    }

    async fn results(&self) -> Result<BatchStream> {
        let (reader, answer) = self.reader().await?;
        reader.open(answer)
    }
}

/// Neither rows nor links.
impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement")
            .field("id", &self.id)
            .field("owned", &self.owned)
            .field("phase", &self.progress().phase)
            .finish_non_exhaustive()
    }
}
