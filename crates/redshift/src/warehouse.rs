//! `impl Warehouse` for Amazon Redshift.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures::stream::BoxStream;
use twinhouse_core::{Error, Result};
use twinhouse_warehouse_api::{
    BulkReport, Capabilities, LoadMode, LoadRequest, MergeReport, MergeRequest, StatementHandle, StatementId,
    StatementRequest, TableFilter, TableInfo, TableRef, Transaction, TransactionOptions, UnloadRequest, Warehouse,
    WarehouseInfo,
};

use crate::{
    cluster::Cluster,
    config::{RedshiftBuilder, RedshiftConfig},
    load, merge, statement, tables, transaction, unload,
};

const BACKEND: &str = "redshift";

/// An Amazon Redshift cluster or serverless workgroup, reached over a pool of connections. Cheap to clone.
///
/// Making one connects nowhere; the first call does.
#[derive(Clone)]
pub struct RedshiftWarehouse(Arc<Cluster>);

impl RedshiftWarehouse {
    /// As configured.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](twinhouse_core::ErrorKind::Config) if the staging place cannot be used as configured.
    pub fn new(config: RedshiftConfig) -> Result<Self> {
        Cluster::new(config).map(Self)
    }

    /// As a URL and the environment say; see [`RedshiftBuilder::from_url`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](twinhouse_core::ErrorKind::Config): a setting that is missing or wrong, by name.
    pub fn from_url(url: &str) -> Result<Self> {
        Self::new(RedshiftBuilder::from_url(url)?.build()?)
    }

    /// Settings to be filled in.
    pub fn builder() -> RedshiftBuilder {
        RedshiftBuilder::new()
    }

    /// The configuration, with the origin of each setting.
    pub fn config(&self) -> &RedshiftConfig {
        self.0.config()
    }

    pub(crate) fn cluster(&self) -> &Arc<Cluster> {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn over(cluster: Arc<Cluster>) -> Self {
        Self(cluster)
    }
}

#[async_trait]
impl Warehouse for RedshiftWarehouse {
    fn info(&self) -> &WarehouseInfo {
        self.0.info()
    }

    fn capabilities(&self) -> Capabilities {
        let staged = self.0.staging().is_some();
        let mut can = Capabilities::default();
        can.transactions = true;
        can.load = staged;
        can.unload = true;
        can.merge = staged;
        can.merge_delete_matched = staged;
        can.merge_not_matched_by_source = staged;
        can.max_identifier_bytes = 127;
        can.max_text_bytes = Some(65_535);
        can.max_statement_bytes = 16 * 1024 * 1024;
        can.max_parameters = Some(32_767);
        can
    }

    async fn submit(&self, request: StatementRequest) -> Result<StatementHandle> {
        self.0.check_open()?;
        statement::submit(self.0.clone(), request).await
    }

    async fn attach(&self, id: &StatementId) -> Result<StatementHandle> {
        let wish = "cannot find a statement again: it lives and dies with its connection";
        Err(Error::unsupported(BACKEND, wish).with_statement_id(id.as_str()))
    }

    async fn load(&self, request: LoadRequest) -> Result<BulkReport> {
        self.0.check_open()?;
        if *request.mode() != LoadMode::Append {
            request.check(&self.capabilities(), "redshift")?;
        }
        load::load(&self.0, request).await
    }

    async fn unload(&self, request: UnloadRequest) -> Result<BulkReport> {
        self.0.check_open()?;
        unload::unload(&self.0, request).await
    }

    async fn merge(&self, request: MergeRequest) -> Result<MergeReport> {
        self.0.check_open()?;
        merge::merge(&self.0, &self.capabilities(), request).await
    }

    async fn table(&self, table: &TableRef) -> Result<TableInfo> {
        self.0.check_open()?;
        Ok(tables::describe(&self.0, table).await?.info)
    }

    fn tables(&self, filter: TableFilter) -> BoxStream<'static, Result<TableRef>> {
        tables::list(self.0.clone(), filter)
    }

    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Transaction>> {
        self.0.check_open()?;
        Ok(Box::new(transaction::begin(self.0.clone(), options).await?))
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await;
        Ok(())
    }
}

impl fmt::Debug for RedshiftWarehouse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedshiftWarehouse").field("host", &self.0.info().host).finish_non_exhaustive()
    }
}
