//! Moving many rows: loads, unloads and their reports.

use std::{fmt, sync::Arc, time::Duration};

use twinhouse_core::{Error, ErrorKind, Result};

use crate::{
    batches::BatchStream,
    capability::Capabilities,
    expression::Expression,
    statement::{CallOptions, StatementRequest},
    table::TableRef,
};

/// Names one load for ever. Loading again with the same token changes nothing, whatever failed in between.
///
/// It becomes part of a path: 1 to 64 of `A-Z a-z 0-9 - .`, not beginning with `.` (both warehouses' readers skip
/// files and folders named `_x` or `.x`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoadToken(Arc<str>);

impl LoadToken {
    /// Checks and wraps the text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it is not 1 to 64 of the characters above.
    pub fn new(token: impl Into<Arc<str>>) -> Result<Self> {
        let token = token.into();
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        if token.is_empty() || token.len() > 64 || token.starts_with('.') || !token.bytes().all(legal) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "a load token is 1 to 64 of A-Z a-z 0-9 - . and does not begin with a dot",
            )
            .with_context("token", token.escape_debug().to_string()));
        }
        Ok(Self(token))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LoadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a bulk operation has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Rows written to the staging place so far.
    pub rows: u64,
    /// Bytes of files written to the staging place so far.
    pub bytes: u64,
    /// Files written so far.
    pub files: u64,
}

impl Progress {
    /// So many rows, bytes and files.
    pub fn new(rows: u64, bytes: u64, files: u64) -> Self {
        Self { rows, bytes, files }
    }
}

/// Called as a bulk operation goes on; it must not block.
pub type ProgressFn = Arc<dyn Fn(Progress) + Send + Sync>;

/// What a load does with the rows that are there.
///
/// Whatever the mode, readers see the table before or after the load, never between: one commit.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum LoadMode {
    /// They stay.
    #[default]
    Append,
    /// All of them give way to the new ones.
    Overwrite,
    /// Those for which the predicate holds give way. A new row for which it does not hold is refused, and nothing is
    /// changed.
    ReplaceWhere(Expression),
    /// Those in the partitions that the new rows touch give way.
    ReplacePartitions,
    /// The table must not exist: it is made with the columns of the rows, each of which may hold nulls. The token is
    /// known as long as there is a table of that name.
    Create,
    /// A table of that name gives way to one with the columns of the rows. As [`Create`](Self::Create) otherwise.
    CreateOrReplace,
}

/// Rows to put into a table, exactly once.
///
/// Columns are matched by name; a table column that the batches lack becomes its default or null. Everything is
/// checked against the table before anything is sent.
pub struct LoadRequest {
    table: TableRef,
    batches: BatchStream,
    token: LoadToken,
    mode: LoadMode,
    options: CallOptions,
    target_file_bytes: usize,
    progress: Option<ProgressFn>,
}

impl LoadRequest {
    /// Size at which a staged file is closed, in bytes of Parquet, unless set otherwise.
    pub const DEFAULT_FILE_BYTES: usize = 32 * 1024 * 1024;

    /// Appends `batches` to `table`. The token names this load for ever.
    pub fn append(table: TableRef, batches: BatchStream, token: LoadToken) -> Self {
        Self {
            table,
            batches,
            token,
            mode: LoadMode::Append,
            options: CallOptions::default(),
            target_file_bytes: Self::DEFAULT_FILE_BYTES,
            progress: None,
        }
    }

    /// Says what becomes of the rows that are there.
    #[must_use]
    pub fn with_mode(mut self, mode: LoadMode) -> Self {
        self.mode = mode;
        self
    }

    /// Replaces the call options.
    #[must_use]
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Closes a staged file at about this many bytes. Memory in use is a small multiple of it.
    #[must_use]
    pub fn with_target_file_bytes(mut self, bytes: usize) -> Self {
        self.target_file_bytes = bytes.max(1);
        self
    }

    /// Reports progress as files are written.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// Where to.
    pub fn table(&self) -> &TableRef {
        &self.table
    }

    /// The load's name.
    pub fn token(&self) -> &LoadToken {
        &self.token
    }

    /// What becomes of the rows that are there.
    pub fn mode(&self) -> &LoadMode {
        &self.mode
    }

    /// Refuses a mode that the warehouse does not have or that makes no sense, before anything is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] naming the mode; [`ErrorKind::InvalidInput`] for a predicate without text.
    pub fn check(&self, can: &Capabilities, backend: &'static str) -> Result<()> {
        let (promised, wish) = match &self.mode {
            LoadMode::Append => (can.load, "cannot load: no staging place is configured"),
            LoadMode::Overwrite => (can.load_overwrite, "cannot overwrite a table by a load"),
            LoadMode::ReplaceWhere(_) => (can.load_replace_where, "cannot replace the rows of a predicate by a load"),
            LoadMode::ReplacePartitions => (can.load_replace_partitions, "cannot replace partitions by a load"),
            LoadMode::Create | LoadMode::CreateOrReplace => (can.load_create, "cannot create a table by a load"),
        };
        if !promised {
            return Err(Error::unsupported(backend, wish));
        }
        match &self.mode {
            LoadMode::ReplaceWhere(predicate) if predicate.sql().trim().is_empty() => {
                Err(Error::new(ErrorKind::InvalidInput, "the predicate is empty; say `Overwrite` to replace all rows")
                    .with_context("table", self.table.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// How.
    pub fn options(&self) -> &CallOptions {
        &self.options
    }

    /// The columns that come.
    pub fn schema(&self) -> &arrow::datatypes::SchemaRef {
        self.batches.schema()
    }

    /// At what size a staged file is closed, in bytes.
    pub fn target_file_bytes(&self) -> usize {
        self.target_file_bytes
    }

    /// Who wants to know how far it is.
    pub fn progress(&self) -> Option<&ProgressFn> {
        self.progress.as_ref()
    }

    /// The rows themselves.
    pub fn into_batches(self) -> BatchStream {
        self.batches
    }
}

impl fmt::Debug for LoadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadRequest")
            .field("table", &self.table)
            .field("token", &self.token)
            .field("mode", &self.mode)
            .field("batches", &self.batches)
            .field("options", &self.options)
            .field("target_file_bytes", &self.target_file_bytes)
            .finish_non_exhaustive()
    }
}

/// The file format of an unload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileFormat {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a header line.
    Csv,
}

/// The rows of a query, to be written as files by the warehouse itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UnloadRequest {
    /// What to write.
    pub query: StatementRequest,
    /// Where to: a URL prefix that the warehouse can write to.
    pub destination: String,
    /// As what.
    pub format: FileFormat,
}

impl UnloadRequest {
    /// Writes the rows of `query` as Parquet under `destination`.
    pub fn parquet(query: impl Into<StatementRequest>, destination: impl Into<String>) -> Self {
        Self { query: query.into(), destination: destination.into(), format: FileFormat::Parquet }
    }
}

/// What a bulk operation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkReport {
    /// Rows that this call added to the table (or wrote, for an unload).
    pub rows: u64,
    /// Bytes of the files that were staged or written.
    pub bytes: u64,
    /// How many files.
    pub files: u64,
    /// True if the token had been loaded before: nothing was changed now.
    pub replayed: bool,
    /// How long it took.
    pub elapsed: Duration,
}

impl BulkReport {
    /// A report of rows, bytes and files.
    pub fn new(rows: u64, bytes: u64, files: u64) -> Self {
        Self { rows, bytes, files, ..Self::default() }
    }

    /// Marks a load that had been done before.
    #[must_use]
    pub fn with_replayed(mut self, replayed: bool) -> Self {
        self.replayed = replayed;
        self
    }

    /// Sets how long it took.
    #[must_use]
    pub fn with_elapsed(mut self, elapsed: Duration) -> Self {
        self.elapsed = elapsed;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_could_hide_or_leave_its_folder_is_refused() {
        for bad in ["", "_x y", ".x", "a/b", "..", "ü", &"x".repeat(65)] {
            assert_eq!(LoadToken::new(bad).unwrap_err().kind(), ErrorKind::InvalidInput, "{bad}");
        }
        assert_eq!(LoadToken::new("2026-11-21.orders-7").unwrap().as_str(), "2026-11-21.orders-7");
    }

    #[test]
    fn each_mode_has_its_promise() {
        type On = fn(&mut Capabilities);
        let modes: [(LoadMode, On); 6] = [
            (LoadMode::Append, |can| can.load = true),
            (LoadMode::Overwrite, |can| can.load_overwrite = true),
            (LoadMode::ReplaceWhere("n > 1".into()), |can| can.load_replace_where = true),
            (LoadMode::ReplacePartitions, |can| can.load_replace_partitions = true),
            (LoadMode::Create, |can| can.load_create = true),
            (LoadMode::CreateOrReplace, |can| can.load_create = true),
        ];
        for (mode, promise) in modes {
            let request = request(mode);
            let mut can = Capabilities::NONE;
            assert_eq!(request.check(&can, "test").unwrap_err().kind(), ErrorKind::Unsupported, "{request:?}");
            promise(&mut can);
            request.check(&can, "test").unwrap();
        }
    }

    #[test]
    fn a_predicate_without_text_is_refused() {
        let mut can = Capabilities::NONE;
        can.load_replace_where = true;
        let error = request(LoadMode::ReplaceWhere(" \n".into())).check(&can, "test").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    }

    fn request(mode: LoadMode) -> LoadRequest {
        let nothing = BatchStream::from_batches(Arc::new(arrow::datatypes::Schema::empty()), Vec::new());
        LoadRequest::append(TableRef::new("t"), nothing, LoadToken::new("a").unwrap()).with_mode(mode)
    }
}
