//! The server: its folder, its first initialisation, its settings.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use twinhouse_core::{Error, ErrorKind, Result, Secret};

use super::{
    find::Programs,
    identity::Identity,
    supervise::{Recipe, Supervisor, Watchdog, command},
    template::Template,
};

/// The superuser; clients never are it.
const ADMIN: &str = "twinhouse";
/// Part of the socket's name; nothing listens on a real port.
const PORT: u16 = 5432;

/// Settings of a server for development: fast, forgetful on a power cut, and with Redshift's reading of literals.
const SETTINGS: &[&str] = &[
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "fsync=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=2GB",
    "shared_buffers=128MB",
    "work_mem=64MB",
    "maintenance_work_mem=128MB",
    "max_connections=200",
    "max_pred_locks_per_transaction=1024",
    "max_locks_per_transaction=256",
    // Parallel workers want /dev/shm, which containers keep small.
    "max_parallel_workers_per_gather=0",
    "max_parallel_maintenance_workers=0",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "datestyle=ISO, MDY",
    "intervalstyle=postgres",
    "bytea_output=hex",
    "extra_float_digits=0",
    // A backslash in a plain literal is an escape, always.
    "standard_conforming_strings=off",
    "escape_string_warning=off",
    "backslash_quote=on",
    // Transactions that could not have run one after the other: one of them fails.
    "default_transaction_isolation=serializable",
    "client_min_messages=notice",
    "log_min_messages=fatal",
    "log_min_error_statement=panic",
];

/// Where and how a [`Postgres`] runs.
#[derive(Clone, Debug)]
pub(crate) struct PostgresOptions {
    folder: Option<PathBuf>,
    programs: Option<PathBuf>,
}

impl PostgresOptions {
    /// All files go into `folder`, which is made if it does not exist.
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), programs: None }
    }

    /// All files go into a folder that is removed with the server, even if this process is killed.
    #[cfg(test)]
    pub(crate) fn temporary() -> Self {
        Self { folder: None, programs: None }
    }

    /// The folder of `initdb` and `postgres`, instead of looking for it.
    #[must_use]
    pub(crate) fn with_programs(mut self, folder: impl Into<PathBuf>) -> Self {
        self.programs = Some(folder.into());
        self
    }
}

/// How to reach the server, as its superuser.
#[derive(Clone, Debug)]
pub(crate) struct PostgresAddress {
    /// The folder of the Unix socket.
    pub(crate) sockets: PathBuf,
    pub(crate) port: u16,
    pub(crate) admin: &'static str,
    /// The password of the superuser and of every role the sandbox makes.
    pub(crate) password: Secret,
}

impl PostgresAddress {
    /// The socket itself.
    pub(crate) fn socket(&self) -> PathBuf {
        self.sockets.join(format!(".s.PGSQL.{}", self.port))
    }
}

/// A running PostgreSQL. Clones share it; it stops when the last one is dropped, or by [`stop`](Self::stop).
#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    address: PostgresAddress,
    inner: Arc<Running>,
}

#[derive(Debug)]
struct Running {
    supervisor: Supervisor,
    // Removed after the server has ended.
    _sockets: tempfile::TempDir,
}

impl Postgres {
    /// Initialises the folder if it is new, starts the server and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if there is no PostgreSQL, or the folder cannot be used;
    /// [`ErrorKind::Unavailable`], with the end of its log, if it does not start.
    pub(crate) async fn start(options: PostgresOptions) -> Result<Self> {
        tokio::task::spawn_blocking(move || Self::start_blocking(&options)).await.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Internal, "the start of PostgreSQL was interrupted").with_source(error))
        })
    }

    fn start_blocking(options: &PostgresOptions) -> Result<Self> {
        let programs = Programs::find(options.programs.as_deref())?;
        let identity = Identity::choose()?;
        // Socket names may have about 100 bytes, and data folders may lie deep.
        let name = format!("twinhouse-{:010x}", fastrand::u64(..1 << 40));
        // From here on somebody clears away what a kill leaves.
        let watchdog = Watchdog::start(&std::env::temp_dir().join(&name))?;
        Self::start_watched(options, &programs, identity, &name, &watchdog).inspect_err(|_| watchdog.dismiss())
    }

    fn start_watched(
        options: &PostgresOptions,
        programs: &Programs,
        identity: Identity,
        name: &str,
        watchdog: &Watchdog,
    ) -> Result<Self> {
        let home = std::env::temp_dir();
        let sockets = tempfile::Builder::new().prefix(name).rand_bytes(0).tempdir().map_err(unusable(&home))?;
        identity.own_folder(sockets.path()).map_err(unusable(sockets.path()))?;
        let folder = options.folder.clone().unwrap_or_else(|| sockets.path().join("data"));
        let place = Place::prepare(&folder, &identity)?;
        let password = place.initialise(programs, &identity)?;
        let pid_file = place.cluster.join("postmaster.pid");
        disown(&pid_file, &identity).map_err(unusable(&pid_file))?;

        let mut arguments = vec!["-D".to_owned(), place.cluster.display().to_string()];
        arguments.extend(["-p".to_owned(), PORT.to_string(), "-k".to_owned(), sockets.path().display().to_string()]);
        for setting in SETTINGS {
            arguments.extend(["-c".to_owned(), (*setting).to_owned()]);
        }
        let recipe = Recipe {
            program: programs.postgres(),
            arguments,
            identity,
            folder: place.folder.clone(),
            pid_file,
            log: place.folder.join("log"),
        };
        let supervisor = Supervisor::start(recipe, watchdog.clone())?;
        let address = PostgresAddress { sockets: sockets.path().to_path_buf(), port: PORT, admin: ADMIN, password };
        Ok(Self { address, inner: Arc::new(Running { supervisor, _sockets: sockets }) })
    }

    /// How to reach it.
    pub(crate) fn address(&self) -> &PostgresAddress {
        &self.address
    }

    /// The process id of its postmaster; `None` while it is being started again after it was killed.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.inner.supervisor.pid()
    }

    /// Stops the server and returns when its processes have ended. Repeating it is harmless.
    pub(crate) async fn stop(&self) {
        let inner = Arc::clone(&self.inner);
        // A panic in there leaves the server to the watchdog.
        let _ = tokio::task::spawn_blocking(move || inner.supervisor.stop()).await;
    }
}

/// The folders of one server.
#[derive(Debug)]
struct Place {
    folder: PathBuf,
    cluster: PathBuf,
}

impl Place {
    fn prepare(folder: &Path, identity: &Identity) -> Result<Self> {
        fs::create_dir_all(folder).map_err(unusable(folder))?;
        let folder = folder.canonicalize().map_err(unusable(folder))?;
        identity.reach(&folder, folder.parent().unwrap_or(&folder))?;
        identity.own_folder(&folder).map_err(unusable(&folder))?;
        Ok(Self { cluster: folder.join("cluster"), folder })
    }

    /// Runs initdb unless it was run before, and answers the password.
    fn initialise(&self, programs: &Programs, identity: &Identity) -> Result<Secret> {
        let password_file = self.folder.join("password");
        if let Ok(version) = fs::read_to_string(self.cluster.join("PG_VERSION")) {
            if version.trim().parse() != Ok(programs.major()) {
                return Err(Error::new(ErrorKind::Config, "the data folder was made by another version of PostgreSQL")
                    .with_context("folder", self.folder.display().to_string())
                    .with_context("made by", version.trim())
                    .with_context("found", programs.major().to_string()));
            }
            let password = fs::read_to_string(&password_file).map_err(unusable(&password_file))?;
            return Ok(Secret::new(password.trim()));
        }
        // A kill half-way must not leave something that looks initialised.
        let unfinished = self.folder.join("cluster.unfinished");
        let _ = fs::remove_dir_all(&unfinished);
        let template = Template::of(programs);
        if let Some(template) = &template {
            match template.copy_to(&unfinished, identity) {
                Ok(Some(password)) => {
                    identity.write_private(&password_file, password.expose()).map_err(unusable(&password_file))?;
                    fs::rename(&unfinished, &self.cluster).map_err(unusable(&self.cluster))?;
                    return Ok(password);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, "the template of PostgreSQL's files cannot be used");
                    let _ = fs::remove_dir_all(&unfinished);
                }
            }
        }
        let password = uuid::Uuid::new_v4().simple().to_string();
        identity.write_private(&password_file, &password).map_err(unusable(&password_file))?;
        let done = command(&programs.initdb(), identity, &self.folder)
            .args(["--encoding=UTF8", "--locale=C", "--auth=password", "--no-sync", "--no-instructions"])
            .arg(format!("--username={ADMIN}"))
            .arg(format!("--pwfile={}", password_file.display()))
            .arg("-D")
            .arg(&unfinished)
            .output()
            .map_err(|error| Error::new(ErrorKind::Config, "could not run initdb").with_source(error))?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            return Err(Error::new(ErrorKind::Config, "initdb failed")
                .with_context("folder", self.folder.display().to_string())
                .with_context("initdb", said.trim()));
        }
        let password = Secret::new(password);
        if let Some(Err(error)) = template.map(|template| template.keep(&unfinished, &password)) {
            tracing::debug!(%error, "no template was made of PostgreSQL's files");
        }
        fs::rename(&unfinished, &self.cluster).map_err(unusable(&self.cluster))?;
        Ok(password)
    }
}

/// The lock of a server that was killed may bear a number that has gone to another process of this user since: in a
/// container they are few. The server would take that one for its rival; the number of its own parent it takes for an
/// old one, and looks at the rest of the lock.
fn disown(pid_file: &Path, identity: &Identity) -> std::io::Result<()> {
    let Ok(text) = fs::read_to_string(pid_file) else { return Ok(()) };
    let (pid, rest) = text.split_once('\n').unwrap_or((&text, ""));
    match fs::read_to_string(format!("/proc/{}/comm", pid.trim())) {
        Ok(name) if !name.contains("postgres") => {
            identity.write_private(pid_file, &format!("{}\n{rest}", std::process::id()))
        }
        _ => Ok(()),
    }
}

fn unusable(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |error| {
        Error::new(ErrorKind::Config, "cannot use the data folder of PostgreSQL")
            .with_context("path", path.as_str())
            .with_source(error)
    }
}
