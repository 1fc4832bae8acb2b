//! Files in volumes: our client against the sandbox, whose storage is as awkward as an object store.

use std::{io, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use twinhouse_core::ErrorKind;
use twinhouse_databricks::{
    DatabricksWarehouse,
    files::{DownloadRequest, Files, ListRequest, TransferOptions, UploadRequest, UploadRoute, UploadSource},
};
use twinhouse_sandbox::{DatabricksAccess, FaultKind, FaultRule, Front, Sandbox, SandboxOptions, When};
use twinhouse_warehouse_api::WarehouseExt as _;

use crate::fixtures::{Breakable, databricks_builder, shared};

/// The least that the storage takes as a part that is not the last.
const PART: usize = 5 << 20;

/// A volume of a test's own.
struct Volume {
    files: Files,
    warehouse: DatabricksWarehouse,
    path: String,
}

impl Volume {
    async fn of(access: &DatabricksAccess, name: &str) -> Self {
        let builder = || databricks_builder(access).wait(Duration::ZERO).rate_limit(1000.0);
        let warehouse = DatabricksWarehouse::new(builder().build().unwrap()).unwrap();
        let files = builder().client().unwrap().files();
        warehouse.execute(format!("create volume main.default.{name}").as_str()).await.unwrap();
        Self { files, warehouse, path: format!("/Volumes/main/default/{name}") }
    }

    async fn new(name: &str) -> Self {
        Self::of(shared().await.unwrap().databricks().await.unwrap(), name).await
    }

    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// Parts from their least size on.
    fn in_parts(&self) -> Files {
        self.files.clone().with_options(in_parts())
    }

    async fn content(&self, name: &str) -> Bytes {
        self.files.download(self.at(name)).await.unwrap().bytes(1 << 30).await.unwrap()
    }

    async fn names(&self, path: &str) -> Vec<String> {
        let entries = self.files.list_directory_contents(path);
        entries.map_ok(|entry| entry.name).try_collect().await.unwrap()
    }
}

fn in_parts() -> TransferOptions {
    TransferOptions::default().with_multipart_from(PART as u64).with_part_size(PART as u64).with_parallel(3)
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    (0..length.div_ceil(4)).flat_map(|_| next().to_le_bytes()).take(length).collect()
}

fn piped(content: &[u8], piece: usize) -> UploadSource {
    let pieces: Vec<_> = content.chunks(piece).map(|piece| io::Result::Ok(Bytes::copy_from_slice(piece))).collect();
    UploadSource::stream(stream::iter(pieces))
}

#[tokio::test]
async fn files_of_every_kind_come_down_as_they_went_up() {
    let volume = Volume::new("files_round").await;
    let content = noise(3 * PART + 1234);
    let folder = tempfile::tempdir().unwrap();
    let (up, down) = (folder.path().join("up"), folder.path().join("down"));
    std::fs::write(&up, &content).unwrap();
    let sources: [(&str, UploadSource, UploadRoute, usize); 5] = [
        ("empty", Bytes::new().into(), UploadRoute::Single, 0),
        ("é#%?&+ small", content[..1000].to_vec().into(), UploadRoute::Single, 1000),
        ("deep/er/bytes", content.clone().into(), UploadRoute::Multipart, content.len()),
        ("from disk", UploadSource::path(&up), UploadRoute::Multipart, content.len()),
        ("piped", piped(&content, 100_000), UploadRoute::Multipart, content.len()),
    ];
    for (name, source, route, length) in sources {
        let report = volume.in_parts().upload(UploadRequest::new(volume.at(name), source)).await.unwrap();
        assert_eq!((report.route, report.bytes), (route, length as u64), "{name}");
        assert!(volume.content(name).await == content[..length], "{name}");
        let metadata = volume.files.metadata(&volume.at(name)).await.unwrap();
        assert_eq!(metadata.content_length, Some(length as u64), "{name}");
        assert!(metadata.last_modified.is_some());
    }
    let request = DownloadRequest::new(volume.at("piped")).with_expected_length(content.len() as u64);
    assert_eq!(volume.files.download_to(request, &down).await.unwrap(), content.len() as u64);
    assert!(std::fs::read(&down).unwrap() == content);
    let range = DownloadRequest::new(volume.at("piped")).with_range(PART as u64 - 5..PART as u64 + 5);
    let part = volume.files.download(range).await.unwrap().bytes(10).await.unwrap();
    assert_eq!(part, content[PART - 5..PART + 5]);
}

#[tokio::test]
async fn what_is_there_is_replaced_only_if_it_may_be() {
    let volume = Volume::new("files_taken").await;
    for files in [volume.files.clone(), volume.in_parts()] {
        let path = volume.at("taken");
        files.upload(UploadRequest::new(&path, "first").with_overwrite(true)).await.unwrap();
        let error = files.upload(UploadRequest::new(&path, noise(2 * PART))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error:?}");
        assert_eq!(volume.content("taken").await, "first");
        files.upload(UploadRequest::new(&path, noise(2 * PART)).with_overwrite(true)).await.unwrap();
        assert!(volume.content("taken").await == noise(2 * PART));
    }
}

#[tokio::test]
async fn directories_live_their_life() {
    let volume = Volume::new("files_directories").await;
    let directory = volume.at("a/b");
    let files = &volume.files;
    files.create_directory(&directory).await.unwrap();
    files.create_directory(&format!("{directory}/")).await.unwrap();
    assert!(files.directory_exists(&volume.at("a")).await.unwrap());
    for n in 0..25 {
        files.upload(UploadRequest::new(format!("{directory}/f{n:02}"), vec![7; n])).await.unwrap();
    }
    let request = ListRequest::new(&directory).with_page_size(4);
    let entries: Vec<_> = files.list_directory_contents(request).try_collect().await.unwrap();
    assert_eq!(entries.len(), 25);
    assert!(entries.iter().enumerate().all(|(n, entry)| {
        entry.name == format!("f{n:02}") && entry.file_size == Some(n as u64) && !entry.is_directory
    }));
    assert_eq!(volume.names(&volume.at("a")).await, ["b"]);
    let full = files.delete_directory(&directory).await.unwrap_err();
    assert_eq!(
        (full.kind(), full.context("reason")),
        (ErrorKind::InvalidInput, Some("FILES_API_DIRECTORY_IS_NOT_EMPTY"))
    );
    for entry in &entries {
        files.delete(&entry.path).await.unwrap();
    }
    files.delete_directory(&directory).await.unwrap();
    assert!(!files.directory_exists(&directory).await.unwrap());
    assert!(!files.exists(&volume.at("none")).await.unwrap());
    assert_eq!(files.delete(&volume.at("none")).await.unwrap_err().kind(), ErrorKind::NotFound);
    let missing = files.list_directory_contents(directory.as_str()).try_next().await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let elsewhere = files.upload(UploadRequest::new("/Volumes/main/default/files_nowhere/f", "x")).await.unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_went_up_in_parts_is_read_by_copy_into() {
    let volume = Volume::new("files_copy").await;
    let rows: String = (0..800_000).map(|n| format!("{n},row {n}\n")).collect();
    assert!(rows.len() > 2 * PART);
    let source = piped(rows.as_bytes(), 1 << 16);
    let report = volume.in_parts().upload(UploadRequest::new(volume.at("rows/a.csv"), source)).await.unwrap();
    assert_eq!(report.route, UploadRoute::Multipart);
    let table = "main.default.files_copied";
    volume.warehouse.execute(format!("create table {table} (n bigint, t string)").as_str()).await.unwrap();
    let copy = format!("copy into {table} by position from '{}' fileformat = csv", volume.at("rows"));
    volume.warehouse.execute(copy.as_str()).await.unwrap();
    let sum = format!("select count(*) as n, sum(n) as s from {table}");
    let found: (i64, i64) = volume.warehouse.fetch_one(sum.as_str()).await.unwrap();
    assert_eq!(found, (800_000, 800_000 * 799_999 / 2));
}

#[tokio::test]
async fn on_the_cloud_with_resumable_uploads_they_are_taken_up_again() {
    let options = SandboxOptions::default().with_fronts([Front::Databricks]).with_resumable_uploads(true);
    let sandbox = Sandbox::start(options).await.unwrap();
    let volume = Volume::of(sandbox.databricks().await.unwrap(), "files_pieces").await;
    let content = noise(3 * PART + 77);
    // An odd size: the storage keeps of each piece what is a multiple of 256 KiB.
    let files = volume.files.clone().with_options(in_parts().with_part_size(PART as u64 + 100_000));
    let faults = [
        FaultRule::databricks(FaultKind::Unavailable { when: When::After, retry_after: None }),
        FaultRule::databricks(FaultKind::Reset { when: When::Before }),
        FaultRule::databricks(FaultKind::Reset { when: When::After }),
    ];
    for (n, rule) in faults.into_iter().enumerate() {
        let rule = rule.with_path("/storage/pieces").with_method("PUT").on_call(2);
        let fault = sandbox.faults().schedule(rule).unwrap();
        let request = UploadRequest::new(volume.at(&format!("f{n}")), piped(&content, 300_000));
        let report = files.upload(request).await.unwrap();
        assert_eq!((report.route, fault.fired()), (UploadRoute::Resumable, 1));
        assert!(volume.content(&format!("f{n}")).await == content, "{n}");
    }
    let error = files.upload(UploadRequest::new(volume.at("f0"), content.clone())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    sandbox.stop().await.unwrap();
}

#[tokio::test]
async fn links_that_die_while_the_source_is_slow_are_replaced() {
    // Long enough for a part on a slow machine.
    let lifetime = Duration::from_secs(4);
    let options = SandboxOptions::default().with_fronts([Front::Databricks]).with_link_lifetime(lifetime);
    let sandbox = Sandbox::start(options).await.unwrap();
    let volume = Volume::of(sandbox.databricks().await.unwrap(), "files_slow").await;
    let content = noise(4 * PART);
    // The links of the later parts are given out together and lie there while the source takes its time.
    let pieces: Vec<_> = content.chunks(PART).map(Bytes::copy_from_slice).collect();
    let slow = stream::iter(pieces).enumerate().then(move |(at, piece)| async move {
        if at >= 2 {
            tokio::time::sleep(lifetime + Duration::from_millis(500)).await;
        }
        io::Result::Ok(piece)
    });
    let request = UploadRequest::new(volume.at("f"), UploadSource::stream(slow));
    let report = volume.in_parts().upload(request).await.unwrap();
    assert_eq!((report.route, report.parts), (UploadRoute::Multipart, 4));
    assert!(volume.content("f").await == content);
    sandbox.stop().await.unwrap();
}

/// Every fault at every call of an upload and a download: the exact file, or a typed error and no file.
#[tokio::test]
async fn whatever_goes_wrong_the_file_is_exact_or_not_there() {
    let breakable = Breakable::take().await;
    let volume = Volume::of(breakable.sandbox.databricks().await.unwrap(), "files_faults").await;
    let content = noise(2 * PART + 99);
    let kinds = [
        FaultKind::Throttled { retry_after: Some(Duration::ZERO) },
        FaultKind::Unavailable { when: When::Before, retry_after: None },
        FaultKind::Unavailable { when: When::After, retry_after: None },
        FaultKind::Reset { when: When::Before },
        FaultKind::Reset { when: When::After },
    ];
    // A call of the upload in parts, and how its method and path are told apart.
    let calls = [
        ("POST", "/api/2.0/fs/files", 1),
        ("POST", "/api/2.0/fs/create-upload-part-urls", 1),
        ("PUT", "/storage/parts", 2),
        ("POST", "/api/2.0/fs/files", 2),
    ];
    let mut struck = 0;
    for (at, (method, path, call)) in calls.into_iter().enumerate() {
        for (n, kind) in kinds.into_iter().enumerate() {
            let rule = FaultRule::databricks(kind).with_method(method).with_path(path).on_call(call);
            let fault = breakable.faults().schedule(rule).unwrap();
            let name = format!("up-{at}-{n}");
            let request = UploadRequest::new(volume.at(&name), piped(&content, 1 << 20));
            volume.in_parts().upload(request).await.unwrap_or_else(|error| panic!("{kind:?} at {path}: {error:?}"));
            assert_eq!(fault.fired(), 1, "{kind:?} at {path}");
            assert!(volume.content(&name).await == content, "{kind:?} at {path}");
            struck += 1;
        }
    }
    // A creation in one request, whose answer may be lost.
    for (n, kind) in kinds.into_iter().enumerate() {
        let rule = FaultRule::databricks(kind).with_method("PUT").with_path("/api/2.0/fs/files");
        let fault = breakable.faults().schedule(rule).unwrap();
        let name = format!("single-{n}");
        volume.files.upload(UploadRequest::new(volume.at(&name), content.clone())).await.unwrap();
        assert_eq!(fault.fired(), 1, "{kind:?}");
        assert!(volume.content(&name).await == content, "{kind:?}");
        struck += 1;
    }
    // A download, by its link.
    for kind in kinds.into_iter().chain([FaultKind::Truncated, FaultKind::ExpiredLink]) {
        let rule = FaultRule::databricks(kind).with_method("GET").with_path("/storage/files");
        let fault = breakable.faults().schedule(rule).unwrap();
        assert!(volume.content("single-0").await == content, "{kind:?}");
        assert_eq!(fault.fired(), 1, "{kind:?}");
        struck += 1;
    }
    // A head that promises more than there is. What came cannot be told from half a file, and so it is none.
    let rule = FaultRule::databricks(FaultKind::WrongLength).with_method("GET").with_path("/storage/files");
    let fault = breakable.faults().schedule(rule).unwrap();
    let download = volume.files.download(volume.at("single-0")).await.unwrap();
    let error = download.bytes(1 << 30).await.unwrap_err();
    assert_eq!((error.kind(), fault.fired()), (ErrorKind::Conflict, 1), "{error:?}");
    assert!(volume.content("single-0").await == content);
    eprintln!("{} faults, no file lost, doubled or cut", struck + 1);
}

#[tokio::test]
async fn a_file_that_is_replaced_while_it_is_read_is_an_error() {
    let breakable = Breakable::take().await;
    let volume = Volume::of(breakable.sandbox.databricks().await.unwrap(), "files_replaced").await;
    let (path, content) = (volume.at("f"), noise(2 * PART));
    volume.files.upload(UploadRequest::new(&path, content)).await.unwrap();
    let rule = FaultRule::databricks(FaultKind::Truncated).with_method("GET").with_path("/storage/files");
    breakable.faults().schedule(rule).unwrap();
    let mut download = volume.files.download(path.as_str()).await.unwrap();
    download.try_next().await.unwrap();
    // The same length, and within the same second: only the storage's mark tells.
    volume.files.upload(UploadRequest::new(&path, vec![7; 2 * PART]).with_overwrite(true)).await.unwrap();
    let error = loop {
        match download.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("ended as if it were one file"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
}
