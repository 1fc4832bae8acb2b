//! One write, however it goes.

use std::{fmt, sync::Arc, time::Instant};

use futures::{StreamExt as _, stream};
use serde::Serialize;
use twinhouse_core::{Effect, Error, ErrorKind, Fault, Report, Result};
use twinhouse_warehouse_api::{
    BatchStream, CallOptions, Expression, Fit, LoadMode, LoadRequest, LoadToken, Progress, ProgressFn,
    StatementRequest, WarehouseExt as _,
    arrow::{array::RecordBatch, datatypes::Schema},
};
use uuid::Uuid;

use super::{
    insert::{insert, is_plain},
    report::{Route, WriteReport},
    rows::RowSource,
};
use crate::table::DeltaTable;

/// A write of rows into a table. Made by [`DeltaTable::write`] and [`DeltaTable::write_rows`].
///
/// Rows are matched with the table's columns by name, and checked against them before anything is sent. Whatever the
/// mode, the write is one version of the table: readers see it whole or not at all.
///
/// A few rows of an append go into the text of one INSERT, more into staged files; see
/// [`with_insert_limit`](Self::with_insert_limit). With a [token](Self::with_token) rows are always staged, and then
/// written exactly once however often the write is repeated: an INSERT could not tell.
///
/// ```no_run
/// # async fn example(orders: &twinhouse_delta::DeltaTable) -> twinhouse_core::Result<()> {
/// use serde::Serialize;
/// use twinhouse_warehouse_api::{Expression, LoadToken};
///
/// #[derive(Serialize)]
/// struct Order {
///     id: i64,
///     day: String,
/// }
///
/// let rows = vec![Order { id: 1, day: "2026-01-01".into() }];
/// let report = orders
///     .write_rows(rows)
///     .replace_where(Expression::new("day = :day").bind("day", "2026-01-01"))
///     .with_token(LoadToken::new("orders-2026-01-01")?)
///     .run()
///     .await?;
/// println!("{} rows by {}, version {:?}", report.rows, report.route, report.version);
/// # Ok(())
/// # }
/// ```
#[must_use = "a write does nothing until it is run"]
pub struct WriteBuilder {
    pub(super) write: Write,
    pub(super) source: Source,
}

/// Everything about a write except its rows, which only one task can read.
#[derive(Clone)]
pub(super) struct Write {
    pub(super) table: DeltaTable,
    pub(super) mode: LoadMode,
    token: Option<LoadToken>,
    route: Option<Route>,
    insert_rows: usize,
    insert_bytes: usize,
    pub(super) target_file_bytes: usize,
    progress: Option<ProgressFn>,
    options: CallOptions,
    version: bool,
}

pub(super) enum Source {
    Batches(BatchStream),
    Rows(RowSource),
}

impl DeltaTable {
    /// Writes batches: appends them, unless another mode is said. Nothing is sent yet.
    pub fn write(&self, batches: BatchStream) -> WriteBuilder {
        WriteBuilder::new(self.clone(), Source::Batches(batches))
    }

    /// Writes rows of a type: its fields go into the columns of their names, as the columns' types. Decimals and
    /// moments are best given as text or as `chrono` types. Nothing is sent yet.
    pub fn write_rows<T: Serialize + Send + 'static>(&self, rows: Vec<T>) -> WriteBuilder {
        WriteBuilder::new(self.clone(), Source::Rows(RowSource::new(rows)))
    }
}

impl WriteBuilder {
    /// So many rows go into the text of an INSERT, unless set otherwise.
    pub const DEFAULT_INSERT_ROWS: usize = 200;
    /// So many bytes of Arrow go into the text of an INSERT, unless set otherwise.
    pub const DEFAULT_INSERT_BYTES: usize = 256 * 1024;

    fn new(table: DeltaTable, source: Source) -> Self {
        let write = Write {
            table,
            mode: LoadMode::Append,
            token: None,
            route: None,
            insert_rows: Self::DEFAULT_INSERT_ROWS,
            insert_bytes: Self::DEFAULT_INSERT_BYTES,
            target_file_bytes: LoadRequest::DEFAULT_FILE_BYTES,
            progress: None,
            options: CallOptions::default(),
            version: true,
        };
        Self { write, source }
    }

    /// The rows are added. This is the default.
    pub fn append(self) -> Self {
        self.with_mode(LoadMode::Append)
    }

    /// All rows of the table give way.
    pub fn overwrite(self) -> Self {
        self.with_mode(LoadMode::Overwrite)
    }

    /// The rows for which the predicate holds give way. A new row for which it does not is refused, and nothing is
    /// changed.
    pub fn replace_where(self, predicate: impl Into<Expression>) -> Self {
        self.with_mode(LoadMode::ReplaceWhere(predicate.into()))
    }

    /// The partitions that the new rows are in give way.
    pub fn overwrite_partitions(self) -> Self {
        self.with_mode(LoadMode::ReplacePartitions)
    }

    /// The table is made; one that is there is an error.
    pub fn error_if_exists(self) -> Self {
        self.with_mode(LoadMode::Create)
    }

    /// The table is made; one that is there gives way, columns, properties and all. Its history goes on.
    pub fn create_or_replace(self) -> Self {
        self.with_mode(LoadMode::CreateOrReplace)
    }

    /// Says what becomes of the rows that are there.
    pub fn with_mode(mut self, mode: LoadMode) -> Self {
        self.write.mode = mode;
        self
    }

    /// Names this write for ever: repeated with the same token, it changes nothing.
    pub fn with_token(mut self, token: LoadToken) -> Self {
        self.write.token = Some(token);
        self
    }

    /// Settles the way instead of leaving it to the size.
    pub fn with_route(mut self, route: Route) -> Self {
        self.write.route = Some(route);
        self
    }

    /// Up to so many rows and bytes of Arrow, an append without a token is one INSERT. `0` rows: never.
    pub fn with_insert_limit(mut self, rows: usize, bytes: usize) -> Self {
        (self.write.insert_rows, self.write.insert_bytes) = (rows, bytes);
        self
    }

    /// Closes a staged file at about this many bytes of Parquet. Memory in use is a small multiple of it.
    pub fn with_target_file_bytes(mut self, bytes: usize) -> Self {
        self.write.target_file_bytes = bytes;
        self
    }

    /// Reports progress as files are staged; must not block.
    pub fn with_progress(mut self, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.write.progress = Some(Arc::new(progress));
        self
    }

    /// Replaces the call options.
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.write.options = options;
        self
    }

    /// Whether the table's version is looked up at the end, by a statement of its own. It is unless this says no.
    pub fn with_version(mut self, version: bool) -> Self {
        self.write.version = version;
        self
    }

    /// Carries it out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] naming column, wanted and got if the rows do not fit the table, and for an INSERT
    /// that is wanted with a token or in another mode than append, before anything is sent; [`ErrorKind::AlreadyExists`]
    /// for a table that is there and must not be; [`ErrorKind::Conflict`] if other writers were in the way: nothing was
    /// changed, and it may be tried again. The context `token` of an error says how to repeat a staged write.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the work. A staged write is completed by writing again with the same token.
    pub async fn run(self) -> Result<WriteReport> {
        let began = Instant::now();
        let Self { write, source } = self;
        write.check()?;
        let batches = write.batches(source).await?;
        let token = write.token.clone();
        let schema = batches.schema().clone();
        let rows = match (write.route, &token) {
            (Some(Route::Insert), _) => Rows::Few(batches.collect_batches().await?),
            (None, None) if write.mode == LoadMode::Append => write.peek(batches).await?,
            _ => Rows::Many(batches),
        };
        let written = match rows {
            Rows::Many(batches) => write.stage(batches, token).await?,
            Rows::Few(few) => match write.insert(&schema, &few).await? {
                Some(report) => report,
                None => write.stage(BatchStream::from_batches(schema, few), None).await?,
            },
        };
        let version = if write.version { write.latest_version().await } else { None };
        Ok(WriteReport { version, elapsed: began.elapsed(), ..written })
    }
}

/// Rows that are all in memory, or a stream of all of them.
enum Rows {
    Few(Vec<RecordBatch>),
    Many(BatchStream),
}

impl Write {
    fn check(&self) -> Result<()> {
        let wrong = |why: &'static str| {
            Err(Error::new(ErrorKind::InvalidInput, why).with_context("table", self.table.table_ref().to_string()))
        };
        match self.route {
            Some(Route::Insert) if self.token.is_some() => {
                wrong("an INSERT remembers no token: let the rows be staged")
            }
            Some(Route::Insert) if self.mode != LoadMode::Append => wrong("an INSERT can only append here"),
            _ => Ok(()),
        }
    }

    /// The rows as batches; a type's rows take the table's types.
    pub(super) async fn batches(&self, source: Source) -> Result<BatchStream> {
        match source {
            Source::Batches(batches) => Ok(batches),
            Source::Rows(rows) if matches!(self.mode, LoadMode::Create | LoadMode::CreateOrReplace) => {
                rows.batches(None)
            }
            Source::Rows(rows) => {
                let info = self.table.warehouse().table(self.table.table_ref()).await?;
                rows.batches(Some(&info))
            }
        }
    }

    /// The rows, if they are few; otherwise a stream of all of them.
    async fn peek(&self, mut batches: BatchStream) -> Result<Rows> {
        let schema = batches.schema().clone();
        let (mut seen, mut rows, mut bytes) = (Vec::new(), 0, 0);
        while let Some(batch) = batches.next().await.transpose()? {
            rows += batch.num_rows();
            bytes += batch.get_array_memory_size();
            seen.push(batch);
            if rows > self.insert_rows || bytes > self.insert_bytes {
                let whole = stream::iter(seen.into_iter().map(Ok)).chain(batches);
                return Ok(Rows::Many(BatchStream::new(schema, whole)));
            }
        }
        Ok(Rows::Few(seen))
    }

    /// Writes the rows as one INSERT; `None` if they have types that no literal has, and nothing was settled.
    async fn insert(&self, schema: &Schema, batches: &[RecordBatch]) -> Result<Option<WriteReport>> {
        let warehouse = self.table.warehouse();
        let info = warehouse.table(self.table.table_ref()).await?;
        let fit = Fit::plan(&info, schema)?;
        if !is_plain(fit.schema()) && self.route.is_none() {
            return Ok(None);
        }
        let (mut rows, mut bytes) = (0, 0);
        if let Some(sql) = insert(self.table.dialect(), &info, &fit, batches)? {
            bytes = sql.len() as u64;
            let longest = warehouse.capabilities().max_statement_bytes;
            if sql.len() > longest {
                return match self.route {
                    None => Ok(None),
                    Some(_) => {
                        Err(Error::new(ErrorKind::InvalidInput, "the INSERT is longer than the warehouse takes")
                            .with_context("bytes", bytes.to_string())
                            .with_context("most", longest.to_string()))
                    }
                };
            }
            let request = StatementRequest::write(sql).with_options(self.options.clone());
            let affected = warehouse.execute(request).await.map_err(|error| match error.fault().effect {
                Effect::Unknown => error.with_context("cure", "the rows may be in: look, or write with a token"),
                Effect::None => error,
            })?;
            rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
            if affected != rows {
                return Err(Error::new(ErrorKind::Data, "the INSERT wrote another number of rows than it had")
                    .with_fault(Fault { effect: Effect::Unknown, ..Fault::PERMANENT })
                    .with_context("wanted", rows.to_string())
                    .with_context("got", affected.to_string()));
            }
        }
        Ok(Some(report(Route::Insert, rows, bytes, 0, None, false)))
    }

    async fn stage(&self, batches: BatchStream, token: Option<LoadToken>) -> Result<WriteReport> {
        let token = match token {
            Some(token) => token,
            None => LoadToken::new(format!("write-{}", Uuid::new_v4().simple()))?,
        };
        let mut request = LoadRequest::append(self.table.table_ref().clone(), batches, token.clone())
            .with_mode(self.mode.clone())
            .with_target_file_bytes(self.target_file_bytes)
            .with_options(self.options.clone());
        if let Some(progress) = self.progress.clone() {
            request = request.with_progress(move |done| progress(done));
        }
        let loaded = self.table.warehouse().load(request).await;
        let loaded = loaded.map_err(|error| error.with_context("token", token.as_str()))?;
        Ok(report(Route::Staged, loaded.rows, loaded.bytes, loaded.files, Some(token), loaded.replayed))
    }

    /// By which way so many rows and bytes would go.
    pub(super) fn route_of(&self, rows: u64, bytes: u64) -> Route {
        let few = rows <= self.insert_rows as u64 && bytes <= self.insert_bytes as u64;
        let free = self.token.is_none() && self.mode == LoadMode::Append;
        self.route.unwrap_or(if few && free { Route::Insert } else { Route::Staged })
    }

    /// A write that is done is not undone because its version cannot be seen.
    async fn latest_version(&self) -> Option<u64> {
        match self.table.history(1).await {
            Ok(history) => history.first().map(|entry| entry.version),
            Err(error) => {
                tracing::debug!(error = %Report(&error), "the version after a write could not be seen");
                None
            }
        }
    }
}

fn report(route: Route, rows: u64, bytes: u64, files: u64, token: Option<LoadToken>, replayed: bool) -> WriteReport {
    WriteReport { rows, bytes, files, route, token, replayed, version: None, elapsed: std::time::Duration::ZERO }
}

impl fmt::Debug for WriteBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBuilder")
            .field("table", self.write.table.table_ref())
            .field("mode", &self.write.mode)
            .field("token", &self.write.token)
            .field("route", &self.write.route)
            .finish_non_exhaustive()
    }
}
