//! A service on this machine that has tokens; and names and passwords.

use twinhouse_auth::{
    CredentialSource,
    sources::{Basic, FirstOf, MetadataService, Pat},
};
use twinhouse_core::{ErrorKind, http::Url};

use crate::service::{Service, answer, assert_discreet, assert_ends, headers, http, later, policy};

fn host() -> Url {
    "https://h.example/".parse().unwrap()
}

#[tokio::test]
async fn the_metadata_service_is_told_the_host_and_says_when_the_token_ends() {
    let end = later(600);
    let body = format!(r#"{{"access_token":"canary-token","token_type":"Bearer","expires_on":{end}}}"#);
    let service =
        Service::start(|_| vec![answer("200 OK", &body), answer("403 No", r#"{"error":"canary-path"}"#)]).await;
    let source = MetadataService::new(http(), policy(), format!("{}canary-path", service.url), &host());
    let credential = source.fetch().await.unwrap();
    assert_eq!(headers(&credential)[0].1, "Bearer canary-token");
    assert_ends(&credential, end);
    let sent = service.sent(0);
    assert!(sent.starts_with("GET /canary-path HTTP/1.1"), "{sent}");
    assert!(sent.contains("x-databricks-metadata-version: 1\r\n"));
    assert!(sent.contains("x-databricks-host: https://h.example\r\n"));
    assert_discreet(&source, &source.fetch().await.unwrap_err());
}

#[tokio::test]
async fn another_machine_is_not_believed() {
    for url in [
        "http://example.com/canary",
        "http://169.254.169.254/canary",
        "ftp://localhost/canary",
        "canary",
        "http://127.0.0.1.nip.invalid/canary",
    ] {
        let source = MetadataService::new(http(), policy(), url, &host());
        let error = source.fetch().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.context("setting")),
            (ErrorKind::Config, Some("metadata_service_url")),
            "{url}"
        );
        assert_discreet(&source, &error);
    }
}

#[tokio::test]
async fn a_user_is_sent_as_basic_and_an_empty_or_cut_one_is_refused() {
    let source = Basic::new("Aladdin", "open sesame");
    assert_eq!(headers(&source.fetch().await.unwrap())[0].1, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    for (user, password) in [("", "canary"), ("u", ""), ("a:b", "canary")] {
        let source = Basic::new(user, password);
        let error = source.fetch().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_discreet(&source, &error);
    }
}

#[tokio::test]
async fn the_first_source_that_works_is_kept_and_all_failures_are_told() {
    let bad = || -> Box<dyn CredentialSource> { Box::new(Basic::new("", "")) };
    let source = FirstOf::new(vec![bad(), Box::new(Pat::new("canary"))]);
    assert_eq!(source.name(), "default");
    assert_eq!(headers(&source.fetch().await.unwrap())[0].1, "Bearer canary");
    assert_eq!(source.name(), "pat");
    let source = FirstOf::new(vec![bad(), Box::new(Pat::new(""))]);
    let error = source.fetch().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.context("basic").is_some() && error.context("pat").is_some(), "{error}");
    assert_discreet(&source, &error);
}
