//! CREATE TABLE AS with properties: delta-rs makes a table with properties in one commit and fills it in another, so it
//! does so aside, and what came of it is committed as one version.

use std::{collections::HashMap, fs, path::Path, sync::Arc};

use datafusion::logical_expr::LogicalPlan;
use deltalake::{
    DeltaTable,
    kernel::{
        Action, StructType,
        engine::arrow_conversion::TryIntoKernel as _,
        transaction::{CommitBuilder, TableReference},
    },
    operations::{create::CreateBuilder, write::WriteBuilder},
    protocol::{DeltaOperation, SaveMode},
};
use futures::TryStreamExt;
use serde_json::json;
use uuid::Uuid;

use crate::databricks::{
    engine::{
        Engine,
        catalog::TableEntry,
        commit::commit_properties,
        folders::Folder,
        metadata::{commit_info, first_protocol},
        prepare::Prepared,
    },
    error::{SqlError, SqlResult},
};

/// What the table is to be made of.
pub(crate) struct AsSelect {
    pub(crate) name: String,
    pub(crate) comment: Option<String>,
    pub(crate) plan: LogicalPlan,
    pub(crate) partitions: Vec<String>,
    pub(crate) properties: Vec<(String, Option<String>)>,
}

impl Engine {
    /// Makes the table, or the next version of one that is there, with its properties and its rows at once.
    pub(in crate::databricks::engine) async fn write_staged(
        &self,
        prepared: &Prepared,
        wanted: AsSelect,
        entry: &TableEntry,
        replace: bool,
    ) -> SqlResult<DeltaTable> {
        let mut table = DeltaTable::new(self.log_store(entry)?);
        if replace {
            table.load().await?;
        }
        let folder = entry.folder.with_file_name(format!("{}-staged", Uuid::new_v4()));
        let aside = self.0.root.join(&folder);
        let _draft = Folder::draft(aside.clone());
        let staged = TableEntry { folder, ..entry.clone() };
        let filled = self.fill(prepared, wanted, &staged, &table).await?;
        let added = adds(&aside, filled.version().unwrap_or_default())?;
        let metrics = self.commit_metrics(&staged, &filled).await?;
        move_files(&aside, &self.0.root.join(&entry.folder))?;

        let state = filled.snapshot()?;
        let old = table.snapshot().ok();
        let (mode, operation) = match old {
            Some(_) => (SaveMode::Overwrite, "CREATE OR REPLACE TABLE AS SELECT"),
            None => (SaveMode::ErrorIfExists, "CREATE TABLE AS SELECT"),
        };
        let mut info = commit_info(operation, json!({}), old.map_or(0, |old| old.version()));
        info.info.insert("operationMetrics".to_owned(), metrics);
        let mut actions = vec![
            Action::CommitInfo(info),
            Action::Protocol(state.protocol().clone()),
            Action::Metadata(state.metadata().clone()),
        ];
        if let Some(old) = old {
            let log = table.log_store();
            let removed = old.snapshot().file_views(&log, None);
            let removed: Vec<Action> = removed.map_ok(|file| file.remove_action(true).into()).try_collect().await?;
            actions.extend(removed);
        }
        actions.extend(added);
        let partition_by = Some(state.metadata().partition_columns().to_vec()).filter(|names| !names.is_empty());
        let version = CommitBuilder::from(commit_properties())
            .with_actions(actions)
            .build(
                old.map(|old| old as &dyn TableReference),
                table.log_store(),
                DeltaOperation::Write { mode, partition_by, predicate: None },
            )
            .await?
            .version();
        table.load_version(version).await?;
        Ok(table)
    }

    /// The table by itself, as delta-rs makes it.
    async fn fill(
        &self,
        prepared: &Prepared,
        wanted: AsSelect,
        staged: &TableEntry,
        table: &DeltaTable,
    ) -> SqlResult<DeltaTable> {
        let fields: StructType = wanted.plan.schema().as_arrow().try_into_kernel()?;
        let fields: Vec<_> = fields.fields().cloned().collect();
        let given: HashMap<String, String> =
            wanted.properties.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
        let base = table.snapshot().ok().map(|old| old.protocol().clone());
        let mut empty = CreateBuilder::new()
            .with_log_store(self.log_store(staged)?)
            .with_table_name(&wanted.name)
            .with_columns(fields.clone())
            .with_actions([Action::Protocol(first_protocol(base.as_ref(), &fields, &given)?)])
            .with_configuration(wanted.properties)
            .with_raise_if_key_not_exists(false);
        if !wanted.partitions.is_empty() {
            empty = empty.with_partition_columns(wanted.partitions);
        }
        if let Some(comment) = wanted.comment {
            empty = empty.with_comment(comment);
        }
        let empty = empty.await?;
        let snapshot = empty.snapshot()?.snapshot().clone();
        let filled = WriteBuilder::new(empty.log_store(), Some(snapshot))
            .with_input_plan(wanted.plan)
            .with_session_state(Arc::new(prepared.context.state()))
            .with_save_mode(SaveMode::Append)
            .await?;
        Ok(filled)
    }
}

/// The files that a version has added.
fn adds(folder: &Path, version: u64) -> SqlResult<Vec<Action>> {
    let log = fs::read_to_string(folder.join("_delta_log").join(format!("{version:020}.json")))?;
    let actions = log.lines().map(|line| serde_json::from_str::<Action>(line).map_err(SqlError::internal));
    actions.filter(|action| !matches!(action, Ok(action) if !matches!(action, Action::Add(_)))).collect()
}

/// Everything but the log. No two files of tables have the same name.
fn move_files(from: &Path, to: &Path) -> SqlResult<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_file() {
            fs::rename(source, target)?;
        } else if entry.file_name() != "_delta_log" {
            move_files(&source, &target)?;
        }
    }
    Ok(())
}
