//! Our own AWS side against an imitation of AWS that nobody here wrote: moto's server, which checks signatures.
//!
//! What a load puts into moto's bucket is handed on to the sandbox's, so that its COPY finds what our client has staged.
//! `tests/proof/run` gives the Python that has moto.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use serde_json::{Value, json};
use twinhouse_core::{ErrorKind, Secret, config::Env};
use twinhouse_redshift::{Auth, RedshiftBuilder, RedshiftWarehouse};
use twinhouse_sandbox::{Sandbox, SandboxOptions};
use twinhouse_warehouse_api::{
    BatchStream, LoadRequest, LoadToken, StatementRequest, TableRef, Warehouse as _, WarehouseExt as _,
};

const PYTHON: &str = "TWINHOUSE_PROOF_PYTHON";

/// moto beside a sandbox.
struct Counterpart {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
    server: Child,
    said: Value,
}

type Keys<'a> = (&'a str, &'a str, Option<&'a str>);

impl Counterpart {
    /// `None`, and a word about it, where there is no Python for it.
    async fn start() -> Option<Self> {
        let Some(python) = std::env::var_os(PYTHON) else {
            eprintln!("not run: {PYTHON} is not set; tests/proof/run sets it");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let options = SandboxOptions::default().with_fronts([]).with_data_folder(&data);
        let sandbox = Sandbox::start(options).await.expect("a sandbox");
        let access = sandbox.redshift().await.expect("a cluster");
        let settings = json!({
            "bucket": sandbox.s3().bucket,
            "login": { "username": access.user, "password": access.password.expose() },
        });
        let file = folder.path().join("settings.json");
        std::fs::write(&file, settings.to_string()).expect("a file");
        let mut server = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("proof/counterpart.py"))
            .args([&file, &data.join("s3"), &seen(folder.path())])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Python");
        let mut line = String::new();
        BufReader::new(server.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let said = serde_json::from_str(&line).unwrap_or_else(|_| {
            let mut words = String::new();
            let _ = server.stderr.take().expect("piped").read_to_string(&mut words);
            panic!("moto did not start: {words}")
        });
        Some(Self { sandbox, folder, server, said })
    }

    fn text(&self, name: &str) -> &str {
        self.said[name].as_str().expect("text")
    }

    fn own(&self) -> Keys<'_> {
        (self.text("id"), self.text("key"), None)
    }

    fn assumed(&self) -> Keys<'_> {
        let part = |at: usize| self.said["assumed"][at].as_str().expect("text");
        (part(0), part(1), Some(part(2)))
    }

    /// The sandbox's cluster; whatever is asked of AWS is asked of moto, with these keys.
    async fn builder(&self, (id, key, token): Keys<'_>) -> RedshiftBuilder {
        let access = self.sandbox.redshift().await.expect("a cluster");
        RedshiftBuilder::new()
            .env(Env::empty())
            .host(&access.host)
            .port(access.port)
            .database(&access.database)
            .root_certificate(&access.ca_file)
            .region(self.text("region"))
            .aws_endpoint(self.text("endpoint"))
            .s3_endpoint(self.text("endpoint"))
            .s3_keys(id, key, token.map(Secret::new))
            .iam_role(&self.sandbox.s3().iam_role)
    }

    async fn with_password(&self, keys: Keys<'_>) -> RedshiftWarehouse {
        let access = self.sandbox.redshift().await.expect("a cluster");
        let builder = self.builder(keys).await.user(&access.user).password(access.password.clone());
        connect(builder.staging(self.sandbox.s3().staging().parse().expect("a prefix")))
    }

    /// Method, target and status of the calls so far, and how many objects they name in their bodies.
    fn calls(&self) -> Vec<(String, String, u64, usize)> {
        let text = std::fs::read_to_string(seen(self.folder.path())).expect("a file");
        let call = |line: &str| serde_json::from_str(line).expect("a call");
        text.lines().map(call).collect()
    }

    async fn stop(mut self) {
        drop(self.server.stdin.take());
        self.server.wait().expect("it ends");
        self.sandbox.stop().await.expect("a stop");
    }
}

fn seen(folder: &Path) -> PathBuf {
    folder.join("seen.jsonl")
}

fn connect(builder: RedshiftBuilder) -> RedshiftWarehouse {
    RedshiftWarehouse::new(builder.build().expect("settings")).expect("a client")
}

fn rows() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..1000))),
        ("name", Arc::new(StringArray::from_iter_values((0..1000).map(|n| format!("n{n} 'ü'"))))),
    ];
    RecordBatch::try_from_iter(columns).expect("a batch")
}

async fn load(warehouse: &RedshiftWarehouse, table: &str) -> twinhouse_core::Result<u64> {
    warehouse.execute(format!("create table if not exists {table} (id bigint, name varchar(30))")).await.expect("made");
    let token = LoadToken::new(uuid::Uuid::new_v4().to_string()).expect("a token");
    let batches = BatchStream::from_batches(rows().schema(), vec![rows()]);
    let target = TableRef::new(table).with_schema("public");
    warehouse.load(LoadRequest::append(target, batches, token)).await.map(|report| report.rows)
}

#[derive(serde::Deserialize)]
struct Counted {
    n: i64,
}

async fn count(warehouse: &RedshiftWarehouse, table: &str) -> i64 {
    let asked = StatementRequest::read(format!("select count(*) as n from {table}"));
    warehouse.fetch_one::<Counted>(asked).await.expect("a count").n
}

#[derive(serde::Deserialize)]
struct Who {
    who: String,
}

async fn who(builder: RedshiftBuilder) -> twinhouse_core::Result<String> {
    let warehouse = connect(builder);
    let asked: Who = warehouse.fetch_one(StatementRequest::read("select current_user as who")).await?;
    warehouse.close().await?;
    Ok(asked.who)
}

#[tokio::test]
async fn a_load_is_staged_in_a_store_that_checks_signatures_and_is_cleared_from_it() {
    let Some(counterpart) = Counterpart::start().await else { return };
    for (keys, table) in [(counterpart.own(), "own"), (counterpart.assumed(), "assumed")] {
        let warehouse = counterpart.with_password(keys).await;
        let before = counterpart.calls().len();
        assert_eq!(load(&warehouse, table).await.unwrap_or_else(|error| panic!("{table}: {error:?}")), 1000);
        assert_eq!(count(&warehouse, table).await, 1000);
        let calls = &counterpart.calls()[before..];
        // At least one file and the manifest come, and all of them go.
        let put = calls.iter().filter(|call| call.0 == "PUT").count();
        let deleted: usize = calls.iter().filter(|call| call.0 == "POST").map(|call| call.3).sum();
        assert!(put >= 2 && deleted == put, "{calls:?}");
        assert!(calls.iter().all(|call| (200..300).contains(&call.2)), "{calls:?}");
        warehouse.close().await.expect("a close");
    }
    counterpart.stop().await;
}

#[tokio::test]
async fn a_wrong_secret_is_refused_by_the_store_and_nothing_is_loaded() {
    let Some(counterpart) = Counterpart::start().await else { return };
    let (id, key, _) = counterpart.own();
    let (assumed, assumed_key, _) = counterpart.assumed();
    for (keys, table) in [
        ((id, "wrong", None), "wrong_secret"),
        (("AKIAUNKNOWN", key, None), "unknown_key"),
        ((assumed, assumed_key, Some("forged")), "forged_token"),
    ] {
        let warehouse = counterpart.with_password(keys).await;
        let error = load(&warehouse, table).await.expect_err(table);
        assert!(matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::PermissionDenied), "{table}: {error:?}");
        assert_eq!(count(&warehouse, table).await, 0);
        warehouse.close().await.expect("a close");
    }
    assert!(!counterpart.calls().iter().any(|call| call.0 == "PUT" && call.2 == 200 && call.1.len() > 20));
    counterpart.stop().await;
}

#[tokio::test]
async fn a_login_is_read_from_secrets_manager() {
    let Some(counterpart) = Counterpart::start().await else { return };
    let (id, _, _) = counterpart.own();
    let login =
        async |keys, secret: &str| who(counterpart.builder(keys).await.auth(Auth::SecretsManager).secret(secret)).await;
    for keys in [counterpart.own(), counterpart.assumed()] {
        assert_eq!(login(keys, "login").await.expect("a login"), "awsuser");
    }
    let error = login(counterpart.own(), "other").await.expect_err("there is no such secret");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    let error = login((id, "wrong", None), "login").await.expect_err("a wrong signature");
    assert!(matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::PermissionDenied), "{error:?}");
    counterpart.stop().await;
}

#[tokio::test]
async fn credentials_of_the_cluster_are_asked_for_and_presented() {
    let Some(counterpart) = Counterpart::start().await else { return };
    let (id, _, _) = counterpart.own();
    let ask = async |keys, cluster: &str| {
        let builder = counterpart.builder(keys).await.auth(Auth::ClusterCredentials).user("awsuser");
        who(builder.cluster_identifier(cluster)).await.expect_err("a stranger's credentials")
    };
    // moto's credentials mean nothing to this cluster, which says whose they are.
    let error = ask(counterpart.own(), "counterpart").await;
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error:?}");
    assert!(format!("{error:?}").contains("IAM:awsuser"), "{error:?}");
    let asked = counterpart.calls().into_iter().filter(|call| call.1.contains("Action=GetClusterCredentials"));
    assert!(asked.clone().count() > 0 && asked.into_iter().all(|call| call.2 == 200));
    let error = ask(counterpart.own(), "other").await;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    let error = ask((id, "wrong", None), "counterpart").await;
    assert!(matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::PermissionDenied), "{error:?}");
    counterpart.stop().await;
}
