//! How many files the server loads at a time.

use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::{cluster::Cluster, pool::Session};

/// Where the number of slices cannot be seen, as on serverless workgroups.
const UNKNOWN: usize = 4;

/// The number of slices, asked for once.
pub(crate) type Slices = Arc<OnceCell<usize>>;

/// How many slices the server has; a likely number if it does not say.
pub(crate) async fn slices(cluster: &Cluster) -> usize {
    let ask = || async {
        let mut session = cluster.pool().checkout().await.ok()?;
        count(&mut session).await
    };
    match cluster.slices().get() {
        Some(known) => *known,
        None => {
            let found = ask().await;
            let number = found.unwrap_or(UNKNOWN);
            // A server that could not be asked is asked again.
            let _ = found.is_some() && cluster.slices().set(number).is_ok();
            number
        }
    }
}

async fn count(session: &mut Session) -> Option<usize> {
    match session.ask("SELECT COUNT(*) FROM stv_slices").await {
        Ok(answer) => answer.value()?.parse().ok().filter(|slices| *slices > 0),
        // Not every server has the view, or shows it to everybody.
        Err(error) if error.sqlstate().is_some() => Some(UNKNOWN),
        Err(_) => None,
    }
}
