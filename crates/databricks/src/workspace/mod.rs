//! Notebooks, files and folders of the workspace: `/api/2.0/workspace`.

use crate::{api::Client, client::DatabricksClient};

/// Notebooks, files and folders of the workspace: `/api/2.0/workspace`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Workspace {
    client: Client,
}

impl DatabricksClient {
    /// Notebooks, files and folders of the workspace: `/api/2.0/workspace`.
    pub fn workspace(&self) -> Workspace {
        Workspace { client: self.api().clone() }
    }
}
