//! Jobs and their runs: `/api/2.2/jobs`.

use crate::{api::Client, client::DatabricksClient};

/// Jobs and their runs: `/api/2.2/jobs`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Jobs {
    client: Client,
}

impl DatabricksClient {
    /// Jobs and their runs: `/api/2.2/jobs`.
    pub fn jobs(&self) -> Jobs {
        Jobs { client: self.api().clone() }
    }
}
