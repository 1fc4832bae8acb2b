//! Transactions: one session, pinned from `BEGIN` to the end.

mod barred;
mod isolation;
mod lock;
mod seat;
mod slot;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use twinhouse_core::{Effect, Error, ErrorKind, Fault, Result};
use twinhouse_warehouse_api::{BatchStream, CallOptions, StatementRequest, Transaction, TransactionOptions};

pub use self::lock::lock_tables;
pub(crate) use self::{
    seat::{CursorPlace, Seat},
    slot::Slot,
};
use crate::{
    cluster::Cluster,
    statement::{Plan, text::Words},
};

/// An open transaction on Redshift: what [`Transaction`] does, and what only Redshift has.
///
/// Dropped, it is rolled back on the server.
///
/// ```no_run
/// use twinhouse_redshift::{RedshiftWarehouse, lock_tables};
/// use twinhouse_warehouse_api::{Transaction as _, TransactionOptions};
///
/// # async fn example(warehouse: &RedshiftWarehouse) -> twinhouse_core::Result<()> {
/// let mut transaction = warehouse.begin_transaction(TransactionOptions::default()).await?;
/// transaction.execute(lock_tables(&["stock".parse()?, "orders".parse()?])?).await?;
/// transaction.execute("update stock set n = n - 1 where id = 7".into()).await?;
/// Box::new(transaction).commit().await
/// # }
/// ```
#[derive(Debug)]
pub struct RedshiftTransaction {
    seat: Seat,
}

/// Opens a transaction on a session of its own.
pub(crate) async fn begin(cluster: Arc<Cluster>, options: TransactionOptions) -> Result<RedshiftTransaction> {
    let database = cluster.config().database.clone();
    let seat = Seat::take(cluster, options).await?;
    let options = seat.options();
    let begin = if options.read_only { "BEGIN READ ONLY" } else { "BEGIN" };
    let mut checkout = seat.slot().take()?;
    if let Some(wanted) = options.isolation {
        isolation::check(&mut checkout, &database, wanted).await?;
    }
    checkout.ask(begin).await.map_err(crate::error::harmless)?;
    seat.slot().give_back(checkout, false);
    Ok(RedshiftTransaction { seat })
}

impl RedshiftTransaction {
    pub(crate) fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Runs what is planned and streams its rows.
    pub(crate) async fn query_plan(&mut self, plan: Plan, options: &CallOptions) -> Result<BatchStream> {
        barred::refuse(&plan.words)?;
        let stream = self.seat.query(plan, options, None).await.map_err(in_transaction)?;
        let (schema, outcome) = (stream.schema().clone(), stream.outcome().clone());
        let batches = stream.map(|batch| batch.map_err(in_transaction));
        Ok(BatchStream::new(schema, batches).with_outcome(outcome))
    }

    pub(crate) async fn end(&self, statement: &'static str) -> Result<()> {
        let mut checkout = self.seat.slot().take()?;
        let answer = checkout.ask(statement).await?;
        let undone = answer.tag.is_some_and(|tag| tag.0 == "ROLLBACK");
        if statement == "COMMIT" && undone {
            // The server answers a commit of a failed transaction with a rollback, and no error.
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "a statement of the transaction had failed: it was rolled back",
            )
            .with_fault(Fault::PERMANENT));
        }
        Ok(())
    }
}

impl Drop for RedshiftTransaction {
    fn drop(&mut self) {
        self.seat.leave();
    }
}

/// Refuses what has no place in a transaction, before anything is sent.
pub(crate) fn refuse_barred(words: &Words) -> Result<()> {
    barred::refuse(words)
}

#[async_trait]
impl Transaction for RedshiftTransaction {
    async fn query(&mut self, request: StatementRequest) -> Result<BatchStream> {
        self.query_plan(Plan::of(&request)?, request.options()).await
    }

    async fn execute(&mut self, request: StatementRequest) -> Result<u64> {
        let mut stream = self.query(request).await?;
        while let Some(batch) = stream.next().await {
            batch?;
        }
        Ok(stream.rows_affected().unwrap_or(0))
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.end("COMMIT").await.map_err(|error| error.with_operation("transaction.commit"))
    }

    async fn rollback(self: Box<Self>) -> Result<()> {
        if self.seat.slot().is_lost() {
            // The session was closed, and with it the transaction.
            return Ok(());
        }
        self.end("ROLLBACK").await.map_err(|error| in_transaction(error).with_operation("transaction.rollback"))
    }
}

/// Whatever happened before the commit, the server undoes it.
pub(crate) fn in_transaction(error: Error) -> Error {
    let fault = Fault { effect: Effect::None, ..error.fault() };
    error.with_fault(fault)
}
