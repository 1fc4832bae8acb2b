use arrow::{
    array::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use futures::TryStreamExt;

use super::*;
use crate::databricks::{error::SqlError, sql::Parameter};

mod conflicts;
mod copy;
mod copy_text;
mod inserts;
mod maintain;
mod merges;
mod queries;
mod side_by_side;
mod tpch;
mod travel;
mod writes;

/// A workspace in a folder of its own.
struct World {
    engine: Engine,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { engine: Engine::open(folder.path()).unwrap(), folder }
    }

    async fn batches(&self, sql: &str, parameters: Vec<Parameter>) -> SqlResult<Vec<RecordBatch>> {
        let request = Request { sql: sql.to_owned(), parameters: Parameters::new(parameters), place: Place::default() };
        match self.engine.run(&request).await?.0 {
            Outcome::Nothing => Ok(Vec::new()),
            Outcome::Rows(stream) => Ok(stream.try_collect().await?),
        }
    }

    /// The rows as text, columns parted by `|`.
    async fn try_rows(&self, sql: &str) -> SqlResult<Vec<String>> {
        Ok(lines(&self.batches(sql, Vec::new()).await?))
    }

    /// As [`World::try_rows`], for statements that run side by side.
    async fn try_rows_of(&self, sql: String) -> SqlResult<Vec<String>> {
        self.try_rows(&sql).await
    }

    async fn rows(&self, sql: &str) -> Vec<String> {
        self.try_rows(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    async fn error(&self, sql: &str) -> SqlError {
        match self.try_rows(sql).await {
            Err(error) => error,
            Ok(rows) => panic!("{sql} answered {rows:?}"),
        }
    }

    /// The name and type of each column.
    async fn columns(&self, sql: &str) -> Vec<String> {
        let batches = self.batches(sql, Vec::new()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let schema = batches[0].schema();
        let text = |field: &Arc<arrow::datatypes::Field>| {
            format!("{} {}", field.name(), type_text_of_arrow(field.data_type()).unwrap())
        };
        schema.fields().iter().map(text).collect()
    }
}

fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            lines.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"));
        }
    }
    lines
}
