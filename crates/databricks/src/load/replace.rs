//! The course of a load that replaces rows or makes its table.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use arrow::datatypes::{DataType, Schema};
use tokio::time::Instant;
use twinhouse_core::{Effect, Error, ErrorKind, Report, Result, resilience::Operation};
use twinhouse_warehouse_api::{
    BulkReport, ColumnInfo, DatabricksDialect, Dialect as _, Fit, LoadMode, LoadRequest, StatementId, StatementStatus,
    TableInfo, TableKind, TableRef,
};
use uuid::Uuid;

use super::{
    ledger::{self, Ledger},
    replacement::{Column, Replacement, What, begun_otherwise},
    run::{CLASS, Course, Loader, UNBOUNDED, counts, done_wrong, refuse_unloadable},
    scratch::Scratch,
    upload::stage,
};
use crate::{tables::Described, types};

/// The table as it is, and as the rows want it.
struct Ground {
    there: Option<Described>,
    info: TableInfo,
    what: What,
    fit: Fit,
}

impl Loader {
    pub(super) async fn replace(&self, request: LoadRequest, began: Instant) -> Result<BulkReport> {
        // The request itself cannot be shared across an await: its rows are one reader's.
        let (table, mode, schema) = (request.table().clone(), request.mode().clone(), request.schema().clone());
        let ground = self.ground(&table, &mode, &schema).await?;
        // A table that is made has no id yet, and may get another.
        let id = ground.there.as_ref().and_then(|table| table.id.as_deref()).filter(|_| !ground.what.creates());
        let directory = ledger::directory(&self.staging, &ground.info.table, id, request.token());
        let table = ground.info.table.clone();
        let course = Course {
            loader: self,
            table: &table,
            directory: &directory,
            label: request.options().label.clone(),
            began,
        };
        course.replace(request, ground).await.map_err(|error| error.with_context("staging", &directory))
    }

    async fn ground(&self, table: &TableRef, mode: &LoadMode, schema: &Schema) -> Result<Ground> {
        let creates = matches!(mode, LoadMode::Create | LoadMode::CreateOrReplace);
        let there = match self.tables.describe(table).await {
            Ok(table) => Some(table),
            Err(error) if creates && error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let partitions = there.as_ref().map(|table| table.partitions.clone()).unwrap_or_default();
        let what = What::new(mode, &partitions)?
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a load that replaces nothing came the wrong way"))?;
        let mut info = match &there {
            Some(table) if !creates => table.info.clone(),
            _ => made(self.tables.resolve(table)?, schema)?,
        };
        if let What::Partitions(of) = &what {
            if of.is_empty() {
                return Err(Error::new(ErrorKind::InvalidInput, "the table has no partitions to replace")
                    .with_context("table", info.table.to_string()));
            }
            // A null is in no partition that could be said to be replaced.
            for column in info.columns.iter_mut().filter(|column| of.contains(&column.name)) {
                column.nullable = false;
            }
        }
        let fit = Fit::plan(&info, schema)?;
        refuse_unloadable(&info, &fit)?;
        Ok(Ground { there, info, what, fit })
    }
}

impl Course<'_> {
    async fn replace(&self, request: LoadRequest, ground: Ground) -> Result<BulkReport> {
        let client = &self.loader.client;
        let name = mode_name(request.mode());
        if let Some(ledger) = Ledger::read(client, self.directory).await? {
            match (&ledger.replacement, ledger.loaded) {
                // The table that it made is gone, and with it what it did.
                (_, true) if ground.what.creates() && ground.there.is_none() => {
                    Ledger::delete(client, self.directory).await?;
                }
                (_, true) => return Ok(self.over(&ledger, 0, true).await),
                (Some(replacement), false) if replacement.name() == name => return self.carry_out(ledger, false).await,
                (Some(replacement), false) => return Err(replacement.begun_otherwise(name)),
                (None, false) => return Err(begun_otherwise("Append", name)),
            }
        }
        if ground.what == What::Create && ground.there.is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "the table is there already")
                .with_context("table", self.table.to_string()));
        }
        let attempt = format!("attempt-{}", Uuid::new_v4().simple());
        let files = Scratch::create(client, format!("{}/{attempt}", self.directory)).await?;
        let columns = self.columns(&ground);
        let (token, bytes, progress) =
            (request.token().clone(), request.target_file_bytes(), request.progress().cloned());
        let staged =
            stage(client, files.directory(), request.into_batches(), ground.fit, bytes, progress.as_ref()).await?;
        if staged.parts.is_empty() && matches!(ground.what, What::Partitions(_)) {
            return Ok(self.report(&staged, 0, false));
        }
        let before = match ground.there {
            Some(_) => self.version().await?,
            None => None,
        };
        let replacement = Replacement { what: ground.what, attempt, columns, before };
        let ours = Ledger::new(&token, self.table.to_string(), staged).with_replacement(replacement);
        // From here on the ledger may name them.
        files.keep();
        let ledger = ours.clone().create(client, self.directory).await?;
        let is_ours = ledger == ours;
        self.carry_out(ledger, is_ours).await
    }

    fn columns(&self, ground: &Ground) -> Vec<Column> {
        let native = |name: &str| ground.info.columns.iter().find(|column| column.name == name);
        let columns = ground.fit.columns().filter_map(native);
        columns.map(|column| Column { name: column.name.clone(), native: column.native_type.clone() }).collect()
    }

    /// Has the statement done once, and remembers that it was.
    async fn carry_out(&self, mut ledger: Ledger, is_ours: bool) -> Result<BulkReport> {
        if ledger.loaded {
            return Ok(self.over(&ledger, 0, true).await);
        }
        let client = &self.loader.client;
        let sql = self.replacement(&ledger)?.statement(self.table, self.files(&ledger).as_deref())?;
        // Where a statement may have been sent before, looking comes first: to send it twice is to undo what others
        // have written in between.
        let in_doubt = AtomicBool::new(!is_ours);
        let found = Mutex::new(false);
        let operation = Operation::read("load.replace").with_class(CLASS).with_attempt_timeout(UNBOUNDED);
        let done = client
            .repeat(operation, || async {
                if in_doubt.load(Ordering::Relaxed) && self.has_landed(&ledger).await? {
                    *found.lock().unwrap_or_else(PoisonError::into_inner) = true;
                    return Ok(());
                }
                let done = self.once(&sql, &ledger).await;
                if done.as_ref().is_err_and(|error| error.fault().effect == Effect::Unknown) {
                    in_doubt.store(true, Ordering::Relaxed);
                }
                done
            })
            .await;
        let in_doubt = in_doubt.into_inner();
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = done {
            // An earlier try may have been still at work when it was looked for.
            let beaten = matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::Conflict);
            found = in_doubt && beaten && self.has_landed(&ledger).await.unwrap_or(false);
            if !found {
                if let Ok(Some(now)) = Ledger::read(client, self.directory).await
                    && now.loaded
                {
                    return Ok(self.over(&now, 0, true).await);
                }
                if !in_doubt && self.give_back(&error).await {
                    self.sweep(&self.replacement(&ledger)?.attempt).await;
                }
                return Err(error);
            }
        }
        let rows = if found && !is_ours { 0 } else { ledger.staged.rows() };
        match ledger.mark_loaded(client, self.directory).await {
            Ok(()) => Ok(self.over(&ledger, rows, found && !is_ours).await),
            Err(error) => {
                let directory = self.directory;
                tracing::warn!(directory, error = %Report(&error), "a finished load could not be marked");
                Ok(self.report(&ledger.staged, rows, found && !is_ours))
            }
        }
    }

    async fn once(&self, sql: &str, ledger: &Ledger) -> Result<()> {
        let handle = self.loader.statements.submit(self.statement(sql)).await?;
        match handle.status().await? {
            StatementStatus::Failed(error) => return Err(error),
            StatementStatus::Queued | StatementStatus::Running => self.note_down(ledger, handle.id()).await,
            _ => {}
        }
        let counts = counts(handle).await?;
        let staged = ledger.staged.rows();
        match counts.get("num_inserted_rows").or_else(|| counts.get("num_affected_rows")) {
            Some(rows) if *rows != staged => {
                Err(done_wrong("the warehouse wrote another number of rows than were staged")
                    .with_context("staged", staged.to_string())
                    .with_context("written", rows.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Whoever comes after a crash can ask how it ended.
    async fn note_down(&self, ledger: &Ledger, id: &StatementId) {
        let noted = async {
            let content = id.as_str().to_owned().into();
            self.loader.client.put_file(&self.note(ledger)?, content).await
        };
        if let Err(error) = noted.await {
            tracing::debug!(error = %Report(&error), "the statement of a load could not be noted");
        }
    }

    /// Done, now or earlier: whatever this token has staged is of no more use.
    async fn over(&self, ledger: &Ledger, rows: u64, replayed: bool) -> BulkReport {
        self.sweep("").await;
        self.report(&ledger.staged, rows, replayed)
    }

    /// Deletes the directories of attempts, of all whose name begins so.
    async fn sweep(&self, attempt: &str) {
        let directory = self.directory;
        if let Err(error) = self.loader.client.clear_directories(directory, attempt).await {
            tracing::warn!(directory, error = %Report(&error), "staged files could not be deleted");
        }
    }

    pub(super) fn replacement<'l>(&self, ledger: &'l Ledger) -> Result<&'l Replacement> {
        ledger.replacement.as_ref().ok_or_else(|| Error::new(ErrorKind::Internal, "a ledger without its replacement"))
    }

    /// Where the rows are; `None` if there are none.
    pub(super) fn files(&self, ledger: &Ledger) -> Option<String> {
        let replacement = ledger.replacement.as_ref().filter(|_| !ledger.staged.parts.is_empty())?;
        Some(format!("{}/{}", self.directory, replacement.attempt))
    }

    /// Where the id of a statement that takes its time is kept: not among the rows.
    pub(super) fn note(&self, ledger: &Ledger) -> Result<String> {
        Ok(format!("{}/{}.note/statement", self.directory, self.replacement(ledger)?.attempt))
    }
}

fn mode_name(mode: &LoadMode) -> &'static str {
    match mode {
        LoadMode::Append => "Append",
        LoadMode::Overwrite => "Overwrite",
        LoadMode::ReplaceWhere(_) => "ReplaceWhere",
        LoadMode::ReplacePartitions => "ReplacePartitions",
        LoadMode::Create => "Create",
        LoadMode::CreateOrReplace => "CreateOrReplace",
        _ => "another mode",
    }
}

/// The table with the columns that only the rows have, as they would be added to it.
pub(crate) fn widened(table: &TableInfo, schema: &Schema) -> Result<TableInfo> {
    let is_known = |name: &str| table.columns.iter().any(|column| column.name.to_lowercase() == name.to_lowercase());
    let new: Vec<_> = schema.fields().iter().filter(|field| !is_known(field.name())).cloned().collect();
    let mut wider = table.clone();
    wider.columns.extend(made(table.table.clone(), &Schema::new(new))?.columns);
    Ok(wider)
}

/// The table that these columns make.
fn made(table: TableRef, schema: &Schema) -> Result<TableInfo> {
    let mut columns: Vec<ColumnInfo> = Vec::new();
    for field in schema.fields() {
        let column = |error: Error| error.with_context("column", field.name());
        if columns.iter().any(|column| column.name.to_lowercase() == field.name().to_lowercase()) {
            return Err(column(Error::new(ErrorKind::InvalidInput, "two columns have one name")));
        }
        DatabricksDialect.quote(field.name()).map_err(column)?;
        let native = DatabricksDialect.type_name(field.data_type()).map_err(column)?;
        let data_type = types::parse(&native).unwrap_or(DataType::Utf8);
        columns.push(ColumnInfo::new(field.name(), data_type, native));
    }
    Ok(TableInfo::new(table, TableKind::Managed, columns))
}
