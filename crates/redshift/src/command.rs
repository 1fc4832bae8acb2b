//! Statements of our own that change something and give no rows.

use std::time::Duration;

use twinhouse_core::{Result, resilience::Operation};

use crate::{
    cluster::Cluster,
    pool::{Answer, Extras},
};

/// They have no limit per attempt: a vacuum takes hours.
const UNBOUNDED: Duration = Duration::from_secs(365 * 24 * 3600);

/// Runs statements one after the other on one session and answers what the last said. It is repeated only where the server
/// certainly did nothing. Dropped, what runs is cancelled on the server.
pub(crate) async fn run(cluster: &Cluster, name: &'static str, statements: &[&str]) -> Result<Answer> {
    cluster.check_open()?;
    let attempt = || async {
        let mut session = cluster.pool().checkout().await?;
        session.apply(&Extras::default()).await?;
        let mut answer = Answer::default();
        for sql in statements {
            answer = session.ask(sql).await?;
        }
        Ok(answer)
    };
    let operation = Operation::write(name).with_class("statement").with_attempt_timeout(UNBOUNDED);
    cluster.policy().execute(operation, |_| attempt()).await
}
