//! What a warehouse should be like.

use serde::{Deserialize, Serialize};
use twinhouse_core::{Error, ErrorKind, Result};

use crate::words::words;

/// The longest name, in characters.
const LONGEST_NAME: usize = 99;
/// The most clusters.
const MOST_CLUSTERS: u32 = 40;
/// The most clusters that always run.
const MOST_ALWAYS: u32 = 30;
/// The shortest time that an idle warehouse may stay, in minutes.
const SHORTEST_IDLE: u32 = 10;
/// The most tags.
const MOST_TAGS: usize = 45;

/// A warehouse to be made, or what one should be like from now on.
///
/// ```
/// use twinhouse_databricks::warehouses::{ClusterSize, WarehouseRequest};
///
/// let request = WarehouseRequest::new("nightly").with_cluster_size(ClusterSize::Small).with_auto_stop_mins(10);
/// # let _ = request;
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WarehouseRequest {
    /// Its name, which no other has: 1 to 99 characters.
    pub name: String,
    /// The size of a cluster.
    pub cluster_size: ClusterSize,
    /// The fewest clusters: 1 to 30. The service's default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_num_clusters: Option<u32>,
    /// The most clusters: up to 40. The service's default: the fewest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_num_clusters: Option<u32>,
    /// After how many idle minutes it stops: 0 for never, or 10 and more. The service's default: 120.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_stop_mins: Option<u32>,
    /// Whether it runs on the faster engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_photon: Option<bool>,
    /// Whether it runs on the service's own machines. Only with [`WarehouseType::Pro`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_serverless_compute: Option<bool>,
    /// Its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warehouse_type: Option<WarehouseType>,
    /// Whether spot instances are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot_instance_policy: Option<SpotInstancePolicy>,
    /// Which release of the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// Its tags, which bills show.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "custom_tags")]
    pub tags: Vec<EndpointTag>,
}

fn custom_tags<S: serde::Serializer>(tags: &[EndpointTag], to: S) -> Result<S::Ok, S::Error> {
    serde_json::json!({ "custom_tags": tags }).serialize(to)
}

/// A tag of a warehouse.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EndpointTag {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

words! {
    /// The size of a cluster.
    ClusterSize {
        /// 2X-Small
        XxSmall = "2X-Small",
        /// X-Small
        XSmall = "X-Small",
        /// Small
        Small = "Small",
        /// Medium
        Medium = "Medium",
        /// Large
        Large = "Large",
        /// X-Large
        XLarge = "X-Large",
        /// 2X-Large
        XxLarge = "2X-Large",
        /// 3X-Large
        XxxLarge = "3X-Large",
        /// 4X-Large
        XxxxLarge = "4X-Large",
    }
}

words! {
    /// The kind of a warehouse.
    WarehouseType {
        /// The older kind.
        Classic = "CLASSIC",
        /// The kind that may be serverless.
        Pro = "PRO",
    }
}

/// Whether spot instances are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum SpotInstancePolicy {
    /// Where that costs less.
    CostOptimized,
    /// Never.
    ReliabilityOptimized,
}

/// Which release of the engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "name", rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Channel {
    /// The current one.
    #[serde(rename = "CHANNEL_NAME_CURRENT")]
    Current,
    /// The next one, before everybody has it.
    #[serde(rename = "CHANNEL_NAME_PREVIEW")]
    Preview,
}

impl WarehouseRequest {
    /// A warehouse of this name, of the smallest size.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            cluster_size: ClusterSize::XxSmall,
            min_num_clusters: None,
            max_num_clusters: None,
            auto_stop_mins: None,
            enable_photon: None,
            enable_serverless_compute: None,
            warehouse_type: None,
            spot_instance_policy: None,
            channel: None,
            tags: Vec::new(),
        }
    }

    /// The size of a cluster.
    #[must_use]
    pub fn with_cluster_size(mut self, size: ClusterSize) -> Self {
        self.cluster_size = size;
        self
    }

    /// The fewest and the most clusters.
    #[must_use]
    pub fn with_clusters(mut self, fewest: u32, most: u32) -> Self {
        self.min_num_clusters = Some(fewest);
        self.max_num_clusters = Some(most);
        self
    }

    /// After how many idle minutes it stops: 0 for never, or 10 and more.
    #[must_use]
    pub fn with_auto_stop_mins(mut self, minutes: u32) -> Self {
        self.auto_stop_mins = Some(minutes);
        self
    }

    /// On the service's own machines.
    #[must_use]
    pub fn serverless(mut self) -> Self {
        self.enable_serverless_compute = Some(true);
        self.warehouse_type = Some(WarehouseType::Pro);
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn with_tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push(EndpointTag { key: key.into(), value: value.into() });
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let wrong = |field: &'static str, why: &'static str| {
            Err(Error::new(ErrorKind::InvalidInput, why).with_context("field", field))
        };
        if self.name.trim().is_empty() || self.name.chars().count() > LONGEST_NAME {
            return wrong("name", "the name of a warehouse has 1 to 99 characters");
        }
        let fewest = self.min_num_clusters.unwrap_or(1);
        if fewest == 0 || fewest > MOST_ALWAYS {
            return wrong("min_num_clusters", "a warehouse has at least 1 to 30 clusters");
        }
        if self.max_num_clusters.is_some_and(|most| most < fewest || most > MOST_CLUSTERS) {
            return wrong("max_num_clusters", "the most clusters are at least the fewest, and at most 40");
        }
        if self.auto_stop_mins.is_some_and(|minutes| minutes != 0 && minutes < SHORTEST_IDLE) {
            return wrong("auto_stop_mins", "an idle warehouse stays for 10 minutes or more, or (0) for ever");
        }
        if self.enable_serverless_compute == Some(true) && self.warehouse_type == Some(WarehouseType::Classic) {
            return wrong("warehouse_type", "only PRO warehouses are serverless");
        }
        if self.tags.len() > MOST_TAGS {
            return wrong("tags", "a warehouse has at most 45 tags");
        }
        if self.tags.iter().any(|tag| tag.key.is_empty()) {
            return wrong("tags", "the key of a tag must not be empty");
        }
        let twice = |(at, tag): (usize, &EndpointTag)| self.tags[..at].iter().any(|earlier| earlier.key == tag.key);
        if self.tags.iter().enumerate().any(twice) {
            return wrong("tags", "a tag has one value; a key is there twice");
        }
        if matches!(&self.cluster_size, ClusterSize::Other(word) if word.is_empty()) {
            return wrong("cluster_size", "a size needs a name");
        }
        Ok(())
    }
}
