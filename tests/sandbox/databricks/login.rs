//! Every login that the sandbox serves, by our own client.

use serde_json::Value;
use twinhouse_core::{
    ErrorKind,
    config::Env,
    http::{Http, Request, Url, header},
    resilience::Registry,
};
use twinhouse_databricks::{DatabricksBuilder, DatabricksClient};
use twinhouse_sandbox::DatabricksAccess;
use twinhouse_warehouse_api::WarehouseExt as _;

use crate::fixtures::{PATIENCE, shared};

#[derive(serde::Deserialize)]
struct One {
    n: i64,
}

fn builder(access: &DatabricksAccess, pairs: &[(&str, &str)]) -> DatabricksBuilder {
    let env = Env::from_pairs(pairs.iter().copied());
    DatabricksClient::builder().env(env).host(&access.url).warehouse_id(&access.warehouse_id).registry(Registry::new())
}

async fn works(builder: DatabricksBuilder) -> twinhouse_core::Result<()> {
    let one: One = builder.client()?.warehouse()?.fetch_one("select cast(1 as bigint) as n").await?;
    assert_eq!(one.n, 1);
    Ok(())
}

/// A token of the sandbox's identity provider.
async fn identity(access: &DatabricksAccess, more: &str) -> String {
    let audience = format!("{}/oidc/v1/token", access.url);
    let url: Url = format!("{}/identity/token?audience={audience}{more}", access.url).parse().unwrap();
    let bearer = format!("Bearer {}", access.token.expose()).parse().unwrap();
    let request = Request::get(url).with_header(header::AUTHORIZATION, bearer);
    let answer: Value = Http::builder().build().unwrap().send(request).await.unwrap().into_json(1 << 16).await.unwrap();
    answer["value"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_and_a_secret_open_the_workspace_and_wrong_ones_do_not() {
    let access = shared().await.unwrap().databricks().await.unwrap();
    works(builder(access, &[("DATABRICKS_TOKEN", access.token.expose())])).await.unwrap();
    let principal = || builder(access, &[]).client_id(&access.client_id);
    works(principal().client_secret(access.client_secret.clone())).await.unwrap();
    for wrong in [
        builder(access, &[]).token("dapi-wrong"),
        principal().client_secret("wrong"),
        builder(access, &[]).username("u").password("p"),
    ] {
        let error = works(wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error:?}");
    }
}

#[tokio::test]
async fn an_identity_elsewhere_opens_the_workspace_by_each_way_it_comes() {
    let access = shared().await.unwrap().databricks().await.unwrap();
    let id = identity(access, "").await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &id).unwrap();
    let client = ("DATABRICKS_CLIENT_ID", access.client_id.as_str());
    let github = format!("{}/identity/token?api-version=2.0", access.url);
    for (method, pairs) in [
        ("env-oidc", vec![("DATABRICKS_OIDC_TOKEN", id.as_str()), client]),
        ("env-oidc", vec![("DATABRICKS_OIDC_TOKEN", id.as_str())]),
        ("file-oidc", vec![("DATABRICKS_OIDC_TOKEN_FILEPATH", file.path().to_str().unwrap()), client]),
        (
            "github-oidc",
            vec![
                ("ACTIONS_ID_TOKEN_REQUEST_URL", github.as_str()),
                ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", access.token.expose()),
                client,
            ],
        ),
    ] {
        let builder = builder(access, &pairs);
        assert_eq!(builder.clone().build().unwrap().auth_type(), method);
        works(builder).await.unwrap_or_else(|error| panic!("{method}: {error:?}"));
    }
    for bad in [identity(access, "&subject=repo:other").await, identity(access, "&lifetime=0").await, format!("{id}x")]
    {
        let error = works(builder(access, &[("DATABRICKS_OIDC_TOKEN", &bad)])).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.vendor_code()),
            (ErrorKind::Unauthenticated, Some("invalid_grant")),
            "{error:?}"
        );
        assert!(!format!("{error:?}").contains(&bad));
    }
}

#[tokio::test]
async fn the_workspace_behind_tls_is_the_same_for_whoever_trusts_its_authority() {
    let access = shared().await.unwrap().databricks().await.unwrap();
    assert!(access.https_url.starts_with("https://127.0.0.1:"), "{}", access.https_url);
    let base = || builder(access, &[]).host(&access.https_url);
    let ca = std::fs::read(&access.ca_file).unwrap();
    works(base().token(access.token.clone()).extra_ca(&ca)).await.unwrap();
    works(base().client_id(&access.client_id).client_secret(access.client_secret.clone()).extra_ca(&ca)).await.unwrap();
    let stranger = base().token(access.token.clone()).max_retries(0);
    assert_eq!(works(stranger).await.unwrap_err().kind(), ErrorKind::Connection);
}

/// Handshakes run beside each other: one that fails, and one that dawdles, keep nobody waiting.
#[tokio::test]
async fn a_failed_and_a_slow_handshake_keep_nobody_waiting() {
    let access = shared().await.unwrap().databricks().await.unwrap();
    let ca = std::fs::read(&access.ca_file).unwrap();
    let address = access.https_url.trim_start_matches("https://");
    // One after the other, their ten seconds each would be more than anybody waits here.
    let mut silent = Vec::new();
    for _ in 0..30 {
        silent.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    let strangers: Vec<_> =
        (0..8).map(|_| works(builder(access, &[]).host(&access.https_url).token("t").max_retries(0))).collect();
    let friends: Vec<_> = (0..8)
        .map(|_| works(builder(access, &[]).host(&access.https_url).token(access.token.clone()).extra_ca(&ca)))
        .collect();
    let all = async { tokio::join!(futures::future::join_all(strangers), futures::future::join_all(friends)) };
    let (strangers, friends) = tokio::time::timeout(PATIENCE, all).await.unwrap();
    assert!(strangers.iter().all(Result::is_err) && friends.iter().all(Result::is_ok), "{friends:?}");
    drop(silent);
}
