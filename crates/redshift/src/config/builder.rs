//! Puts a configuration together from what the program says, the environment and defaults.

use std::{path::PathBuf, sync::Arc, time::Duration};

use twinhouse_auth::{Cached, CredentialProvider, sources::StaticLogin};
use twinhouse_core::{
    Error, Result, Secret,
    config::{Env, Layers},
};

use super::{PoolOptions, RedshiftConfig, S3Options, SslMode, StagingPrefix, url};

/// Settings of a warehouse, from the highest layer to the lowest: this builder, the environment, defaults.
///
/// ```
/// use twinhouse_core::config::Env;
/// use twinhouse_redshift::RedshiftBuilder;
///
/// let config = RedshiftBuilder::from_url("redshift://analyst:p%40ss@example.com/sales?pool=4")?
///     .env(Env::from_pairs([("TWINHOUSE_STAGING_S3", "s3://bucket/loads")]))
///     .build()?;
/// assert_eq!((config.host(), config.port(), config.database()), ("example.com", 5439, "sales"));
/// assert_eq!(config.staging().map(ToString::to_string).as_deref(), Some("s3://bucket/loads"));
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RedshiftBuilder {
    env: Option<Env>,
    credentials: Option<Arc<dyn CredentialProvider>>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) database: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) sslmode: Option<SslMode>,
    pub(super) root_certificate: Option<String>,
    pub(super) application: Option<String>,
    pub(super) pool_size: Option<usize>,
    pub(super) checkout_timeout: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) recycle_timeout: Option<Duration>,
    pub(super) staging: Option<StagingPrefix>,
    pub(super) iam_role: Option<String>,
    pub(super) region: Option<String>,
    pub(super) s3_endpoint: Option<String>,
    pub(super) s3_keys: Option<(Secret, Secret, Option<Secret>)>,
}

impl RedshiftBuilder {
    /// Nothing is set; what [`build`](Self::build) does not find in the environment or among the defaults is an error.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what a URL says:
    /// `redshift://user:password@host:5439/database?sslmode=verify-full&staging=s3://bucket/prefix`.
    ///
    /// Parameters: `sslmode`, `sslrootcert`, `staging`, `iam_role`, `pool`, `schema`, `region`, `s3_endpoint`,
    /// `application_name`, and `checkout_timeout`, `connect_timeout`, `recycle_timeout` in seconds or as `30s`.
    /// What is special in a URL is percent-encoded.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](twinhouse_core::ErrorKind::Config) naming the part that is wrong; never its value.
    pub fn from_url(text: &str) -> Result<Self> {
        url::read(text, "URL")
    }

    /// Looks in these variables instead of the process's own.
    pub fn env(mut self, env: Env) -> Self {
        self.env = Some(env);
        self
    }

    /// The server's name or address.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// The server's port. Default 5439.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The database.
    pub fn database(mut self, database: impl Into<String>) -> Self {
        self.database = Some(database.into());
        self
    }

    /// The schema that names without one belong to. Default: what the server says, usually `public`.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// The database user.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The password.
    pub fn password(mut self, password: impl Into<Secret>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Where user and password come from for each new connection, in place of fixed ones.
    pub fn credentials(mut self, provider: Arc<dyn CredentialProvider>) -> Self {
        self.credentials = Some(provider);
        self
    }

    /// How strictly the connection is protected. Default [`SslMode::VerifyFull`].
    pub fn sslmode(mut self, mode: SslMode) -> Self {
        self.sslmode = Some(mode);
        self
    }

    /// A PEM file with the only roots to trust. Default: those of the operating system.
    pub fn root_certificate(mut self, file: impl Into<PathBuf>) -> Self {
        self.root_certificate = Some(file.into().to_string_lossy().into_owned());
        self
    }

    /// The name under which the server lists our sessions. Default `twinhouse`; an empty one is not sent.
    pub fn application_name(mut self, name: impl Into<String>) -> Self {
        self.application = Some(name.into());
        self
    }

    /// The most connections at a time. Default 8.
    pub fn pool_size(mut self, connections: usize) -> Self {
        self.pool_size = Some(connections);
        self
    }

    /// How long to wait for a connection to become free. Default 30 s.
    pub fn checkout_timeout(mut self, limit: Duration) -> Self {
        self.checkout_timeout = Some(limit);
        self
    }

    /// How long a new connection may take, with its retries. Default 60 s: a serverless workgroup takes tens of seconds
    /// to wake up.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = Some(limit);
        self
    }

    /// How long a used connection may take to answer before it is given up. Default 5 s.
    pub fn recycle_timeout(mut self, limit: Duration) -> Self {
        self.recycle_timeout = Some(limit);
        self
    }

    /// Where loads are staged. Without it, loads and merges are refused.
    pub fn staging(mut self, prefix: StagingPrefix) -> Self {
        self.staging = Some(prefix);
        self
    }

    /// The role with which the cluster reads the staging place: an ARN, a comma-separated chain of them, or `default`,
    /// which is the default.
    pub fn iam_role(mut self, role: impl Into<String>) -> Self {
        self.iam_role = Some(role.into());
        self
    }

    /// The region of the staging bucket, which must be the cluster's. Default `us-east-1`.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Another S3 than Amazon's.
    pub fn s3_endpoint(mut self, url: impl Into<String>) -> Self {
        self.s3_endpoint = Some(url.into());
        self
    }

    /// The keys that files are staged with. Default: those of the environment, else of the machine's role.
    pub fn s3_keys(mut self, id: impl Into<Secret>, secret: impl Into<Secret>, token: Option<Secret>) -> Self {
        self.s3_keys = Some((id.into(), secret.into(), token));
        self
    }

    /// Checks everything. Connects nowhere.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](twinhouse_core::ErrorKind::Config): a setting that is missing, with all the places where it
    /// was looked for, or wrong, with the place it came from.
    pub fn build(self) -> Result<RedshiftConfig> {
        let env = self.env.clone().unwrap_or_else(Env::process);
        // A URL in the environment is for another server if the program names one itself: its password must not leak.
        let env = match env.var(url::VARIABLE) {
            Some(text) if self.host.is_none() => url::read(text, url::VARIABLE)?.spread(&env),
            _ => env,
        };
        let mut layers = Layers::new(env);
        let layers = &mut layers;

        let host = layers
            .setting::<String>("host")
            .given(self.host)
            .env("TWINHOUSE_REDSHIFT_URL host")
            .env("REDSHIFT_HOST")
            .env("PGHOST")
            .wish("a name or address")
            .check(|host| !host.is_empty() && !host.starts_with('/'))
            .required()?
            .into_value();
        let port = layers
            .setting::<u16>("port")
            .given(self.port)
            .env("TWINHOUSE_REDSHIFT_URL port")
            .env("REDSHIFT_PORT")
            .env("PGPORT")
            .wish("a port number")
            .check(|&port| port != 0)
            .or(5439)?
            .into_value();
        let database = layers
            .setting::<String>("database")
            .given(self.database)
            .env("TWINHOUSE_REDSHIFT_URL database")
            .env("REDSHIFT_DATABASE")
            .env("PGDATABASE")
            .wish("a database's name")
            .check(|name| !name.is_empty() && !name.contains('\0'))
            .required()?
            .into_value();
        let schema = layers
            .setting::<String>("schema")
            .given(self.schema)
            .env("TWINHOUSE_REDSHIFT_URL schema")
            .env("REDSHIFT_SCHEMA")
            .wish("a schema's name")
            .check(|name| !name.is_empty() && !name.contains('\0'))
            .optional()?
            .map(|setting| setting.into_value());
        let credentials = match self.credentials {
            Some(provider) => provider,
            None => {
                let user = layers
                    .setting::<String>("user")
                    .given(self.user)
                    .env("TWINHOUSE_REDSHIFT_URL user")
                    .env("REDSHIFT_USER")
                    .env("PGUSER")
                    .wish("a database user's name")
                    .check(|name| !name.is_empty() && !name.contains('\0'))
                    .required()?
                    .into_value();
                let password = layers
                    .setting_with("password", |text| Some(Secret::from(text)), Secret::to_string)
                    .given(self.password)
                    .env("TWINHOUSE_REDSHIFT_URL password")
                    .env("REDSHIFT_PASSWORD")
                    .env("PGPASSWORD")
                    .wish("a password without NUL")
                    .check(|secret| !secret.expose().contains('\0'))
                    .required()?
                    .into_value();
                Arc::new(Cached::new(StaticLogin::new(user, password)))
            }
        };
        let sslmode = layers
            .setting::<SslMode>("sslmode")
            .given(self.sslmode)
            .env("TWINHOUSE_REDSHIFT_URL sslmode")
            .env("REDSHIFT_SSLMODE")
            .env("PGSSLMODE")
            .wish(SslMode::NAMES)
            .or(SslMode::default())?
            .into_value();
        let root_certificate = layers
            .setting::<String>("sslrootcert")
            .given(self.root_certificate)
            .env("TWINHOUSE_REDSHIFT_URL sslrootcert")
            .env("REDSHIFT_SSLROOTCERT")
            .env("PGSSLROOTCERT")
            .wish("a PEM file, or system")
            .optional()?
            .map(|setting| setting.into_value())
            .filter(|file| file != "system")
            .map(|file| layers.env().expand(&file));
        let application = layers
            .setting::<String>("application_name")
            .given(self.application)
            .env("TWINHOUSE_REDSHIFT_URL application_name")
            .env("PGAPPNAME")
            .wish("text without NUL")
            .check(|name| !name.contains('\0'))
            .or("twinhouse".to_owned())?
            .into_value();
        let pool = PoolOptions {
            size: layers
                .setting::<usize>("pool")
                .given(self.pool_size)
                .env("TWINHOUSE_REDSHIFT_URL pool")
                .env("TWINHOUSE_REDSHIFT_POOL")
                .wish("a number of connections from 1 to 500")
                // The smallest clusters take 500 connections in all (quotas page of the Management Guide).
                .check(|size| (1..=500).contains(size))
                .or(8)?
                .into_value(),
            checkout: layers
                .duration("checkout_timeout")
                .given(self.checkout_timeout)
                .env("TWINHOUSE_REDSHIFT_URL checkout_timeout")
                .or(Duration::from_secs(30))?
                .into_value(),
            connect: layers
                .duration("connect_timeout")
                .given(self.connect_timeout)
                .env("TWINHOUSE_REDSHIFT_URL connect_timeout")
                .env("PGCONNECT_TIMEOUT")
                .or(Duration::from_secs(60))?
                .into_value(),
            recycle: layers
                .duration("recycle_timeout")
                .given(self.recycle_timeout)
                .env("TWINHOUSE_REDSHIFT_URL recycle_timeout")
                .or(Duration::from_secs(5))?
                .into_value(),
        };
        let staging = layers
            .setting::<StagingPrefix>("staging")
            .given(self.staging)
            .env("TWINHOUSE_REDSHIFT_URL staging")
            .env("TWINHOUSE_STAGING_S3")
            .wish("of the form s3://bucket/prefix")
            .optional()?
            .map(|setting| setting.into_value());
        let iam_role = layers
            .setting::<String>("iam_role")
            .given(self.iam_role)
            .env("TWINHOUSE_REDSHIFT_URL iam_role")
            .env("TWINHOUSE_REDSHIFT_IAM_ROLE")
            .wish("default, SESSION or the ARNs of roles, separated by commas")
            .check(is_role)
            .or("default".to_owned())?
            .into_value();
        let s3 = s3(layers, self.region, self.s3_endpoint, self.s3_keys)?;
        Ok(RedshiftConfig {
            host,
            port,
            database,
            schema,
            credentials,
            sslmode,
            root_certificate,
            application: Some(application).filter(|name| !name.is_empty()),
            pool,
            staging,
            iam_role,
            s3,
            explanation: layers.explain().clone(),
        })
    }
}

#[expect(clippy::ptr_arg, reason = "a check takes what the setting is")]
fn is_role(role: &String) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b":/_+=.@-".contains(&b);
    let arn = |part: &str| part.starts_with("arn:") && part.bytes().all(legal);
    matches!(role.as_str(), "default" | "SESSION") || role.split(',').all(arn)
}

fn s3(
    layers: &mut Layers,
    region: Option<String>,
    endpoint: Option<String>,
    keys: Option<(Secret, Secret, Option<Secret>)>,
) -> Result<S3Options> {
    let region = layers
        .setting::<String>("region")
        .given(region)
        .env("TWINHOUSE_REDSHIFT_URL region")
        .env("AWS_REGION")
        .env("AWS_DEFAULT_REGION")
        .wish("a region's name")
        .check(|name| !name.is_empty())
        .or("us-east-1".to_owned())?
        .into_value();
    let endpoint = layers
        .setting::<String>("s3_endpoint")
        .given(endpoint)
        .env("TWINHOUSE_REDSHIFT_URL s3_endpoint")
        .env("AWS_ENDPOINT_URL_S3")
        .env("AWS_ENDPOINT_URL")
        .wish("an http or https URL")
        .check(|url| url.starts_with("http://") || url.starts_with("https://"))
        .optional()?
        .map(|setting| setting.into_value());
    let (id, secret, token) = match keys {
        Some((id, secret, token)) => (Some(id), Some(secret), token),
        None => (None, None, None),
    };
    // A token belongs to its own pair of keys.
    let own = id.is_some();
    let mut find = |name, variable, given: Option<Secret>| {
        let lookup = layers.setting_with(name, |text| Some(Secret::from(text)), Secret::to_string).given(given);
        let lookup = if own { lookup } else { lookup.env(variable) };
        lookup.optional().map(|found| found.map(|setting| setting.into_value()))
    };
    let options = S3Options {
        region,
        endpoint,
        access_key_id: find("access_key_id", "AWS_ACCESS_KEY_ID", id)?,
        secret_access_key: find("secret_access_key", "AWS_SECRET_ACCESS_KEY", secret)?,
        session_token: find("session_token", "AWS_SESSION_TOKEN", token)?,
    };
    if options.access_key_id.is_some() != options.secret_access_key.is_some() {
        let missing = if options.access_key_id.is_some() { "secret_access_key" } else { "access_key_id" };
        return Err(Error::bad_setting(missing, "environment", "set together with its other half"));
    }
    Ok(options)
}
