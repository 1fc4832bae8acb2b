//! `impl Warehouse` for Amazon Redshift.

use std::{fmt, num::NonZeroU32, sync::Arc};

use async_trait::async_trait;
use futures::stream::BoxStream;
use twinhouse_core::{Error, Result};
use twinhouse_warehouse_api::{
    BatchStream, BulkReport, Capabilities, LoadRequest, MergeReport, MergeRequest, StatementHandle, StatementId,
    StatementRequest, TableFilter, TableInfo, TableRef, Transaction, TransactionOptions, UnloadRequest, Warehouse,
    WarehouseInfo,
};

use crate::{
    cluster::Cluster,
    config::{RedshiftBuilder, RedshiftConfig},
    cursor, load, merge,
    prepared::{ParameterType, PreparedStatement},
    script::{self, ScriptOptions, ScriptResult},
    settings::SessionSettings,
    statement,
    statement::StatementProgress,
    tables, transaction,
    transaction::RedshiftTransaction,
    unload,
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

    /// The same warehouse, for calls whose sessions run with these settings: queue, result cache, search path.
    /// Both share their connections: closing one closes the other.
    ///
    /// ```no_run
    /// use twinhouse_redshift::{RedshiftWarehouse, SessionSettings};
    /// use twinhouse_warehouse_api::WarehouseExt;
    ///
    /// # async fn example(warehouse: &RedshiftWarehouse) -> twinhouse_core::Result<()> {
    /// let nightly = warehouse.with_settings(SessionSettings::default().with_query_group("nightly"))?;
    /// nightly.execute("update stock set n = 0").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput), naming the setting, if no server would take it.
    pub fn with_settings(&self, settings: SessionSettings) -> Result<Self> {
        self.0.with_settings(settings).map(Self)
    }

    /// Prepares a statement that runs many times; parameters of these types, others of the types of their values.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](twinhouse_core::ErrorKind::Unsupported) for statements that take no parameters on Redshift;
    /// the statement's own mistakes.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn prepare(&self, sql: &str, types: &[(&str, ParameterType)]) -> Result<PreparedStatement> {
        self.0.check_open()?;
        PreparedStatement::prepare(self.0.clone(), sql, types).await
    }

    /// Opens a transaction that can do what only Redshift has: cursors, prepared statements.
    ///
    /// # Errors
    ///
    /// As [`begin`](Warehouse::begin).
    ///
    /// # Cancellation
    ///
    /// As [`begin`](Warehouse::begin).
    pub async fn begin_transaction(&self, options: TransactionOptions) -> Result<RedshiftTransaction> {
        self.0.check_open()?;
        transaction::begin(self.0.clone(), options).await
    }

    /// Runs a query behind a cursor, in a transaction of its own, and streams it in pages of `fetch_size` rows: for readers
    /// that pause for long. A plain [`query`](twinhouse_warehouse_api::WarehouseExt::query) streams too, with as little
    /// memory here and without a copy of the result on the leader node.
    ///
    /// Single-node clusters take at most 1000 rows at once.
    ///
    /// # Errors
    ///
    /// As [`RedshiftTransaction::cursor`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future or the stream closes the cursor and ends its transaction.
    pub async fn cursor(&self, request: impl Into<StatementRequest>, fetch_size: NonZeroU32) -> Result<BatchStream> {
        let request = request.into();
        let owner = self.begin_transaction(TransactionOptions::default().with_read_only(true)).await?;
        cursor::open(owner.seat().clone(), Some(owner), &request, fetch_size).await
    }

    /// Runs the statements of a text one after the other on one session, and answers what each did.
    ///
    /// ```no_run
    /// # async fn example(warehouse: &twinhouse_redshift::RedshiftWarehouse) -> twinhouse_core::Result<()> {
    /// use twinhouse_redshift::ScriptOptions;
    ///
    /// let sql = "create temp table t (a int); insert into t values (1), (2); select count(*) from t";
    /// let results = warehouse.run_script(sql, ScriptOptions::default()).await?;
    /// assert_eq!(results[1].rows_affected, Some(2));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The first error, with the number of its statement as context `statement number` and its place in the whole text as
    /// context `position`. As one transaction nothing is done then; without one, the statements before it are.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels what runs, and rolls back a transaction.
    pub async fn run_script(&self, sql: &str, options: ScriptOptions) -> Result<Vec<ScriptResult>> {
        self.0.check_open()?;
        script::run(&self.0, sql, &options).await
    }

    /// How far a statement has come: one that a handle of this process runs, or a query by its number.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) if the server's history does not show it, or not to us.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the statement as it is.
    pub async fn progress(&self, id: &StatementId) -> Result<StatementProgress> {
        self.0.check_open()?;
        statement::progress(&self.0, id).await
    }

    /// Finds a query by the number that the server's history gives it (`SYS_QUERY_HISTORY.query_id`), from any process, to
    /// look at it or to cancel it. Its rows are not to be had: they belong to the connection that runs it.
    ///
    /// # Errors
    ///
    /// As [`progress`](Self::progress).
    ///
    /// # Cancellation
    ///
    /// As [`progress`](Self::progress).
    pub async fn attach_query(&self, query_id: i64) -> Result<StatementHandle> {
        self.0.check_open()?;
        statement::attach(self.0.clone(), query_id).await
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
        can.load_overwrite = staged;
        can.load_replace_where = staged;
        can.load_create = staged;
        can.unload = true;
        can.merge = staged;
        can.merge_delete_matched = staged;
        can.merge_not_matched_by_source = staged;
        can.merge_keep_greatest = staged;
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
        let wish = "cannot find a statement again: it lives and dies with its connection; see `attach_query`";
        Err(Error::unsupported(BACKEND, wish).with_statement_id(id.as_str()))
    }

    async fn load(&self, request: LoadRequest) -> Result<BulkReport> {
        self.0.check_open()?;
        request.check(&self.capabilities(), BACKEND)?;
        load::load(&self.0, request).await
    }

    async fn unload(&self, request: UnloadRequest) -> Result<BulkReport> {
        self.0.check_open()?;
        unload::unload(&self.0, request).await
    }

    async fn merge(&self, request: MergeRequest) -> Result<MergeReport> {
        self.0.check_open()?;
        merge::merge(&self.0, &self.capabilities(), request, merge::MergeStrategy::default()).await
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
