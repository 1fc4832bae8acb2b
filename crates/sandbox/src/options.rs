//! What a sandbox shall be like.

use std::{path::PathBuf, time::Duration};

use twinhouse_core::Secret;

use crate::faults::Front;

/// An awkward part of the Databricks workspace that clients must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Quirk {
    /// LZ4 files are several frames, one after the other.
    SplitFrames,
    /// Arrow files hold more rows than their link's `row_count`.
    PaddingRows,
    /// The column names inside Arrow files are not those of the manifest.
    StaleNames,
    /// Fields that are zero are left out of JSON answers.
    OmittedZeros,
    /// Sizes in bytes are strings in JSON answers.
    TextNumbers,
    /// A link that is asked with an `Authorization` header refuses.
    LinksRefuseAuthorization,
    /// A page of a list is empty and yet not the last.
    EmptyPages,
}

/// What a [`Sandbox`](crate::Sandbox) shall be like. The default starts everything on free ports in a temporary
/// folder, with new secrets.
///
/// ```
/// use twinhouse_sandbox::{Front, SandboxOptions};
///
/// let options = SandboxOptions::default().with_fronts([Front::Databricks]).with_databricks_port(8080);
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SandboxOptions {
    pub(crate) data_folder: Option<PathBuf>,
    pub(crate) fronts: Vec<Front>,
    pub(crate) databricks_port: u16,
    pub(crate) databricks_https_port: u16,
    pub(crate) redshift_port: u16,
    pub(crate) s3_port: u16,
    pub(crate) aws_port: u16,
    pub(crate) credential_lifetime: Duration,
    pub(crate) token: Option<Secret>,
    pub(crate) password: Option<Secret>,
    pub(crate) client: Option<(String, Secret)>,
    pub(crate) require_ssl: bool,
    pub(crate) serverless: bool,
    pub(crate) link_lifetime: Duration,
    pub(crate) chunk_rows: Option<usize>,
    pub(crate) resumable_uploads: bool,
    pub(crate) warehouse_start: Option<Duration>,
    pub(crate) without: Vec<Quirk>,
    pub(crate) postgres_programs: Option<PathBuf>,
    pub(crate) statement_log: Option<PathBuf>,
    pub(crate) python: Option<PathBuf>,
    pub(crate) reset: bool,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            data_folder: None,
            fronts: vec![Front::Databricks, Front::Redshift],
            databricks_port: 0,
            databricks_https_port: 0,
            redshift_port: 0,
            s3_port: 0,
            aws_port: 0,
            credential_lifetime: Duration::from_secs(3600),
            token: None,
            password: None,
            client: None,
            require_ssl: true,
            serverless: false,
            // The service gives links about 15 minutes.
            link_lifetime: Duration::from_secs(15 * 60),
            chunk_rows: None,
            resumable_uploads: false,
            warehouse_start: None,
            without: Vec::new(),
            postgres_programs: None,
            statement_log: None,
            python: None,
            reset: false,
        }
    }
}

impl SandboxOptions {
    /// Keeps everything in this folder, across restarts. One sandbox uses it at a time. Without it: a temporary
    /// folder, removed at the end.
    #[must_use]
    pub fn with_data_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data_folder = Some(folder.into());
        self
    }

    /// Empties the data folder first: everything that sandboxes have kept in it goes, what others put there stays. A
    /// folder that no sandbox has made its own is refused, and so is one that is in use. Off by default.
    #[must_use]
    pub fn with_reset(mut self, reset: bool) -> Self {
        self.reset = reset;
        self
    }

    /// Starts these at once. The others start when they are first asked for. S3 always runs.
    #[must_use]
    pub fn with_fronts(mut self, fronts: impl IntoIterator<Item = Front>) -> Self {
        self.fronts = fronts.into_iter().collect();
        self
    }

    /// The port of the Databricks workspace; 0, the default, takes a free one.
    #[must_use]
    pub fn with_databricks_port(mut self, port: u16) -> Self {
        self.databricks_port = port;
        self
    }

    /// The port of the Databricks workspace behind TLS; 0, the default, takes a free one.
    #[must_use]
    pub fn with_databricks_https_port(mut self, port: u16) -> Self {
        self.databricks_https_port = port;
        self
    }

    /// The port of the Redshift cluster; 0, the default, takes a free one.
    #[must_use]
    pub fn with_redshift_port(mut self, port: u16) -> Self {
        self.redshift_port = port;
        self
    }

    /// The port of the S3 store; 0, the default, takes a free one.
    #[must_use]
    pub fn with_s3_port(mut self, port: u16) -> Self {
        self.s3_port = port;
        self
    }

    /// The port of AWS around the cluster; 0, the default, takes a free one.
    #[must_use]
    pub fn with_aws_port(mut self, port: u16) -> Self {
        self.aws_port = port;
        self
    }

    /// How long temporary credentials of the database live at most, whatever was asked for; an hour by default, which
    /// is the service's own limit. Less than its 15 minutes makes tests of expiry short.
    #[must_use]
    pub fn with_credential_lifetime(mut self, lifetime: Duration) -> Self {
        self.credential_lifetime = lifetime;
        self
    }

    /// The personal access token of the workspace, instead of a new one.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<Secret>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// The password of the database user, instead of a new one.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<Secret>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// How long a SQL warehouse takes to start, and to stop; a fifth of a second by default. Statements that come
    /// meanwhile are pending.
    #[must_use]
    pub fn with_warehouse_start(mut self, time: Duration) -> Self {
        self.warehouse_start = Some(time);
        self
    }

    /// The service principal for OAuth machine-to-machine, instead of a new one.
    #[must_use]
    pub fn with_client(mut self, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        self.client = Some((id.into(), secret.into()));
        self
    }

    /// Whether the Redshift cluster refuses connections without TLS, as new clusters do; on by default. The workspace
    /// and S3 always speak plain HTTP.
    #[must_use]
    pub fn with_require_ssl(mut self, require: bool) -> Self {
        self.require_ssl = require;
        self
    }

    /// Whether the Redshift front is a serverless workgroup: no `STL_`, `STV_` and `SVL_` views. Off by default: a cluster.
    #[must_use]
    pub fn with_serverless(mut self, serverless: bool) -> Self {
        self.serverless = serverless;
        self
    }

    /// How long an external link of the workspace is good for; 15 minutes by default.
    #[must_use]
    pub fn with_link_lifetime(mut self, lifetime: Duration) -> Self {
        self.link_lifetime = lifetime;
        self
    }

    /// How many rows a chunk of a statement's result holds at most; 122,880 by default, as recorded from the service.
    #[must_use]
    pub fn with_chunk_rows(mut self, rows: usize) -> Self {
        self.chunk_rows = Some(rows);
        self
    }

    /// Whether large files are taken into volumes as one stream that can be taken up again, as on Google's cloud. Off by
    /// default: in parts, as on the others.
    #[must_use]
    pub fn with_resumable_uploads(mut self, resumable: bool) -> Self {
        self.resumable_uploads = resumable;
        self
    }

    /// Switches off one of the workspace's awkward parts, all of which are on by default.
    #[must_use]
    pub fn without_quirk(mut self, quirk: Quirk) -> Self {
        self.without.push(quirk);
        self
    }

    /// Appends the text of every statement that the workspace and the cluster are given to a file, a JSON string in each
    /// line. Values that are bound are not in it.
    #[must_use]
    pub fn with_statement_log(mut self, file: impl Into<PathBuf>) -> Self {
        self.statement_log = Some(file.into());
        self
    }

    /// The Python that runs the workspace's tasks, instead of `python3`; 3.8 or later. It is looked for when the first
    /// such task runs.
    #[must_use]
    pub fn with_python(mut self, program: impl Into<PathBuf>) -> Self {
        self.python = Some(program.into());
        self
    }

    /// The folder that holds `initdb` and `postgres`, instead of looking for it.
    #[must_use]
    pub fn with_postgres_programs(mut self, folder: impl Into<PathBuf>) -> Self {
        self.postgres_programs = Some(folder.into());
        self
    }
}
