//! The Databricks file system: our client against the sandbox.

use std::time::Duration;

use futures::StreamExt as _;
use twinhouse_core::{Effect, ErrorKind};
use twinhouse_databricks::{
    DatabricksClient,
    dbfs::{Dbfs, DbfsUploadRequest},
    files::UploadSource,
};
use twinhouse_sandbox::{DatabricksAccess, FaultKind, FaultRule, When};

use crate::fixtures::{Breakable, databricks_builder, shared};

const MIB: usize = 1 << 20;

fn client(access: &DatabricksAccess) -> DatabricksClient {
    databricks_builder(access).rate_limit(1000.0).client().unwrap()
}

async fn dbfs() -> Dbfs {
    client(shared().await.unwrap().databricks().await.unwrap()).dbfs()
}

fn noise(length: usize) -> Vec<u8> {
    (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

fn piped(content: Vec<u8>) -> UploadSource {
    UploadSource::stream(futures::stream::iter([Ok(content.into())]).boxed())
}

#[tokio::test]
async fn files_go_up_in_blocks_and_come_down_checked() {
    let dbfs = dbfs().await;
    for length in [0, 1, MIB, 3 * MIB + 7] {
        let path = format!("/round/{length}.bin");
        let sent = dbfs.upload(DbfsUploadRequest::new(&path, noise(length))).await.unwrap();
        assert_eq!(sent, length as u64);
        assert!(dbfs.download(&path).await.unwrap().bytes(length).await.unwrap() == noise(length));
        assert_eq!(dbfs.get_status(&format!("dbfs:{path}")).await.unwrap().file_size, length as u64);
    }
    assert_eq!(dbfs.read("/round/1.bin", 0, 100).await.unwrap(), noise(1));
    assert!(dbfs.read("/round/1.bin", 5, 100).await.unwrap().is_empty());
    let taken = dbfs.upload(DbfsUploadRequest::new("/round/1.bin", "other")).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    dbfs.put("/round/1.bin", "replaced", true).await.unwrap();
    assert_eq!(dbfs.download("/round/1.bin").await.unwrap().bytes(8).await.unwrap(), "replaced");
    assert_eq!(dbfs.download("/round").await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn trees_are_made_listed_moved_and_deleted() {
    let dbfs = dbfs().await;
    dbfs.mkdirs("/tree/a/b").await.unwrap();
    dbfs.put("/tree/f", "1", false).await.unwrap();
    let listed = dbfs.list("dbfs:/tree").await.unwrap();
    let listed: Vec<_> = listed.iter().map(|info| (info.path.as_str(), info.is_dir, info.file_size)).collect();
    assert_eq!(listed, [("/tree/a", true, 0), ("/tree/f", false, 1)]);
    dbfs.move_to("/tree", "/forest/tree").await.unwrap();
    assert!(!dbfs.exists("/tree").await.unwrap() && dbfs.exists("/forest/tree/a/b").await.unwrap());
    assert_eq!(dbfs.move_to("/none", "/x").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(dbfs.move_to("/forest", "/forest/tree/f").await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let full = dbfs.delete("/forest", false).await.unwrap_err();
    assert_eq!((full.kind(), full.context("field")), (ErrorKind::InvalidInput, Some("recursive")));
    dbfs.delete("/forest", true).await.unwrap();
    assert_eq!(dbfs.delete("/forest", true).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_tree_that_is_too_large_for_one_call_is_deleted_all_the_same() {
    let dbfs = dbfs().await;
    let puts = futures::stream::iter(0..1100).map(|n| {
        let dbfs = dbfs.clone();
        async move { dbfs.put(&format!("/large/{}/{n}", n % 7), "", false).await }
    });
    let failed: Vec<_> = puts.buffer_unordered(8).filter(|done| std::future::ready(done.is_err())).collect().await;
    assert!(failed.is_empty(), "{failed:?}");
    dbfs.delete("/large", true).await.unwrap();
    assert!(!dbfs.exists("/large").await.unwrap());
}

#[tokio::test]
async fn a_lost_answer_doubles_no_block_and_leaves_no_half_a_file() {
    let breakable = Breakable::take().await;
    let dbfs = client(breakable.sandbox.databricks().await.unwrap()).dbfs();
    let kinds = [
        FaultKind::Throttled { retry_after: Some(Duration::ZERO) },
        FaultKind::Unavailable { when: When::Before, retry_after: None },
        FaultKind::Unavailable { when: When::After, retry_after: None },
        FaultKind::Reset { when: When::After },
    ];
    for (n, kind) in kinds.into_iter().enumerate() {
        for (again, source) in [(true, noise(3 * MIB).into()), (false, piped(noise(3 * MIB)))] {
            let rule = FaultRule::databricks(kind).with_path("/dbfs/add-block").on_call(2);
            let fault = breakable.faults().schedule(rule).unwrap();
            let path = format!("/faults/{n}-{again}");
            match dbfs.upload(DbfsUploadRequest::new(&path, source)).await {
                Ok(_) => {
                    assert!(
                        dbfs.download(&path).await.unwrap().bytes(3 * MIB).await.unwrap() == noise(3 * MIB),
                        "{kind:?}"
                    );
                }
                Err(error) => {
                    assert!(!again, "{kind:?}: {error:?}");
                    assert_eq!(error.fault().effect, Effect::Unknown);
                    assert!(!dbfs.exists(&path).await.unwrap(), "half a file after {kind:?}");
                }
            }
            assert_eq!(fault.fired(), 1);
        }
    }
}

#[tokio::test]
async fn volumes_are_reached_by_their_paths() {
    let dbfs = dbfs().await;
    let path = "/Volumes/main/default/staging/by_dbfs/f.bin";
    dbfs.upload(DbfsUploadRequest::new(format!("dbfs:{path}"), noise(MIB + 1))).await.unwrap();
    let files = client(shared().await.unwrap().databricks().await.unwrap()).files();
    assert!(files.download(path).await.unwrap().bytes(2 * MIB).await.unwrap() == noise(MIB + 1));
    dbfs.delete("/Volumes/main/default/staging/by_dbfs", true).await.unwrap();
    assert!(!files.exists(path).await.unwrap());
}
