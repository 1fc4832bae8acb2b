//! Google's identity.

use std::sync::OnceLock;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use rustls::pki_types::alg_id;
use serde_json::{Value, json};
use twinhouse_auth::{
    CredentialSource,
    sources::google::{GoogleCredentials, GoogleEndpoints, GoogleId},
};
use twinhouse_core::{ErrorKind, config::Env, http::Url};

use crate::service::{Service, answer, assert_discreet, assert_ends, headers, http, jwt, later, policy, token};

const HOST: &str = "https://1.2.gcp.databricks.com/";
/// The key of the service account, made anew for each run.
fn key() -> &'static KeyPair {
    static KEY: OnceLock<KeyPair> = OnceLock::new();
    KEY.get_or_init(|| KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap())
}

fn host() -> Url {
    HOST.parse().unwrap()
}

fn account(uri: &str) -> String {
    json!({
        "type": "service_account",
        "client_email": "robot@project.iam.gserviceaccount.com",
        "private_key": key().serialize_pem(),
        "private_key_id": "key-1",
        "token_uri": uri,
    })
    .to_string()
}

fn identity(end: u64) -> String {
    jwt(&json!({ "aud": HOST, "exp": end, "canary": 1 }).to_string())
}

/// The claims of an assertion whose signature is right.
fn claims(assertion: &str) -> Value {
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let part = |text: &str| -> Value { serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap() };
    let (head, payload) = signed.split_once('.').unwrap();
    assert_eq!(part(head), json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" }));
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    let verify = algorithms
        .all
        .iter()
        .find(|a| a.public_key_alg_id() == alg_id::RSA_ENCRYPTION && a.signature_alg_id() == alg_id::RSA_PKCS1_SHA256);
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    verify
        .unwrap()
        .verify_signature(key().public_key_raw(), signed.as_bytes(), &signature)
        .expect("a signature that holds");
    part(payload)
}

#[tokio::test]
async fn a_service_account_signs_for_an_identity_and_for_access() {
    let end = later(1200);
    let service = Service::start(|_| {
        let id_token = answer("200 OK", &json!({ "id_token": identity(end) }).to_string());
        vec![id_token, token("canary-access", 3600)]
    })
    .await;
    let uri = service.url.join("token").unwrap();
    let source = GoogleCredentials::new(http(), policy(), account(uri.as_str()), &Env::empty(), &host());
    let credential = source.fetch().await.unwrap();
    let sent = headers(&credential);
    assert!(sent[0].1.starts_with("Bearer eyJh."));
    assert!(sent.contains(&("x-databricks-gcp-sa-access-token".to_owned(), "canary-access".to_owned())));
    // The sooner end counts.
    assert_ends(&credential, end);
    assert_eq!(service.asked(), ["POST /token HTTP/1.1"; 2]);
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    assert_eq!(service.field(0, "grant_type").as_deref(), Some(grant));
    let first = claims(&service.field(0, "assertion").unwrap());
    assert_eq!(first["target_audience"], "https://1.2.gcp.databricks.com");
    assert_eq!((&first["iss"], &first["sub"]), (&json!("robot@project.iam.gserviceaccount.com"), &first["iss"]));
    assert_eq!(first["aud"], uri.as_str());
    assert!(first["exp"].as_u64().unwrap() > later(0) && first["iat"].as_u64().unwrap() <= later(0));
    let second = claims(&service.field(1, "assertion").unwrap());
    let scope = "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/compute";
    assert_eq!(second["scope"], scope);
    assert!(!format!("{source:?} {credential:?}").contains("PRIVATE") && !format!("{credential:?}").contains("canary"));
}

#[tokio::test]
async fn a_key_may_be_in_a_file_and_a_bad_one_is_not_quoted() {
    let service =
        Service::start(|_| vec![answer("400 Bad", r#"{"error":"invalid_grant","error_description":"no"}"#)]).await;
    let file = std::env::temp_dir().join(format!("twinhouse-google-{}", std::process::id()));
    std::fs::write(&file, account(service.url.as_str())).unwrap();
    let of = |text: &str| GoogleCredentials::new(http(), policy(), text, &Env::empty(), &host());
    let source = of(file.to_str().unwrap());
    let error = source.fetch().await.unwrap_err();
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::Unauthenticated, Some("invalid_grant")));
    std::fs::remove_file(&file).unwrap();
    let no_key = json!({ "client_email": "a", "private_key": "canary", "token_uri": "https://x.invalid/" }).to_string();
    let far = account("http://canary.invalid/token");
    for bad in [file.to_str().unwrap(), "{canary", r#"{"private_key":["canary"]}"#, &no_key, &far] {
        let source = of(bad);
        let error = source.fetch().await.unwrap_err();
        assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Config, Some("google_credentials")), "{bad}");
        assert_discreet(&source, &error);
    }
}

#[tokio::test]
async fn a_machine_acts_as_the_service_account_it_may_act_as() {
    let end = later(500);
    let time = chrono::DateTime::from_timestamp(end as i64, 0).unwrap().to_rfc3339();
    let service = Service::start(|_| {
        vec![
            token("canary-own", 3600),
            answer("200 OK", &json!({ "token": identity(later(1200)) }).to_string()),
            answer("200 OK", &json!({ "accessToken": "canary-access", "expireTime": time }).to_string()),
            token("canary-own", 3600),
            answer("403 No", r#"{"error":{"code":403,"message":"canary-own may not","status":"PERMISSION_DENIED"}}"#),
        ]
    })
    .await;
    let endpoints = GoogleEndpoints::default().with_metadata(service.url.clone()).with_iam(service.url.clone());
    let source = GoogleId::new(http(), http(), policy(), endpoints, "robot@p.iam.gserviceaccount.com", &host());
    let credential = source.fetch().await.unwrap();
    assert_ends(&credential, end);
    let path = "/v1/projects/-/serviceAccounts/robot@p.iam.gserviceaccount.com";
    assert_eq!(
        service.asked(),
        [
            "GET /computeMetadata/v1/instance/service-accounts/default/token HTTP/1.1".to_owned(),
            format!("POST {path}:generateIdToken HTTP/1.1"),
            format!("POST {path}:generateAccessToken HTTP/1.1"),
        ]
    );
    assert!(service.sent(0).contains("metadata-flavor: Google\r\n"));
    assert!(service.sent(1).contains("authorization: Bearer canary-own\r\n"));
    assert!(service.sent(1).contains(r#""audience":"https://1.2.gcp.databricks.com""#));
    let error = source.fetch().await.unwrap_err();
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::PermissionDenied, Some("PERMISSION_DENIED")));
    assert_discreet(&source, &error);
}
