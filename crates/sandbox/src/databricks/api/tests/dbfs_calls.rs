//! The Databricks file system.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::*;

const MB: usize = 1 << 20;

impl Server {
    async fn dbfs(&self, call: &str, body: Value) -> (u16, Value) {
        self.answer(self.request(Method::POST, &format!("/api/2.0/dbfs/{call}")).json(&body)).await
    }

    async fn dbfs_get(&self, call: &str, query: &[(&str, &str)]) -> (u16, Value) {
        self.answer(self.get(&format!("/api/2.0/dbfs/{call}")).query(query)).await
    }

    async fn dbfs_put(&self, path: &str, contents: &str) {
        let body = json!({ "path": path, "contents": STANDARD.encode(contents), "overwrite": true });
        assert_eq!(self.dbfs("put", body).await.0, 200);
    }

    async fn dbfs_names(&self, path: &str) -> Vec<String> {
        let listed = self.dbfs_get("list", &[("path", path)]).await.1;
        let files = listed["files"].as_array().cloned().unwrap_or_default();
        files.iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_file_is_made_of_blocks_and_read_in_pieces() {
    let server = Server::start().await;
    let (status, created) = server.dbfs("create", json!({ "path": "dbfs:/d/e/f.bin" })).await;
    let handle = created["handle"].clone();
    assert!(status == 200 && handle.is_u64(), "{created}");
    let block = vec![7; MB];
    for data in [&block[..], b"end"] {
        assert_eq!(server.dbfs("add-block", json!({ "handle": handle, "data": STANDARD.encode(data) })).await.0, 200);
    }
    let large = json!({ "handle": handle, "data": STANDARD.encode(vec![7; MB + 1]) });
    assert_eq!(server.dbfs("add-block", large).await.1["error_code"], "MAX_BLOCK_SIZE_EXCEEDED");
    assert_eq!(server.dbfs("close", json!({ "handle": handle })).await.0, 200);
    let closed = server.dbfs("add-block", json!({ "handle": handle, "data": "" })).await;
    assert_eq!((closed.0, &closed.1["error_code"]), (404, &json!("RESOURCE_DOES_NOT_EXIST")));

    let path = "/d/e/f.bin";
    let (_, info) = server.dbfs_get("get-status", &[("path", path)]).await;
    assert_eq!((&info["path"], &info["file_size"], &info["is_dir"]), (&json!(path), &json!(MB + 3), &json!(false)));
    let read = async |offset: &str, length: &str| {
        let query = [("path", path), ("offset", offset), ("length", length)];
        server.dbfs_get("read", &query).await
    };
    let (_, tail) = read("1048575", "100").await;
    assert_eq!((&tail["bytes_read"], &tail["data"]), (&json!(4), &json!(STANDARD.encode(b"\x07end"))));
    assert_eq!(read("9999999", "1").await.1, json!({ "bytes_read": 0, "data": "" }));
    assert_eq!(read("0", "1048577").await.1["error_code"], "MAX_READ_SIZE_EXCEEDED");
    assert_eq!(read("-1", "1").await.1["error_code"], "INVALID_PARAMETER_VALUE");
    assert_eq!(server.dbfs_get("read", &[("path", path)]).await.1["bytes_read"], 512 << 10);
    assert_eq!(server.dbfs_get("read", &[("path", "/d")]).await.1["error_code"], "INVALID_PARAMETER_VALUE");
}

#[tokio::test]
async fn names_that_are_taken_missing_or_odd_are_refused_in_the_services_words() {
    let server = Server::start().await;
    server.dbfs_put("/a/f", "x").await;
    let refusal = async |call: &str, body: Value| {
        let (status, refusal) = server.dbfs(call, body).await;
        (status, refusal["error_code"].as_str().unwrap_or_default().to_owned())
    };
    let taken = (400, "RESOURCE_ALREADY_EXISTS".to_owned());
    assert_eq!(refusal("create", json!({ "path": "/a/f" })).await, taken);
    assert_eq!(refusal("create", json!({ "path": "/a", "overwrite": true })).await, taken);
    assert_eq!(refusal("mkdirs", json!({ "path": "/a/f/g" })).await, taken);
    assert_eq!(refusal("put", json!({ "path": "/a/f", "contents": "" })).await, taken);
    assert_eq!(refusal("put", json!({ "path": "/a/g", "contents": "%" })).await.1, "INVALID_PARAMETER_VALUE");
    let missing = (404, "RESOURCE_DOES_NOT_EXIST".to_owned());
    assert_eq!(refusal("delete", json!({ "path": "/none" })).await, missing);
    assert_eq!(refusal("move", json!({ "source_path": "/none", "destination_path": "/x" })).await, missing);
    assert_eq!(refusal("move", json!({ "source_path": "/a", "destination_path": "/a/f" })).await, taken);
    assert_eq!(refusal("close", json!({ "handle": 5 })).await, missing);
    for odd in ["relative", "s3://b/k", "/a/../../etc", "/a//b", "dbfs:x"] {
        assert_eq!(
            refusal("mkdirs", json!({ "path": odd })).await,
            (400, "INVALID_PARAMETER_VALUE".to_owned()),
            "{odd}"
        );
    }
    assert_eq!(refusal("delete", json!({ "path": "/", "recursive": true })).await.0, 400);
}

#[tokio::test]
async fn trees_are_listed_moved_and_deleted_and_large_ones_not_at_once() {
    let server = Server::start().await;
    server.dbfs_put("/t/b", "1").await;
    server.dbfs_put("/t/a/c", "22").await;
    assert_eq!(server.dbfs_names("dbfs:/t/").await, ["/t/a", "/t/b"]);
    assert_eq!(server.dbfs_names("/t/b").await, ["/t/b"]);
    let moved = server.dbfs("move", json!({ "source_path": "/t", "destination_path": "/u/v" })).await;
    assert_eq!(moved.0, 200, "{}", moved.1);
    assert_eq!(server.dbfs_names("/").await, ["/u"]);
    assert_eq!(server.dbfs_names("/u/v/a").await, ["/u/v/a/c"]);
    let full = server.dbfs("delete", json!({ "path": "/u/v" })).await;
    assert_eq!(full.1["error_code"], "IO_ERROR");
    let folder = server.folder.path().join("dbfs/u/v/a");
    for n in 0..1500 {
        std::fs::write(folder.join(n.to_string()), "").unwrap();
    }
    let all = json!({ "path": "/u", "recursive": true });
    let partial = server.dbfs("delete", all.clone()).await;
    assert_eq!((partial.0, &partial.1["error_code"]), (503, &json!("PARTIAL_DELETE")));
    assert_eq!(server.dbfs("delete", all).await.0, 200);
    assert!(server.dbfs_names("/").await.is_empty());
}

#[tokio::test]
async fn volumes_are_reached_by_the_same_calls() {
    let server = Server::start().await;
    server.sql("CREATE VOLUME v").await;
    server.dbfs_put("dbfs:/Volumes/main/default/v/d/f.csv", "a\n1\n").await;
    let file = server.get("/api/2.0/fs/files/Volumes/main/default/v/d/f.csv").send().await.unwrap();
    assert_eq!(file.text().await.unwrap(), "a\n1\n");
    assert_eq!(server.dbfs_names("/Volumes/main/default/v/d").await, ["/Volumes/main/default/v/d/f.csv"]);
    assert_eq!(server.dbfs_get("list", &[("path", "/Volumes/main/default/none/d")]).await.0, 404);
}

/// Whoever comes second finds nothing, and is not told of a fault of the server.
#[tokio::test]
async fn calls_that_want_the_same_file_at_the_same_time_do_not_fail_the_server() {
    let server = Server::start().await;
    for round in 0..20 {
        server.dbfs_put("/d/f", "x").await;
        let to = |n: u32| json!({ "source_path": "/d/f", "destination_path": format!("/moved/{round}-{n}") });
        let moved = futures::future::join_all((0..4).map(|n| server.dbfs("move", to(n)))).await;
        let statuses: Vec<u16> = moved.iter().map(|(status, _)| *status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{moved:?}");
        assert!(statuses.iter().all(|status| [200, 404].contains(status)), "{moved:?}");

        for n in 0..8 {
            server.dbfs_put(&format!("/tree/{n}/f"), "x").await;
        }
        let delete = || server.dbfs("delete", json!({ "path": "/tree", "recursive": true }));
        let deleted = futures::future::join_all((0..4).map(|_| delete())).await;
        assert!(deleted.iter().all(|(status, _)| [200, 404].contains(status)), "{deleted:?}");
        assert_eq!(server.dbfs_get("get-status", &[("path", "/tree")]).await.0, 404);
    }
}
