//! Files on their way into volumes.

use std::{
    io::{self, Write as _},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use serde_json::json;
use twinhouse_core::{ErrorKind, Report};
use twinhouse_databricks::files::{TransferOptions, UploadRequest, UploadRoute, UploadSource};
use twinhouse_testkit::Answer;

use crate::files_store::{
    ABORT_LINK, CALL, EXPIRED_AWS, EXPIRED_AZURE, FILE, PART_LINKS, TOKEN, World, noise, refusal,
};

/// Parts of 1000 bytes, from 2000 on.
fn small_parts() -> TransferOptions {
    TransferOptions::default().with_multipart_from(2000).with_part_size(1000).with_parallel(3)
}

/// The bytes as a stream of pieces, which can be read once.
fn piped(content: &[u8], piece: usize) -> UploadSource {
    let pieces: Vec<_> = content.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    UploadSource::stream(stream::iter(pieces))
}

#[tokio::test]
async fn a_short_file_is_one_request_whatever_it_comes_from() {
    let content = noise(1999);
    let mut disk = tempfile();
    disk.file.write_all(&content).unwrap();
    let sources: [UploadSource; 5] = [
        content.clone().into(),
        UploadSource::path(&disk.path),
        UploadSource::again(1999, {
            let content = content.clone();
            move |from| stream::iter([Ok(Bytes::copy_from_slice(&content[from as usize..]))]).boxed()
        }),
        UploadSource::reader(io::Cursor::new(content[..1000].to_vec())),
        piped(&content[..1000], 7).with_length(1000),
    ];
    for (at, source) in sources.into_iter().enumerate() {
        let world = World::new().await;
        let report = world.files().with_options(small_parts()).upload(UploadRequest::new(FILE, source)).await.unwrap();
        assert_eq!((report.route, report.parts), (UploadRoute::Single, 1), "{at}");
        let put = &world.asked("PUT", CALL)[0];
        assert_eq!(put.target, format!("{CALL}?overwrite=false"));
        assert_eq!(put.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
        assert_eq!(put.header("content-length"), Some(report.bytes.to_string().as_str()), "{at}");
        assert_eq!(world.store.file(FILE).unwrap(), content[..report.bytes as usize], "{at}");
        assert_eq!(world.server.requests().len(), 1);
    }
}

#[tokio::test]
async fn no_character_of_a_name_is_lost_on_the_way() {
    let world = World::new().await;
    let odd = "/Volumes/main/default/v/a\tb\nc\rd/%2e%2e/e\\f?#é 'x'";
    let call = "/api/2.0/fs/files/Volumes/main/default/v/a%09b%0Ac%0Dd/%252e%252e/e%5Cf%3F%23%C3%A9%20'x'";
    world.files().upload(UploadRequest::new(odd, "x")).await.unwrap();
    assert_eq!(world.server.requests()[0].path(), call);
}

#[tokio::test]
async fn a_long_file_goes_in_parts_past_the_workspace_and_without_its_credential() {
    let content = noise(4500);
    let mut disk = tempfile();
    disk.file.write_all(&content).unwrap();
    let sources: [UploadSource; 4] = [
        content.clone().into(),
        UploadSource::path(&disk.path),
        piped(&content, 333),
        piped(&content, 4500).with_length(4500),
    ];
    for source in sources {
        let world = World::new().await;
        let request = UploadRequest::new(FILE, source).with_overwrite(true);
        let report = world.files().with_options(small_parts()).upload(request).await.unwrap();
        assert_eq!((report.route, report.parts, report.bytes), (UploadRoute::Multipart, 5, 4500));
        assert_eq!(world.store.file(FILE).unwrap(), content);
        assert_eq!(world.store.part_lengths(), [1000, 1000, 1000, 1000, 500]);
        let stored = world.stored();
        assert_eq!(stored.len(), 5);
        for put in &stored {
            assert_eq!((put.header("authorization"), put.header("x-needed")), (None, Some("canary-header")));
            assert!(!put.headers.iter().any(|(_, value)| value.contains(TOKEN)));
        }
        let begun = &world.asked("POST", CALL)[0];
        assert!(begun.target.ends_with("?action=initiate-upload&overwrite=true"), "{}", begun.target);
        let complete = &world.asked("POST", CALL)[1];
        let query = "?action=complete-upload&upload_type=multipart&session_token=canary-session";
        assert!(complete.target.ends_with(query), "{}", complete.target);
        let numbers: Vec<_> =
            complete.json()["parts"].as_array().unwrap().iter().map(|part| part["part_number"].clone()).collect();
        assert_eq!(json!(numbers), json!([1, 2, 3, 4, 5]));
        let first = &world.asked("POST", PART_LINKS)[0].json();
        assert_eq!((&first["path"], &first["count"]), (&json!(FILE), &json!(1)));
        assert!(first["expire_time"].as_str().unwrap().ends_with('Z'));
        assert_eq!(world.store.aborted(), 0);
    }
}

#[tokio::test]
async fn a_link_that_expired_is_replaced_and_the_part_sent_again() {
    for words in [EXPIRED_AWS, EXPIRED_AZURE] {
        let world = World::new().await;
        // The link of the first part, and that of a later one, which came with the first batch of the others.
        world.server.once("PUT", "/storage/1/1", Answer::ok(words).with_status(403));
        world.server.once("PUT", "/storage/3/4", Answer::ok(words).with_status(403));
        let request = UploadRequest::new(FILE, noise(4500));
        let report = world.files().with_options(small_parts()).upload(request).await.unwrap();
        assert_eq!((report.route, report.parts), (UploadRoute::Multipart, 5));
        assert_eq!(world.store.file(FILE).unwrap(), noise(4500));
        world.server.verify();
    }
}

#[tokio::test]
async fn a_link_that_expires_for_ever_is_an_error_and_the_upload_is_given_up() {
    let world = World::new().await;
    for round in 1..=4 {
        world.server.once("PUT", &format!("/storage/{round}/1"), Answer::ok(EXPIRED_AWS).with_status(403));
    }
    let request = UploadRequest::new(FILE, piped(&noise(4500), 4500));
    let error = world.files().with_options(small_parts()).upload(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert_eq!((world.store.aborted(), world.store.file(FILE)), (1, None));
}

/// grafana/grafana#114324: storage that is blocked must not look like success with nothing in it.
#[tokio::test]
async fn pain_point_23_where_the_storage_is_blocked_the_file_goes_through_the_workspace() {
    let content = noise(4500);
    let blocked: [fn(&World); 4] = [
        |world| _ = world.server.once("PUT", "/storage/1/1", Answer::status(403)),
        |world| _ = world.server.once("POST", CALL, refusal(403, "PERMISSION_DENIED", "FILES_API_API_IS_NOT_ENABLED")),
        |world| {
            let zone = refusal(500, "INTERNAL_ERROR", "FILES_API_REQUESTER_NETWORK_ZONE_UNKNOWN");
            world.server.always("POST", PART_LINKS, zone);
        },
        |world| {
            // Nobody listens there.
            let nowhere = json!({ "part_number": 1, "url": "http://127.0.0.1:1/storage?sig=canary-signature" });
            world.server.once("POST", PART_LINKS, Answer::json(json!({ "upload_part_urls": [nowhere] })));
        },
    ];
    for block in blocked {
        let again: UploadSource = content.clone().into();
        for source in [again, piped(&content, 100).with_length(4500)] {
            let world = World::with(|builder| builder.max_retries(1)).await;
            block(&world);
            let request = UploadRequest::new(FILE, source);
            let report = world.files().with_options(small_parts()).upload(request).await.unwrap();
            assert_eq!((report.route, report.bytes), (UploadRoute::Single, 4500));
            assert_eq!(world.store.file(FILE).unwrap(), content);
        }
        // A file that is cut short would look like a whole one.
        for (source, said) in [
            (piped(&content, 100), "with_length"),
            (piped(&content, 100).with_length(4400), ""),
            (piped(&content, 300).with_length(4450), ""),
            (piped(&content, 100).with_length(4600), ""),
        ] {
            let world = World::with(|builder| builder.max_retries(1)).await;
            block(&world);
            let files = world.files().with_options(small_parts());
            let error = files.upload(UploadRequest::new(FILE, source)).await.unwrap_err();
            assert!(error.message().contains(said), "{error}");
            assert!(!format!("{error:?} {}", Report(&error)).contains("canary"));
            assert_eq!(world.store.file(FILE), None);
        }
    }
}

#[tokio::test]
async fn when_both_ways_are_barred_the_upload_fails() {
    let world = World::new().await;
    world.server.once("PUT", "/storage/1/1", Answer::status(403));
    world.server.once("PUT", CALL, refusal(403, "PERMISSION_DENIED", "OTHER"));
    let error =
        world.files().with_options(small_parts()).upload(UploadRequest::new(FILE, noise(4500))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!((world.store.file(FILE), world.store.aborted()), (None, 1));
}

#[tokio::test]
async fn a_part_that_fails_later_gives_the_upload_up() {
    let world = World::new().await;
    world.server.always("PUT", "/storage/2/3", Answer::status(403));
    let error =
        world.files().with_options(small_parts()).upload(UploadRequest::new(FILE, noise(4500))).await.unwrap_err();
    assert_eq!((error.kind(), error.context("part")), (ErrorKind::PermissionDenied, Some("3")));
    assert_eq!((world.store.aborted(), world.store.file(FILE)), (1, None));
    let delete = &world.asked("DELETE", "/storage/abort")[0];
    assert_eq!(delete.header("authorization"), None);
}

#[tokio::test]
async fn an_upload_that_is_dropped_is_given_up_on_the_server_too() {
    let world = World::new().await;
    world.server.once("PUT", "/storage/2/2", Answer::hang());
    let files = world.files().with_options(small_parts());
    let upload = tokio::spawn(async move { files.upload(UploadRequest::new(FILE, noise(4500))).await });
    world.until("the second part", |world| world.server.count("PUT", "/storage/2/2") == 1).await;
    upload.abort();
    world.until("an abort", |world| world.store.aborted() == 1).await;
    assert_eq!((world.server.count("POST", ABORT_LINK), world.store.file(FILE)), (1, None));
}

#[tokio::test]
async fn a_storm_of_throttles_doubles_nothing() {
    let world = World::new().await;
    let slow_down = || Answer::status(429).with_header("retry-after", "0");
    for _ in 0..2 {
        world.server.once("POST", CALL, slow_down());
        world.server.once("POST", PART_LINKS, slow_down());
        world.server.once("PUT", "/storage/1/1", Answer::status(503));
    }
    let report = world.files().with_options(small_parts()).upload(UploadRequest::new(FILE, noise(2500))).await.unwrap();
    assert_eq!((report.parts, world.store.file(FILE).unwrap()), (3, noise(2500)));
    world.server.verify();
}

#[tokio::test]
async fn a_lost_answer_to_the_completion_is_cleared_up_by_a_look() {
    for (length, there) in [(4500, true), (4499, false)] {
        let world = World::new().await;
        world.store.put(FILE, noise(length));
        world.server.once(
            "POST",
            CALL,
            Answer::json(json!({ "multipart_upload": { "session_token": "s" } }))
                .with_header("date", "Wed, 21 Oct 2026 07:28:00 GMT"),
        );
        world.server.once("POST", CALL, Answer::close());
        world.server.once("POST", CALL, refusal(404, "NOT_FOUND", "FILES_API_UPLOAD_NOT_FOUND"));
        let request = UploadRequest::new(FILE, noise(4500)).with_overwrite(true);
        let done = world.files().with_options(small_parts()).upload(request).await;
        assert_eq!(done.is_ok(), there, "{done:?}");
        assert_eq!(world.store.aborted(), u64::from(!there));
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_creation_is_told_apart_from_a_file_of_somebody_else() {
    let content = noise(1500);
    let mut other = content.clone();
    other[1499] ^= 1;
    for (theirs, ours) in [(content.clone(), true), (other, false), (noise(1400), false)] {
        let world = World::new().await;
        world.store.put(FILE, theirs);
        world.server.once("PUT", CALL, Answer::close());
        let done = world.files().upload(UploadRequest::new(FILE, content.clone())).await;
        assert_eq!(world.server.count("PUT", CALL), 2);
        match done {
            Ok(report) => assert!(ours && report.bytes == 1500),
            Err(error) => assert!(!ours && error.kind() == ErrorKind::AlreadyExists, "{error:?}"),
        }
    }
    // Nothing was lost: a file with the same bytes is still in the way.
    let world = World::new().await;
    world.store.put(FILE, content.clone());
    let error = world.files().upload(UploadRequest::new(FILE, content)).await.unwrap_err();
    assert_eq!((error.kind(), world.server.requests().len()), (ErrorKind::AlreadyExists, 1));
}

#[tokio::test]
async fn no_more_than_the_parallel_parts_are_held_however_long_the_source() {
    const PIECE: usize = 64 << 10;
    const PART: usize = 1 << 20;
    const PIECES: usize = 640;
    let world = World::new().await;
    let (made, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (store, produced, peak) = (world.store.clone(), made.clone(), most.clone());
    let source = stream::iter(0..PIECES).map(move |_| {
        let made = produced.fetch_add(PIECE, Ordering::Relaxed) + PIECE;
        // What was read of the source and has not arrived.
        peak.fetch_max(made - store.part_bytes(), Ordering::Relaxed);
        io::Result::Ok(Bytes::from(vec![7; PIECE]))
    });
    let options = TransferOptions::default().with_part_size(PART as u64).with_parallel(3);
    let request = UploadRequest::new(FILE, UploadSource::stream(source));
    let report = world.files().with_options(options).upload(request).await.unwrap();
    assert_eq!((report.parts, report.bytes), (40, (PIECES * PIECE) as u64));
    let most = most.load(Ordering::Relaxed);
    eprintln!("held at most {} KiB of {} KiB", most >> 10, (PIECES * PIECE) >> 10);
    assert!(most <= 3 * PART + PIECE, "held {most} bytes");
    assert_eq!(world.store.file(FILE).unwrap().len(), PIECES * PIECE);
}

#[tokio::test]
async fn a_source_that_is_not_what_it_said_makes_no_file() {
    let cases: [(UploadSource, ErrorKind); 4] = [
        (piped(&noise(3500), 100).with_length(3400), ErrorKind::InvalidInput),
        (piped(&noise(3500), 100).with_length(3600), ErrorKind::InvalidInput),
        (
            UploadSource::stream(stream::iter([Ok(Bytes::from(noise(3500))), Err(io::Error::other("torn"))])),
            ErrorKind::Data,
        ),
        (UploadSource::path("/no/such/file"), ErrorKind::NotFound),
    ];
    for (source, kind) in cases {
        let world = World::new().await;
        let error =
            world.files().with_options(small_parts()).upload(UploadRequest::new(FILE, source)).await.unwrap_err();
        assert_eq!((error.kind(), world.store.file(FILE)), (kind, None), "{error}");
        assert_eq!(world.store.aborted() as usize, world.server.count("POST", CALL), "what was begun is given up");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_before_anything_is_sent() {
    let world = World::new().await;
    let files = world.files();
    for path in ["relative", "/Volumes/a/b", "/Volumes/a/b/c", "/Volumes/a/b/c/../d", "dbfs:/Volumes/a/b/c/d"] {
        let error = files.upload(UploadRequest::new(path, "x")).await.unwrap_err();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some("path")), "{path}");
    }
    let options = TransferOptions::default().with_parallel(0);
    let error = files.with_options(options).upload(UploadRequest::new(FILE, "x")).await.unwrap_err();
    assert_eq!(error.context("field"), Some("parallel"));
    assert!(world.server.requests().is_empty());
}

#[tokio::test]
async fn answers_of_the_wrong_shape_are_errors_of_the_protocol() {
    let odd = [
        ("POST", CALL, json!({})),
        ("POST", CALL, json!({ "multipart_upload": { "session_token": 7 } })),
        ("POST", CALL, json!([])),
        ("POST", PART_LINKS, json!({ "upload_part_urls": "none" })),
        ("POST", PART_LINKS, json!({ "upload_part_urls": [] })),
        ("POST", PART_LINKS, json!({ "upload_part_urls": [{ "part_number": 1, "url": ["canary-url"] }] })),
        ("POST", PART_LINKS, json!({ "upload_part_urls": [{ "part_number": 2, "url": "http://x/" }] })),
        ("POST", PART_LINKS, json!({ "upload_part_urls": [{ "part_number": 1, "url": "file:///etc/canary" }] })),
    ];
    for (method, path, answer) in odd {
        let world = World::new().await;
        world.server.once(method, path, Answer::json(answer.clone()));
        let error =
            world.files().with_options(small_parts()).upload(UploadRequest::new(FILE, noise(2500))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{answer}: {error:?}");
        assert!(!format!("{error:?} {}", Report(&error)).contains("canary"), "{error:?}");
    }
    // A part without a mark cannot be named at the end.
    let world = World::new().await;
    world.server.once("PUT", "/storage/1/1", Answer::status(200));
    let error =
        world.files().with_options(small_parts()).upload(UploadRequest::new(FILE, noise(2500))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_sent_is_not_completed() {
    let changes: [fn(&std::fs::File); 2] = [
        |mut file| file.write_all(b"more").unwrap(),
        // The parts that are still to be sent are not there any more.
        |file| file.set_len(700).unwrap(),
    ];
    for change in changes {
        let world = World::with(|builder| builder.max_retries(1)).await;
        let mut disk = tempfile();
        disk.file.write_all(&noise(4500)).unwrap();
        let (store, base, file) = (world.store.clone(), world.server.url(), disk.file.try_clone().unwrap());
        world.server.otherwise(move |request| {
            if request.path() == "/storage/1/1" {
                change(&file);
            }
            store.answer(&base, request)
        });
        let error = world.files().with_options(small_parts()).upload_from(FILE, &disk.path).await.unwrap_err();
        assert_eq!((error.kind(), world.store.file(FILE)), (ErrorKind::Conflict, None), "{error:?}");
        assert_eq!(world.store.aborted(), 1);
    }
}

/// A file of this machine, removed at the end.
struct TempFile {
    file: std::fs::File,
    path: std::path::PathBuf,
}

fn tempfile() -> TempFile {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("twinhouse-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    TempFile { file: std::fs::File::create_new(&path).unwrap(), path }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
