//! Tokens for other tokens, and who their holder is.

use serde_json::json;

use super::*;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const PERSONAL: &str = "urn:databricks:params:oauth:token-type:personal-access-token";

impl Server {
    async fn identity(&self, query: &str) -> String {
        let json = self.json(&format!("/identity/token?{query}")).await;
        json["value"].as_str().unwrap().to_owned()
    }

    async fn exchange(&self, kind: &str, token: &str, client: Option<&str>) -> (u16, Value) {
        let mut form = vec![("grant_type", GRANT), ("subject_token_type", kind), ("subject_token", token)];
        form.extend(client.map(|id| ("client_id", id)));
        self.answer(self.client.post(format!("{}/oidc/v1/token", self.url)).form(&form)).await
    }

    async fn name(&self, token: &Value) -> Value {
        let me = self.client.get(format!("{}/api/2.0/preview/scim/v2/Me", self.url));
        self.answer(me.bearer_auth(token.as_str().unwrap())).await.1["userName"].clone()
    }
}

#[tokio::test]
async fn an_identity_is_exchanged_for_the_principals_token_and_only_for_that() {
    let server = Server::start().await;
    let audience = format!("audience={}/oidc/v1/token", server.url);
    let identity = server.identity(&audience).await;
    for client in [Some("principal"), None] {
        let (status, granted) = server.exchange(JWT, &identity, client).await;
        assert_eq!((status, &granted["token_type"]), (200, &json!("Bearer")), "{granted}");
        assert_eq!(server.name(&granted["access_token"]).await, "principal");
    }
    let other = server.identity("audience=https://elsewhere.example").await;
    let stranger = server.identity(&format!("{audience}&subject=repo:somebody/else")).await;
    let expired = server.identity(&format!("{audience}&lifetime=0")).await;
    for (kind, token, client, status, error) in [
        (JWT, identity.as_str(), Some("nobody"), 401, "invalid_client"),
        (JWT, &other, None, 400, "invalid_grant"),
        (JWT, &stranger, None, 400, "invalid_grant"),
        (JWT, &expired, None, 400, "invalid_grant"),
        (JWT, TOKEN, None, 400, "invalid_grant"),
        (JWT, "", None, 400, "invalid_request"),
        ("urn:other", &identity, None, 400, "invalid_request"),
    ] {
        let (got, body) = server.exchange(kind, token, client).await;
        assert_eq!((got, &body["error"]), (status, &json!(error)), "{body}");
    }
}

#[tokio::test]
async fn a_personal_token_is_exchanged_for_one_of_the_same_user() {
    let server = Server::start().await;
    let (status, granted) = server.exchange(PERSONAL, TOKEN, None).await;
    assert_eq!(status, 200, "{granted}");
    assert_eq!(server.name(&granted["access_token"]).await, "sandbox@twinhouse.invalid");
    let again = server.exchange(PERSONAL, "dapi-wrong", None).await;
    assert_eq!((again.0, &again.1["error"]), (400, &json!("invalid_grant")));
}

#[tokio::test]
async fn the_identity_provider_knows_its_name_and_vouches_for_no_stranger() {
    let server = Server::start().await;
    let configuration = server.client.get(format!("{}/identity/.well-known/openid-configuration", server.url));
    assert_eq!(server.answer(configuration).await.1["issuer"], format!("{}/identity", server.url));
    let stranger = server.client.get(format!("{}/identity/token?audience=a", server.url)).bearer_auth("dapi-wrong");
    assert_eq!(server.refusal(stranger).await, (401, json!(401)));
    assert_eq!(server.refusal(server.get("/identity/token")).await.0, 400, "an identity is for somebody");
}
