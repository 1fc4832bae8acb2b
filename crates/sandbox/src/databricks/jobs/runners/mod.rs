//! The work of tasks: SQL on the sandbox's engine, Python in a process of its own.

mod guard;
mod notebook;
mod plan;
mod python;
mod sql;
pub(crate) mod tail;

use std::{collections::BTreeMap, path::PathBuf};

use async_trait::async_trait;

use self::sql::Setting;
pub(crate) use self::{notebook::compile, python::Python};
use super::{
    queries::{self, Queries},
    run::Output,
    spec::SqlTask,
    state::{Ending, Outcome},
    work::{Assignment, Finished, Work},
};
use crate::databricks::{
    api::{Access, Warehouses},
    engine::Place,
    statement::Runner,
    workspace::{Workspace, WorkspacePath},
};

/// Everything that tasks work with.
#[derive(Debug)]
pub(crate) struct Runners {
    pub(crate) runner: Runner,
    pub(crate) workspace: Workspace,
    pub(crate) queries: Queries,
    pub(crate) warehouses: Warehouses,
    pub(crate) warehouse_id: String,
    pub(crate) access: Access,
    pub(crate) url: String,
    /// The root of the Databricks file system.
    pub(crate) dbfs: PathBuf,
    pub(crate) python: Python,
}

/// A task that cannot be worked on, and the service's code for it.
#[derive(Debug)]
struct Refusal {
    message: String,
    code: &'static str,
}

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: "INVALID_RUN_CONFIGURATION" }
    }

    fn missing(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: "RESOURCE_NOT_FOUND" }
    }

    fn library(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: "LIBRARY_INSTALLATION_ERROR" }
    }

    fn finished(self) -> Finished {
        let output = Output { error: Some(self.message.clone()), ..Output::default() };
        Finished { ending: Ending::new(Outcome::Failed, self.message).with_code(self.code), output }
    }
}

#[async_trait]
impl Work for Runners {
    async fn run(&self, assignment: Assignment) -> Finished {
        if let Some(task) = &assignment.task.sql_task {
            return self.sql(&assignment, task).await.unwrap_or_else(Refusal::finished);
        }
        self.python(&assignment).await.unwrap_or_else(Refusal::finished)
    }
}

impl Runners {
    async fn sql(&self, assignment: &Assignment, task: &SqlTask) -> Result<Finished, Refusal> {
        let start = self
            .warehouses
            .ensure_running(&task.warehouse_id)
            .map_err(|_| Refusal::missing(format!("SQL warehouse {} does not exist.", task.warehouse_id)))?;
        let mut place = Place::default();
        let mut parameters = BTreeMap::new();
        let text = match (&task.file, &task.query) {
            (Some(file), _) => self.workspace_text(&file.path)?,
            (None, Some(query)) => {
                let missing = || Refusal::missing(format!("Query {} does not exist.", query.query_id));
                let kept = self.queries.find(&query.query_id).ok_or_else(missing)?;
                let named = |field: &str| kept[field].as_str().map(str::to_lowercase);
                place.catalog = named("catalog").unwrap_or(place.catalog);
                place.schema = named("schema").unwrap_or(place.schema);
                parameters = queries::parameters(&kept);
                kept["query_text"].as_str().unwrap_or_default().to_owned()
            }
            (None, None) => return Err(Refusal::new("A SQL task needs a file or a query.")),
        };
        parameters.extend(task.parameters.clone());
        parameters.extend(assignment.parameters.clone());
        Ok(sql::run(&self.runner, &text, Setting { parameters, warehouse: &task.warehouse_id, place, delay: start })
            .await)
    }

    /// The text of a file, or of a notebook, of the workspace.
    fn workspace_text(&self, path: &str) -> Result<String, Refusal> {
        let path = WorkspacePath::parse(path).map_err(Refusal::new)?;
        let (_, content) = self.workspace.read(&path).map_err(|error| Refusal::missing(told(error)))?;
        String::from_utf8(content).map_err(|_| Refusal::new(format!("{path} is not UTF-8.")))
    }

    /// Ends what holds processes.
    pub(crate) fn close(&self) {
        self.python.close();
    }
}

/// The words of a refusal of the workspace.
fn told(error: crate::databricks::workspace::WorkspaceError) -> String {
    crate::databricks::api::ApiError::from(error).message().to_owned()
}
