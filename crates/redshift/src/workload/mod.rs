//! Workload management: queues, queries that run or ran, sessions, and how to stop them.

mod metrics;
mod query;
mod queue;
mod session;
mod stop;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::stream::BoxStream;
use twinhouse_core::Result;

pub use self::{
    metrics::{QueryMetrics, StepMetrics},
    query::{QueryFilter, QueryInfo, QueryState},
    queue::QueueState,
    session::SessionInfo,
};
pub use crate::views::Deployment;
use crate::{RedshiftWarehouse, cluster::Cluster, views};

/// The queues of a server, what runs in them and what ran; see [`RedshiftWarehouse::workload`].
///
/// Everything comes from system views. Superusers see everybody's queries, others their own. What a view does not say is
/// `None`, never a guess; times are the server's.
///
/// The queue of a query is chosen by its *query group*: the label of the request, or
/// [`SessionSettings::query_group`](crate::SessionSettings) for all calls of a handle.
///
/// ```no_run
/// use futures::TryStreamExt as _;
/// use twinhouse_redshift::{QueryFilter, RedshiftWarehouse};
///
/// # async fn example(warehouse: RedshiftWarehouse) -> twinhouse_core::Result<()> {
/// let workload = warehouse.workload();
/// for queue in workload.queues().await? {
///     println!("{}: {:?} running, {:?} waiting", queue.name, queue.running, queue.queued);
/// }
/// let mut running = workload.running_queries(QueryFilter::default().with_label("nightly"));
/// while let Some(query) = running.try_next().await? {
///     workload.cancel_query(query.id).await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Workload(Arc<Cluster>);

impl RedshiftWarehouse {
    /// The server's queues, queries and sessions.
    pub fn workload(&self) -> Workload {
        Workload(self.cluster().clone())
    }

    /// Whether this is a provisioned cluster or a serverless workgroup. Asked once.
    ///
    /// # Errors
    ///
    /// Those of a connection.
    pub async fn deployment(&self) -> Result<Deployment> {
        views::deployment(self.cluster()).await
    }
}

impl Workload {
    /// The queues with their configuration and what is in them, in the order of their numbers.
    ///
    /// A provisioned cluster answers from `STV_WLM_SERVICE_CLASS_CONFIG` and `_STATE`; the queue of the superuser (5) and
    /// those that the server keeps for itself are among them: see [`QueueState::is_for_users`]. A serverless workgroup has
    /// no queues to configure: it answers with one that has no number of slots.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PermissionDenied`](twinhouse_core::ErrorKind::PermissionDenied) if the user may not see the queues: on
    /// a provisioned cluster only superusers may.
    pub async fn queues(&self) -> Result<Vec<QueueState>> {
        self.0.check_open()?;
        queue::queues(&self.0).await
    }

    /// The queries that wait or run now, youngest first. The one that asks is not among them.
    ///
    /// On a provisioned cluster each comes with its place in the queue and the slots it takes.
    pub fn running_queries(&self, filter: QueryFilter) -> BoxStream<'static, Result<QueryInfo>> {
        query::running(self.0.clone(), filter)
    }

    /// The queries that wait, run or ran, youngest first; the server keeps them for about a week.
    pub fn recent_queries(&self, filter: QueryFilter) -> BoxStream<'static, Result<QueryInfo>> {
        query::recent(self.0.clone(), filter)
    }

    /// The query of this number, if the server still knows it and the user may see it.
    ///
    /// # Errors
    ///
    /// Those of a connection.
    pub async fn query(&self, id: i64) -> Result<Option<QueryInfo>> {
        self.0.check_open()?;
        query::one(&self.0, id).await
    }

    /// The whole text of a query, with its line ends. [`QueryInfo::text`] holds the first 4,000 bytes only.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) if there is none.
    pub async fn query_text(&self, id: i64) -> Result<String> {
        self.0.check_open()?;
        query::text(&self.0, id).await
    }

    /// What a query cost, as far as the server says.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) if the server does not know the query.
    pub async fn query_metrics(&self, id: i64) -> Result<QueryMetrics> {
        self.0.check_open()?;
        metrics::metrics(&self.0, id).await
    }

    /// The sessions that are open, oldest first.
    pub fn sessions(&self) -> BoxStream<'static, Result<SessionInfo>> {
        session::sessions(self.0.clone())
    }

    /// Cancels a query, and answers whether it was waiting or running when asked.
    ///
    /// Redshift cancels by session, not by query: should the query end at this very moment and its session begin another,
    /// that one is hit. A query of the program's own is better cancelled through its handle.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PermissionDenied`](twinhouse_core::ErrorKind::PermissionDenied) for the query of another user, unless
    /// a superuser asks.
    pub async fn cancel_query(&self, id: i64) -> Result<bool> {
        self.0.check_open()?;
        stop::cancel_query(&self.0, id).await
    }

    /// Cancels whatever the session of this process runs, and answers whether there was such a session.
    ///
    /// # Errors
    ///
    /// As [`cancel_query`](Self::cancel_query).
    pub async fn cancel_session(&self, process: i32) -> Result<bool> {
        self.0.check_open()?;
        stop::cancel_session(&self.0, process).await
    }

    /// Ends the session of this process and rolls back its transaction; answers whether there was such a session.
    ///
    /// # Errors
    ///
    /// As [`cancel_query`](Self::cancel_query).
    pub async fn terminate_session(&self, process: i32) -> Result<bool> {
        self.0.check_open()?;
        stop::terminate_session(&self.0, process).await
    }
}
