//! Clusters of one's own: for a task, or shared by the tasks of a job.

mod attributes;
pub mod node_type;
mod preset;
pub mod spark_version;
mod spec;

pub use attributes::{
    AwsAttributes, AwsAvailability, AzureAttributes, AzureAvailability, EbsVolumeType, GcpAttributes, GcpAvailability,
};
pub use preset::Cloud;
pub use spec::{AutoScale, ClusterLogConf, ClusterSpec, DataSecurityMode, InitScript, RuntimeEngine, Storage};
