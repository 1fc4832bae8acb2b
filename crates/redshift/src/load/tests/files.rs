//! How rows become files, and what is held in memory meanwhile.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use futures::stream;
use object_store::{
    ObjectStore,
    local::LocalFileSystem,
    throttle::{ThrottleConfig, ThrottledStore},
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use twinhouse_warehouse_api::{BatchStream, Fit, Progress, TableRef};

use super::{batch, request, schema, server::Server, start};
use crate::{
    cluster::Cluster,
    load::{Format, Limits, Place, Rows, load, split::Splitter, stage},
    staging::Staging,
    tables::describe,
};

#[tokio::test]
async fn progress_only_grows_and_ends_with_the_report() {
    let server = Server::new();
    let (cluster, _) = start(&server);
    let seen = Arc::new(Mutex::new(Vec::<Progress>::new()));
    let note = seen.clone();
    let request = request((0..8).map(|n| batch(n * 5_000..(n + 1) * 5_000)).collect(), "t")
        .with_target_file_bytes(20_000)
        .with_progress(move |progress| note.lock().unwrap().push(progress));
    let report = load(&cluster, request).await.unwrap();
    let seen = seen.lock().unwrap().clone();
    assert!(report.files > 5 && seen.len() as u64 == report.files, "{report:?}");
    assert!(seen.windows(2).all(|pair| pair[0].rows < pair[1].rows && pair[0].bytes < pair[1].bytes));
    assert_eq!(*seen.last().unwrap(), Progress::new(40_000, report.bytes, report.files));
    assert_eq!(server.rows(), (0..40_000).collect::<Vec<_>>());
}

async fn rows_of(cluster: &Cluster, batches: BatchStream) -> Rows {
    let table = describe(cluster, &TableRef::new("orders")).await.unwrap();
    let fit = Fit::plan(&table.info, batches.schema()).unwrap();
    Rows { limits: Limits::of(&table, fit.schema()), fit, batches, format: Format::Parquet, slices: 1 }
}

#[tokio::test]
async fn files_on_disk_hold_every_row_once_in_the_tables_types() {
    let server = Server::new();
    let (cluster, _) = start(&server);
    let folder = std::env::temp_dir().join(format!("twinhouse-redshift-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&folder).unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(&folder).unwrap());
    let place = Place::new(&Staging::over(store, "s3://bucket/a".parse().unwrap()), &["t"]);
    let narrow: ArrayRef = Arc::new(arrow::array::Int32Array::from_iter_values(0..10_000));
    let batch = RecordBatch::try_from_iter([("ID", narrow)]).unwrap();
    let rows = rows_of(&cluster, BatchStream::from_batches(batch.schema(), vec![batch])).await;
    let staged = stage(&place, rows, 10_000, None).await.unwrap();

    let local = |url: &str| folder.join(url.strip_prefix("s3://bucket/").unwrap());
    let manifest = std::fs::read(local(&staged.manifest.clone().unwrap())).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let entries = manifest["entries"].as_array().unwrap();
    assert!(entries.len() as u64 == staged.files && staged.files > 2, "{staged:?}");
    let (mut ids, mut bytes) = (Vec::new(), 0);
    for (number, entry) in entries.iter().enumerate() {
        let url = entry["url"].as_str().unwrap();
        assert!(url.ends_with(&format!("/part-{number:05}.parquet")), "{url}");
        let file = std::fs::read(local(url)).unwrap();
        assert_eq!(entry["meta"]["content_length"], file.len());
        bytes += file.len() as u64;
        for batch in ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file)).unwrap().build().unwrap() {
            let batch = batch.unwrap();
            assert_eq!(batch.schema().field(0).name(), "id");
            ids.extend_from_slice(
                arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(batch.column(0)).values(),
            );
        }
    }
    assert_eq!((ids, bytes, staged.rows), ((0..10_000).collect::<Vec<i64>>(), staged.bytes, 10_000));
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_holds_the_source_up() {
    let server = Server::new();
    let (cluster, _) = start(&server);
    let slow = ThrottleConfig { wait_put_per_call: Duration::from_secs(10), ..ThrottleConfig::default() };
    let store: Arc<dyn ObjectStore> = Arc::new(ThrottledStore::new(server.store.clone(), slow));
    let place = Place::new(&Staging::over(store, "s3://bucket/a".parse().unwrap()), &["t"]);
    let (given, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let note = given.clone();
    // Each batch fills files of its own.
    let batches = (0..60_i64).map(move |n| {
        note.fetch_add(1, Ordering::Relaxed);
        Ok(batch((0..1024).map(|i| ((n * 1024 + i).wrapping_mul(0x5851_f42d_4c95_7f2d) >> 40).abs())))
    });
    let rows = rows_of(&cluster, BatchStream::new(schema(), stream::iter(batches))).await;
    let (given_then, most_then) = (given.clone(), most.clone());
    let progress: twinhouse_warehouse_api::ProgressFn = Arc::new(move |progress: Progress| {
        let ahead = given_then.load(Ordering::Relaxed) - progress.rows as usize / 1024;
        most_then.fetch_max(ahead, Ordering::Relaxed);
    });
    let staged = stage(&place, rows, 4_000, Some(&progress)).await.unwrap();
    assert!(staged.files >= 60 && given.load(Ordering::Relaxed) == 60, "{staged:?}");
    assert!(most.load(Ordering::Relaxed) <= 5, "{most:?} batches were held at once");
}

#[test]
fn large_values_do_not_carry_a_file_far_beyond_its_size() {
    let schema = Arc::new(Schema::new(vec![Field::new("t", DataType::Utf8, true)]));
    // Text that does not shrink.
    let mut seed = 7_u64;
    let text: Vec<String> = (0..200)
        .map(|_| {
            (0..10_000)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    char::from(b' ' + (seed >> 58) as u8)
                })
                .collect()
        })
        .collect();
    let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(StringArray::from(text))]).unwrap();
    let mut splitter = Splitter::new(schema, Format::Parquet, 200_000);
    splitter.feed(batch);
    let mut files = Vec::new();
    while let Some(file) = splitter.next().unwrap() {
        files.push(file);
    }
    files.extend(splitter.finish().unwrap());
    assert!(splitter.finish().unwrap().is_none());
    assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), 200);
    assert!(files.len() >= 6 && files.iter().all(|file| file.content.len() < 300_000), "{}", files.len());
}
