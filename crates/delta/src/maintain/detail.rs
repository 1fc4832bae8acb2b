//! DESCRIBE DETAIL: the table as a whole.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use twinhouse_core::Result;
use twinhouse_warehouse_api::StatementRequest;

use super::answer::{optional_moment, row};
use crate::table::DeltaTable;

/// A table as a whole: what it is, how large, how it is laid out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct TableDetail {
    /// `delta`, or what else it is.
    pub format: String,
    /// The table's own id, which a replacement keeps and a clone does not.
    pub id: Option<String>,
    /// Its full name.
    pub name: Option<String>,
    /// Its comment.
    pub description: Option<String>,
    /// Where its files are.
    pub location: Option<String>,
    /// When it was made.
    #[serde(deserialize_with = "optional_moment")]
    pub created_at: Option<DateTime<Utc>>,
    /// When its latest version was made.
    #[serde(deserialize_with = "optional_moment")]
    pub last_modified: Option<DateTime<Utc>>,
    /// Its partition columns, outermost first.
    pub partition_columns: Vec<String>,
    /// Its clustering columns.
    pub clustering_columns: Vec<String>,
    /// Files of the latest version.
    pub num_files: u64,
    /// Their size.
    pub size_in_bytes: u64,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
    /// The protocol that a reader must know.
    pub min_reader_version: u32,
    /// The protocol that a writer must know.
    pub min_writer_version: u32,
    /// The features that readers or writers must know.
    pub table_features: Vec<String>,
    /// Everything else that the server said.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl TableDetail {
    /// The mean size of a file in bytes; `None` for a table without files.
    pub fn average_file_size(&self) -> Option<u64> {
        self.size_in_bytes.checked_div(self.num_files)
    }
}

impl DeltaTable {
    /// Describes the latest version of the table as a whole.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) if there is no such table.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement.
    pub async fn detail(&self) -> Result<TableDetail> {
        let sql = format!("DESCRIBE DETAIL {}", self.sql_name()?);
        row(self.warehouse().as_ref(), StatementRequest::read(sql)).await
    }
}
