//! The files of one merge.

use twinhouse_core::Report;
use uuid::Uuid;

use crate::load::{self, Loader, Staged};

/// A directory for the files of one merge, deleted at its end whatever happens.
pub(super) struct Scratch {
    loader: Option<Loader>,
    pub(super) directory: String,
    pub(super) staged: Staged,
}

impl Scratch {
    pub(super) fn new(loader: &Loader) -> Self {
        let directory = format!("{}/merge-{}", loader.staging, Uuid::new_v4());
        Self { loader: Some(loader.clone()), directory, staged: Staged::default() }
    }

    pub(super) async fn remove(mut self) {
        if let Some(loader) = self.loader.take() {
            sweep(loader, std::mem::take(&mut self.directory), std::mem::take(&mut self.staged)).await;
        }
    }

    /// Leaves the files where they are, and says where.
    pub(super) fn keep(mut self) -> String {
        self.loader = None;
        std::mem::take(&mut self.directory)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (Some(loader), Ok(runtime)) = (self.loader.take(), tokio::runtime::Handle::try_current()) else { return };
        runtime.spawn(sweep(loader, std::mem::take(&mut self.directory), std::mem::take(&mut self.staged)));
    }
}

async fn sweep(loader: Loader, directory: String, staged: Staged) {
    let swept = async {
        load::remove(&loader.client, &directory, &staged).await?;
        loader.client.delete_directory(&directory).await
    };
    if let Err(error) = swept.await {
        tracing::warn!(directory, error = %Report(&error), "the files of a merge could not be deleted");
    }
}
