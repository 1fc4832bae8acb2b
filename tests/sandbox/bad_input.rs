//! Bad input: a typed error that says what to do, and nothing half-done.

use std::time::{Duration, Instant};

use twinhouse_core::{Error, ErrorKind, Report, Result, config::Env};
use twinhouse_databricks::{DatabricksConfig, DatabricksWarehouse};
use twinhouse_redshift::{RedshiftBuilder, RedshiftWarehouse};
use twinhouse_sandbox::{FaultKind, FaultRule, Front, Sandbox, SandboxOptions};
use twinhouse_warehouse_api::{StatementRequest, TableFilter, Warehouse, WarehouseExt as _};

use crate::{
    faults::{Ground, token},
    fixtures::{PATIENCE, databricks_builder, redshift_builder, redshift_of},
};

const WRONG: &str = "wrong-and-secret";

/// The error of something that must fail, with its whole chain as text.
#[track_caller]
fn failed<T>(outcome: Result<T>) -> (Error, String) {
    match outcome {
        Err(error) => {
            let text = Report(&error).to_string();
            assert!(!format!("{text} {error:?}").contains(WRONG), "a secret is printed");
            (error, text)
        }
        Ok(_) => panic!("this must not succeed"),
    }
}

async fn select_one(warehouse: &dyn Warehouse) -> Result<u64> {
    warehouse.execute(StatementRequest::read("select 1 as one")).await
}

#[tokio::test]
async fn an_unknown_scheme_names_the_known_ones() {
    let (error, text) = failed(twinhouse::connect(&format!("mysql://user:{WRONG}@host/db")).await);
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(text.contains("databricks://") && text.contains("redshift://") && text.contains("sandbox://"), "{text}");
}

#[test]
fn a_missing_setting_is_named_with_the_places_where_it_was_looked_for() {
    let (error, text) = failed(DatabricksConfig::builder().env(Env::empty()).token(WRONG).warehouse_id("w").build());
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(text.contains("host") && text.contains("DATABRICKS_HOST"), "{text}");

    let builder = DatabricksConfig::builder().env(Env::empty()).host("https://example.com").token(WRONG);
    let (error, text) = failed(builder.build().and_then(DatabricksWarehouse::new));
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(text.contains("warehouse_id") && text.contains("DATABRICKS_WAREHOUSE_ID"), "{text}");

    let (error, text) = failed(RedshiftBuilder::new().env(Env::empty()).host("h").user("u").password(WRONG).build());
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(text.contains("database") && text.contains("PGDATABASE"), "{text}");
}

#[test]
fn a_setting_that_makes_no_sense_is_named_without_its_value() {
    let url = format!("redshift://u:{WRONG}@h/db?sslmode={WRONG}");
    let (error, text) = failed(RedshiftBuilder::from_url(&url).and_then(|builder| builder.env(Env::empty()).build()));
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(text.contains("sslmode"), "{text}");
    let (error, _) = failed(DatabricksConfig::builder().env(Env::empty()).url(format!("databricks://{WRONG}")).build());
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_folder_without_postgresql_says_what_it_must_hold() {
    let empty = tempfile::tempdir().expect("a folder");
    let options = SandboxOptions::default().with_fronts([Front::Redshift]).with_postgres_programs(empty.path());
    let (error, text) = failed(Sandbox::start(options).await);
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    assert!(text.contains("initdb") && text.contains(&empty.path().display().to_string()), "{text}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    for (options, setting) in [
        (SandboxOptions::default().with_fronts([]).with_s3_port(port), "s3_port"),
        (SandboxOptions::default().with_fronts([Front::Databricks]).with_databricks_port(port), "databricks_port"),
        (SandboxOptions::default().with_fronts([Front::Redshift]).with_redshift_port(port), "redshift_port"),
    ] {
        let (error, text) = failed(Sandbox::start(options).await);
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
        assert!(text.contains(&port.to_string()) && text.contains(setting), "{text}");
    }
}

#[tokio::test]
async fn a_wrong_token_is_refused_everywhere() {
    let access = Sandbox::shared().await.expect("a sandbox").databricks().await.expect("a workspace");
    let config = databricks_builder(access).token(WRONG).build().expect("settings");
    let warehouse = DatabricksWarehouse::new(config).expect("a client");
    for outcome in [
        select_one(&warehouse).await,
        warehouse.table(&"main.default.t".parse().expect("a name")).await.map(|_| 0),
        futures::TryStreamExt::try_collect::<Vec<_>>(warehouse.tables(TableFilter::default())).await.map(|_| 0),
    ] {
        let (error, _) = failed(outcome);
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error:?}");
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let sandbox = Sandbox::shared().await.expect("a sandbox");
    let access = sandbox.redshift().await.expect("a cluster");
    let config = redshift_builder(access, sandbox.s3()).expect("a URL").password(WRONG).build().expect("settings");
    let (error, text) = failed(select_one(&RedshiftWarehouse::new(config).expect("a client")).await);
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error:?}");
    assert!(text.contains(&access.user), "{text}");
}

#[tokio::test]
async fn an_unknown_sql_warehouse_catalog_or_schema_is_named() {
    let access = Sandbox::shared().await.expect("a sandbox").databricks().await.expect("a workspace");
    let plain = || databricks_builder(access);
    for (builder, name) in [
        (plain().warehouse_id("0123456789abcdef"), "0123456789abcdef"),
        (plain().catalog("no_such_catalog"), "no_such_catalog"),
        (plain().schema("no_such_schema"), "no_such_schema"),
    ] {
        let warehouse = DatabricksWarehouse::new(builder.build().expect("settings")).expect("a client");
        let (error, text) = failed(warehouse.execute(StatementRequest::read("select * from t")).await);
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
        assert!(text.contains(name), "{text}");
    }
}

#[tokio::test]
async fn an_unknown_database_is_named() {
    let sandbox = Sandbox::shared().await.expect("a sandbox");
    let access = sandbox.redshift().await.expect("a cluster");
    let builder = redshift_builder(access, sandbox.s3()).expect("a URL").database("no_such_database");
    let warehouse = RedshiftWarehouse::new(builder.build().expect("settings")).expect("a client");
    let (error, text) = failed(select_one(&warehouse).await);
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(text.contains("no_such_database"), "{text}");
}

/// A port where nobody listens, as long as it is held.
fn closed_port() -> (tokio::net::TcpSocket, u16) {
    let held = tokio::net::TcpSocket::new_v4().expect("a socket");
    held.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let port = held.local_addr().expect("an address").port();
    (held, port)
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let sandbox = Sandbox::shared().await.expect("a sandbox");
    let (_held, port) = closed_port();
    let access = sandbox.databricks().await.expect("a workspace");
    let config = databricks_builder(access).host(format!("http://127.0.0.1:{port}")).max_retries(0).build();
    let warehouse = DatabricksWarehouse::new(config.expect("settings")).expect("a client");
    let (error, text) = failed(select_one(&warehouse).await);
    assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
    assert!(text.contains("127.0.0.1"), "{text}");

    let access = sandbox.redshift().await.expect("a cluster");
    let builder = redshift_builder(access, sandbox.s3()).expect("a URL").port(port);
    let config = builder.connect_timeout(Duration::from_secs(2)).build().expect("settings");
    let (error, text) = failed(select_one(&RedshiftWarehouse::new(config).expect("a client")).await);
    assert!(matches!(error.kind(), ErrorKind::Connection | ErrorKind::Timeout), "{error:?}");
    assert!(text.contains("127.0.0.1"), "{text}");
}

#[tokio::test]
async fn a_server_with_another_certificate_is_not_believed() {
    let (one, other) =
        (Sandbox::shared().await.expect("a sandbox"), Sandbox::start(SandboxOptions::default().with_fronts([])));
    let other = other.await.expect("another sandbox");
    let access = one.redshift().await.expect("a cluster");
    let builder = redshift_builder(access, one.s3()).expect("a URL").root_certificate(other.ca_file());
    let config = builder.build().expect("settings");
    let (error, text) = failed(select_one(&RedshiftWarehouse::new(config).expect("a client")).await);
    assert!(matches!(error.kind(), ErrorKind::Connection | ErrorKind::Config), "{error:?}");
    assert!(text.to_lowercase().contains("certificate"), "{text}");
}

/// A load onto a full disk fails as such; once there is room, the same token loads every row once.
async fn full_disk(front: Front, rule: FaultRule, kind: ErrorKind) {
    let ground = Ground::new(front).await;
    let fault = ground.schedule(rule.always());
    let token = token();
    let (error, _) = failed(ground.load(500, &token).await);
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(fault.fired() >= 1);
    fault.cancel();
    assert!(ground.ids().await.is_empty());
    assert!(!ground.load(500, &token).await.expect("there is room now"));
    assert_eq!(ground.ids().await, (0..500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_full_disk_behind_a_volume() {
    let upload = FaultRule::databricks(FaultKind::DiskFull).with_method("PUT").with_path("/api/2.0/fs/files/");
    full_disk(Front::Databricks, upload, ErrorKind::ResourceExhausted).await;
}

#[tokio::test]
async fn a_full_disk_under_delta_tables() {
    let copy = FaultRule::databricks(FaultKind::DiskFull).with_sql("COPY INTO");
    full_disk(Front::Databricks, copy, ErrorKind::ResourceExhausted).await;
}

#[tokio::test]
async fn a_full_disk_behind_s3() {
    // A store has no disk that a client could know of: it only cannot take the object now.
    full_disk(Front::Redshift, FaultRule::s3(FaultKind::DiskFull).with_method("PUT"), ErrorKind::Unavailable).await;
}

#[tokio::test]
async fn a_full_disk_under_the_cluster() {
    let copy = FaultRule::redshift(FaultKind::DiskFull).with_sql("COPY");
    full_disk(Front::Redshift, copy, ErrorKind::ResourceExhausted).await;
}

/// Kills a process of a PostgreSQL, and nothing else.
fn kill_postgres(pid: i32) {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).expect("a process of that number");
    assert!(String::from_utf8_lossy(&command).contains("postgres"), "process {pid} is not PostgreSQL's");
    let pid = rustix::process::Pid::from_raw(pid).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("a process of the sandbox");
}

#[derive(serde::Deserialize)]
struct Pid {
    pid: i32,
}

/// PostgreSQL throws everybody out and recovers; committed rows are there, others are not.
#[tokio::test]
async fn a_killed_backend_loses_nothing_that_was_committed() {
    let sandbox = Sandbox::start(SandboxOptions::default().with_fronts([Front::Redshift])).await.expect("a sandbox");
    let warehouse = redshift_of(&sandbox).await.expect("a cluster");
    for sql in ["create table kept (id int)", "insert into kept values (1)"] {
        warehouse.execute(sql).await.expect("a statement");
    }
    let mut open = warehouse.begin(Default::default()).await.expect("a transaction");
    open.execute(StatementRequest::write("insert into kept values (2)")).await.expect("an insert");
    let victim: Pid = warehouse.fetch_one("select pg_backend_pid() as pid").await.expect("a process id");
    kill_postgres(victim.pid);

    // PostgreSQL notices a moment later, and throws out everybody.
    let thrown_out = async {
        while open.execute(StatementRequest::write("insert into kept values (3)")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, thrown_out).await.expect("the end of every session");
    let (error, _) = failed(open.commit().await);
    let kinds = [ErrorKind::Connection, ErrorKind::Unavailable, ErrorKind::Cancelled];
    assert!(kinds.contains(&error.kind()), "{error:?}");
    assert_eq!(ids_once_it_is_back(&warehouse).await, 1);
}

/// How many rows the table has, once the server answers again; until then it is typed errors.
async fn ids_once_it_is_back(warehouse: &RedshiftWarehouse) -> usize {
    let began = Instant::now();
    loop {
        let outcome = async { warehouse.query("select id from kept").await?.collect_batches().await };
        match outcome.await {
            Ok(rows) => return rows.iter().map(|batch| batch.num_rows()).sum(),
            Err(error) => {
                let kinds = [ErrorKind::Connection, ErrorKind::Unavailable, ErrorKind::Timeout];
                assert!(kinds.contains(&error.kind()), "{error:?}");
                assert!(began.elapsed() < PATIENCE, "it never came back: {error:?}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// The sandbox starts it again; until then the client has typed errors, soon.
#[tokio::test]
async fn a_killed_postgresql_loses_nothing_that_was_committed() {
    let sandbox = Sandbox::start(SandboxOptions::default().with_fronts([Front::Redshift])).await.expect("a sandbox");
    let access = sandbox.redshift().await.expect("a cluster");
    let builder = redshift_builder(access, sandbox.s3()).expect("a URL").connect_timeout(Duration::from_secs(3));
    let warehouse = RedshiftWarehouse::new(builder.build().expect("settings")).expect("a client");
    for sql in ["create table kept (id int)", "insert into kept values (1)"] {
        warehouse.execute(sql).await.expect("a statement");
    }
    let first = sandbox.postgres_pid().expect("a PostgreSQL that runs");
    kill_postgres(first.try_into().expect("a process id"));

    let back = async {
        loop {
            assert_eq!(ids_once_it_is_back(&warehouse).await, 1);
            // Sessions may outlive the process that began them by a moment.
            if sandbox.postgres_pid().is_some_and(|pid| pid != first) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.expect("a PostgreSQL that is started again");
}
