//! The course of a load.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use arrow::{
    array::AsArray as _,
    datatypes::{DataType, Int64Type},
};
use futures::TryStreamExt as _;
use tokio::time::Instant;
use twinhouse_core::{Effect, Error, ErrorKind, Fault, FaultClass, Report, Result, resilience::Operation};
use twinhouse_warehouse_api::{
    BatchStream, BulkReport, CallOptions, DatabricksDialect, Dialect as _, Fit, LoadMode, LoadRequest, StatementHandle,
    StatementRequest, TableInfo, TableRef,
};

use super::{
    ledger::{self, Ledger},
    upload::{Staged, stage},
};
use crate::{api::Client, error::BACKEND, statement::Statements, tables::Tables};

/// A COPY INTO takes as long as it takes: the caller's time-out bounds it.
pub(super) const UNBOUNDED: Duration = Duration::from_secs(7 * 24 * 3600);
pub(super) const CLASS: &str = "load";

/// What a load needs.
#[derive(Clone, Debug)]
pub(crate) struct Loader {
    pub(crate) client: Client,
    pub(crate) statements: Statements,
    pub(crate) tables: Tables,
    /// The directory for staged files, without a slash at the end.
    pub(crate) staging: String,
}

impl Loader {
    pub(crate) async fn load(&self, request: LoadRequest) -> Result<BulkReport> {
        let began = Instant::now();
        if *request.mode() != LoadMode::Append {
            return self.replace(request, began).await;
        }
        let table = self.tables.describe(request.table()).await?;
        let fit = Fit::plan(&table.info, request.schema())?;
        refuse_unloadable(&table.info, &fit)?;
        let directory = ledger::directory(&self.staging, &table.info.table, table.id.as_deref(), request.token());
        let course = Course {
            loader: self,
            table: &table.info.table,
            directory: &directory,
            label: request.options().label.clone(),
            began,
        };
        course.run(request, fit).await.map_err(|error| error.with_context("staging", &directory))
    }
}

/// One load on its way.
pub(super) struct Course<'a> {
    pub(super) loader: &'a Loader,
    pub(super) table: &'a TableRef,
    pub(super) directory: &'a str,
    pub(super) label: Option<String>,
    pub(super) began: Instant,
}

impl Course<'_> {
    async fn run(&self, request: LoadRequest, fit: Fit) -> Result<BulkReport> {
        let client = &self.loader.client;
        // What the token means may have been settled earlier: then the rows that come now are not looked at.
        if let Some(ledger) = Ledger::read(client, self.directory).await? {
            if let Some(other) = ledger.replacement.as_ref().filter(|_| !ledger.loaded) {
                return Err(other.begun_otherwise("Append"));
            }
            return self.complete(ledger, false).await;
        }
        client.create_directory(self.directory).await?;
        let (token, bytes, progress) =
            (request.token().clone(), request.target_file_bytes(), request.progress().cloned());
        let staged = stage(client, self.directory, request.into_batches(), fit, bytes, progress.as_ref()).await?;
        if staged.parts.is_empty() {
            return Ok(self.report(&staged, 0, false));
        }
        let ours = Ledger::new(&token, self.table.to_string(), staged);
        let ledger = ours.clone().create(client, self.directory).await?;
        let is_ours = ledger == ours;
        self.complete(ledger, is_ours).await
    }

    /// Has the table take the files, and remembers that it did.
    async fn complete(&self, mut ledger: Ledger, is_ours: bool) -> Result<BulkReport> {
        let client = &self.loader.client;
        if ledger.loaded {
            return Ok(self.replayed(&ledger).await);
        }
        let sql = copy_into(self.table, self.directory, &ledger.staged)?;
        let lost = AtomicBool::new(false);
        // The table knows the files it has: to say it twice is to say it once.
        let operation = Operation::read("load.copy").with_class(CLASS).with_attempt_timeout(UNBOUNDED);
        let copied = client
            .repeat(operation, || async {
                let copied = self.copy(&sql).await;
                let unsure = copied.as_ref().is_err_and(|error| error.fault().effect == Effect::Unknown);
                lost.fetch_or(unsure, Ordering::Relaxed);
                copied
            })
            .await;
        let copied = match copied {
            Ok(copied) => copied,
            Err(error) => {
                // Somebody with the same token may have finished, and cleaned up under our hands.
                if let Ok(Some(ledger)) = Ledger::read(client, self.directory).await
                    && ledger.loaded
                {
                    return Ok(self.replayed(&ledger).await);
                }
                if self.give_back(&error).await {
                    self.clean_up().await;
                }
                return Err(error);
            }
        };
        let staged = ledger.staged.clone();
        let (rows, replayed) = match copied {
            rows if rows == staged.rows() => (rows, false),
            // Brought by a try of this load whose answer was lost.
            0 if is_ours && lost.load(Ordering::Relaxed) => (staged.rows(), false),
            0 => (0, true),
            rows => {
                return Err(done_wrong("the warehouse loaded another number of rows than were staged")
                    .with_context("staged", staged.rows().to_string())
                    .with_context("loaded", rows.to_string()));
            }
        };
        match ledger.mark_loaded(client, self.directory).await {
            Ok(()) => self.clean_up().await,
            // The parts must stay with a ledger that does not know: the next load would ask for them.
            Err(error) => {
                tracing::warn!(directory = self.directory, error = %Report(&error), "a finished load could not be marked");
            }
        }
        Ok(self.report(&staged, rows, replayed))
    }

    /// Runs COPY INTO once and answers how many rows it brought.
    async fn copy(&self, sql: &str) -> Result<u64> {
        let counts = counts(self.loader.statements.submit(self.statement(sql)).await?).await?;
        if counts.get("num_skipped_corrupt_files").is_some_and(|files| *files > 0) {
            return Err(done_wrong("the warehouse skipped staged files as corrupt"));
        }
        let rows = counts.get("num_affected_rows").or_else(|| counts.get("num_inserted_rows")).copied();
        rows.ok_or_else(|| Error::new(ErrorKind::Protocol, "COPY INTO did not say how many rows it loaded"))
    }

    pub(super) fn statement(&self, sql: &str) -> StatementRequest {
        let request = StatementRequest::write(sql);
        match &self.label {
            Some(label) => request.with_options(CallOptions::default().with_label(label)),
            None => request,
        }
    }

    /// A load that was refused for what the rows are was certainly not done; other rows may come under its token. True if
    /// nobody will ask for its files.
    pub(super) async fn give_back(&self, error: &Error) -> bool {
        let of_the_rows = matches!(
            error.kind(),
            ErrorKind::Constraint
                | ErrorKind::Data
                | ErrorKind::InvalidInput
                | ErrorKind::Syntax
                | ErrorKind::NotFound
                | ErrorKind::AlreadyExists
        );
        let certain = error.fault().class == FaultClass::Permanent && error.fault().effect == Effect::None;
        if !of_the_rows || !certain {
            return false;
        }
        let given = Ledger::delete(&self.loader.client, self.directory).await;
        if let Err(error) = &given {
            let directory = self.directory;
            tracing::warn!(directory, error = %Report(error), "the token of a refused load could not be given back");
        }
        given.is_ok()
    }

    async fn replayed(&self, ledger: &Ledger) -> BulkReport {
        self.clean_up().await;
        self.report(&ledger.staged, 0, true)
    }

    /// Deletes the files of this attempt, and those of any before it.
    async fn clean_up(&self) {
        if let Err(error) = self.loader.client.clear_files(self.directory, Some(ledger::FILE)).await {
            tracing::warn!(directory = self.directory, error = %Report(&error), "staged files could not be deleted");
        }
    }

    pub(super) fn report(&self, staged: &Staged, rows: u64, replayed: bool) -> BulkReport {
        BulkReport::new(rows, staged.bytes(), staged.parts.len() as u64)
            .with_replayed(replayed)
            .with_elapsed(self.began.elapsed())
    }
}

/// It was done, and not as it should have been: nobody may take it for undone.
pub(super) fn done_wrong(message: &'static str) -> Error {
    Error::new(ErrorKind::Data, message).with_fault(Fault { effect: Effect::Unknown, ..Fault::PERMANENT })
}

/// The counts that a statement that changes rows answers with.
pub(crate) async fn counts(handle: StatementHandle) -> Result<BTreeMap<String, u64>> {
    let mut rows: BatchStream = handle.stream().await?;
    let mut counts = BTreeMap::new();
    while let Some(batch) = rows.try_next().await? {
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            if *field.data_type() == DataType::Int64 && batch.num_rows() > 0 {
                let count = column.as_primitive::<Int64Type>().value(0);
                counts.insert(field.name().clone(), u64::try_from(count).unwrap_or(0));
            }
        }
    }
    Ok(counts)
}

/// Names the files: whatever else is in the directory is none of this load's.
fn copy_into(table: &TableRef, directory: &str, staged: &Staged) -> Result<String> {
    let dialect = DatabricksDialect;
    let files = staged.parts.iter().map(|part| dialect.string(&part.name)).collect::<Result<Vec<_>>>()?;
    Ok(format!(
        "COPY INTO {} FROM {} FILEFORMAT = PARQUET FILES = ({})",
        dialect.table(table)?,
        dialect.string(directory)?,
        files.join(", ")
    ))
}

/// Types that Parquet does not carry to the table.
pub(super) fn refuse_unloadable(table: &TableInfo, fit: &Fit) -> Result<()> {
    const NATIVE: [&str; 4] = ["variant", "geometry", "geography", "object"];
    for column in &table.columns {
        let native = column.native_type.to_ascii_lowercase();
        let unloadable = NATIVE.iter().any(|name| native.starts_with(name))
            || matches!(column.data_type, DataType::Interval(_) | DataType::Duration(_) | DataType::Null);
        if unloadable && fit.columns().any(|name| name == column.name) {
            return Err(Error::unsupported(BACKEND, "cannot load into a column of this type")
                .with_context("column", &column.name)
                .with_context("type", &column.native_type)
                .with_context("table", table.table.to_string()));
        }
    }
    Ok(())
}
