//! The Databricks file system: `/api/2.0/dbfs`.

use crate::{api::Client, client::DatabricksClient};

/// The Databricks file system: `/api/2.0/dbfs`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dbfs {
    client: Client,
}

impl DatabricksClient {
    /// The Databricks file system: `/api/2.0/dbfs`.
    pub fn dbfs(&self) -> Dbfs {
        Dbfs { client: self.api().clone() }
    }
}
