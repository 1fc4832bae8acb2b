//! What a task's process is told to do.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Refusal, Runners, told};
use crate::databricks::{
    engine::VolumePath,
    jobs::work::Assignment,
    workspace::{Kind, WorkspacePath},
};

/// A file and the name by which its task knows it.
struct Located {
    local: PathBuf,
    name: String,
}

impl Runners {
    /// The part of the plan that depends on the kind of task.
    pub(super) fn plan(&self, assignment: &Assignment) -> Result<Value, Refusal> {
        let task = &assignment.task;
        let mut plan = if let Some(notebook) = &task.notebook_task {
            let mut parameters = notebook.base_parameters.clone();
            // A job's parameter wins over a task's of the same name.
            parameters.extend(assignment.parameters.clone());
            let path = WorkspacePath::parse(&notebook.notebook_path).map_err(Refusal::new)?;
            self.check_notebook(&path)?;
            let folder = path.parent().map(|parent| self.workspace.local(&parent));
            let warehouse = notebook.warehouse_id.as_ref().unwrap_or(&self.warehouse_id);
            self.warehouses
                .ensure_running(warehouse)
                .map_err(|_| Refusal::missing(format!("SQL warehouse {warehouse} does not exist.")))?;
            json!({
                "mode": "notebook",
                "path": path.to_string(),
                "parameters": parameters,
                "sys_path": [folder],
                "warehouse_id": warehouse,
            })
        } else if let Some(python) = &task.spark_python_task {
            let file = self.locate(&python.python_file)?;
            let folder = file.local.parent().map(Path::to_owned);
            json!({
                "mode": "file",
                "path": file.name,
                "file": file.local,
                "arguments": python.parameters,
                "sys_path": [folder],
            })
        } else if let Some(wheel) = &task.python_wheel_task {
            let named = wheel.named_parameters.iter().map(|(name, value)| format!("--{name}={value}"));
            let arguments: Vec<String> = wheel.parameters.iter().cloned().chain(named).collect();
            json!({
                "mode": "wheel",
                "package": wheel.package_name,
                "entry_point": wheel.entry_point,
                "arguments": arguments,
            })
        } else {
            return Err(Refusal::new("The task has nothing that the sandbox can run."));
        };
        plan["libraries"] = json!(self.libraries(assignment)?);
        Ok(plan)
    }

    fn check_notebook(&self, path: &WorkspacePath) -> Result<(), Refusal> {
        let text = "The notebook or its folder does not exist, or it is not a notebook";
        match self.workspace.object(path) {
            Ok(object) if matches!(object.kind, Kind::Notebook { .. }) => Ok(()),
            _ => Err(Refusal::missing(format!("Unable to access the notebook \"{path}\" in the workspace. {text}."))),
        }
    }

    /// Finds a file of the workspace, of a volume or of the Databricks file system.
    fn locate(&self, path: &str) -> Result<Located, Refusal> {
        let missing = || Refusal::missing(format!("Cannot read the python file {path}. Please check that it exists."));
        let plain = path.strip_prefix("dbfs:").unwrap_or(path);
        if plain.starts_with("/Volumes/") {
            let volume = VolumePath::parse(plain).map_err(|error| Refusal::new(error.text()))?;
            let local = self.runner.engine.local(&volume).map_err(|error| Refusal::missing(error.text()))?;
            return if local.is_file() { Ok(Located { local, name: volume.text() }) } else { Err(missing()) };
        }
        if plain != path {
            // As safe as a path of the workspace is.
            let found = WorkspacePath::parse(plain).map_err(Refusal::new)?;
            let mut local = self.dbfs.clone();
            local.extend(found.parts());
            return if local.is_file() { Ok(Located { local, name: path.to_owned() }) } else { Err(missing()) };
        }
        let found = WorkspacePath::parse(plain).map_err(Refusal::new)?;
        let object = self.workspace.object(&found).map_err(|error| Refusal::missing(told(error)))?;
        if object.kind == Kind::Directory {
            return Err(missing());
        }
        Ok(Located { local: self.workspace.local(&found), name: format!("/Workspace{found}") })
    }

    /// The wheels that the task wants, from its libraries and from its environment.
    fn libraries(&self, assignment: &Assignment) -> Result<Vec<PathBuf>, Refusal> {
        let mut wheels = Vec::new();
        for library in &assignment.task.libraries {
            match library["whl"].as_str() {
                Some(path) => wheels.push(self.wheel(path)?),
                None => {
                    let text = format!("The sandbox installs wheels of the workspace and of volumes, not {library}.");
                    return Err(Refusal::library(text));
                }
            }
        }
        let key = assignment.task.environment_key.as_deref();
        let environments = assignment.environments.as_array().into_iter().flatten();
        for environment in environments.filter(|found| found["environment_key"].as_str() == key && key.is_some()) {
            for dependency in environment["spec"]["dependencies"].as_array().into_iter().flatten() {
                let wish = dependency.as_str().unwrap_or_default();
                if wish.starts_with('/') || wish.starts_with("dbfs:") {
                    wheels.push(self.wheel(wish)?);
                } else {
                    let text = format!("The sandbox installs wheels of the workspace and of volumes, not {wish}.");
                    return Err(Refusal::library(text));
                }
            }
        }
        Ok(wheels)
    }

    /// The paths that are folders on a cluster, and where they are here.
    pub(super) fn mounts(&self) -> Value {
        let engine = &self.runner.engine;
        let mut names = Vec::new();
        engine.catalog().read(|listing| {
            for (catalog, entry) in listing {
                for (schema, entry) in &entry.schemas {
                    names.extend(entry.volumes.keys().map(|volume| format!("/Volumes/{catalog}/{schema}/{volume}")));
                }
            }
        });
        let root = WorkspacePath::parse("/").ok().map(|root| self.workspace.local(&root));
        let mut mounts = json!({ "/Workspace": root, "/dbfs": self.dbfs });
        for name in names {
            if let Ok(local) = VolumePath::parse(&name).and_then(|path| engine.local(&path)) {
                mounts[name] = json!(local);
            }
        }
        mounts
    }

    fn wheel(&self, path: &str) -> Result<PathBuf, Refusal> {
        if !path.ends_with(".whl") {
            return Err(Refusal::library(format!("The sandbox installs wheels, and {path} is none.")));
        }
        self.locate(path).map(|found| found.local).map_err(|error| Refusal::library(error.message))
    }
}
