//! Unity Catalog: catalogs, schemas, tables, volumes, functions, permissions and temporary credentials.

use crate::{api::Client, client::DatabricksClient};

/// Unity Catalog: catalogs, schemas, tables, volumes, functions, permissions and temporary credentials. Cheap to clone.
#[derive(Clone, Debug)]
pub struct UnityCatalog {
    client: Client,
}

impl DatabricksClient {
    /// Unity Catalog: catalogs, schemas, tables, volumes, functions, permissions and temporary credentials.
    pub fn catalog(&self) -> UnityCatalog {
        UnityCatalog { client: self.api().clone() }
    }
}
