//! Notebooks, files and folders of the workspace.

use futures::TryStreamExt as _;
use serde_json::json;
use twinhouse_core::{Effect, ErrorKind};
use twinhouse_databricks::{
    DatabricksClient,
    workspace::{ExportFormat, ImportFormat, ImportRequest, Language, ListRequest, ObjectType},
};
use twinhouse_testkit::{Answer, ScriptedServer};

use crate::files_store::{client_of, noise, refusal};

const IMPORT: &str = "/api/2.0/workspace/import";
const LIST: &str = "/api/2.0/workspace/list";
const EXPORT: &str = "/api/2.0/workspace/export";
const DELETE: &str = "/api/2.0/workspace/delete";

async fn world() -> (ScriptedServer, DatabricksClient) {
    let server = ScriptedServer::start().await.unwrap();
    let client = client_of(&server.url(), |builder| builder);
    (server, client)
}

#[tokio::test]
async fn what_is_short_travels_as_json_with_the_language_that_its_name_says() {
    let (server, client) = world().await;
    server.always("POST", IMPORT, Answer::json(json!({})));
    let workspace = client.workspace();
    workspace.import(ImportRequest::new("/Shared/a.py", "print(1)")).await.unwrap();
    let raw = ImportRequest::new("/Shared/b.bin", vec![0, 255]).with_format(ImportFormat::Raw).with_overwrite(true);
    workspace.import(raw).await.unwrap();
    let sent: Vec<_> = server.requests().iter().map(|request| request.json()).collect();
    assert_eq!(
        sent[0],
        json!({ "path": "/Shared/a.py", "content": "cHJpbnQoMSk=", "language": "PYTHON", "overwrite": false })
    );
    assert_eq!(sent[1], json!({ "path": "/Shared/b.bin", "content": "AP8=", "format": "RAW", "overwrite": true }));
}

#[tokio::test]
async fn what_is_long_travels_as_a_form_and_as_it_is() {
    let (server, client) = world().await;
    server.always("POST", IMPORT, Answer::json(json!({})));
    let content = noise(10 << 20);
    let request = ImportRequest::new("/Shared/é n", content.clone()).with_language(Language::Sql).with_overwrite(true);
    client.workspace().import(request).await.unwrap();
    let sent = &server.requests()[0];
    let boundary = sent.header("content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
    let part = |name: &str, value: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let head = part("path", "/Shared/é n") + &part("language", "SQL") + &part("overwrite", "true");
    assert!(sent.body.starts_with(head.as_bytes()));
    let rest = &sent.body[head.len()..];
    let at = rest.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert!(String::from_utf8_lossy(&rest[..at]).contains("name=\"content\""));
    assert!(rest[at..].starts_with(&content));
    assert_eq!(&rest[at + content.len()..], format!("\r\n--{boundary}--\r\n").as_bytes());
}

#[tokio::test]
async fn a_creation_is_not_repeated_after_a_lost_answer_and_a_replacement_is() {
    let (server, client) = world().await;
    server.once("POST", IMPORT, Answer::close());
    let notebook = || ImportRequest::new("/Shared/n", "1").with_language(Language::Scala);
    let error = client.workspace().import(notebook()).await.unwrap_err();
    assert_eq!((error.fault().effect, server.requests().len()), (Effect::Unknown, 1));
    server.once("POST", IMPORT, Answer::close()).once("POST", IMPORT, Answer::json(json!({})));
    client.workspace().import(notebook().with_overwrite(true)).await.unwrap();
    server.once("POST", IMPORT, refusal(400, "RESOURCE_ALREADY_EXISTS", "NONE"));
    assert_eq!(client.workspace().import(notebook()).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn what_the_workspace_would_not_take_is_refused_by_field_before_it_is_sent() {
    let (server, client) = world().await;
    let source = |path: &str| ImportRequest::new(path, "x");
    for (request, field) in [
        (source("relative.py"), "path"),
        (source("/Shared/../x.py"), "path"),
        (source("/"), "path"),
        (source("/Shared/n"), "language"),
        (source("/Shared/n").with_format(ImportFormat::Source), "language"),
        (ImportRequest::new("/Shared/n.py", noise((10 << 20) + 1)), "content"),
        (source("/Shared/n").with_format(ImportFormat::Dbc).with_overwrite(true), "overwrite"),
    ] {
        let error = client.workspace().import(request).await.unwrap_err();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some(field)));
    }
    assert_eq!(client.workspace().delete("/", true).await.unwrap_err().context("field"), Some("path"));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn exports_come_as_json_or_as_they_are() {
    let (server, client) = world().await;
    server.once("GET", EXPORT, Answer::json(json!({ "content": "cHJpbnQoMSk=", "file_type": "py" })));
    server.once("GET", EXPORT, Answer::ok(vec![0, 255]));
    server.once("GET", EXPORT, Answer::json(json!({ "content": "***" })));
    server.once("GET", EXPORT, refusal(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", "NONE"));
    let workspace = client.workspace();
    let exported = workspace.export("/Shared/n", None).await.unwrap();
    assert_eq!((exported.content.as_ref(), exported.file_type.as_deref()), (b"print(1)".as_slice(), Some("py")));
    let bytes = workspace.download("/Shared/n", Some(ExportFormat::Jupyter)).await.unwrap();
    assert_eq!(bytes.as_ref(), [0, 255]);
    assert_eq!(workspace.export("/Shared/n", None).await.unwrap_err().kind(), ErrorKind::Protocol);
    let large = workspace.export("/Shared/n", None).await.unwrap_err();
    assert_eq!((large.kind(), large.vendor_code()), (ErrorKind::InvalidInput, Some("MAX_NOTEBOOK_SIZE_EXCEEDED")));
    let asked = server.requests();
    assert_eq!(asked[0].target, format!("{EXPORT}?path=%2FShared%2Fn"));
    assert_eq!(asked[1].target, format!("{EXPORT}?path=%2FShared%2Fn&format=JUPYTER&direct_download=true"));
}

#[tokio::test]
async fn a_tree_is_listed_as_a_stream_and_what_goes_away_meanwhile_is_empty() {
    let (server, client) = world().await;
    server.otherwise(|request| {
        let directory = |path: &str| json!({ "path": path, "object_type": "DIRECTORY" });
        let objects = match request.target.split_once("path=")?.1 {
            "%2FShared" => json!([directory("/Shared/d"), directory("/Shared/gone"), { "path": "/Shared/x", "object_type": "GENIE" }]),
            "%2FShared%2Fd" => json!([{ "path": "/Shared/d/n", "object_type": "NOTEBOOK", "language": "R", "object_id": "12", "modified_at": 5 }]),
            "%2FShared%2Fempty" => return Some(Answer::json(json!({}))),
            _ => return Some(refusal(404, "RESOURCE_DOES_NOT_EXIST", "NONE")),
        };
        Some(Answer::json(json!({ "objects": objects })))
    });
    let workspace = client.workspace();
    let tree = workspace.list(ListRequest::new("/Shared/").with_recursive(true));
    let tree: Vec<_> = tree.try_collect().await.unwrap();
    let paths: Vec<_> = tree.iter().map(|object| object.path.as_str()).collect();
    assert_eq!(paths, ["/Shared/d", "/Shared/gone", "/Shared/x", "/Shared/d/n"]);
    assert_eq!(tree[2].object_type, ObjectType::Other("GENIE".into()));
    assert_eq!((&tree[3].language, tree[3].object_id), (&Some(Language::R), Some(12)));
    assert_eq!(workspace.list("/Shared").try_collect::<Vec<_>>().await.unwrap().len(), 3);
    assert!(workspace.list("/Shared/empty").try_collect::<Vec<_>>().await.unwrap().is_empty());
    let missing = workspace.list("/none").try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn wrong_types_are_errors_of_the_protocol() {
    for wrong in [
        json!([]),
        json!({ "objects": {} }),
        json!({ "objects": [{ "object_type": "FILE" }] }),
        json!({ "objects": [{ "path": "/a", "object_type": 7 }] }),
    ] {
        let (server, client) = world().await;
        server.once("GET", LIST, Answer::json(wrong.clone()));
        let error = client.workspace().list("/a").try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{wrong}");
    }
}

#[tokio::test]
async fn the_other_calls_send_what_they_say() {
    let (server, client) = world().await;
    let workspace = client.workspace();
    server.once("POST", "/api/2.0/workspace/mkdirs", Answer::json(json!({})));
    server.once(
        "GET",
        "/api/2.0/workspace/get-status",
        Answer::json(json!({ "path": "/a", "object_type": "FILE", "size": 3 })),
    );
    server.once("POST", DELETE, Answer::close()).once("POST", DELETE, refusal(404, "RESOURCE_DOES_NOT_EXIST", "NONE"));
    workspace.mkdirs("/a/b/").await.unwrap();
    assert_eq!(workspace.get_status("/a").await.unwrap().size, Some(3));
    workspace.delete("/a", true).await.unwrap();
    let sent = server.requests();
    assert_eq!(sent[0].json(), json!({ "path": "/a/b" }));
    assert_eq!(sent[1].target, "/api/2.0/workspace/get-status?path=%2Fa");
    assert_eq!(sent[2].json(), json!({ "path": "/a", "recursive": true }));
    server.verify();
}
