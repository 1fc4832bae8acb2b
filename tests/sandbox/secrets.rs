//! Nothing that a program can print contains what it must not.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch},
    datatypes::DataType,
};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tracing_subscriber::fmt::MakeWriter;
use twinhouse_core::{Error, Report, Secret, config::Env};
use twinhouse_databricks::DatabricksWarehouse;
use twinhouse_redshift::{Auth, RedshiftBuilder, RedshiftWarehouse};
use twinhouse_sandbox::{Sandbox, SandboxOptions};
use twinhouse_testkit::conformance::Scratch;
use twinhouse_warehouse_api::{
    BatchStream, LoadRequest, LoadToken, StatementRequest, Traced, TransactionOptions, Warehouse, WarehouseExt as _,
};

use crate::fixtures::{databricks_builder, redshift_builder};

/// Everything that was printed.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<String>>);

impl Paper {
    fn print(&self, text: &str) {
        let mut paper = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        paper.push_str(text);
        paper.push('\n');
    }

    fn error(&self, error: &Error) {
        self.print(&format!("{error} {error:?} {error:#?} {}", Report(error)));
    }

    fn read(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.print(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Paper {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Recorder for Paper {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.print(&format!("metric {key}"));
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.print(&format!("metric {key}"));
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.print(&format!("metric {key}"));
        Histogram::noop()
    }
}

/// Runs with everything that is traced and counted on this thread going to paper. The runtime has no other thread;
/// the sandbox has its own, and what it prints is the server's affair.
fn on_paper(work: impl AsyncFnOnce(&Paper)) -> String {
    let paper = Paper::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(paper.clone())
        .with_ansi(false)
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tracing::subscriber::with_default(subscriber, || {
        metrics::with_local_recorder(&paper, || runtime.block_on(work(&paper)));
    });
    paper.read()
}

const VALUE: &str = "canary-bound-value";
const LITERAL: &str = "canary-in-the-text";

/// A bit of everything, right and wrong.
async fn work(paper: &Paper, warehouse: Arc<dyn Warehouse>, scratch: &Scratch) -> twinhouse_core::Result<()> {
    let warehouse: Arc<dyn Warehouse> = Arc::new(Traced::new(warehouse));
    paper.print(&format!("{warehouse:?} {:#?} {:?}", warehouse.info(), warehouse.capabilities()));
    let table = scratch.table("secrets");
    let (name, dialect) = (warehouse.info().dialect.table(&table)?, warehouse.info().dialect.clone());
    let (bigint, text) = (dialect.type_name(&DataType::Int64)?, dialect.type_name(&DataType::Utf8)?);
    warehouse.execute(format!("create table {name} (id {bigint}, t {text})")).await?;

    let request = StatementRequest::read(format!("select '{LITERAL}' as a, :v as b")).bind("v", VALUE);
    paper.print(&format!("{request:?} {:?}", request.params()));
    let handle = warehouse.submit(request).await?;
    paper.print(&format!("{handle:?} {:?} {:?}", handle.canceller(), handle.status().await?));
    let stream = handle.stream().await?;
    paper.print(&format!("{stream:?}"));
    stream.collect_batches().await?;

    let insert = StatementRequest::write(format!("insert into {name} values (1, :v)")).bind("v", VALUE);
    warehouse.execute(insert).await?;
    for sql in [
        format!("select '{LITERAL}' frm"),
        format!("select * from {name}_missing where t = '{LITERAL}'"),
        format!("select '{LITERAL}' as a, :unbound as b"),
    ] {
        if let Err(error) = warehouse.execute(sql).await {
            // What the server quotes of the text it was sent is its answer, not our leak.
            paper.print(&format!("{error:?}").replace(LITERAL, "…"));
        }
    }

    let batch = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![2])) as ArrayRef)]);
    let batch = batch.expect("a batch");
    let batches = || BatchStream::from_batches(batch.schema(), vec![batch.clone()]);
    let load = || Ok(LoadRequest::append(table.clone(), batches(), LoadToken::new("secrets-1")?));
    paper.print(&format!("{:?}", load()?));
    paper.print(&format!("{:?}", warehouse.load(load()?).await?));
    paper.print(&format!("{:?}", warehouse.upsert(table.clone(), batches(), &["id"]).await?));
    paper.print(&format!("{:?}", warehouse.table(&table).await?));
    if warehouse.capabilities().transactions {
        let mut transaction = warehouse.begin(TransactionOptions::default()).await?;
        paper.print(&format!("{transaction:?}"));
        transaction.execute(StatementRequest::write(format!("delete from {name}"))).await?;
        transaction.rollback().await?;
    }
    warehouse.execute(format!("drop table {name}")).await?;
    warehouse.close().await?;
    paper.error(&warehouse.execute("select 1").await.expect_err("it is closed"));
    Ok(())
}

/// What was planted, and what looks like a presigned link.
#[track_caller]
fn assert_clean(printed: &str, secrets: &[&str]) {
    assert!(printed.contains("metric twinhouse") || printed.contains("warehouse"), "nothing was printed:\n{printed}");
    for secret in secrets.iter().chain(&[VALUE, LITERAL, "X-Amz-Signature", "Bearer "]) {
        if let Some(at) = printed.find(secret) {
            let (from, to) = (at.saturating_sub(300), (at + 100).min(printed.len()));
            let around = printed.get(from..to).unwrap_or("(cut inside a character)");
            panic!("`{secret}` is printed: …{around}…");
        }
    }
}

const TOKEN: &str = "dapi-canary-token-5eC3eT";
const CLIENT: &str = "canary-client-5eC3eT";
const PASSWORD: &str = "canary-p@ss/word-5eC3eT";
const PASSWORD_IN_A_URL: &str = "canary-p%40ss";

fn options() -> SandboxOptions {
    SandboxOptions::default().with_fronts([]).with_token(TOKEN).with_password(PASSWORD).with_client("canary", CLIENT)
}

#[test]
fn nothing_of_databricks_prints_a_secret() {
    let printed = on_paper(async |paper| {
        let sandbox = Sandbox::start(options()).await.expect("a sandbox");
        let access = sandbox.databricks().await.expect("a workspace");
        let plain = || databricks_builder(access);
        let config = plain().build().expect("settings");
        paper.print(&format!("{:?} {config:?} {:?}", plain(), config.explain()));
        let warehouse = Arc::new(DatabricksWarehouse::new(config).expect("a client"));
        work(paper, warehouse, &Scratch::new(Some("main"), Some("default"))).await.expect("the work");

        let wrong = plain().token(Secret::new(format!("{TOKEN}-wrong"))).build().expect("settings");
        let wrong = DatabricksWarehouse::new(wrong).expect("a client");
        paper.error(&wrong.execute("select 1").await.expect_err("a wrong token"));
    });
    assert_clean(&printed, &[TOKEN, CLIENT, "/links/"]);
}

#[test]
fn nothing_of_redshift_prints_a_secret() {
    let printed = on_paper(async |paper| {
        let sandbox = Sandbox::start(options()).await.expect("a sandbox");
        let access = sandbox.redshift().await.expect("a cluster");
        let plain = || redshift_builder(access, sandbox.s3()).expect("a URL");
        let config = plain().build().expect("settings");
        paper.print(&format!("{:?} {config:?} {:?}", plain(), config.explain()));
        let secret_key = sandbox.s3().secret_key.expose().to_owned();
        let warehouse = Arc::new(RedshiftWarehouse::new(config).expect("a client"));
        work(paper, warehouse, &Scratch::new(None, Some("public"))).await.expect("the work");

        let wrong = plain().password(Secret::new(format!("{PASSWORD}-wrong"))).build().expect("settings");
        let wrong = RedshiftWarehouse::new(wrong).expect("a client");
        paper.error(&wrong.execute("select 1").await.expect_err("a wrong password"));
        // The key is made up by the sandbox: it is looked for here, where it is known.
        assert!(!paper.read().contains(&secret_key), "the key of the staging place is printed");
    });
    assert_clean(&printed, &[PASSWORD, PASSWORD_IN_A_URL]);
}

/// What every temporary password of the sandbox ends in, as it is and in a URL or XML.
const ISSUED: [&str; 3] = ["+/$=%&'@:", "%2B%2F%24", "+/$=%&amp;"];

#[test]
fn nothing_of_logins_from_aws_prints_a_secret() {
    let printed = on_paper(async |paper| {
        let sandbox = Sandbox::start(options()).await.expect("a sandbox");
        let (access, s3) = (sandbox.redshift().await.expect("a cluster"), sandbox.s3());
        let aws = sandbox.aws().await.expect("AWS");
        for auth in [Auth::Iam, Auth::ClusterCredentials, Auth::Serverless, Auth::SecretsManager] {
            let settings = || {
                RedshiftBuilder::new()
                    .env(Env::empty())
                    .host(&access.host)
                    .port(access.port)
                    .database(&access.database)
                    .root_certificate(&access.ca_file)
                    .auth(auth)
                    .user(&access.user)
                    .secret(&aws.secret_name)
                    .cluster_identifier(&aws.cluster_identifier)
                    .workgroup(&aws.workgroup)
                    .aws_endpoint(&aws.endpoint)
                    .region(&s3.region)
                    .s3_keys(s3.access_key.as_str(), s3.secret_key.clone(), None)
            };
            let config = settings().build().expect("settings");
            paper.print(&format!("{:?} {config:?} {}", settings(), config.explain()));
            let warehouse = RedshiftWarehouse::new(config).expect("a client");
            warehouse.execute("select 1").await.unwrap_or_else(|error| panic!("{auth}: {error:?}"));
            paper.print(&format!("warehouse {warehouse:?} {:?}", warehouse.health().await.expect("it is well")));
            warehouse.close().await.expect("a close");
            let wrong = settings().s3_keys(s3.access_key.as_str(), "canary-aws-key-5eC3eT", None).build();
            let wrong = RedshiftWarehouse::new(wrong.expect("settings")).expect("a client");
            paper.error(&wrong.execute("select 1").await.expect_err("a wrong key"));
        }
        let secret_key = s3.secret_key.expose();
        assert!(!paper.read().contains(secret_key), "the key of AWS is printed");
    });
    assert_clean(&printed, &[PASSWORD, "canary-aws-key-5eC3eT", ISSUED[0], ISSUED[1], ISSUED[2], "Signature="]);
}
