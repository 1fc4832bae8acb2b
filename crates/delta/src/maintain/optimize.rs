//! OPTIMIZE: fewer, larger, better sorted files.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{CallOptions, Expression, StatementRequest};

use super::answer::row;
use crate::{filter::written, table::DeltaTable};

/// What to optimize, and how.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OptimizeOptions {
    /// Only the partitions that this predicate picks. It may speak of partition columns only.
    pub filter: Option<Expression>,
    /// Sorts rows along these columns together.
    pub z_order: Vec<String>,
    /// Clusters every file again, not only new ones. For tables with clustering columns.
    pub full: bool,
    /// Deadline and label of the statement.
    pub call: CallOptions,
}

impl OptimizeOptions {
    /// Sets [`filter`](Self::filter).
    #[must_use]
    pub fn with_filter(mut self, filter: impl Into<Expression>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// Sets [`z_order`](Self::z_order).
    #[must_use]
    pub fn with_z_order<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.z_order = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`full`](Self::full).
    #[must_use]
    pub fn with_full(mut self, full: bool) -> Self {
        self.full = full;
        self
    }

    /// Sets [`call`](Self::call).
    #[must_use]
    pub fn with_call(mut self, call: CallOptions) -> Self {
        self.call = call;
        self
    }
}

/// Sizes of a group of files, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct FileSizes {
    /// The smallest; `None` if there are no files.
    pub min: Option<u64>,
    /// The largest; `None` if there are no files.
    pub max: Option<u64>,
    /// The mean.
    pub avg: f64,
    /// How many files.
    pub total_files: u64,
    /// All together.
    pub total_size: u64,
}

/// What OPTIMIZE did, by the server's own names.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct OptimizeReport {
    /// New files.
    pub num_files_added: u64,
    /// Files that the new ones replace.
    pub num_files_removed: u64,
    /// Sizes of the new files.
    pub files_added: FileSizes,
    /// Sizes of the replaced files.
    pub files_removed: FileSizes,
    /// Partitions with at least one rewritten file.
    pub partitions_optimized: u64,
    /// Batches of work.
    pub num_batches: u64,
    /// Files that were looked at.
    pub total_considered_files: u64,
    /// Files that were looked at and left alone.
    pub total_files_skipped: u64,
    /// What Z-ordering says of itself.
    pub z_order_stats: Option<Value>,
    /// What clustering says of itself.
    pub clustering_stats: Option<Value>,
    /// Everything else that the server said.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Answer {
    metrics: OptimizeReport,
}

impl DeltaTable {
    /// Rewrites small files into larger ones; rows stay as they are. Changes nothing, and makes no version, where
    /// there is nothing to gain.
    ///
    /// ```no_run
    /// # async fn example(orders: &twinhouse_delta::DeltaTable) -> twinhouse_core::Result<()> {
    /// use twinhouse_delta::OptimizeOptions;
    ///
    /// let report = orders.optimize(OptimizeOptions::default().with_z_order(["customer", "day"])).await?;
    /// println!("{} files became {}", report.num_files_removed, report.num_files_added);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if Z-ordering and [`full`](OptimizeOptions::full) are asked for together, before
    /// anything is sent; [`ErrorKind::Conflict`] if another writer removed the same files.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement. Batches that were committed stay.
    pub async fn optimize(&self, options: OptimizeOptions) -> Result<OptimizeReport> {
        let request = self.optimize_request(&options)?;
        let answer: Answer = row(self.warehouse().as_ref(), request).await?;
        Ok(answer.metrics)
    }

    fn optimize_request(&self, options: &OptimizeOptions) -> Result<StatementRequest> {
        if options.full && !options.z_order.is_empty() {
            let why = "`full` is for clustered tables, which cannot be Z-ordered: choose one";
            return Err(Error::new(ErrorKind::InvalidInput, why).with_context("table", self.table_ref().to_string()));
        }
        let dialect = &self.warehouse().info().dialect;
        let mut sql = format!("OPTIMIZE {}", self.sql_name()?);
        if options.full {
            sql.push_str(" FULL");
        }
        if let Some(filter) = &options.filter {
            // The predicate is kept as text by the server: it takes no parameters.
            sql.push_str(" WHERE ");
            sql.push_str(&written(dialect.as_ref(), filter)?);
        }
        if !options.z_order.is_empty() {
            let columns = options.z_order.iter().map(|name| dialect.quote(name)).collect::<Result<Vec<_>>>()?;
            sql.push_str(&format!(" ZORDER BY ({})", columns.join(", ")));
        }
        Ok(StatementRequest::write(sql).with_options(options.call.clone()))
    }
}
