//! A configuration as one URL.

use percent_encoding::percent_decode_str;
use twinhouse_core::{
    Error, ErrorKind, Result, Secret,
    config::{Env, parse_duration},
};
use url::Url;

use super::{Auth, RedshiftBuilder, SslMode};

/// The environment variable that holds such a URL.
pub(super) const VARIABLE: &str = "TWINHOUSE_REDSHIFT_URL";

const PARAMETERS: &str = "sslmode, sslrootcert, staging, iam_role, schema, region, s3_endpoint, application_name, \
                          service, pool, pool_min, checkout_timeout, connect_timeout, recycle_timeout, idle_timeout, \
                          max_lifetime, drain_timeout, keepalive, auth, secret, cluster_identifier, workgroup, \
                          custom_domain, auto_create, db_groups, credential_duration, aws_endpoint";

/// Reads a URL; `origin` says in messages where it came from. No message holds any part of its value.
pub(super) fn read(text: &str, origin: &str) -> Result<RedshiftBuilder> {
    let bad = |setting: &str, wish: &str| Error::bad_setting(setting, origin, wish);
    let url = Url::parse(text)
        .ok()
        .filter(|url| url.scheme() == "redshift" && (url.has_host() || text.starts_with("redshift:///")))
        .ok_or_else(|| {
            bad(
                "url",
                "of the form redshift://user:password@host:5439/database, with special characters percent-encoded",
            )
        })?;
    let decoded = |setting: &str, part: &str| {
        percent_decode_str(part)
            .decode_utf8()
            .map(|text| text.into_owned())
            .map_err(|_| bad(setting, "UTF-8, percent-encoded"))
    };
    let mut builder = RedshiftBuilder::new();
    let host = url.host_str().unwrap_or_default();
    builder.host = Some(decoded("host", host.trim_matches(['[', ']']))?).filter(|host| !host.is_empty());
    builder.port = url.port();
    if !url.username().is_empty() {
        builder.user = Some(decoded("user", url.username())?);
    }
    if let Some(password) = password(text, &url) {
        builder.password = Some(Secret::from(decoded("password", password)?));
    }
    let path = url.path().trim_start_matches('/');
    if !path.is_empty() {
        builder.database = Some(decoded("database", path)?);
    }
    for (key, value) in url.query_pairs() {
        let value = value.into_owned();
        let duration = |setting: &str| parse_duration(&value).ok_or_else(|| bad(setting, "a duration such as 30s"));
        match &*key {
            "sslmode" => builder.sslmode = Some(value.parse().map_err(|_| bad("sslmode", SslMode::NAMES))?),
            "sslrootcert" => builder.root_certificate = Some(value),
            "staging" => {
                let wish = "of the form s3://bucket/prefix";
                builder.staging = Some(value.parse().map_err(|_| bad("staging", wish))?);
            }
            "iam_role" => builder.iam_role = Some(value),
            "pool" => builder.pool_size = Some(value.parse().map_err(|_| bad("pool", "a number of connections"))?),
            "pool_min" => {
                builder.pool_min = Some(value.parse().map_err(|_| bad("pool_min", "a number of connections"))?)
            }
            "idle_timeout" => builder.idle_timeout = Some(duration("idle_timeout")?),
            "max_lifetime" => builder.max_lifetime = Some(duration("max_lifetime")?),
            "drain_timeout" => builder.drain_timeout = Some(duration("drain_timeout")?),
            "keepalive" => builder.keepalive = Some(duration("keepalive")?),
            "service" => builder.service = Some(value),
            "auth" => builder.auth = Some(value.parse().map_err(|_| bad("auth", Auth::NAMES))?),
            "secret" => builder.secret = Some(value),
            "cluster_identifier" => builder.cluster_identifier = Some(value),
            "workgroup" => builder.workgroup = Some(value),
            "custom_domain" => builder.custom_domain = Some(value),
            "auto_create" => {
                builder.auto_create = Some(value.parse().map_err(|_| bad("auto_create", "true or false"))?);
            }
            "db_groups" => builder.db_groups = value.parse().ok(),
            "credential_duration" => builder.credential_duration = Some(duration("credential_duration")?),
            "aws_endpoint" => builder.aws_endpoint = Some(value),
            "schema" => builder.schema = Some(value),
            "region" => builder.region = Some(value),
            "s3_endpoint" => builder.s3_endpoint = Some(value),
            "application_name" => builder.application = Some(value),
            "checkout_timeout" => builder.checkout_timeout = Some(duration("checkout_timeout")?),
            "connect_timeout" => builder.connect_timeout = Some(duration("connect_timeout")?),
            "recycle_timeout" => builder.recycle_timeout = Some(duration("recycle_timeout")?),
            // A word that is mistyped must not pass in silence: it may be the one that turns protection on.
            _ => {
                return Err(Error::new(ErrorKind::Config, "the URL has a parameter that means nothing here")
                    .with_context("parameter", key.escape_debug().to_string())
                    .with_context("from", origin)
                    .with_context("known", PARAMETERS));
            }
        }
    }
    Ok(builder)
}

/// The password as written. `Url` does not tell an empty one from none.
fn password<'a>(text: &'a str, url: &'a Url) -> Option<&'a str> {
    url.password().or_else(|| {
        let authority = text.split_once("://")?.1.split(['/', '?', '#']).next()?;
        let (login, _) = authority.rsplit_once('@')?;
        login.ends_with(':').then_some("")
    })
}

impl RedshiftBuilder {
    /// The environment, with what the URL in it says as variables of their own, so that each setting remembers it.
    pub(super) fn spread(self, env: &Env) -> Env {
        let time = |limit: std::time::Duration| format!("{}s", limit.as_secs_f64());
        let said = [
            ("host", self.host),
            ("port", self.port.map(|port| port.to_string())),
            ("database", self.database),
            ("schema", self.schema),
            ("user", self.user),
            ("password", self.password.map(|secret| secret.expose().to_owned())),
            ("sslmode", self.sslmode.map(|mode| mode.to_string())),
            ("sslrootcert", self.root_certificate),
            ("application_name", self.application),
            ("pool", self.pool_size.map(|size| size.to_string())),
            ("checkout_timeout", self.checkout_timeout.map(time)),
            ("connect_timeout", self.connect_timeout.map(time)),
            ("recycle_timeout", self.recycle_timeout.map(time)),
            ("staging", self.staging.map(|prefix| prefix.to_string())),
            ("iam_role", self.iam_role),
            ("region", self.region),
            ("s3_endpoint", self.s3_endpoint),
            ("service", self.service),
            ("pool_min", self.pool_min.map(|size| size.to_string())),
            ("idle_timeout", self.idle_timeout.map(time)),
            ("max_lifetime", self.max_lifetime.map(time)),
            ("drain_timeout", self.drain_timeout.map(time)),
            ("keepalive", self.keepalive.map(time)),
            ("auth", self.auth.map(|auth| auth.to_string())),
            ("secret", self.secret),
            ("cluster_identifier", self.cluster_identifier),
            ("workgroup", self.workgroup),
            ("custom_domain", self.custom_domain),
            ("auto_create", self.auto_create.map(|create| create.to_string())),
            ("db_groups", self.db_groups.map(|groups| groups.to_string())),
            ("credential_duration", self.credential_duration.map(time)),
            ("aws_endpoint", self.aws_endpoint),
        ];
        let said = said.into_iter().filter_map(|(name, value)| Some((format!("{VARIABLE} {name}"), value?)));
        said.fold(env.clone(), |env, (name, value)| env.with(name, value))
    }
}
