//! A table of one test, the client that holds it, and what is in it.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use serde::Deserialize;
use twinhouse_databricks::DatabricksWarehouse;
use twinhouse_delta::{DeltaClient, DeltaTable};
use twinhouse_testkit::conformance::Fixture as _;
use twinhouse_warehouse_api::{BatchStream, StatementRequest, Warehouse, WarehouseExt as _};

use crate::fixtures::{BY_HAND, OnDatabricks, databricks_of, shared};

/// A row of the tables here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) name: Option<String>,
}

pub(super) fn row(id: i64, name: &str) -> Row {
    Row { id, name: Some(name.to_owned()) }
}

pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)]))
}

/// Rows `(id, name)`.
pub(super) fn batch(rows: &[(i64, &str)]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1)));
    RecordBatch::try_new(schema(), vec![ids, names]).expect("columns of the schema")
}

/// Rows `(id, "row id")` in batches of a thousand.
pub(super) fn numbered(ids: std::ops::Range<i64>) -> BatchStream {
    let starts: Vec<_> = ids.clone().step_by(1000).collect();
    let batches = starts.into_iter().map(|start| {
        let ids = start..ids.end.min(start + 1000);
        let names = StringArray::from_iter_values(ids.clone().map(|id| format!("row {id}")));
        RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from_iter_values(ids)), Arc::new(names)])
            .expect("columns of the schema")
    });
    BatchStream::from_batches(schema(), batches.collect())
}

pub(super) fn stream(rows: &[(i64, &str)]) -> BatchStream {
    BatchStream::from_batches(schema(), vec![batch(rows)])
}

/// A table of the shared sandbox, under a name of its own.
pub(super) struct Ground {
    pub(super) warehouse: Arc<DatabricksWarehouse>,
    pub(super) client: DeltaClient,
    pub(super) table: DeltaTable,
    /// The table's quoted name.
    pub(super) name: String,
}

impl Ground {
    /// The name, and nothing of that name yet.
    pub(super) async fn without_table(stem: &str) -> Self {
        let sandbox = shared().await.expect("a sandbox that starts");
        let warehouse = Arc::new(databricks_of(sandbox).await.expect("a workspace"));
        let client = DeltaClient::new(warehouse.clone()).expect("Databricks SQL");
        let table = client.at(OnDatabricks::LINKS.scratch().table(stem));
        let name = warehouse.info().dialect.table(table.table_ref()).expect("a name that can be quoted");
        Self { warehouse, client, table, name }
    }

    /// A table with these columns, and what stands behind them.
    pub(super) async fn with(stem: &str, columns: &str) -> Self {
        let ground = Self::without_table(stem).await;
        ground.run(&format!("create table {} {columns}", ground.name)).await;
        ground
    }

    /// A table of `(id, name)`.
    pub(super) async fn new(stem: &str) -> Self {
        Self::with(stem, "(id bigint, name string)").await
    }

    pub(super) async fn run(&self, sql: &str) -> u64 {
        self.warehouse
            .execute(StatementRequest::write(format!("{BY_HAND}{sql}")))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    pub(super) async fn rows(&self) -> Vec<Row> {
        let rows = self.table.read().rows::<Row>().await.expect("a table").collect_rows().await;
        let mut rows = rows.expect("rows of this shape");
        rows.sort();
        rows
    }

    pub(super) async fn ids(&self) -> Vec<i64> {
        self.rows().await.into_iter().map(|row| row.id).collect()
    }

    pub(super) async fn version(&self) -> u64 {
        self.table.history(1).await.expect("a table").first().expect("a version").version
    }
}
