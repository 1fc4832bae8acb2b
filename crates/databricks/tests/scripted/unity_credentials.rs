//! Temporary credentials: what they are, that they do not print, and when they are renewed.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use twinhouse_core::{ErrorKind, Secret};
use twinhouse_databricks::unity::{
    CredentialScope, PathOperation, RefreshingCredentials, TableOperation, TemporaryCredential, VolumeOperation,
};
use twinhouse_testkit::Answer;

use crate::unity::Unity;

const TABLE: &str = "/api/2.0/unity-catalog/temporary-table-credentials";

fn in_seconds(seconds: u64) -> u64 {
    (SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(seconds)).as_millis() as u64
}

fn aws(n: u32, lives: u64) -> Value {
    json!({
        "aws_temp_credentials": {
            "access_key_id": format!("ASIA{n}"), "secret_access_key": "canary-secret", "session_token": "canary-token",
        },
        "expiration_time": in_seconds(lives),
        "url": "s3://bucket/table",
    })
}

fn scope() -> CredentialScope {
    CredentialScope::table("11-22", TableOperation::Read)
}

fn key_of(credential: &TemporaryCredential) -> &str {
    match credential {
        TemporaryCredential::Aws { access_key_id, .. } => access_key_id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_cloud_has_its_kind_and_none_prints() {
    let unity = Unity::start().await;
    let keys =
        json!({ "access_key_id": "id", "secret_access_key": "canary", "session_token": "canary", "access_point": "" });
    let cases = [
        (
            json!({ "aws_temp_credentials": keys, "expiration_time": in_seconds(60), "url": "s3://b/t" }),
            TemporaryCredential::Aws {
                access_key_id: "id".to_owned(),
                secret_access_key: "canary".into(),
                session_token: "canary".into(),
                access_point: None,
            },
            vec!["aws_access_key_id", "aws_secret_access_key", "aws_session_token"],
        ),
        (
            json!({ "r2_temp_credentials": keys, "aws_temp_credentials": null }),
            TemporaryCredential::R2 {
                access_key_id: "id".to_owned(),
                secret_access_key: "canary".into(),
                session_token: "canary".into(),
            },
            vec!["aws_access_key_id", "aws_secret_access_key", "aws_session_token"],
        ),
        (
            json!({ "azure_user_delegation_sas": { "sas_token": "canary" }, "expiration_time": "1" }),
            TemporaryCredential::AzureSas { sas_token: Secret::new("canary") },
            vec!["azure_storage_sas_token"],
        ),
        (
            json!({ "azure_aad": { "aad_token": "canary" } }),
            TemporaryCredential::AzureAad { aad_token: Secret::new("canary") },
            vec!["azure_storage_token"],
        ),
        (
            json!({ "gcp_oauth_token": { "oauth_token": "canary" } }),
            TemporaryCredential::Gcp { oauth_token: Secret::new("canary") },
            vec![],
        ),
    ];
    for (answer, wanted, options) in cases {
        unity.server.once("POST", TABLE, Answer::json(answer));
        let credentials = unity.catalog.temporary_credentials().generate(&scope()).await.unwrap();
        assert_eq!(credentials.credential, wanted);
        let known: Vec<_> = credentials.credential.storage_options().iter().map(|(key, _)| *key).collect();
        assert_eq!(known, options);
        assert!(!format!("{credentials:?} {:?}", credentials.credential.storage_options()).contains("canary"));
    }
    assert_eq!(unity.server.requests()[0].json(), json!({ "table_id": "11-22", "operation": "READ" }));
}

#[tokio::test]
async fn volumes_and_paths_have_calls_of_their_own() {
    let unity = Unity::start().await;
    let path = |kind: &str| format!("/api/2.0/unity-catalog/temporary-{kind}-credentials");
    unity.server.once("POST", &path("volume"), Answer::json(aws(1, 3600)));
    unity.server.once("POST", &path("path"), Answer::json(aws(2, 3600)));
    let client = unity.catalog.temporary_credentials();
    let volume = client.generate(&CredentialScope::volume("v-1", VolumeOperation::WriteVolume)).await.unwrap();
    assert!(
        volume.time_left().unwrap() > Duration::from_secs(3500) && volume.url.as_deref() == Some("s3://bucket/table")
    );
    client.generate(&CredentialScope::path("s3://b/x", PathOperation::PathCreateTable)).await.unwrap();
    let bodies: Vec<_> = unity.server.requests().iter().map(twinhouse_testkit::Received::json).collect();
    assert_eq!(bodies[0], json!({ "volume_id": "v-1", "operation": "WRITE_VOLUME" }));
    assert_eq!(bodies[1], json!({ "url": "s3://b/x", "operation": "PATH_CREATE_TABLE" }));
}

#[tokio::test]
async fn an_answer_that_is_not_one_credential_is_refused_without_quoting_it() {
    let unity = Unity::start().await;
    let mut two = aws(1, 60);
    two["azure_aad"] = json!({ "aad_token": "canary" });
    for answer in [
        json!({}),
        json!({ "url": "s3://b" }),
        two,
        json!({ "aws_temp_credentials": { "access_key_id": "x" } }),
        json!({ "azure_aad": { "aad_token": { "canary": 1 } } }),
        json!({ "gcp_oauth_token": { "oauth_token": "canary" }, "expiration_time": "canary" }),
    ] {
        unity.server.once("POST", TABLE, Answer::json(answer));
        let error = unity.catalog.temporary_credentials().generate(&scope()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    let client = unity.catalog.temporary_credentials();
    let before = unity.server.requests().len();
    let error = client.generate(&CredentialScope::table(" ", TableOperation::Read)).await.unwrap_err();
    assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some("table_id")));
    let error = client.generate(&CredentialScope::path("bucket/x", PathOperation::PathRead)).await.unwrap_err();
    assert_eq!(error.context("field"), Some("url"));
    assert_eq!(unity.server.requests().len(), before);
}

/// A server whose n-th key lives as long as the n-th number says; `None` is a refusal.
async fn renewing(lives: &[Option<u64>]) -> (Unity, RefreshingCredentials, Arc<Mutex<u32>>) {
    let unity = Unity::start().await;
    let count = Arc::new(Mutex::new(0));
    let (asked, lives) = (Arc::clone(&count), lives.to_vec());
    unity.server.otherwise(move |_| {
        let mut n = asked.lock().unwrap();
        *n += 1;
        Some(match lives.get(*n as usize - 1) {
            Some(Some(lives)) => Answer::json(aws(*n, *lives)),
            _ => Answer::json(json!({ "error_code": "PERMISSION_DENIED", "message": "no" })).with_status(403),
        })
    });
    let keys = unity.catalog.temporary_credentials().refreshing(scope());
    (unity, keys, count)
}

#[tokio::test]
async fn a_hundred_callers_fetch_one_key() {
    let (_unity, keys, count) = renewing(&[Some(3600)]).await;
    let all = futures::future::join_all((0..100).map(|_| keys.current())).await;
    assert!(all.iter().all(|found| key_of(&found.as_ref().unwrap().credential) == "ASIA1"));
    assert_eq!(*count.lock().unwrap(), 1);
    assert!(!format!("{keys:?}").contains("canary"));
}

/// Lets time pass without waiting; the network needs the clock to run again.
async fn later(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_key_is_renewed_five_minutes_before_it_ends() {
    let (_unity, keys, count) = renewing(&[Some(3600), Some(3600)]).await;
    assert_eq!(key_of(&keys.current().await.unwrap().credential), "ASIA1");
    later(3600 - 420).await;
    assert_eq!(key_of(&keys.current().await.unwrap().credential), "ASIA1");
    later(130).await;
    let all = futures::future::join_all((0..20).map(|_| keys.current())).await;
    assert!(all.iter().all(|found| key_of(&found.as_ref().unwrap().credential) == "ASIA2"));
    assert_eq!(*count.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_key_that_lives_shorter_than_the_margin_is_used_for_half_its_life() {
    let (_unity, keys, count) = renewing(&[Some(600), Some(600)]).await;
    let keys = keys.with_margin(Duration::from_secs(3600));
    keys.current().await.unwrap();
    later(150).await;
    assert_eq!(key_of(&keys.current().await.unwrap().credential), "ASIA1");
    later(160).await;
    assert_eq!(key_of(&keys.current().await.unwrap().credential), "ASIA2");
    assert_eq!(*count.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_the_old_key_until_its_last_half_minute() {
    let (_unity, keys, count) = renewing(&[Some(3600)]).await;
    keys.current().await.unwrap();
    later(3400).await;
    for _ in 0..5 {
        assert_eq!(key_of(&keys.current().await.unwrap().credential), "ASIA1");
    }
    assert_eq!(*count.lock().unwrap(), 2, "after a failure the service is left alone for a minute");
    later(61).await;
    keys.current().await.unwrap();
    assert_eq!(*count.lock().unwrap(), 3);
    later(120).await;
    assert_eq!(keys.current().await.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_key_that_storage_refused_is_given_up_once() {
    let (_unity, keys, count) = renewing(&[Some(3600), Some(3600)]).await;
    let first = keys.current().await.unwrap();
    keys.invalidate(&first);
    assert_eq!(key_of(&keys.current().await.unwrap().credential), "ASIA2");
    keys.invalidate(&first);
    assert_eq!(key_of(&keys.current().await.unwrap().credential), "ASIA2");
    assert_eq!(*count.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_caller_who_goes_away_does_not_stop_the_renewal() {
    let (_unity, keys, count) = renewing(&[Some(3600)]).await;
    let asking = keys.clone();
    let waiting = tokio::spawn(async move { asking.current().await.map(drop) });
    tokio::task::yield_now().await;
    waiting.abort();
    assert_eq!(key_of(&keys.current().await.unwrap().credential), "ASIA1");
    assert_eq!(*count.lock().unwrap(), 1);
}
