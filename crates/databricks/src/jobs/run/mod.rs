//! Runs, as the service tells of them.

mod outcome;
mod output;
mod record;
mod state;

pub use outcome::{RunFailure, RunOutcome, RunResult};
pub use output::{
    DbtOutput, ExportedView, NotebookOutput, RunJobOutput, RunOutput, SqlOutput, SqlQueryOutput, TaskOutput,
    ViewsToExport,
};
pub use record::{ClusterInstance, Job, RepairHistoryItem, Run, RunTask, RunType};
pub use state::{
    QueueDetails, RunLifeCycleState, RunResultState, RunState, RunStatus, RunStatusState, TerminationCode,
    TerminationDetails, TerminationType,
};
