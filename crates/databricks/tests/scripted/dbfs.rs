//! The Databricks file system.

use std::sync::{Arc, Mutex};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use twinhouse_core::{Effect, ErrorKind};
use twinhouse_databricks::{DatabricksClient, dbfs::DbfsUploadRequest, files::UploadSource};
use twinhouse_testkit::{Answer, Received, ScriptedServer};

use crate::{
    bench::{offline, until},
    files_store::{client_of, noise, refusal},
};

const MIB: usize = 1 << 20;
const CREATE: &str = "/api/2.0/dbfs/create";
const ADD: &str = "/api/2.0/dbfs/add-block";
const CLOSE: &str = "/api/2.0/dbfs/close";
const DELETE: &str = "/api/2.0/dbfs/delete";
const READ: &str = "/api/2.0/dbfs/read";
const STATUS: &str = "/api/2.0/dbfs/get-status";

/// One file, which knows how it came about.
struct World {
    server: ScriptedServer,
    client: DatabricksClient,
    file: Arc<Mutex<Option<Vec<u8>>>>,
}

impl World {
    async fn new() -> Self {
        let server = ScriptedServer::start().await.unwrap();
        let file = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&file);
        server.otherwise(move |request| answer(&mut kept.lock().unwrap(), request));
        let client = client_of(&server.url(), |builder| builder);
        Self { server, client, file }
    }

    fn calls(&self, path: &str) -> Vec<Received> {
        self.server.requests().into_iter().filter(|request| request.path() == path).collect()
    }

    fn content(&self) -> Option<Vec<u8>> {
        self.file.lock().unwrap().clone()
    }
}

fn answer(file: &mut Option<Vec<u8>>, request: &Received) -> Option<Answer> {
    let body = request.json();
    let number = |name: &str| {
        let query = request.target.split_once('?')?.1;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse::<usize>().ok())
    };
    let missing = || refusal(404, "RESOURCE_DOES_NOT_EXIST", "NONE");
    Some(match request.path() {
        CREATE if file.is_some() && body["overwrite"] != true => refusal(400, "RESOURCE_ALREADY_EXISTS", "NONE"),
        CREATE => {
            *file = Some(Vec::new());
            // Numbers of 64 bits may come as text.
            Answer::json(json!({ "handle": "7791486644449" }))
        }
        ADD => {
            assert_eq!(body["handle"], 7_791_486_644_449_u64);
            let block = STANDARD.decode(body["data"].as_str().unwrap()).unwrap();
            assert!(!block.is_empty() && block.len() <= MIB, "{}", block.len());
            file.as_mut()?.extend(block);
            Answer::json(json!({}))
        }
        CLOSE => Answer::json(json!({})),
        DELETE => {
            *file = None;
            Answer::json(json!({}))
        }
        STATUS => match file {
            Some(file) => {
                Answer::json(json!({ "path": "/f", "is_dir": false, "file_size": file.len(), "modification_time": 5 }))
            }
            None => missing(),
        },
        READ => {
            let file = file.as_ref()?;
            let (from, length) = (number("offset")?, number("length")?);
            let piece = &file[from.min(file.len())..(from + length).min(file.len())];
            Answer::json(json!({ "bytes_read": piece.len(), "data": STANDARD.encode(piece) }))
        }
        _ => return None,
    })
}

fn piped(content: Vec<u8>) -> UploadSource {
    UploadSource::stream(stream::iter([Ok(Bytes::from(content))]))
}

#[tokio::test]
async fn a_file_goes_up_and_comes_down_in_blocks_of_a_megabyte() {
    for length in [0, 1, MIB, 2 * MIB + 5] {
        for source in [noise(length).into(), piped(noise(length))] {
            let world = World::new().await;
            let dbfs = world.client.dbfs();
            assert_eq!(dbfs.upload(DbfsUploadRequest::new("dbfs:/f", source)).await.unwrap(), length as u64);
            assert_eq!(world.content().unwrap(), noise(length));
            assert_eq!(world.calls(ADD).len(), length.div_ceil(MIB));
            let create = &world.calls(CREATE)[0].json();
            assert_eq!(*create, json!({ "path": "dbfs:/f", "overwrite": false }));
            assert_eq!((world.calls(CLOSE).len(), world.calls(DELETE).len()), (1, 0));
            let file = dbfs.download("/f").await.unwrap();
            assert_eq!(file.info().file_size, length as u64);
            assert_eq!(file.bytes(length).await.unwrap(), noise(length));
            assert_eq!(world.calls(READ).len(), length.div_ceil(MIB));
        }
    }
}

#[tokio::test]
async fn a_block_whose_answer_is_lost_is_never_there_twice() {
    // What can be read again is sent from its beginning.
    let world = World::new().await;
    world.server.once("POST", ADD, Answer::close());
    let source = noise(2 * MIB);
    assert_eq!(world.client.dbfs().upload(DbfsUploadRequest::new("/f", source)).await.unwrap(), 2 * MIB as u64);
    assert_eq!(world.content().unwrap(), noise(2 * MIB));
    assert_eq!((world.calls(CREATE).len(), world.calls(ADD).len(), world.calls(DELETE).len()), (2, 3, 1));
    // What cannot is given up, and nothing stays.
    let world = World::new().await;
    world.server.once("POST", ADD, Answer::close());
    let error = world.client.dbfs().upload(DbfsUploadRequest::new("/f", piped(noise(MIB)))).await.unwrap_err();
    assert_eq!((error.kind(), error.fault().effect), (ErrorKind::Connection, Effect::Unknown));
    assert_eq!((world.content(), world.calls(CLOSE).len()), (None, 1));
    // What was certainly not done is simply done again.
    let world = World::new().await;
    world.server.once("POST", ADD, Answer::status(429).with_header("retry-after", "0"));
    world.client.dbfs().upload(DbfsUploadRequest::new("/f", piped(noise(MIB)))).await.unwrap();
    assert_eq!((world.content().unwrap(), world.calls(CREATE).len()), (noise(MIB), 1));
}

#[tokio::test]
async fn an_upload_that_fails_or_is_dropped_is_closed_and_removed() {
    let world = World::new().await;
    world.server.once("POST", ADD, refusal(400, "MAX_BLOCK_SIZE_EXCEEDED", "NONE"));
    let error = world.client.dbfs().upload(DbfsUploadRequest::new("/f", noise(10))).await.unwrap_err();
    assert_eq!(error.vendor_code(), Some("MAX_BLOCK_SIZE_EXCEEDED"));
    assert_eq!((world.content(), world.calls(CLOSE).len(), world.calls(DELETE).len()), (None, 1, 1));

    let world = World::new().await;
    world.server.once("POST", ADD, Answer::hang());
    let dbfs = world.client.dbfs();
    let upload = tokio::spawn(async move { dbfs.upload(DbfsUploadRequest::new("/f", noise(10))).await });
    until("a block", || !world.calls(ADD).is_empty()).await;
    upload.abort();
    until("a removal", || !world.calls(DELETE).is_empty()).await;
    assert_eq!((world.content(), world.calls(CLOSE).len()), (None, 1));
    // A file of somebody else is in the way, and stays.
    let world = World::new().await;
    *world.file.lock().unwrap() = Some(b"theirs".to_vec());
    let error = world.client.dbfs().upload(DbfsUploadRequest::new("/f", noise(10))).await.unwrap_err();
    assert_eq!((error.kind(), world.content().unwrap()), (ErrorKind::AlreadyExists, b"theirs".to_vec()));
}

#[tokio::test]
async fn what_is_read_is_checked() {
    let read = |bytes: u64, data: &str| Answer::json(json!({ "bytes_read": bytes, "data": data }));
    for (piece, kind) in [
        (read(3, "YWI="), ErrorKind::Protocol),
        (read(2, "not base64!"), ErrorKind::Protocol),
        (Answer::json(json!({ "bytes_read": "x" })), ErrorKind::Protocol),
        // Shorter than its status said.
        (read(0, ""), ErrorKind::Conflict),
        // More than was asked for.
        (read(5, "YWJjZGU="), ErrorKind::Protocol),
    ] {
        let world = World::new().await;
        *world.file.lock().unwrap() = Some(b"abcd".to_vec());
        world.server.once("GET", READ, piece);
        let error = world.client.dbfs().download("/f").await.unwrap().bytes(100).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    // Replaced by one of the same length.
    let world = World::new().await;
    *world.file.lock().unwrap() = Some(b"abcd".to_vec());
    let status = |time: u64| Answer::json(json!({ "path": "/f", "file_size": 4, "modification_time": time }));
    world.server.once("GET", STATUS, status(1)).once("GET", STATUS, status(2));
    let error = world.client.dbfs().download("/f").await.unwrap().bytes(100).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test(start_paused = true)]
async fn a_large_tree_is_deleted_in_as_many_calls_as_it_takes() {
    let (server, client) = offline();
    for _ in 0..20 {
        server.once("POST", DELETE, refusal(503, "PARTIAL_DELETE", "NONE"));
    }
    server.once("POST", DELETE, refusal(404, "RESOURCE_DOES_NOT_EXIST", "NONE"));
    client.dbfs().delete("/big", true).await.unwrap();
    assert_eq!(server.count("POST", DELETE), 21);
    server.verify();
    server.once("POST", DELETE, refusal(404, "RESOURCE_DOES_NOT_EXIST", "NONE"));
    assert_eq!(client.dbfs().delete("/none", true).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_not_empty_is_no_failing_disk() {
    let (server, client) = offline();
    server.always("POST", DELETE, refusal(400, "IO_ERROR", "NONE"));
    let inside = json!({ "files": [{ "path": "/d/a", "is_dir": false, "file_size": 1 }] });
    server.once("GET", "/api/2.0/dbfs/list", Answer::json(inside));
    let error = client.dbfs().delete("/d", false).await.unwrap_err();
    assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some("recursive")));
    server.once("GET", "/api/2.0/dbfs/list", Answer::json(json!({})));
    assert_eq!(client.dbfs().delete("/d", false).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn the_other_calls_send_what_they_say() {
    let world = World::new().await;
    let dbfs = world.client.dbfs();
    world.server.always("POST", "/api/2.0/dbfs/mkdirs", Answer::json(json!({})));
    world.server.always("POST", "/api/2.0/dbfs/move", Answer::json(json!({})));
    world.server.always("POST", "/api/2.0/dbfs/put", Answer::json(json!({})));
    let files = json!([{ "path": "/d/a", "is_dir": true }, { "path": "/d/b", "file_size": "3", "is_dir": null }]);
    world.server.once("GET", "/api/2.0/dbfs/list", Answer::json(json!({ "files": files })));
    world.server.once("GET", "/api/2.0/dbfs/list", Answer::json(json!({})));
    dbfs.mkdirs("/d/").await.unwrap();
    dbfs.move_to("/d/a", "dbfs:/d/c").await.unwrap();
    dbfs.put("/d/p", "text", true).await.unwrap();
    let sent = |path: &str| -> Value { world.calls(path)[0].json() };
    assert_eq!(sent("/api/2.0/dbfs/mkdirs"), json!({ "path": "/d" }));
    assert_eq!(sent("/api/2.0/dbfs/move"), json!({ "source_path": "/d/a", "destination_path": "dbfs:/d/c" }));
    assert_eq!(sent("/api/2.0/dbfs/put"), json!({ "path": "/d/p", "contents": "dGV4dA==", "overwrite": true }));
    let listed = dbfs.list("/d").await.unwrap();
    assert_eq!(listed.iter().map(|info| (info.is_dir, info.file_size)).collect::<Vec<_>>(), [(true, 0), (false, 3)]);
    assert!(dbfs.list("/empty").await.unwrap().is_empty());
    assert!(!dbfs.exists("/f").await.unwrap());
}

#[tokio::test]
async fn what_cannot_be_is_refused_before_anything_is_sent() {
    let world = World::new().await;
    let dbfs = world.client.dbfs();
    let field = |error: twinhouse_core::Error| {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.context("field").map(str::to_owned)
    };
    assert_eq!(field(dbfs.get_status("relative").await.unwrap_err()).as_deref(), Some("path"));
    assert_eq!(field(dbfs.move_to("/a", "/b/../c").await.unwrap_err()).as_deref(), Some("destination"));
    assert_eq!(field(dbfs.read("/a", 0, 0).await.unwrap_err()).as_deref(), Some("length"));
    assert_eq!(field(dbfs.read("/a", 0, 1 + MIB as u64).await.unwrap_err()).as_deref(), Some("length"));
    assert_eq!(field(dbfs.put("/a", noise(MIB + 1), true).await.unwrap_err()).as_deref(), Some("contents"));
    assert!(world.server.requests().is_empty());
}
