//! The sandbox itself: starts the servers, says how to reach them, and takes them down.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{net::TcpListener, sync::OnceCell};
use tokio_util::sync::CancellationToken;
use twinhouse_core::{Error, ErrorKind, Result, Secret};

use crate::{
    access::{AwsAccess, DatabricksAccess, RedshiftAccess, S3Store},
    environment,
    faults::{self, Faults, Front},
    fronts::{Databricks, Ground, Redshift, start_aws},
    lifecycle::{DataFolder, Home, Janitor, private_folder, public_folder, watch},
    options::SandboxOptions,
    s3,
    status::{Board, Contact, Snippet, snippets},
    tls::Tls,
};

const REGION: &str = "us-east-1";
const BUCKET: &str = "twinhouse";
const PREFIX: &str = "staging";
/// An account number that AWS uses in its own examples.
const IAM_ROLE: &str = "arn:aws:iam::123456789012:role/twinhouse-sandbox";

/// Both warehouses and their staging store, on this machine.
///
/// It lives on a thread and a runtime of its own, so it may be used from any number of runtimes, one after the other
/// or at once. [`stop`](Self::stop) and a drop leave neither process nor folder behind; neither does a panic, a
/// signal or a kill of the program, a moment later.
pub struct Sandbox {
    inner: Arc<Inner>,
    home: Home,
    belongings: Option<Belongings>,
}

/// What is given back at the end.
struct Belongings {
    folder: DataFolder,
    janitor: Janitor,
}

struct Inner {
    options: SandboxOptions,
    folder: PathBuf,
    tls: Tls,
    s3: S3Store,
    sessions: s3::SessionKeys,
    faults: Faults,
    board: Board,
    stop: CancellationToken,
    databricks: OnceCell<Databricks>,
    redshift: OnceCell<Redshift>,
    aws: OnceCell<AwsAccess>,
}

impl Sandbox {
    /// Starts the S3 store and the fronts that the options name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a port that is taken (it names the port and its setting), a folder that cannot be
    /// used, or a missing PostgreSQL; [`ErrorKind::Conflict`] if another sandbox uses the data folder.
    ///
    /// # Cancellation
    ///
    /// Dropping the future takes down what was started.
    pub async fn start(options: SandboxOptions) -> Result<Self> {
        let fronts = options.fronts.clone();
        let sandbox = Self::prepare(options).await?;
        match sandbox.start_fronts(&fronts).await {
            Ok(()) => Ok(sandbox),
            Err(error) => {
                if let Err(second) = sandbox.stop().await {
                    tracing::warn!(error = %second, "the sandbox did not stop cleanly");
                }
                Err(error)
            }
        }
    }

    /// The sandbox of this process, started on the first call; its fronts start when they are first asked for.
    ///
    /// For tests: it outlives each test's runtime, and ends with the process.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start). The next call tries again.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Sandbox> = OnceCell::const_new();
        SHARED.get_or_try_init(|| Self::start(SandboxOptions::default().with_fronts([]))).await
    }

    async fn prepare(options: SandboxOptions) -> Result<Self> {
        let home = Home::open()?;
        let (inner, belongings) = home.run(Inner::make(options)).await?;
        Ok(Self { inner: Arc::new(inner), home, belongings: Some(belongings) })
    }

    async fn start_fronts(&self, fronts: &[Front]) -> Result<()> {
        for front in fronts {
            match front {
                Front::Databricks => drop(self.databricks().await?),
                Front::Redshift => drop(self.redshift().await?),
                Front::Aws => drop(self.aws().await?),
                Front::S3 => {}
            }
        }
        Ok(())
    }

    /// How to reach the Databricks workspace, which is started if it does not run yet.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn databricks(&self) -> Result<&DatabricksAccess> {
        if self.inner.databricks.get().is_none() {
            let inner = Arc::clone(&self.inner);
            let start = async move { inner.databricks.get_or_try_init(|| inner.start_databricks()).await.map(drop) };
            self.home.run(start).await?;
        }
        self.inner.databricks.get().map(|running| &running.access).ok_or_else(not_started)
    }

    /// How to reach the Redshift cluster, which is started if it does not run yet.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); without PostgreSQL, [`ErrorKind::Config`] that says how to get it.
    pub async fn redshift(&self) -> Result<&RedshiftAccess> {
        if self.inner.redshift.get().is_none() {
            let inner = Arc::clone(&self.inner);
            let start = async move { inner.redshift.get_or_try_init(|| inner.start_redshift()).await.map(drop) };
            self.home.run(start).await?;
        }
        self.inner.redshift.get().map(|running| &running.access).ok_or_else(not_started)
    }

    /// How to reach AWS around the cluster. It and the cluster are started if they do not run yet.
    ///
    /// # Errors
    ///
    /// As [`redshift`](Self::redshift).
    pub async fn aws(&self) -> Result<&AwsAccess> {
        if self.inner.aws.get().is_none() {
            self.redshift().await?;
            let inner = Arc::clone(&self.inner);
            let start = async move { inner.aws.get_or_try_init(|| inner.start_aws()).await.map(drop) };
            self.home.run(start).await?;
        }
        self.inner.aws.get().ok_or_else(not_started)
    }

    /// Gives the owner of the cluster another password, as a rotation of the secret does: Secrets Manager and the
    /// cluster know it at once, sessions that are open stay open, and [`redshift`](Self::redshift) still names the
    /// first one.
    ///
    /// # Errors
    ///
    /// As [`redshift`](Self::redshift).
    pub async fn rotate_password(&self, password: impl Into<Secret>) -> Result<()> {
        self.redshift().await?;
        self.inner.redshift.get().ok_or_else(not_started)?.change_password(password.into());
        Ok(())
    }

    /// The process id of the PostgreSQL behind the Redshift cluster, for tests that kill it. `None` while the cluster
    /// does not run or PostgreSQL is being started again.
    pub fn postgres_pid(&self) -> Option<u32> {
        self.inner.redshift.get()?.postgres_pid()
    }

    /// Whether a warehouse of this sandbox runs a statement whose text contains `marker`: the servers' own view, for
    /// tests that prove a dropped statement was stopped.
    pub fn is_running(&self, marker: &str) -> bool {
        self.inner.databricks.get().is_some_and(|databricks| databricks.is_running(marker))
            || self.inner.redshift.get().is_some_and(|redshift| redshift.is_running(marker))
    }

    /// How to reach the S3 store.
    pub fn s3(&self) -> &S3Store {
        &self.inner.s3
    }

    /// The schedule of faults.
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// The certificate authority of this sandbox, in PEM.
    pub fn ca_file(&self) -> &Path {
        &self.inner.tls.ca_file
    }

    /// Where everything is kept: Delta tables under `databricks`, staged objects under `s3`.
    pub fn data_folder(&self) -> &Path {
        &self.inner.folder
    }

    /// The variables with which any client finds both warehouses; what does not run yet is started.
    ///
    /// # Errors
    ///
    /// As [`databricks`](Self::databricks) and [`redshift`](Self::redshift).
    pub async fn environment(&self) -> Result<Vec<(&'static str, Secret)>> {
        let (databricks, redshift, aws) = (self.databricks().await?, self.redshift().await?, self.aws().await?);
        Ok(environment::variables(databricks, redshift, aws, self.s3(), self.ca_file()))
    }

    /// How to connect from Rust, Python and psql, ready to be copied; what does not run yet is started. The lines hold
    /// the sandbox's own token and password.
    ///
    /// # Errors
    ///
    /// As [`databricks`](Self::databricks) and [`redshift`](Self::redshift).
    pub async fn snippets(&self) -> Result<Vec<Snippet>> {
        let (databricks, redshift) = (self.databricks().await?, Some(self.redshift().await?));
        Ok(snippets(&Contact { databricks, redshift }, true))
    }

    /// The address of the status page, with a word in it that shows the page's secrets to whoever opens it first. Once
    /// that is done, the plain address.
    ///
    /// # Errors
    ///
    /// As [`databricks`](Self::databricks).
    pub async fn status_link(&self) -> Result<Secret> {
        let url = &self.databricks().await?.url;
        Ok(self.inner.board.link(url).unwrap_or_else(|| Secret::new(format!("{url}/"))))
    }

    /// Writes [`environment`](Self::environment) to a file for a shell to source: `export NAME='value'` lines,
    /// readable by its owner only. The file appears, whole, when everything runs.
    ///
    /// # Errors
    ///
    /// As [`environment`](Self::environment), and [`ErrorKind::Config`] if the file cannot be written.
    pub async fn write_env_file(&self, path: impl AsRef<Path>) -> Result<()> {
        environment::write(path.as_ref(), &self.environment().await?)
    }

    /// Stops the servers, removes a temporary data folder and gives the lock of another one back.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the folder could not be removed.
    ///
    /// # Cancellation
    ///
    /// The stop goes on without its caller.
    pub async fn stop(mut self) -> Result<()> {
        let Some(belongings) = self.belongings.take() else { return Ok(()) };
        self.home.close(Arc::clone(&self.inner).stop(), || belongings.give_back()).await
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let Some(belongings) = self.belongings.take() else { return };
        let stopped = self.home.close_blocking(Arc::clone(&self.inner).stop(), || belongings.give_back());
        if let Err(error) = stopped {
            tracing::warn!(%error, "the sandbox did not stop cleanly");
        }
    }
}

impl Belongings {
    fn give_back(self) -> Result<()> {
        self.folder.release()?;
        self.janitor.dismiss();
        Ok(())
    }
}

impl Inner {
    async fn make(options: SandboxOptions) -> Result<(Self, Belongings)> {
        let folder = DataFolder::open(options.data_folder.as_deref(), options.reset)?;
        let janitor = watch(&folder.pid_file(), folder.is_temporary().then_some(folder.path()))?;
        let tls = Tls::create(&public_folder(folder.path(), "tls")?)?;
        let (faults, stop) = (Faults::default(), CancellationToken::new());

        let listener = bind("s3_port", options.s3_port).await?;
        let s3 = S3Store {
            endpoint: format!("http://{}", local_address(&listener)?),
            region: REGION.to_owned(),
            access_key: format!("AKIA{}", &random_word().to_uppercase()[..16]),
            secret_key: Secret::new(format!("{}{}", random_word(), &random_word()[..8])),
            bucket: BUCKET.to_owned(),
            prefix: PREFIX.to_owned(),
            iam_role: IAM_ROLE.to_owned(),
        };
        let root = private_folder(folder.path(), "s3")?;
        let sessions = s3::SessionKeys::new(&root, options.credential_lifetime);
        let router = s3::router(&root, &s3, sessions.clone())?;
        tokio::spawn(faults::serve(listener, Front::S3, router, faults.clone(), stop.clone()));

        let board = Board::new(faults.clone());
        board.show_s3(s3.clone());
        let inner = Self {
            folder: folder.path().to_owned(),
            options,
            tls,
            s3,
            sessions,
            faults,
            board,
            stop,
            databricks: OnceCell::new(),
            redshift: OnceCell::new(),
            aws: OnceCell::new(),
        };
        Ok((inner, Belongings { folder, janitor }))
    }

    async fn start_databricks(&self) -> Result<Databricks> {
        let listeners = [
            bind("databricks_port", self.options.databricks_port).await?,
            bind("databricks_https_port", self.options.databricks_https_port).await?,
        ];
        Databricks::start(&self.ground(), listeners, private_folder(&self.folder, "databricks")?).await
    }

    async fn start_redshift(&self) -> Result<Redshift> {
        let listener = bind("redshift_port", self.options.redshift_port).await?;
        Redshift::start(&self.ground(), listener).await
    }

    async fn start_aws(&self) -> Result<AwsAccess> {
        let cluster = self.redshift.get().ok_or_else(not_started)?;
        let listener = bind("aws_port", self.options.aws_port).await?;
        let endpoint = format!("http://{}", local_address(&listener)?);
        start_aws(&self.ground(), cluster, listener, endpoint)
    }

    fn ground(&self) -> Ground<'_> {
        Ground {
            options: &self.options,
            folder: &self.folder,
            tls: &self.tls,
            s3: &self.s3,
            sessions: &self.sessions,
            faults: &self.faults,
            board: &self.board,
            stop: &self.stop,
        }
    }

    async fn stop(self: Arc<Self>) {
        self.stop.cancel();
        // Waits for a start that is under way, whose caller may be gone.
        if let Ok(databricks) = self.databricks.get_or_try_init(async || Err(())).await {
            databricks.stop().await;
        }
        if let Ok(redshift) = self.redshift.get_or_try_init(async || Err(())).await {
            redshift.stop().await;
        }
    }
}

/// A listener on the loopback interface.
async fn bind(setting: &'static str, port: u16) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
        let message = match error.kind() {
            io::ErrorKind::AddrInUse => "the port is taken",
            io::ErrorKind::PermissionDenied => "the port is reserved for the administrator",
            _ => "cannot listen on the port",
        };
        Error::new(ErrorKind::Config, message)
            .with_context("port", port.to_string())
            .with_context("setting", setting)
            .with_source(error)
    })
}

fn local_address(listener: &TcpListener) -> Result<std::net::SocketAddr> {
    listener
        .local_addr()
        .map_err(|error| Error::new(ErrorKind::Internal, "a listener has no address").with_source(error))
}

/// A secret that nobody has seen.
pub(crate) fn new_secret() -> Secret {
    Secret::new(random_word())
}

/// 32 random hexadecimal digits.
fn random_word() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn not_started() -> Error {
    Error::new(ErrorKind::Internal, "a front of the sandbox is gone")
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("folder", &self.inner.folder)
            .field("databricks", &self.inner.databricks.get().map(|running| running.access.url.as_str()))
            .field("redshift", &self.inner.redshift.get().map(|running| running.access.port))
            .field("s3", &self.inner.s3.endpoint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
