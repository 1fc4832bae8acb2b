//! By which statements a merge is carried out.

use twinhouse_core::Result;
use twinhouse_warehouse_api::{MergeReport, MergeRequest, Warehouse as _};

use super::merge;
use crate::RedshiftWarehouse;

/// By which statements a merge is carried out. Whichever it is, one transaction does all, and source rows that share a
/// key are refused or reduced to one before it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MergeStrategy {
    /// `UPDATE` (or `DELETE`), then `INSERT` of what is new. It does all that a request can ask for, and counts.
    #[default]
    UpdateInsert,
    /// `DELETE` of what matches, then `INSERT` of all source rows: cheaper where most columns change. Every column must
    /// come. Target rows that share a key become one. Nothing is counted.
    DeleteInsert,
    /// The server's own `MERGE`. It always has both branches, cannot delete what the source lacks, and counts nothing.
    Merge,
}

impl RedshiftWarehouse {
    /// As [`merge`](twinhouse_warehouse_api::Warehouse::merge), by these statements.
    ///
    /// # Errors
    ///
    /// As `merge`, and [`ErrorKind::Unsupported`](twinhouse_core::ErrorKind::Unsupported), before anything is sent, for a
    /// wish that these statements cannot carry out.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels what runs; nothing is changed unless all of it was done already.
    pub async fn merge_by(&self, request: MergeRequest, strategy: MergeStrategy) -> Result<MergeReport> {
        self.cluster().check_open()?;
        merge(self.cluster(), &self.capabilities(), request, strategy).await
    }
}
