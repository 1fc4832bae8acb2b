//! The contract, answered from script and store.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::time::Instant;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    BulkReport, CallOptions, Capabilities, LoadMode, LoadRequest, MergeReport, MergeRequest, MergeSource, OnDrop,
    Progress, StatementHandle, StatementId, StatementRequest, TableFilter, TableInfo, TableRef, Transaction,
    TransactionOptions, UnloadRequest, Warehouse, WarehouseInfo, submit_in_task,
};

use super::{
    Call, ScriptedWarehouse, leave,
    statement::{Driver, Statement},
    store::Rows,
    transaction::ScriptedTransaction,
};

impl ScriptedWarehouse {
    /// A statement at work, as the script has it.
    pub(super) fn statement(&self, request: StatementRequest) -> Result<Arc<Statement>> {
        self.info.dialect.bind(request.sql(), request.params())?;
        let reply = self.lock().script.reply(&request)?;
        let reply = reply.resolve(&request)?;
        let mut state = self.lock();
        let statement = Arc::new(Statement::new(state.statements.len() + 1, request, reply));
        state.statements.push(Arc::clone(&statement));
        Ok(statement)
    }

    fn refuse(&self, promised: bool, wish: &'static str) -> Result<()> {
        if promised { Ok(()) } else { Err(Error::unsupported(self.info.backend, wish)) }
    }
}

#[async_trait]
impl Warehouse for ScriptedWarehouse {
    fn info(&self) -> &WarehouseInfo {
        &self.info
    }

    fn capabilities(&self) -> Capabilities {
        self.can.clone()
    }

    async fn submit(&self, request: StatementRequest) -> Result<StatementHandle> {
        let lost = self.enter(Call::Submit)?;
        let options = request.options().clone();
        let warehouse = self.clone();
        submit_in_task(options, async move { leave(lost, Driver(warehouse.statement(request)?)) }).await
    }

    async fn attach(&self, id: &StatementId) -> Result<StatementHandle> {
        self.refuse(self.can.attach, "cannot find a statement again")?;
        let lost = self.enter(Call::Attach)?;
        let found = self.lock().statements.iter().find(|statement| statement.id() == id).cloned();
        let found =
            found.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such statement").with_statement_id(id.as_str()))?;
        let options = CallOptions::default().with_on_drop(OnDrop::Detach);
        leave(lost, StatementHandle::new(Arc::new(Driver(found)), &options))
    }

    async fn load(&self, request: LoadRequest) -> Result<BulkReport> {
        request.check(&self.can, self.info.backend)?;
        let lost = self.enter(Call::Load)?;
        let began = Instant::now();
        let (table, token, progress) = (request.table().clone(), request.token().clone(), request.progress().cloned());
        // Before the first row is read, as a warehouse would.
        let mode = request.mode().clone();
        if matches!(mode, LoadMode::ReplaceWhere(_) | LoadMode::ReplacePartitions) {
            return Err(Error::unsupported(self.info.backend, "cannot tell which rows to replace: it knows no SQL"));
        }
        let made = self.made(table.clone(), request.schema());
        let info = self.lock().store.loaded_into(&table, &mode, made)?;
        twinhouse_warehouse_api::Fit::plan(&info, request.schema())?;
        let batches = request.into_batches().collect_batches().await?;
        let added = self.lock().store.load(info, &mode, &batches, &token)?;
        let bytes = batches.iter().map(|batch| batch.get_array_memory_size() as u64).sum();
        let report = match added {
            Some(rows) => BulkReport::new(rows, bytes, 1),
            None => BulkReport::default().with_replayed(true),
        };
        if let (Some(progress), Some(rows)) = (progress, added) {
            progress(Progress::new(rows, bytes, 1));
        }
        leave(lost, report.with_elapsed(began.elapsed()))
    }

    async fn unload(&self, request: UnloadRequest) -> Result<BulkReport> {
        self.refuse(self.can.unload, "cannot unload")?;
        let lost = self.enter(Call::Unload)?;
        let batches = self.statement(request.query)?.run().await?.collect_batches().await?;
        let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        let bytes = batches.iter().map(|batch| batch.get_array_memory_size() as u64).sum();
        self.lock().store.unload(&request.destination, batches);
        leave(lost, BulkReport::new(rows, bytes, 1))
    }

    async fn merge(&self, mut request: MergeRequest) -> Result<MergeReport> {
        request.check(&self.can, self.info.backend)?;
        if !request.clauses.is_empty() || request.on.is_some() || request.schema_evolution {
            return Err(Error::unsupported(
                self.info.backend,
                "cannot carry out conditions and set lists: it knows no SQL",
            ));
        }
        let lost = self.enter(Call::Merge)?;
        let target = request.target.clone();
        let source = std::mem::replace(&mut request.source, MergeSource::Table(target));
        let rows = match source {
            MergeSource::Batches(stream) => Rows::read(stream).await?,
            MergeSource::Query(query) => Rows::read(self.statement(query)?.run().await?).await?,
            MergeSource::Table(table) => {
                let schema = self.lock().store.info(&table)?.schema();
                Rows { schema, batches: self.rows(&table) }
            }
            other => return Err(Error::unsupported(self.info.backend, format!("cannot merge from {other:?}"))),
        };
        let report = self.lock().store.merge(&request, rows)?;
        leave(lost, report)
    }

    async fn table(&self, table: &TableRef) -> Result<TableInfo> {
        let lost = self.enter(Call::Table)?;
        let info = self.lock().store.info(table)?;
        leave(lost, info)
    }

    fn tables(&self, filter: TableFilter) -> BoxStream<'static, Result<TableRef>> {
        let listed = self.enter(Call::Tables).and_then(|lost| {
            let tables = self.lock().store.list(&filter);
            leave(lost, tables)
        });
        match listed {
            Ok(tables) => stream::iter(tables.into_iter().map(Ok)).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Transaction>> {
        self.refuse(self.can.transactions, "has no transactions")?;
        let lost = self.enter(Call::Begin)?;
        leave(lost, Box::new(ScriptedTransaction::new(self.clone(), options.read_only)))
    }

    async fn close(&self) -> Result<()> {
        let lost = self.enter(Call::Close)?;
        let statements = {
            let mut state = self.lock();
            state.closed = true;
            state.statements.clone()
        };
        statements.iter().for_each(|statement| statement.stop());
        leave(lost, ())
    }
}
