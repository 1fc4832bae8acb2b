//! Where tables come from.

use std::sync::Arc;

use twinhouse_core::{Error, Result};
use twinhouse_warehouse_api::{TableRef, Warehouse};

use crate::table::DeltaTable;

/// The Delta tables of one catalog and schema. Cheap to clone.
///
/// It speaks through any [`Warehouse`] whose dialect is that of Databricks, wrapped or not, and keeps no state of its
/// own: two clients over one warehouse are as good as one.
#[derive(Clone, Debug)]
pub struct DeltaClient {
    warehouse: Arc<dyn Warehouse>,
    catalog: Option<String>,
    schema: Option<String>,
}

impl DeltaClient {
    /// Tables in the warehouse's default catalog and schema. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](twinhouse_core::ErrorKind::Unsupported) if the warehouse does not speak Databricks
    /// SQL: then there are no Delta tables behind it.
    pub fn new(warehouse: Arc<dyn Warehouse>) -> Result<Self> {
        let info = warehouse.info();
        if info.dialect.name() != "databricks" {
            return Err(Error::unsupported(info.backend, "has no Delta tables: it does not speak Databricks SQL"));
        }
        Ok(Self { warehouse, catalog: None, schema: None })
    }

    /// The same in another catalog.
    #[must_use]
    pub fn with_catalog(mut self, catalog: impl Into<String>) -> Self {
        self.catalog = Some(catalog.into());
        self
    }

    /// The same in another schema.
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// The warehouse underneath.
    pub fn warehouse(&self) -> &Arc<dyn Warehouse> {
        &self.warehouse
    }

    /// A table by its name. Nothing is sent, so that it need not exist.
    pub fn table(&self, name: impl Into<String>) -> DeltaTable {
        let mut table = TableRef::new(name);
        if let Some(schema) = &self.schema {
            table = table.with_schema(schema);
        }
        if let Some(catalog) = &self.catalog {
            table = table.with_catalog(catalog);
        }
        self.at(table)
    }

    /// A table by a reference that is taken as it is.
    pub fn at(&self, table: TableRef) -> DeltaTable {
        DeltaTable::new(self.warehouse.clone(), table)
    }
}
