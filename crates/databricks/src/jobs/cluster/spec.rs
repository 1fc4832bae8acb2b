//! What a cluster is made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinhouse_core::Result;

use super::{AwsAttributes, AzureAttributes, GcpAttributes};
use crate::jobs::{
    check::{at_most, invalid, not_empty},
    macros::{record, setters, words},
};

/// More the service does not run.
const MOST_INIT_SCRIPTS: usize = 10;

const PROFILE: (&str, &str) = ("spark.databricks.cluster.profile", "singleNode");

words! {
    /// Who may use the cluster, and how much of the data's protection it enforces.
    DataSecurityMode {
        /// One user or service principal.
        SingleUser = "SINGLE_USER",
        /// Several users, kept apart from each other.
        UserIsolation = "USER_ISOLATION",
        /// The service decides.
        Auto = "DATA_SECURITY_MODE_AUTO",
        /// The newer name of `SINGLE_USER`, also for groups.
        Dedicated = "DATA_SECURITY_MODE_DEDICATED",
        /// The newer name of `USER_ISOLATION`.
        Standard = "DATA_SECURITY_MODE_STANDARD",
        /// No protection, and no Unity Catalog.
        None = "NONE",
    }
}

words! {
    /// What executes queries.
    RuntimeEngine {
        /// The vectorised engine.
        Photon = "PHOTON",
        /// Spark's own.
        Standard = "STANDARD",
    }
}

record! {
    /// Between how many workers a cluster may have.
    AutoScale {
        /// At least.
        min_workers: u64,
        /// At most.
        max_workers: u64,
        ;
    }
}

record! {
    /// A place for files.
    Storage {
        /// Its address.
        destination: String,
        ;
        /// The region of an S3 bucket.
        region: Option<String>,
        ..rest
    }
}

impl Storage {
    setters! {
        /// The region of an S3 bucket.
        with_region(region: some String);
    }

    /// A bucket of S3 is found by its region, or by an endpoint.
    fn check_region(&self, field: String) -> Result<()> {
        let found = self.region.is_some() || self.rest.contains_key("endpoint");
        if found { Ok(()) } else { Err(invalid(field, "must be set")) }
    }
}

impl From<&str> for Storage {
    fn from(destination: &str) -> Self {
        Self::new(destination)
    }
}

/// A script that each node runs as it starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum InitScript {
    /// In the workspace: `/Users/…`.
    Workspace(Storage),
    /// In a volume: `/Volumes/…`.
    Volumes(Storage),
    /// In S3: `s3://…`; it needs a region.
    S3(Storage),
    /// In Azure's storage: `abfss://…`.
    Abfss(Storage),
    /// In Google's storage: `gs://…`.
    Gcs(Storage),
    /// In DBFS: `dbfs:/…`.
    Dbfs(Storage),
    /// A place that this crate does not know.
    #[serde(untagged)]
    Other(Value),
}

/// Where the cluster's logs go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ClusterLogConf {
    /// Into a volume.
    Volumes(Storage),
    /// To S3; it needs a region.
    S3(Storage),
    /// Into DBFS.
    Dbfs(Storage),
    /// A place that this crate does not know.
    #[serde(untagged)]
    Other(Value),
}

record! {
    /// A cluster, made for a task or a job and gone with it.
    ///
    /// ```
    /// use twinhouse_databricks::jobs::cluster::{Cloud, ClusterSpec, spark_version};
    ///
    /// let preset = ClusterSpec::medium_autoscale(Cloud::Azure).with_autoscale(2, 4);
    /// let own = ClusterSpec::new(spark_version::LTS_16_4)
    ///     .with_node_type("i3.xlarge")
    ///     .with_workers(4)
    ///     .with_spark_conf("spark.sql.shuffle.partitions", "auto");
    /// # let _ = (preset, own);
    /// ```
    ///
    /// Values of `spark_conf` and `spark_env_vars` can be seen by whoever may see the run. A secret is a
    /// [reference](ClusterSpec::secret).
    ClusterSpec {
        /// The runtime: one of the [constants](super::spark_version), or what the workspace offers.
        spark_version: String,
        ;
        /// The machine of each worker, and of the driver unless that is named.
        node_type_id: Option<String>,
        /// The machine of the driver.
        driver_node_type_id: Option<String>,
        /// So many workers beside the driver. Not together with `autoscale`.
        num_workers: Option<u64>,
        /// As many workers as the work needs.
        autoscale: Option<AutoScale>,
        /// Settings of Spark.
        spark_conf: BTreeMap<String, String>,
        /// Environment variables of all nodes.
        spark_env_vars: BTreeMap<String, String>,
        /// Scripts that each node runs as it starts, one after the other.
        init_scripts: Vec<InitScript>,
        /// Tags of the machines.
        custom_tags: BTreeMap<String, String>,
        /// Takes machines from this pool instead of by type.
        instance_pool_id: Option<String>,
        /// Takes the driver from this pool.
        driver_instance_pool_id: Option<String>,
        /// Rules, and defaults, that an administrator has made.
        policy_id: Option<String>,
        /// Fills what is not said with the policy's defaults.
        apply_policy_default_values: Option<bool>,
        /// Who may use the cluster.
        data_security_mode: Option<DataSecurityMode>,
        /// The one user of a cluster for one user.
        single_user_name: Option<String>,
        /// What executes queries.
        runtime_engine: Option<RuntimeEngine>,
        /// Adds disks as they fill.
        enable_elastic_disk: Option<bool>,
        /// Encrypts local disks.
        enable_local_disk_encryption: Option<bool>,
        /// Where logs go.
        cluster_log_conf: Option<ClusterLogConf>,
        /// What only AWS has.
        aws_attributes: Option<AwsAttributes>,
        /// What only Azure has.
        azure_attributes: Option<AzureAttributes>,
        /// What only Google Cloud has.
        gcp_attributes: Option<GcpAttributes>,
        ..rest
    }
}

impl ClusterSpec {
    setters! {
        /// The machine of each worker, and of the driver unless that is named.
        with_node_type(node_type_id: some String);
        /// The machine of the driver.
        with_driver_node_type(driver_node_type_id: some String);
        /// A setting of Spark.
        with_spark_conf(spark_conf: pair);
        /// Settings of Spark.
        with_spark_confs(spark_conf: pairs);
        /// An environment variable of all nodes.
        with_env_var(spark_env_vars: pair);
        /// One more script that each node runs as it starts.
        with_init_script(init_scripts: push InitScript);
        /// A tag of the machines.
        with_custom_tag(custom_tags: pair);
        /// Takes machines from this pool.
        with_instance_pool(instance_pool_id: some String);
        /// Takes the driver from this pool.
        with_driver_instance_pool(driver_instance_pool_id: some String);
        /// Rules that an administrator has made.
        with_policy(policy_id: some String);
        /// Who may use the cluster.
        with_data_security_mode(data_security_mode: some DataSecurityMode);
        /// The one user of a cluster for one user.
        with_single_user(single_user_name: some String);
        /// What executes queries.
        with_runtime_engine(runtime_engine: some RuntimeEngine);
        /// Where logs go.
        with_logs(cluster_log_conf: some ClusterLogConf);
        /// What only AWS has.
        with_aws_attributes(aws_attributes: some AwsAttributes);
        /// What only Azure has.
        with_azure_attributes(azure_attributes: some AzureAttributes);
        /// What only Google Cloud has.
        with_gcp_attributes(gcp_attributes: some GcpAttributes);
    }

    /// So many workers, always.
    #[must_use]
    pub fn with_workers(mut self, workers: u64) -> Self {
        self.num_workers = Some(workers);
        self.autoscale = None;
        self
    }

    /// As many workers as the work needs, between these.
    #[must_use]
    pub fn with_autoscale(mut self, min_workers: u64, max_workers: u64) -> Self {
        self.autoscale = Some(AutoScale::new(min_workers, max_workers));
        self.num_workers = None;
        self
    }

    /// A driver that does the workers' work too: for small data.
    pub fn single_node(spark_version: impl Into<String>, node_type: impl Into<String>) -> Self {
        Self::new(spark_version)
            .with_node_type(node_type)
            .with_workers(0)
            .with_spark_conf(PROFILE.0, PROFILE.1)
            .with_spark_conf("spark.master", "local[*, 4]")
            .with_custom_tag("ResourceClass", "SingleNode")
    }

    /// A reference to a secret, for the value of a setting of Spark or of an environment variable: the cluster looks it
    /// up, and nobody else sees it.
    pub fn secret(scope: &str, key: &str) -> String {
        format!("{{{{secrets/{scope}/{key}}}}}")
    }

    /// Looks at it without sending it. `field` is where it stands, for the error.
    pub(crate) fn check(&self, field: &str) -> Result<()> {
        let at = |name: &str| format!("{field}.{name}");
        not_empty(at("spark_version"), &self.spark_version)?;
        match (self.num_workers, &self.autoscale) {
            (Some(_), Some(_)) => {
                return Err(invalid(at("autoscale"), "must not be set together with `num_workers`"));
            }
            (None, None) if self.policy_id.is_none() => {
                return Err(invalid(at("num_workers"), "must be set, or `autoscale`"));
            }
            (None, Some(scale)) if scale.max_workers == 0 || scale.min_workers > scale.max_workers => {
                return Err(invalid(
                    at("autoscale"),
                    "must have `min_workers` not above `max_workers`, which is not 0",
                ));
            }
            (Some(0), None) if !is_single_node(self) && self.policy_id.is_none() => {
                return Err(invalid(at("num_workers"), "must be 1 or more; `ClusterSpec::single_node` has none"));
            }
            _ => {}
        }
        if self.node_type_id.is_none() && self.instance_pool_id.is_none() && self.policy_id.is_none() {
            return Err(invalid(at("node_type_id"), "must be set, or `instance_pool_id`"));
        }
        if self.node_type_id.is_some() && self.instance_pool_id.is_some() {
            return Err(invalid(at("instance_pool_id"), "must not be set together with `node_type_id`"));
        }
        let clouds = [self.aws_attributes.is_some(), self.azure_attributes.is_some(), self.gcp_attributes.is_some()];
        if clouds.into_iter().filter(|set| *set).count() > 1 {
            return Err(invalid(at("aws_attributes"), "must not be set together with those of another cloud"));
        }
        let named = [
            ("spark_conf", &self.spark_conf),
            ("spark_env_vars", &self.spark_env_vars),
            ("custom_tags", &self.custom_tags),
        ];
        for (name, values) in named {
            values.keys().try_for_each(|key| not_empty(at(name), key))?;
        }
        for (nth, script) in self.init_scripts.iter().enumerate() {
            if let InitScript::S3(storage) = script {
                storage.check_region(at(&format!("init_scripts[{nth}].s3.region")))?;
            }
        }
        if let Some(ClusterLogConf::S3(storage)) = &self.cluster_log_conf {
            storage.check_region(at("cluster_log_conf.s3.region"))?;
        }
        at_most(at("init_scripts"), self.init_scripts.len(), MOST_INIT_SCRIPTS)
    }
}

/// Without workers, on purpose.
fn is_single_node(spec: &ClusterSpec) -> bool {
    spec.spark_conf.get(PROFILE.0).is_some_and(|profile| profile == PROFILE.1)
        || spec.rest.get("is_single_node") == Some(&Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cluster_is_written_as_the_service_reads_it_and_comes_back_whole() {
        let spec = ClusterSpec::new("15.4.x-scala2.12")
            .with_instance_pool("pool-1")
            .with_autoscale(1, 3)
            .with_env_var("TOKEN", ClusterSpec::secret("app", "token"))
            .with_init_script(InitScript::Volumes("/Volumes/main/default/init.sh".into()))
            .with_init_script(InitScript::S3(Storage::new("s3://b/i.sh").with_region("eu-west-1")))
            .with_data_security_mode(DataSecurityMode::SingleUser);
        spec.check("new_cluster").unwrap();
        let wire = json!({
            "spark_version": "15.4.x-scala2.12",
            "instance_pool_id": "pool-1",
            "autoscale": { "min_workers": 1, "max_workers": 3 },
            "spark_env_vars": { "TOKEN": "{{secrets/app/token}}" },
            "init_scripts": [
                { "volumes": { "destination": "/Volumes/main/default/init.sh" } },
                { "s3": { "destination": "s3://b/i.sh", "region": "eu-west-1" } },
            ],
            "data_security_mode": "SINGLE_USER",
        });
        assert_eq!(serde_json::to_value(&spec).unwrap(), wire);
        assert_eq!(serde_json::from_value::<ClusterSpec>(wire).unwrap(), spec);
    }

    #[test]
    fn what_cannot_be_a_cluster_is_refused_by_field() {
        let base = || ClusterSpec::new("v").with_node_type("n").with_workers(1);
        let both = ClusterSpec { autoscale: Some(AutoScale::new(1_u64, 2_u64)), ..base() };
        for (spec, field) in [
            (both, "autoscale"),
            (base().with_autoscale(3, 2), "autoscale"),
            (base().with_workers(0), "num_workers"),
            (ClusterSpec::new("v").with_node_type("n"), "num_workers"),
            (ClusterSpec::new("v").with_workers(1), "node_type_id"),
            (base().with_instance_pool("p"), "instance_pool_id"),
            (ClusterSpec::new(" ").with_node_type("n").with_workers(1), "spark_version"),
            (base().with_init_script(InitScript::S3("s3://b/i".into())), "init_scripts[0].s3.region"),
            (base().with_logs(ClusterLogConf::S3("s3://b/logs".into())), "cluster_log_conf.s3.region"),
            (base().with_spark_conf("", "x"), "spark_conf"),
            (base().with_env_var(" ", "x"), "spark_env_vars"),
            (base().with_custom_tag("", "x"), "custom_tags"),
            (
                base().with_aws_attributes(AwsAttributes::new()).with_gcp_attributes(GcpAttributes::new()),
                "aws_attributes",
            ),
        ] {
            let error = spec.check("tasks[0].new_cluster").unwrap_err();
            assert_eq!(error.context("field"), Some(format!("tasks[0].new_cluster.{field}").as_str()), "{error}");
        }
        ClusterSpec::single_node("v", "n").check("new_cluster").unwrap();
        ClusterSpec::new("v").with_policy("p").check("new_cluster").unwrap();
    }
}
