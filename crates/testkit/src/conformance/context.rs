//! What a case works with.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arrow::{
    array::RecordBatch,
    datatypes::{Field, Schema, SchemaRef},
};
use tokio::time::{Instant, sleep};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    BatchStream, BulkReport, Capabilities, Dialect, LoadRequest, LoadToken, StatementRequest, TableRef, Value,
    Warehouse, WarehouseExt as _,
};
use uuid::Uuid;

use super::{
    cell::{Cell, cells},
    fixture::{Fixture, Scratch},
};

/// How long a server may take to notice that it has been told to stop. Machines may be slow.
const STOP_LIMIT: Duration = Duration::from_secs(120);
/// How long a server may take to begin with a statement it has accepted.
const START_LIMIT: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// One case at work: its warehouse, its scratch place, and the tables to drop at its end.
pub struct Context<'f> {
    fixture: &'f dyn Fixture,
    warehouse: Arc<dyn Warehouse>,
    scratch: Scratch,
    tables: Mutex<Vec<TableRef>>,
}

impl<'f> Context<'f> {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Those of the fixture.
    pub async fn new(fixture: &'f dyn Fixture) -> Result<Self> {
        let warehouse = fixture.warehouse().await?;
        Ok(Self { fixture, warehouse, scratch: fixture.scratch(), tables: Mutex::default() })
    }

    /// The warehouse under test.
    pub fn warehouse(&self) -> &Arc<dyn Warehouse> {
        &self.warehouse
    }

    /// Whose it is.
    pub fn fixture(&self) -> &'f dyn Fixture {
        self.fixture
    }

    /// What it promises.
    pub fn can(&self) -> Capabilities {
        self.warehouse.capabilities()
    }

    /// Where tables go.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// How SQL is written here.
    pub fn dialect(&self) -> &dyn Dialect {
        self.warehouse.info().dialect.as_ref()
    }

    /// A name for a table that nobody else uses; it is dropped at the end of the case.
    pub fn unique(&self, stem: &str) -> TableRef {
        self.register(self.scratch.table(stem))
    }

    /// Has this table dropped at the end of the case.
    pub fn register(&self, table: TableRef) -> TableRef {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).push(table.clone());
        table
    }

    /// A marker that no other statement contains.
    pub fn marker(&self) -> String {
        format!("marker_{}", Uuid::new_v4().simple())
    }

    /// A load token that no other load has.
    ///
    /// # Errors
    ///
    /// If `stem` has characters that a token cannot have.
    pub fn token(&self, stem: &str) -> Result<LoadToken> {
        LoadToken::new(format!("{stem}-{}", Uuid::new_v4().simple()))
    }

    /// `name type [NOT NULL]`, as a column of `create table`.
    ///
    /// # Errors
    ///
    /// Those of the dialect.
    pub fn column(&self, field: &Field) -> Result<String> {
        let null = if field.is_nullable() { "" } else { " NOT NULL" };
        Ok(format!("{} {}{null}", self.dialect().quote(field.name())?, self.dialect().type_name(field.data_type())?))
    }

    /// Makes a table with these columns.
    ///
    /// # Errors
    ///
    /// Those of the warehouse.
    pub async fn create(&self, stem: &str, fields: &[Field]) -> Result<TableRef> {
        let table = self.unique(stem);
        self.create_as(&table, fields).await?;
        Ok(table)
    }

    /// Makes this table.
    ///
    /// # Errors
    ///
    /// Those of the warehouse.
    pub async fn create_as(&self, table: &TableRef, fields: &[Field]) -> Result<()> {
        let columns = fields.iter().map(|field| self.column(field)).collect::<Result<Vec<_>>>()?;
        self.execute(format!("create table {} ({})", self.name(table)?, columns.join(", "))).await?;
        Ok(())
    }

    /// The quoted name of a table.
    ///
    /// # Errors
    ///
    /// Those of the dialect.
    pub fn name(&self, table: &TableRef) -> Result<String> {
        self.dialect().table(table)
    }

    /// Inserts rows as literals.
    ///
    /// # Errors
    ///
    /// Those of the dialect and the warehouse.
    pub async fn insert(&self, table: &TableRef, rows: &[Vec<Value>]) -> Result<u64> {
        let rows = rows
            .iter()
            .map(|row| {
                let values = row.iter().map(|value| self.dialect().literal(value)).collect::<Result<Vec<_>>>()?;
                Ok(format!("({})", values.join(", ")))
            })
            .collect::<Result<Vec<_>>>()?;
        self.execute(format!("insert into {} values {}", self.name(table)?, rows.join(", "))).await
    }

    /// Runs a statement that changes something.
    ///
    /// # Errors
    ///
    /// Those of the warehouse.
    pub async fn execute(&self, request: impl Into<StatementRequest> + Send) -> Result<u64> {
        self.warehouse.execute(request).await
    }

    /// The schema and all batches of a query.
    ///
    /// # Errors
    ///
    /// Those of the warehouse.
    pub async fn batches(&self, request: impl Into<StatementRequest> + Send) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let stream = self.warehouse.query(request).await?;
        Ok((stream.schema().clone(), stream.collect_batches().await?))
    }

    /// All rows of a query.
    ///
    /// # Errors
    ///
    /// Those of the warehouse.
    pub async fn rows(&self, request: impl Into<StatementRequest> + Send) -> Result<Vec<Vec<Cell>>> {
        Ok(cells(&self.batches(request).await?.1))
    }

    /// All rows of a table, in the order of one column.
    ///
    /// # Errors
    ///
    /// Those of the warehouse.
    pub async fn read(&self, table: &TableRef, order_by: &str) -> Result<Vec<Vec<Cell>>> {
        let order = self.dialect().quote(order_by)?;
        self.rows(format!("select * from {} order by {order}", self.name(table)?)).await
    }

    /// How many rows a table has.
    ///
    /// # Errors
    ///
    /// Those of the warehouse, and if it does not answer with one number.
    pub async fn count(&self, table: &TableRef) -> Result<i64> {
        let rows = self.rows(format!("select count(*) as n from {}", self.name(table)?)).await?;
        match rows.concat().as_slice() {
            [Cell::Int(rows)] => Ok(*rows),
            other => Err(Error::new(ErrorKind::Data, format!("wanted one count, got {other:?}"))),
        }
    }

    /// Loads batches of one schema.
    ///
    /// # Errors
    ///
    /// Those of the warehouse, and if there is no batch.
    pub async fn load(&self, table: &TableRef, batches: Vec<RecordBatch>, token: LoadToken) -> Result<BulkReport> {
        self.warehouse.load(LoadRequest::append(table.clone(), stream(batches)?, token)).await
    }

    /// Waits until the server works on the marked statement.
    ///
    /// # Panics
    ///
    /// If it never does.
    pub async fn expect_running(&self, marker: &str) {
        let began = Instant::now();
        while self.fixture.is_running(marker).await == Some(false) {
            assert!(began.elapsed() < START_LIMIT, "the statement never began");
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until the server has let go of the marked statement.
    ///
    /// # Panics
    ///
    /// If it goes on.
    pub async fn expect_stopped(&self, marker: &str) {
        let began = Instant::now();
        while self.fixture.is_running(marker).await == Some(true) {
            assert!(began.elapsed() < STOP_LIMIT, "the server is still at work on a statement that nobody wants");
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Drops the tables of the case and lets go of the warehouse.
    ///
    /// # Errors
    ///
    /// The first that occurs.
    pub async fn clean_up(&self) -> Result<()> {
        let tables = std::mem::take(&mut *self.tables.lock().unwrap_or_else(PoisonError::into_inner));
        for table in tables {
            self.execute(format!("drop table if exists {}", self.name(&table)?)).await?;
        }
        self.warehouse.close().await
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("fixture", &self.fixture)
            .field("scratch", &self.scratch)
            .finish_non_exhaustive()
    }
}

/// A stream of batches that share a schema.
pub(super) fn stream(batches: Vec<RecordBatch>) -> Result<BatchStream> {
    let schema = batches.first().map(RecordBatch::schema);
    let schema = schema.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "a stream without batches has no schema"))?;
    Ok(BatchStream::from_batches(schema, batches))
}

/// Batches without rows still have columns.
pub(super) fn empty_stream(fields: &[Field]) -> BatchStream {
    BatchStream::from_batches(Arc::new(Schema::new(fields.to_vec())), Vec::new())
}
