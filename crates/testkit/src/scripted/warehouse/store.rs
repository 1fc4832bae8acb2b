//! The tables of a scripted warehouse: loads once per token, merges by key.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::{
    array::{ArrayRef, RecordBatch, UInt32Array, new_null_array},
    compute::{SortOptions, concat_batches, interleave, sort_to_indices, take_record_batch},
    datatypes::SchemaRef,
    error::ArrowError,
};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{
    BatchStream, Duplicates, Fit, LoadMode, LoadToken, MergeReport, MergeRequest, TableFilter, TableInfo, TableRef,
    WhenMatched,
};

use crate::conformance::{Cell, cells};

#[derive(Default)]
pub(super) struct Store {
    tables: BTreeMap<TableRef, Table>,
    unloaded: HashMap<String, Vec<RecordBatch>>,
}

/// Rows that come in, and their columns even if there are none.
pub(super) struct Rows {
    pub(super) schema: SchemaRef,
    pub(super) batches: Vec<RecordBatch>,
}

impl Rows {
    pub(super) async fn read(stream: BatchStream) -> Result<Self> {
        Ok(Self { schema: stream.schema().clone(), batches: stream.collect_batches().await? })
    }
}

struct Table {
    info: TableInfo,
    batches: Vec<RecordBatch>,
    tokens: HashSet<LoadToken>,
}

impl Store {
    pub(super) fn add(&mut self, info: TableInfo) {
        let table = Table { info: info.clone(), batches: Vec::new(), tokens: HashSet::new() };
        self.tables.insert(info.table, table);
    }

    pub(super) fn remove(&mut self, table: &TableRef) -> bool {
        self.tables.remove(table).is_some()
    }

    pub(super) fn insert(&mut self, table: &TableRef, batch: &RecordBatch) -> Result<()> {
        let known = self.tables.get_mut(table).ok_or_else(|| not_found(table))?;
        let whole = known.complete(batch)?;
        known.batches.push(whole);
        Ok(())
    }

    pub(super) fn info(&self, table: &TableRef) -> Result<TableInfo> {
        self.tables.get(table).map(|known| known.info.clone()).ok_or_else(|| not_found(table))
    }

    pub(super) fn list(&self, filter: &TableFilter) -> Vec<TableRef> {
        let fits = |wanted: &Option<String>, got: Option<&str>| wanted.as_deref().is_none_or(|w| got == Some(w));
        let listed = self.tables.keys().filter(|table| {
            fits(&filter.catalog, table.catalog())
                && fits(&filter.schema, table.schema())
                && filter.matches_name(table.name())
        });
        listed.cloned().collect()
    }

    pub(super) fn rows(&self, table: &TableRef) -> Vec<RecordBatch> {
        self.tables.get(table).map(|known| known.batches.clone()).unwrap_or_default()
    }

    pub(super) fn unload(&mut self, destination: &str, batches: Vec<RecordBatch>) {
        self.unloaded.entry(destination.to_owned()).or_default().extend(batches);
    }

    pub(super) fn unloaded(&self, destination: &str) -> Vec<RecordBatch> {
        self.unloaded.get(destination).cloned().unwrap_or_default()
    }

    /// The table that a load is about to fill, as it is or as the load would make it.
    pub(super) fn loaded_into(&self, table: &TableRef, mode: &LoadMode, made: TableInfo) -> Result<TableInfo> {
        match mode {
            LoadMode::Create | LoadMode::CreateOrReplace => Ok(made),
            _ => self.info(table),
        }
    }

    /// Carries out a load, unless the token is known: `None`.
    pub(super) fn load(
        &mut self,
        info: TableInfo,
        mode: &LoadMode,
        batches: &[RecordBatch],
        token: &LoadToken,
    ) -> Result<Option<u64>> {
        let known = self.tables.get(&info.table);
        if known.is_some_and(|known| known.tokens.contains(token)) {
            return Ok(None);
        }
        if *mode == LoadMode::Create && known.is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "the table is there already")
                .with_context("table", info.table.to_string()));
        }
        let tokens = known.map(|known| known.tokens.clone()).unwrap_or_default();
        let mut loaded = Table { info, batches: Vec::new(), tokens };
        let whole = batches.iter().map(|batch| loaded.complete(batch)).collect::<Result<Vec<_>>>()?;
        if let (LoadMode::Append, Some(known)) = (mode, known) {
            loaded.batches.clone_from(&known.batches);
        }
        let rows = whole.iter().map(|batch| batch.num_rows() as u64).sum();
        loaded.batches.extend(whole);
        loaded.tokens.insert(token.clone());
        self.tables.insert(loaded.info.table.clone(), loaded);
        Ok(Some(rows))
    }

    pub(super) fn merge(&mut self, request: &MergeRequest, source: Rows) -> Result<MergeReport> {
        let known = self.tables.get_mut(&request.target).ok_or_else(|| not_found(&request.target))?;
        let (merged, report) = known.merged(request, &source)?;
        known.batches = vec![merged];
        Ok(report)
    }
}

impl Table {
    /// The batch with all columns of the table, in its types and order.
    fn complete(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let fitted = Fit::plan(&self.info, &batch.schema())?.apply(batch)?;
        let columns = self.info.columns.iter().map(|column| {
            let there = fitted.column_by_name(&column.name).cloned();
            there.unwrap_or_else(|| new_null_array(&column.data_type, batch.num_rows()))
        });
        RecordBatch::try_new(self.info.schema(), columns.collect()).map_err(defect)
    }

    fn merged(&self, request: &MergeRequest, source: &Rows) -> Result<(RecordBatch, MergeReport)> {
        let fit = Fit::plan(&self.info, &source.schema)?;
        let source_columns: HashSet<&str> = fit.columns().collect();
        let set = match &request.when_matched {
            WhenMatched::UpdateColumns(columns) => columns.as_slice(),
            _ => &[],
        };
        if let Some(column) = request.keys.iter().chain(set).find(|column| !source_columns.contains(column.as_str())) {
            return Err(Error::new(ErrorKind::InvalidInput, "a column of the merge is not in source and table")
                .with_context("column", column.as_str()));
        }
        let whole = source.batches.iter().map(|batch| self.complete(batch)).collect::<Result<Vec<_>>>()?;
        let schema = self.info.schema();
        let old = concat_batches(&schema, &self.batches).map_err(defect)?;
        let mut new = concat_batches(&schema, &whole).map_err(defect)?;
        if let Duplicates::KeepGreatest(column) = &request.duplicates {
            new = greatest(&new, &request.keys, column, &source_columns)?;
        }

        let of_key = by_key(&new, &request.keys)?;
        let old_keys = keys(&old, &request.keys)?;
        let mut matched = HashSet::new();
        let mut picks = Vec::new();
        let (mut updated, mut deleted) = (0, 0);
        for (row, key) in old_keys.iter().enumerate() {
            match key.as_ref().and_then(|key| of_key.get(key)) {
                Some(&from) => {
                    matched.insert(from);
                    match &request.when_matched {
                        WhenMatched::Delete => deleted += 1,
                        WhenMatched::Keep => picks.push(Pick::Old(row)),
                        _ => {
                            updated += 1;
                            picks.push(Pick::Both(row, from));
                        }
                    }
                }
                None if request.delete_unmatched_by_source => deleted += 1,
                None => picks.push(Pick::Old(row)),
            }
        }
        let mut inserted = 0;
        if request.insert_unmatched {
            let unmatched = (0..new.num_rows()).filter(|row| !matched.contains(row));
            picks.extend(unmatched.map(Pick::New));
            inserted = (new.num_rows() - matched.len()) as u64;
        }

        let sets = |name: &str| match &request.when_matched {
            WhenMatched::UpdateColumns(_) => set.iter().any(|column| column == name),
            _ => source_columns.contains(name),
        };
        let columns = schema
            .fields()
            .iter()
            .enumerate()
            .map(|(n, field)| gather([old.column(n), new.column(n)], &picks, sets(field.name())));
        let columns = columns.collect::<Result<Vec<ArrayRef>, ArrowError>>().map_err(defect)?;
        let merged = RecordBatch::try_new(schema, columns).map_err(defect)?;
        Ok((merged, MergeReport::new(Some(inserted), Some(updated), Some(deleted))))
    }
}

/// Where a row of the merged table comes from.
enum Pick {
    Old(usize),
    New(usize),
    Both(usize, usize),
}

fn gather(columns: [&ArrayRef; 2], picks: &[Pick], sets: bool) -> Result<ArrayRef, ArrowError> {
    let places: Vec<_> = picks
        .iter()
        .map(|pick| match *pick {
            Pick::Old(row) => (0, row),
            Pick::New(row) => (1, row),
            Pick::Both(_, row) if sets => (1, row),
            Pick::Both(row, _) => (0, row),
        })
        .collect();
    interleave(&columns.map(|column| column.as_ref()), &places)
}

/// The key of each row, as text that is equal where the cells are; `None` where a part is null.
fn keys(batch: &RecordBatch, names: &[String]) -> Result<Vec<Option<String>>> {
    let mut parts = Vec::new();
    for name in names {
        let column = batch.column_by_name(name).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, "a key column is not in the table")
                .with_context("column", name.as_str())
        })?;
        let single = RecordBatch::try_from_iter([("key", column.clone())]).map_err(defect)?;
        parts.push(cells(&[single]));
    }
    let key = |row: usize| {
        let cells: Vec<&Cell> = parts.iter().map(|column| &column[row][0]).collect();
        (!cells.contains(&&Cell::Null)).then(|| cells.into_iter().map(exact).collect::<Vec<_>>().join(","))
    };
    Ok((0..batch.num_rows()).map(key).collect())
}

/// Unlike `Debug`, nothing is cut.
fn exact(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => format!("{text:?}"),
        Cell::Bytes(bytes) => format!("{bytes:?}"),
        Cell::List(cells) => format!("[{}]", cells.iter().map(exact).collect::<Vec<_>>().join(",")),
        Cell::Map(entries) => {
            entries.iter().map(|(key, value)| format!("{{{}:{}}}", exact(key), exact(value))).collect()
        }
        Cell::Struct(fields) => fields.iter().map(|(name, value)| format!("{{{name:?}:{}}}", exact(value))).collect(),
        other => format!("{other:?}"),
    }
}

/// Of the rows with one key the one that is greatest in this column; null is the least.
fn greatest(rows: &RecordBatch, names: &[String], column: &str, source: &HashSet<&str>) -> Result<RecordBatch> {
    let found = source.iter().find(|name| name.eq_ignore_ascii_case(column)).and_then(|name| rows.column_by_name(name));
    let column = found.ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, "the source lacks the column that rows of one key are ordered by")
            .with_context("column", column)
    })?;
    let options = SortOptions { descending: true, nulls_first: false };
    let order = sort_to_indices(column, Some(options), None).map_err(defect)?;
    let keys = keys(rows, names)?;
    let mut seen = HashSet::new();
    let mut kept: Vec<u32> = order.values().iter().copied().collect();
    kept.retain(|row| keys[*row as usize].as_ref().is_none_or(|key| seen.insert(key)));
    kept.sort_unstable();
    take_record_batch(rows, &UInt32Array::from(kept)).map_err(defect)
}

fn by_key(source: &RecordBatch, names: &[String]) -> Result<HashMap<String, usize>> {
    let mut rows = HashMap::new();
    for (row, key) in keys(source, names)?.into_iter().enumerate() {
        let Some(key) = key else { continue };
        if rows.insert(key, row).is_some() {
            return Err(Error::new(ErrorKind::Conflict, "two source rows have the same key"));
        }
    }
    Ok(rows)
}

fn not_found(table: &TableRef) -> Error {
    Error::new(ErrorKind::NotFound, "no such table").with_context("table", table.to_string())
}

fn defect(error: ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "the rows do not make a batch").with_source(error)
}
