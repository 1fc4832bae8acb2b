//! VACUUM.

use chrono::Duration;
use deltalake::{
    kernel::transaction::CommitBuilder, operations::vacuum::VacuumMode, protocol::DeltaOperation,
    table::config::TablePropertiesExt as _,
};
use serde_json::json;

use super::{
    super::{Engine, Outcome, catalog::Place, insert::commit_properties, tables::Opened},
    answer::{answer, text, texts},
    log::worded,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::ObjectPath,
};

impl Engine {
    pub(super) async fn vacuum(
        &self,
        table: &ObjectPath,
        lite: bool,
        retain_hours: Option<u64>,
        dry_run: bool,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let opened = self.open_table(table, place).await?;
        let limit = opened.table.snapshot()?.table_config().deleted_file_retention_duration();
        let limit = limit.as_secs().div_ceil(3600);
        let hours = retain_hours.unwrap_or(limit);
        if hours < limit {
            return Err(too_low(limit));
        }
        let retention = i64::try_from(hours).ok().and_then(Duration::try_hours);
        let retention = retention.ok_or_else(|| SqlError::unsupported(format_args!("a retention of {hours} hours")))?;
        let mode = if lite { VacuumMode::Lite } else { VacuumMode::Full };
        let vacuum = |dry_run| {
            let builder = opened.table.clone().vacuum().with_retention_period(retention).with_mode(mode.clone());
            builder.with_dry_run(dry_run).with_commit_properties(commit_properties())
        };
        let (_, found) = vacuum(true).await?;
        // The log remembers files that an earlier VACUUM has deleted.
        let folder = self.0.root.join(&opened.entry.folder);
        let found: Vec<String> = found.files_deleted.into_iter().filter(|file| folder.join(file).exists()).collect();
        let location = self.location(&opened)?;
        if dry_run {
            return answer(vec![("path", texts(found.iter().map(|file| Some(format!("{location}/{file}")))))]);
        }
        if found.is_empty() {
            self.note_idle_vacuum(&opened, retention, limit).await?;
        } else {
            vacuum(false).await?;
        }
        answer(vec![("path", text(location))])
    }

    /// The service writes into the log that it has looked; delta-rs does so only if it found something.
    async fn note_idle_vacuum(&self, opened: &Opened, retention: Duration, limit: u64) -> SqlResult<()> {
        let start = DeltaOperation::VacuumStart {
            retention_check_enabled: true,
            specified_retention_millis: Some(retention.num_milliseconds()),
            default_retention_millis: i64::try_from(limit).unwrap_or_default() * 3_600_000,
        };
        let end = DeltaOperation::VacuumEnd { status: "COMPLETED".to_owned() };
        let starting = worded("VACUUM START", json!({}), json!({ "numFilesToDelete": 0, "sizeOfDataToDelete": 0 }));
        let log = opened.table.log_store();
        let snapshot = opened.table.snapshot()?.snapshot();
        let started = CommitBuilder::from(starting).build(Some(snapshot), log.clone(), start).await?;
        let ending = worded("VACUUM END", json!({}), json!({ "numDeletedFiles": 0, "numVacuumedDirectories": 0 }));
        CommitBuilder::from(ending).build(Some(&started.snapshot()), log, end).await?;
        Ok(())
    }
}

fn too_low(hours: u64) -> SqlError {
    SqlError::plain(format!(
        "requirement failed: Are you sure you would like to vacuum files with such a low retention period? If you have\n\
         writers that are currently writing to this table, there is a risk that you may corrupt the\n\
         state of your Delta table.\n\n\
         If you are certain that there are no operations being performed on this table, such as\n\
         insert/upsert/delete/optimize, then you may turn off this check by setting:\n\
         spark.databricks.delta.retentionDurationCheck.enabled = false\n\n\
         If you are not sure, please use a value not less than \"{hours} hours\"."
    ))
}
