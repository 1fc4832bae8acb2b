//! DESCRIBE HISTORY: what made each version.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use serde::Deserialize;
use serde_json::Value;
use twinhouse_core::Result;
use twinhouse_warehouse_api::StatementRequest;

use super::{
    answer::{moment, rows},
    operation::TableOperation,
};
use crate::table::DeltaTable;

/// One version of a table, as its log tells of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HistoryEntry {
    /// The version that was made.
    pub version: u64,
    /// When.
    #[serde(deserialize_with = "moment")]
    pub timestamp: DateTime<Utc>,
    /// By whom: the id.
    pub user_id: Option<String>,
    /// By whom: the name.
    pub user_name: Option<String>,
    /// By what.
    pub operation: TableOperation,
    /// The operation's parameters, as text; some hold JSON.
    #[serde(rename = "operationParameters", default)]
    pub parameters: BTreeMap<String, String>,
    /// What the operation counted.
    #[serde(rename = "operationMetrics", default)]
    pub metrics: OperationMetrics,
    /// The version that the operation had read.
    pub read_version: Option<u64>,
    /// `Serializable`, `WriteSerializable` or `SnapshotIsolation`.
    pub isolation_level: Option<String>,
    /// Whether it only added rows, without having read any.
    pub is_blind_append: Option<bool>,
    /// What the writer added.
    pub user_metadata: Option<String>,
    /// The engine that wrote it.
    pub engine_info: Option<String>,
    /// Everything else that the server said: job, notebook, cluster.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// The counts of one operation: names and numbers, each operation its own.
///
/// ```
/// use twinhouse_delta::OperationMetrics;
///
/// let metrics: OperationMetrics = [("numOutputRows", "12"), ("executionTimeMs", "30")].into_iter().collect();
/// assert_eq!(metrics.output_rows(), Some(12));
/// assert_eq!(metrics.number("executionTimeMs"), Some(30));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct OperationMetrics(BTreeMap<String, String>);

impl OperationMetrics {
    /// A count by the server's name for it.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.parse().ok()
    }

    /// Rows written: a WRITE's all, a MERGE's with those it copied.
    pub fn output_rows(&self) -> Option<u64> {
        self.number("numOutputRows")
    }

    /// Rows that came to the table: of a MERGE those it inserted, else those it wrote.
    pub fn inserted_rows(&self) -> Option<u64> {
        self.number("numTargetRowsInserted").or_else(|| self.output_rows())
    }

    /// Rows that were changed.
    pub fn updated_rows(&self) -> Option<u64> {
        self.number("numTargetRowsUpdated").or_else(|| self.number("numUpdatedRows"))
    }

    /// Rows that went.
    pub fn deleted_rows(&self) -> Option<u64> {
        self.number("numTargetRowsDeleted").or_else(|| self.number("numDeletedRows"))
    }

    /// Files that came.
    pub fn added_files(&self) -> Option<u64> {
        ["numAddedFiles", "numTargetFilesAdded", "numFiles", "numRestoredFiles", "numCopiedFiles", "numConvertedFiles"]
            .iter()
            .find_map(|name| self.number(name))
    }

    /// Files that went.
    pub fn removed_files(&self) -> Option<u64> {
        ["numRemovedFiles", "numTargetFilesRemoved", "numDeletedFiles"].iter().find_map(|name| self.number(name))
    }

    /// Names and numbers, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// True if the server counted nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for OperationMetrics {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl DeltaTable {
    /// The versions of the table, newest first; with a limit only the newest.
    ///
    /// ```no_run
    /// # async fn example(orders: &twinhouse_delta::DeltaTable) -> twinhouse_core::Result<()> {
    /// for entry in orders.history(Some(10)).await? {
    ///     println!("{} {} {:?}", entry.version, entry.operation, entry.metrics.output_rows());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) if there is no such table.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement.
    pub async fn history(&self, limit: impl Into<Option<u32>>) -> Result<Vec<HistoryEntry>> {
        self.history_stream(limit).await?.try_collect().await
    }

    /// As [`history`](Self::history), one version at a time: a long log need not fit into memory.
    ///
    /// # Errors
    ///
    /// As [`history`](Self::history); errors on the way come through the stream.
    ///
    /// # Cancellation
    ///
    /// Dropping the future, or the stream before its end, cancels the statement.
    pub async fn history_stream(
        &self,
        limit: impl Into<Option<u32>>,
    ) -> Result<BoxStream<'static, Result<HistoryEntry>>> {
        let mut sql = format!("DESCRIBE HISTORY {}", self.sql_name()?);
        if let Some(limit) = limit.into() {
            sql.push_str(&format!(" LIMIT {limit}"));
        }
        Ok(rows(self.warehouse().as_ref(), StatementRequest::read(sql)).await?.boxed())
    }
}
