//! Where the workspace is, who we are there, and how it is talked to.

mod auth;
mod builder;
mod host;
mod url;

use std::{sync::Arc, time::Duration};

use twinhouse_core::{Error, ErrorKind, Result, Secret, config::Explanation, http::{Transport, Url}, resilience::Registry};

pub(crate) use auth::Auth;
pub use builder::DatabricksBuilder;

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
    pub(crate) auth: Auth,
    pub(crate) warehouse_id: Option<String>,
    pub(crate) catalog: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) staging: Option<String>,
    pub(crate) timeout: Duration,
    pub(crate) wait: Duration,
    pub(crate) max_retries: u32,
    pub(crate) rate_limit: f64,
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

    /// The workspace.
    pub fn host(&self) -> &Url {
        &self.host
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
