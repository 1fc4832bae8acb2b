//! SQL warehouses: `/api/2.0/sql/warehouses`.
//!
//! ```no_run
//! use std::time::Duration;
//! use twinhouse_databricks::{DatabricksClient, warehouses::WaitOptions};
//!
//! # async fn example() -> twinhouse_core::Result<()> {
//! let warehouses = DatabricksClient::from_env()?.warehouses();
//! warehouses.start("1234567890abcdef").await?;
//! let options = WaitOptions::new(Duration::from_secs(600)).with_progress(|warehouse| println!("{}", warehouse.state));
//! warehouses.wait_running("1234567890abcdef", options).await?;
//! # Ok(())
//! # }
//! ```

mod client;
mod request;
mod response;
mod wait;

pub use client::Warehouses;
pub use request::{Channel, ClusterSize, EndpointTag, SpotInstancePolicy, WarehouseRequest, WarehouseType};
pub use response::{Health, HealthStatus, OdbcParams, Warehouse, WarehouseState};
pub use wait::WaitOptions;

use crate::client::DatabricksClient;

impl DatabricksClient {
    /// SQL warehouses: `/api/2.0/sql/warehouses`.
    pub fn warehouses(&self) -> Warehouses {
        Warehouses::new(self.api().clone())
    }
}
