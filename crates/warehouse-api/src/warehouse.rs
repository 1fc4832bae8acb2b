//! What a warehouse can be asked.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures::stream::BoxStream;
use twinhouse_core::Result;

use crate::{
    bulk::{BulkReport, LoadRequest, UnloadRequest},
    capability::Capabilities,
    dialect::Dialect,
    merge::{MergeReport, MergeRequest},
    statement::{StatementHandle, StatementId, StatementRequest},
    table::{TableFilter, TableInfo, TableRef},
    transaction::{Transaction, TransactionOptions},
};

/// What does not change about a warehouse while we are connected to it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WarehouseInfo {
    /// Which backend: `databricks`, `redshift`.
    pub backend: &'static str,
    /// Which server: host and port, without credentials.
    pub host: String,
    /// The catalog that names without one belong to (on Redshift: the database).
    pub default_catalog: Option<String>,
    /// The schema that names without one belong to.
    pub default_schema: Option<String>,
    /// How SQL is written here.
    pub dialect: Arc<dyn Dialect>,
}

impl WarehouseInfo {
    /// Describes a server.
    pub fn new(backend: &'static str, host: impl Into<String>, dialect: Arc<dyn Dialect>) -> Self {
        Self { backend, host: host.into(), default_catalog: None, default_schema: None, dialect }
    }

    /// Sets what names without a catalog or schema belong to.
    #[must_use]
    pub fn with_defaults(mut self, catalog: Option<String>, schema: Option<String>) -> Self {
        self.default_catalog = catalog;
        self.default_schema = schema;
        self
    }
}

/// A warehouse. Backends implement it; users mostly call [`WarehouseExt`](crate::WarehouseExt), which sits on top.
///
/// No method has a default body: a wrapper that forgets one must not compile.
#[async_trait]
pub trait Warehouse: fmt::Debug + Send + Sync + 'static {
    /// What does not change about it.
    fn info(&self) -> &WarehouseInfo;

    /// What it will do, as configured and wrapped. Anything else is refused with
    /// [`ErrorKind::Unsupported`](twinhouse_core::ErrorKind::Unsupported) before anything is sent.
    fn capabilities(&self) -> Capabilities;

    /// Hands a statement to the server and answers as soon as the server has taken it.
    ///
    /// # Errors
    ///
    /// A parameter that is missing, unused or of the wrong type; a server that cannot be reached or refuses. An error
    /// *of* the statement may come here or from the handle.
    ///
    /// # Cancellation
    ///
    /// A caller that is dropped before the server has answered still gets the statement cancelled.
    async fn submit(&self, request: StatementRequest) -> Result<StatementHandle>;

    /// Finds a statement again, for example after a restart. The handle is detached: dropping it stops nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) if the server knows none of that id, or no longer.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the statement as it is.
    async fn attach(&self, id: &StatementId) -> Result<StatementHandle>;

    /// Loads many rows, exactly once per token, as one commit: appends them, unless the request has another
    /// [mode](crate::LoadMode).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) naming column, wanted and got if the rows do not
    /// fit the table, before anything is sent;
    /// [`ErrorKind::AlreadyExists`](twinhouse_core::ErrorKind::AlreadyExists) for a table that is to be made and is there.
    /// Whatever fails later, loading again with the same token is safe. Where it cannot be told whether an earlier try
    /// has landed, the error is a final [`ErrorKind::Conflict`](twinhouse_core::ErrorKind::Conflict) that says what to do.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the work; load again with the same token to complete it.
    async fn load(&self, request: LoadRequest) -> Result<BulkReport>;

    /// Has the warehouse write the rows of a query as files.
    ///
    /// # Errors
    ///
    /// Those of the query;
    /// [`ErrorKind::AlreadyExists`](twinhouse_core::ErrorKind::AlreadyExists) if there are files at the destination. After
    /// an error whose effect is unknown there may be files.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement. Files that were written by then stay.
    async fn unload(&self, request: UnloadRequest) -> Result<BulkReport>;

    /// Merges rows into a table by key, all or nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) for keys or columns that do not fit, before
    /// anything is sent; [`ErrorKind::Conflict`](twinhouse_core::ErrorKind::Conflict) for source rows that share a key
    /// (final), or if another writer was in the way (it may be tried again).
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement: the merge is done or not.
    async fn merge(&self, request: MergeRequest) -> Result<MergeReport>;

    /// Describes a table.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) if there is none of that name.
    async fn table(&self, table: &TableRef) -> Result<TableInfo>;

    /// Lists tables, page by page as the stream is read. The first error ends it.
    fn tables(&self, filter: TableFilter) -> BoxStream<'static, Result<TableRef>>;

    /// Opens a transaction. Dropped, it is rolled back.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](twinhouse_core::ErrorKind::Unsupported) for an isolation that the server does not give;
    /// whatever keeps it from a session.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves nothing open.
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Transaction>>;

    /// Lets go of connections; statements that run are cancelled. Calls after it fail.
    ///
    /// # Errors
    ///
    /// What could not be let go of. The warehouse is closed all the same.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped may leave statements running.
    async fn close(&self) -> Result<()>;
}
