//! Whether upkeep was done: the server reports success even where it did nothing.

use std::time::Duration;

use tokio::time::Instant;
use twinhouse_core::{Report, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, TableRef};

use crate::{cluster::Cluster, command, tables, views::rows};

/// What became of a request for upkeep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MaintenanceOutcome {
    /// It was done.
    Done,
    /// The server says that it passed a table over; the notices say which and why.
    Skipped,
    /// The server reports success, but the user neither owns the table nor is a superuser: unless the privilege was granted,
    /// nothing was done.
    Unconfirmed,
}

/// What became of a request for upkeep, and what the server said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MaintenanceReport {
    /// Whether it was done.
    pub outcome: MaintenanceOutcome,
    /// What the server said meanwhile, in its order.
    pub notices: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

pub(super) async fn run(
    cluster: &Cluster,
    operation: &'static str,
    statements: &[&str],
    table: Option<&TableRef>,
) -> Result<MaintenanceReport> {
    let began = Instant::now();
    let answer = command::run(cluster, operation, statements).await?;
    let notices: Vec<String> = answer.notices.into_iter().map(|notice| notice.message).collect();
    let elapsed = began.elapsed();
    let outcome = if notices.iter().any(|notice| says_skipped(notice)) {
        MaintenanceOutcome::Skipped
    } else if may(cluster, table).await {
        MaintenanceOutcome::Done
    } else {
        MaintenanceOutcome::Unconfirmed
    };
    Ok(MaintenanceReport { outcome, notices, elapsed })
}

/// `skipping "t" --- only table or database owner can vacuum it`.
pub(super) fn says_skipped(notice: &str) -> bool {
    let notice = notice.trim_start().to_ascii_lowercase();
    notice.starts_with("skipping ") || notice.starts_with("skipped ")
}

/// Whether the user's rights are beyond doubt.
async fn may(cluster: &Cluster, table: Option<&TableRef>) -> bool {
    owns(cluster, table).await.unwrap_or_else(|error| {
        tracing::debug!(error = %Report(&error), "the owner cannot be found out");
        false
    })
}

async fn owns(cluster: &Cluster, table: Option<&TableRef>) -> Result<bool> {
    const USER: &str =
        "SELECT usename, CASE WHEN usesuper THEN 't' ELSE 'f' END FROM pg_user WHERE usename = current_user";
    let user = rows(cluster, "maintenance.user", USER).await?.into_iter().next().unwrap_or_default();
    let [Some(user), superuser] = <[Option<String>; 2]>::try_from(user).unwrap_or_default() else { return Ok(false) };
    if superuser.as_deref() == Some("t") {
        return Ok(true);
    }
    let owner = match table {
        Some(table) => {
            let table = tables::describe(cluster, table).await?.info.table;
            format!(
                "SELECT table_owner FROM svv_redshift_tables WHERE database_name = {} AND schema_name = {} AND table_name = {}",
                RedshiftDialect.string(table.catalog().unwrap_or_default())?,
                RedshiftDialect.string(table.schema().unwrap_or_default())?,
                RedshiftDialect.string(table.name())?
            )
        }
        None => "SELECT u.usename FROM pg_database d JOIN pg_user u ON u.usesysid = d.datdba \
                 WHERE d.datname = current_database()"
            .to_owned(),
    };
    let owner = rows(cluster, "maintenance.owner", &owner).await?;
    Ok(owner.into_iter().next().and_then(|row| row.into_iter().next().flatten()) == Some(user))
}
