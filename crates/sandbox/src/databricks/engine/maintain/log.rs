//! The commits of a table, as they stand in its log.

use std::path::Path;

use deltalake::kernel::transaction::CommitProperties;
use serde_json::{Map, Value, json};

use super::super::USER;
use crate::databricks::error::{SqlError, SqlResult};

/// Under these keys our own commits say in the service's words what delta-rs words otherwise or does not know.
pub(super) const OPERATION: &str = "sandboxOperation";
pub(super) const PARAMETERS: &str = "sandboxParameters";
pub(super) const METRICS: &str = "sandboxMetrics";

/// One commit.
#[derive(Debug, Default)]
pub(super) struct Commit {
    pub(super) version: u64,
    pub(super) info: Map<String, Value>,
    /// The table's properties and the rest of its metadata, if the commit sets them.
    pub(super) metadata: Option<Value>,
    /// The sizes of the files that came, in bytes.
    pub(super) added: Vec<i64>,
    /// The sizes of the files that went, in bytes.
    pub(super) removed: Vec<i64>,
}

/// What a commit says of itself when it is not what delta-rs calls it.
pub(super) fn worded(operation: &str, parameters: Value, metrics: Value) -> CommitProperties {
    CommitProperties::default().with_metadata([
        ("userName".to_owned(), json!(USER)),
        ("isBlindAppend".to_owned(), json!(false)),
        (OPERATION.to_owned(), json!(operation)),
        (PARAMETERS.to_owned(), parameters),
        (METRICS.to_owned(), metrics),
    ])
}

/// As [`worded`], of a commit that delta-rs has only called otherwise.
pub(in super::super) fn named(operation: &str) -> CommitProperties {
    worded(operation, json!({}), json!({}))
}

/// The versions whose commits the log still has, newest first.
pub(super) async fn versions(folder: &Path) -> SqlResult<Vec<u64>> {
    let mut entries = tokio::fs::read_dir(folder.join("_delta_log")).await?;
    let mut versions = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(".json")).filter(|digits| digits.len() == 20);
        versions.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
    }
    versions.sort_unstable_by(|a, b| b.cmp(a));
    Ok(versions)
}

/// The commit of a version.
pub(super) async fn commit(folder: &Path, version: u64) -> SqlResult<Commit> {
    let text = tokio::fs::read_to_string(folder.join("_delta_log").join(format!("{version:020}.json"))).await?;
    let mut commit = Commit { version, ..Commit::default() };
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut action: Value = serde_json::from_str(line).map_err(SqlError::internal)?;
        let size = |file: &Value| file["size"].as_i64().unwrap_or_default();
        if let Value::Object(info) = action["commitInfo"].take() {
            commit.info = info;
        } else if action["metaData"].is_object() {
            commit.metadata = Some(action["metaData"].take());
        } else if action["add"].is_object() {
            commit.added.push(size(&action["add"]));
        } else if action["remove"].is_object() {
            commit.removed.push(size(&action["remove"]));
        }
    }
    Ok(commit)
}
