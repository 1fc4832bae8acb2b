//! Nothing prints a secret. A process of its own: which log lines are wanted is remembered for the whole process, and
//! other tests want none.

#[allow(dead_code, reason = "the bench is made for the other tests")]
#[path = "scripted/bench.rs"]
mod bench;
#[allow(dead_code, reason = "the store is made for the other tests")]
#[path = "scripted/files_store.rs"]
mod files_store;

use std::{
    io,
    sync::{Arc, Mutex},
};

use futures::TryStreamExt as _;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;
use twinhouse_core::Report;
use twinhouse_databricks::files::{TransferOptions, UploadRequest};
use twinhouse_testkit::Answer;
use twinhouse_warehouse_api::{StatementRequest, Warehouse as _, WarehouseExt as _};

use bench::{Bench, STATEMENTS, file, linked, numbers, statement};
use files_store::{EXPIRED_AWS, FILE, World, noise};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Token, signature, header of the link, SQL text and bound value all contain `canary`; nothing that is printed does.
#[tokio::test]
async fn no_log_no_error_and_no_debug_shows_a_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let bench = Bench::new().await;
    let link = |path: &str| {
        json!({
            "external_link": format!("{}{path}?sig=canary-signature", bench.server.url()),
            "http_headers": { "x-key": "canary-header" },
            "row_count": 1,
        })
    };
    bench.answers(linked(&[("n", "BIGINT")], 1, 1, json!([link("/a")])));
    bench.server.once("GET", "/a", Answer::status(403));
    bench.server.once("GET", &statement("/result/chunks/0"), Answer::json(json!({ "external_links": [link("/b")] })));
    bench.server.once("GET", "/b", Answer::close());
    bench.server.once("GET", "/b", Answer::ok(file(&[numbers("n", [1])])));
    let request = || StatementRequest::read("select 'canary-sql', :v").bind("v", "canary-value");
    let handle = bench.warehouse.submit(request()).await.unwrap();
    let mut printed = format!("{:?} {handle:?} {:?} {:?}", bench.warehouse, handle.canceller(), request());
    let mut stream = handle.stream().await.unwrap();
    printed += &format!("{stream:?}");
    while stream.try_next().await.unwrap().is_some() {}

    bench.answers(linked(&[("n", "BIGINT")], 1, 1, json!([link("/gone")])));
    bench.server.always("GET", "/gone", Answer::status(403));
    bench.server.always(
        "GET",
        &statement("/result/chunks/0"),
        Answer::json(json!({ "external_links": [link("/gone")] })),
    );
    let dead = bench.warehouse.query(request()).await.unwrap().collect_batches().await.unwrap_err();
    bench.server.once("POST", STATEMENTS, Answer::json(json!({ "status": ["canary-body"] })));
    let garbled = bench.warehouse.query(request()).await.unwrap_err();
    bench.server.once("POST", STATEMENTS, Answer::close());
    let lost = bench.warehouse.query(request()).await.unwrap_err();
    for error in [dead, garbled, lost] {
        printed += &format!("{error} {error:?} {}", Report(&error));
    }
    printed += &files().await;
    printed += &String::from_utf8_lossy(&log.0.lock().unwrap());
    assert!(
        printed.contains("twinhouse.statement") && printed.contains("twinhouse.http"),
        "the log was not listened to"
    );
    let at = printed.find("canary").map(|at| printed[at.saturating_sub(200)..].chars().take(300).collect::<String>());
    assert_eq!(at, None);
}

/// Uploads in parts and downloads, by links that die, are cut off and refuse.
async fn files() -> String {
    let world = World::with(|builder| builder.max_retries(1)).await;
    let expired = Answer::ok(format!("{EXPIRED_AWS}canary-words")).with_status(403);
    world.server.once("PUT", "/storage/1/1", expired);
    world.server.once("PUT", "/storage/2/1", Answer::close());
    let options = TransferOptions::default().with_multipart_from(1000).with_part_size(1000);
    let files = world.files().with_options(options);
    files.upload(UploadRequest::new(FILE, noise(2500))).await.unwrap();
    world.server.once("GET", "/storage/file", Answer::ok(noise(2500)).cut_after(100));
    let download = files.download(FILE).await.unwrap();
    let mut printed = format!("{files:?} {download:?}");
    let cut = download.bytes(2500).await.unwrap_err();
    world.server.once("PUT", "/storage/5/2", Answer::ok("<Code>canary-code</Code>").with_status(403));
    world.server.always("PUT", "/storage/4/2", Answer::ok("<Code>canary-code</Code>").with_status(403));
    world.server.always("PUT", "/storage/6/2", Answer::ok("<Code>canary-code</Code>").with_status(403));
    let refused = files.upload(UploadRequest::new(FILE, noise(2500)).with_overwrite(true)).await.unwrap_err();
    for error in [cut, refused] {
        printed += &format!("{error} {error:?} {}", Report(&error));
    }
    printed
}
