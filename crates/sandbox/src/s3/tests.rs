//! Signed requests, by a signer of our own: signer and store must be able to disagree.

use std::fmt::Write as _;

use reqwest::{Method, Response};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use twinhouse_core::Secret;

use super::*;
use crate::faults::{Faults, Front, serve};

struct Store {
    access: S3Store,
    client: reqwest::Client,
    folder: tempfile::TempDir,
    _stop: tokio_util::sync::DropGuard,
}

impl Store {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let access = S3Store {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            region: "us-east-1".to_owned(),
            access_key: "AKIATEST".to_owned(),
            secret_key: Secret::new("a secret key"),
            bucket: "bucket".to_owned(),
            prefix: "staging".to_owned(),
            iam_role: "arn".to_owned(),
        };
        let stop = CancellationToken::new();
        let router = router(folder.path(), &access).unwrap();
        tokio::spawn(serve(listener, Front::S3, router, Faults::default(), stop.clone()));
        let client = crate::testing::client();
        Self { access, client, folder, _stop: stop.drop_guard() }
    }

    /// Sends a request signed with Signature Version 4. `path` and `query` are as they stand in the URL; the
    /// query is in canonical order.
    async fn send(&self, method: Method, path: &str, query: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
        let host = self.access.endpoint.strip_prefix("http://").unwrap();
        let now = chrono::Utc::now().format("%Y%m%dT%H%M%SZ").to_string();
        let day = &now[..8];
        let digest = hex(&Sha256::digest(&body));
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{digest}\nx-amz-date:{now}\n\n\
             host;x-amz-content-sha256;x-amz-date\n{digest}"
        );
        let scope = format!("{day}/{}/s3/aws4_request", self.access.region);
        let to_sign = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let mut key = hmac(format!("AWS4{}", self.access.secret_key.expose()).as_bytes(), day.as_bytes());
        for part in [&self.access.region, "s3", "aws4_request", &to_sign] {
            key = hmac(&key, part.as_bytes());
        }
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={}",
            self.access.access_key,
            hex(&key)
        );
        let mark = if query.is_empty() { "" } else { "?" };
        let mut request = self
            .client
            .request(method, format!("{}{path}{mark}{query}", self.access.endpoint))
            .header("x-amz-content-sha256", digest)
            .header("x-amz-date", now)
            .header("authorization", authorization)
            .body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn get(&self, key: &str) -> Response {
        self.send(Method::GET, &format!("/bucket/{key}"), "", &[], vec![]).await
    }

    async fn put(&self, key: &str, body: impl Into<Vec<u8>>) -> Response {
        self.send(Method::PUT, &format!("/bucket/{key}"), "", &[], body.into()).await
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0u8; 64];
    match key.len() {
        0..=64 => block[..key.len()].copy_from_slice(key),
        _ => block[..32].copy_from_slice(&Sha256::digest(key)),
    }
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

/// The text of the first element of this name.
fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let start = xml.find(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {xml}")) + name.len() + 2;
    &xml[start..start + xml[start..].find("</").unwrap()]
}

#[tokio::test]
async fn an_object_is_a_plain_file_under_its_bucket() {
    let store = Store::start().await;
    assert_eq!(store.put("staging/a/one.csv", "1,2\n3,4\n").await.status(), 200);
    let file = store.folder.path().join("bucket/staging/a/one.csv");
    assert_eq!(fs::read_to_string(&file).unwrap(), "1,2\n3,4\n");
    fs::write(file.with_file_name("two.csv"), "by hand").unwrap();
    assert_eq!(store.get("staging/a/two.csv").await.text().await.unwrap(), "by hand");
    let beside: Vec<_> =
        fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside.len(), 2, "nothing but objects lies in a bucket: {beside:?}");
}

#[tokio::test]
async fn ranges_head_and_delete_behave() {
    let store = Store::start().await;
    store.put("k", "0123456789").await;
    let range = store.send(Method::GET, "/bucket/k", "", &[("range", "bytes=2-4")], vec![]).await;
    assert_eq!((range.status().as_u16(), range.headers()["content-range"].to_str().unwrap()), (206, "bytes 2-4/10"));
    assert_eq!(range.text().await.unwrap(), "234");
    let head = store.send(Method::HEAD, "/bucket/k", "", &[], vec![]).await;
    assert_eq!(head.headers()["content-length"], "10");
    assert_eq!(store.send(Method::DELETE, "/bucket/k", "", &[], vec![]).await.status(), 204);
    assert_eq!(store.send(Method::DELETE, "/bucket/k", "", &[], vec![]).await.status(), 204);
    let gone = store.get("k").await;
    assert_eq!(gone.status(), 404);
    assert_eq!(element(&gone.text().await.unwrap(), "Code"), "NoSuchKey");
}

#[tokio::test]
async fn lists_are_sorted_paged_and_grouped() {
    let store = Store::start().await;
    for key in ["p/b", "p/a/2", "p/a/1", "q"] {
        store.put(key, key).await;
    }
    let list = async |query: &str| store.send(Method::GET, "/bucket", query, &[], vec![]).await.text().await.unwrap();
    let all = list("list-type=2&prefix=p%2F").await;
    let at = |key: &str| all.find(&format!("<Key>{key}</Key>")).unwrap();
    assert!(at("p/a/1") < at("p/a/2") && at("p/a/2") < at("p/b") && !all.contains("<Key>q</Key>"));
    let grouped = list("delimiter=%2F&list-type=2&prefix=p%2F").await;
    assert!(grouped.contains("<Prefix>p/a/</Prefix>") && grouped.contains("<Key>p/b</Key>"));
    assert!(!grouped.contains("<Key>p/a/1</Key>"));
    let mut keys = Vec::new();
    let mut query = "list-type=2&max-keys=1".to_owned();
    loop {
        let page = list(&query).await;
        keys.push(element(&page, "Key").to_owned());
        if element(&page, "IsTruncated") == "false" {
            break;
        }
        let token = element(&page, "NextContinuationToken").replace('/', "%2F");
        query = format!("continuation-token={token}&list-type=2&max-keys=1");
    }
    assert_eq!(keys, ["p/a/1", "p/a/2", "p/b", "q"]);
}

#[tokio::test]
async fn a_multipart_upload_appears_when_it_is_complete() {
    let store = Store::start().await;
    let path = "/bucket/staging/large.parquet";
    let started = store.send(Method::POST, path, "uploads=", &[], vec![]).await.text().await.unwrap();
    let upload = element(&started, "UploadId").to_owned();
    let parts = [vec![1u8; 5 << 20], vec![2u8; 1000]];
    let mut complete = "<CompleteMultipartUpload>".to_owned();
    for (number, part) in (1..).zip(&parts) {
        let query = format!("partNumber={number}&uploadId={upload}");
        let sent = store.send(Method::PUT, path, &query, &[], part.clone()).await;
        let tag = sent.headers()["etag"].to_str().unwrap().to_owned();
        let _ = write!(complete, "<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>");
    }
    complete.push_str("</CompleteMultipartUpload>");
    assert_eq!(store.get("staging/large.parquet").await.status(), 404);
    let done = store.send(Method::POST, path, &format!("uploadId={upload}"), &[], complete.into_bytes()).await;
    assert_eq!(done.status(), 200);
    assert!(element(&done.text().await.unwrap(), "ETag").contains("-2"));
    let whole = fs::read(store.folder.path().join("bucket/staging/large.parquet")).unwrap();
    assert_eq!(whole, parts.concat());
}

#[tokio::test]
async fn wrong_keys_and_anonymous_requests_are_refused() {
    let mut store = Store::start().await;
    store.put("k", "v").await;
    let anonymous = store.client.get(format!("{}/bucket/k", store.access.endpoint)).send().await.unwrap();
    assert_eq!(anonymous.status(), 403);
    let right = std::mem::replace(&mut store.access.secret_key, Secret::new("another"));
    let forged = store.get("k").await;
    assert_eq!(forged.status(), 403);
    assert_eq!(element(&forged.text().await.unwrap(), "Code"), "SignatureDoesNotMatch");
    store.access.secret_key = right;
    store.access.access_key = "AKIANOBODY".to_owned();
    assert_eq!(store.get("k").await.status(), 403);
    store.access.access_key = "AKIATEST".to_owned();
    assert_eq!(store.get("k").await.status(), 200);
}

#[tokio::test]
async fn what_files_cannot_keep_is_refused_before_anything_is_written() {
    let store = Store::start().await;
    let code = async |response: Response| element(&response.text().await.unwrap(), "Code").to_owned();
    let missing = store.send(Method::PUT, "/nowhere/k", "", &[], b"v".to_vec()).await;
    assert_eq!(code(missing).await, "NoSuchBucket");
    assert!(!store.folder.path().join("nowhere").exists());
    let long = "k".repeat(200);
    assert_eq!(code(store.put(&long, "v").await).await, "KeyTooLongError");
    assert_eq!(code(store.put("a//b", "v").await).await, "InvalidArgument");
    store.put("folder/file", "v").await;
    assert_eq!(code(store.get("folder").await).await, "NoSuchKey");
    let objects: Vec<_> =
        fs::read_dir(store.folder.path().join("bucket")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(objects, ["folder"]);
}

#[tokio::test]
async fn keys_with_awkward_characters_come_back_as_they_were() {
    let store = Store::start().await;
    // `key with space+plus=ünïcode.parquet`
    let key = "staging/key%20with%20space%2Bplus%3D%C3%BCn%C3%AFcode.parquet";
    assert_eq!(store.put(key, "v").await.status(), 200);
    assert!(store.folder.path().join("bucket/staging/key with space+plus=ünïcode.parquet").exists());
    assert_eq!(store.get(key).await.text().await.unwrap(), "v");
}
