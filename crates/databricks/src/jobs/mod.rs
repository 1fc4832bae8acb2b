//! Jobs and their runs: `/api/2.2/jobs`.
//!
//! ```no_run
//! use twinhouse_databricks::{DatabricksClient, jobs::{SubmitRun, Task, WaitOptions}};
//!
//! # async fn example() -> twinhouse_core::Result<()> {
//! let jobs = DatabricksClient::from_env()?.jobs();
//! let run = SubmitRun::new("report")
//!     .with_task(Task::notebook("load", "/Shared/load"))
//!     .with_task(Task::notebook("report", "/Shared/report").after("load"));
//! let run = jobs.submit(run).await?;
//! // An error, if the run is over and did not come out well.
//! run.wait(&WaitOptions::default()).await?;
//! for task in run.outputs().await? {
//!     println!("{}: {:?}", task.task_key, task.output?.notebook_result());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What the service does not forgive is taken care of here: every submission carries an [`IdempotencyToken`], so that
//! an answer that is lost does not start a second run; tasks past the hundredth of a page are fetched; outputs are
//! those of tasks, and found by the run; and a run that is `TERMINATED` without success is an error.

pub(crate) mod check;
pub mod cluster;
mod handle;
mod id;
mod kept;
pub(crate) mod macros;
mod outputs;
mod pages;
mod request;
pub mod run;
mod runs;
pub mod settings;
mod short;
pub mod task;
mod wait;

use twinhouse_core::http::{Method, Request};

pub use cluster::ClusterSpec;
pub use handle::RunHandle;
pub use id::{IdempotencyToken, JobId, RepairId, RunId};
pub use request::{ListJobs, ListRuns, RepairRun, RunNow, RunParameters, SubmitRun};
pub use run::{Job, Run, RunFailure, RunOutcome, RunOutput, RunResult, RunTask, TaskOutput};
pub use settings::{CreateJob, JobSettings, UpdateJob};
pub use task::{Compute, Task};
pub use twinhouse_warehouse_api::OnDrop;
pub(crate) use wait::succeeded;
pub use wait::{WaitOptions, WaitProgress};

use crate::{api::Client, client::DatabricksClient};

/// Which version of the Jobs API is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiVersion {
    /// The older: answers have all tasks of a run.
    V2_1,
    /// The current: answers have a hundred tasks at a time, and the client fetches the rest.
    #[default]
    V2_2,
}

impl ApiVersion {
    fn as_str(self) -> &'static str {
        match self {
            Self::V2_1 => "2.1",
            Self::V2_2 => "2.2",
        }
    }
}

/// Jobs and their runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Jobs {
    client: Client,
    version: ApiVersion,
}

impl DatabricksClient {
    /// Jobs and their runs: `/api/2.2/jobs`.
    pub fn jobs(&self) -> Jobs {
        Jobs { client: self.api().clone(), version: ApiVersion::default() }
    }
}

impl Jobs {
    /// Speaks this version of the API.
    #[must_use]
    pub fn with_version(mut self, version: ApiVersion) -> Self {
        self.version = version;
        self
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A request to `jobs/…`.
    fn call(&self, method: Method, path: &[&str]) -> Request {
        self.client.request(method, ["api", self.version.as_str(), "jobs"].into_iter().chain(path.iter().copied()))
    }
}
