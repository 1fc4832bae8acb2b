//! The whole, from outside.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

use super::*;
use crate::faults::{FaultKind, FaultRule};

fn nothing_yet() -> SandboxOptions {
    SandboxOptions::default().with_fronts([])
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let cases = [
        ("s3_port", nothing_yet().with_s3_port(port)),
        ("databricks_port", nothing_yet().with_fronts([Front::Databricks]).with_databricks_port(port)),
        ("redshift_port", nothing_yet().with_fronts([Front::Redshift]).with_redshift_port(port)),
    ];
    for (setting, options) in cases {
        let error = Sandbox::start(options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
        assert_eq!(error.context("port"), Some(port.to_string().as_str()), "{error:?}");
        assert_eq!(error.context("setting"), Some(setting), "{error:?}");
    }
}

#[tokio::test]
async fn a_named_data_folder_serves_one_sandbox_at_a_time_and_stays() {
    let parent = tempfile::tempdir().unwrap();
    let options = nothing_yet().with_data_folder(parent.path().join("data"));
    let first = Sandbox::start(options.clone()).await.unwrap();
    let error = Sandbox::start(options.clone()).await.unwrap_err();
    assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Conflict, Some("data_folder")));
    let staged = first.data_folder().join("s3/twinhouse/staging/kept");
    std::fs::create_dir_all(staged.parent().unwrap()).unwrap();
    std::fs::write(&staged, "v").unwrap();
    first.stop().await.unwrap();
    let second = Sandbox::start(options).await.unwrap();
    assert!(staged.exists());
    second.stop().await.unwrap();
    assert!(!parent.path().join("data/lock").exists());
}

#[tokio::test]
async fn two_sandboxes_run_side_by_side_with_secrets_of_their_own() {
    let (one, other) = tokio::join!(Sandbox::start(nothing_yet()), Sandbox::start(nothing_yet()));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_ne!(one.s3().endpoint, other.s3().endpoint);
    assert_ne!(one.s3().secret_key.expose(), other.s3().secret_key.expose());
    let alive = async |sandbox: &Sandbox| crate::testing::client().get(&sandbox.s3().endpoint).send().await;
    assert_eq!(alive(&one).await.unwrap().status(), 403);
    one.stop().await.unwrap();
    assert_eq!(alive(&other).await.unwrap().status(), 403);
    other.stop().await.unwrap();
}

#[test]
fn the_shared_one_outlives_the_runtime_that_started_it() {
    let ask = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let sandbox = Sandbox::shared().await.unwrap();
            let response = crate::testing::client().get(&sandbox.s3().endpoint).send().await.unwrap();
            (sandbox.data_folder().to_owned(), response.status().as_u16())
        })
    };
    assert_eq!(ask(), ask());
}

#[tokio::test]
async fn a_dropped_start_leaves_nothing_running() {
    let parent = tempfile::tempdir().unwrap();
    let options = nothing_yet().with_data_folder(parent.path().join("data"));
    {
        let mut start = std::pin::pin!(Sandbox::start(options.clone()));
        // One poll sends the work on its way.
        assert!(futures::poll!(start.as_mut()).is_pending());
    }
    // Its home may take a moment to notice.
    let again = async {
        loop {
            match Sandbox::start(options.clone()).await {
                Err(error) if error.kind() == ErrorKind::Conflict => tokio::task::yield_now().await,
                started => break started.unwrap(),
            }
        }
    };
    let again = tokio::time::timeout(std::time::Duration::from_secs(60), again).await.unwrap();
    again.stop().await.unwrap();
}

/// Connects with nothing but the URL.
async fn connect(url: &str) -> tokio_postgres::Client {
    let url = Url::parse(url).unwrap();
    let query = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    assert_eq!(query("sslmode").as_deref(), Some("verify-full"));
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(query("sslrootcert").unwrap()).unwrap()).unwrap();
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut config = tokio_postgres::Config::new();
    config.host(url.host_str().unwrap()).port(url.port().unwrap()).user(url.username());
    let password: Vec<u8> = percent_encoding::percent_decode_str(url.password().unwrap()).collect();
    config.password(password).dbname(url.path().trim_start_matches('/'));
    config.ssl_mode(tokio_postgres::config::SslMode::Require);
    let (client, connection) = config.connect(MakeRustlsConnect::new(tls)).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn the_redshift_url_is_all_a_client_needs_and_copy_reads_what_s3_took() {
    let sandbox = Sandbox::start(nothing_yet().with_password("p@ss w/rd")).await.unwrap();
    let redshift = sandbox.redshift().await.unwrap().clone();
    let client = connect(redshift.url.expose()).await;
    let staged = sandbox.data_folder().join("s3/twinhouse/staging/load/part.csv");
    std::fs::create_dir_all(staged.parent().unwrap()).unwrap();
    std::fs::write(staged, "1,one\n2,two\n").unwrap();
    let s3 = sandbox.s3();
    let copy = format!("COPY numbers FROM '{}/load/' IAM_ROLE '{}' CSV", s3.staging(), s3.iam_role);
    client.batch_execute("CREATE TABLE numbers (n INT, name VARCHAR(20))").await.unwrap();
    client.batch_execute(&copy).await.unwrap();
    let rows = client.query("SELECT name FROM numbers ORDER BY n", &[]).await.unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(names, ["one", "two"]);
    assert!(sandbox.postgres_pid().is_some());
    assert!(!format!("{sandbox:?} {redshift:?}").contains("p@ss"));

    // The sandbox stops although a session is open, and the client sees it end.
    sandbox.stop().await.unwrap();
    client.batch_execute("SELECT 1").await.unwrap_err();
}

#[tokio::test]
async fn scheduled_faults_reach_the_redshift_wire() {
    let sandbox = Sandbox::start(nothing_yet()).await.unwrap();
    let client = connect(sandbox.redshift().await.unwrap().url.expose()).await;
    let rule = FaultRule::redshift(FaultKind::SerializationConflict).with_sql("INSERT").on_call(2);
    let scheduled = sandbox.faults().schedule(rule).unwrap();
    client.batch_execute("CREATE TABLE t (n INT)").await.unwrap();
    client.batch_execute("INSERT INTO t VALUES (1)").await.unwrap();
    let error = client.batch_execute("INSERT INTO t VALUES (2)").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!((error.code().code(), error.message()), ("XX000", "1023"));
    client.batch_execute("INSERT INTO t VALUES (3)").await.unwrap();
    assert_eq!((scheduled.fired(), scheduled.is_armed()), (1, false));
    sandbox.stop().await.unwrap();
}

async fn submit(access: &DatabricksAccess, token: &str, sql: &str) -> (u16, serde_json::Value) {
    let body = serde_json::json!({
        "statement": sql,
        "warehouse_id": access.warehouse_id,
        "wait_timeout": "30s",
        "disposition": "INLINE",
        "format": "JSON_ARRAY",
    });
    let url = format!("{}/api/2.0/sql/statements", access.url);
    let request = crate::testing::client().post(url).bearer_auth(token).json(&body);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn the_workspace_answers_its_token_and_no_other() {
    let sandbox = Sandbox::start(nothing_yet().with_fronts([Front::Databricks]).with_token("dapi-test")).await.unwrap();
    let workspace = sandbox.databricks().await.unwrap();
    assert_eq!(workspace.token.expose(), "dapi-test");
    let (status, answer) = submit(workspace, "dapi-test", "SELECT 40 + 2 AS answer").await;
    assert_eq!((status, &answer["result"]["data_array"][0][0]), (200, &serde_json::json!("42")), "{answer}");
    let (status, _) = submit(workspace, "dapi-other", "SELECT 1").await;
    assert!(status == 401 || status == 403, "{status}");
    assert!(sandbox.postgres_pid().is_none());
    assert!(!format!("{sandbox:?} {workspace:?}").contains("dapi-test"));
    sandbox.stop().await.unwrap();
}

#[tokio::test]
async fn scheduled_faults_reach_the_workspace() {
    let sandbox = Sandbox::start(nothing_yet().with_fronts([Front::Databricks])).await.unwrap();
    let workspace = sandbox.databricks().await.unwrap();
    let token = workspace.token.expose();
    let unavailable = FaultKind::Unavailable { when: crate::When::After, retry_after: None };
    let rule = FaultRule::databricks(unavailable).with_path("/sql/statements").with_sql("CREATE TABLE");
    let scheduled = sandbox.faults().schedule(rule).unwrap();
    assert_eq!(submit(workspace, token, "SELECT 1").await.0, 200);
    let (status, answer) = submit(workspace, token, "CREATE TABLE main.default.t (n INT)").await;
    assert_eq!((status, &answer["error_code"]), (503, &serde_json::json!("TEMPORARILY_UNAVAILABLE")));
    assert_eq!(scheduled.fired(), 1);
    // It was carried out all the same.
    let (_, again) = submit(workspace, token, "CREATE TABLE main.default.t (n INT)").await;
    assert_eq!(again["status"]["state"], "FAILED", "{again}");
    sandbox.stop().await.unwrap();
}

#[tokio::test]
async fn the_environment_has_every_variable_and_the_file_appears_when_all_runs() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(nothing_yet()).await.unwrap();
    let file = folder.path().join("sandbox.env");
    sandbox.write_env_file(&file).await.unwrap();
    let variables = sandbox.environment().await.unwrap();
    let names: Vec<_> = variables.iter().map(|(name, _)| *name).collect();
    let wanted = [
        "DATABRICKS_HOST",
        "DATABRICKS_TOKEN",
        "DATABRICKS_WAREHOUSE_ID",
        "TWINHOUSE_DATABRICKS_CLIENT_ID",
        "TWINHOUSE_DATABRICKS_CLIENT_SECRET",
        "TWINHOUSE_DATABRICKS_HTTPS_URL",
        "DATABRICKS_CATALOG",
        "DATABRICKS_SCHEMA",
        "TWINHOUSE_STAGING_VOLUME",
        "TWINHOUSE_REDSHIFT_URL",
        "PGHOST",
        "PGPORT",
        "PGUSER",
        "PGPASSWORD",
        "PGDATABASE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "TWINHOUSE_STAGING_S3",
        "TWINHOUSE_SANDBOX_CA",
    ];
    assert_eq!(names, wanted);
    let text = std::fs::read_to_string(&file).unwrap();
    for (name, value) in &variables {
        assert!(text.contains(&format!("export {name}='{}'\n", value.expose())), "{name}");
    }
    assert!(std::fs::read_to_string(sandbox.ca_file()).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    sandbox.stop().await.unwrap();
}

#[tokio::test]
async fn scheduled_faults_reach_the_downloads_of_links() {
    let sandbox = Sandbox::start(nothing_yet().with_fronts([Front::Databricks])).await.unwrap();
    let workspace = sandbox.databricks().await.unwrap();
    let expired = sandbox.faults().schedule(FaultRule::databricks(FaultKind::ExpiredLink)).unwrap();
    let truncated = sandbox.faults().schedule(FaultRule::links(FaultKind::Truncated)).unwrap();
    let client = crate::testing::client();
    let body = serde_json::json!({
        "statement": "SELECT 1 AS n",
        "warehouse_id": workspace.warehouse_id,
        "wait_timeout": "30s",
        "disposition": "EXTERNAL_LINKS",
        "format": "ARROW_STREAM",
    });
    let request = client.post(format!("{}/api/2.0/sql/statements", workspace.url));
    let response = request.bearer_auth(workspace.token.expose()).json(&body).send().await.unwrap();
    let answer: serde_json::Value = response.json().await.unwrap();
    let link = answer["result"]["external_links"][0]["external_link"].as_str().unwrap();
    let refused = client.get(link).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("Request has expired"));
    client.get(link).send().await.unwrap().bytes().await.unwrap_err();
    assert!(!client.get(link).send().await.unwrap().bytes().await.unwrap().is_empty());
    assert_eq!((expired.fired(), truncated.fired()), (1, 1));
    sandbox.stop().await.unwrap();
}
