//! OAuth for machines.

use std::{sync::Arc, time::Duration};

use tokio::net::TcpSocket;
use twinhouse_auth::{
    CredentialSource, Proof, TokenEndpoint,
    sources::{Grant, OAuthM2m},
};
use twinhouse_core::{
    Effect, ErrorKind, FaultClass,
    http::{Http, Url},
    resilience::Policy,
};

use crate::service::{Service, answer, http, issued, policy};

impl Service {
    fn source(&self) -> OAuthM2m {
        OAuthM2m::new(http(), policy(), self.url.clone(), "my-id", "canary")
    }
}

const DISCOVERY: &str = "GET /oidc/.well-known/oauth-authorization-server HTTP/1.1";
const USUAL: &str = "POST /oidc/v1/token HTTP/1.1";

#[tokio::test]
async fn the_endpoint_is_discovered_once_and_the_token_has_an_end() {
    let service = Service::start(|url| {
        let found = format!(r#"{{"token_endpoint":"{url}special/token","issuer":"x"}}"#);
        vec![answer("200 OK", &found), issued(), issued()]
    })
    .await;
    let source = service.source();
    let before = tokio::time::Instant::now();
    let credential = source.fetch().await.unwrap();
    assert!(matches!(credential.proof(), Proof::Bearer(token) if token.expose() == "canary-token"));
    let end = credential.expires_at().unwrap();
    assert!(
        end >= before + Duration::from_secs(3600) && end <= tokio::time::Instant::now() + Duration::from_secs(3600)
    );
    source.fetch().await.unwrap();
    let special = "POST /special/token HTTP/1.1";
    assert_eq!(service.asked(), [DISCOVERY, special, special]);
    let sent = service.seen.lock().unwrap()[1].clone();
    // "my-id:canary" in base64.
    assert!(sent.contains("authorization: Basic bXktaWQ6Y2FuYXJ5\r\n"), "{sent}");
    assert!(sent.contains("content-type: application/x-www-form-urlencoded\r\n"));
    assert!(sent.ends_with("\r\n\r\ngrant_type=client_credentials&scope=all-apis"), "{sent}");
    assert!(!service.seen.lock().unwrap()[0].contains("authorization:"), "discovery needs no credential");
}

#[tokio::test]
async fn a_workspace_that_does_not_say_has_it_at_the_usual_place_and_is_asked_again() {
    for useless in [
        answer("404 Not Found", ""),
        answer("200 OK", "<html>login</html>"),
        answer("200 OK", r#"{"token_endpoint":"ftp://x/"}"#),
    ] {
        let service = Service::start(|_| vec![useless.clone(), issued(), useless, issued()]).await;
        let source = service.source();
        source.fetch().await.unwrap();
        source.fetch().await.unwrap();
        assert_eq!(service.asked(), [DISCOVERY, USUAL, DISCOVERY, USUAL]);
    }
}

#[tokio::test]
async fn a_given_endpoint_and_scope_are_used_without_discovery() {
    let service = Service::start(|_| vec![issued()]).await;
    let endpoint = service.url.join("given").unwrap();
    service
        .source()
        .with_token_endpoint(endpoint)
        .with_grant(Grant::scope("sql offline_access"))
        .fetch()
        .await
        .unwrap();
    assert_eq!(service.asked(), ["POST /given HTTP/1.1"]);
    assert!(service.seen.lock().unwrap()[0].ends_with("scope=sql+offline_access"));
}

#[tokio::test]
async fn sdk_go_1072_a_busy_or_broken_token_service_is_asked_again() {
    let service = Service::start(|_| {
        vec![
            answer("404 Not Found", ""),
            answer("429 Too Many", "{}").replace("content-length", "retry-after: 0\r\ncontent-length"),
            answer("503 Busy", ""),
            String::new(),
            issued(),
        ]
    })
    .await;
    service.source().fetch().await.unwrap();
    assert_eq!(service.asked().len(), 5);
}

#[tokio::test]
async fn a_refusal_is_final_and_explained_in_either_shape() {
    for body in [
        r#"{"error":"invalid_client","error_description":"canary is wrong"}"#,
        r#"{"errorCode":"invalid_client","errorSummary":"canary is wrong"}"#,
    ] {
        let service = Service::start(|_| vec![answer("404 No", ""), answer("401 No", body)]).await;
        let error = service.source().fetch().await.unwrap_err();
        assert_eq!((error.kind(), error.fault().class), (ErrorKind::Unauthenticated, FaultClass::Permanent));
        assert_eq!((error.vendor_code(), error.context("reason")), (Some("invalid_client"), Some("*** is wrong")));
        assert_eq!((error.attempts(), error.operation()), (1, Some("oauth.token")));
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}

#[tokio::test]
async fn an_answer_that_is_no_token_is_refused_without_showing_it() {
    for body in [
        r#"{"access_token":"","token_type":"Bearer"}"#,
        r#"{"access_token":"canary","token_type":"mac"}"#,
        r#"{"access_token":"canary","expires_in":"canary"}"#,
        r#"{"access_token":{"canary":1}}"#,
        r#"["canary"]"#,
        "<html>canary</html>",
    ] {
        let service = Service::start(|_| vec![answer("404 No", ""), answer("200 OK", body)]).await;
        let error = service.source().fetch().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{body}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn a_lifetime_may_be_text_or_missing() {
    for (field, seconds) in [(r#","expires_in":"120""#, 120), ("", 3600), (r#","expires_in":null"#, 3600)] {
        let body = format!(r#"{{"access_token":"t"{field}}}"#);
        let service = Service::start(|_| vec![answer("404 No", ""), answer("200 OK", &body)]).await;
        let credential = service.source().fetch().await.unwrap();
        let life = credential.expires_at().unwrap() - credential.obtained_at();
        assert_eq!(life, Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn the_secret_does_not_leave_tls_for_a_document() {
    let http = Http::builder().build().unwrap();
    let policy = Policy::builder().max_attempts(1).build();
    let host = "https://workspace.invalid".parse().unwrap();
    let source = OAuthM2m::new(http, policy, host, "id", "canary")
        .with_token_endpoint("http://elsewhere.invalid/token".parse().unwrap());
    let error = source.fetch().await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Protocol, "the token endpoint is not behind TLS"));
    assert!(!format!("{error:?} {source:?}").contains("canary"));
}

#[tokio::test]
async fn a_service_that_is_not_there_did_nothing() {
    // It listens at nothing, and nobody else can while it is held.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://{}/", socket.local_addr().unwrap()).parse().unwrap();
    let error = Service { url, seen: Arc::default() }.source().fetch().await.unwrap_err();
    assert_eq!((error.kind(), error.fault().effect), (ErrorKind::Connection, Effect::None));
    assert_eq!(error.attempts(), 4);
}

#[tokio::test]
async fn sdk_py_1046_a_constructor_sends_nothing() {
    let service = Service::start(|_| Vec::<String>::new()).await;
    let source = service.source().with_endpoint(TokenEndpoint::document(service.url.clone(), service.url.clone()));
    drop(format!("{source:?}"));
    assert_eq!(service.asked().len(), 0);
}

#[tokio::test]
async fn an_account_has_its_endpoint_at_a_fixed_place_and_a_document_must_answer() {
    let service = Service::start(|_| vec![issued(), answer("404 No", "")]).await;
    let endpoint = TokenEndpoint::account(service.url.clone(), "ab/cd");
    service.source().with_endpoint(endpoint).fetch().await.unwrap();
    assert_eq!(service.asked(), ["POST /oidc/accounts/ab%2Fcd/v1/token HTTP/1.1"]);
    let document: Url = service.url.join("doc?x=1").unwrap();
    let source = service.source().with_endpoint(TokenEndpoint::document(service.url.clone(), document));
    let error = source.fetch().await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::NotFound, Some("oauth.discover")));
    assert_eq!(service.asked()[1], "GET /doc?x=1 HTTP/1.1");
}

#[tokio::test]
async fn details_and_group_go_along() {
    let service = Service::start(|_| vec![issued()]).await;
    let endpoint = TokenEndpoint::at(service.url.clone(), service.url.join("t").unwrap());
    let grant = Grant::default().with_authorization_details("[{}]").with_group("g 1");
    let source = service.source().with_endpoint(endpoint).with_grant(grant);
    source.fetch().await.unwrap();
    assert_eq!(service.field(0, "authorization_details").as_deref(), Some("[{}]"));
    assert_eq!(service.field(0, "assume_group").as_deref(), Some("g 1"));
}
