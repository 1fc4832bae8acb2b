//! Files in Unity Catalog volumes: `/api/2.0/fs`.

use crate::{api::Client, client::DatabricksClient};

/// Files in Unity Catalog volumes: `/api/2.0/fs`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Files {
    client: Client,
}

impl DatabricksClient {
    /// Files in Unity Catalog volumes: `/api/2.0/fs`.
    pub fn files(&self) -> Files {
        Files { client: self.api().clone() }
    }
}
