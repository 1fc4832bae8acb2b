//! Where the workspace is, who we are there, and how it is talked to.

mod agent;
mod attributes;
mod auth;
mod builder;
mod family;
mod host;
mod method;
mod resolve;
mod url;

use std::{sync::Arc, time::Duration};

use twinhouse_auth::sources::{azure::AzureCloud, google::GoogleEndpoints};
use twinhouse_core::{
    Error, ErrorKind, Result, Secret,
    config::Explanation,
    http::{Transport, Url},
    resilience::{Rate, Registry},
};

pub(crate) use attributes::text;
pub(crate) use auth::{Auth, GITHUB, ID_TOKEN};
pub use builder::DatabricksBuilder;
pub use family::EndpointFamily;
pub(crate) use family::Rates;
pub(crate) use host::{is_account, is_near};
pub(crate) use method::Method;

/// How results travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResultRoute {
    /// Arrow files behind presigned links: exact, parallel, up to 100 GiB.
    #[default]
    Links,
    /// JSON in the answer itself: at most 25 MiB, timestamps in milliseconds. For networks from which the storage
    /// behind the links cannot be reached.
    Inline,
}

/// Settings of a [`DatabricksWarehouse`](crate::DatabricksWarehouse), resolved and checked.
///
/// ```
/// use twinhouse_core::config::Env;
/// use twinhouse_databricks::DatabricksConfig;
///
/// let env = Env::from_pairs([("DATABRICKS_TOKEN", "dapi-123")]);
/// let config = DatabricksConfig::builder()
///     .env(env)
///     .url("databricks://example.cloud.databricks.com/abc123?catalog=main&schema=sales")
///     .build()?;
/// assert_eq!(config.host().as_str(), "https://example.cloud.databricks.com/");
/// assert!(!format!("{config:?}").contains("dapi-123"));
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DatabricksConfig {
    pub(crate) host: Url,
    /// The host is the resource manager's name for the workspace, whose own is looked up with the first call.
    pub(crate) lookup: bool,
    pub(crate) workspace_id: Option<String>,
    pub(crate) account_id: Option<String>,
    pub(crate) auth: Auth,
    pub(crate) azure_cloud: AzureCloud,
    pub(crate) google: Option<GoogleEndpoints>,
    pub(crate) rates: Rates,
    pub(crate) user_agent: String,
    /// The settings that a refusal is told with.
    pub(crate) summary: String,
    pub(crate) warehouse_id: Option<String>,
    pub(crate) catalog: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) staging: Option<String>,
    pub(crate) timeout: Duration,
    pub(crate) wait: Duration,
    pub(crate) max_retries: u32,
    pub(crate) parallel_downloads: usize,
    pub(crate) route: ResultRoute,
    pub(crate) extra_ca: Vec<u8>,
    pub(crate) proxy: Option<Secret>,
    pub(crate) registry: Registry,
    pub(crate) transport: Option<Arc<dyn Transport>>,
    explanation: Explanation,
}

impl DatabricksConfig {
    /// Settings to be made; what is not made is looked up in the environment, then in a profile of `~/.databrickscfg`.
    pub fn builder() -> DatabricksBuilder {
        DatabricksBuilder::default()
    }

    /// Reads `databricks://host[:port]/warehouse_id?catalog=&schema=&staging=&profile=&results=&scheme=`. What the URL
    /// leaves out, and secrets above all, comes from the environment or a profile.
    ///
    /// # Errors
    ///
    /// As [`DatabricksBuilder::build`].
    pub fn from_url(url: &str) -> Result<Self> {
        Self::builder().url(url).build()
    }

    /// Settings from the environment and a profile of `~/.databrickscfg`.
    ///
    /// # Errors
    ///
    /// As [`DatabricksBuilder::build`].
    pub fn from_env() -> Result<Self> {
        Self::builder().build()
    }

    /// The workspace. Where only its resource id in Azure is known, the address under which Azure's resource manager
    /// knows it: its own is looked up with the first call.
    pub fn host(&self) -> &Url {
        &self.host
    }

    /// How we prove who we are, by its name in all of Databricks's tools, for example `pat`. `default` where nothing was
    /// configured and the first call will show which command-line tool is logged in.
    pub fn auth_type(&self) -> &'static str {
        self.auth.name()
    }

    /// The number of the workspace, if it is known.
    pub fn workspace_id(&self) -> Option<&str> {
        self.workspace_id.as_deref()
    }

    /// The account, if it is known.
    pub fn account_id(&self) -> Option<&str> {
        self.account_id.as_deref()
    }

    /// The cluster to use where none is named, if one is configured.
    pub fn cluster_id(&self) -> Option<&str> {
        text(self.auth.attributes.cluster_id.as_ref())
    }

    /// The serverless compute to use where none is named, if it is configured.
    pub fn serverless_compute_id(&self) -> Option<&str> {
        text(self.auth.attributes.serverless_compute_id.as_ref())
    }

    /// How fast a family of endpoints may be called.
    pub fn rate(&self, family: EndpointFamily) -> Rate {
        self.rates.of(family)
    }

    /// How this client introduces itself.
    pub fn user_agent(&self) -> &str {
        &self.user_agent
    }

    /// The SQL warehouse that runs the statements, if one is configured.
    pub fn warehouse_id(&self) -> Option<&str> {
        self.warehouse_id.as_deref()
    }

    /// The SQL warehouse, for those who cannot do without.
    pub(crate) fn required_warehouse(&self) -> Result<&str> {
        self.warehouse_id().ok_or_else(|| {
            Error::new(ErrorKind::Config, "`warehouse_id` is not set")
                .with_context("setting", "warehouse_id")
                .with_context("looked in", "builder, URL, environment DATABRICKS_WAREHOUSE_ID, profile")
        })
    }

    /// The directory in a volume where loads and merges put their files.
    pub fn staging(&self) -> Option<&str> {
        self.staging.as_deref()
    }

    /// Every setting with its value (secrets as `***`) and where it came from.
    pub fn explain(&self) -> &Explanation {
        &self.explanation
    }
}

#[cfg(test)]
mod tests;
