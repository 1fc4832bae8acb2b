//! The operations, each with what it should have done and a look at what it did.

use std::{path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch},
    datatypes::{DataType, Field, Schema},
};
use futures::TryStreamExt as _;
use twinhouse_core::{Effect, Error, Result};
use twinhouse_delta::DeltaClient;
use twinhouse_testkit::conformance::{Cell, cells};
use twinhouse_warehouse_api::{
    BatchStream, LoadRequest, LoadToken, MergeRequest, MergeSource, StatementRequest, TableFilter, UnloadRequest,
    Warehouse, WarehouseExt as _,
};

use super::{
    super::token,
    place::{Backend, Place},
};

/// What a result has, and a load: several chunks, or several kilobytes.
const ROWS: i64 = 2_500;
/// Every case has the ids of its own from its number times this.
const SPAN: i64 = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Query,
    Insert,
    Load,
    Merge,
    Unload,
    Describe,
    List,
    DeltaWrite,
}

impl Operation {
    /// In the order of the page's columns.
    pub(super) fn of(backend: Backend) -> &'static [Self] {
        match backend {
            Backend::Links => {
                &[Self::Query, Self::Insert, Self::Load, Self::Merge, Self::Describe, Self::List, Self::DeltaWrite]
            }
            Backend::Inline => &[Self::Query, Self::Insert],
            Backend::Wire => {
                &[Self::Query, Self::Insert, Self::Load, Self::Merge, Self::Unload, Self::Describe, Self::List]
            }
            Backend::DataApi => &[Self::Query, Self::Insert, Self::Describe, Self::List],
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Insert => "write",
            Self::Load => "load",
            Self::Merge => "merge",
            Self::Unload => "unload",
            Self::Describe => "describe",
            Self::List => "list",
            Self::DeltaWrite => "Delta write",
        }
    }

    /// Whether it changes nothing, so that nobody need ask what became of it.
    pub(super) fn reads(self) -> bool {
        matches!(self, Self::Query | Self::Describe | Self::List)
    }

    /// Makes everything ready that is not to be struck.
    pub(super) async fn prepare<'a>(self, place: &'a Place<'a>, number: i64) -> Prepared<'a> {
        let from = number * SPAN;
        if self == Self::Merge {
            let sql = format!("insert into {} values ({from}, 0), ({}, 0), ({}, 0)", place.name, from + 1, from + 2);
            place.observer.execute(sql).await.expect("rows to merge into");
        }
        let unload_to = format!("s3://{}/matrix/n{number}_", place.sandbox.s3().bucket);
        Prepared { operation: self, place, from, token: token(), unload_to }
    }
}

/// An operation about to be struck.
pub(super) struct Prepared<'a> {
    operation: Operation,
    place: &'a Place<'a>,
    from: i64,
    token: LoadToken,
    unload_to: String,
}

impl Prepared<'_> {
    /// Does it, and says whether what came back is what should have.
    pub(super) async fn run(&self, warehouse: &Arc<dyn Warehouse>) -> Result<()> {
        match self.operation {
            Operation::Query => self.query(warehouse.as_ref()).await?,
            Operation::Insert => {
                let sql = format!("insert into {} /* meets_fault */ values ({}, 1)", self.place.name, self.from);
                let rows = warehouse.execute(StatementRequest::write(sql)).await?;
                // Redshift's Data API and its wire count; so does the workspace.
                assert_eq!(rows, 1);
            }
            Operation::Load => {
                let request = LoadRequest::append(self.place.table.clone(), self.numbers(), self.token.clone());
                let report = warehouse.load(request).await?;
                assert!(report.replayed || report.rows == ROWS as u64, "{report:?}");
            }
            Operation::DeltaWrite => {
                let at = &self.place.table;
                let client = DeltaClient::new(Arc::clone(warehouse))?
                    .with_catalog(at.catalog().unwrap_or_default())
                    .with_schema(at.schema().unwrap_or_default());
                let table = client.table(at.name());
                let report = table.write(self.numbers()).with_token(self.token.clone()).run().await?;
                assert!(report.replayed || report.rows == ROWS as u64, "{report:?}");
            }
            Operation::Merge => {
                let source = batch((self.from + 1..self.from + 6).map(|id| (id, 1)));
                let source = MergeSource::Batches(BatchStream::from_batches(source.schema(), vec![source]));
                warehouse.merge(MergeRequest::upsert(self.place.table.clone(), source, ["id"])).await?;
            }
            Operation::Unload => {
                let request = UnloadRequest::parquet(self.place.rows_query(ROWS as u64), self.unload_to.as_str());
                let report = warehouse.unload(request).await?;
                assert_eq!(report.rows, ROWS as u64, "{report:?}");
            }
            Operation::Describe => {
                let info = warehouse.table(&self.place.table).await?;
                let columns: Vec<_> = info.columns.iter().map(|column| column.name.as_str()).collect();
                assert_eq!(columns, ["id", "v"]);
            }
            Operation::List => {
                let table = &self.place.table;
                let mut filter = TableFilter::default().with_name_like(table.name());
                if let Some(catalog) = table.catalog() {
                    filter = filter.with_catalog(catalog);
                }
                if let Some(schema) = table.schema() {
                    filter = filter.with_schema(schema);
                }
                let found: Vec<_> = warehouse.tables(filter).try_collect().await?;
                let names: Vec<_> = found.iter().map(|found| found.name()).collect();
                assert_eq!(names, [table.name()]);
            }
        }
        Ok(())
    }

    /// Rows come in order, once each, or there is an error: never a part of them as if it were all.
    async fn query(&self, warehouse: &dyn Warehouse) -> Result<()> {
        let mut batches = warehouse.query(self.place.rows_query(ROWS as u64)).await?;
        let mut next = 0;
        while let Some(batch) = batches.try_next().await? {
            for row in cells(&[batch]) {
                assert_eq!(row, [Cell::Int(next)]);
                next += 1;
            }
        }
        assert_eq!(next, ROWS, "a part that looks whole");
        Ok(())
    }

    fn numbers(&self) -> BatchStream {
        let batch = batch((self.from..self.from + ROWS).map(|id| (id, 1)));
        BatchStream::from_batches(batch.schema(), vec![batch])
    }

    /// How many rows are missing, and how many are there too often, after the outcome that was told.
    pub(super) async fn inspect(&self, place: &Place<'_>, outcome: &Result<()>) -> (i64, i64) {
        match self.operation {
            Operation::Query | Operation::Describe | Operation::List => (0, 0),
            Operation::Insert => {
                let rows = place.rows(self.from, self.from + SPAN).await.len() as i64;
                match told(outcome) {
                    Told::Done => ((1 - rows).max(0), (rows - 1).max(0)),
                    // Whoever hears that nothing was done does it again.
                    Told::Nothing => (0, rows),
                    Told::Unknown => (0, (rows - 1).max(0)),
                }
            }
            Operation::Load | Operation::DeltaWrite => {
                if outcome.is_err() {
                    self.run(&place.connect(super::place::Login::Fixed).await).await.expect("the same token, again");
                }
                let rows = place.rows(self.from, self.from + SPAN).await;
                let wanted: Vec<_> = (self.from..self.from + ROWS).map(|id| (id, 1)).collect();
                let missing = wanted.iter().filter(|row| rows.binary_search(row).is_err()).count();
                (missing as i64, rows.len() as i64 - (ROWS - missing as i64))
            }
            Operation::Merge => {
                let rows = place.rows(self.from, self.from + SPAN).await;
                let before: Vec<_> = (0..3).map(|n| (self.from + n, 0)).collect();
                let after: Vec<_> = (0..6).map(|n| (self.from + n, i64::from(n > 0))).collect();
                let whole = match told(outcome) {
                    Told::Done => rows == after,
                    Told::Nothing => rows == before,
                    // All of it or nothing of it.
                    Told::Unknown => rows == before || rows == after,
                };
                if whole { (0, 0) } else { ((6 - rows.len() as i64).max(1), (rows.len() as i64 - 6).max(0)) }
            }
            Operation::Unload => {
                let Ok(_) = outcome else { return (0, 0) };
                let bucket = place.sandbox.data_folder().join("s3").join(&place.sandbox.s3().bucket);
                let key = self.unload_to.rsplit_once('/').map_or("", |(_, number)| number);
                let rows = parquet_rows(&bucket.join("matrix"), key);
                ((ROWS - rows).max(0), (rows - ROWS).max(0))
            }
        }
    }
}

enum Told {
    Done,
    Nothing,
    Unknown,
}

fn told(outcome: &Result<()>) -> Told {
    match outcome.as_ref().map_err(|error: &Error| error.fault().effect) {
        Ok(_) => Told::Done,
        Err(Effect::None) => Told::Nothing,
        Err(Effect::Unknown) => Told::Unknown,
    }
}

fn batch(rows: impl Iterator<Item = (i64, i64)>) -> RecordBatch {
    let (ids, values): (Vec<_>, Vec<_>) = rows.unzip();
    let fields = vec![Field::new("id", DataType::Int64, false), Field::new("v", DataType::Int64, true)];
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(ids)), Arc::new(Int64Array::from(values))];
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns of the schema")
}

/// The rows of all Parquet files whose path below `folder` begins with `key`.
fn parquet_rows(folder: &Path, key: &str) -> i64 {
    let mut rows = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        if !name.to_string_lossy().starts_with(key) {
            continue;
        }
        if path.is_dir() {
            rows += parquet_rows(&path, "");
        } else if name.to_string_lossy().ends_with("parquet") {
            let file = std::fs::File::open(&path).expect("a file");
            let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file);
            rows += reader.expect("a Parquet file").metadata().file_metadata().num_rows();
        }
    }
    rows
}
