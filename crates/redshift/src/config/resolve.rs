//! Puts a configuration together from what the program says, the environment, a service file and defaults.

use std::{sync::Arc, time::Duration};

use twinhouse_auth::{Cached, CredentialProvider, sources::StaticLogin};
use twinhouse_core::{
    Error, Result, Secret,
    config::{Env, Layers},
};

use super::{
    Auth, AuthOptions, Endpoint, PoolOptions, RedshiftBuilder, RedshiftConfig, S3Options, SslMode, StagingPrefix,
    auth::Names, service, url,
};
use crate::credentials;

/// The layer in which the region that the name of the host holds is found.
const HOST_REGION: &str = "name of the host";
/// What AWS gives a container to be somebody with.
const ROLE: [&str; 7] = [
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

impl RedshiftBuilder {
    /// Checks everything. Connects nowhere.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](twinhouse_core::ErrorKind::Config): a setting that is missing, with all the places where it
    /// was looked for, or wrong, with the place it came from. [`ErrorKind::Unsupported`](twinhouse_core::ErrorKind::Unsupported)
    /// for a way to log in that this build leaves out.
    pub fn build(mut self) -> Result<RedshiftConfig> {
        let mut layers = self.layers()?;
        let layers = &mut layers;
        let host = host(layers, self.host.take())?;
        let port = layers
            .setting::<u16>("port")
            .given(self.port)
            .env("TWINHOUSE_REDSHIFT_URL port")
            .env("REDSHIFT_PORT")
            .env("PGPORT")
            .profile("port")
            .wish("a port number")
            .check(|&port| port != 0)
            .or(5439)?
            .into_value();
        let database = layers
            .setting::<String>("database")
            .given(self.database.take())
            .env("TWINHOUSE_REDSHIFT_URL database")
            .env("REDSHIFT_DATABASE")
            .env("PGDATABASE")
            .profile("dbname")
            .wish("a database's name")
            .check(|name| !name.is_empty() && !name.contains('\0'))
            .required()?
            .into_value();
        let schema = layers
            .setting::<String>("schema")
            .given(self.schema.take())
            .env("TWINHOUSE_REDSHIFT_URL schema")
            .env("REDSHIFT_SCHEMA")
            .wish("a schema's name")
            .check(|name| !name.is_empty() && !name.contains('\0'))
            .optional()?
            .map(|setting| setting.into_value());
        let sslmode = layers
            .setting::<SslMode>("sslmode")
            .given(self.sslmode)
            .env("TWINHOUSE_REDSHIFT_URL sslmode")
            .env("REDSHIFT_SSLMODE")
            .env("PGSSLMODE")
            .profile("sslmode")
            .wish(SslMode::NAMES)
            .or(SslMode::default())?
            .into_value();
        let root_certificate = layers
            .setting::<String>("sslrootcert")
            .given(self.root_certificate.take())
            .env("TWINHOUSE_REDSHIFT_URL sslrootcert")
            .env("REDSHIFT_SSLROOTCERT")
            .env("PGSSLROOTCERT")
            .profile("sslrootcert")
            .wish("a PEM file, or system")
            .optional()?
            .map(|setting| setting.into_value())
            .filter(|file| file != "system")
            .map(|file| layers.env().expand(&file));
        let application = layers
            .setting::<String>("application_name")
            .given(self.application.take())
            .env("TWINHOUSE_REDSHIFT_URL application_name")
            .env("PGAPPNAME")
            .profile("application_name")
            .wish("text without NUL")
            .check(|name| !name.contains('\0'))
            .or("twinhouse".to_owned())?
            .into_value();
        let pool = pool(layers, &self)?;
        let staging = layers
            .setting::<StagingPrefix>("staging")
            .given(self.staging.take())
            .env("TWINHOUSE_REDSHIFT_URL staging")
            .env("TWINHOUSE_STAGING_S3")
            .wish("of the form s3://bucket/prefix")
            .optional()?
            .map(|setting| setting.into_value());
        let iam_role = layers
            .setting::<String>("iam_role")
            .given(self.iam_role.take())
            .env("TWINHOUSE_REDSHIFT_URL iam_role")
            .env("TWINHOUSE_REDSHIFT_IAM_ROLE")
            .wish("default, SESSION or the ARNs of roles, separated by commas")
            .check(is_role)
            .or("default".to_owned())?
            .into_value();
        let aws_endpoint = layers
            .setting::<String>("aws_endpoint")
            .given(self.aws_endpoint.take())
            .env("TWINHOUSE_REDSHIFT_URL aws_endpoint")
            .env("AWS_ENDPOINT_URL")
            .wish("an http or https URL")
            .check(|url| url.starts_with("http://") || url.starts_with("https://"))
            .optional()?
            .map(|setting| setting.into_value());
        let s3 = s3(layers, self.region.take(), self.s3_endpoint.take(), self.s3_keys.take())?;
        let credentials = match self.credentials.take() {
            Some(provider) => provider,
            None => self.log_in(layers, &host, &database, &s3, aws_endpoint.as_deref())?,
        };
        Ok(RedshiftConfig {
            host,
            port,
            database,
            schema,
            credentials,
            notices: self.notices,
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

    /// The environment with what it says in one URL and what the host's name says, and the service file below it.
    fn layers(&self) -> Result<Layers> {
        let env = self.env.clone().unwrap_or_else(Env::process);
        // A URL in the environment is for another server if the program names one itself: its password must not leak.
        let env = match env.var(url::VARIABLE) {
            Some(text) if self.host.is_none() => url::read(text, url::VARIABLE)?.spread(&env),
            _ => env,
        };
        let service = self.service.as_deref().or_else(|| env.var("TWINHOUSE_REDSHIFT_URL service"));
        let service = match service.or_else(|| env.var("PGSERVICE")) {
            Some(name) => Some(service::find(name, &env)?),
            None => None,
        };
        let over = |env: Env| match &service {
            Some(service) => Layers::new(env).with_profile(service.clone()),
            None => Layers::new(env),
        };
        let host = host(&mut over(env.clone()), self.host.clone())?;
        Ok(match Endpoint::of(&host).region() {
            Some(region) => over(env.with(HOST_REGION, region)),
            None => over(env),
        })
    }

    fn log_in(
        &mut self,
        layers: &mut Layers,
        host: &str,
        database: &str,
        s3: &S3Options,
        aws_endpoint: Option<&str>,
    ) -> Result<Arc<dyn CredentialProvider>> {
        let auth = layers
            .setting::<Auth>("auth")
            .given(self.auth)
            .env("TWINHOUSE_REDSHIFT_URL auth")
            .env("REDSHIFT_AUTH")
            .wish(Auth::NAMES)
            .or(Auth::default())?
            .into_value();
        let user = layers
            .setting::<String>("user")
            .given(self.user.take())
            .env("TWINHOUSE_REDSHIFT_URL user")
            .env("REDSHIFT_USER")
            .env("PGUSER")
            .profile("user")
            .wish("a database user's name")
            .check(|name| !name.is_empty() && !name.contains('\0'));
        if auth == Auth::Password {
            let user = user.required()?.into_value();
            let password = layers
                .setting_with("password", |text| Some(Secret::from(text)), Secret::to_string)
                .given(self.password.take())
                .env("TWINHOUSE_REDSHIFT_URL password")
                .env("REDSHIFT_PASSWORD")
                .env("PGPASSWORD")
                .profile("password")
                .wish("a password without NUL")
                .check(|secret| !secret.expose().contains('\0'))
                .required()?
                .into_value();
            return Ok(Arc::new(Cached::new(StaticLogin::new(user, password))));
        }
        let user = user.optional()?.map(|setting| setting.into_value());
        let mut named = |name, given: Option<String>, url, variable| {
            layers
                .setting::<String>(name)
                .given(given)
                .env(url)
                .env(variable)
                .wish("a name")
                .check(|name| !name.is_empty())
                .optional()
                .map(|found| found.map(|setting| setting.into_value()))
        };
        let options = AuthOptions {
            auth,
            user,
            secret: named("secret", self.secret.take(), "TWINHOUSE_REDSHIFT_URL secret", "REDSHIFT_SECRET")?,
            cluster_identifier: named(
                "cluster_identifier",
                self.cluster_identifier.take(),
                "TWINHOUSE_REDSHIFT_URL cluster_identifier",
                "REDSHIFT_CLUSTER_IDENTIFIER",
            )?,
            workgroup: named(
                "workgroup",
                self.workgroup.take(),
                "TWINHOUSE_REDSHIFT_URL workgroup",
                "REDSHIFT_WORKGROUP",
            )?,
            custom_domain: named(
                "custom_domain",
                self.custom_domain.take(),
                "TWINHOUSE_REDSHIFT_URL custom_domain",
                "REDSHIFT_CUSTOM_DOMAIN",
            )?,
            auto_create: layers
                .setting::<bool>("auto_create")
                .given(self.auto_create)
                .env("TWINHOUSE_REDSHIFT_URL auto_create")
                .env("REDSHIFT_AUTO_CREATE")
                .wish("true or false")
                .or(false)?
                .into_value(),
            groups: layers
                .setting::<Names>("db_groups")
                .given(self.db_groups.take())
                .env("TWINHOUSE_REDSHIFT_URL db_groups")
                .env("REDSHIFT_DB_GROUPS")
                .or(Names::default())?
                .into_value()
                .0,
            duration: layers
                .duration("credential_duration")
                .given(self.credential_duration)
                .env("TWINHOUSE_REDSHIFT_URL credential_duration")
                .wish("a duration from 900s to 3600s")
                .check(|time| (900..=3600).contains(&time.as_secs()))
                .optional()?
                .map(|setting| setting.into_value()),
        };
        credentials::provider(options, Endpoint::of(host), database, s3, aws_endpoint)
    }
}

fn host(layers: &mut Layers, given: Option<String>) -> Result<String> {
    layers
        .setting::<String>("host")
        .given(given)
        .env("TWINHOUSE_REDSHIFT_URL host")
        .env("REDSHIFT_HOST")
        .env("PGHOST")
        .profile("host")
        .wish("a name or address")
        .check(|host| !host.is_empty() && !host.starts_with('/') && !host.contains('\0'))
        .required()
        .map(|setting| setting.into_value())
}

fn pool(layers: &mut Layers, builder: &RedshiftBuilder) -> Result<PoolOptions> {
    let size = layers
        .setting::<usize>("pool")
        .given(builder.pool_size)
        .env("TWINHOUSE_REDSHIFT_URL pool")
        .env("TWINHOUSE_REDSHIFT_POOL")
        .wish("a number of connections from 1 to 500")
        // The smallest clusters take 500 connections in all (quotas page of the Management Guide).
        .check(|size| (1..=500).contains(size))
        .or(8)?
        .into_value();
    let least = layers
        .setting::<usize>("pool_min")
        .given(builder.pool_min)
        .env("TWINHOUSE_REDSHIFT_URL pool_min")
        .env("TWINHOUSE_REDSHIFT_POOL_MIN")
        .wish("a number of connections")
        .or(0)?;
    if *least.value() > size {
        let origin = least.origin().to_string();
        return Err(Error::bad_setting("pool_min", &origin, "no more than `pool`")
            .with_context("pool", size.to_string())
            .with_context("pool_min", least.value().to_string()));
    }
    let mut time = |name, given: Option<Duration>, url, variable, default| {
        layers
            .duration(name)
            .given(given)
            .env(url)
            .env(variable)
            .wish("a duration such as 30s, more than none")
            .check(|time| !time.is_zero())
            .or(Duration::from_secs(default))
            .map(|setting| setting.into_value())
    };
    Ok(PoolOptions {
        size,
        min: least.into_value(),
        checkout: time(
            "checkout_timeout",
            builder.checkout_timeout,
            "TWINHOUSE_REDSHIFT_URL checkout_timeout",
            "REDSHIFT_CHECKOUT_TIMEOUT",
            30,
        )?,
        connect: time(
            "connect_timeout",
            builder.connect_timeout,
            "TWINHOUSE_REDSHIFT_URL connect_timeout",
            "PGCONNECT_TIMEOUT",
            60,
        )?,
        recycle: time(
            "recycle_timeout",
            builder.recycle_timeout,
            "TWINHOUSE_REDSHIFT_URL recycle_timeout",
            "REDSHIFT_RECYCLE_TIMEOUT",
            5,
        )?,
        idle: time(
            "idle_timeout",
            builder.idle_timeout,
            "TWINHOUSE_REDSHIFT_URL idle_timeout",
            "REDSHIFT_IDLE_TIMEOUT",
            600,
        )?,
        lifetime: time(
            "max_lifetime",
            builder.max_lifetime,
            "TWINHOUSE_REDSHIFT_URL max_lifetime",
            "REDSHIFT_MAX_LIFETIME",
            3600,
        )?,
        keepalive: time("keepalive", builder.keepalive, "TWINHOUSE_REDSHIFT_URL keepalive", "REDSHIFT_KEEPALIVE", 200)?,
        drain: layers
            .duration("drain_timeout")
            .given(builder.drain_timeout)
            .env("TWINHOUSE_REDSHIFT_URL drain_timeout")
            .env("REDSHIFT_DRAIN_TIMEOUT")
            .or(Duration::ZERO)?
            .into_value(),
    })
}

/// It becomes part of the name of a host.
#[expect(clippy::ptr_arg, reason = "a check takes what the setting is")]
fn is_region(name: &String) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
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
        .env(HOST_REGION)
        .env("AWS_REGION")
        .env("AWS_DEFAULT_REGION")
        .wish("a region's name")
        .check(is_region)
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
    let env = layers.env().clone();
    // A token belongs to its own pair of keys.
    let own = id.is_some();
    let mut find = |name, variable, given: Option<Secret>| {
        let lookup = layers.setting_with(name, |text| Some(Secret::from(text)), Secret::to_string).given(given);
        let lookup = if own { lookup } else { lookup.env(variable) };
        lookup.optional().map(|found| found.map(|setting| setting.into_value()))
    };
    let role = ROLE.iter().filter_map(|&name| Some((name, env.var(name)?.to_owned()))).collect();
    let options = S3Options {
        role,
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
