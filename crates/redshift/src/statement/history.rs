//! Statements as the server's own history sees them: to look at and to stop from anywhere, another process too.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use twinhouse_core::{Error, ErrorKind, Result, resilience::Operation};
use twinhouse_warehouse_api::{
    BatchStream, CallOptions, OnDrop, StatementDriver, StatementHandle, StatementId, StatementStatus,
};

use crate::{cluster::Cluster, error::refused, wire::message::ServerMessage};

/// Columns that every version of the view has.
const COLUMNS: &str = "query_id, session_id, status, elapsed_time, queue_time, execution_time, returned_rows, \
                       returned_bytes, error_message";
const GOING_ON: &str = "status IN ('planning', 'queued', 'running', 'returning')";

/// How far a statement has come, as `SYS_QUERY_HISTORY` shows it. What the server does not say is none.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StatementProgress {
    /// The server's number of the query; see [`attach_query`](crate::RedshiftWarehouse::attach_query).
    pub query_id: i64,
    /// The server process that runs it.
    pub session_id: i32,
    /// Where it stands.
    pub status: StatementStatus,
    /// How many queries of its queue wait before it; none unless it waits.
    pub queue_position: Option<u64>,
    /// How long it took so far.
    pub elapsed: Option<Duration>,
    /// How much of that it waited in its queue.
    pub queued: Option<Duration>,
    /// How much of that it was at work.
    pub executing: Option<Duration>,
    /// Rows sent back so far.
    pub returned_rows: Option<u64>,
    /// Bytes sent back so far.
    pub returned_bytes: Option<u64>,
}

/// One look at a statement of this process, or at a query by its number.
pub(crate) async fn progress(cluster: &Cluster, id: &StatementId) -> Result<StatementProgress> {
    let found = match id.as_str().parse::<i64>() {
        Ok(query) => look(cluster, &format!("query_id = {query}")).await?,
        Err(_) => match cluster.running().find(id).and_then(|control| control.process()) {
            Some(process) => look(cluster, &format!("session_id = {process} AND {GOING_ON}")).await?,
            None => None,
        },
    };
    found.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "the server's history shows no such statement").with_statement_id(id.as_str())
    })
}

/// A handle on a query by its number. It stops nothing when it is dropped.
pub(crate) async fn attach(cluster: Arc<Cluster>, query: i64) -> Result<StatementHandle> {
    let id = StatementId::new(query.to_string());
    progress(&cluster, &id).await?;
    let options = CallOptions::default().with_on_drop(OnDrop::Detach);
    Ok(StatementHandle::new(Arc::new(Attached { cluster, query, id }), &options))
}

async fn look(cluster: &Cluster, which: &str) -> Result<Option<StatementProgress>> {
    let sql = format!("SELECT {COLUMNS} FROM sys_query_history WHERE {which} ORDER BY start_time DESC LIMIT 1");
    let operation = Operation::read("statement.progress").with_class("statement");
    let row = cluster
        .policy()
        .execute(operation.clone(), |_| async {
            let answer = cluster.pool().checkout().await?.ask(&sql).await?;
            Ok(answer.rows.into_iter().next())
        })
        .await?;
    let Some(row) = row else { return Ok(None) };
    let text = |at: usize| row.get(at).and_then(Option::as_deref).map(str::trim).unwrap_or_default();
    let number = |at: usize| text(at).parse::<u64>().ok();
    let micros = |at: usize| number(at).map(Duration::from_micros);
    let (Ok(query_id), Ok(session_id)) = (text(0).parse(), text(1).parse()) else {
        return Err(Error::new(ErrorKind::Protocol, "the server's history has no readable numbers"));
    };
    let mut progress = StatementProgress {
        query_id,
        session_id,
        status: status(text(2), text(8), query_id),
        queue_position: None,
        elapsed: micros(3),
        queued: micros(4),
        executing: micros(5),
        returned_rows: number(6),
        returned_bytes: number(7),
    };
    if matches!(progress.status, StatementStatus::Queued) {
        progress.queue_position = queue_position(cluster, query_id).await;
    }
    Ok(Some(progress))
}

/// Older servers do not say which queue a query waits in.
async fn queue_position(cluster: &Cluster, query: i64) -> Option<u64> {
    let sql = format!(
        "SELECT count(*) FROM sys_query_history o, sys_query_history m WHERE m.query_id = {query} AND o.status = 'queued' \
         AND o.service_class_id = m.service_class_id AND o.start_time < m.start_time"
    );
    let answer = cluster.pool().checkout().await.ok()?.ask(&sql).await;
    answer.inspect_err(|error| tracing::debug!(%error, "no place in the queue")).ok()?.value()?.parse().ok()
}

fn status(word: &str, message: &str, query: i64) -> StatementStatus {
    match word {
        "planning" | "queued" => StatementStatus::Queued,
        "success" => StatementStatus::Succeeded,
        "canceled" | "cancelled" => StatementStatus::Cancelled,
        "failed" => {
            // The view keeps the words and not the code.
            let message = ServerMessage { code: "XX000".to_owned(), message: message.to_owned(), ..Default::default() };
            StatementStatus::Failed(refused(message).with_statement_id(query.to_string()))
        }
        _ => StatementStatus::Running,
    }
}

#[derive(Debug)]
struct Attached {
    cluster: Arc<Cluster>,
    query: i64,
    id: StatementId,
}

#[async_trait]
impl StatementDriver for Attached {
    fn id(&self) -> &StatementId {
        &self.id
    }

    async fn status(&self) -> Result<StatementStatus> {
        Ok(progress(&self.cluster, &self.id).await?.status)
    }

    /// The server cancels by session; one that has gone on to another query meanwhile is left alone, as far as a look just
    /// before can tell.
    async fn cancel(&self) -> Result<()> {
        let which = format!("query_id = {} AND {GOING_ON}", self.query);
        let Some(found) = look(&self.cluster, &which).await? else { return Ok(()) };
        let sql = format!("SELECT pg_cancel_backend({})", found.session_id);
        self.cluster.pool().checkout().await?.ask(&sql).await.map(|_| ())
    }

    async fn results(&self) -> Result<BatchStream> {
        let wish =
            "gives the rows of a query to the connection that runs it only: run it again, or through the Data API";
        Err(Error::unsupported("redshift", wish).with_statement_id(self.id.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_views_words_become_states() {
        for (word, wanted) in [
            ("planning", "Queued"),
            ("queued", "Queued"),
            ("running", "Running"),
            ("returning", "Running"),
            ("success", "Succeeded"),
            ("canceled", "Cancelled"),
        ] {
            assert_eq!(format!("{:?}", status(word, "", 1)), wanted);
        }
        let StatementStatus::Failed(error) = status("failed", "1023", 7) else { panic!("not failed") };
        assert_eq!((error.kind(), error.statement_id()), (ErrorKind::Conflict, Some("7")));
    }
}
