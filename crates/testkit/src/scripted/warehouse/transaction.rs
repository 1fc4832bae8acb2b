//! A transaction of a scripted warehouse.

use async_trait::async_trait;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{BatchStream, Intent, StatementRequest, Transaction};

use super::{Call, ScriptedWarehouse, leave};

/// Its statements are answered from the script; how it ends is noted among the calls.
#[derive(Debug)]
pub(super) struct ScriptedTransaction {
    warehouse: ScriptedWarehouse,
    read_only: bool,
    broken: bool,
    open: bool,
}

impl ScriptedTransaction {
    pub(super) fn new(warehouse: ScriptedWarehouse, read_only: bool) -> Self {
        Self { warehouse, read_only, broken: false, open: true }
    }

    async fn run(&mut self, request: StatementRequest) -> Result<BatchStream> {
        if self.broken {
            return Err(Error::new(ErrorKind::InvalidInput, "the transaction is aborted: only a rollback is left"));
        }
        // What is wrong with the request itself is found before the server hears of it.
        self.warehouse.info.dialect.bind(request.sql(), request.params())?;
        let outcome = self.tell(request).await;
        self.broken = outcome.is_err();
        outcome
    }

    async fn tell(&mut self, request: StatementRequest) -> Result<BatchStream> {
        if self.read_only && request.intent() == Intent::Write {
            return Err(Error::new(ErrorKind::InvalidInput, "the transaction only reads"));
        }
        let lost = self.warehouse.enter(Call::InTransaction)?;
        let statement = self.warehouse.statement(request)?;
        leave(lost, statement.run().await?)
    }
}

#[async_trait]
impl Transaction for ScriptedTransaction {
    async fn query(&mut self, request: StatementRequest) -> Result<BatchStream> {
        self.run(request).await
    }

    async fn execute(&mut self, request: StatementRequest) -> Result<u64> {
        let stream = self.run(request.with_intent(Intent::Write)).await?;
        let outcome = stream.outcome().clone();
        let schema = stream.schema().clone();
        stream.collect_batches().await.inspect_err(|_| self.broken = true)?;
        Ok(BatchStream::from_batches(schema, Vec::new()).with_outcome(outcome).rows_affected().unwrap_or(0))
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        if self.broken {
            return Err(Error::new(ErrorKind::InvalidInput, "the transaction is aborted and was rolled back"));
        }
        self.open = false;
        let lost = self.warehouse.enter(Call::Commit)?;
        leave(lost, ())
    }

    async fn rollback(mut self: Box<Self>) -> Result<()> {
        self.open = false;
        let lost = self.warehouse.enter(Call::Rollback)?;
        leave(lost, ())
    }
}

impl Drop for ScriptedTransaction {
    fn drop(&mut self) {
        if self.open {
            self.warehouse.lock().calls.push(Call::Rollback);
        }
    }
}
