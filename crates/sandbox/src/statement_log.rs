//! The texts of statements, for parsers of others to judge.

use std::{fs::OpenOptions, io::Write as _, path::Path};

/// Appends a text to the log, as a JSON string in a line of its own.
pub(crate) fn note(file: &Path, sql: &str) {
    let line = format!("{}\n", serde_json::Value::String(sql.to_owned()));
    let open = OpenOptions::new().create(true).append(true).open(file);
    if let Err(error) = open.and_then(|mut open| open.write_all(line.as_bytes())) {
        tracing::warn!(%error, "a statement is not in the log");
    }
}
