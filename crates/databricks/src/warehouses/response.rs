//! What the service says of a warehouse.

use serde::Deserialize;

use super::request::EndpointTag;
use crate::{
    wire::{count, nullable},
    words::words,
};

/// A SQL warehouse.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Warehouse {
    /// Its id: what statements name.
    #[serde(deserialize_with = "nullable")]
    pub id: String,
    /// Its name.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    /// Where it stands.
    #[serde(deserialize_with = "nullable")]
    pub state: WarehouseState,
    /// How it is.
    pub health: Option<Health>,
    /// The size of a cluster, in the service's word.
    pub cluster_size: Option<String>,
    /// The kind, in the service's word: `PRO`, `CLASSIC`.
    pub warehouse_type: Option<String>,
    /// The fewest clusters.
    #[serde(deserialize_with = "count")]
    pub min_num_clusters: Option<u64>,
    /// The most clusters.
    #[serde(deserialize_with = "count")]
    pub max_num_clusters: Option<u64>,
    /// Clusters at work.
    #[serde(deserialize_with = "count")]
    pub num_clusters: Option<u64>,
    /// Open sessions.
    #[serde(deserialize_with = "count")]
    pub num_active_sessions: Option<u64>,
    /// After how many idle minutes it stops; 0 is never.
    #[serde(deserialize_with = "count")]
    pub auto_stop_mins: Option<u64>,
    /// Whether it runs on the faster engine.
    #[serde(deserialize_with = "nullable")]
    pub enable_photon: bool,
    /// Whether it runs on the service's own machines.
    #[serde(deserialize_with = "nullable")]
    pub enable_serverless_compute: bool,
    /// Who made it.
    pub creator_name: Option<String>,
    /// Where drivers connect.
    pub odbc_params: Option<OdbcParams>,
    /// Where drivers connect, as one text.
    pub jdbc_url: Option<String>,
    /// Its tags.
    #[serde(deserialize_with = "tags")]
    pub tags: Vec<EndpointTag>,
}

fn tags<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<EndpointTag>, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Tags {
        #[serde(deserialize_with = "nullable")]
        custom_tags: Vec<EndpointTag>,
    }
    let tags: Tags = nullable(from)?;
    Ok(tags.custom_tags)
}

words! {
    /// Where a warehouse stands. Empty if the service does not say.
    WarehouseState {
        /// On its way up.
        Starting = "STARTING",
        /// At work.
        Running = "RUNNING",
        /// On its way down.
        Stopping = "STOPPING",
        /// Down. A statement starts it.
        Stopped = "STOPPED",
        /// Being removed.
        Deleting = "DELETING",
        /// Removed.
        Deleted = "DELETED",
    }
}

impl Default for WarehouseState {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

/// How a warehouse is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Health {
    /// In one word.
    #[serde(deserialize_with = "nullable")]
    pub status: HealthStatus,
    /// In a sentence, where it is not well.
    pub summary: Option<String>,
    /// In full, where it is not well.
    pub details: Option<String>,
    /// The older form of both.
    pub message: Option<String>,
    /// Why its clusters do not come up, as the service sends it.
    pub failure_reason: Option<serde_json::Value>,
}

words! {
    /// How a warehouse is, in one word. Empty if the service does not say.
    HealthStatus {
        /// Well.
        Healthy = "HEALTHY",
        /// Less than well.
        Degraded = "DEGRADED",
        /// Not at all.
        Failed = "FAILED",
    }
}

impl Default for HealthStatus {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

/// Where drivers connect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct OdbcParams {
    /// The host.
    pub hostname: Option<String>,
    /// The path that names the warehouse.
    pub path: Option<String>,
    /// The port.
    #[serde(deserialize_with = "count")]
    pub port: Option<u64>,
    /// `https`, on the service.
    pub protocol: Option<String>,
}
