//! Signed requests, by a signer of our own: signer and store must be able to disagree.

use std::{fmt::Write as _, time::Duration};

use reqwest::{Method, Response};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use twinhouse_core::Secret;

use super::*;
use crate::faults::{Faults, Front, serve};

struct Store {
    access: S3Store,
    client: reqwest::Client,
    sessions: SessionKeys,
    folder: tempfile::TempDir,
    _stop: tokio_util::sync::DropGuard,
}

impl Store {
    async fn start() -> Self {
        Self::with_keys_for(Duration::from_secs(3600)).await
    }

    /// A store whose temporary keys live so long.
    async fn with_keys_for(lifetime: Duration) -> Self {
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
        let sessions = SessionKeys::new(folder.path(), lifetime);
        let router = router(folder.path(), &access, sessions.clone()).unwrap();
        tokio::spawn(serve(listener, Front::S3, router, Faults::default(), stop.clone()));
        let client = crate::testing::client();
        Self { access, client, sessions, folder, _stop: stop.drop_guard() }
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

async fn code(response: Response) -> String {
    element(&response.text().await.unwrap(), "Code").to_owned()
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
    let missing = store.send(Method::PUT, "/nowhere/k", "", &[], b"v".to_vec()).await;
    assert_eq!(code(missing).await, "NoSuchBucket");
    assert!(!store.folder.path().join("nowhere").exists());
    assert_eq!(code(store.put(&"k".repeat(256), "v").await).await, "KeyTooLongError");
    for key in ["a//b", "a/"] {
        assert_eq!(code(store.put(key, "v").await).await, "NotImplemented", "{key}");
    }
    // HTTP clients resolve these themselves.
    for key in ["a/../b", "./a", "..", "a\0b"] {
        check_key(key).unwrap_err();
    }
    store.put("folder/file", "v").await;
    assert_eq!(code(store.get("folder").await).await, "NoSuchKey");
    assert_eq!(code(store.put("folder", "v").await).await, "NotImplemented");
    assert_eq!(code(store.put("folder/file/below", "v").await).await, "NotImplemented");
    let objects: Vec<_> =
        fs::read_dir(store.folder.path().join("bucket")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(objects, ["folder"]);
    let drafts = fs::read_dir(store.folder.path().join(".store/drafts")).unwrap().count();
    assert_eq!(drafts, 0);
    assert_eq!(code(store.send(Method::GET, "/.store", "list-type=2", &[], vec![]).await).await, "InvalidBucketName");
    assert_eq!(code(store.send(Method::PUT, "/new-bucket", "", &[], vec![]).await).await, "NoSuchBucket");
    assert_eq!(code(store.send(Method::GET, "/bucket", "versions=", &[], vec![]).await).await, "NotImplemented");
}

#[tokio::test]
async fn a_key_of_a_deleted_folder_can_be_an_object() {
    let store = Store::start().await;
    store.put("folder/deep/file", "v").await;
    store.send(Method::DELETE, "/bucket/folder/deep/file", "", &[], vec![]).await;
    assert_eq!(store.put("folder", "object").await.status(), 200);
    assert_eq!(store.get("folder").await.text().await.unwrap(), "object");
}

#[tokio::test]
async fn a_conditional_put_is_decided_by_what_is_there() {
    let store = Store::start().await;
    let put = async |condition: (&str, &str), body: &str| {
        store.send(Method::PUT, "/bucket/k", "", &[condition], body.as_bytes().to_vec()).await
    };
    let first = put(("if-none-match", "*"), "one").await;
    assert_eq!(first.status(), 200);
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(code(put(("if-none-match", "*"), "two").await).await, "PreconditionFailed");
    assert_eq!(put(("if-match", &tag), "three").await.status(), 200);
    assert_eq!(code(put(("if-match", &tag), "four").await).await, "PreconditionFailed");
    assert_eq!(store.get("k").await.text().await.unwrap(), "three");
    let changed = store.send(Method::GET, "/bucket/k", "", &[("if-match", &tag)], vec![]).await;
    assert_eq!(changed.status(), 412);
    // A race has one winner.
    let all = futures::future::join_all((0..8).map(async |n| {
        store.send(Method::PUT, "/bucket/race", "", &[("if-none-match", "*")], vec![n]).await.status().as_u16()
    }));
    assert_eq!(all.await.into_iter().filter(|status| *status == 200).count(), 1);
}

#[tokio::test]
async fn a_body_that_does_not_fit_its_digest_is_not_kept() {
    let store = Store::start().await;
    let put = async |header: (&str, &str)| store.send(Method::PUT, "/bucket/k", "", &[header], b"hello".to_vec()).await;
    for header in [("x-amz-checksum-crc32", "AAAAAA=="), ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")] {
        assert_eq!(code(put(header).await).await, "BadDigest", "{header:?}");
        assert_eq!(store.get("k").await.status(), 404);
    }
    // CRC-32 and MD5 of `hello`.
    for header in [("x-amz-checksum-crc32", "NhCmhg=="), ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==")] {
        assert_eq!(put(header).await.status(), 200, "{header:?}");
    }
    assert_eq!(store.get("k").await.headers()["etag"], "\"5d41402abc4b2a76b9719d911017c592\"");
}

#[tokio::test]
async fn what_a_client_says_of_an_object_comes_back_and_a_new_file_forgets_it() {
    let store = Store::start().await;
    let headers = [("content-type", "text/csv"), ("x-amz-meta-rows", "2")];
    store.send(Method::PUT, "/bucket/k", "", &headers, b"1\n2\n".to_vec()).await;
    let head = store.send(Method::HEAD, "/bucket/k", "", &[], vec![]).await;
    assert_eq!(
        (&head.headers()["content-type"], &head.headers()["x-amz-meta-rows"]),
        (&"text/csv".parse().unwrap(), &"2".parse().unwrap())
    );
    store.send(Method::PUT, "/bucket/copy", "", &[("x-amz-copy-source", "bucket/k")], vec![]).await;
    let copy = store.get("copy").await;
    assert_eq!(
        (copy.headers()["x-amz-meta-rows"].as_bytes(), copy.headers()["etag"].clone()),
        (b"2".as_slice(), head.headers()["etag"].clone())
    );
    assert_eq!(copy.text().await.unwrap(), "1\n2\n");
    fs::write(store.folder.path().join("bucket/k"), "by another program").unwrap();
    let head = store.send(Method::HEAD, "/bucket/k", "", &[], vec![]).await;
    assert_eq!(head.headers()["content-type"], "binary/octet-stream");
    assert!(!head.headers().contains_key("x-amz-meta-rows"));
}

#[tokio::test]
async fn many_objects_go_in_one_request() {
    let store = Store::start().await;
    for key in ["a", "b", "c"] {
        store.put(key, key).await;
    }
    let body =
        "<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object><Object><Key>x//y</Key></Object></Delete>";
    let digest = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, {
        use s3s::crypto::Checksum as _;
        s3s::crypto::Md5::checksum(body.as_bytes())
    });
    let answer = store.send(Method::POST, "/bucket", "delete=", &[("content-md5", &digest)], body.into()).await;
    let answer = answer.text().await.unwrap();
    assert!(answer.contains("<Deleted><Key>a</Key>") && answer.contains("<Deleted><Key>b</Key>"), "{answer}");
    assert_eq!(element(&answer, "Code"), "NotImplemented");
    let left: Vec<_> =
        ["a", "b", "c"].into_iter().filter(|key| store.folder.path().join("bucket").join(key).exists()).collect();
    assert_eq!(left, ["c"]);
}

#[tokio::test]
async fn an_upload_that_is_aborted_or_wrong_leaves_no_object() {
    let store = Store::start().await;
    let path = "/bucket/k";
    let begin = async || {
        let started = store.send(Method::POST, path, "uploads=", &[], vec![]).await.text().await.unwrap();
        element(&started, "UploadId").to_owned()
    };
    let part = async |id: &str, number: u32, body: &str| {
        store.send(Method::PUT, path, &format!("partNumber={number}&uploadId={id}"), &[], body.into()).await
    };
    let complete = async |id: &str, numbers: &[u32], tag: &str| {
        let parts: String = numbers
            .iter()
            .map(|number| format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"))
            .collect();
        let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        code(store.send(Method::POST, path, &format!("uploadId={id}"), &[], body.into()).await).await
    };
    let id = begin().await;
    let tag = part(&id, 1, "same").await.headers()["etag"].to_str().unwrap().to_owned();
    part(&id, 2, "same").await;
    assert_eq!(complete(&id, &[1, 2], &tag).await, "EntityTooSmall");
    assert_eq!(complete(&id, &[2, 1], &tag).await, "EntityTooSmall");
    assert_eq!(complete(&id, &[1], "&quot;0123&quot;").await, "InvalidPart");
    assert_eq!(complete(&id, &[3], &tag).await, "InvalidPart");
    let aborted = store.send(Method::DELETE, path, &format!("uploadId={id}"), &[], vec![]).await;
    assert_eq!(aborted.status(), 204);
    assert_eq!(code(part(&id, 1, "late").await).await, "NoSuchUpload");
    assert_eq!(complete(&id, &[1], &tag).await, "NoSuchUpload");
    assert_eq!(complete("..%2F..%2Fbucket", &[1], &tag).await, "NoSuchUpload");
    assert_eq!(store.get("k").await.status(), 404);
    assert_eq!(fs::read_dir(store.folder.path().join(".store/uploads")).unwrap().count(), 0);
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

#[tokio::test]
async fn a_key_as_long_as_s3_takes_it_works_on_every_path() {
    let store = Store::start().await;
    let key = ["k".repeat(255), "l".repeat(255), "m".repeat(255), "n".repeat(255)].join("/");
    assert_eq!((key.len(), store.put(&key, "v").await.status().as_u16()), (1023, 200));
    assert_eq!(store.get(&key).await.text().await.unwrap(), "v");
    let path = format!("/bucket/{key}");
    let started = store.send(Method::POST, &path, "uploads=", &[], vec![]).await;
    assert_eq!(started.status(), 200);
}

#[tokio::test]
async fn names_in_lists_are_encoded_when_asked() {
    let store = Store::start().await;
    store.put("p/a%2Bb%20c", "v").await;
    let list = async |query: &str| store.send(Method::GET, "/bucket", query, &[], vec![]).await.text().await.unwrap();
    assert_eq!(element(&list("list-type=2").await, "Key"), "p/a+b c");
    let encoded = list("encoding-type=url&list-type=2&prefix=p%2F").await;
    assert_eq!(element(&encoded, "Key"), "p/a%2Bb%20c");
    assert_eq!(element(&encoded, "EncodingType"), "url");
}

impl Store {
    /// From now on requests are signed with a key to a folder outside of the store, which has one file `a/x`.
    fn enter(&mut self, folder: &Path, below: &str, reach: Reach) -> String {
        fs::create_dir_all(folder.join("a")).unwrap();
        fs::write(folder.join("a/x"), "ours").unwrap();
        let issued = self.sessions.issue("tables/7", folder, below, reach).unwrap();
        self.access.access_key = issued.id;
        self.access.secret_key = issued.secret;
        issued.token.expose().to_owned()
    }

    async fn at(&self, method: Method, path: &str, query: &str, token: &str) -> Response {
        self.send(method, path, query, &[("x-amz-security-token", token)], b"new".to_vec()).await
    }
}

#[tokio::test]
async fn a_temporary_key_opens_its_folder_and_nothing_else() {
    let mut store = Store::start().await;
    store.put("staging/k", "v").await;
    let outside = tempfile::tempdir().unwrap();
    let token = store.enter(outside.path(), "", Reach::Read);
    let file = "/unity-catalog/tables/7/a/x";
    assert_eq!(store.at(Method::GET, file, "", &token).await.text().await.unwrap(), "ours");
    let listed = store.at(Method::GET, "/unity-catalog", "list-type=2&prefix=tables%2F7%2F", &token).await;
    assert_eq!(element(&listed.text().await.unwrap(), "Key"), "tables/7/a/x");
    for (method, path, query) in [
        (Method::GET, "/bucket/staging/k", ""),
        (Method::GET, "/bucket", "list-type=2"),
        (Method::GET, "/unity-catalog", "list-type=2"),
        (Method::GET, "/unity-catalog", "list-type=2&prefix=tables%2F77"),
        (Method::GET, "/unity-catalog/tables/77/a/x", ""),
        (Method::GET, "/", ""),
        (Method::PUT, file, ""),
        (Method::DELETE, file, ""),
        (Method::POST, file, "uploads="),
    ] {
        assert_eq!(code(store.at(method.clone(), path, query, &token).await).await, "AccessDenied", "{method} {path}");
    }
    assert_eq!(code(store.at(Method::GET, file, "", "another").await).await, "InvalidToken");
    assert_eq!(code(store.get("staging/k").await).await, "InvalidToken", "the token goes with every request");
    assert_eq!(fs::read_to_string(outside.path().join("a/x")).unwrap(), "ours");
}

#[tokio::test]
async fn a_temporary_key_that_writes_writes_into_the_folder() {
    let mut store = Store::start().await;
    let outside = tempfile::tempdir().unwrap();
    let token = store.enter(outside.path(), "a", Reach::Write);
    assert_eq!(store.at(Method::PUT, "/unity-catalog/tables/7/a/y", "", &token).await.status(), 200);
    assert_eq!(fs::read_to_string(outside.path().join("a/y")).unwrap(), "new");
    assert_eq!(store.at(Method::DELETE, "/unity-catalog/tables/7/a/x", "", &token).await.status(), 204);
    assert!(!outside.path().join("a/x").exists());
    assert_eq!(code(store.at(Method::PUT, "/unity-catalog/tables/7/b", "", &token).await).await, "AccessDenied");
    assert!(!outside.path().join("b").exists(), "the key was for a part of the folder only");
}

#[tokio::test]
async fn a_temporary_key_ends_and_the_owner_of_the_store_has_none() {
    let mut store = Store::with_keys_for(Duration::ZERO).await;
    let owner = store.access.clone();
    let outside = tempfile::tempdir().unwrap();
    let token = store.enter(outside.path(), "", Reach::Read);
    let file = "/unity-catalog/tables/7/a/x";
    assert_eq!(code(store.at(Method::GET, file, "", &token).await).await, "ExpiredToken");
    store.access = owner;
    assert_eq!(code(store.send(Method::GET, file, "", &[], vec![]).await).await, "AccessDenied");
    let copied = store.send(Method::PUT, "/bucket/stolen", "", &[("x-amz-copy-source", file)], vec![]).await;
    assert_eq!(code(copied).await, "AccessDenied");
    store.access.access_key = "ASIANOBODY".to_owned();
    assert_eq!(code(store.send(Method::GET, file, "", &[], vec![]).await).await, "InvalidAccessKeyId");
}
