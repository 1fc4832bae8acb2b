//! Who we are, from the settings to the wire.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use twinhouse_auth::{
    TokenEndpoint,
    sources::{Grant, PatExchange},
};
use twinhouse_core::{
    Error, ErrorKind, Report, Secret,
    config::Env,
    http::{Http, Url},
    resilience::{Policy, Registry},
};
use twinhouse_databricks::{
    AzureCloud, DatabricksBuilder, DatabricksClient, DatabricksWarehouse, EndpointFamily, Rate,
};
use twinhouse_testkit::{Answer, ScriptedServer};
use twinhouse_warehouse_api::WarehouseExt as _;

use crate::bench::{STATEMENTS, ddl};

const TOKENS: &str = "/oidc/v1/token";
const DISCOVERY: &str = "/oidc/.well-known/oauth-authorization-server";

async fn server() -> ScriptedServer {
    let server = ScriptedServer::start().await.unwrap();
    server.always("DELETE", &format!("{STATEMENTS}/01ab"), Answer::json(json!({})));
    server.always("GET", DISCOVERY, Answer::status(404));
    server
}

fn builder(server: &ScriptedServer, pairs: &[(&str, &str)]) -> DatabricksBuilder {
    let env = Env::from_pairs(pairs.iter().copied());
    DatabricksClient::builder().env(env).host(server.url()).warehouse_id("wh").registry(Registry::new())
}

fn warehouse(builder: DatabricksBuilder) -> DatabricksWarehouse {
    DatabricksWarehouse::new(builder.build().unwrap()).unwrap()
}

async fn run(warehouse: &DatabricksWarehouse) -> Result<(), Error> {
    warehouse.execute("create table t (a int)").await.map(drop)
}

fn token(token: &str) -> Answer {
    Answer::json(json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600, "expires_on": null }))
}

fn refused() -> Answer {
    Answer::json(json!({ "error_code": 403, "message": "Invalid access token." })).with_status(403)
}

#[tokio::test]
async fn fifty_callers_who_are_refused_at_once_cause_one_refresh() {
    let server = server().await;
    server.once("POST", TOKENS, token("old"));
    server.always("POST", TOKENS, token("new"));
    server.otherwise(|request| {
        let old = request.header("authorization") == Some("Bearer old");
        (request.path() == STATEMENTS).then(|| if old { refused() } else { Answer::json(ddl()) })
    });
    let warehouse = warehouse(builder(&server, &[]).client_id("id").client_secret("canary"));
    let results = join_all((0..50).map(|_| run(&warehouse))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(server.count("POST", TOKENS), 2, "the first token, and one more for everybody");
}

#[tokio::test]
async fn a_token_that_is_refused_again_is_refused_and_told_with_who_we_said_we_were() {
    let server = server().await;
    server.always("POST", STATEMENTS, refused().with_header("x-request-id", "r-7"));
    let pairs = [("DATABRICKS_TOKEN", "dapi-canary")];
    let error = run(&warehouse(builder(&server, &pairs))).await.unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (ErrorKind::Unauthenticated, Some("r-7")));
    assert_eq!(error.context("auth"), Some("pat"));
    let told = error.context("config").unwrap();
    assert!(told.contains("token=***") && told.ends_with("Env: DATABRICKS_TOKEN"), "{told}");
    assert_eq!(server.count("POST", STATEMENTS), 2);
    assert!(!format!("{error} {error:?} {}", Report(&error)).contains("canary"));
}

/// Official clients ask the host about itself while they are constructed, and hang where it does not answer.
#[tokio::test]
async fn sdk_py_1046_1085_1483_a_constructor_sends_nothing() {
    let server = ScriptedServer::start().await.unwrap();
    let github =
        [("ACTIONS_ID_TOKEN_REQUEST_URL", "http://127.0.0.1:9/x"), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "canary")];
    for method in [
        "pat",
        "basic",
        "oauth-m2m",
        "metadata-service",
        "env-oidc",
        "file-oidc",
        "github-oidc",
        "azure-msi",
        "azure-client-secret",
        "github-oidc-azure",
        "google-credentials",
        "google-id",
    ] {
        let mut pairs = vec![("DATABRICKS_OIDC_TOKEN", "canary")];
        pairs.extend(github);
        let url: Url = server.url().parse().unwrap();
        let config = builder(&server, &pairs)
            .token("canary")
            .username("u")
            .password("canary")
            .client_id("i")
            .client_secret("canary")
            .metadata_service_url(server.url())
            .oidc_token_filepath("/nowhere")
            .azure_client_id("a")
            .azure_client_secret("canary")
            .google_credentials("{}")
            .google_service_account("a@b")
            .azure_cloud(AzureCloud::public().with_login(url.clone()).with_instance_metadata(url))
            .auth_type(method);
        let client = config.client().unwrap_or_else(|error| panic!("{method}: {error}"));
        let warehouse = client.warehouse().unwrap();
        assert_eq!(client.config().auth_type(), method);
        assert!(!format!("{client:?} {warehouse:?}").contains("canary"), "{method}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn who_calls_and_which_workspace_is_meant_go_with_each_call() {
    let server = server().await;
    server.always("POST", STATEMENTS, Answer::json(ddl()));
    let named =
        builder(&server, &[("DATABRICKS_TOKEN", "t"), ("GITLAB_CI", "true"), ("DATABRICKS_SDK_UPSTREAM", "dbt")]);
    let named = named.product("etl", "1.2.3").partner("acme").workspace_id("42");
    run(&warehouse(named)).await.unwrap();
    let plain = builder(&server, &[]).token("t");
    run(&warehouse(plain.clone())).await.unwrap();
    run(&warehouse(plain.user_agent("mine/2"))).await.unwrap();
    let posts: Vec<_> = server.requests().into_iter().filter(|request| request.path() == STATEMENTS).collect();
    let agent = posts[0].header("user-agent").unwrap();
    assert!(agent.starts_with("etl/1.2.3 twinhouse-databricks/"), "{agent}");
    assert!(agent.ends_with("auth/pat partner/acme upstream/dbt cicd/gitlab"), "{agent}");
    assert_eq!(posts[0].header("x-databricks-workspace-id"), Some("42"));
    assert!(posts[1].header("user-agent").unwrap().starts_with("twinhouse-databricks/"));
    assert_eq!(posts[1].header("x-databricks-workspace-id"), None);
    assert_eq!(posts[2].header("user-agent"), Some("mine/2"));
}

#[tokio::test]
async fn basic_sends_the_user_and_an_oauth_login_asks_for_its_scopes_once_each_and_in_order() {
    let server = server().await;
    server.always("POST", STATEMENTS, Answer::json(ddl()));
    server.always("POST", TOKENS, token("t"));
    run(&warehouse(builder(&server, &[]).username("Aladdin").password("open sesame"))).await.unwrap();
    let login = builder(&server, &[]).client_id("i").client_secret("s").scopes("sql, files sql").group_id("g");
    run(&warehouse(login)).await.unwrap();
    let sent = server.requests();
    let basic = sent.iter().find(|request| request.path() == STATEMENTS).unwrap();
    assert_eq!(basic.header("authorization"), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    let form = sent.iter().find(|request| request.path() == TOKENS).unwrap().text();
    assert_eq!(form, "grant_type=client_credentials&scope=files+sql&assume_group=g");
}

#[tokio::test]
async fn an_identity_in_the_environment_opens_the_workspace() {
    let server = server().await;
    server.always("POST", STATEMENTS, Answer::json(ddl()));
    server.always("POST", TOKENS, token("exchanged"));
    let pairs = [("DATABRICKS_OIDC_TOKEN", "canary-jwt"), ("DATABRICKS_CLIENT_ID", "app")];
    run(&warehouse(builder(&server, &pairs))).await.unwrap();
    let sent = server.requests();
    let form = sent.iter().find(|request| request.path() == TOKENS).unwrap().text().to_owned();
    assert!(form.contains("subject_token=canary-jwt") && form.contains("client_id=app"), "{form}");
    let post = sent.iter().find(|request| request.path() == STATEMENTS).unwrap();
    assert_eq!(post.header("authorization"), Some("Bearer exchanged"));
}

#[tokio::test]
async fn a_discovery_document_that_is_named_is_the_one_that_is_read() {
    let server = server().await;
    server.always("POST", STATEMENTS, Answer::json(ddl()));
    server.once("GET", "/my/doc", Answer::json(json!({ "token_endpoint": format!("{}/my/token", server.url()) })));
    server.once("POST", "/my/token", token("t"));
    let login =
        builder(&server, &[]).client_id("i").client_secret("s").discovery_url(format!("{}/my/doc", server.url()));
    run(&warehouse(login)).await.unwrap();
    assert_eq!(server.count("GET", DISCOVERY), 0);
    server.verify();
}

#[tokio::test]
async fn an_azure_workspace_is_found_by_its_id_and_shown_both_tokens() {
    const ID: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w";
    let server = server().await;
    let azure = ScriptedServer::start().await.unwrap();
    azure.always("POST", "/aad/t/oauth2/token", token("canary-aad"));
    azure.once("GET", ID, Answer::json(json!({ "properties": { "workspaceUrl": server.url() } })));
    server.always("POST", STATEMENTS, Answer::json(ddl()));
    let at = |path: &str| -> Url { format!("{}{path}", azure.url()).parse().unwrap() };
    let pairs = [
        ("DATABRICKS_AZURE_RESOURCE_ID", ID),
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "app"),
        ("AZURE_CLIENT_SECRET", "canary-secret"),
    ];
    let builder = DatabricksClient::builder()
        .env(Env::from_pairs(pairs))
        .azure_cloud(AzureCloud::public().with_login(at("/aad")).with_resource_manager(at("/")))
        .warehouse_id("wh")
        .registry(Registry::new());
    let warehouse = warehouse(builder);
    for _ in 0..3 {
        run(&warehouse).await.unwrap();
    }
    azure.verify();
    let posts: Vec<_> = server.requests().into_iter().filter(|request| request.path() == STATEMENTS).collect();
    assert_eq!(posts.len(), 3);
    for post in posts {
        assert_eq!(post.header("authorization"), Some("Bearer canary-aad"));
        assert_eq!(post.header("x-databricks-azure-sp-management-token"), Some("canary-aad"));
        assert_eq!(post.header("x-databricks-azure-workspace-resource-id"), Some(ID));
        assert!(post.header("host").unwrap().starts_with("127.0.0.1:"));
    }
    assert!(!format!("{warehouse:?}").contains("canary"));
}

#[tokio::test]
async fn a_private_link_is_named_and_the_credential_does_not_follow_the_redirect() {
    let server = server().await;
    let elsewhere = ScriptedServer::start().await.unwrap();
    let target = format!("{}/login.html?error=private-link-validation-error:1", elsewhere.url());
    server.always("POST", STATEMENTS, Answer::status(302).with_header("location", &target));
    let error = run(&warehouse(builder(&server, &[]).token("t"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(error.vendor_code(), Some("PRIVATE_LINK_VALIDATION_ERROR"));
    assert_eq!(server.count("POST", STATEMENTS), 1);
    assert_eq!(elsewhere.requests().len(), 0);
}

#[tokio::test]
async fn a_client_made_for_each_call_is_limited_like_one_that_is_kept() {
    let server = server().await;
    server.always("POST", STATEMENTS, Answer::json(ddl()));
    let (registry, began) = (Registry::new(), tokio::time::Instant::now());
    for _ in 0..3 {
        let rate = Rate::per_second(5.0).with_burst(1);
        let builder = builder(&server, &[]).token(Secret::new("t")).registry(registry.clone());
        let builder = builder.rate(EndpointFamily::StatementSubmit, rate);
        run(&warehouse(builder)).await.unwrap();
    }
    assert!(began.elapsed() >= Duration::from_millis(380), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_source_of_ones_own_goes_before_all_that_is_configured() {
    let server = server().await;
    server.always("POST", STATEMENTS, Answer::json(ddl()));
    server.once("POST", TOKENS, token("lesser"));
    let (http, policy) = (Http::builder().build().unwrap(), Policy::builder().build());
    let endpoint = TokenEndpoint::workspace(server.url().parse().unwrap());
    let exchange = PatExchange::new(http, policy, endpoint, "dapi-canary").with_grant(Grant::scope("sql"));
    let builder = builder(&server, &[("DATABRICKS_TOKEN", "canary"), ("DATABRICKS_CLIENT_SECRET", "canary")]);
    let client = builder.credentials(exchange).client().unwrap();
    assert_eq!(client.config().auth_type(), "pat-exchange");
    for _ in 0..2 {
        run(&client.warehouse().unwrap()).await.unwrap();
    }
    let post = server.requests().into_iter().find(|request| request.path() == STATEMENTS).unwrap();
    assert_eq!(post.header("authorization"), Some("Bearer lesser"));
    assert!(!format!("{client:?}").contains("canary"));
    server.verify();
}
