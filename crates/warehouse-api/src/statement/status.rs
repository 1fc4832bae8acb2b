//! Where a statement stands.

use std::{fmt, sync::Arc};

use twinhouse_core::Error;

/// The server's name for a statement; another process can [`attach`](crate::Warehouse::attach) to it where the
/// warehouse can.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StatementId(Arc<str>);

impl StatementId {
    /// Wraps the server's text.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The server's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StatementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a statement stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StatementStatus {
    /// Accepted, waiting for a place or for the warehouse to start.
    Queued,
    /// At work.
    Running,
    /// Results can be read. On a wire the statement goes on while they are.
    Ready,
    /// Done.
    Succeeded,
    /// Failed, and why.
    Failed(Error),
    /// Stopped by somebody.
    Cancelled,
}

impl StatementStatus {
    /// True once nothing more will happen to it on the server.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed(_) | Self::Cancelled)
    }
}
