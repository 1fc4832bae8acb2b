use super::*;

#[tokio::test]
async fn nobody_comes_in_without_a_token_of_ours() {
    let world = World::start().await;
    let url = format!("{}/api/2.0/sql/statements", world.front.url());
    let body = json!({ "statement": "SELECT 1", "warehouse_id": world.front.warehouse_id() });
    let (status, none) = parsed(world.client.post(&url).json(&body).send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &none["error_code"]), (401, &json!(401)));
    let (status, wrong) =
        parsed(world.client.post(&url).bearer_auth("dapi-wrong").json(&body).send().await.unwrap()).await;
    assert_eq!((status.as_u16(), wrong), (403, json!({ "error_code": 403, "message": "Invalid access token." })));
    assert!(world.front.statement_states().is_empty());
}

#[tokio::test]
async fn a_service_principal_logs_in_by_discovery_until_its_token_is_taken_back() {
    let world = World::with(|config| config.with_client("me", Secret::new("s3cr3t"))).await;
    let get = async |path: &str| {
        parsed(world.client.get(format!("{}{path}", world.front.url())).send().await.unwrap()).await.1
    };
    let host = get("/.well-known/databricks-config").await;
    let discovery = host["oidc_endpoint"].as_str().unwrap().strip_prefix(world.front.url()).unwrap().to_owned();
    let endpoints = get(&format!("{discovery}/.well-known/oauth-authorization-server")).await;
    let form = [("grant_type", "client_credentials"), ("scope", "all-apis")];
    let login = async |secret: &str| {
        let request = world.client.post(endpoints["token_endpoint"].as_str().unwrap());
        parsed(request.basic_auth("me", Some(secret)).form(&form).send().await.unwrap()).await
    };
    assert_eq!(login("wrong").await.0, 401);
    let (status, token) = login("s3cr3t").await;
    assert_eq!((status.as_u16(), number(&token["expires_in"])), (200, 3600));
    let me = async || {
        let url = format!("{}/api/2.0/preview/scim/v2/Me", world.front.url());
        world.client.get(url).bearer_auth(token["access_token"].as_str().unwrap()).send().await.unwrap()
    };
    let answer = me().await;
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("x-databricks-org-id") && answer.headers().contains_key("x-request-id"));
    world.front.revoke_tokens();
    assert_eq!(me().await.status(), 403);
}

#[tokio::test]
async fn a_token_of_no_lifetime_is_expired_at_once() {
    let world =
        World::with(|config| config.with_client("me", Secret::new("s")).with_token_lifetime(Duration::ZERO)).await;
    let url = format!("{}/oidc/v1/token", world.front.url());
    let form = [("grant_type", "client_credentials"), ("client_id", "me"), ("client_secret", "s")];
    let token = parsed(world.client.post(url).form(&form).send().await.unwrap()).await.1;
    let url = format!("{}/api/2.0/sql/warehouses", world.front.url());
    let refused = world.client.get(url).bearer_auth(token["access_token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(refused.status(), 403);
}

#[tokio::test]
async fn requests_that_cannot_be_right_are_refused_before_anything_runs() {
    let world = World::start().await;
    for (more, status, code, text) in [
        (
            json!({ "format": "ARROW_STREAM" }),
            400,
            "INVALID_PARAMETER_VALUE",
            "must be JSON_ARRAY when the disposition field is INLINE",
        ),
        (
            json!({ "disposition": "INLINE_OR_EXTERNAL_LINKS" }),
            400,
            "INVALID_PARAMETER_VALUE",
            "INLINE_OR_EXTERNAL_LINKS is not a supported disposition.",
        ),
        (json!({ "wait_timeout": "3s" }), 400, "INVALID_PARAMETER_VALUE", "wait_timeout"),
        (json!({ "wait_timeout": "51s" }), 400, "INVALID_PARAMETER_VALUE", "wait_timeout"),
        (json!({ "wait_timeout": "10" }), 400, "INVALID_PARAMETER_VALUE", "wait_timeout"),
        (json!({ "warehouse_id": "nope" }), 404, "RESOURCE_DOES_NOT_EXIST", "nope"),
        (json!({ "warehouse_id": null }), 400, "INVALID_PARAMETER_VALUE", "warehouse_id"),
        (json!({ "statement": " " }), 400, "INVALID_PARAMETER_VALUE", "statement"),
        (json!({ "row_limit": -1 }), 400, "INVALID_PARAMETER_VALUE", "row_limit"),
        (json!({ "row_limit": "many" }), 400, "MALFORMED_REQUEST", "row_limit"),
        (json!({ "session_id": "none" }), 404, "RESOURCE_DOES_NOT_EXIST", "none"),
    ] {
        let (got, reply) = world.submit("SELECT 1", more.clone()).await;
        assert_eq!((got.as_u16(), reply["error_code"].as_str()), (status, Some(code)), "{more}: {reply}");
        assert!(reply["message"].as_str().unwrap().contains(text) || code == "MALFORMED_REQUEST", "{more}: {reply}");
    }
    assert!(world.front.statement_states().is_empty());
    let missing = world.json("GET", "/api/2.0/sql/statements/01ef-none").await;
    assert_eq!((missing.0.as_u16(), &missing.1["error_code"]), (404, &json!("RESOURCE_DOES_NOT_EXIST")));
}

#[tokio::test]
async fn what_is_not_served_is_refused_by_name() {
    let world = World::start().await;
    for (method, path) in
        [("GET", "/api/2.1/clusters/list"), ("POST", "/api/2.0/pipelines"), ("PATCH", "/api/2.0/sql/statements")]
    {
        let (status, reply) = world.json(method, path).await;
        assert_eq!(status, 501, "{method} {path}");
        assert!(reply["message"].as_str().unwrap().contains(path));
    }
}

#[tokio::test]
async fn a_session_remembers_where_it_is() {
    let world = World::start().await;
    world.run("CREATE SCHEMA s2", json!({})).await;
    let body = json!({ "warehouse_id": world.front.warehouse_id(), "session_confs": { "ansi_mode": "true" } });
    let opened = parsed(world.call("POST", "/api/2.0/sql/sessions").json(&body).send().await.unwrap()).await.1;
    let session = json!({ "session_id": opened["session_id"] });
    world.run("USE s2", session.clone()).await;
    let inside = world.run("SELECT current_schema() AS s", session.clone()).await;
    assert_eq!(inside["result"]["data_array"], json!([["s2"]]));
    assert_eq!(world.rows("SELECT current_schema() AS s").await, json!([["default"]]));
    let path = format!("/api/2.0/sql/sessions/{}?warehouse_id=x", opened["session_id"].as_str().unwrap());
    assert_eq!(world.call("DELETE", &path).json(&json!({})).send().await.unwrap().status(), 200);
    assert_eq!(world.submit("SELECT 1", session).await.0, 404);
}
