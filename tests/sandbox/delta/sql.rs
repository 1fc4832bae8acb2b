//! A schema for one test, and SQL as a person writes it.

use std::sync::Arc;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt as _;
use twinhouse_core::{Error, Result};
use twinhouse_databricks::DatabricksWarehouse;
use twinhouse_warehouse_api::{StatementRequest, WarehouseExt as _};

use crate::fixtures::{BY_HAND, databricks_of, shared};

/// Statements in which `{s}` is the schema.
#[derive(Clone)]
pub(super) struct Sql {
    warehouse: Arc<DatabricksWarehouse>,
    schema: String,
}

impl Sql {
    pub(super) async fn new() -> Self {
        let warehouse = Arc::new(databricks_of(shared().await.unwrap()).await.unwrap());
        let schema = format!("main.sql_{}", uuid::Uuid::new_v4().simple());
        warehouse.execute(format!("create schema {schema}")).await.unwrap();
        Self { warehouse, schema }
    }

    /// The rows as text, columns parted by `|`, before them the names of the columns.
    async fn answer(&self, sql: &str) -> Result<(Vec<String>, Vec<String>)> {
        let request = StatementRequest::write(format!("{BY_HAND}{}", sql.replace("{s}", &self.schema)));
        let mut stream = self.warehouse.query(request).await?;
        let names = stream.schema().fields().iter().map(|field| field.name().clone()).collect();
        let options = FormatOptions::default().with_null("NULL");
        let mut rows = Vec::new();
        while let Some(batch) = stream.try_next().await? {
            let columns: Vec<_> =
                batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
            rows.extend(
                (0..batch.num_rows()).map(|row| {
                    columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|")
                }),
            );
        }
        Ok((names, rows))
    }

    pub(super) async fn try_rows(&self, sql: &str) -> Result<Vec<String>> {
        Ok(self.answer(sql).await?.1)
    }

    pub(super) async fn rows(&self, sql: &str) -> Vec<String> {
        self.try_rows(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    /// The names of the columns that a statement answers, and its only row.
    pub(super) async fn counts(&self, sql: &str) -> (String, String) {
        let (names, mut rows) = self.answer(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        assert_eq!(rows.len(), 1, "{sql}");
        (names.join("|"), rows.remove(0))
    }

    /// What the service calls the error.
    pub(super) async fn error(&self, sql: &str) -> Error {
        match self.try_rows(sql).await {
            Err(error) => error,
            Ok(rows) => panic!("{sql} answered {rows:?}"),
        }
    }

    /// The schema, for names in texts.
    pub(super) fn schema(&self) -> &str {
        &self.schema
    }
}
