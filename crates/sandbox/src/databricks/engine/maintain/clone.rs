//! CREATE TABLE … CLONE.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use deltalake::{
    kernel::{Action, Add, CommitInfo, Metadata, transaction::CommitBuilder},
    protocol::{DeltaOperation, SaveMode},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    super::{
        Catalog, Engine, Outcome, USER,
        catalog::{FullName, Place, TableEntry, now_ms},
        folders::Folder,
        tables::Opened,
    },
    detail::Files,
    history::camel,
    log::worded,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{CloneTable, TableUse},
};

/// Begins the path of a file that another table wrote.
const FILE: &str = "file://";

impl Engine {
    pub(super) async fn clone_table(&self, clone: &CloneTable, place: &Place) -> SqlResult<Outcome> {
        let wanted = TableUse { path: clone.source.clone(), version: clone.version.clone(), changes: None };
        let source = self.open_use(&wanted, place).await?;
        let name = place.resolve(&clone.name)?;
        let existing = match self.may_create(&name, clone.or_replace, clone.if_not_exists)? {
            None => return Outcome::counts(&counts(Files::default(), Files::default(), false)),
            Some(None) => None,
            Some(Some(_)) => Some(self.open_entry(name.clone()).await?),
        };
        if existing.as_ref().is_some_and(|target| target.entry.id == source.entry.id) {
            return Err(SqlError::unsupported("CREATE OR REPLACE TABLE of the source of its own CLONE"));
        }
        let entry = match &existing {
            Some(target) => target.entry.clone(),
            None => Catalog::new_table(&name, source.entry.comment.clone()),
        };
        let (from, to) = (Files::of(&source)?, existing.as_ref().map(Files::of).transpose()?.unwrap_or_default());
        let draft = existing.is_none().then(|| Folder::draft(self.0.root.join(&entry.folder)));
        self.write_clone(clone, &source, existing.as_ref(), &name, &entry).await?;
        if let Some(draft) = draft
            && self.list_table(&name, entry, clone.if_not_exists)?
        {
            draft.keep();
        }
        Outcome::counts(&counts(from, to, !clone.shallow))
    }

    async fn write_clone(
        &self,
        clone: &CloneTable,
        source: &Opened,
        existing: Option<&Opened>,
        name: &FullName,
        entry: &TableEntry,
    ) -> SqlResult<()> {
        let (folder, target) = (self.0.root.join(&source.entry.folder), self.0.root.join(&entry.folder));
        let snapshot = source.table.snapshot()?;
        let mut actions = vec![
            Action::Protocol(snapshot.protocol().clone()),
            Action::Metadata(metadata(snapshot.metadata(), clone, name, existing)?),
        ];
        // One commit may not remove and add the same path: what both share stays as it is.
        let mut replaced = HashMap::new();
        for file in existing.map(|target| target.table.snapshot()).transpose()?.iter().flat_map(|old| old.log_data()) {
            replaced.insert(file.path().into_owned(), file.remove_action(true));
        }
        let modified = i64::try_from(now_ms()).unwrap_or_default();
        // Collected: the engine's iterator cannot be kept over an await.
        let files: Vec<_> = snapshot.log_data().into_iter().collect();
        for file in files {
            let path = file.path();
            let local = local(&folder, &path);
            let path = match clone.shallow {
                // As it is on the disk: the log's own spelling is made where it is written.
                true => format!("{FILE}{}", local.to_str().ok_or_else(|| SqlError::internal("an odd path"))?),
                false => copy(&local, &target, &path).await?,
            };
            if replaced.remove(&path).is_some() {
                continue;
            }
            actions.push(Action::Add(Add {
                path,
                partition_values: file.partition_values_map(),
                size: file.size(),
                modification_time: modified,
                data_change: true,
                stats: file.stats(),
                ..Add::default()
            }));
        }
        actions.extend(replaced.into_values().map(Action::Remove));
        let (from, to) = (Files::of(source)?, existing.map(Files::of).transpose()?.unwrap_or_default());
        let version = source.table.version().unwrap_or_default();
        let info = CommitInfo {
            timestamp: Some(modified),
            operation: Some("CLONE".to_owned()),
            user_name: Some(USER.to_owned()),
            is_blind_append: Some(false),
            engine_info: Some(concat!("twinhouse-sandbox/", env!("CARGO_PKG_VERSION")).to_owned()),
            ..CommitInfo::default()
        };
        actions.insert(0, Action::CommitInfo(info));
        let parameters = json!({
            "source": source.name.to_string().replace('`', ""),
            "sourceVersion": version,
            "isShallow": clone.shallow,
            "properties": json!(clone.properties.iter().cloned().collect::<std::collections::BTreeMap<_, _>>()).to_string(),
        });
        let metrics: serde_json::Map<String, Value> =
            counts(from, to, !clone.shallow).into_iter().map(|(name, count)| (camel(name), json!(count))).collect();
        let operation = DeltaOperation::Write { mode: SaveMode::Overwrite, partition_by: None, predicate: None };
        let snapshot = existing.map(|target| target.table.snapshot()).transpose()?.map(|state| state.snapshot());
        CommitBuilder::from(worded("CLONE", parameters, Value::Object(metrics)))
            .with_actions(actions)
            // What another commit adds meanwhile would be rows of another table.
            .with_max_retries(0)
            .build(snapshot.map(|snapshot| snapshot as _), self.log_store(entry)?, operation)
            .await?;
        Ok(())
    }
}

/// What CLONE answers.
fn counts(source: Files, removed: Files, copied: bool) -> [(&'static str, u64); 6] {
    let copied = if copied { source } else { Files::default() };
    [
        ("source_table_size", source.bytes),
        ("source_num_of_files", source.count),
        ("num_removed_files", removed.count),
        ("num_copied_files", copied.count),
        ("removed_files_size", removed.bytes),
        ("copied_files_size", copied.bytes),
    ]
}

/// The source's metadata under an id of its own, with the properties of the statement.
fn metadata(source: &Metadata, clone: &CloneTable, name: &FullName, existing: Option<&Opened>) -> SqlResult<Metadata> {
    let id = match existing {
        Some(target) => target.table.snapshot()?.metadata().id().to_owned(),
        None => Uuid::new_v4().to_string(),
    };
    let mut value = serde_json::to_value(source).map_err(SqlError::internal)?;
    value["id"] = json!(id);
    value["name"] = json!(name.name);
    value["createdTime"] = json!(now_ms());
    for (key, set) in &clone.properties {
        value["configuration"][key] = json!(set);
    }
    serde_json::from_value(value).map_err(SqlError::internal)
}

/// Where a file of the log is on this machine's disk.
fn local(folder: &Path, path: &str) -> PathBuf {
    path.strip_prefix(FILE).map_or_else(|| folder.join(path), PathBuf::from)
}

/// Copies a file into the clone, and answers its path there: in the same partition, under a name of its own.
async fn copy(local: &Path, target: &Path, path: &str) -> SqlResult<String> {
    let name = format!("part-00000-{}-c000.parquet", Uuid::new_v4());
    let relative = match path.rsplit_once('/') {
        Some((folder, _)) if !path.starts_with(FILE) => format!("{folder}/{name}"),
        _ => name,
    };
    let to = target.join(&relative);
    if let Some(parent) = to.parent() {
        tokio::fs::create_dir_all(parent).await?;
    }
    tokio::fs::copy(local, &to).await?;
    Ok(relative)
}
