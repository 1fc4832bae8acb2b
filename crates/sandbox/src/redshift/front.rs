//! The server: listens, keeps its sessions, ends them.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::BytesMut;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncWriteExt as _, split},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use twinhouse_core::{Error, ErrorKind, Report as Chain, Result, Secret};

use super::{
    access::Grant,
    catalog,
    exhibit::Window,
    logins::Logins,
    membership::Lent,
    record::{QueryRecord, Record},
    relay::Link,
    report::Report,
    rewrite::LastIds,
    session::{Session, answer},
    startup::{Greeted, cancel_at_engine, greet},
    storage::Storage,
    views::Views,
    wire::Messages,
};
use crate::{
    faults::{Faults, FaultyStream, Switch},
    postgres::PostgresAddress,
    statement_log,
    status::Exhibit,
};

/// The engine takes a cancel request at once, or not at all.
const CANCEL: std::time::Duration = std::time::Duration::from_secs(5);

/// Open at once, at the most.
const FILES: u64 = 10_240;

/// How long the last words to a client may take.
const GOODBYE: std::time::Duration = std::time::Duration::from_secs(1);

/// What a front needs.
#[derive(Debug)]
pub(crate) struct FrontConfig {
    /// Already bound; connections are taken from it.
    pub(crate) listener: std::net::TcpListener,
    pub(crate) postgres: PostgresAddress,
    /// Names and passwords. The first user owns the databases.
    pub(crate) users: Vec<(String, Secret)>,
    /// The databases that exist, all made if they are new.
    pub(crate) databases: Vec<String>,
    pub(crate) tls: Arc<rustls::ServerConfig>,
    /// Connections without TLS are refused.
    pub(crate) require_ssl: bool,
    /// A serverless workgroup instead of a cluster.
    pub(crate) serverless: bool,
    pub(crate) storage: Arc<dyn Storage>,
    /// Who may read and write the storage.
    pub(crate) grant: Grant,
    pub(crate) faults: Faults,
    /// The texts of statements are appended to it.
    pub(crate) statement_log: Option<PathBuf>,
    /// Ends the front, as [`Front::stop`] does.
    pub(crate) shutdown: CancellationToken,
}

/// A running Redshift front.
#[derive(Debug)]
pub(crate) struct Front {
    shared: Arc<Shared>,
    address: SocketAddr,
    shutdown: CancellationToken,
    accepting: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) postgres: PostgresAddress,
    pub(super) logins: Arc<Logins>,
    pub(super) lent: Lent,
    pub(super) databases: Vec<String>,
    pub(super) tls: Arc<rustls::ServerConfig>,
    pub(super) require_ssl: bool,
    pub(super) serverless: bool,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) grant: Grant,
    pub(super) faults: Faults,
    statement_log: Option<PathBuf>,
    pub(super) record: Arc<Record>,
    views: Views,
    sessions: Mutex<HashMap<i32, Open>>,
}

#[derive(Debug)]
struct Open {
    secret: i32,
    engine_secret: i32,
    cancelling: Arc<tokio::sync::Mutex<()>>,
}

impl Front {
    /// Prepares the databases and starts taking connections.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if there is no user or no database, [`ErrorKind::Unavailable`] if the engine does not
    /// answer.
    pub(crate) async fn start(config: FrontConfig) -> Result<Self> {
        let listening = |error: io::Error| {
            Error::new(ErrorKind::Unavailable, "cannot listen for Redshift's clients").with_source(error)
        };
        want_files();
        config.listener.set_nonblocking(true).map_err(listening)?;
        let listener = TcpListener::from_std(config.listener).map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        catalog::prepare(&config.postgres, &config.users, &config.databases).await?;
        let shared = Arc::new(Shared {
            postgres: config.postgres,
            logins: Arc::new(Logins::new(config.users)),
            lent: Lent::default(),
            databases: config.databases,
            tls: config.tls,
            require_ssl: config.require_ssl,
            serverless: config.serverless,
            storage: config.storage,
            grant: config.grant,
            faults: config.faults,
            statement_log: config.statement_log,
            record: Arc::default(),
            views: Views::new(config.serverless),
            sessions: Mutex::default(),
        });
        let shutdown = config.shutdown.child_token();
        let accepting = tokio::spawn(accept(Arc::clone(&shared), listener, shutdown.clone()));
        Ok(Self { shared, address, shutdown, accepting: tokio::sync::Mutex::new(Some(accepting)) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The passwords that it takes.
    pub(crate) fn logins(&self) -> &Arc<Logins> {
        &self.shared.logins
    }

    /// Ends all sessions and returns when they have ended. Repeating it is harmless.
    pub(crate) async fn stop(&self) {
        self.shutdown.cancel();
        if let Some(accepting) = self.accepting.lock().await.take() {
            let _ = accepting.await;
        }
    }

    /// What the status page shows of it.
    pub(crate) fn exhibit(&self) -> Arc<dyn Exhibit> {
        Arc::new(Window(Arc::clone(&self.shared)))
    }

    /// The queries that run now.
    pub(crate) fn activity(&self) -> Vec<QueryRecord> {
        self.shared.record.running()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Shared {
    fn sessions(&self) -> MutexGuard<'_, HashMap<i32, Open>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the text of a statement that came in, if somebody wants them.
    pub(super) fn note(&self, sql: &str) {
        if let Some(file) = &self.statement_log {
            statement_log::note(file, sql);
        }
    }

    /// Cancels what the session runs, if the secret is its own.
    pub(super) async fn cancel(&self, pid: i32, secret: i32) {
        let found = self
            .sessions()
            .get(&pid)
            .filter(|open| open.secret == secret)
            .map(|open| (open.engine_secret, Arc::clone(&open.cancelling)));
        let Some((engine_secret, cancelling)) = found else { return };
        let _until_it_has_arrived = cancelling.lock().await;
        if !self.record.is_running(pid) {
            return;
        }
        let passed_on = cancel_at_engine(&self.postgres, pid, engine_secret);
        match tokio::time::timeout(CANCEL, passed_on).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "could not pass on a cancel request"),
            Err(_) => tracing::debug!("the engine did not take a cancel request"),
        }
    }

    pub(super) async fn terminate(&self, pid: i32) {
        if let Err(error) = catalog::terminate(&self.postgres, pid).await {
            tracing::warn!(error = %Chain(&error), "could not terminate a session of the engine");
        }
    }

    /// Fills the views over the front's memory.
    pub(super) async fn write_record(&self, database: &str) {
        if let Err(error) = self.views.fill(&self.postgres, &self.record, database).await {
            tracing::warn!(error = %Chain(&error), "could not fill the system views");
        }
    }
}

/// Clients take two files each and an unload by partition one for each folder: more than the 1024 of many shells.
fn want_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(FILES, |most| most.min(FILES));
    if limit.current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit })
    {
        tracing::debug!(%error, "no more files than before");
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, shutdown: CancellationToken) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = sessions.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => {
                    let (shared, shutdown) = (Arc::clone(&shared), shutdown.clone());
                    sessions.spawn(async move {
                        if let Err(error) = connection(&shared, tcp, &shutdown).await {
                            tracing::debug!(%error, "a connection ended");
                        }
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: they come back.
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    while sessions.join_next().await.is_some() {}
}

async fn connection(shared: &Arc<Shared>, tcp: TcpStream, shutdown: &CancellationToken) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let stream = FaultyStream::new(tcp);
    let switch = stream.switch();
    let greeted = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        greeted = greet(shared, stream) => greeted?,
    };
    let Some(mut greeted) = greeted else { return Ok(()) };
    let membership = greeted.membership.take();
    let pid = greeted.asker.pid;
    let cancelling = Arc::default();
    let open =
        Open { secret: greeted.secret, engine_secret: greeted.engine_secret, cancelling: Arc::clone(&cancelling) };
    shared.sessions().insert(pid, open);
    shared.record.open_session(&greeted.asker);
    let registered = Registered { shared, pid };
    let outcome = session(shared, greeted, switch, cancelling, shutdown).await;
    drop(registered);
    if let Some(membership) = membership {
        membership.leave().await;
    }
    outcome
}

/// Takes the session off the list, however it ends.
struct Registered<'a> {
    shared: &'a Shared,
    pid: i32,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.shared.sessions().remove(&self.pid);
        self.shared.record.forget_session(self.pid);
    }
}

async fn session(
    shared: &Arc<Shared>,
    mut greeted: Greeted,
    switch: Switch,
    cancelling: Arc<tokio::sync::Mutex<()>>,
    shutdown: &CancellationToken,
) -> io::Result<()> {
    greeted.client.write(&greeted.welcome).await?;
    let early = std::mem::take(&mut greeted.client.buffer);
    let (reader, writer) = split(greeted.client.into_io());
    let mut client = Messages::new(reader);
    client.buffer = early;
    let early = std::mem::take(&mut greeted.engine.buffer);
    let (from_engine, to_engine) = greeted.engine.into_io().into_split();
    let mut engine = Messages::new(from_engine);
    engine.buffer = early;

    let link = Arc::new(Link::new(Arc::clone(&shared.record)));
    let answers = Arc::new(tokio::sync::Mutex::new(writer));
    let (sender, diverted) = mpsc::channel(16);
    let mut session = Session {
        shared: Arc::clone(shared),
        asker: greeted.asker,
        link: Arc::clone(&link),
        client,
        answers: Arc::clone(&answers),
        engine: to_engine,
        pending: BytesMut::new(),
        diverted,
        switch,
        cancelling,
        case_sensitive: false,
        query_group: greeted.query_group,
        ids: LastIds::default(),
        transaction: 0,
        commit_prepared: false,
    };
    let outcome = tokio::select! {
        outcome = session.serve() => outcome,
        outcome = answer(&link, engine, &answers, sender) => outcome,
        () = shutdown.cancelled() => {
            let report = Report::fatal("57P01", "terminating connection due to administrator command");
            in_time(session.tell(&[report])).await
        }
    };
    // The engine ends its session on this; without it, on the end of the stream.
    let _ = session.engine.write_all(&[b'X', 0, 0, 0, 4]).await;
    let closed = in_time(async { answers.lock().await.shutdown().await }).await;
    outcome.and(closed)
}

/// A client that does not read must not keep its session from ending.
async fn in_time(last: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    tokio::time::timeout(GOODBYE, last).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
