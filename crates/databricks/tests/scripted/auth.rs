//! Service principals.

use serde_json::json;
use twinhouse_core::{Effect, ErrorKind, Fault, config::Env, resilience::Registry};
use twinhouse_databricks::{DatabricksConfig, DatabricksWarehouse};
use twinhouse_testkit::{Answer, ScriptedServer};
use twinhouse_warehouse_api::WarehouseExt as _;

use crate::bench::{STATEMENTS, ddl};

#[tokio::test]
async fn a_service_principal_gets_a_token_for_all_its_statements() {
    let server = ScriptedServer::start().await.unwrap();
    server.always("GET", "/oidc/.well-known/oauth-authorization-server", Answer::status(404));
    let token = json!({ "access_token": "short-lived", "token_type": "Bearer", "expires_in": 3600 });
    server.once("POST", "/oidc/v1/token", Answer::json(token));
    server.always("POST", STATEMENTS, Answer::json(ddl()));
    server.always("DELETE", &format!("{STATEMENTS}/01ab"), Answer::json(json!({})));
    let config = DatabricksConfig::builder()
        .env(Env::from_pairs([("DATABRICKS_CLIENT_ID", "id"), ("DATABRICKS_CLIENT_SECRET", "canary")]))
        .host(server.url())
        .warehouse_id("wh")
        .registry(Registry::new())
        .build()
        .unwrap();
    let warehouse = DatabricksWarehouse::new(config).unwrap();
    for _ in 0..3 {
        warehouse.execute("create table t (a int)").await.unwrap();
    }
    let posts: Vec<_> = server.requests().into_iter().filter(|r| r.path() == STATEMENTS).collect();
    assert!(posts.len() == 3 && posts.iter().all(|post| post.header("authorization") == Some("Bearer short-lived")));
    assert_eq!(server.count("POST", "/oidc/v1/token"), 1);
}

#[tokio::test]
async fn a_statement_for_which_there_is_no_token_was_certainly_not_sent() {
    let server = ScriptedServer::start().await.unwrap();
    server.always("GET", "/oidc/.well-known/oauth-authorization-server", Answer::status(404));
    server.always("POST", "/oidc/v1/token", Answer::status(503));
    let builder = DatabricksConfig::builder().env(Env::empty()).host(server.url()).warehouse_id("wh").max_retries(1);
    let config = builder.client_id("id").client_secret("canary").registry(Registry::new()).build().unwrap();
    let warehouse = DatabricksWarehouse::new(config).unwrap();
    let error = warehouse.execute("insert into t values (1)").await.unwrap_err();
    assert_eq!((error.kind(), error.fault()), (ErrorKind::Unavailable, Fault::transient(Effect::None)), "{error:?}");
    assert_eq!(server.count("POST", STATEMENTS), 0);
    assert_eq!(server.count("POST", "/oidc/v1/token"), 2, "what was tried again below is not tried again above");
}

#[tokio::test]
async fn a_wrong_secret_is_an_error_of_its_own_and_does_not_print() {
    let server = ScriptedServer::start().await.unwrap();
    server.always("GET", "/oidc/.well-known/oauth-authorization-server", Answer::status(404));
    let refused = json!({ "error": "invalid_client", "error_description": "no such client" });
    server.always("POST", "/oidc/v1/token", Answer::json(refused).with_status(401));
    let builder = DatabricksConfig::builder().env(Env::empty()).host(server.url()).warehouse_id("wh");
    let config = builder.client_id("id").client_secret("canary").registry(Registry::new()).build().unwrap();
    let error = DatabricksWarehouse::new(config).unwrap().execute("select 1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error:?}");
    assert!(!format!("{error:?}").contains("canary"));
    assert_eq!(server.count("POST", STATEMENTS), 0);
}
