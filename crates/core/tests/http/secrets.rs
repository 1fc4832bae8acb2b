//! Presigned links and tokens stay out of everything that is shown.

use std::time::Duration;

use twinhouse_core::{
    Error, ErrorKind, Report,
    http::{Body, Http, Link, Request},
};

use crate::script::{Step, json, nobody, serve};

const LIMIT: Duration = Duration::from_secs(9);

fn shown(error: &Error) -> String {
    format!("{error} {error:?} {}", Report(error))
}

#[tokio::test]
async fn a_link_is_fetched_with_its_own_headers_and_no_credential() {
    let (url, seen) = serve([json("{}"), json("{}")]).await;
    let client = Http::builder().build().unwrap();
    let request = Request::get(url.clone()).with_authorization("Bearer canary".parse().unwrap());
    client.send(request).await.unwrap().into_bytes(10).await.unwrap();
    let link = Link::new(format!("{url}chunk?X-Amz-Signature=abc%2Fdef"))
        .with_header("x-amz-server-side-encryption-customer-key", "k1")
        .with_headers([("Range", "bytes=0-4")]);
    let body = client.plain().get(&link, LIMIT).await.unwrap().into_bytes(10).await.unwrap();
    assert_eq!(&body[..], b"{}");
    let sent = seen.all();
    assert!(sent[0].contains("authorization: Bearer canary"));
    assert!(sent[1].starts_with("GET /chunk?X-Amz-Signature=abc%2Fdef HTTP/1.1\r\n"), "{}", sent[1]);
    assert!(sent[1].contains("x-amz-server-side-encryption-customer-key: k1\r\n"));
    assert!(sent[1].contains("range: bytes=0-4\r\n"));
    assert!(!sent[1].to_lowercase().contains("authorization"));
}

#[tokio::test]
async fn an_upload_to_a_link_carries_its_length() {
    let (url, seen) = serve([json("")]).await;
    let plain = Http::builder().build().unwrap().plain();
    plain.put(&Link::new(url.as_str()), Body::bytes("part"), LIMIT).await.unwrap();
    assert!(seen.all()[0].starts_with("PUT / HTTP/1.1\r\n") && seen.all()[0].contains("content-length: 4\r\n"));
}

#[tokio::test]
async fn a_link_that_wants_a_credential_is_refused_before_anything_is_sent() {
    let (url, seen) = serve([json("{}")]).await;
    let plain = Http::builder().build().unwrap().plain();
    for name in ["Authorization", "proxy-authorization", "COOKIE"] {
        let link = Link::new(url.as_str()).with_header(name, "canary");
        let error = plain.get(&link, LIMIT).await.unwrap_err();
        assert_eq!((error.kind(), error.context("header")), (ErrorKind::Protocol, Some(name)));
        assert!(!shown(&error).contains("canary"));
    }
    assert!(seen.all().is_empty());
}

#[tokio::test]
async fn no_failure_of_a_link_shows_the_link() {
    let (closed, _held) = nobody();
    let closed = format!("{closed}canary?sig=canary");
    let (url, _) = serve([
        Step::AnswerAndClose(String::new()),
        Step::AnswerAndClose("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345".into()),
    ])
    .await;
    let open = format!("{url}canary?sig=canary");
    let (url, _) = serve([Step::AnswerAndHang(String::new())]).await;
    let silent = format!("{url}canary?sig=canary");
    let plain = Http::builder().build().unwrap().plain();
    let mut errors = Vec::new();
    for link in [closed.as_str(), "canary", "file:///canary", "http://", &open] {
        errors.push(plain.get(&Link::new(link), LIMIT).await.unwrap_err());
    }
    errors.push(plain.get(&Link::new(silent), Duration::from_millis(40)).await.unwrap_err());
    errors.push(plain.get(&Link::new(&*open), LIMIT).await.unwrap().into_bytes(100).await.unwrap_err());
    for header in [("bad name", "canary"), ("x-good", "canary\n")] {
        errors.push(plain.get(&Link::new(&*open).with_headers([header]), LIMIT).await.unwrap_err());
    }
    for error in &errors {
        assert!(!shown(error).contains("canary"), "{}", shown(error));
    }
    assert_eq!(errors.len(), 9);
}

#[test]
fn nothing_secret_is_in_debug() {
    let link = Link::new("https://h/canary?sig=canary").with_header("x-key", "canary");
    let request = Request::get("https://h/path?canary=canary".parse().unwrap())
        .with_authorization("canary".parse().unwrap())
        .with_body(Body::json("canary").unwrap());
    let builder = Http::builder().proxy("http://canary:canary@p");
    let shown = format!("{link:?} {request:?} {builder:?} {:?} {:?}", builder.clone().build().unwrap(), link);
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("/path") && shown.contains("x-key"));
}
