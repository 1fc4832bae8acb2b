//! Stopping queries and sessions of others.

use twinhouse_core::Result;

use crate::{cluster::Cluster, views::rows};

pub(super) async fn cancel_query(cluster: &Cluster, id: i64) -> Result<bool> {
    let sql = format!(
        "SELECT session_id FROM sys_query_history WHERE query_id = {id} \
         AND status IN ('planning', 'queued', 'running', 'returning')"
    );
    let found = rows(cluster, "queries.find", &sql).await?;
    match found.into_iter().next().and_then(|row| row.into_iter().next().flatten()).and_then(|text| text.parse().ok()) {
        Some(process) => tell(cluster, "queries.cancel", "pg_cancel_backend", process).await.map(|()| true),
        None => Ok(false),
    }
}

pub(super) async fn cancel_session(cluster: &Cluster, process: i32) -> Result<bool> {
    stop(cluster, "sessions.cancel", "pg_cancel_backend", process).await
}

pub(super) async fn terminate_session(cluster: &Cluster, process: i32) -> Result<bool> {
    stop(cluster, "sessions.terminate", "pg_terminate_backend", process).await
}

async fn stop(cluster: &Cluster, operation: &'static str, function: &str, process: i32) -> Result<bool> {
    let sql =
        format!("SELECT 1 FROM sys_session_history WHERE session_id = {process} AND TRIM(status) = 'active' LIMIT 1");
    if rows(cluster, operation, &sql).await?.is_empty() {
        return Ok(false);
    }
    tell(cluster, operation, function, process).await.map(|()| true)
}

/// What the functions answer is not documented; that nothing was wrong is all there is to know.
async fn tell(cluster: &Cluster, operation: &'static str, function: &str, process: i32) -> Result<()> {
    rows(cluster, operation, &format!("SELECT {function}({process})")).await.map(drop)
}
