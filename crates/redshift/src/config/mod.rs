//! Where the cluster is, how it is reached, and where loads are staged.

mod auth;
mod builder;
mod endpoint;
mod notices;
mod resolve;
mod service;
mod sslmode;
mod staging;
mod url;

#[cfg(test)]
mod tests;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use twinhouse_auth::CredentialProvider;
use twinhouse_core::{Secret, config::Explanation};

pub use self::{auth::Auth, builder::RedshiftBuilder, sslmode::SslMode, staging::StagingPrefix};
pub(crate) use self::{auth::AuthOptions, endpoint::Endpoint, notices::NoticeHandler};

/// Everything a [`RedshiftWarehouse`](crate::RedshiftWarehouse) needs, checked. Made by [`RedshiftBuilder`].
#[derive(Clone, Debug)]
pub struct RedshiftConfig {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: String,
    pub(crate) schema: Option<String>,
    pub(crate) credentials: Arc<dyn CredentialProvider>,
    pub(crate) notices: Option<NoticeHandler>,
    pub(crate) sslmode: SslMode,
    pub(crate) root_certificate: Option<PathBuf>,
    pub(crate) application: Option<String>,
    pub(crate) pool: PoolOptions,
    pub(crate) staging: Option<StagingPrefix>,
    pub(crate) iam_role: String,
    pub(crate) s3: S3Options,
    pub(crate) explanation: Explanation,
}

impl RedshiftConfig {
    /// The server's name or address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The server's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Where loads are staged, if anywhere.
    pub fn staging(&self) -> Option<&StagingPrefix> {
        self.staging.as_ref()
    }

    /// Every setting with its value (secrets as `***`) and where it came from.
    pub fn explain(&self) -> &Explanation {
        &self.explanation
    }
}

/// How many connections there are and how long each wait for one may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolOptions {
    pub(crate) size: usize,
    /// So many are kept open.
    pub(crate) min: usize,
    /// For a connection to become free.
    pub(crate) checkout: Duration,
    /// For a new connection, its retries included.
    pub(crate) connect: Duration,
    /// For a used connection to answer again.
    pub(crate) recycle: Duration,
    /// For somebody to use it again.
    pub(crate) idle: Duration,
    /// For all of its life.
    pub(crate) lifetime: Duration,
    /// For those in use to come back when the pool closes.
    pub(crate) drain: Duration,
    /// Between signs of life on the socket.
    pub(crate) keepalive: Duration,
}

/// How S3 is reached.
#[derive(Clone, Default)]
pub(crate) struct S3Options {
    pub(crate) region: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) access_key_id: Option<Secret>,
    pub(crate) secret_access_key: Option<Secret>,
    pub(crate) session_token: Option<Secret>,
    /// What the environment says of the role that a container has, for where there are no keys.
    pub(crate) role: Vec<(&'static str, String)>,
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Options")
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}
