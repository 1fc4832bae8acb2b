//! `impl Warehouse` over the Data API.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt as _};
use twinhouse_core::{Error, Result, telemetry::StatementWatch};
use twinhouse_warehouse_api::{
    BulkReport, CallOptions, Capabilities, LoadRequest, MergeReport, MergeRequest, OnDrop, RedshiftDialect,
    StatementHandle, StatementId, StatementRequest, TableFilter, TableInfo, TableRef, Transaction, TransactionOptions,
    UnloadRequest, Warehouse, WarehouseInfo, submit_watched,
};

use super::{
    BatchOutcome, BatchRequest, DataApiBuilder, DataApiConfig, DataApiSession, PastStatement, StatementFilter, batch,
    catalog,
    client::{Client, Sending},
    history,
    session::SessionTransaction,
    statement::{self, Statement},
};
use crate::error;

const BACKEND: &str = "redshift";

/// A Redshift database behind the Data API. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DataApiWarehouse(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    info: WarehouseInfo,
    client: Client,
    closed: AtomicBool,
}

impl DataApiWarehouse {
    /// As configured. Nothing is sent before the first call.
    pub fn new(config: DataApiConfig) -> Self {
        let info = WarehouseInfo::new(BACKEND, config.host(), Arc::new(RedshiftDialect))
            .with_defaults(Some(config.database.clone()), Some("public".to_owned()));
        Self(Arc::new(Inner { info, client: Client::new(config), closed: AtomicBool::new(false) }))
    }

    /// As a URL and the environment say; see [`DataApiBuilder::from_url`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](twinhouse_core::ErrorKind::Config): a setting that is missing or wrong, by name.
    pub fn from_url(url: &str) -> Result<Self> {
        Ok(Self::new(DataApiBuilder::from_url(url)?.build()?))
    }

    /// Opens a session that lives on between statements, for so long after each (1 s to 24 h).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) for a time out of that range.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves a session that nobody uses: it ends after that time.
    pub async fn session(&self, keep_alive: Duration) -> Result<DataApiSession> {
        DataApiSession::open(self.client()?.clone(), keep_alive, "SELECT 1").await
    }

    /// Runs several statements on the server, one after the other, and waits for their end.
    ///
    /// # Errors
    ///
    /// The error of the first statement that failed, with its `number` counted from 1. Nothing was done if the batch is
    /// a transaction; else what went before it stands.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the batch on the server.
    pub async fn batch(&self, request: BatchRequest) -> Result<BatchOutcome> {
        batch::run(self.client()?.clone(), request).await
    }

    /// Lists the statements of the last 24 hours, the newest first, page by page.
    pub fn statements(&self, filter: StatementFilter) -> BoxStream<'static, Result<PastStatement>> {
        match self.client() {
            Ok(client) => history::list(client.clone(), filter),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    fn client(&self) -> Result<&Client> {
        if self.0.closed.load(Ordering::Relaxed) { Err(error::closed()) } else { Ok(&self.0.client) }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Warehouse for DataApiWarehouse {
    fn info(&self) -> &WarehouseInfo {
        &self.0.info
    }

    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::default();
        can.transactions = true;
        can.attach = true;
        can.max_identifier_bytes = 127;
        can.max_text_bytes = Some(65_535);
        can.max_statement_bytes = self.0.client.config().max_statement_bytes;
        can
    }

    async fn submit(&self, request: StatementRequest) -> Result<StatementHandle> {
        let client = self.client()?.clone();
        let (sql, words) = statement::text(&request, client.config().max_statement_bytes)?;
        words.refuse_transaction_control()?;
        let (options, watch) = (request.options().clone(), StatementWatch::new(BACKEND, request.sql()));
        let sending = Sending { sql, name: options.label.clone(), ..Sending::default() };
        submit_watched(watch, options, Statement::submit(client, sending)).await
    }

    async fn attach(&self, id: &StatementId) -> Result<StatementHandle> {
        let statement = Statement::find(self.client()?.clone(), id).await?;
        let options = CallOptions::default().with_on_drop(OnDrop::Detach);
        Ok(StatementHandle::new(Arc::new(statement), &options))
    }

    async fn load(&self, _request: LoadRequest) -> Result<BulkReport> {
        Err(Error::unsupported(BACKEND, "cannot load over the Data API; use the wire, or a COPY statement"))
    }

    async fn unload(&self, _request: UnloadRequest) -> Result<BulkReport> {
        Err(Error::unsupported(BACKEND, "cannot unload over the Data API; use the wire, or an UNLOAD statement"))
    }

    async fn merge(&self, _request: MergeRequest) -> Result<MergeReport> {
        Err(Error::unsupported(BACKEND, "cannot merge over the Data API; use the wire, or a MERGE statement"))
    }

    async fn table(&self, table: &TableRef) -> Result<TableInfo> {
        catalog::describe(self.client()?.clone(), table).await
    }

    fn tables(&self, filter: TableFilter) -> BoxStream<'static, Result<TableRef>> {
        match self.client() {
            Ok(client) => crate::tables::list(client.clone(), filter),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Transaction>> {
        Ok(Box::new(SessionTransaction::begin(self.client()?.clone(), options).await?))
    }

    async fn close(&self) -> Result<()> {
        self.0.closed.store(true, Ordering::Relaxed);
        self.0.client.cancel_held().await;
        Ok(())
    }
}
