//! Both warehouses in this process, on real engines, for development and tests.
//!
//! [`connect("sandbox://databricks")`](crate::connect) and `connect("sandbox://redshift")` share one sandbox per
//! process, started on first use and gone with the process; [`Sandbox::start`] gives one of your own.

use twinhouse_core::{Result, config::Env};
use twinhouse_databricks::DatabricksConfig;
use twinhouse_redshift::{RedshiftBuilder, RedshiftConfig};

pub use twinhouse_sandbox::*;

/// How our own clients reach a sandbox; the process environment has no say in it.
pub trait SandboxConfig {
    /// Settings of a client of its Databricks workspace, which is started if it does not run yet.
    fn databricks_config(&self) -> impl Future<Output = Result<DatabricksConfig>> + Send;

    /// Settings of a client of its Redshift cluster, which is started if it does not run yet.
    fn redshift_config(&self) -> impl Future<Output = Result<RedshiftConfig>> + Send;
}

impl SandboxConfig for Sandbox {
    async fn databricks_config(&self) -> Result<DatabricksConfig> {
        let access = self.databricks().await?;
        DatabricksConfig::builder()
            .env(Env::empty())
            .host(&access.url)
            .token(access.token.clone())
            .warehouse_id(&access.warehouse_id)
            .catalog("main")
            .schema("default")
            .staging(&access.staging)
            .build()
    }

    async fn redshift_config(&self) -> Result<RedshiftConfig> {
        let access = self.redshift().await?;
        let s3 = self.s3();
        RedshiftBuilder::from_url(access.url.expose())?
            .env(Env::empty())
            .s3_endpoint(&s3.endpoint)
            .s3_keys(s3.access_key.as_str(), s3.secret_key.clone(), None)
            .region(&s3.region)
            .iam_role(&s3.iam_role)
            .build()
    }
}

pub(crate) async fn databricks() -> Result<DatabricksConfig> {
    Sandbox::shared().await?.databricks_config().await
}

pub(crate) async fn redshift() -> Result<RedshiftConfig> {
    Sandbox::shared().await?.redshift_config().await
}
