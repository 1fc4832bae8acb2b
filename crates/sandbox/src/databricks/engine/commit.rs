//! Commits: what they say of themselves, and what it means that one was refused.

use std::collections::HashMap;

use deltalake::kernel::transaction::CommitProperties;
use serde_json::Value;

use super::{Engine, tables::Opened};
use crate::databricks::error::{SqlError, SqlResult};

/// How often a statement that lost against another commit is begun anew.
pub(super) const ATTEMPTS: usize = 10;
/// Marks our own commits for readers of the history.
const ENGINE_INFO: &str = concat!("twinhouse-sandbox/", env!("CARGO_PKG_VERSION"));

/// What every commit of ours says about itself.
pub(super) fn commit_properties() -> CommitProperties {
    about(false)
}

/// As [`commit_properties`], of a commit that adds rows without having read the table.
pub(super) fn blind_append() -> CommitProperties {
    about(true)
}

fn about(blind: bool) -> CommitProperties {
    CommitProperties::default().with_metadata([
        ("userName".to_owned(), Value::String(super::USER.to_owned())),
        ("engineInfo".to_owned(), Value::String(ENGINE_INFO.to_owned())),
        ("isBlindAppend".to_owned(), Value::Bool(blind)),
    ])
}

/// The CHECK constraints of a table, by name.
fn constraints(opened: &Opened) -> SqlResult<HashMap<String, String>> {
    let snapshot = opened.table.snapshot()?;
    let named =
        |(key, check): (&String, &String)| Some((key.strip_prefix("delta.constraints.")?.to_owned(), check.clone()));
    Ok(snapshot.metadata().configuration().iter().filter_map(named).collect())
}

impl Engine {
    /// Answers `Ok` if the statement may be begun anew after its commit was refused, and the error otherwise.
    ///
    /// The service isolates by WriteSerializable unless the table asks for more: who changes rows does not lose against
    /// rows that were only appended, since the append may as well have come later.
    pub(super) async fn begin_anew(&self, opened: &Opened, error: impl Into<SqlError>) -> SqlResult<()> {
        let error = error.into();
        let serializable = opened.table.snapshot()?.metadata().configuration().get("delta.isolationLevel");
        let serializable = serializable.is_some_and(|level| level.eq_ignore_ascii_case("Serializable"));
        if error.class() != "DELTA_CONCURRENT_APPEND" || serializable {
            return Err(explained(opened, error)?);
        }
        let log = opened.table.log_store();
        let mut version = opened.table.version().unwrap_or_default() + 1;
        while let Some(entry) = log.read_commit_entry(version).await? {
            if !is_blind_append(&entry)? {
                return Err(error);
            }
            version += 1;
        }
        Ok(())
    }
}

fn is_blind_append(entry: &[u8]) -> SqlResult<bool> {
    for line in entry.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let action: Value = serde_json::from_slice(line).map_err(SqlError::internal)?;
        if let Some(info) = action.get("commitInfo") {
            return Ok(info["isBlindAppend"].as_bool().unwrap_or(false));
        }
    }
    Ok(false)
}

/// The engine does not say which constraint a row violates; if there is only one, it is that.
pub(super) fn explained(opened: &Opened, error: SqlError) -> SqlResult<SqlError> {
    if error.class() != "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES" {
        return Ok(error);
    }
    let checks = constraints(opened)?;
    let mut named: Vec<String> = checks.iter().map(|(name, check)| format!("{name} ({check})")).collect();
    named.sort();
    let rows =
        error.text().split_once("Preview of invalid data:").map_or("", |(_, rows)| rows).trim().trim_end_matches('.');
    let text = match named.as_slice() {
        [] => return Ok(error),
        [only] => format!("CHECK constraint {only} violated by row with values:\n{rows}"),
        _ => format!("One of the CHECK constraints {} violated by row with values:\n{rows}", named.join(", ")),
    };
    Ok(SqlError::new("DELTA_VIOLATE_CONSTRAINT_WITH_VALUES", "23001", text))
}
