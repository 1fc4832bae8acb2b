//! Transactions: one session, pinned from `BEGIN` to the end.

mod barred;
mod slot;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::StreamExt as _;
use tokio::time::Instant;
use twinhouse_core::{Effect, Error, ErrorKind, Fault, Result};
use twinhouse_warehouse_api::{BatchStream, StatementRequest, Transaction, TransactionOptions};

pub(crate) use self::slot::Slot;
use crate::{
    cluster::Cluster,
    pool::Extras,
    statement::{Home, Plan, send},
    wire::TransactionState,
};

/// How long after its limit a statement may still be read: the server's own limit comes first.
const GRACE: Duration = Duration::from_secs(5);

/// An open transaction.
#[derive(Debug)]
pub(crate) struct OpenTransaction {
    cluster: Arc<Cluster>,
    slot: Arc<Slot>,
    options: TransactionOptions,
}

/// Opens a transaction on a session of its own.
pub(crate) async fn begin(cluster: Arc<Cluster>, options: TransactionOptions) -> Result<OpenTransaction> {
    let mut checkout = cluster.pool().checkout().await?;
    checkout.apply(&extras(&options, None)).await?;
    let begin = if options.read_only { "BEGIN READ ONLY" } else { "BEGIN" };
    checkout.ask(begin).await.map_err(crate::error::harmless)?;
    Ok(OpenTransaction { cluster, slot: Arc::new(Slot::new(checkout)), options })
}

fn extras(options: &TransactionOptions, request: Option<&StatementRequest>) -> Extras {
    let own = request.map(StatementRequest::options);
    let limits = [options.statement_timeout, own.and_then(|own| own.timeout)];
    Extras {
        timeout: limits.into_iter().flatten().min(),
        label: own.and_then(|own| own.label.clone()).or_else(|| options.label.clone()),
    }
}

impl OpenTransaction {
    async fn end(&self, statement: &'static str) -> Result<()> {
        let mut checkout = self.slot.take()?;
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

#[async_trait]
impl Transaction for OpenTransaction {
    async fn query(&mut self, request: StatementRequest) -> Result<BatchStream> {
        self.cluster.check_open()?;
        let plan = Plan::of(&request)?;
        barred::refuse(&plan.words)?;
        let checkout = self.slot.take()?;
        if checkout.transaction() == TransactionState::Failed {
            self.slot.give_back(checkout, false);
            return Err(Error::new(ErrorKind::InvalidInput, "a statement of the transaction has failed: roll it back")
                .with_sqlstate("25P02"));
        }
        let extras = extras(&self.options, Some(&request));
        let limit = extras.timeout;
        let home = Home::Transaction(self.slot.clone());
        let mut started = send(checkout, &plan, extras, None, home).await.map_err(in_transaction)?;
        self.cluster.running().add(started.lease.control());
        started.deadline = limit.and_then(|limit| Some((Instant::now().checked_add(limit + GRACE)?, limit)));
        let stream = started.open().await.map_err(in_transaction)?;
        let (schema, outcome) = (stream.schema().clone(), stream.outcome().clone());
        let batches = stream.map(|batch| batch.map_err(in_transaction));
        Ok(BatchStream::new(schema, batches).with_outcome(outcome))
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
        if self.slot.is_lost() {
            // The session was closed, and with it the transaction.
            return Ok(());
        }
        self.end("ROLLBACK").await.map_err(|error| in_transaction(error).with_operation("transaction.rollback"))
    }
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        // The guard around the session rolls back; one that is still read goes home to nobody and does the same.
        self.slot.leave();
    }
}

/// Whatever happened before the commit, the server undoes it.
fn in_transaction(error: Error) -> Error {
    let fault = Fault { effect: Effect::None, ..error.fault() };
    error.with_fault(fault)
}
