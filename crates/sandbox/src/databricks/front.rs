//! The workspace as a server: starts it, tells its address, ends it.

mod app;
mod exhibit;
mod history;
mod links;
mod sessions;
mod statements;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use axum::extract::Extension;
use rustls::ServerConfig;
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use twinhouse_core::{Error, ErrorKind, Result, Secret};

use self::app::{App, router};
use super::{
    api::{Access, Scheme, Warehouses},
    engine::{Catalog, DEFAULT, Engine, FullName, MAIN, schema_mut},
    jobs::{Jobs, Python, Queries, Runners},
    quirks::Quirks,
    statement::{Runner, StatementReport, Statements},
    workspace::Workspace,
};
use crate::{
    faults::{self, Faults},
    s3::SessionKeys,
    status::{self, Board, Exhibit, Runs},
};

/// How often abandoned statements are looked for.
const SWEEP: Duration = Duration::from_secs(30);
/// The stack of a thread of the engine.
const STACK: usize = 512 << 20;
/// How long the engine may take to let go of a statement that is stopped.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a front needs.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) struct FrontConfig {
    pub(crate) listener: std::net::TcpListener,
    /// A second door, behind TLS.
    pub(crate) tls: Option<(std::net::TcpListener, Arc<ServerConfig>)>,
    /// Everything is kept below this folder.
    pub(crate) folder: PathBuf,
    pub(crate) token: Secret,
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret,
    pub(crate) warehouse_id: String,
    /// How long the tokens of the service principal live; an hour on the service.
    pub(crate) token_lifetime: Duration,
    pub(crate) quirks: Quirks,
    /// The way to tables and volumes over S3.
    pub(crate) storage: Option<SessionKeys>,
    pub(crate) faults: Faults,
    pub(crate) shutdown: CancellationToken,
    /// Where the texts of statements go.
    pub(crate) statement_log: Option<PathBuf>,
    /// The Python of tasks, instead of `python3`.
    pub(crate) python: Option<PathBuf>,
    /// What the page at `/` shows; without it there is none.
    pub(crate) board: Option<Board>,
}

impl FrontConfig {
    /// A workspace with one user, one service principal and one warehouse.
    pub(crate) fn new(listener: std::net::TcpListener, folder: impl Into<PathBuf>, token: Secret) -> Self {
        Self {
            listener,
            tls: None,
            folder: folder.into(),
            token,
            client_id: uuid::Uuid::new_v4().to_string(),
            client_secret: Secret::new(format!("dose{}", uuid::Uuid::new_v4().simple())),
            warehouse_id: uuid::Uuid::new_v4().simple().to_string()[..16].to_owned(),
            token_lifetime: Duration::from_secs(3600),
            quirks: Quirks::default(),
            storage: None,
            faults: Faults::default(),
            shutdown: CancellationToken::new(),
            statement_log: None,
            python: None,
            board: None,
        }
    }

    /// Shows this at `/`.
    pub(crate) fn with_board(self, board: Board) -> Self {
        Self { board: Some(board), ..self }
    }

    pub(crate) fn with_statement_log(self, statement_log: Option<PathBuf>) -> Self {
        Self { statement_log, ..self }
    }

    /// Serves behind TLS too, on a listener of its own.
    #[must_use]
    pub(crate) fn with_tls(mut self, listener: std::net::TcpListener, server: Arc<ServerConfig>) -> Self {
        self.tls = Some((listener, server));
        self
    }

    pub(crate) fn with_python(self, python: Option<PathBuf>) -> Self {
        Self { python, ..self }
    }

    /// The service principal.
    #[must_use]
    pub(crate) fn with_client(mut self, id: impl Into<String>, secret: Secret) -> Self {
        self.client_id = id.into();
        self.client_secret = secret;
        self
    }

    /// How long a service principal's token lives.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn with_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// Which awkward parts are on.
    #[must_use]
    pub(crate) fn with_quirks(mut self, quirks: Quirks) -> Self {
        self.quirks = quirks;
        self
    }

    /// The way to tables and volumes over S3.
    #[must_use]
    pub(crate) fn with_storage(mut self, storage: SessionKeys) -> Self {
        self.storage = Some(storage);
        self
    }

    /// The schedule of faults.
    #[must_use]
    pub(crate) fn with_faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Ends the front too.
    #[must_use]
    pub(crate) fn with_shutdown(mut self, shutdown: CancellationToken) -> Self {
        self.shutdown = shutdown;
        self
    }
}

/// A running workspace. A drop ends it without waiting.
pub(crate) struct Front {
    url: String,
    https_url: Option<String>,
    warehouse_id: String,
    stop: CancellationToken,
    app: Arc<App>,
    #[cfg(test)]
    access: Access,
    running: Mutex<Option<Running>>,
}

struct Running {
    serving: JoinHandle<io::Result<()>>,
    serving_tls: Option<JoinHandle<io::Result<()>>>,
    sweeping: JoinHandle<()>,
    /// The server and the engine do not share threads: a cross join would starve the call that cancels it.
    server: Runtime,
    engine: Runtime,
}

impl Front {
    /// Starts serving.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the folder or the listener cannot be used.
    pub(crate) async fn start(config: FrontConfig) -> Result<Self> {
        let unusable =
            |what: &'static str| move |error: io::Error| Error::new(ErrorKind::Config, what).with_source(error);
        let address = config.listener.local_addr().map_err(unusable("the listener has no address"))?;
        let url = format!("http://{address}");
        let folder = config.folder.clone();
        let (engine, statements, workspace, python) = tokio::task::spawn_blocking(move || {
            let _ = std::fs::remove_dir_all(folder.join("uploads"));
            let (workspace, python) = (Workspace::open(&folder)?, Python::new(&folder, config.python)?);
            Ok::<_, io::Error>((Engine::open(&folder)?, Statements::new(folder.join("results"))?, workspace, python))
        })
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "the engine did not start").with_source(error))?
        .map_err(unusable("the folder of the Databricks workspace cannot be used"))?;

        let server = runtime("sandbox-databricks", 1).map_err(unusable("no threads for the server"))?;
        let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        let workers = runtime("sandbox-engine", threads).map_err(unusable("no threads for the engine"))?;
        let warehouse_moment = config.quirks.warehouse_moment;
        let quirks = Arc::new(config.quirks);
        let access = Access::new(config.token, config.client_id, config.client_secret, config.token_lifetime);
        let warehouses = Warehouses::new(&config.warehouse_id).with_moment(warehouse_moment);
        let runner = Runner {
            engine,
            statements: Arc::new(statements),
            quirks: Arc::clone(&quirks),
            runtime: workers.handle().clone(),
        };
        let queries = Queries::open(&config.folder)
            .map_err(unusable("the queries of the Databricks workspace cannot be read"))?;
        let runners = Runners {
            runner: runner.clone(),
            workspace,
            queries,
            warehouses: warehouses.clone(),
            warehouse_id: config.warehouse_id.clone(),
            access: access.clone(),
            url: url.clone(),
            dbfs: config.folder.join("dbfs"),
            python,
        };
        let jobs = Jobs::open(&config.folder, runners, server.handle().clone())
            .map_err(unusable("the jobs of the Databricks workspace cannot be read"))?;
        let app = Arc::new(App {
            runner,
            quirks,
            storage: config.storage,
            signer: links::Signer::new(),
            sessions: sessions::Sessions::default(),
            statement_log: config.statement_log,
            warehouses,
            jobs,
        });
        let stop = config.shutdown.child_token();
        let guard = server.enter();
        let listener = asynchronous(config.listener).map_err(unusable("the listener cannot be used"))?;
        let tls = config.tls.map(|(listener, tls)| Ok((asynchronous(listener)?, tls))).transpose();
        let tls = tls.map_err(unusable("the listener cannot be used"))?;
        drop(guard);
        let https = |(listener, _): &(tokio::net::TcpListener, _)| listener.local_addr();
        let https_url = tls.as_ref().map(https).transpose().map_err(unusable("the listener has no address"))?;
        let https_url = https_url.map(|address| format!("https://{address}"));
        let router = router(&app, &access);
        let router = match config.board {
            Some(board) => router.merge(status::routes(board)),
            None => router,
        };
        let serving_tls = tls.map(|tls| {
            let router = router.clone().layer(Extension(Scheme("https")));
            let (faults, stop) = (config.faults.clone(), stop.clone());
            server.spawn(faults::serve_tls(tls, faults::Front::Databricks, router, faults, stop))
        });
        let serving =
            server.spawn(faults::serve(listener, faults::Front::Databricks, router, config.faults, stop.clone()));
        let sweeping = server.spawn(sweep(Arc::clone(&app.runner.statements), stop.clone()));
        let running = Running { serving, serving_tls, sweeping, server, engine: workers };
        Ok(Self {
            url,
            https_url,
            warehouse_id: config.warehouse_id,
            stop,
            app,
            #[cfg(test)]
            access,
            running: Mutex::new(Some(running)),
        })
    }

    /// `http://127.0.0.1:port`
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// `https://127.0.0.1:port`, if it is served.
    pub(crate) fn https_url(&self) -> Option<&str> {
        self.https_url.as_deref()
    }

    /// The one warehouse.
    pub(crate) fn warehouse_id(&self) -> &str {
        &self.warehouse_id
    }

    /// Makes sure that there is a volume to stage files in, and answers its path. A real workspace has one because
    /// somebody made it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if the catalog cannot be written.
    pub(crate) fn staging_volume(&self, name: &str) -> Result<String> {
        let full = FullName { catalog: MAIN.to_owned(), schema: DEFAULT.to_owned(), name: name.to_owned() };
        let made = self.app.runner.engine.catalog().change(|listing| {
            let volumes = &mut schema_mut(listing, MAIN, DEFAULT)?.volumes;
            volumes.entry(name.to_owned()).or_insert_with(|| Catalog::new_volume(&full, None));
            Ok(())
        });
        made.map_err(|error| Error::new(ErrorKind::Internal, "cannot make the staging volume").with_source(error))?;
        Ok(format!("/Volumes/{MAIN}/{DEFAULT}/{name}"))
    }

    /// What the status page shows of it.
    pub(crate) fn exhibit(&self) -> Arc<dyn Exhibit> {
        Arc::new(exhibit::Window(Arc::clone(&self.app)))
    }

    /// Every statement that was submitted, oldest first.
    pub(crate) fn statement_states(&self) -> Vec<StatementReport> {
        self.app.runner.statements.reports()
    }

    /// The runs of jobs, for the status page.
    pub(crate) fn runs(&self) -> Arc<dyn Runs> {
        Arc::new(exhibit::Window(Arc::clone(&self.app)))
    }

    /// Takes back every token of the service principal, as a rotation of its secret does.
    #[cfg(test)]
    pub(crate) fn revoke_tokens(&self) {
        self.access.revoke_all();
    }

    /// Ends everything and waits for it. Again does nothing.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { serving, serving_tls, sweeping, server, engine }) = running else { return };
        let statements = Arc::clone(&self.app.runner.statements);
        self.app.jobs.stop().await;
        // Statements first: calls that wait for them are answered.
        let _ = tokio::task::spawn_blocking(move || statements.close_all()).await;
        let _ = serving.await;
        if let Some(serving) = serving_tls {
            let _ = serving.await;
        }
        let _ = sweeping.await;
        let ended = tokio::task::spawn_blocking(move || {
            engine.shutdown_timeout(PATIENCE);
            server.shutdown_timeout(PATIENCE);
        });
        let _ = ended.await;
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(running) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.app.jobs.abandon();
            self.app.runner.statements.close_all();
            running.engine.shutdown_background();
            running.server.shutdown_background();
        }
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The listener on the runtime that is entered.
fn asynchronous(listener: std::net::TcpListener) -> io::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

fn runtime(name: &str, threads: usize) -> io::Result<Runtime> {
    // sqlparser's visitor takes 120 KB of stack for each operator of a chain without optimisation. It is address space
    // only until it is used.
    Builder::new_multi_thread().worker_threads(threads).thread_name(name).thread_stack_size(STACK).enable_all().build()
}

async fn sweep(statements: Arc<Statements>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => statements.sweep(SystemTime::now()),
        }
    }
}
