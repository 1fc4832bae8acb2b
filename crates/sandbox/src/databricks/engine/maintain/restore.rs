//! RESTORE.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::TableVersion;
use serde_json::json;

use super::{
    super::{Engine, Outcome, catalog::Place, tables::Opened},
    detail::Files,
    log::{versions, worded},
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{ObjectPath, TableUse},
};

impl Engine {
    pub(super) async fn restore(&self, table: &ObjectPath, to: &TableVersion, place: &Place) -> SqlResult<Outcome> {
        let opened = self.open_table(table, place).await?;
        let folder = self.0.root.join(&opened.entry.folder);
        let latest = opened.table.version().unwrap_or_default();
        let first = versions(&folder).await?.last().copied().unwrap_or_default();
        let wanted = TableUse { path: table.clone(), version: Some(to.clone()), changes: None };
        let target = self.open_use(&wanted, place).await.map_err(|error| refusal(&error, to, first, latest))?;
        let version = target.table.version().unwrap_or_default();
        if version >= latest {
            return Err(no_version(version, first, latest));
        }
        let (now, then) = (files(&opened)?, files(&target)?);
        let only = |these: &HashMap<String, i64>, those: &HashMap<String, i64>| {
            let sizes = these.iter().filter(|(path, _)| !those.contains_key(*path));
            sizes.fold(Files::default(), |files, (_, size)| files.with(*size))
        };
        let missing: Vec<&str> = then
            .keys()
            .filter(|path| !now.contains_key(*path) && !path.contains("://") && !folder.join(path).exists())
            .map(String::as_str)
            .take(100)
            .collect();
        if !missing.is_empty() {
            return Err(SqlError::plain(format!(
                "Not all files from version {version} are available in file system. Missed files (top 100 files): {}. \
                 Please use more recent version or timestamp for restoring.",
                missing.join(",")
            )));
        }
        let (removed, restored, after) = (only(&now, &then), only(&then, &now), Files::of(&target)?);
        let metrics = json!({ "tableSizeAfterRestore": after.bytes, "numOfFilesAfterRestore": after.count });
        let parameters = match to {
            TableVersion::TimestampAsOf(moment) => json!({ "timestamp": moment.to_string().trim_matches('\'') }),
            _ => json!({ "version": version }),
        };
        let builder = opened.table.clone().restore().with_version_to_restore(version);
        builder.with_commit_properties(worded("RESTORE", parameters, metrics)).await?;
        Outcome::counts(&[
            ("table_size_after_restore", after.bytes),
            ("num_of_files_after_restore", after.count),
            ("num_removed_files", removed.count),
            ("num_restored_files", restored.count),
            ("removed_files_size", removed.bytes),
            ("restored_files_size", restored.bytes),
        ])
    }
}

fn files(opened: &Opened) -> SqlResult<HashMap<String, i64>> {
    let files = opened.table.snapshot()?.log_data().into_iter();
    Ok(files.map(|file| (file.path().into_owned(), file.size())).collect())
}

fn no_version(version: u64, first: u64, latest: u64) -> SqlError {
    let last = latest.saturating_sub(1);
    let text = format!("Cannot restore table to version {version}. Available versions: [{first}, {last}].");
    SqlError::new("DELTA_CANNOT_RESTORE_TABLE_VERSION", "22003", text)
}

/// What time travel refuses, in the words of RESTORE.
fn refusal(error: &SqlError, to: &TableVersion, first: u64, latest: u64) -> SqlError {
    let moment =
        |class: &str| SqlError::new(class, "22003", error.text().replace("The provided", "Cannot restore table to"));
    match (error.class(), to) {
        ("DELTA_VERSION_NOT_FOUND", TableVersion::VersionAsOf(version)) => {
            no_version(version.to_string().parse().unwrap_or(u64::MAX), first, latest)
        }
        ("DELTA_TIMESTAMP_GREATER_THAN_COMMIT", _) => moment("DELTA_CANNOT_RESTORE_TIMESTAMP_GREATER"),
        ("DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION", _) => moment("DELTA_CANNOT_RESTORE_TIMESTAMP_EARLIER"),
        _ => error.clone(),
    }
}
