//! Files on their way, recorded and replayed.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use twinhouse_core::http::Http;
use twinhouse_databricks::{
    DatabricksClient,
    files::{DownloadRequest, TransferOptions, UploadRequest, UploadRoute, UploadSource},
    workspace::{ImportFormat, ImportRequest},
};
use twinhouse_testkit::{
    Answer,
    transport::{Cassette, Recorder, Replayer},
};

use crate::files_store::{CALL, FILE, TOKEN, World, client_of, noise};

const IMPORT: &str = "/api/2.0/workspace/import";
const DIRECTORY: &str = "/api/2.0/fs/directories/Volumes/main/default/v";

/// Everything that a volume can do, and what came of it.
async fn work(client: &DatabricksClient, content: &[u8]) -> String {
    let options = TransferOptions::default().with_multipart_from(2000).with_part_size(1000).with_parallel(3);
    let files = client.files().with_options(options);
    let mut told = Vec::new();
    let pieces: Vec<_> = content.chunks(300).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let piped = UploadSource::stream(stream::iter(pieces)).with_length(content.len() as u64);
    for source in [content.to_vec().into(), piped] {
        let report = files.upload(UploadRequest::new(FILE, source).with_overwrite(true)).await.unwrap();
        assert_eq!((report.route, report.parts), (UploadRoute::Multipart, 5));
    }
    let download = files.download(FILE).await.unwrap();
    told.push(format!("{:?} {:?}", download.length(), download.metadata()));
    assert_eq!(download.bytes(1 << 20).await.unwrap(), content);
    let some = files.download(DownloadRequest::new(FILE).with_range(10..1010)).await.unwrap();
    assert_eq!(some.bytes(1000).await.unwrap(), content[10..1010]);
    told.push(format!("{:?}", files.metadata(FILE).await.unwrap()));
    told.push(format!("{:?}", files.exists("/Volumes/main/default/v/none").await.unwrap()));
    let listed: Vec<_> = files.list_directory_contents("/Volumes/main/default/v").try_collect().await.unwrap();
    told.push(format!("{listed:?}"));
    let import = ImportRequest::new("/Shared/lib.whl", noise(2 << 20)).with_format(ImportFormat::Raw);
    client.workspace().import(import).await.unwrap();
    told.join("\n")
}

#[tokio::test]
async fn transfers_are_recorded_without_secrets_and_replayed_to_the_letter() {
    let content = noise(4500);
    let world = World::new().await;
    world.server.once("POST", IMPORT, Answer::json(json!({})));
    let entry = json!({ "path": "/Volumes/main/default/v/a", "is_directory": false, "file_size": 1 });
    world.server.once("GET", DIRECTORY, Answer::json(json!({ "contents": [entry] })));
    let recorder = Recorder::new(Http::builder().build().unwrap().transport());
    let recorded = client_of(&world.server.url(), |builder| builder.transport(recorder.clone()));
    let told = work(&recorded, &content).await;
    assert!(told.contains("Some(4500)"), "{told}");

    let text = recorder.cassette().to_json();
    assert!(
        !text.contains("canary") && !text.contains(TOKEN) && !text.contains("/storage/"),
        "a secret is in the recording"
    );
    for replayer in [Replayer::strict, Replayer::loose] {
        let replayer = replayer(Cassette::from_json(&text).unwrap());
        let replayed = client_of("https://nobody.invalid", |builder| builder.transport(replayer.clone()));
        assert_eq!(work(&replayed, &content).await, told);
        replayer.verify();
    }
}

/// Where the storage cannot be reached, a source that can be read once goes through the workspace, and through a recorder.
#[tokio::test]
async fn a_source_that_can_be_read_once_passes_a_recorder() {
    let content = noise(4500);
    let world = World::new().await;
    world.server.once("PUT", "/storage/1/1", Answer::status(403));
    let recorder = Recorder::new(Http::builder().build().unwrap().transport());
    let client = client_of(&world.server.url(), |builder| builder.transport(recorder));
    let pieces: Vec<_> = content.chunks(100).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let piped = UploadSource::stream(stream::iter(pieces).boxed()).with_length(4500);
    let options = TransferOptions::default().with_multipart_from(2000).with_part_size(1000);
    let report = client.files().with_options(options).upload(UploadRequest::new(FILE, piped)).await.unwrap();
    assert_eq!((report.route, world.server.count("PUT", CALL)), (UploadRoute::Single, 1));
    assert_eq!(world.store.file(FILE).unwrap(), content);
}
