//! `/api/2.1/unity-catalog`.

use futures::stream::BoxStream;
use twinhouse_core::{Result, http::Method, resilience::Operation};

use super::{
    client::{CATALOG, Client},
    pages::{list, page},
};
use crate::wire::{Schema, Table};

page!(SchemaPage, schemas: Schema);
page!(TablePage, tables: Table);

/// The service chooses the size of a page; without this it sends everything at once, in an older way.
const PAGE: (&str, &str) = ("max_results", "0");

impl Client {
    /// One table, by its full name.
    pub(crate) async fn table(&self, full_name: &str) -> Result<Table> {
        let request = self.request(Method::GET, ["api", "2.1", "unity-catalog", "tables", full_name]);
        self.json(Operation::read("table.describe").with_class(CATALOG), request).await
    }

    pub(crate) fn tables(&self, catalog: &str, schema: &str) -> BoxStream<'static, Result<Table>> {
        let query = [
            PAGE,
            ("catalog_name", catalog),
            ("schema_name", schema),
            ("omit_columns", "true"),
            ("omit_properties", "true"),
        ];
        let request = self.request(Method::GET, ["api", "2.1", "unity-catalog", "tables"]).with_query(query);
        list::<TablePage>(self, Operation::read("table.list").with_class(CATALOG), Ok(request))
    }

    pub(crate) fn schemas(&self, catalog: &str) -> BoxStream<'static, Result<Schema>> {
        let query = [PAGE, ("catalog_name", catalog)];
        let request = self.request(Method::GET, ["api", "2.1", "unity-catalog", "schemas"]).with_query(query);
        list::<SchemaPage>(self, Operation::read("schema.list").with_class(CATALOG), Ok(request))
    }
}
