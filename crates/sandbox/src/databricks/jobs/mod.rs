//! Jobs: their definitions, their runs, and the work of their tasks.
//!
//! `api/jobs*.rs -> scheduler -> tries -> runners`, over `store`; `graph`, `references`, `state` and `validate` are
//! rules without state, `report` tells what is in the store.

pub(crate) mod begin;
mod graph;
mod queries;
mod references;
pub(crate) mod report;
mod run;
mod runners;
mod scheduler;
mod spec;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod tries;
pub(crate) mod validate;
mod work;

use std::{io, path::Path, sync::Arc};

use tokio::runtime::Handle;

pub(crate) use self::{
    queries::Queries,
    run::Run,
    runners::{Python, Runners, compile},
    scheduler::{Begin, Scheduler},
    state::Outcome,
    store::{Job, Store},
};
use super::workspace::Workspace;

/// The jobs of a workspace. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Jobs {
    pub(crate) scheduler: Scheduler,
    pub(crate) workspace: Workspace,
    pub(crate) queries: Queries,
    pub(crate) url: String,
    runners: Arc<Runners>,
}

impl Jobs {
    /// Opens what is below `root`, or begins it. Runs live on `runtime`.
    pub(crate) fn open(root: &Path, runners: Runners, runtime: Handle) -> io::Result<Self> {
        let store = Arc::new(Store::open(root)?);
        let (workspace, queries, url) = (runners.workspace.clone(), runners.queries.clone(), runners.url.clone());
        let runners = Arc::new(runners);
        let work = Arc::clone(&runners);
        Ok(Self { scheduler: Scheduler::new(store, work, url.clone(), runtime), workspace, queries, url, runners })
    }

    pub(crate) fn store(&self) -> &Store {
        self.scheduler.store()
    }

    /// Ends everything and waits for it.
    pub(crate) async fn stop(&self) {
        self.scheduler.stop().await;
        self.runners.close();
    }

    /// The same without waiting.
    pub(crate) fn abandon(&self) {
        self.scheduler.abandon();
    }
}
