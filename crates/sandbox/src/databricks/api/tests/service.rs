//! Login, warehouses, and who asks.

use serde_json::json;

use super::*;
use crate::databricks::api::me::Who;

const ME: &str = "/api/2.0/preview/scim/v2/Me";

impl Server {
    async fn login(&self, id: &str, secret: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}/oidc/v1/token", self.url);
        self.answer(self.client.post(url).basic_auth(id, Some(secret)).form(form)).await
    }

    async fn me(&self, token: &str) -> u16 {
        self.answer(self.client.get(format!("{}{ME}", self.url)).bearer_auth(token)).await.0
    }
}

const GRANT: [(&str, &str); 2] = [("grant_type", "client_credentials"), ("scope", "all-apis")];

#[tokio::test]
async fn without_a_token_or_with_a_wrong_one_nobody_gets_in() {
    let server = Server::start().await;
    let url = format!("{}{ME}", server.url);
    let none = server.answer(server.client.get(&url)).await;
    let text = "Credential was not sent or was of an unsupported type for this API.";
    assert_eq!(none, (401, json!({ "error_code": 401, "message": text })));
    assert_eq!(server.answer(server.client.get(&url).basic_auth("a", Some(TOKEN))).await.0, 401);
    let wrong = server.answer(server.client.get(&url).bearer_auth("dapi-wrong")).await;
    assert_eq!(wrong, (403, json!({ "error_code": 403, "message": "Invalid access token." })));
    assert_eq!(server.me("").await, 401);
    assert_eq!(server.me(TOKEN).await, 200);
}

#[tokio::test]
async fn an_upload_by_a_stranger_is_refused_in_words_and_not_by_a_broken_pipe() {
    let server = Server::start().await;
    server.sql("CREATE VOLUME v").await;
    let url = format!("{}/api/2.0/fs/files/Volumes/main/default/v/f", server.url);
    let put = server.client.put(url).bearer_auth("dapi-wrong").body(vec![0u8; 8 << 20]);
    assert_eq!(server.refusal(put).await, (403, json!(403)));
    assert_eq!(server.refusal(server.get("/api/2.0/fs/files/Volumes/main/default/v/f")).await.0, 404);
}

#[tokio::test]
async fn a_client_finds_the_token_endpoint_and_its_token_opens_the_workspace() {
    let server = Server::start().await;
    let config = server.json("/.well-known/databricks-config").await;
    let oidc = config["oidc_endpoint"].as_str().unwrap();
    let metadata = server.client.get(format!("{oidc}/.well-known/oauth-authorization-server"));
    let endpoint = server.answer(metadata).await.1["token_endpoint"].as_str().unwrap().to_owned();
    let login = server.client.post(endpoint).basic_auth("principal", Some("se:cr%et")).form(&GRANT);
    let response = login.send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    let granted: Value = response.json().await.unwrap();
    assert_eq!((&granted["token_type"], &granted["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!(server.me(granted["access_token"].as_str().unwrap()).await, 200);

    let me = server.get(ME).send().await.unwrap();
    assert_eq!(me.headers()["x-databricks-org-id"], config["workspace_id"].as_str().unwrap());
}

#[tokio::test]
async fn credentials_may_be_encoded_or_stand_in_the_form() {
    let server = Server::start().await;
    assert_eq!(server.login("principal", "se%3Acr%25et", &GRANT).await.0, 200);
    let form = [GRANT[0], ("client_id", "principal"), ("client_secret", "se:cr%et")];
    let request = server.client.post(format!("{}/oidc/v1/token", server.url)).form(&form);
    assert_eq!(server.answer(request).await.0, 200);
}

#[tokio::test]
async fn what_oauth_refuses_it_refuses_by_the_standards_names() {
    let server = Server::start().await;
    for (id, secret, form, status, error) in [
        ("principal", "wrong", GRANT.to_vec(), 401, "invalid_client"),
        ("nobody", "se:cr%et", GRANT.to_vec(), 401, "invalid_client"),
        ("principal", "se:cr%et", vec![("grant_type", "password")], 400, "unsupported_grant_type"),
        ("principal", "se:cr%et", vec![("scope", "sql")], 400, "invalid_request"),
        ("principal", "se:cr%et", vec![GRANT[0], ("scope", "sql everything")], 400, "invalid_scope"),
    ] {
        let (found, body) = server.login(id, secret, &form).await;
        assert_eq!((found, &body["error"]), (status, &json!(error)), "{body}");
        assert!(body["error_description"].is_string() && body.get("access_token").is_none());
    }
    let anonymous = server.client.post(format!("{}/oidc/v1/token", server.url)).form(&GRANT);
    assert_eq!(server.answer(anonymous).await.0, 401);
}

#[test]
fn an_issued_token_ends_with_its_lifetime_or_when_it_is_taken_back() {
    let access = |lifetime| Access::new(Secret::new(TOKEN), "principal", Secret::new("secret"), lifetime);
    let brief = access(Duration::ZERO);
    let token = brief.issue(Who::User);
    assert!(!brief.allows(&token) && brief.allows(TOKEN));
    let lasting = access(LIFETIME);
    let tokens = [lasting.issue(Who::User), lasting.issue(Who::User)];
    assert!(tokens.iter().all(|token| lasting.allows(token)) && tokens[0] != tokens[1]);
    lasting.revoke_all();
    assert!(!tokens.iter().any(|token| lasting.allows(token)) && lasting.allows(TOKEN));
}

#[tokio::test]
async fn a_revoked_token_is_refused_over_the_wire() {
    let server = Server::start().await;
    let granted = server.login("principal", "se:cr%et", &GRANT).await.1;
    let token = granted["access_token"].as_str().unwrap();
    assert_eq!(server.me(token).await, 200);
    server.access.revoke_all();
    assert_eq!(server.me(token).await, 403);
}

#[test]
fn access_does_not_print_its_secrets() {
    let access = Access::new(Secret::new("dapi-1"), "principal", Secret::new("hush"), LIFETIME);
    let text = format!("{access:?}");
    assert!(text.contains("principal") && !text.contains("dapi-1") && !text.contains("hush"));
}

#[tokio::test]
async fn a_warehouse_starts_and_stops_and_tells_the_way_there_once() {
    let server = Server::start().await;
    let state = async || server.json("/api/2.0/sql/warehouses/w1").await["state"].clone();
    let post = async |what: &str| {
        server.answer(server.request(Method::POST, &format!("/api/2.0/sql/warehouses/w1/{what}")).body("{}")).await
    };
    let listed = server.json("/api/2.0/sql/warehouses").await;
    assert_eq!((&listed["warehouses"][0]["id"], &listed["warehouses"][0]["num_clusters"]), (&json!("w1"), &json!(1)));
    assert_eq!(state().await, "RUNNING");
    assert_eq!(post("stop").await, (200, json!({})));
    assert_eq!((state().await, state().await), (json!("STOPPING"), json!("STOPPED")));
    assert_eq!(post("start").await, (200, json!({})));
    assert_eq!((state().await, state().await), (json!("STARTING"), json!("RUNNING")));
    assert_eq!(post("start").await.0, 200);
    assert_eq!(state().await, "RUNNING");
}

#[tokio::test]
async fn a_statement_starts_a_stopped_warehouse_and_only_a_known_one() {
    let server = Server::start().await;
    server.answer(server.request(Method::POST, "/api/2.0/sql/warehouses/w1/stop")).await;
    server.warehouses.ensure_running("w1").unwrap();
    assert_eq!(server.json("/api/2.0/sql/warehouses/w1").await["state"], "RUNNING");
    assert!(server.warehouses.is_known("w1") && !server.warehouses.is_known("w2"));
    assert!(server.warehouses.ensure_running("w2").unwrap_err().is_not_found());
}

#[tokio::test]
async fn unknown_warehouses_and_changes_are_refused_by_name() {
    let server = Server::start().await;
    for request in [
        server.get("/api/2.0/sql/warehouses/w2"),
        server.request(Method::POST, "/api/2.0/sql/warehouses/w2/start"),
        server.request(Method::POST, "/api/2.0/sql/warehouses/w2/stop"),
    ] {
        assert_eq!(server.refusal(request).await, (404, json!("RESOURCE_DOES_NOT_EXIST")));
    }
    let create = |body: Value| server.request(Method::POST, "/api/2.0/sql/warehouses").json(&body);
    for wrong in [json!({}), json!({ "name": "x", "cluster_size": "Huge" }), json!({ "name": "Sandbox warehouse" })] {
        assert_eq!(server.refusal(create(wrong)).await, (400, json!("INVALID_PARAMETER_VALUE")));
    }
    let made = server.answer(create(json!({ "name": "x" }))).await.1["id"].as_str().unwrap().to_owned();
    let path = format!("/api/2.0/sql/warehouses/{made}");
    assert_eq!(server.json(&path).await["state"], "STARTING");
    assert_eq!(server.answer(server.request(Method::DELETE, &path)).await.0, 200);
    assert_eq!(server.refusal(server.get(&path)).await.0, 404);
    let odd = server.get("/api/2.0/sql/warehouses?page_token=x");
    assert_eq!(server.refusal(odd).await, (400, json!("INVALID_PARAMETER_VALUE")));
}

#[tokio::test]
async fn a_listing_of_warehouses_goes_on_where_it_was_although_one_is_removed_between_its_pages() {
    let server = Server::start().await;
    let mut ids = vec!["w1".to_owned()];
    for name in ["a", "b", "c", "d"] {
        let create = server.request(Method::POST, "/api/2.0/sql/warehouses").json(&json!({ "name": name }));
        ids.push(server.answer(create).await.1["id"].as_str().unwrap().to_owned());
    }
    ids.sort_unstable();
    let listed = |page: &Value| -> Vec<String> {
        let warehouses = page["warehouses"].as_array().unwrap().iter();
        warehouses.map(|warehouse| warehouse["id"].as_str().unwrap().to_owned()).collect()
    };
    let first = server.json("/api/2.0/sql/warehouses?page_size=2").await;
    assert_eq!(listed(&first), ids[..2]);
    // The last of the page that was given out, and one of those to come.
    for id in [&ids[1], &ids[3]] {
        let path = format!("/api/2.0/sql/warehouses/{id}");
        assert_eq!(server.answer(server.request(Method::DELETE, &path)).await.0, 200);
    }
    let token = first["next_page_token"].as_str().unwrap();
    let second = server.json(&format!("/api/2.0/sql/warehouses?page_size=2&page_token={token}")).await;
    assert_eq!((listed(&second), second.get("next_page_token")), (vec![ids[2].clone(), ids[4].clone()], None));
}
