//! A Databricks SQL warehouse behind the contract.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::stream::BoxStream;
use twinhouse_core::{Effect, Error, ErrorKind, Fault, Result};
use twinhouse_warehouse_api::{
    BulkReport, Capabilities, DatabricksDialect, LoadRequest, MergeReport, MergeRequest, StatementHandle, StatementId,
    StatementRequest, TableFilter, TableInfo, TableRef, Transaction, TransactionOptions, UnloadRequest, Warehouse,
    WarehouseInfo,
};

use crate::{
    api::Client,
    config::DatabricksConfig,
    error::BACKEND,
    load::Loader,
    statement::{MAX_STATEMENT, Statements},
    tables::Tables,
};

/// The longest name that Unity Catalog keeps.
const MAX_NAME: usize = 255;

/// A Databricks SQL warehouse. Cheap to clone; clones share connections, credential and limits.
#[derive(Clone, Debug)]
pub struct DatabricksWarehouse(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    info: WarehouseInfo,
    statements: Statements,
    tables: Tables,
    loader: Option<Loader>,
}

impl DatabricksWarehouse {
    /// A warehouse with these settings. Nothing is sent before the first call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] without `warehouse_id`, and for a certificate or proxy that is malformed.
    pub fn new(config: DatabricksConfig) -> Result<Self> {
        Self::over(Client::new(&config)?, config)
    }

    /// A warehouse that shares connections, credential and limits with others.
    pub(crate) fn over(client: Client, config: DatabricksConfig) -> Result<Self> {
        let info = WarehouseInfo::new(BACKEND, client.authority(), Arc::new(DatabricksDialect))
            .with_defaults(config.catalog.clone(), config.schema.clone());
        let statements = Statements::new(client.clone(), &config)?;
        let tables = Tables::new(client.clone(), &config);
        let loader = config.staging.map(|staging| Loader {
            client,
            statements: statements.clone(),
            tables: tables.clone(),
            staging,
        });
        Ok(Self(Arc::new(Inner { info, statements, tables, loader })))
    }

    fn loader(&self, wish: &'static str) -> Result<&Loader> {
        self.0.loader.as_ref().ok_or_else(|| {
            Error::unsupported(BACKEND, wish)
                .with_context("setting", "staging_volume")
                .with_context("looked in", "builder, environment TWINHOUSE_STAGING_VOLUME, profile")
        })
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Warehouse for DatabricksWarehouse {
    fn info(&self) -> &WarehouseInfo {
        &self.0.info
    }

    fn capabilities(&self) -> Capabilities {
        let staging = self.0.loader.is_some();
        let mut can = Capabilities::NONE;
        can.attach = true;
        can.load = staging;
        can.load_overwrite = staging;
        can.load_replace_where = staging;
        can.load_replace_partitions = staging;
        can.load_create = staging;
        can.merge = staging;
        can.merge_delete_matched = staging;
        can.merge_not_matched_by_source = staging;
        can.merge_clauses = staging;
        can.merge_schema_evolution = staging;
        can.merge_keep_greatest = staging;
        can.nested_types = true;
        can.max_identifier_bytes = MAX_NAME;
        can.max_statement_bytes = MAX_STATEMENT;
        can
    }

    async fn submit(&self, request: StatementRequest) -> Result<StatementHandle> {
        self.0.statements.submit(request).await
    }

    async fn attach(&self, id: &StatementId) -> Result<StatementHandle> {
        self.0.statements.check_open()?;
        self.0.statements.attach(id).await
    }

    async fn load(&self, request: LoadRequest) -> Result<BulkReport> {
        self.0.statements.check_open()?;
        let loader = self.loader("cannot load: no staging place is configured")?;
        request.check(&self.capabilities(), BACKEND)?;
        let limit = request.options().timeout;
        bounded(limit, "load", Box::pin(loader.load(request))).await
    }

    async fn unload(&self, _request: UnloadRequest) -> Result<BulkReport> {
        Err(Error::unsupported(
            BACKEND,
            "cannot unload: Databricks SQL has no statement that writes the rows of a query as files",
        ))
    }

    async fn merge(&self, request: MergeRequest) -> Result<MergeReport> {
        self.0.statements.check_open()?;
        request.check(&self.capabilities(), BACKEND)?;
        let loader = self.loader("cannot merge: no staging place is configured")?;
        let limit = request.options.timeout;
        bounded(limit, "merge", Box::pin(loader.merge(request))).await
    }

    async fn table(&self, table: &TableRef) -> Result<TableInfo> {
        self.0.statements.check_open()?;
        Ok(self.0.tables.describe(table).await?.info)
    }

    fn tables(&self, filter: TableFilter) -> BoxStream<'static, Result<TableRef>> {
        match self.0.statements.check_open() {
            Ok(()) => self.0.tables.list(filter),
            Err(error) => Box::pin(futures::stream::iter([Err(error)])),
        }
    }

    async fn begin(&self, _options: TransactionOptions) -> Result<Box<dyn Transaction>> {
        Err(Error::unsupported(BACKEND, "cannot open a transaction: each statement is one of its own"))
    }

    async fn close(&self) -> Result<()> {
        self.0.statements.close().await;
        Ok(())
    }
}

/// Ends the work at the caller's limit; what it was doing on the server is cancelled as it is dropped.
async fn bounded<T>(
    limit: Option<Duration>,
    what: &'static str,
    work: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    let Some(limit) = limit else { return work.await };
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Timeout, format!("the {what} ran out of time"))
            .with_fault(Fault::transient(Effect::Unknown))
            .with_context("wait", what)
            .with_context("limit", format!("{limit:?}")))
    })
}
