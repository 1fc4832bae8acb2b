//! Whether the server is there, and how the pool is.

use std::time::Duration;

use tokio::time::Instant;
use twinhouse_core::{Result, resilience::Operation};

use crate::{RedshiftWarehouse, pool::PoolStatus};

/// What a look at the server found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// From the wish for a connection to the answer.
    pub latency: Duration,
    /// What the server says it is, for example `8.0.2`.
    pub server_version: Option<String>,
    /// The pool, right after.
    pub pool: PoolStatus,
}

impl RedshiftWarehouse {
    /// Opens connections until as many are there as [`pool_min`](crate::RedshiftBuilder::pool_min) says; answers how
    /// many there are. From then on that many are kept.
    ///
    /// A wrong password or an address that nobody answers shows here rather than at the first query.
    ///
    /// # Errors
    ///
    /// The first failure; connections that were opened stay.
    ///
    /// # Cancellation
    ///
    /// Dropping the future keeps the connections that were opened by then.
    pub async fn warm_up(&self) -> Result<usize> {
        self.cluster().check_open()?;
        self.cluster().pool().warm_up().await
    }

    /// How many connections there are at the moment, and how many callers want one. Nothing is sent.
    pub fn pool_status(&self) -> PoolStatus {
        self.cluster().pool().status()
    }

    /// Asks the server for a sign of life.
    ///
    /// ```no_run
    /// # async fn example(warehouse: &twinhouse_redshift::RedshiftWarehouse) -> twinhouse_core::Result<()> {
    /// let health = warehouse.health().await?;
    /// println!("{:?}, {} of {} connections in use", health.latency, health.pool.in_use, health.pool.max_size);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What stands between us and the server, after the usual repetitions.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn health(&self) -> Result<Health> {
        let cluster = self.cluster();
        cluster.check_open()?;
        let began = Instant::now();
        let server_version = cluster
            .policy()
            .execute(Operation::read("health").with_class("statement"), |_| async move {
                let mut session = cluster.pool().checkout().await?;
                session.ask("SELECT 1").await?;
                Ok(session.connection().server_version().map(str::to_owned))
            })
            .await?;
        Ok(Health { latency: began.elapsed(), server_version, pool: cluster.pool().status() })
    }
}
