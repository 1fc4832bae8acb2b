//! Files on their way into volumes as one stream that can be taken up again.

use bytes::Bytes;
use futures::stream;
use serde_json::json;
use twinhouse_core::{ErrorKind, Result};
use twinhouse_databricks::files::{TransferOptions, UploadReport, UploadRequest, UploadRoute, UploadSource};
use twinhouse_testkit::Answer;

use crate::files_store::{CALL, FILE, RESUMABLE_LINK, World, noise, refusal};

const PIECE: &str = "/storage/resumable";

async fn world() -> World {
    let world = World::new().await;
    let begun = json!({ "resumable_upload": { "session_token": "canary-session" } });
    world.server.once("POST", CALL, Answer::json(begun));
    world
}

async fn upload(world: &World, source: impl Into<UploadSource>) -> Result<UploadReport> {
    let options = TransferOptions::default().with_multipart_from(1000).with_part_size(1000);
    world.files().with_options(options).upload(UploadRequest::new(FILE, source)).await
}

fn piped(content: Vec<u8>) -> UploadSource {
    UploadSource::stream(stream::iter([Ok(Bytes::from(content))]))
}

fn ranges(world: &World) -> Vec<String> {
    world.asked("PUT", PIECE).iter().map(|put| put.header("content-range").unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pieces_follow_one_another_and_only_the_last_says_how_long_the_file_is() {
    for (length, wanted) in [
        (2500, vec!["bytes 0-999/*", "bytes 1000-1999/*", "bytes 2000-2499/2500"]),
        (2000, vec!["bytes 0-999/*", "bytes 1000-1999/2000"]),
    ] {
        for source in [noise(length).into(), piped(noise(length))] {
            let world = world().await;
            let report = upload(&world, source).await.unwrap();
            assert_eq!((report.route, report.bytes), (UploadRoute::Resumable, length as u64));
            assert_eq!(ranges(&world), wanted);
            assert_eq!(world.store.file(FILE).unwrap(), noise(length));
            assert!(world.stored().iter().all(|put| put.header("authorization").is_none()));
        }
    }
}

#[tokio::test]
async fn what_the_storage_did_not_keep_is_sent_again_and_nothing_else() {
    let world = world().await;
    world.store.keep_of_each_piece(600);
    upload(&world, piped(noise(1500))).await.unwrap();
    assert_eq!(ranges(&world), ["bytes 0-999/*", "bytes 600-999/*", "bytes 1000-1499/1500"]);
    assert_eq!(world.store.file(FILE).unwrap(), noise(1500));
}

#[tokio::test]
async fn after_a_cut_the_storage_is_asked_how_much_it_has() {
    for lost in [Answer::close(), Answer::status(503), Answer::status(500)] {
        let world = world().await;
        world.server.once("PUT", PIECE, lost);
        upload(&world, piped(noise(1500))).await.unwrap();
        assert_eq!(ranges(&world), ["bytes 0-999/*", "bytes */*", "bytes 0-999/*", "bytes 1000-1499/1500"]);
        assert_eq!(world.store.file(FILE).unwrap(), noise(1500));
    }
}

#[tokio::test]
async fn a_piece_that_arrived_before_the_cut_is_not_sent_twice() {
    let world = world().await;
    // The first piece arrives, and the answer to it does not.
    world.server.once("PUT", PIECE, Answer::close());
    world.server.once("PUT", PIECE, Answer::status(308).with_header("range", "bytes=0-999"));
    world.server.once("PUT", PIECE, Answer::status(201));
    let report = upload(&world, piped(noise(1500))).await.unwrap();
    assert_eq!(report.bytes, 1500);
    assert_eq!(ranges(&world), ["bytes 0-999/*", "bytes */*", "bytes 1000-1499/1500"]);
}

#[tokio::test]
async fn a_storage_that_answers_nonsense_is_an_error_and_the_upload_is_given_up() {
    let odd = [
        Answer::status(308).with_header("range", "bytes=0-1000"),
        Answer::status(308).with_header("range", "chunks=3"),
        // Complete, after the first of two pieces.
        Answer::status(200),
    ];
    for answer in odd {
        let world = world().await;
        world.server.once("PUT", PIECE, answer);
        let error = upload(&world, piped(noise(1500))).await.unwrap_err();
        assert_eq!((error.kind(), world.store.aborted()), (ErrorKind::Protocol, 1), "{error}");
    }
}

#[tokio::test]
async fn a_storage_that_takes_nothing_is_not_asked_for_ever() {
    let world = world().await;
    world.server.always("PUT", PIECE, Answer::status(308));
    let error = upload(&world, piped(noise(1500))).await.unwrap_err();
    assert_eq!((error.kind(), world.store.aborted()), (ErrorKind::Unavailable, 1), "{error}");
    assert!(ranges(&world).len() < 20);
}

#[tokio::test]
async fn a_file_that_is_in_the_way_is_named_as_such() {
    let world = world().await;
    world.server.once("PUT", PIECE, Answer::status(412));
    let error = upload(&world, noise(1500)).await.unwrap_err();
    assert_eq!((error.kind(), world.store.aborted()), (ErrorKind::AlreadyExists, 1));
}

#[tokio::test]
async fn without_a_way_to_the_storage_the_workspace_takes_the_file() {
    let world = world().await;
    world.server.once("POST", RESUMABLE_LINK, refusal(403, "PERMISSION_DENIED", "FILES_API_API_IS_NOT_ENABLED"));
    assert_eq!(upload(&world, noise(1500)).await.unwrap().route, UploadRoute::Single);
    let world = self::world().await;
    world.server.once("PUT", PIECE, Answer::status(403));
    assert_eq!(upload(&world, piped(noise(1500)).with_length(1500)).await.unwrap().route, UploadRoute::Single);
    assert_eq!(world.store.file(FILE).unwrap(), noise(1500));
}
