//! What a write would do.

use std::{collections::BTreeSet, fmt};

use futures::StreamExt as _;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    Fit, LoadMode, TableInfo, TableRef,
    arrow::{
        array::RecordBatch,
        datatypes::Schema,
        row::{RowConverter, SortField},
        util::display::{ArrayFormatter, FormatOptions},
    },
};

use super::{
    builder::{Write, WriteBuilder},
    report::Route,
};
use crate::{
    filter::{enclosed, name_list},
    schema::{SchemaDiff, TableSchema},
};

/// Partitions beyond this many are counted, not named.
const NAMED: usize = 1000;
/// Files smaller than this make a table slow to read.
const SMALL: u64 = 1 << 20;
/// More partitions than this in one write are worth a word.
const MANY: usize = 100;

/// What a write would do, found out without changing anything.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WritePlan {
    /// The table.
    pub table: TableRef,
    /// Whether it is there.
    pub exists: bool,
    /// Why the write would be refused, if it would: columns or values that do not fit.
    pub misfit: Option<Error>,
    /// How the rows' columns differ from the table's; `None` if there is no table, or a type has no counterpart.
    pub differences: Option<SchemaDiff>,
    /// Rows that would be written.
    pub rows: u64,
    /// Their size as Arrow in memory, in bytes. Staged Parquet is mostly smaller.
    pub bytes: u64,
    /// Files that the table would get, at a guess: by the size, and at least one for each partition.
    pub files: u64,
    /// By which way.
    pub route: Route,
    /// The partitions that would be touched, as `p=1/q=a`, the first thousand of them; none for a table without.
    pub partitions: Vec<String>,
    /// What is allowed and may not be wanted.
    pub warnings: Vec<Warning>,
    /// The statement that would run. Paths and values of rows are left out.
    pub statements: Vec<String>,
}

/// Something that is allowed and may not be wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// There are no rows.
    NoRows,
    /// All rows of the table would give way to none.
    Empties,
    /// So many rows have a null in a key: a merge matches them with nothing and inserts them each time.
    NullKeys(u64),
    /// So many rows share their key with an earlier one: a merge refuses them.
    DuplicateKeys(u64),
    /// So many partitions would be touched.
    ManyPartitions(u64),
    /// The files would be of so many bytes on average.
    SmallFiles(u64),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRows => f.write_str("there are no rows"),
            Self::Empties => f.write_str("the rows of the table would give way to none"),
            Self::NullKeys(rows) => write!(f, "{rows} rows have a null in a key: they match nothing"),
            Self::DuplicateKeys(rows) => write!(f, "{rows} rows share their key with an earlier one"),
            Self::ManyPartitions(count) => write!(f, "{count} partitions would be touched"),
            Self::SmallFiles(bytes) => write!(f, "the files would have {bytes} bytes on average: optimize afterwards"),
        }
    }
}

impl WriteBuilder {
    /// Finds out what the write would do. Reads the rows to their end, looks at the table, and changes nothing.
    ///
    /// # Errors
    ///
    /// Those of looking at the table and of the rows' stream. That the rows do not fit is no error but
    /// [`misfit`](WritePlan::misfit).
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn dry_run(self) -> Result<WritePlan> {
        let Self { write, source } = self;
        let table = write.table.clone();
        let creates = matches!(write.mode, LoadMode::Create | LoadMode::CreateOrReplace);
        let info = match table.warehouse().table(table.table_ref()).await {
            Ok(info) => Some(info),
            Err(error) if creates && error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let partitioned = match &info {
            Some(_) if !creates => table.detail().await?.partition_columns,
            _ => Vec::new(),
        };
        let mut batches = write.batches(source).await?;
        let schema = batches.schema().clone();
        let fit = info.as_ref().filter(|_| !creates).map(|info| Fit::plan(info, &schema)).transpose();
        let (fit, mut misfit) = match fit {
            Ok(fit) => (fit, None),
            Err(error) => (None, Some(error)),
        };
        if write.mode == LoadMode::Create && info.is_some() {
            misfit = Some(Error::new(ErrorKind::AlreadyExists, "the table is there already"));
        }
        let (mut rows, mut bytes, mut parts) = (0, 0, Partitions::new(&partitioned));
        while let Some(batch) = batches.next().await.transpose()? {
            rows += batch.num_rows() as u64;
            bytes += batch.get_array_memory_size() as u64;
            match fit.as_ref().map(|fit| fit.apply(&batch)).transpose() {
                Ok(fitted) => parts.see(fitted.as_ref().unwrap_or(&batch))?,
                Err(error) => misfit = misfit.or(Some(error)),
            }
        }
        let target = write.target_file_bytes.max(1) as u64;
        let files = if rows == 0 { 0 } else { bytes.div_ceil(target).max(parts.count).max(1) };
        let route = write.route_of(rows, bytes);
        let mut warnings = Vec::new();
        if rows == 0 {
            warnings.push(if write.mode == LoadMode::Append { Warning::NoRows } else { Warning::Empties });
        }
        if parts.count > MANY as u64 {
            warnings.push(Warning::ManyPartitions(parts.count));
        }
        if let Some(average) = bytes.checked_div(files).filter(|average| files > 1 && *average < SMALL) {
            warnings.push(Warning::SmallFiles(average));
        }
        Ok(WritePlan {
            table: table.table_ref().clone(),
            exists: info.is_some(),
            differences: info.as_ref().and_then(|info| differences(info, &schema)),
            misfit,
            rows,
            bytes,
            files,
            route,
            partitions: parts.named.into_iter().collect(),
            warnings,
            statements: vec![write.statement(&schema, fit.as_ref(), &partitioned, route)?],
        })
    }
}

impl Write {
    fn statement(&self, schema: &Schema, fit: Option<&Fit>, partitioned: &[String], route: Route) -> Result<String> {
        let (table, dialect) = (self.table.sql_name()?, self.table.dialect());
        let names: Vec<&str> = match fit {
            Some(fit) => fit.columns().collect(),
            None => schema.fields().iter().map(|field| field.name().as_str()).collect(),
        };
        let names = name_list(dialect, names)?;
        let select = format!("SELECT {names} FROM parquet.`<staged files>`");
        Ok(match &self.mode {
            LoadMode::Append if route == Route::Insert => format!("INSERT INTO {table} ({names}) VALUES <rows>"),
            LoadMode::Append => {
                format!("COPY INTO {table} FROM '<staging>' FILEFORMAT = PARQUET FILES = (<staged files>)")
            }
            LoadMode::Overwrite => format!("INSERT OVERWRITE {table} BY NAME {select}"),
            LoadMode::ReplaceWhere(predicate) => {
                format!("INSERT INTO {table} BY NAME REPLACE WHERE {} {select}", enclosed(dialect, predicate)?)
            }
            LoadMode::ReplacePartitions => {
                let by = name_list(dialect, partitioned.iter().map(String::as_str))?;
                format!("INSERT INTO {table} BY NAME REPLACE USING ({by}) {select}")
            }
            LoadMode::Create => format!("CREATE TABLE {table} AS {select}"),
            LoadMode::CreateOrReplace => format!("CREATE OR REPLACE TABLE {table} AS {select}"),
            other => {
                return Err(Error::unsupported("databricks", "cannot say what this mode would do")
                    .with_context("mode", format!("{other:?}")));
            }
        })
    }
}

fn differences(info: &TableInfo, schema: &Schema) -> Option<SchemaDiff> {
    Some(SchemaDiff::between(&TableSchema::of_table(info).ok()?, &TableSchema::from_arrow(schema).ok()?))
}

/// The partitions that rows are in.
struct Partitions<'a> {
    columns: &'a [String],
    named: BTreeSet<String>,
    count: u64,
}

impl<'a> Partitions<'a> {
    fn new(columns: &'a [String]) -> Self {
        Self { columns, named: BTreeSet::new(), count: 0 }
    }

    fn see(&mut self, batch: &RecordBatch) -> Result<()> {
        let unreadable =
            |cause| Error::new(ErrorKind::Internal, "a partition's value cannot be written as text").with_source(cause);
        let columns: Vec<_> =
            self.columns.iter().filter_map(|name| Some((name, batch.column_by_name(name)?))).collect();
        if columns.is_empty() {
            return Ok(());
        }
        let options = FormatOptions::new().with_null("null");
        let formatters = columns
            .iter()
            .map(|(name, column)| Ok((*name, ArrayFormatter::try_new(column, &options).map_err(unreadable)?)))
            .collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            let name: Vec<_> =
                formatters.iter().map(|(name, values)| format!("{name}={}", values.value(row))).collect();
            let name = name.join("/");
            if !self.named.contains(&name) && self.named.len() < NAMED {
                self.named.insert(name);
            }
        }
        self.count = self.named.len() as u64;
        Ok(())
    }
}

/// How many rows have a null in a key, and how many share their key with an earlier one.
pub(crate) fn describe_nulls_and_duplicates(batches: &[RecordBatch], keys: &[String]) -> Result<Vec<Warning>> {
    let broken = |cause| Error::new(ErrorKind::Internal, "keys cannot be compared").with_source(cause);
    let (mut nulls, mut duplicates) = (0, 0);
    let mut seen = std::collections::HashSet::new();
    let mut converter: Option<RowConverter> = None;
    for batch in batches {
        let mut columns = Vec::with_capacity(keys.len());
        for key in keys {
            let found = batch.schema().fields().iter().position(|f| f.name().to_lowercase() == key.to_lowercase());
            let at = found.ok_or_else(|| {
                Error::new(ErrorKind::InvalidInput, "the source of the merge lacks a key column")
                    .with_context("column", key)
            })?;
            columns.push(batch.column(at).clone());
        }
        let converter = match &mut converter {
            Some(converter) => converter,
            none => {
                let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
                none.insert(RowConverter::new(fields).map_err(broken)?)
            }
        };
        let rows = converter.convert_columns(&columns).map_err(broken)?;
        for (at, row) in rows.iter().enumerate() {
            if columns.iter().any(|column| column.is_null(at)) {
                nulls += 1;
            } else if !seen.insert(row.owned()) {
                duplicates += 1;
            }
        }
    }
    let warnings = [(nulls, Warning::NullKeys(nulls)), (duplicates, Warning::DuplicateKeys(duplicates))];
    Ok(warnings.into_iter().filter(|(count, _)| *count > 0).map(|(_, warning)| warning).collect())
}
