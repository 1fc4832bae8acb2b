//! Clusters that are good enough to begin with.

use super::{AwsAttributes, AwsAvailability, ClusterSpec, GcpAttributes, node_type, spark_version};

/// Where the workspace runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cloud {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
}

impl Cloud {
    fn pick(self, aws: &'static str, azure: &'static str, gcp: &'static str) -> &'static str {
        match self {
            Self::Aws => aws,
            Self::Azure => azure,
            Self::Gcp => gcp,
        }
    }
}

/// Shuffles and files of a size that fits the data.
const ADAPTIVE: [(&str, &str); 2] =
    [("spark.sql.adaptive.enabled", "true"), ("spark.databricks.delta.optimizeWrite.enabled", "true")];
/// The same, for much data.
const ETL: [(&str, &str); 5] = [
    ("spark.sql.shuffle.partitions", "auto"),
    ("spark.sql.adaptive.enabled", "true"),
    ("spark.sql.adaptive.coalescePartitions.enabled", "true"),
    ("spark.databricks.delta.optimizeWrite.enabled", "true"),
    ("spark.databricks.delta.autoCompact.enabled", "true"),
];
/// A GPU is one task's.
const GPU: [(&str, &str); 2] = [("spark.task.resource.gpu.amount", "1"), ("spark.sql.adaptive.enabled", "true")];

/// # Presets
///
/// Machines are the [constants of each cloud](super::node_type), versions those [with long-term
/// support](super::spark_version). Everything can be changed afterwards.
impl ClusterSpec {
    /// Two workers of 4 cores: for light work.
    pub fn small(cloud: Cloud) -> Self {
        let node =
            cloud.pick(node_type::aws::M5D_XLARGE, node_type::azure::STANDARD_DS3_V2, node_type::gcp::N2_STANDARD_4);
        Self::new(spark_version::DEFAULT).with_node_type(node).with_workers(2).on(cloud)
    }

    /// Two to eight workers of 8 cores, as many as the work needs.
    pub fn medium_autoscale(cloud: Cloud) -> Self {
        let node =
            cloud.pick(node_type::aws::M5D_2XLARGE, node_type::azure::STANDARD_DS4_V2, node_type::gcp::N2_STANDARD_8);
        let spec = Self::new(spark_version::DEFAULT).with_node_type(node).with_autoscale(2, 8);
        spec.with_spark_confs(ADAPTIVE).on(cloud)
    }

    /// Four to 32 workers of 8 cores and 64 GB, with a larger driver: for heavy transformations.
    pub fn large_etl(cloud: Cloud) -> Self {
        let node =
            cloud.pick(node_type::aws::R5D_2XLARGE, node_type::azure::STANDARD_E8S_V3, node_type::gcp::N2_HIGHMEM_8);
        let driver =
            cloud.pick(node_type::aws::R5D_4XLARGE, node_type::azure::STANDARD_E16S_V3, node_type::gcp::N2_HIGHMEM_16);
        let spec = Self::new(spark_version::DEFAULT).with_node_type(node).with_driver_node_type(driver);
        spec.with_autoscale(4, 32).with_spark_confs(ETL).on(cloud)
    }

    /// Two workers with a GPU each, and the runtime with machine learning libraries.
    pub fn gpu_ml(cloud: Cloud) -> Self {
        let node = cloud.pick(
            node_type::aws::G4DN_XLARGE,
            node_type::azure::STANDARD_NC4AS_T4_V3,
            node_type::gcp::G2_STANDARD_4,
        );
        let spec = Self::new(spark_version::DEFAULT_GPU_ML).with_node_type(node).with_workers(2);
        spec.with_spark_confs(GPU).on(cloud)
    }

    /// What a cloud wants said.
    fn on(self, cloud: Cloud) -> Self {
        match cloud {
            Cloud::Aws => {
                let aws = AwsAttributes::new().with_zone("auto").with_availability(AwsAvailability::OnDemand);
                self.with_aws_attributes(aws)
            }
            Cloud::Azure => self,
            // The machines of the presets have no disk of their own but this.
            Cloud::Gcp => self.with_gcp_attributes(GcpAttributes::new().with_local_ssds(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_on_every_cloud_and_takes_its_machines() {
        for (cloud, machine) in [(Cloud::Aws, "."), (Cloud::Azure, "Standard_"), (Cloud::Gcp, "-")] {
            for preset in
                [ClusterSpec::small, ClusterSpec::medium_autoscale, ClusterSpec::large_etl, ClusterSpec::gpu_ml]
            {
                let spec = preset(cloud);
                spec.check("new_cluster").unwrap();
                assert!(spec.node_type_id.as_deref().unwrap().contains(machine), "{spec:?}");
                assert_eq!(spec.aws_attributes.is_some(), cloud == Cloud::Aws);
                assert_eq!(spec.gcp_attributes.is_some(), cloud == Cloud::Gcp);
            }
        }
        let large = ClusterSpec::large_etl(Cloud::Azure);
        assert_eq!(large.autoscale.map(|scale| (scale.min_workers, scale.max_workers)), Some((4, 32)));
        assert_eq!(large.driver_node_type_id.as_deref(), Some("Standard_E16s_v3"));
        assert_eq!(large.spark_conf["spark.sql.shuffle.partitions"], "auto");
        assert!(ClusterSpec::gpu_ml(Cloud::Gcp).spark_version.contains("gpu-ml"));
    }
}
