//! GENERATE: manifests for readers that know Parquet but not Delta.

use twinhouse_core::Result;
use twinhouse_warehouse_api::StatementRequest;

use super::answer::done;
use crate::table::DeltaTable;

impl DeltaTable {
    /// Writes the lists of the latest version's files that Presto, Trino and Athena read as symlinks, below
    /// `_symlink_format_manifest` in the table's folder. They do not follow later versions.
    ///
    /// # Errors
    ///
    /// Those of the server.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement; some partitions may then have new manifests and others old ones.
    pub async fn generate_manifest(&self) -> Result<()> {
        let sql = format!("GENERATE symlink_format_manifest FOR TABLE {}", self.sql_name()?);
        done(self.warehouse().as_ref(), StatementRequest::write(sql)).await
    }
}
