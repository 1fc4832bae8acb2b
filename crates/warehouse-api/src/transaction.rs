//! Several statements, all or nothing.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use twinhouse_core::Result;

use crate::{batches::BatchStream, statement::StatementRequest};

/// An open transaction. Dropped without [`commit`](Self::commit), it is rolled back on the server.
#[async_trait]
pub trait Transaction: fmt::Debug + Send {
    /// Runs a statement and streams its rows. The stream must be read to its end, or dropped, before the next
    /// statement; a dropped stream aborts the transaction, which then only rolls back.
    ///
    /// # Errors
    ///
    /// The statement's own: after one, only the rollback is left.
    /// [`ErrorKind::Unsupported`](twinhouse_core::ErrorKind::Unsupported), which leaves the transaction as it was, for what
    /// cannot run inside one.
    ///
    /// # Cancellation
    ///
    /// Dropping the future, or the stream before its end, cancels the statement and undoes the transaction.
    async fn query(&mut self, request: StatementRequest) -> Result<BatchStream>;

    /// Runs a statement to its end and answers how many rows it affected.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancellation
    ///
    /// As [`query`](Self::query).
    async fn execute(&mut self, request: StatementRequest) -> Result<u64>;

    /// Makes it all permanent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`](twinhouse_core::ErrorKind::Conflict) if another transaction got there first: nothing
    /// was done; repeat the whole. A lost connection leaves the outcome unknown, and the error says so.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the outcome unknown.
    async fn commit(self: Box<Self>) -> Result<()>;

    /// Undoes it all.
    ///
    /// # Errors
    ///
    /// If the server could not be told: it undoes the transaction with the session.
    ///
    /// # Cancellation
    ///
    /// Dropping the future undoes it as well.
    async fn rollback(self: Box<Self>) -> Result<()>;
}

/// What a transaction sees of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// As if all transactions ran one after another; one that cannot be so ordered fails at its end.
    Serializable,
    /// Everything that was committed when it began.
    Snapshot,
}

/// How a transaction is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionOptions {
    /// Whether writes are refused by the server.
    pub read_only: bool,
    /// What it sees of others. None: the database's own setting. A level that the service cannot set for one
    /// transaction is refused by name.
    pub isolation: Option<Isolation>,
    /// Limits each statement in it. None: no limit.
    pub statement_timeout: Option<Duration>,
    /// A label that the server's own query history shows.
    pub label: Option<String>,
    /// How often [`in_transaction`](crate::WarehouseExt::in_transaction) may run the closure in all. None: 5.
    pub max_attempts: Option<u32>,
}

impl TransactionOptions {
    /// Has the server refuse writes.
    #[must_use]
    pub fn with_read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Says what it sees of others.
    #[must_use]
    pub fn with_isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = Some(isolation);
        self
    }

    /// Limits each statement.
    #[must_use]
    pub fn with_statement_timeout(mut self, limit: Duration) -> Self {
        self.statement_timeout = Some(limit);
        self
    }

    /// Labels the statements in the server's query history.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Says how often the whole may be tried.
    #[must_use]
    pub fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts.max(1));
        self
    }
}
