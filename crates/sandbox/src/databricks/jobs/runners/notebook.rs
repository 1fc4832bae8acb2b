//! A notebook as the code that runs it wants it: cell by cell, SQL in statements.

use serde_json::{Value, json};

use super::sql::statements;
use crate::databricks::{
    api::{ApiError, ApiResult},
    workspace::{Workspace, WorkspacePath},
};

/// The cells of the notebook that `path` names, seen from the notebook `from`.
pub(crate) fn compile(workspace: &Workspace, path: &str, from: Option<&str>) -> ApiResult<Value> {
    let path = match from {
        Some(from) => WorkspacePath::parse(from).and_then(|from| from.resolve(path)),
        None => WorkspacePath::parse(path),
    };
    let path = path.map_err(ApiError::invalid)?;
    let notebook = workspace.notebook(&path).map_err(|error| match error {
        crate::databricks::workspace::WorkspaceError::Missing(path) => ApiError::missing(format!(
            "Unable to access the notebook \"{path}\" in the workspace. The notebook or its folder does not exist."
        )),
        other => other.into(),
    })?;
    let cells = notebook.cells().into_iter().map(|cell| {
        let mut compiled = json!({ "magic": cell.magic, "line": cell.line });
        match cell.magic.as_str() {
            // What cannot be cut is one statement: the engine says what is wrong with it.
            "sql" => compiled["statements"] = json!(statements(&cell.text).unwrap_or_else(|_| vec![cell.text.clone()])),
            _ => compiled["text"] = json!(cell.text),
        }
        compiled
    });
    let cells: Vec<Value> = cells.collect();
    Ok(json!({ "path": path.to_string(), "language": notebook.language.name(), "cells": cells }))
}
