//! Upkeep of tables: vacuum, analyze, moving rows between tables, wider columns.

mod alter;
mod analyze;
mod report;
mod vacuum;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use twinhouse_core::Result;
use twinhouse_warehouse_api::TableRef;

pub use self::{
    alter::{AppendColumns, AppendRequest},
    analyze::{AnalyzeRequest, AnalyzeScope},
    report::{MaintenanceOutcome, MaintenanceReport},
    vacuum::{VacuumKind, VacuumRequest},
};
use crate::{RedshiftWarehouse, cluster::Cluster};

/// Upkeep of tables; see [`RedshiftWarehouse::maintenance`].
///
/// None of it can run inside a transaction, and a transaction refuses it before anything is sent.
///
/// ```no_run
/// use twinhouse_redshift::{AnalyzeRequest, MaintenanceOutcome, RedshiftWarehouse, VacuumKind, VacuumRequest};
///
/// # async fn example(warehouse: RedshiftWarehouse) -> twinhouse_core::Result<()> {
/// let maintenance = warehouse.maintenance();
/// let request = VacuumRequest::table("sales.orders".parse()?).with_kind(VacuumKind::SortOnly).with_threshold(99);
/// let report = maintenance.vacuum(request).await?;
/// if report.outcome != MaintenanceOutcome::Done {
///     println!("nothing was vacuumed: {:?}", report.notices);
/// }
/// maintenance.analyze(AnalyzeRequest::table("sales.orders".parse()?).with_columns(["day", "region"])).await?;
/// # Ok(()) }
/// ```
///
/// # Cancellation
///
/// Dropping a future cancels its statement on the server. What a vacuum has put in order stays in order.
#[derive(Clone, Debug)]
pub struct Maintenance(Arc<Cluster>);

impl RedshiftWarehouse {
    /// Upkeep of tables.
    pub fn maintenance(&self) -> Maintenance {
        Maintenance(self.cluster().clone())
    }
}

impl Maintenance {
    /// Puts rows in order and gives the space of deleted ones back. A cluster vacuums one table at a time.
    ///
    /// For a user without the privilege the server does nothing and reports success: the report says so, see
    /// [`MaintenanceOutcome`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) for options that do not go together,
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) if there is no such table.
    pub async fn vacuum(&self, request: VacuumRequest) -> Result<MaintenanceReport> {
        let sql = request.sql()?;
        report::run(&self.0, "maintenance.vacuum", &[&sql], request.table.as_ref()).await
    }

    /// Brings the planner's statistics up to date.
    ///
    /// A table of which less than a tenth has changed since the last time is passed over without a word, unless the request
    /// says another [threshold](AnalyzeRequest::with_threshold).
    ///
    /// # Errors
    ///
    /// As [`vacuum`](Self::vacuum).
    pub async fn analyze(&self, request: AnalyzeRequest) -> Result<MaintenanceReport> {
        let (threshold, sql) = (request.threshold_sql()?, request.sql()?);
        let statements: Vec<&str> = threshold.as_deref().into_iter().chain([sql.as_str()]).collect();
        report::run(&self.0, "maintenance.analyze", &statements, request.table.as_ref()).await
    }

    /// Moves all rows of one table to the end of another, by moving blocks: nothing is copied, and the source is empty
    /// afterwards. It commits at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) for a table and itself, or one of another
    /// database; the server's refusal of tables that do not fit.
    pub async fn append(&self, request: AppendRequest) -> Result<()> {
        alter::append(&self.0, &request).await
    }

    /// Gives a VARCHAR column another length, in bytes: the one change of a column's type that Redshift has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) for a length outside of 1 to 65,535; the
    /// server's refusal of a column that has a default, a key or longer values, or is encoded as BYTEDICT, RUNLENGTH,
    /// TEXT255 or TEXT32K.
    pub async fn resize_varchar(&self, table: &TableRef, column: &str, bytes: u32) -> Result<()> {
        alter::resize(&self.0, table, column, bytes).await
    }
}
