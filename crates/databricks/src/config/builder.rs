//! Puts the settings together.

use std::{sync::Arc, time::Duration};

use twinhouse_core::{
    Error, ErrorKind, Result, Secret,
    config::{Env, Layers, Profiles},
    http::{Transport, Url},
    resilience::Registry,
};

use super::{
    Auth, DatabricksConfig, ResultRoute,
    auth::{self, Given},
    host, url,
};
use crate::client::DatabricksClient;

const PROFILE_FILE: &str = "~/.databrickscfg";
const TIMEOUT: Duration = Duration::from_secs(60);
/// The service waits for 5 to 50 s, or not at all.
const WAIT: Duration = Duration::from_secs(10);
const RETRIES: u32 = 4;
/// Calls a second; the service documents no limit and answers 429 when it has had enough.
const RATE: f64 = 100.0;
const DOWNLOADS: usize = 8;

/// Settings of a [`DatabricksConfig`]. Setters do not fail; [`build`](Self::build) does, and says which setting, where
/// it came from and what was wanted.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct DatabricksBuilder {
    env: Option<Env>,
    url: Option<Secret>,
    host: Option<String>,
    auth: Given,
    warehouse_id: Option<String>,
    catalog: Option<String>,
    schema: Option<String>,
    staging: Option<String>,
    profile: Option<String>,
    config_file: Option<String>,
    timeout: Option<Duration>,
    wait: Option<Duration>,
    max_retries: Option<u32>,
    rate_limit: Option<f64>,
    parallel_downloads: Option<usize>,
    route: Option<ResultRoute>,
    extra_ca: Vec<u8>,
    proxy: Option<Secret>,
    registry: Option<Registry>,
    transport: Option<Arc<dyn Transport>>,
}

impl DatabricksBuilder {
    /// Looks here instead of in the environment of this process.
    pub fn env(mut self, env: Env) -> Self {
        self.env = Some(env);
        self
    }

    /// Takes what a URL says, as [`DatabricksConfig::from_url`] reads it. What is also set by name goes before it.
    pub fn url(mut self, url: impl Into<Secret>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The workspace: `example.cloud.databricks.com`, or with a scheme. Plain `http` is for this machine only.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// A personal access token.
    pub fn token(mut self, token: impl Into<Secret>) -> Self {
        self.auth.token = Some(token.into());
        self
    }

    /// The client id of a service principal.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.auth.client_id = Some(id.into());
        self
    }

    /// The client secret of a service principal.
    pub fn client_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.auth.client_secret = Some(secret.into());
        self
    }

    /// Says which credential counts where several are set: `pat` or `oauth-m2m`.
    pub fn auth_type(mut self, name: impl Into<String>) -> Self {
        self.auth.auth_type = Some(name.into());
        self
    }

    /// The id of the SQL warehouse that runs the statements.
    pub fn warehouse_id(mut self, id: impl Into<String>) -> Self {
        self.warehouse_id = Some(id.into());
        self
    }

    /// The catalog that names without one belong to.
    pub fn catalog(mut self, catalog: impl Into<String>) -> Self {
        self.catalog = Some(catalog.into());
        self
    }

    /// The schema that names without one belong to.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// A directory in a volume for the files of loads and merges, for example `/Volumes/main/default/staging`. Without
    /// one, loads and merges are refused.
    pub fn staging(mut self, directory: impl Into<String>) -> Self {
        self.staging = Some(directory.into());
        self
    }

    /// The profile to read, in place of the file's default.
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// The file with profiles. Default `~/.databrickscfg`.
    pub fn config_file(mut self, path: impl Into<String>) -> Self {
        self.config_file = Some(path.into());
        self
    }

    /// How long one request may take. Default 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long the service may keep a submission in the hope of answering it with the result: whole seconds from 5 to
    /// 50, or zero. Default 10 s. Short queries then take one round trip; a long one has its handle after this time.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// How often a request is repeated where that is safe. Default 4.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = Some(retries);
        self
    }

    /// The most requests in a second, for each class of endpoints. Default 100.
    pub fn rate_limit(mut self, per_second: f64) -> Self {
        self.rate_limit = Some(per_second);
        self
    }

    /// How many result files are fetched at once, each of about 20 MB. Default 8.
    pub fn parallel_downloads(mut self, downloads: usize) -> Self {
        self.parallel_downloads = Some(downloads);
        self
    }

    /// How results travel.
    pub fn result_route(mut self, route: ResultRoute) -> Self {
        self.route = Some(route);
        self
    }

    /// Trusts the certificates in this PEM text beside those of the system, for the service and for links.
    pub fn extra_ca(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.extra_ca.extend_from_slice(pem.as_ref());
        self.extra_ca.push(b'\n');
        self
    }

    /// Sends everything through this proxy, for example `http://user:password@proxy:3128`.
    pub fn proxy(mut self, url: impl Into<Secret>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Sends everything through this, instead of over the network: what records, replays or answers from a script.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Shares rate limits and breakers here instead of with the whole process.
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// A client with these settings. Nothing is sent; at most the profile file is read.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build) and [`DatabricksClient::new`].
    pub fn client(self) -> Result<DatabricksClient> {
        DatabricksClient::new(self.build()?)
    }

    /// The settings. Nothing is sent; at most the profile file is read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] naming the setting and everywhere it was looked for, if it is missing; or where it came
    /// from, if it is malformed; or the methods, if there is more than one way to authenticate.
    pub fn build(mut self) -> Result<DatabricksConfig> {
        let url = self.url.take().map(|url| url::parse(url.expose())).transpose()?.unwrap_or_default();
        self.host = self.host.or(url.host);
        self.auth.token = self.auth.token.or(url.token);
        let mut layers = self.layers(url.profile)?;
        let host = layers
            .setting_with::<Url>("host", host::parse, Url::to_string)
            .given(self.host.as_deref().map(given_host).transpose()?)
            .env("DATABRICKS_HOST")
            .profile("host")
            .check(host::is_safe)
            .wish("the address of a workspace, over https unless it is on this machine")
            .required()?
            .into_value();
        let auth = Auth::resolve(&mut layers, self.auth)?;
        macro_rules! name {
            ($setting:literal, $given:expr, $variable:literal, $wish:literal, $check:expr) => {
                layers
                    .setting::<String>($setting)
                    .given($given)
                    .env($variable)
                    .profile($setting)
                    .wish($wish)
                    .check($check)
            };
        }
        let warehouse_id = name!(
            "warehouse_id",
            self.warehouse_id.or(url.warehouse_id),
            "DATABRICKS_WAREHOUSE_ID",
            "the id of a SQL warehouse",
            |id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        )
        .optional()?;
        let given = self.catalog.or(url.catalog);
        let catalog = name!("catalog", given, "DATABRICKS_CATALOG", "a name", |name| !name.is_empty()).optional()?;
        let given = self.schema.or(url.schema);
        let schema = name!("schema", given, "DATABRICKS_SCHEMA", "a name", |name| !name.is_empty()).optional()?;
        let staging = name!(
            "staging_volume",
            self.staging.or(url.staging),
            "TWINHOUSE_STAGING_VOLUME",
            "a directory in a volume, such as /Volumes/main/default/staging, whose parts begin with neither . nor _",
            |path| is_staging(path)
        )
        .optional()?;
        let timeout = layers
            .duration("timeout")
            .given(self.timeout)
            .env("DATABRICKS_TIMEOUT_SECS")
            .profile("timeout_secs")
            .check(|time| *time >= Duration::from_secs(1))
            .wish("a duration of a second or more")
            .or(TIMEOUT)?;
        let wait = layers
            .duration("wait")
            .given(self.wait)
            .check(|wait| wait.is_zero() || (wait.subsec_nanos() == 0 && (5..=50).contains(&wait.as_secs())))
            .wish("zero, or whole seconds from 5 to 50")
            .or(WAIT)?;
        let max_retries = layers
            .setting::<u32>("max_retries")
            .given(self.max_retries)
            .env("DATABRICKS_MAX_RETRIES")
            .profile("max_retries")
            .check(|retries| *retries <= 100)
            .wish("a number from 0 to 100")
            .or(RETRIES)?;
        let rate_limit = layers
            .setting::<f64>("rate_limit")
            .given(self.rate_limit)
            .env("DATABRICKS_RATE_LIMIT")
            .profile("rate_limit")
            .check(|rate| *rate > 0.0 && rate.is_finite())
            .wish("a number of requests in a second, above zero")
            .or(RATE)?;
        let parallel_downloads = layers
            .setting::<usize>("parallel_downloads")
            .given(self.parallel_downloads)
            .check(|downloads| (1..=128).contains(downloads))
            .wish("a number from 1 to 128")
            .or(DOWNLOADS)?;
        let route = match (self.route, url.results.as_deref()) {
            (Some(route), _) => route,
            (None, None | Some("links")) => ResultRoute::Links,
            (None, Some("inline")) => ResultRoute::Inline,
            (None, Some(_)) => return Err(Error::bad_setting("results", "URL", "`links` or `inline`")),
        };
        Ok(DatabricksConfig {
            host,
            auth,
            warehouse_id: warehouse_id.map(|s| s.into_value()),
            catalog: catalog.map(|s| s.into_value()),
            schema: schema.map(|s| s.into_value()),
            staging: staging.map(|s| s.into_value().trim_end_matches('/').to_owned()),
            timeout: timeout.into_value(),
            wait: wait.into_value(),
            max_retries: max_retries.into_value(),
            rate_limit: rate_limit.into_value(),
            parallel_downloads: parallel_downloads.into_value(),
            route,
            extra_ca: self.extra_ca,
            proxy: self.proxy,
            registry: self.registry.unwrap_or_else(Registry::global),
            transport: self.transport,
            explanation: layers.explain().clone(),
        })
    }

    /// The environment and, where it has something to say, a profile.
    fn layers(&mut self, url_profile: Option<String>) -> Result<Layers> {
        let env = self.env.take().unwrap_or_else(Env::process);
        let named = self.profile.take().or(url_profile);
        let named = named.or_else(|| env.var("DATABRICKS_CONFIG_PROFILE").map(str::to_owned));
        let known = self.host.is_some()
            || !self.auth.is_empty()
            || env.var("DATABRICKS_HOST").is_some()
            || auth::VARIABLES.iter().any(|name| env.var(name).is_some());
        let file = self.config_file.take().or_else(|| env.var("DATABRICKS_CONFIG_FILE").map(str::to_owned));
        let file = file.unwrap_or_else(|| PROFILE_FILE.to_owned());
        let layers = Layers::new(env.clone());
        // As the vendor's own tools do it: a host from here and a token from there would be sent to the wrong place.
        if named.is_none() && known {
            return Ok(layers);
        }
        let profiles = Profiles::read(&file, &env)?;
        match profiles {
            Some(profiles) => match profiles.select(named.as_deref())? {
                Some(profile) => Ok(layers.with_profile(profile)),
                None => Ok(layers.without_profile(file)),
            },
            None if named.is_some() => Err(Error::new(ErrorKind::Config, "there is no file with profiles")
                .with_context("profile", named.unwrap_or_default())
                .with_context("file", file)),
            None => Ok(layers.without_profile(file)),
        }
    }
}

fn given_host(text: &str) -> Result<Url> {
    host::parse(text).ok_or_else(|| Error::bad_setting("host", "builder", "the address of a workspace"))
}

fn is_staging(path: &str) -> bool {
    let Some(rest) = path.trim_end_matches('/').strip_prefix("/Volumes/") else { return false };
    // Readers skip files and folders that begin so; a quote or backtick would be one more thing to escape.
    let visible =
        |part: &str| !part.is_empty() && !part.starts_with(['.', '_']) && !part.contains(['`', '\'', '"', '\\']);
    rest.split('/').count() >= 3 && rest.split('/').all(visible)
}
