//! Files on their way out of volumes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::TryStreamExt as _;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use twinhouse_core::{ErrorKind, Report, Result, config::Env, resilience::Registry};
use twinhouse_databricks::{
    DatabricksClient,
    files::{Download, DownloadRequest, DownloadRoute, TransferOptions},
};
use twinhouse_testkit::Answer;

use crate::files_store::{CALL, DOWNLOAD_LINK, EXPIRED_AWS, FILE, MODIFIED, World, client_of, noise, refusal};

const LINKED: &str = "/storage/file";

async fn world(content: &[u8]) -> World {
    let world = World::new().await;
    world.store.put(FILE, content);
    world
}

async fn read(world: &World, request: impl Into<DownloadRequest>) -> Result<Bytes> {
    world.files().download(request).await?.bytes(1 << 30).await
}

/// The beginning of an answer, which then breaks off.
fn cut(content: &[u8], from: usize, bytes: usize) -> Answer {
    let answer = Answer::ok(&content[from..]).with_header("last-modified", MODIFIED).with_header("etag", "\"v1\"");
    let answer = match from {
        0 => answer,
        _ => answer
            .with_status(206)
            .with_header("content-range", format!("bytes {from}-{}/{}", content.len() - 1, content.len())),
    };
    answer.cut_after(bytes)
}

#[tokio::test]
async fn a_file_comes_by_its_link_and_the_link_sees_no_credential() {
    let content = noise(300_000);
    let world = world(&content).await;
    let download = world.files().download(FILE).await.unwrap();
    assert_eq!((download.length(), download.metadata().content_length), (Some(300_000), Some(300_000)));
    assert_eq!(download.metadata().last_modified.unwrap().timestamp(), 1_792_567_680);
    assert_eq!(download.bytes(300_000).await.unwrap(), content);
    let asked = &world.asked("POST", DOWNLOAD_LINK)[0];
    assert!(
        asked.target.contains("path=%2FVolumes%2Fmain%2Fdefault%2Fv%2Fd%2Fa+b.bin&expire_time="),
        "{}",
        asked.target
    );
    let get = &world.asked("GET", LINKED)[0];
    assert_eq!((get.header("authorization"), get.header("x-needed")), (None, Some("canary-header")));
    assert_eq!(world.server.count("GET", CALL), 0);
}

#[tokio::test]
async fn without_links_the_workspace_sends_the_file_itself() {
    let content = noise(5000);
    for refusal in [
        Answer::status(404),
        refusal(404, "ENDPOINT_NOT_FOUND", "OTHER"),
        refusal(403, "PERMISSION_DENIED", "FILES_API_API_IS_NOT_ENABLED"),
        refusal(500, "INTERNAL_ERROR", "FILES_API_REQUESTER_NETWORK_ZONE_UNKNOWN"),
    ] {
        let world = World::with(|builder| builder.max_retries(0)).await;
        world.store.put(FILE, content.clone());
        world.server.once("POST", DOWNLOAD_LINK, refusal);
        assert_eq!(read(&world, FILE).await.unwrap(), content);
        assert_eq!(world.server.count("GET", CALL), 1);
    }
    let world = world(&content).await;
    let options = TransferOptions::default().with_download_route(DownloadRoute::Workspace);
    let file = world.files().with_options(options).download(FILE).await.unwrap();
    assert_eq!(file.bytes(5000).await.unwrap(), content);
    assert_eq!(world.server.requests().len(), 1);
}

/// grafana/grafana#114324: storage that is blocked must not look like an empty file.
#[tokio::test]
async fn pain_point_23_blocked_storage_is_an_error_and_never_an_empty_file() {
    let content = noise(5000);
    let nowhere = || Answer::json(json!({ "url": "http://127.0.0.1:1/storage?sig=canary-signature" }));
    // The workspace knows another way.
    for blocked in [true, false] {
        let world = World::with(|builder| builder.max_retries(1)).await;
        world.store.put(FILE, content.clone());
        if blocked {
            world.server.always("POST", DOWNLOAD_LINK, nowhere());
        } else {
            world.server.always("GET", LINKED, Answer::status(403));
        }
        assert_eq!(read(&world, FILE).await.unwrap(), content);
        assert_eq!(world.server.count("GET", CALL), 1);
    }
    // It knows none.
    for blocked in [true, false] {
        let world = World::with(|builder| builder.max_retries(1)).await;
        if blocked {
            world.server.always("POST", DOWNLOAD_LINK, nowhere());
        } else {
            world.server.always("GET", LINKED, Answer::status(403));
        }
        world.server.always("GET", CALL, refusal(403, "PERMISSION_DENIED", "OTHER"));
        let error = read(&world, FILE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(!format!("{error:?} {}", Report(&error)).contains("canary"));
    }
}

#[tokio::test]
async fn a_download_that_breaks_goes_on_at_the_byte_where_it_broke() {
    let content = noise(500_000);
    let world = world(&content).await;
    world.server.once("GET", LINKED, cut(&content, 0, 200_000));
    world.server.once("GET", LINKED, Answer::status(503));
    world.server.once("GET", LINKED, cut(&content, 200_000, 150_000));
    assert_eq!(read(&world, FILE).await.unwrap(), content);
    let asked = world.asked("GET", LINKED);
    let ranges: Vec<_> = asked.iter().map(|get| get.header("range").unwrap_or("all").to_owned()).collect();
    assert_eq!(ranges, ["all", "bytes=200000-", "bytes=200000-", "bytes=350000-"]);
    for get in &asked[1..] {
        assert_eq!((get.header("if-unmodified-since"), get.header("if-match")), (Some(MODIFIED), Some("\"v1\"")));
    }
}

#[tokio::test]
async fn a_file_that_is_replaced_in_mid_download_is_an_error() {
    let content = noise(500_000);
    let other = noise(400_000);
    let tail = |status: &'static str| {
        Answer::ok(&other[200_000..])
            .with_status(206)
            .with_header("content-range", "bytes 200000-399999/400000")
            .with_header(status, if status == "etag" { "\"v2\"" } else { "Thu, 22 Oct 2026 07:28:00 GMT" })
    };
    let same_length = Answer::ok(&content[200_000..])
        .with_status(206)
        .with_header("content-range", "bytes 200000-499999/500000")
        .with_header("etag", "\"v2\"");
    for second in [Answer::status(412), Answer::status(416), tail("etag"), tail("last-modified"), same_length] {
        let world = world(&content).await;
        world.server.once("GET", LINKED, cut(&content, 0, 200_000));
        world.server.once("GET", LINKED, second);
        let error = read(&world, FILE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert_eq!(world.server.count("GET", CALL), 0, "nobody else is asked for another state of the file");
    }
}

#[tokio::test]
async fn an_answer_for_another_part_than_was_asked_for_is_not_used() {
    let content = noise(500_000);
    let ranged = |text: &str| Answer::ok(&content[200_000..]).with_status(206).with_header("content-range", text);
    for second in [
        Answer::ok(content.clone()),
        Answer::ok(&content[200_000..]).with_status(206),
        ranged("bytes 199999-499999/500000"),
        ranged("bytes 0-299999/500000"),
        ranged("bytes 200000-x/500000"),
        ranged("bytes 200000-499999/400000"),
    ] {
        let world = world(&content).await;
        world.server.once("GET", LINKED, cut(&content, 0, 200_000));
        world.server.once("GET", LINKED, second);
        let error = read(&world, FILE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    }
}

#[tokio::test]
async fn what_cannot_be_taken_up_again_is_an_error_and_not_a_shorter_file() {
    let content = noise(500_000);
    let world = world(&content).await;
    // Nothing in the answer tells one state of the file from another.
    world.server.once("GET", LINKED, Answer::ok(content.clone()).cut_after(200_000));
    let error = read(&world, FILE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
    assert_eq!((error.context("received"), error.context("of")), (Some("200000"), Some("500000")));
}

#[tokio::test]
async fn breaks_without_progress_come_to_an_end() {
    let content = noise(500_000);
    let world = world(&content).await;
    world.server.otherwise({
        let content = content.clone();
        move |request| match request.path() {
            DOWNLOAD_LINK => Some(Answer::json(json!({ "url": format!("http://{}/gone", request.header("host")?) }))),
            _ => {
                let from = request
                    .header("range")
                    .map_or(0, |range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap());
                Some(cut(&content, from, 10))
            }
        }
    });
    let error = read(&world, FILE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
    assert_eq!(world.server.count("GET", "/gone"), 4);
    assert_eq!(error.context("received"), Some("40"));
}

#[tokio::test]
async fn a_link_that_expires_in_mid_download_is_replaced() {
    let content = noise(500_000);
    let world = world(&content).await;
    world.server.once("GET", LINKED, cut(&content, 0, 200_000));
    world.server.once("GET", LINKED, Answer::ok(EXPIRED_AWS).with_status(403));
    assert_eq!(read(&world, FILE).await.unwrap(), content);
    assert_eq!(world.server.count("POST", DOWNLOAD_LINK), 2);
}

#[tokio::test]
async fn a_token_that_expires_in_mid_download_is_renewed_once() {
    let content = noise(500_000);
    let world = world(&content).await;
    let token = |name: &str| Answer::json(json!({ "access_token": name, "token_type": "Bearer", "expires_in": 3600 }));
    world.server.always("GET", "/oidc/.well-known/oauth-authorization-server", Answer::status(404));
    world.server.once("POST", "/oidc/v1/token", token("first")).once("POST", "/oidc/v1/token", token("second"));
    world.server.once("GET", CALL, cut(&content, 0, 200_000));
    world.server.once("GET", CALL, Answer::status(401));
    let builder = DatabricksClient::builder().env(Env::empty()).host(world.server.url()).registry(Registry::new());
    let client = builder.client_id("id").client_secret("canary").client().unwrap();
    let options = TransferOptions::default().with_download_route(DownloadRoute::Workspace);
    let file = client.files().with_options(options).download(FILE).await.unwrap();
    assert_eq!(file.bytes(1 << 20).await.unwrap(), content);
    let tokens: Vec<_> =
        world.asked("GET", CALL).iter().map(|get| get.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(tokens, ["Bearer first", "Bearer first", "Bearer second"]);
}

#[tokio::test]
async fn a_range_is_asked_for_checked_and_cut_at_the_end_of_the_file() {
    let content = noise(5000);
    let world = world(&content).await;
    let some = |range: std::ops::Range<u64>| DownloadRequest::new(FILE).with_range(range);
    assert_eq!(read(&world, some(10..20)).await.unwrap(), content[10..20]);
    assert_eq!(read(&world, some(4990..9999)).await.unwrap(), content[4990..]);
    assert_eq!(read(&world, DownloadRequest::new(FILE).with_start(4000)).await.unwrap(), content[4000..]);
    assert_eq!(world.asked("GET", LINKED)[0].header("range"), Some("bytes=10-19"));
    let download = world.files().download(some(4990..9999)).await.unwrap();
    assert_eq!((download.length(), download.metadata().content_length), (Some(10), Some(5000)));
    for (request, field) in [(some(5000..5001), "range"), (some(7..7), "range")] {
        let error = read(&world, request).await.unwrap_err();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some(field)));
    }
    let error = read(&world, DownloadRequest::new(FILE).with_expected_length(4999)).await.unwrap_err();
    assert_eq!((error.kind(), error.context("length")), (ErrorKind::Conflict, Some("5000")));
}

#[tokio::test]
async fn without_a_length_neither_more_nor_less_passes_for_what_was_asked_for() {
    let content = noise(5000);
    let world = world(&content).await;
    let part = |bytes: std::ops::Range<usize>| {
        let range = format!("bytes {}-{}/*", bytes.start, bytes.end - 1);
        Answer::ok(&content[bytes]).with_status(206).with_header("content-range", range)
    };
    world.server.once("GET", LINKED, part(10..5000));
    let error = read(&world, DownloadRequest::new(FILE).with_range(10..20)).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Protocol, "more came than was asked for"));
    world.server.once("GET", LINKED, part(10..15));
    assert_eq!(read(&world, DownloadRequest::new(FILE).with_range(10..20)).await.unwrap(), content[10..15]);
    // Who knows the length has it checked.
    for (bytes, kind) in [(4000..4500, ErrorKind::Connection), (4000..5000, ErrorKind::Protocol)] {
        world.server.once("GET", LINKED, part(bytes.clone()));
        let expected = if bytes.end == 5000 { 4999 } else { 5000 };
        let request = DownloadRequest::new(FILE).with_start(4000).with_expected_length(expected);
        assert_eq!(read(&world, request).await.unwrap_err().kind(), kind);
    }
    world.server.once("GET", LINKED, part(4000..5000));
    let request = DownloadRequest::new(FILE).with_start(4000).with_expected_length(5000);
    assert_eq!(read(&world, request).await.unwrap(), content[4000..]);
}

#[tokio::test]
async fn a_range_that_breaks_goes_on_within_the_range() {
    let content = noise(500_000);
    let world = world(&content).await;
    let head = Answer::ok(&content[100..400_100])
        .with_status(206)
        .with_header("content-range", "bytes 100-400099/500000")
        .with_header("last-modified", MODIFIED);
    world.server.once("GET", LINKED, head.cut_after(100_000));
    let request = DownloadRequest::new(FILE).with_range(100..400_100);
    assert_eq!(read(&world, request).await.unwrap(), content[100..400_100]);
    assert_eq!(world.asked("GET", LINKED)[1].header("range"), Some("bytes=100100-400099"));
}

#[tokio::test]
async fn a_file_of_this_machine_is_whole_or_not_there() {
    let content = noise(300_000);
    let folder = std::env::temp_dir().join(format!("twinhouse-download-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // As long as names can be.
    let name = "n".repeat(255);
    let destination = folder.join(&name);
    let names = || std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();

    let world = world(&content).await;
    world.server.once("GET", LINKED, Answer::ok(content.clone()).cut_after(100_000));
    assert!(world.files().download_to(FILE, &destination).await.is_err());
    assert!(names().is_empty(), "{:?}", names());
    assert_eq!(world.files().download_to(FILE, &destination).await.unwrap(), 300_000);
    assert_eq!(std::fs::read(&destination).unwrap(), content);
    // What is there is kept until the new file is whole.
    world.server.once("GET", LINKED, Answer::ok(content.clone()).cut_after(5));
    assert!(world.files().download_to(FILE, &destination).await.is_err());
    assert_eq!(std::fs::read(&destination).unwrap(), content);
    assert_eq!(names(), [name.as_str()]);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn writers_and_limits() {
    let content = noise(100_000);
    let world = world(&content).await;
    let mut out = Vec::new();
    assert_eq!(world.files().download(FILE).await.unwrap().write_to(&mut out).await.unwrap(), 100_000);
    assert_eq!(out, content);
    let file = world.files().download(FILE).await.unwrap();
    assert_eq!(file.bytes(99_999).await.unwrap_err().kind(), ErrorKind::ResourceExhausted);
    world.store.put(FILE, Vec::new());
    assert!(read(&world, FILE).await.unwrap().is_empty());
    let file = "/Volumes/main/default/v/none";
    assert_eq!(world.files().download(file).await.map(drop).unwrap_err().kind(), ErrorKind::NotFound);
}

/// A reader who is slow holds the sender up: what is not asked for is not read.
#[tokio::test]
async fn a_slow_reader_does_not_fill_the_memory() {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 256;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nlast-modified: {MODIFIED}\r\n\r\n", PIECES * PIECE);
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![7; PIECE];
        for _ in 0..PIECES {
            stream.write_all(&piece).await.unwrap();
            counted.fetch_add(PIECE, Ordering::Relaxed);
        }
    });
    let options = TransferOptions::default().with_download_route(DownloadRoute::Workspace);
    let files = client_of(&url, |builder| builder).files().with_options(options);
    let mut download: Download = files.download(FILE).await.unwrap();
    let mut received = download.try_next().await.unwrap().unwrap().len();
    // Until the sender stands still.
    let mut before = usize::MAX;
    while before != sent.load(Ordering::Relaxed) {
        before = sent.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    eprintln!("{} KiB sent for {received} bytes read", before >> 10);
    assert!(before < 32 * PIECE, "{before} bytes were taken in for one piece");
    while let Some(piece) = download.try_next().await.unwrap() {
        received += piece.len();
    }
    assert_eq!(received, PIECES * PIECE);
}

#[tokio::test]
async fn a_listing_of_ten_thousand_pages_is_a_stream_and_empty_pages_do_not_end_it() {
    const PAGES: usize = 10_000;
    let world = World::new().await;
    let path = "/api/2.0/fs/directories/Volumes/main/default/v";
    world.server.otherwise(move |request| {
        assert_eq!(request.path(), path);
        let query = request.target.split_once('?').unwrap().1;
        assert!(query.starts_with("page_size=2"), "{query}");
        let page: usize = query.split_once("page_token=p").map_or(0, |(_, page)| page.parse().unwrap());
        let item = |at: usize| {
            json!({ "name": format!("f{at}"), "path": format!("/Volumes/main/default/v/f{at}"), "is_directory": false,
                    "file_size": at.to_string(), "last_modified": 1_700_000_000_000_u64 })
        };
        // Every third page is empty.
        let contents = if page % 3 == 1 { json!(null) } else { json!([item(2 * page), item(2 * page + 1)]) };
        let next = if page + 1 < PAGES { json!(format!("p{}", page + 1)) } else { json!("") };
        Some(Answer::json(json!({ "contents": contents, "next_page_token": next })))
    });
    let request = twinhouse_databricks::files::ListRequest::new("/Volumes/main/default/v/").with_page_size(2);
    let mut entries = world.files().list_directory_contents(request);
    let mut count = 0;
    while let Some(entry) = entries.try_next().await.unwrap() {
        let at: u64 = entry.name[1..].parse().unwrap();
        assert_eq!((entry.file_size, entry.is_directory), (Some(at), false));
        count += 1;
    }
    assert_eq!(count, (0..PAGES).filter(|page| page % 3 != 1).count() * 2);
    assert_eq!(world.server.requests().len(), PAGES);
}

#[tokio::test]
async fn a_listing_that_goes_in_circles_or_has_wrong_types_is_an_error() {
    let path = "/api/2.0/fs/directories/Volumes/main/default/v";
    let volume = "/Volumes/main/default/v";
    let world = World::new().await;
    world.server.always("GET", path, Answer::json(json!({ "contents": [], "next_page_token": "again" })));
    let error = world.files().list_directory_contents(volume).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!((error.kind(), world.server.requests().len()), (ErrorKind::Protocol, 2));
    for wrong in [
        json!([]),
        json!({ "contents": {} }),
        json!({ "contents": [{ "path": 7 }] }),
        json!({ "contents": [{ "path": "/a", "file_size": -1 }] }),
        json!({ "contents": [{ "path": "/a", "is_directory": "maybe" }] }),
        json!({ "contents": [], "next_page_token": 7 }),
    ] {
        let world = World::new().await;
        world.server.once("GET", path, Answer::json(wrong.clone()));
        let error = world.files().list_directory_contents(volume).try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{wrong}");
    }
    let world = World::new().await;
    world.server.once("GET", path, refusal(404, "NOT_FOUND", "FILES_API_DIRECTORY_IS_NOT_FOUND"));
    let error = world.files().list_directory_contents(volume).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.context("reason")),
        (ErrorKind::NotFound, Some("FILES_API_DIRECTORY_IS_NOT_FOUND"))
    );
    let mut refused = world.files().list_directory_contents("/Volumes/../v");
    assert_eq!(refused.try_next().await.unwrap_err().context("field"), Some("path"));
}

#[tokio::test]
async fn metadata_existence_and_removal_read_the_status_and_not_a_body() {
    let world = world(&noise(1234)).await;
    let metadata = world.files().metadata(FILE).await.unwrap();
    assert_eq!(metadata.content_length, Some(1234));
    assert!(world.files().exists(FILE).await.unwrap());
    assert!(!world.files().exists("/Volumes/main/default/v/none").await.unwrap());
    world.server.once("HEAD", CALL, Answer::status(403));
    assert_eq!(world.files().exists(FILE).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    // The answer to the first removal is lost; the second finds nothing.
    world.server.once("DELETE", CALL, Answer::close());
    world.server.once("DELETE", CALL, Answer::status(404));
    world.files().delete(FILE).await.unwrap();
    world.server.once("DELETE", CALL, Answer::status(404));
    assert_eq!(world.files().delete(FILE).await.unwrap_err().kind(), ErrorKind::NotFound);
}
