//! The front as its clients see it, over real sockets and a real engine.

mod batch;
mod connect;
mod copy;
mod extended;
mod faults;
mod gate;
mod record;
mod sql;
mod unload;
mod upkeep;
mod views;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::sync::{Mutex, OnceCell, mpsc};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::sync::CancellationToken;

use super::{FileStorage, Front, FrontConfig, Grant};
use crate::{
    faults::Faults,
    postgres::{Postgres, PostgresOptions},
};

const USER: &str = "awsuser";
const PASSWORD: &str = "It's a \\ secret";
const ROLE: &str = "arn:aws:iam::123456789012:role/sandbox";
const KEY_ID: &str = "AKIASANDBOX";
const KEY_SECRET: &str = "storage-secret";
const BUCKET: &str = "staging";

/// One engine for all tests of the process; it ends with the process.
async fn engine() -> &'static Postgres {
    static ENGINE: OnceCell<Postgres> = OnceCell::const_new();
    ENGINE.get_or_init(async || Postgres::start(PostgresOptions::temporary()).await.expect("PostgreSQL starts")).await
}

/// A front with a database of its own.
struct Cluster {
    front: Front,
    faults: Faults,
    database: String,
    bucket: tempfile::TempDir,
    roots: rustls::RootCertStore,
}

impl Cluster {
    async fn start() -> Self {
        Self::with(false).await
    }

    async fn with(require_ssl: bool) -> Self {
        Self::on(engine().await, require_ssl, false).await
    }

    async fn serverless() -> Self {
        Self::on(engine().await, false, true).await
    }

    async fn on(engine: &Postgres, require_ssl: bool, serverless: bool) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
        let database = format!("dev{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let bucket = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(bucket.path().join(BUCKET)).expect("a bucket");
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let certificate = certified.cert.der().clone();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.clone()).expect("a root");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
        let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a server's certificate");
        let faults = Faults::default();
        let config = FrontConfig {
            listener: std::net::TcpListener::bind("127.0.0.1:0").expect("a port"),
            postgres: engine.address().clone(),
            users: vec![(USER.to_owned(), PASSWORD.into()), ("reader".to_owned(), "reads".into())],
            databases: vec![database.clone()],
            tls: Arc::new(tls),
            require_ssl,
            serverless,
            storage: Arc::new(FileStorage::new(bucket.path())),
            grant: Grant {
                role: ROLE.to_owned(),
                access_key_id: KEY_ID.to_owned(),
                secret_access_key: KEY_SECRET.into(),
            },
            faults: faults.clone(),
            statement_log: None,
            shutdown: CancellationToken::new(),
        };
        let _one = ONE_AT_A_TIME.lock().await;
        let front = Front::start(config).await.expect("the front starts");
        Self { front, faults, database, bucket, roots }
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        config
            .host("localhost")
            .hostaddr(self.front.address().ip())
            .port(self.front.address().port())
            .user(USER)
            .password(PASSWORD)
            .dbname(&self.database);
        config
    }

    async fn connect(&self) -> Client {
        self.connect_with(&self.config()).await.expect("connected")
    }

    async fn connect_with(&self, config: &Config) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// A client whose notices can be read.
    async fn connect_with_notices(&self) -> (Client, mpsc::UnboundedReceiver<String>) {
        let (client, mut connection) = self.config().connect(NoTls).await.expect("connected");
        let (sender, notices) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notice(notice) = message {
                    let _ = sender.send(format!("{}: {}", notice.severity(), notice.message()));
                }
            }
        });
        (client, notices)
    }

    fn tls(&self) -> MakeRustlsConnect {
        let config =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_root_certificates(self.roots.clone())
                .with_no_client_auth();
        MakeRustlsConnect::new(config)
    }

    fn object(&self, key: &str) -> std::path::PathBuf {
        self.bucket.path().join(BUCKET).join(key)
    }

    fn put(&self, key: &str, content: impl AsRef<[u8]>) {
        let path = self.object(key);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a folder");
        std::fs::write(path, content).expect("written");
    }
}

/// All rows of a simple query, `NULL` for null.
async fn rows(client: &Client, sql: &str) -> Vec<Vec<String>> {
    try_rows(client, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

async fn try_rows(client: &Client, sql: &str) -> Result<Vec<Vec<String>>, tokio_postgres::Error> {
    let messages = client.simple_query(sql).await?;
    Ok(messages
        .into_iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|i| row.get(i).unwrap_or("NULL").to_owned()).collect())
            }
            _ => None,
        })
        .collect())
}

async fn value(client: &Client, sql: &str) -> String {
    rows(client, sql).await.into_iter().next().and_then(|row| row.into_iter().next()).expect("a value")
}

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// SQLSTATE and message of a statement that must fail.
async fn failure(client: &Client, sql: &str) -> (String, String) {
    refusal(client.batch_execute(sql).await.expect_err(sql))
}

fn refusal(error: tokio_postgres::Error) -> (String, String) {
    match error.as_db_error() {
        Some(db) => (db.code().code().to_owned(), db.message().to_owned()),
        None => panic!("not of the server: {error:?}"),
    }
}
