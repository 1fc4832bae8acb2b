//! What a task has left behind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use twinhouse_core::Secret;

use super::{Run, RunResult};
use crate::{
    jobs::{
        RunId,
        macros::{record, words},
    },
    wire::nullable,
};

record! {
    /// What a notebook has given to `dbutils.notebook.exit`.
    NotebookOutput {
        ;
        /// The text; at most its first 5 MB.
        result: Option<String>,
        /// Whether there was more.
        truncated: Option<bool>,
    }
}

record! {
    /// A query or file of a SQL task. It names the statements; it has no rows.
    SqlQueryOutput {
        ;
        /// The SQL.
        query_text: Option<String>,
        /// The SQL warehouse.
        warehouse_id: Option<String>,
        /// Where a browser finds the result.
        output_link: Option<String>,
        /// The warehouse's older id.
        endpoint_id: Option<String>,
        /// The statements, each with a key to look it up by.
        sql_statements: Vec<Value>,
        ..rest
    }
}

record! {
    /// What a SQL task has left behind.
    SqlOutput {
        ;
        /// A query or file.
        query_output: Option<SqlQueryOutput>,
        /// A dashboard.
        dashboard_output: Option<Value>,
        /// An alert.
        alert_output: Option<Value>,
        ..rest
    }
}

/// What dbt has left behind. Whoever has link and headers has the files: they do not print, and are not written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DbtOutput {
    /// Where its files are, for a while.
    pub artifacts_link: Option<Secret>,
    /// What a request for them needs.
    #[serde(deserialize_with = "nullable")]
    pub artifacts_headers: BTreeMap<String, Secret>,
}

impl Serialize for DbtOutput {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(std::iter::empty::<(&str, &str)>())
    }
}

record! {
    /// The run that a task has made of another job.
    RunJobOutput {
        ;
        /// The run.
        run_id: Option<RunId>,
    }
}

record! {
    /// What a task has left behind.
    RunOutput {
        ;
        /// Of a notebook.
        notebook_output: Option<NotebookOutput>,
        /// Of a SQL task.
        sql_output: Option<SqlOutput>,
        /// Of dbt.
        dbt_output: Option<DbtOutput>,
        /// Of a task that runs another job.
        run_job_output: Option<RunJobOutput>,
        /// What went wrong.
        error: Option<String>,
        /// Where it went wrong.
        error_trace: Option<String>,
        /// What it has printed; at most the last 5 MB. Notebooks have none.
        logs: Option<String>,
        /// Whether there was more.
        logs_truncated: Option<bool>,
        /// More about it, for people.
        info: Option<String>,
        /// The run of the task.
        metadata: Option<Run>,
        ..rest
    }
}

impl RunOutput {
    /// What a notebook has given to `dbutils.notebook.exit`, if it has.
    pub fn notebook_result(&self) -> Option<&str> {
        self.notebook_output.as_ref()?.result.as_deref()
    }

    /// Whether there was more of its result or logs than is here.
    pub fn is_truncated(&self) -> bool {
        let notebook = self.notebook_output.as_ref().and_then(|output| output.truncated);
        notebook == Some(true) || self.logs_truncated == Some(true)
    }
}

/// What one of the tasks of a run has left behind.
#[derive(Debug)]
#[non_exhaustive]
pub struct TaskOutput {
    /// The task.
    pub task_key: String,
    /// The run of the task.
    pub run_id: RunId,
    /// How it came out; `None` while it is not over.
    pub result: Option<RunResult>,
    /// What it has left behind, or why that cannot be had: one that is lost does not take the others with it.
    pub output: twinhouse_core::Result<RunOutput>,
}

words! {
    /// Which views of a run to export.
    ViewsToExport {
        /// The notebook's code.
        Code = "CODE",
        /// Its dashboards.
        Dashboards = "DASHBOARDS",
        /// Both.
        All = "ALL",
    }
}

record! {
    /// A view of a run, as HTML.
    ExportedView {
        ;
        /// The HTML.
        content: String,
        /// The notebook or dashboard.
        name: Option<String>,
        /// `NOTEBOOK` or `DASHBOARD`.
        r#type: Option<String>,
    }
}
