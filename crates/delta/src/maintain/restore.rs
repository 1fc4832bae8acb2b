//! RESTORE: back to an earlier version, as a new one.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use twinhouse_core::Result;
use twinhouse_warehouse_api::StatementRequest;

use super::answer::{moment_literal, row};
use crate::table::DeltaTable;

/// What RESTORE did, by the server's own names. Sizes are in bytes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RestoreReport {
    /// The size of the table now.
    pub table_size_after_restore: u64,
    /// The files of the table now.
    pub num_of_files_after_restore: u64,
    /// Files that went.
    pub num_removed_files: u64,
    /// Files that came back.
    pub num_restored_files: u64,
    /// The size of those that went.
    pub removed_files_size: u64,
    /// The size of those that came back.
    pub restored_files_size: u64,
    /// Everything else that the server said.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl DeltaTable {
    /// Makes a new version with the rows, the columns and the properties of an earlier one. Nothing is lost: the
    /// versions between can still be read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) if there is no such earlier version;
    /// an error of the server if [`vacuum`](Self::vacuum) has deleted its files.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement: the table is restored or as before.
    pub async fn restore_to_version(&self, version: u64) -> Result<RestoreReport> {
        self.restore(format!("VERSION AS OF {version}")).await
    }

    /// As [`restore_to_version`](Self::restore_to_version), to the version that was the latest at a moment.
    ///
    /// # Errors
    ///
    /// As [`restore_to_version`](Self::restore_to_version), and if the moment lies outside the table's history.
    ///
    /// # Cancellation
    ///
    /// As [`restore_to_version`](Self::restore_to_version).
    pub async fn restore_to_timestamp(&self, moment: DateTime<Utc>) -> Result<RestoreReport> {
        self.restore(format!("TIMESTAMP AS OF {}", moment_literal(self.warehouse().as_ref(), moment)?)).await
    }

    async fn restore(&self, to: String) -> Result<RestoreReport> {
        let sql = format!("RESTORE TABLE {} TO {to}", self.sql_name()?);
        row(self.warehouse().as_ref(), StatementRequest::write(sql)).await
    }
}
