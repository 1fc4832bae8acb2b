//! The Files API.

use std::{path::PathBuf, time::SystemTime};

use axum::response::IntoResponse as _;
use bytes::Bytes;
use futures::stream;
use serde_json::json;

use super::*;
use crate::{FaultKind, FaultRule};

const VOLUME: &str = "/Volumes/main/default/v";

impl Server {
    async fn with_volume() -> Self {
        let server = Self::start().await;
        server.sql("CREATE VOLUME v").await;
        server
    }

    fn file(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, &format!("/api/2.0/fs/files{VOLUME}/{path}"))
    }

    fn directory(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, &format!("/api/2.0/fs/directories{VOLUME}/{path}"))
    }

    async fn put(&self, path: &str, body: impl Into<reqwest::Body>) -> u16 {
        self.answer(self.file(Method::PUT, path).query(&[("overwrite", "true")]).body(body)).await.0
    }

    async fn content(&self, path: &str) -> Bytes {
        self.file(Method::GET, path).send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap()
    }

    async fn names(&self, path: &str) -> Vec<String> {
        let listed = self.answer(self.directory(Method::GET, path)).await.1;
        let name = |entry: &Value| entry["name"].as_str().unwrap().to_owned();
        listed["contents"].as_array().unwrap().iter().map(name).collect()
    }

    fn drafts(&self) -> Vec<PathBuf> {
        let folder = self.folder.path().join("uploads");
        std::fs::read_dir(folder)
            .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
            .unwrap_or_default()
    }

    /// The server notices in its own time that a client has gone.
    async fn until_no_drafts(&self) {
        let gone = async {
            while !self.drafts().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), gone).await.expect("a draft stays");
    }
}

#[tokio::test]
async fn a_file_comes_back_as_it_went_in_whatever_its_name() {
    let server = Server::with_volume().await;
    let content = Bytes::from((0..3_000_000u32).map(|n| (n * 7 % 251) as u8).collect::<Vec<u8>>());
    for name in ["a.parquet", "deep/er/b%20c", "%C3%A9%F0%9F%98%80", "a%25b%23c%3Fd", "a+b&c=d", "'%22%60%5C"] {
        assert_eq!(server.put(name, content.clone()).await, 204, "{name}");
        assert!(server.content(name).await == content, "{name}");
    }
    assert_eq!(server.put("empty", "").await, 204);
    assert!(server.content("empty").await.is_empty());
    assert_eq!(server.names("deep/er").await, ["b c"]);
    assert!(server.drafts().is_empty());
}

#[tokio::test]
async fn encoded_slashes_are_slashes_as_the_command_line_client_sends_them() {
    let server = Server::with_volume().await;
    let path = "/api/2.0/fs/files/Volumes%2Fmain%2Fdefault%2Fv%2Fd%2Ff";
    assert_eq!(server.answer(server.request(Method::PUT, path).body("x")).await.0, 204);
    assert_eq!(server.content("d/f").await, "x");
}

#[tokio::test]
async fn a_path_that_leaves_its_volume_is_refused() {
    let server = Server::with_volume().await;
    std::fs::write(server.folder.path().join("secret"), "s").unwrap();
    for path in [
        "/Volumes/main/default/v/../secret",
        "/Volumes/main/default/v/%2e%2e/secret",
        "/Volumes/main/default/v/..%2f..%2fsecret",
        "/Volumes/main/default/v/./f",
        "/Volumes/main/default/v/a%00b",
        "/Volumes/main/default/v/a//b",
        "/Volumes/main/default/v/%ff",
        "/Volumes/main/default/v/f/",
        "/Volumes/main/default/v",
        "/Volumes/main/default",
        "dbfs:/Volumes/main/default/v/f",
        "/etc/passwd",
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let slash = if path.starts_with('/') { "" } else { "/" };
            let answer = server.raw(&format!("{method} /api/2.0/fs/files{slash}{path} HTTP/1.1")).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{method} {path}: {answer}");
            assert!(answer.contains("INVALID_PARAMETER_VALUE"), "{method} {path}: {answer}");
        }
    }
}

#[tokio::test]
async fn an_existing_file_is_replaced_only_by_who_says_so() {
    let server = Server::with_volume().await;
    let put = |text: &'static str| server.file(Method::PUT, "f").body(text);
    assert_eq!(server.answer(put("one")).await.0, 204);
    let (status, refused) = server.answer(put("two").query(&[("overwrite", "false")])).await;
    assert_eq!((status, &refused["error_code"]), (409, &json!("ALREADY_EXISTS")), "{refused}");
    assert_eq!(server.content("f").await, "one");
    assert_eq!(server.put("f", "three").await, 204);
    assert_eq!(server.content("f").await, "three");
    assert_eq!(server.refusal(put("x").query(&[("overwrite", "yes")])).await.0, 400);
}

#[tokio::test]
async fn of_two_uploads_at_once_one_creates_the_file() {
    let server = Server::with_volume().await;
    let put = |n: usize| server.answer(server.file(Method::PUT, "f").body(vec![n as u8; 100_000]));
    let mut answers = futures::future::join_all((0..8).map(put)).await;
    answers.sort_by_key(|(status, _)| *status);
    let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [204, 409, 409, 409, 409, 409, 409, 409]);
    let content = server.content("f").await;
    assert!(content.len() == 100_000 && content.iter().all(|byte| *byte == content[0]));
}

#[tokio::test]
async fn a_half_sent_upload_leaves_what_was_there() {
    let server = Server::with_volume().await;
    server.put("f", "old").await;
    let half = stream::iter([Ok(Bytes::from(vec![1; 200_000])), Err(std::io::Error::other("the client gave up"))]);
    let body = reqwest::Body::wrap_stream(half);
    let sent = server.file(Method::PUT, "f").query(&[("overwrite", "true")]).body(body).send().await;
    assert!(sent.is_err());
    assert_eq!(server.content("f").await, "old");

    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "PUT /api/2.0/fs/files{VOLUME}/g HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 100\r\n\r\nhalf"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("204"));
    assert_eq!(server.refusal(server.file(Method::GET, "g")).await.0, 404);
    assert_eq!(server.names("").await, ["f"]);
    server.until_no_drafts().await;
}

#[tokio::test]
async fn a_refused_upload_is_taken_in_so_that_the_client_reads_why() {
    let server = Server::start().await;
    let put = server.request(Method::PUT, "/api/2.0/fs/files/Volumes/main/default/none/f").body(vec![0u8; 8 << 20]);
    let (status, body) = server.answer(put).await;
    assert_eq!((status, &body["error_code"]), (404, &json!("NOT_FOUND")), "{body}");
}

#[tokio::test]
async fn a_full_disk_refuses_the_upload_and_keeps_what_was_there() {
    let server = Server::with_volume().await;
    server.put("f", "old").await;
    server.faults.schedule(FaultRule::databricks(FaultKind::DiskFull).with_method("PUT")).unwrap();
    let put = server.file(Method::PUT, "f").query(&[("overwrite", "true")]).body(vec![0u8; 1 << 20]);
    let injected = server.answer(put).await;
    assert_eq!(server.content("f").await, "old");
    // The disk's own refusal reads the same.
    let own = super::super::ApiError::from(std::io::Error::from(std::io::ErrorKind::StorageFull)).into_response();
    assert_eq!((own.status().as_u16(), injected.0), (507, 507));
    let own = axum::body::to_bytes(own.into_body(), 1 << 10).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&own).unwrap(), injected.1);
}

#[tokio::test]
async fn what_is_missing_is_refused_as_recorded() {
    let server = Server::with_volume().await;
    let (status, body) = server.answer(server.file(Method::GET, "none")).await;
    assert_eq!((status, &body["error_code"]), (404, &json!("NOT_FOUND")));
    let detail = &body["details"][0];
    assert_eq!(detail["@type"], "type.googleapis.com/google.rpc.ErrorInfo");
    assert_eq!(detail["reason"], "FILES_API_RESOURCE_NOT_FOUND");
    assert_eq!(detail["domain"], "filesystem.databricks.com");
    server.put("d/f", "x").await;
    for request in [
        server.file(Method::GET, "d"),
        server.file(Method::GET, "d/f/g"),
        server.file(Method::DELETE, "d"),
        server.file(Method::DELETE, "none"),
        server.directory(Method::GET, "none"),
        server.directory(Method::GET, "d/f"),
        server.directory(Method::DELETE, "none"),
        server.request(Method::GET, "/api/2.0/fs/files/Volumes/main/none/v/f"),
        server.request(Method::PUT, "/api/2.0/fs/directories/Volumes/none/default/v/d"),
    ] {
        assert_eq!(server.refusal(request).await, (404, json!("NOT_FOUND")));
    }
    for request in [server.file(Method::HEAD, "none"), server.directory(Method::HEAD, "none")] {
        assert_eq!(server.answer(request).await, (404, Value::Null));
    }
}

#[tokio::test]
async fn parts_of_a_file_can_be_asked_for() {
    let server = Server::with_volume().await;
    server.put("f", "0123456789").await;
    let ask = async |range: &str| {
        let response = server.file(Method::GET, "f").header("range", range).send().await.unwrap();
        let range = response.headers().get("content-range").map(|range| range.to_str().unwrap().to_owned());
        (response.status().as_u16(), range, response.text().await.unwrap())
    };
    assert_eq!(ask("bytes=2-4").await, (206, Some("bytes 2-4/10".to_owned()), "234".to_owned()));
    assert_eq!(ask("bytes=-3").await, (206, Some("bytes 7-9/10".to_owned()), "789".to_owned()));
    assert_eq!(ask("bytes=5-").await, (206, Some("bytes 5-9/10".to_owned()), "56789".to_owned()));
    assert_eq!(ask("bytes=0-1,3-4").await, (200, None, "0123456789".to_owned()));
    let (status, range, body) = ask("bytes=10-").await;
    assert_eq!((status, range.as_deref()), (416, Some("bytes */10")));
    assert!(body.contains("error_code"));
}

#[tokio::test]
async fn a_head_tells_size_and_time_and_a_changed_file_is_not_mixed_with_the_old() {
    let server = Server::with_volume().await;
    server.put("f", "0123456789").await;
    let head = server.file(Method::HEAD, "f").send().await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-length"], "10");
    assert_eq!(head.headers()["content-type"], "application/octet-stream");
    let modified = head.headers()["last-modified"].to_str().unwrap().to_owned();
    let since = |time: &str| server.file(Method::GET, "f").header("if-unmodified-since", time).send();
    assert_eq!(since(&modified).await.unwrap().status(), 200);
    let earlier = httpdate::parse_http_date(&modified).unwrap() - Duration::from_secs(1);
    assert_eq!(since(&httpdate::fmt_http_date(earlier)).await.unwrap().status(), 412);
    assert_eq!(since("no date").await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_deleted_file_is_gone() {
    let server = Server::with_volume().await;
    server.put("d/f", "x").await;
    assert_eq!(server.answer(server.file(Method::DELETE, "d/f")).await, (204, Value::Null));
    assert_eq!(server.refusal(server.file(Method::GET, "d/f")).await.0, 404);
    assert!(server.names("d").await.is_empty());
}

#[tokio::test]
async fn directories_are_made_with_their_parents_and_removed_only_empty() {
    let server = Server::with_volume().await;
    for _ in 0..2 {
        assert_eq!(server.answer(server.directory(Method::PUT, "a/b/c")).await.0, 204);
    }
    assert_eq!(server.answer(server.directory(Method::HEAD, "a/b/c/")).await.0, 200);
    let (status, body) = server.answer(server.directory(Method::DELETE, "a/b")).await;
    assert_eq!((status, &body["details"][0]["reason"]), (400, &json!("FILES_API_DIRECTORY_IS_NOT_EMPTY")));
    assert_eq!(server.answer(server.directory(Method::DELETE, "a/b/c")).await.0, 204);
    assert_eq!(server.names("a/b").await, [""; 0]);
    server.put("f", "x").await;
    for request in [server.directory(Method::PUT, "f"), server.directory(Method::PUT, "f/g")] {
        assert_eq!(server.refusal(request).await, (409, json!("ALREADY_EXISTS")));
    }
    for request in [server.file(Method::PUT, "a"), server.file(Method::PUT, "f/g")] {
        assert_eq!(server.refusal(request.query(&[("overwrite", "true")]).body("x")).await.0, 409);
    }
    assert_eq!(server.refusal(server.directory(Method::DELETE, "")).await.0, 400);
}

#[tokio::test]
async fn a_listing_goes_on_where_its_page_ended() {
    let server = Server::with_volume().await;
    for n in 0..7 {
        server.put(&format!("f{n}"), "12345").await;
    }
    server.answer(server.directory(Method::PUT, "d")).await;
    let (mut names, mut pages, mut token) = (Vec::new(), 0, None::<String>);
    loop {
        let mut request = server.directory(Method::GET, "").query(&[("page_size", "3")]);
        if let Some(token) = &token {
            request = request.query(&[("page_token", token)]);
        }
        let page = server.answer(request).await.1;
        pages += 1;
        names.extend(page["contents"].as_array().unwrap().iter().cloned());
        match page["next_page_token"].as_str() {
            Some(next) => token = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!((names.len(), pages), (8, 3));
    assert_eq!((&names[0]["name"], &names[0]["is_directory"]), (&json!("d"), &json!(true)));
    assert!(names[0].get("file_size").is_none());
    let file = &names[1];
    assert_eq!((&file["path"], &file["file_size"]), (&json!(format!("{VOLUME}/f0")), &json!(5)));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64;
    assert!(now - file["last_modified"].as_u64().unwrap() < 3_600_000);
    for odd in ["page_size=-1", "page_size=x", "page_token=%25"] {
        assert_eq!(server.refusal(server.directory(Method::GET, &format!("?{odd}"))).await.0, 400, "{odd}");
    }
}

#[tokio::test]
async fn an_upload_to_a_volume_that_was_dropped_meanwhile_does_not_bring_it_back() {
    let server = Server::with_volume().await;
    let (send, receive) = tokio::sync::oneshot::channel::<()>();
    let first = stream::once(async { Ok::<_, std::io::Error>(Bytes::from(vec![0; 1000])) });
    let rest = stream::once(async {
        receive.await.unwrap();
        Ok(Bytes::from(vec![0; 1000]))
    });
    let body = reqwest::Body::wrap_stream(futures::StreamExt::chain(first, rest));
    let upload = tokio::spawn(server.file(Method::PUT, "f").body(body).send());
    while server.drafts().is_empty() {
        tokio::task::yield_now().await;
    }
    server.sql("DROP VOLUME v").await;
    send.send(()).unwrap();
    assert_eq!(upload.await.unwrap().unwrap().status(), 404);
    assert!(server.drafts().is_empty());
}
