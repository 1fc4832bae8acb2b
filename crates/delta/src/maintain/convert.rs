//! CONVERT TO DELTA: a folder of Parquet files becomes a table, where it is.

use twinhouse_core::Result;
use twinhouse_warehouse_api::{
    CallOptions, StatementRequest, TableRef,
    arrow::datatypes::{Field, Schema},
};

use super::answer::done;
use crate::{client::DeltaClient, table::DeltaTable};

/// How to convert.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ConvertOptions {
    /// The partition columns with their types, outermost first, if the folders are named `column=value`.
    pub partitions: Vec<Field>,
    /// Reads no statistics from the files: faster now, slower queries later.
    pub no_statistics: bool,
    /// Deadline and label of the statement.
    pub call: CallOptions,
}

impl ConvertOptions {
    /// Sets [`partitions`](Self::partitions).
    #[must_use]
    pub fn with_partitions(mut self, partitions: &Schema) -> Self {
        self.partitions = partitions.fields().iter().map(|field| field.as_ref().clone()).collect();
        self
    }

    /// Sets [`no_statistics`](Self::no_statistics).
    #[must_use]
    pub fn with_no_statistics(mut self, no_statistics: bool) -> Self {
        self.no_statistics = no_statistics;
        self
    }

    /// Sets [`call`](Self::call).
    #[must_use]
    pub fn with_call(mut self, call: CallOptions) -> Self {
        self.call = call;
        self
    }
}

impl DeltaClient {
    /// Makes a Delta table of the Parquet files in a folder, in place, and answers the table that is named by its
    /// path. The files are neither moved nor rewritten.
    ///
    /// # Errors
    ///
    /// Those of the server: no files, partition columns that the folders do not show, a folder it may not read.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement: the folder is a table or as before.
    pub async fn convert_to_delta(&self, path: &str, options: ConvertOptions) -> Result<DeltaTable> {
        let dialect = &self.warehouse().info().dialect;
        let parquet = TableRef::new(path).with_schema("parquet");
        let mut sql = format!("CONVERT TO DELTA {}", dialect.table(&parquet)?);
        if options.no_statistics {
            sql.push_str(" NO STATISTICS");
        }
        if !options.partitions.is_empty() {
            let column = |field: &Field| {
                Ok(format!("{} {}", dialect.quote(field.name())?, dialect.type_name(field.data_type())?))
            };
            let columns = options.partitions.iter().map(column).collect::<Result<Vec<_>>>()?;
            sql.push_str(&format!(" PARTITIONED BY ({})", columns.join(", ")));
        }
        let request = StatementRequest::write(sql).with_options(options.call);
        done(self.warehouse().as_ref(), request).await?;
        Ok(self.at(TableRef::new(path).with_schema("delta")))
    }
}
