//! What a run did.

use std::time::Duration;

use chrono::{DateTime, Utc};
use twinhouse_core::Error;
use twinhouse_warehouse_api::TableRef;

use super::decide::{MaintenanceTask, Reason};
use crate::maintain::OptimizeReport;

/// How a task ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TaskOutcome {
    /// Files were rewritten, or there was nothing to gain.
    Optimized(Box<OptimizeReport>),
    /// Old files were deleted.
    Vacuumed,
    /// Statistics were computed.
    Analyzed,
    /// Another writer, perhaps another scheduler, was faster. Nothing is lost; the next run decides anew.
    Conflict(Error),
    /// It failed.
    Failed(Error),
}

/// One task of one table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskReport {
    /// What was done.
    pub task: MaintenanceTask,
    /// Why.
    pub reason: Reason,
    /// How it ended.
    pub outcome: TaskOutcome,
    /// How long it took.
    pub elapsed: Duration,
}

/// One table of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TableReport {
    /// The table.
    pub table: TableRef,
    /// What was done, in order; empty if nothing was due.
    pub tasks: Vec<TaskReport>,
    /// Why the table could not be looked at: it is gone, or the server did not answer.
    pub error: Option<Error>,
}

impl TableReport {
    /// The errors of the table, whatever they belong to.
    pub fn errors(&self) -> impl Iterator<Item = &Error> {
        let failed = self.tasks.iter().filter_map(|task| match &task.outcome {
            TaskOutcome::Failed(error) => Some(error),
            _ => None,
        });
        self.error.iter().chain(failed)
    }
}

/// One run over all tables.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MaintenanceReport {
    /// When it began, by the scheduler's clock.
    pub started: DateTime<Utc>,
    /// How long it took.
    pub elapsed: Duration,
    /// The tables that were looked at, in the order in which the scheduler was given them.
    pub tables: Vec<TableReport>,
    /// Whether the run was stopped before it had looked at every table.
    pub interrupted: bool,
}

impl MaintenanceReport {
    /// Every table with an error, and the error.
    pub fn errors(&self) -> impl Iterator<Item = (&TableRef, &Error)> {
        self.tables.iter().flat_map(|table| table.errors().map(move |error| (&table.table, error)))
    }

    /// How many tasks of a kind were carried out.
    pub fn done(&self, task: MaintenanceTask) -> usize {
        let tasks = self.tables.iter().flat_map(|table| &table.tasks);
        let done = |report: &&TaskReport| {
            report.task == task && !matches!(report.outcome, TaskOutcome::Conflict(_) | TaskOutcome::Failed(_))
        };
        tasks.filter(done).count()
    }
}
