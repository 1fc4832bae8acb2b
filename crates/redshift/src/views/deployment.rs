//! What the server is: which of its views there are depends on it.

use std::sync::Arc;

use tokio::sync::OnceCell;
use twinhouse_core::{ErrorKind, Result};

use super::rows;
use crate::cluster::Cluster;

/// Filled by the first who asks.
pub(crate) type DeploymentCell = Arc<OnceCell<Deployment>>;

/// How a Redshift database is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deployment {
    /// A cluster of nodes. It has the `STL_`, `STV_` and `SVL_` views beside the `SYS_` ones.
    Provisioned,
    /// A serverless workgroup. It has the `SYS_` views only.
    Serverless,
}

/// What the server is; asked once for each cluster.
pub(crate) async fn deployment(cluster: &Cluster) -> Result<Deployment> {
    let ask = || async {
        // A custom domain name says nothing, so the server is asked: every user of a cluster may read this view.
        match rows(cluster, "deployment", "SELECT 1 FROM stv_recents LIMIT 0").await {
            Ok(_) => Ok(Deployment::Provisioned),
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound) => {
                Ok(Deployment::Serverless)
            }
            Err(error) => Err(error),
        }
    };
    cluster.deployment().get_or_try_init(ask).await.copied()
}
