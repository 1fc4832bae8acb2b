//! A streaming job that has been checked.

use std::time::Duration;

use super::{StreamSink, StreamSource, notebook};
use crate::jobs::{Task, macros::words, task::NotebookTask};

/// When a batch begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trigger {
    /// Everything that is there, in batches of a good size; then the job is over. The only one that serverless compute
    /// knows.
    #[default]
    AvailableNow,
    /// Everything that is there, in one batch; then the job is over.
    Once,
    /// Every so often, without end; zero: one after the other.
    Interval(Duration),
    /// Row by row without end, and a checkpoint every so often. From Kafka or `rate` to Kafka only.
    Continuous(Duration),
}

impl Trigger {
    /// Whether the job is over when it has read what is there.
    pub fn ends(self) -> bool {
        matches!(self, Self::AvailableNow | Self::Once)
    }
}

words! {
    /// Which rows a batch writes.
    OutputMode {
        /// New ones.
        Append = "append",
        /// All there are: for aggregations.
        Complete = "complete",
        /// New and changed ones. Delta does not take them.
        Update = "update",
    }
}

/// What is done with rows on their way, in order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// A query. Its result has a name, under which later ones find it.
    Sql {
        /// The name.
        name: String,
        /// The query.
        sql: String,
    },
    /// Rows that are later than this, by a column of time, are forgotten.
    Watermark {
        /// The column.
        column: String,
        /// How late rows may be.
        delay: Duration,
    },
}

/// A streaming job: what is read, what is done with it, where it goes. It has been checked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StreamingJobSpec {
    pub(super) name: String,
    pub(super) source: StreamSource,
    pub(super) steps: Vec<Step>,
    pub(super) sink: StreamSink,
    pub(super) trigger: Trigger,
    pub(super) checkpoint: String,
    pub(super) output_mode: OutputMode,
}

impl StreamingJobSpec {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where rows come from.
    pub fn source(&self) -> &StreamSource {
        &self.source
    }

    /// What is done with them.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Where they go.
    pub fn sink(&self) -> &StreamSink {
        &self.sink
    }

    /// When a batch begins.
    pub fn trigger(&self) -> Trigger {
        self.trigger
    }

    /// Where it is kept how far the job has come.
    pub fn checkpoint(&self) -> &str {
        &self.checkpoint
    }

    /// Which rows a batch writes.
    pub fn output_mode(&self) -> &OutputMode {
        &self.output_mode
    }

    /// The notebook: Python, as Databricks keeps it in a file.
    ///
    /// The same job gives the same notebook. When its query is over it exits with the query's ids as JSON.
    pub fn notebook(&self) -> String {
        notebook::render(self)
    }

    /// The task of a job that is kept, with the notebook at this path of the workspace. Have the job run
    /// [continuously](crate::jobs::settings::Continuous), or let the task be tried again without end: with its checkpoint
    /// a query goes on where it was.
    pub fn task(&self, task_key: impl Into<String>, notebook_path: impl Into<String>) -> Task {
        Task::new(task_key, NotebookTask::new(notebook_path)).with_description(format!("stream {}", self.name))
    }
}
