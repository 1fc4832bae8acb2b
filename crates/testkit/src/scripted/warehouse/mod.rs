//! A warehouse that answers from a script, for tests of programs that use one.

mod contract;
mod script;
mod statement;
mod store;
mod transaction;

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
};
use twinhouse_core::{Error, ErrorKind, Fault, Result};
use twinhouse_warehouse_api::{
    Capabilities, ColumnInfo, DatabricksDialect, Dialect, StatementRequest, TableInfo, TableKind, TableRef,
    WarehouseInfo,
};

pub use self::script::{Reply, Sql};
use self::{script::Script, statement::Statement, store::Store};

/// A call of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// `submit`.
    Submit,
    /// `attach`.
    Attach,
    /// `load`.
    Load,
    /// `unload`.
    Unload,
    /// `merge`.
    Merge,
    /// `table`.
    Table,
    /// `tables`.
    Tables,
    /// `begin`.
    Begin,
    /// A transaction's `query` or `execute`.
    InTransaction,
    /// A transaction's `commit`.
    Commit,
    /// A transaction's `rollback`, or its drop.
    Rollback,
    /// `close`.
    Close,
}

/// A warehouse in memory: statements are answered from a script, loads and merges are carried out on tables that the
/// test declares, everything is remembered, and any call can be made to fail. It never touches a network.
///
/// It keeps the contract: parameters are checked, loads happen once per token, a dropped statement is cancelled, what
/// its capabilities do not promise is refused. Waiting is on tokio's clock. Clones share everything.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> twinhouse_core::Result<()> {
/// use twinhouse_core::{Error, ErrorKind};
/// use twinhouse_testkit::{Reply, ScriptedWarehouse};
/// use twinhouse_warehouse_api::{StatementRequest, Warehouse, WarehouseExt};
///
/// // What is to be tested: it takes any warehouse.
/// async fn purge(warehouse: &dyn Warehouse, day: &str) -> twinhouse_core::Result<u64> {
///     warehouse.execute(StatementRequest::write("delete from events where day < :day").bind("day", day)).await
/// }
///
/// let warehouse = ScriptedWarehouse::new();
/// warehouse.once("delete from events where day < :day", Reply::affected(7));
/// warehouse.once("delete from events where day < :day", Reply::error(Error::new(ErrorKind::PermissionDenied, "no")));
///
/// assert_eq!(purge(&warehouse, "2026-01-01").await?, 7);
/// assert_eq!(purge(&warehouse, "2026-01-01").await.unwrap_err().kind(), ErrorKind::PermissionDenied);
/// assert_eq!(warehouse.statements().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ScriptedWarehouse {
    info: WarehouseInfo,
    can: Capabilities,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    script: Script,
    store: Store,
    calls: Vec<Call>,
    statements: Vec<Arc<Statement>>,
    faults: VecDeque<Planned>,
    closed: bool,
}

/// A call that shall fail.
struct Planned {
    call: Call,
    /// Whether the work is done first, and only the answer is lost.
    after: bool,
    error: Error,
}

impl Default for ScriptedWarehouse {
    fn default() -> Self {
        Self::new()
    }
}

impl ScriptedWarehouse {
    /// An empty script, Databricks SQL, and every capability that can be had in memory.
    pub fn new() -> Self {
        let mut can = Capabilities::NONE;
        can.transactions = true;
        can.attach = true;
        can.load = true;
        can.load_overwrite = true;
        can.load_create = true;
        can.unload = true;
        can.merge = true;
        can.merge_delete_matched = true;
        can.merge_not_matched_by_source = true;
        can.merge_keep_greatest = true;
        can.nested_types = true;
        can.case_preserving = true;
        let info = WarehouseInfo::new("scripted", "scripted", Arc::new(DatabricksDialect));
        Self { info, can, state: Arc::default() }
    }

    /// Promises this and nothing else.
    #[must_use]
    pub fn with_capabilities(mut self, can: Capabilities) -> Self {
        self.can = can;
        self
    }

    /// Reads and writes this dialect.
    #[must_use]
    pub fn with_dialect(mut self, dialect: Arc<dyn Dialect>) -> Self {
        self.info.dialect = dialect;
        self
    }

    /// Describes itself like this.
    #[must_use]
    pub fn with_info(mut self, info: WarehouseInfo) -> Self {
        self.info = info;
        self
    }

    /// Answers one statement. Lines of the script are tried in the order in which they were added.
    pub fn once(&self, sql: impl Into<Sql>, reply: Reply) -> &Self {
        self.lock().script.add(sql.into(), reply, Some(1));
        self
    }

    /// Answers every such statement that no earlier line answers.
    pub fn always(&self, sql: impl Into<Sql>, reply: Reply) -> &Self {
        self.lock().script.add(sql.into(), reply, None);
        self
    }

    /// Declares a table with these columns, to be described, listed, loaded into and merged into.
    pub fn add_table(&self, table: TableRef, schema: &Schema) -> &Self {
        self.add_table_info(self.made(table, schema))
    }

    /// A table with these columns, as it would be made here.
    fn made(&self, table: TableRef, schema: &Schema) -> TableInfo {
        let columns = schema.fields().iter().map(|field| {
            let native =
                self.info.dialect.type_name(field.data_type()).unwrap_or_else(|_| field.data_type().to_string());
            ColumnInfo::new(field.name(), field.data_type().clone(), native).with_nullable(field.is_nullable())
        });
        TableInfo::new(table, TableKind::Managed, columns.collect())
    }

    /// Declares a table in every detail.
    pub fn add_table_info(&self, info: TableInfo) -> &Self {
        self.lock().store.add(info);
        self
    }

    /// The columns of a declared table.
    pub fn declared(&self, table: &TableRef) -> Option<SchemaRef> {
        self.lock().store.info(table).ok().map(|info| info.schema())
    }

    /// Puts rows into a declared table.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if it is not declared, [`ErrorKind::InvalidInput`] if the rows do not fit.
    pub fn add_rows(&self, table: &TableRef, batch: &RecordBatch) -> Result<()> {
        self.lock().store.insert(table, batch)
    }

    /// Forgets a table and its rows. True if there was one.
    pub fn remove_table(&self, table: &TableRef) -> bool {
        self.lock().store.remove(table)
    }

    /// Has the next call of this kind fail before it does anything. Several are met in the order in which they were
    /// planned.
    pub fn fail_next(&self, call: Call, error: Error) -> &Self {
        self.lock().faults.push_back(Planned { call, after: false, error });
        self
    }

    /// Has the next call of this kind do its work and fail nevertheless: the answer is lost.
    pub fn lose_next_answer(&self, call: Call, error: Error) -> &Self {
        self.lock().faults.push_back(Planned { call, after: true, error });
        self
    }

    /// Every call so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// Every statement so far, in order, those of transactions included.
    pub fn statements(&self) -> Vec<StatementRequest> {
        self.lock().statements.iter().map(|statement| statement.request().clone()).collect()
    }

    /// The statements that are at work now.
    pub fn running(&self) -> Vec<StatementRequest> {
        let state = self.lock();
        state.statements.iter().filter(|s| s.is_running()).map(|s| s.request().clone()).collect()
    }

    /// The statements that were told to stop while they were at work.
    pub fn cancelled(&self) -> Vec<StatementRequest> {
        let state = self.lock();
        state.statements.iter().filter(|s| s.was_cancelled()).map(|s| s.request().clone()).collect()
    }

    /// The rows of a declared table, as loads and merges have left them; none for a table that is not declared.
    pub fn rows(&self, table: &TableRef) -> Vec<RecordBatch> {
        self.lock().store.rows(table)
    }

    /// The rows that were unloaded to a destination.
    pub fn unloaded(&self, destination: &str) -> Vec<RecordBatch> {
        self.lock().store.unloaded(destination)
    }

    /// Checks that every `once` was asked for.
    ///
    /// # Panics
    ///
    /// If not, with the list of what was not.
    #[track_caller]
    pub fn verify(&self) {
        let left = self.lock().script.left();
        assert!(left.is_empty(), "never asked: {left:?}");
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the call, and answers the fault that it shall meet after its work.
    fn enter(&self, call: Call) -> Result<Option<Error>> {
        let mut state = self.lock();
        state.calls.push(call);
        if state.closed && call != Call::Close {
            return Err(Error::new(ErrorKind::Connection, "the warehouse is closed").with_fault(Fault::PERMANENT));
        }
        let planned = state.faults.iter().position(|planned| planned.call == call);
        match planned.and_then(|index| state.faults.remove(index)) {
            Some(Planned { after: false, error, .. }) => Err(error),
            Some(Planned { error, .. }) => Ok(Some(error)),
            None => Ok(None),
        }
    }
}

/// What the call answers, unless its answer is to be lost.
fn leave<T>(lost: Option<Error>, done: T) -> Result<T> {
    lost.map_or(Ok(done), Err)
}

impl fmt::Debug for ScriptedWarehouse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedWarehouse")
            .field("backend", &self.info.backend)
            .field("calls", &self.lock().calls.len())
            .finish_non_exhaustive()
    }
}
