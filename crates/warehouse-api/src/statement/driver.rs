//! The part of a statement that a backend writes.

use std::fmt;

use async_trait::async_trait;
use twinhouse_core::Result;

use crate::{
    batches::BatchStream,
    statement::{StatementId, StatementStatus},
};

/// One statement on the server: single looks, no loops. [`StatementHandle`](crate::StatementHandle) owns waiting,
/// deadline and cancel-on-drop, once, for every backend.
#[async_trait]
pub trait StatementDriver: fmt::Debug + Send + Sync + 'static {
    /// The server's name for it.
    fn id(&self) -> &StatementId;

    /// One look, no loop. It may take the server's own long poll (some seconds), not longer.
    async fn status(&self) -> Result<StatementStatus>;

    /// Asks the server to stop it. From any task, before, during and after; again; a statement that is over is no
    /// error. Returns when the server has taken note, which may be before it stopped.
    async fn cancel(&self) -> Result<()>;

    /// The rows. Called once, when the status is `Ready` or `Succeeded`.
    async fn results(&self) -> Result<BatchStream>;
}
