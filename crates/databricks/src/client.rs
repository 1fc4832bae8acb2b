//! A workspace, as one client: each family of its calls is a client of its own, over the same connections.

use std::sync::Arc;

use twinhouse_core::Result;

use crate::{
    api::Client,
    config::{DatabricksBuilder, DatabricksConfig},
    warehouse::DatabricksWarehouse,
};

/// A Databricks workspace. Cheap to clone; clones, and the clients of families that it gives, share connections,
/// credential, rate limits and circuit breakers.
///
/// ```no_run
/// use twinhouse_databricks::DatabricksClient;
///
/// # async fn example() -> twinhouse_core::Result<()> {
/// // Variables, `~/.databrickscfg`, or both: as the vendor's own tools find them.
/// let client = DatabricksClient::from_env()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DatabricksClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    config: DatabricksConfig,
}

impl DatabricksClient {
    /// A client with these settings. Nothing is sent before the first call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](twinhouse_core::ErrorKind::Config) for a certificate or proxy that is malformed.
    pub fn new(config: DatabricksConfig) -> Result<Self> {
        let client = Client::new(&config)?;
        Ok(Self(Arc::new(Inner { client, config })))
    }

    /// A client of the workspace that the environment, or a profile of `~/.databrickscfg`, names.
    ///
    /// # Errors
    ///
    /// As [`DatabricksBuilder::build`] and [`new`](Self::new).
    pub fn from_env() -> Result<Self> {
        Self::builder().client()
    }

    /// Settings to be made; [`DatabricksBuilder::client`] ends them.
    pub fn builder() -> DatabricksBuilder {
        DatabricksConfig::builder()
    }

    /// The settings.
    pub fn config(&self) -> &DatabricksConfig {
        &self.0.config
    }

    /// The configured SQL warehouse behind the contract.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](twinhouse_core::ErrorKind::Config) without `warehouse_id`.
    pub fn warehouse(&self) -> Result<DatabricksWarehouse> {
        DatabricksWarehouse::over(self.0.client.clone(), self.0.config.clone())
    }

    /// What the clients of families send through.
    pub(crate) fn api(&self) -> &Client {
        &self.0.client
    }
}
