//! Puts the settings together.

use std::time::Duration;

use twinhouse_auth::sources::azure::AzureCloud;
use twinhouse_core::{
    Error, ErrorKind, Result,
    config::{Env, Explanation, Layers, Profiles},
    resilience::Registry,
};

use super::{
    Auth, DatabricksBuilder, DatabricksConfig, ResultRoute,
    attributes::{self, Attributes, text},
    family::Rates,
    host::{self, Host},
    url,
};
use crate::error::BACKEND;

const PROFILE_FILE: &str = "~/.databrickscfg";
const TIMEOUT: Duration = Duration::from_secs(60);
/// The service waits for 5 to 50 s, or not at all.
const WAIT: Duration = Duration::from_secs(10);
const RETRIES: u32 = 4;
/// Calls a second; the service documents no limit and answers 429 when it has had enough.
const RATE: f64 = 100.0;
/// The same for a server on this machine, which is a sandbox or a test: enough to notice a runaway loop.
const NEAR_RATE: f64 = 10_000.0;
const DOWNLOADS: usize = 8;

impl DatabricksBuilder {
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
        let given_host = self.host.as_deref().map(given_host).transpose()?;
        let host = |layers: &mut Layers, needed: bool| {
            let lookup = layers
                .setting_with::<Host>("host", Host::parse, Host::to_string)
                .given(given_host.clone())
                .env("DATABRICKS_HOST")
                .profile("host")
                .check(host::is_safe)
                .wish("the address of a workspace, over https unless it is on this machine");
            if needed { lookup.required().map(Some) } else { lookup.optional() }
        };
        let found = host(&mut layers, false)?.map(|found| found.into_value());
        let attributes = Attributes::resolve(&mut layers, self.auth)?;
        if Attributes::is_on(attributes.skip_verify.as_ref()) {
            return Err(Error::unsupported(BACKEND, "certificates are always verified: `skip_verify` is refused")
                .with_context("setting", "skip_verify")
                .with_context("cure", "trust the right certificate with `extra_ca`"));
        }
        let cloud = match self.azure_cloud {
            Some(cloud) => cloud,
            None => AzureCloud::named(text(attributes.azure_environment.as_ref()).unwrap_or("PUBLIC"))?,
        };
        let resource = text(attributes.azure_workspace_resource_id.as_ref()).map(str::to_owned);
        if found.is_none() && resource.is_none() {
            host(&mut layers, true)?;
        }
        let auth = Auth::resolve(&mut layers, attributes, self.auth_type, self.source, found.as_ref())?;
        let lookup = found.is_none();
        if lookup && (auth.source.is_some() || !auth.methods.iter().all(|method| method.is_azure())) {
            host(&mut layers, true)?;
        }
        let Host { url: host, workspace_id, account_id } = match (found, resource) {
            (Some(found), _) => found,
            // Until the first call has looked it up, the workspace is known by its address at the resource manager.
            (None, resource) => {
                let mut at = cloud.resource_manager().clone();
                let id = resource.unwrap_or_default();
                if let Ok(mut path) = at.path_segments_mut() {
                    path.pop_if_empty().extend(id.split('/').filter(|part| !part.is_empty()));
                }
                Host { url: at, workspace_id: None, account_id: None }
            }
        };
        let workspace_id = text(auth.attributes.workspace_id.as_ref()).map(str::to_owned).or(workspace_id);
        let account_id = text(auth.attributes.account_id.as_ref()).map(str::to_owned).or(account_id);
        if host::is_account(&host) && account_id.is_none() {
            return Err(Attributes::missing(&mut layers, "account_id"));
        }
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
            .profile("http_timeout_seconds")
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
            .or(if host::is_near(&host) { NEAR_RATE } else { RATE })?;
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
        let rates = Rates { set: self.rates, others: rate_limit.into_value(), near: host::is_near(&host) };
        let user_agent = self.agent.text(&auth.env, auth.name())?;
        let summary = summary(layers.explain());
        Ok(DatabricksConfig {
            host,
            lookup,
            workspace_id,
            account_id,
            auth,
            azure_cloud: cloud,
            google: self.google,
            rates,
            user_agent,
            summary,
            warehouse_id: warehouse_id.map(|s| s.into_value()),
            catalog: catalog.map(|s| s.into_value()),
            schema: schema.map(|s| s.into_value()),
            staging: staging.map(|s| s.into_value().trim_end_matches('/').to_owned()),
            timeout: timeout.into_value(),
            wait: wait.into_value(),
            max_retries: max_retries.into_value(),
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
            || self.source.is_some()
            || env.var("DATABRICKS_HOST").is_some()
            || attributes::variables().iter().any(|name| !attributes::is_ambient(name) && env.var(name).is_some());
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

fn given_host(text: &str) -> Result<Host> {
    Host::parse(text).ok_or_else(|| Error::bad_setting("host", "builder", "the address of a workspace"))
}

fn is_staging(path: &str) -> bool {
    let Some(rest) = path.trim_end_matches('/').strip_prefix("/Volumes/") else { return false };
    // Readers skip files and folders that begin so; a quote or backtick would be one more thing to escape.
    let visible =
        |part: &str| !part.is_empty() && !part.starts_with(['.', '_']) && !part.contains(['`', '\'', '"', '\\']);
    rest.split('/').count() >= 3 && rest.split('/').all(visible)
}

/// What was set, where it matters for a refusal: attributes with their values, secrets as `***`, and the variables.
fn summary(explanation: &Explanation) -> String {
    let told = |name: &str| {
        !matches!(
            name,
            "wait"
                | "parallel_downloads"
                | "timeout"
                | "max_retries"
                | "rate_limit"
                | "warehouse_id"
                | "catalog"
                | "schema"
                | "staging_volume"
        )
    };
    let (mut settings, mut variables) = (Vec::new(), Vec::new());
    for (name, value, origin) in explanation.lines().filter(|(name, ..)| told(name)) {
        if origin.starts_with("looked in") || origin == "default" {
            continue;
        }
        settings.push(format!("{name}={value}"));
        variables.extend(origin.strip_prefix("environment ").map(str::to_owned));
    }
    let variables = if variables.is_empty() { String::new() } else { format!(". Env: {}", variables.join(", ")) };
    format!("{}{variables}", settings.join(", "))
}
