//! The files of one attempt.

use twinhouse_core::Report;

use crate::api::Client;

/// A directory of files that nobody else knows of, deleted at the end whatever happens, unless it is kept.
pub(crate) struct Scratch {
    client: Option<Client>,
    directory: String,
}

impl Scratch {
    /// Makes the directory.
    pub(crate) async fn create(client: &Client, directory: String) -> twinhouse_core::Result<Self> {
        let scratch = Self { client: Some(client.clone()), directory };
        client.create_directory(&scratch.directory).await?;
        Ok(scratch)
    }

    pub(crate) fn directory(&self) -> &str {
        &self.directory
    }

    pub(crate) async fn remove(mut self) {
        if let Some(client) = self.client.take() {
            sweep(client, std::mem::take(&mut self.directory)).await;
        }
    }

    /// Leaves the files where they are, and says where.
    pub(crate) fn keep(mut self) -> String {
        self.client = None;
        std::mem::take(&mut self.directory)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (Some(client), Ok(runtime)) = (self.client.take(), tokio::runtime::Handle::try_current()) else { return };
        runtime.spawn(sweep(client, std::mem::take(&mut self.directory)));
    }
}

async fn sweep(client: Client, directory: String) {
    if let Err(error) = client.clear_directory(&directory).await {
        tracing::warn!(directory, error = %Report(&error), "staged files could not be deleted");
    }
}
