//! OAuth for machines against a scripted token service on loopback.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use twinhouse_auth::{CredentialSource, Proof, sources::OAuthM2m};
use twinhouse_core::{
    Effect, ErrorKind, FaultClass,
    http::{Http, Url},
    resilience::Policy,
};

/// Answers request after request from a script, an empty answer by hanging up; keeps what it was sent.
#[derive(Clone)]
struct Service {
    url: Url,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Service {
    async fn start<S: AsRef<str>>(answers: impl FnOnce(&Url) -> Vec<S>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let answers: VecDeque<String> = answers(&url).iter().map(|answer| answer.as_ref().to_owned()).collect();
        let service = Self { url, seen: Arc::default() };
        let (seen, answers) = (service.seen.clone(), Arc::new(Mutex::new(answers)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, answers.clone(), seen.clone()));
            }
        });
        service
    }

    fn source(&self) -> OAuthM2m {
        let policy = Policy::builder().backoff(Duration::from_millis(1), Duration::from_millis(2)).build();
        OAuthM2m::new(Http::builder().build().unwrap(), policy, self.url.clone(), "my-id", "canary")
    }

    /// First lines of the requests.
    fn asked(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|sent| sent.lines().next().unwrap().to_owned()).collect()
    }
}

async fn converse(mut stream: TcpStream, answers: Arc<Mutex<VecDeque<String>>>, seen: Arc<Mutex<Vec<String>>>) {
    let mut text = String::new();
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        text += std::str::from_utf8(&chunk[..count]).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() < length.map_or(0, |length| length.parse().unwrap()) {
            continue;
        }
        seen.lock().unwrap().push(std::mem::take(&mut text));
        let answer = answers.lock().unwrap().pop_front().expect("a request too many");
        if answer.is_empty() {
            return;
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn issued() -> String {
    answer("200 OK", r#"{"access_token":"canary-token","token_type":"Bearer","expires_in":3600}"#)
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
    service.source().with_token_endpoint(endpoint).with_scope("sql offline_access").fetch().await.unwrap();
    assert_eq!(service.asked(), ["POST /given HTTP/1.1"]);
    assert!(service.seen.lock().unwrap()[0].ends_with("scope=sql+offline_access"));
}

#[tokio::test]
async fn a_busy_or_broken_token_service_is_asked_again() {
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
        assert!(life >= Duration::from_secs(seconds) && life < Duration::from_secs(seconds + 1), "{life:?}");
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
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let error = Service { url, seen: Arc::default() }.source().fetch().await.unwrap_err();
    assert_eq!((error.kind(), error.fault().effect), (ErrorKind::Connection, Effect::None));
    assert_eq!(error.attempts(), 4);
}
