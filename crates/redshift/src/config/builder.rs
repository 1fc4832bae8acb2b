//! What the program says of a warehouse.

use std::{path::PathBuf, sync::Arc, time::Duration};

use twinhouse_auth::CredentialProvider;
use twinhouse_core::{Result, Secret, config::Env};

use super::{Auth, NoticeHandler, SslMode, StagingPrefix, auth::Names, url};
use crate::wire::Notice;

/// Settings of a warehouse, from the highest layer to the lowest: this builder, the environment, a service of
/// `pg_service.conf`, defaults.
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
    pub(super) env: Option<Env>,
    pub(super) credentials: Option<Arc<dyn CredentialProvider>>,
    pub(super) notices: Option<NoticeHandler>,
    pub(super) service: Option<String>,
    pub(super) auth: Option<Auth>,
    pub(super) secret: Option<String>,
    pub(super) cluster_identifier: Option<String>,
    pub(super) workgroup: Option<String>,
    pub(super) custom_domain: Option<String>,
    pub(super) auto_create: Option<bool>,
    pub(super) db_groups: Option<Names>,
    pub(super) credential_duration: Option<Duration>,
    pub(super) aws_endpoint: Option<String>,
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
    pub(super) pool_min: Option<usize>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_lifetime: Option<Duration>,
    pub(super) drain_timeout: Option<Duration>,
    pub(super) keepalive: Option<Duration>,
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
    /// Parameters: `sslmode`, `sslrootcert`, `staging`, `iam_role`, `schema`, `region`, `s3_endpoint`,
    /// `application_name`, `service`; of the pool `pool`, `pool_min`, `checkout_timeout`, `connect_timeout`,
    /// `recycle_timeout`, `idle_timeout`, `max_lifetime`, `drain_timeout`, `keepalive`, times in seconds or as `30s`; of
    /// the login `auth`, `secret`, `cluster_identifier`, `workgroup`, `custom_domain`, `auto_create`, `db_groups`
    /// separated by commas, `credential_duration`, `aws_endpoint`. What is special in a URL is percent-encoded.
    ///
    /// ```
    /// # use twinhouse_core::config::Env;
    /// use twinhouse_redshift::RedshiftBuilder;
    ///
    /// # #[cfg(feature = "iam")]
    /// # {
    /// // Region and cluster are in the name of the host; the database user is given, so its credentials are asked for.
    /// let url = "redshift://loader@sales.abc123.eu-west-1.redshift.amazonaws.com/dev?auth=iam&db_groups=etl";
    /// let config = RedshiftBuilder::from_url(url)?.env(Env::empty()).build()?;
    /// assert!(config.explain().to_string().contains("eu-west-1"));
    /// # }
    /// # Ok::<(), twinhouse_core::Error>(())
    /// ```
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

    /// The name of a service in `pg_service.conf` (`PGSERVICEFILE`, else `~/.pg_service.conf`, else that of
    /// `PGSYSCONFDIR`). Default: what `PGSERVICE` says. Unlike libpq, the environment goes before the file.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = Some(name.into());
        self
    }

    /// The way to log in. Default [`Auth::Password`].
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// The name or ARN of the secret with user and password, for [`Auth::SecretsManager`].
    pub fn secret(mut self, name_or_arn: impl Into<String>) -> Self {
        self.secret = Some(name_or_arn.into());
        self
    }

    /// The cluster's identifier. Default: what the name of the host says.
    pub fn cluster_identifier(mut self, identifier: impl Into<String>) -> Self {
        self.cluster_identifier = Some(identifier.into());
        self
    }

    /// The serverless workgroup's name. Default: what the name of the host says.
    pub fn workgroup(mut self, name: impl Into<String>) -> Self {
        self.workgroup = Some(name.into());
        self
    }

    /// The custom domain name of the cluster or workgroup, where neither is given.
    pub fn custom_domain(mut self, name: impl Into<String>) -> Self {
        self.custom_domain = Some(name.into());
        self
    }

    /// Whether `GetClusterCredentials` makes the database user if there is none. Default no.
    pub fn auto_create(mut self, create: bool) -> Self {
        self.auto_create = Some(create);
        self
    }

    /// Groups that exist in the database and that the user joins for each session, by `GetClusterCredentials`.
    pub fn db_groups(mut self, groups: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.db_groups = Some(Names(groups.into_iter().map(Into::into).collect()));
        self
    }

    /// How long a temporary credential is good for, from 15 minutes to an hour. Default: 15 minutes. Sessions outlive
    /// the credential they began with.
    pub fn credential_duration(mut self, duration: Duration) -> Self {
        self.credential_duration = Some(duration);
        self
    }

    /// Another address than Amazon's for Redshift's control plane and Secrets Manager.
    pub fn aws_endpoint(mut self, url: impl Into<String>) -> Self {
        self.aws_endpoint = Some(url.into());
        self
    }

    /// Hands every notice of the server to this function: COPY's and UNLOAD's reports, warnings, what `RAISE INFO` says
    /// in a procedure. It is called where the notice is read, so it must not block.
    ///
    /// ```
    /// use twinhouse_redshift::RedshiftBuilder;
    ///
    /// let builder = RedshiftBuilder::new().on_notice(|notice| println!("{}: {}", notice.severity(), notice.message()));
    /// # let _ = builder;
    /// ```
    pub fn on_notice(mut self, handler: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.notices = Some(NoticeHandler::new(handler));
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

    /// The least connections that are kept open, once the warehouse is used or
    /// [`warm_up`](crate::RedshiftWarehouse::warm_up) is called. Default 0.
    pub fn pool_min(mut self, connections: usize) -> Self {
        self.pool_min = Some(connections);
        self
    }

    /// How long a connection may lie unused before it is closed. Default 10 min.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = Some(limit);
        self
    }

    /// How old a connection may get; up to a tenth less, so that not all go at once. One that is in use finishes first.
    /// Default 1 h.
    pub fn max_lifetime(mut self, limit: Duration) -> Self {
        self.max_lifetime = Some(limit);
        self
    }

    /// How long `close` waits for connections that are in use before it cancels what runs on them. Default 0: at once.
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.drain_timeout = Some(limit);
        self
    }

    /// How long a connection is silent before TCP asks whether the other end is there, and between such questions.
    /// Default 200 s: AWS's network drops connections that were silent for 350 s.
    pub fn keepalive(mut self, time: Duration) -> Self {
        self.keepalive = Some(time);
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

    /// The keys that files are staged with. Default: those of the environment, else of the role of the container or the
    /// machine. Profiles are not read here.
    pub fn s3_keys(mut self, id: impl Into<Secret>, secret: impl Into<Secret>, token: Option<Secret>) -> Self {
        self.s3_keys = Some((id.into(), secret.into(), token));
        self
    }
}
