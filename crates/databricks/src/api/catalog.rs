//! `/api/2.1/unity-catalog`.

use twinhouse_core::{Result, http::Method, resilience::Operation};

use super::client::{CATALOG, Client};
use crate::wire::{SchemaPage, Table, TablePage};

/// The service chooses the size of a page; without this it sends everything at once, in an older way.
const PAGE: (&str, &str) = ("max_results", "0");

impl Client {
    /// One table, by its full name.
    pub(crate) async fn table(&self, full_name: &str) -> Result<Table> {
        let request = self.request(Method::GET, ["api", "2.1", "unity-catalog", "tables", full_name]);
        self.json(Operation::read("table.describe").with_class(CATALOG), request).await
    }

    pub(crate) async fn tables(&self, catalog: &str, schema: &str, token: &str) -> Result<TablePage> {
        let mut query = vec![
            PAGE,
            ("catalog_name", catalog),
            ("schema_name", schema),
            ("omit_columns", "true"),
            ("omit_properties", "true"),
        ];
        query.extend((!token.is_empty()).then_some(("page_token", token)));
        let request = self.request(Method::GET, ["api", "2.1", "unity-catalog", "tables"]).with_query(query);
        self.json(Operation::read("table.list").with_class(CATALOG), request).await
    }

    pub(crate) async fn schemas(&self, catalog: &str, token: &str) -> Result<SchemaPage> {
        let mut query = vec![PAGE, ("catalog_name", catalog)];
        query.extend((!token.is_empty()).then_some(("page_token", token)));
        let request = self.request(Method::GET, ["api", "2.1", "unity-catalog", "schemas"]).with_query(query);
        self.json(Operation::read("schema.list").with_class(CATALOG), request).await
    }
}
