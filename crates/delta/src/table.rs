//! One table, in hand.

use std::sync::Arc;

use twinhouse_core::Result;
use twinhouse_warehouse_api::{Dialect, TableRef, Warehouse};

/// A Delta table: what there is to do with it hangs off this handle. Cheap to clone.
///
/// The operations stand in the modules named for them; each is an `impl DeltaTable` there.
#[derive(Clone, Debug)]
pub struct DeltaTable {
    warehouse: Arc<dyn Warehouse>,
    table: TableRef,
}

impl DeltaTable {
    pub(crate) fn new(warehouse: Arc<dyn Warehouse>, table: TableRef) -> Self {
        Self { warehouse, table }
    }

    /// Its name.
    pub fn table_ref(&self) -> &TableRef {
        &self.table
    }

    /// The warehouse that holds it.
    pub fn warehouse(&self) -> &Arc<dyn Warehouse> {
        &self.warehouse
    }

    /// How its warehouse writes SQL.
    pub(crate) fn dialect(&self) -> &dyn Dialect {
        self.warehouse.info().dialect.as_ref()
    }

    /// Its name in SQL, quoted by the dialect.
    pub(crate) fn sql_name(&self) -> Result<String> {
        self.warehouse.info().dialect.table(&self.table)
    }
}
