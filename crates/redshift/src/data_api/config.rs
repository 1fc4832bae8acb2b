//! Which database, as whom, and where the service is.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use twinhouse_core::{
    Error, ErrorKind, Result, Secret,
    config::{Env, Explanation, Layers},
};
use url::Url;

use crate::{aws::Identity, config::S3Options};

/// The longest statement that the service takes, in bytes, by its quotas of 2026; they have grown before.
const MAX_STATEMENT: usize = 200 * 1024;

/// What holds the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// A provisioned cluster, by its identifier.
    Cluster(String),
    /// A serverless workgroup, by its name or ARN.
    Workgroup(String),
}

/// As which database user the statements run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Login {
    /// The one that belongs to our AWS identity.
    #[default]
    Identity,
    /// This user of a cluster, if our identity may be it.
    User(String),
    /// The one that a secret of Secrets Manager, by name or ARN, holds.
    Secret(String),
}

/// Everything a [`DataApiWarehouse`](super::DataApiWarehouse) needs, checked. Made by [`DataApiBuilder`].
#[derive(Clone, Debug)]
pub struct DataApiConfig {
    pub(super) target: Target,
    pub(super) login: Login,
    pub(super) database: String,
    pub(super) region: String,
    pub(super) endpoint: Option<String>,
    pub(super) max_statement_bytes: usize,
    pub(super) identity: Arc<Identity>,
    pub(super) explanation: Explanation,
}

impl DataApiConfig {
    /// Settings to be filled in.
    pub fn builder() -> DataApiBuilder {
        DataApiBuilder::default()
    }

    /// Every setting with its value (secrets as `***`) and where it came from.
    pub fn explain(&self) -> &Explanation {
        &self.explanation
    }

    pub(super) fn host(&self) -> String {
        let given = self.endpoint.as_deref().and_then(|url| Url::parse(url).ok());
        given.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| {
            let domain = if self.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
            format!("redshift-data.{}.{domain}", self.region)
        })
    }
}

/// Settings, from the highest layer to the lowest: this builder, the environment.
///
/// ```
/// use twinhouse_core::config::Env;
/// use twinhouse_redshift::data_api::{DataApiConfig, Target};
///
/// let config = DataApiConfig::builder()
///     .env(Env::empty())
///     .target(Target::Workgroup("analytics".to_owned()))
///     .database("dev")
///     .region("eu-west-1")
///     .build()?;
/// # Ok::<(), twinhouse_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct DataApiBuilder {
    env: Option<Env>,
    target: Option<Target>,
    login: Login,
    database: Option<String>,
    region: Option<String>,
    endpoint: Option<String>,
    keys: Option<(Secret, Secret, Option<Secret>)>,
    max_statement_bytes: Option<usize>,
}

impl DataApiBuilder {
    /// Takes what a URL says: `redshift-data://cluster/NAME/DATABASE` or `redshift-data://workgroup/NAME/DATABASE`.
    ///
    /// Parameters: `region`, `db_user` or `secret` (a name or ARN of Secrets Manager), `endpoint`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] naming the part that is wrong.
    pub fn from_url(text: &str) -> Result<Self> {
        let bad = |setting: &str, wish: &str| Error::bad_setting(setting, "URL", wish);
        let form = "of the form redshift-data://cluster/NAME/DATABASE or redshift-data://workgroup/NAME/DATABASE";
        let url =
            Url::parse(text).ok().filter(|url| url.scheme() == "redshift-data").ok_or_else(|| bad("url", form))?;
        let parts: Vec<String> = url
            .path_segments()
            .into_iter()
            .flatten()
            .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
            .collect();
        let [name, database] = <[String; 2]>::try_from(parts).map_err(|_| bad("url", form))?;
        let target = match url.host_str() {
            Some("cluster") => Target::Cluster(name),
            Some("workgroup") => Target::Workgroup(name),
            _ => return Err(bad("url", form)),
        };
        let mut builder = Self { target: Some(target), database: Some(database), ..Self::default() };
        for (key, value) in url.query_pairs() {
            let value = value.into_owned();
            match &*key {
                "region" => builder.region = Some(value),
                "endpoint" => builder.endpoint = Some(value),
                "db_user" | "secret" if builder.login != Login::Identity => {
                    return Err(bad("db_user", "given without `secret`: one of the two says who we are"));
                }
                "db_user" => builder.login = Login::User(value),
                "secret" => builder.login = Login::Secret(value),
                _ => {
                    return Err(Error::new(ErrorKind::Config, "the URL has a parameter that means nothing here")
                        .with_context("parameter", key.escape_debug().to_string())
                        .with_context("known", "region, db_user, secret, endpoint"));
                }
            }
        }
        Ok(builder)
    }

    /// Looks in these variables instead of the process's own.
    pub fn env(mut self, env: Env) -> Self {
        self.env = Some(env);
        self
    }

    /// What holds the database.
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// As which database user the statements run.
    pub fn login(mut self, login: Login) -> Self {
        self.login = login;
        self
    }

    /// The database.
    pub fn database(mut self, database: impl Into<String>) -> Self {
        self.database = Some(database.into());
        self
    }

    /// The region of the cluster.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Another service than Amazon's, by its URL.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// The AWS keys to sign with. Default: what AWS's usual chain finds.
    pub fn keys(mut self, id: impl Into<Secret>, secret: impl Into<Secret>, token: Option<Secret>) -> Self {
        self.keys = Some((id.into(), secret.into(), token));
        self
    }

    /// The longest statement that the service takes, in bytes. Default 204,800.
    pub fn max_statement_bytes(mut self, bytes: usize) -> Self {
        self.max_statement_bytes = Some(bytes);
        self
    }

    /// Checks everything. Connects nowhere.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`]: a setting that is missing or wrong, with the place it came from or was looked for in.
    pub fn build(self) -> Result<DataApiConfig> {
        let mut layers = Layers::new(self.env.unwrap_or_else(Env::process));
        let layers = &mut layers;
        let target = self.target.ok_or_else(|| {
            Error::new(ErrorKind::Config, "no cluster and no workgroup is named").with_context("setting", "target")
        })?;
        let (Target::Cluster(name) | Target::Workgroup(name)) = &target;
        if name.is_empty() {
            return Err(Error::bad_setting("target", "builder", "the name of a cluster or workgroup"));
        }
        if matches!((&target, &self.login), (Target::Workgroup(_), Login::User(_))) {
            let wish = "left out for a workgroup: its user follows from the AWS identity, or from a secret";
            return Err(Error::bad_setting("db_user", "builder", wish));
        }
        let database = layers
            .setting::<String>("database")
            .given(self.database)
            .env("REDSHIFT_DATABASE")
            .wish("a database's name")
            .check(|name| !name.is_empty())
            .required()?
            .into_value();
        let region = layers
            .setting::<String>("region")
            .given(self.region)
            .env("AWS_REGION")
            .env("AWS_DEFAULT_REGION")
            .wish("a region such as eu-west-1")
            .check(|region| !region.is_empty() && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
            .required()?
            .into_value();
        let endpoint = layers
            .setting::<String>("endpoint")
            .given(self.endpoint)
            .env("AWS_ENDPOINT_URL_REDSHIFT_DATA")
            .env("AWS_ENDPOINT_URL")
            .wish("a URL")
            .check(|url| Url::parse(url).is_ok_and(|url| url.has_host()))
            .optional()?
            .map(|setting| setting.into_value());
        let variable = |name: &str| layers.env().var(name).filter(|text| !text.is_empty()).map(Secret::from);
        let of_env = || Some((variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?));
        let keys = self.keys.or_else(|| of_env().map(|(id, secret)| (id, secret, variable("AWS_SESSION_TOKEN"))));
        let mut identity = S3Options { region: region.clone(), ..S3Options::default() };
        if let Some((id, secret, token)) = keys {
            identity.access_key_id = Some(id);
            identity.secret_access_key = Some(secret);
            identity.session_token = token;
        }
        Ok(DataApiConfig {
            target,
            login: self.login,
            database,
            region,
            endpoint,
            max_statement_bytes: self.max_statement_bytes.unwrap_or(MAX_STATEMENT),
            identity: Arc::new(Identity::new(&identity)),
            explanation: layers.explain().clone(),
        })
    }
}
