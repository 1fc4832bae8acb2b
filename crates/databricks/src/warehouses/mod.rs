//! SQL warehouses: `/api/2.0/sql/warehouses`.

use crate::{api::Client, client::DatabricksClient};

/// SQL warehouses: `/api/2.0/sql/warehouses`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Warehouses {
    client: Client,
}

impl DatabricksClient {
    /// SQL warehouses: `/api/2.0/sql/warehouses`.
    pub fn warehouses(&self) -> Warehouses {
        Warehouses { client: self.api().clone() }
    }
}
