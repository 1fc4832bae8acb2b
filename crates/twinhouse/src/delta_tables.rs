//! From a workspace to its Delta tables: the arrow between the two crates that know nothing of each other.

use std::sync::Arc;

use twinhouse_core::Result;
use twinhouse_databricks::DatabricksClient;
use twinhouse_delta::DeltaClient;
use twinhouse_warehouse_api::Traced;

/// Gives a [`DatabricksClient`] its Delta tables.
///
/// ```no_run
/// use twinhouse::{DeltaTables as _, databricks::DatabricksClient};
///
/// # async fn example() -> twinhouse::Result<()> {
/// let client = DatabricksClient::from_env()?;
/// let orders = client.delta("main", "sales")?.table("orders");
/// for entry in orders.history(Some(5)).await? {
///     println!("{} {:?}", entry.version, entry.operation);
/// }
/// # Ok(())
/// # }
/// ```
pub trait DeltaTables {
    /// The Delta tables of this catalog and schema, through the client's own SQL warehouse. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) without `warehouse_id`.
    fn delta(&self, catalog: impl Into<String>, schema: impl Into<String>) -> Result<DeltaClient>;
}

impl DeltaTables for DatabricksClient {
    fn delta(&self, catalog: impl Into<String>, schema: impl Into<String>) -> Result<DeltaClient> {
        let warehouse = Arc::new(Traced::new(self.warehouse()?));
        Ok(DeltaClient::new(warehouse)?.with_catalog(catalog).with_schema(schema))
    }
}

#[cfg(test)]
mod tests {
    use twinhouse_core::{ErrorKind, config::Env};
    use twinhouse_databricks::DatabricksConfig;

    use super::*;

    fn client(warehouse: Option<&str>) -> DatabricksClient {
        let builder =
            DatabricksConfig::builder().env(Env::empty()).host("https://example.cloud.databricks.com").token("t");
        warehouse.into_iter().fold(builder, |builder, id| builder.warehouse_id(id)).client().unwrap()
    }

    #[test]
    fn tables_stand_in_the_catalog_and_schema_that_were_named() {
        let table = client(Some("abc")).delta("main", "sales").unwrap().table("orders");
        assert_eq!(table.table_ref().to_string(), "main.sales.orders");
    }

    #[test]
    fn without_a_warehouse_there_is_nobody_to_ask() {
        let error = client(None).delta("main", "sales").unwrap_err();
        assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Config, Some("warehouse_id")));
    }
}
