//! Rows per second of a staged load, beside the same Parquet written by the `parquet` crate alone in the same run.
//!
//! ```sh
//! cargo bench -p twinhouse-databricks --bench staged_writes            # optimised
//! cargo bench -p twinhouse-databricks --bench staged_writes --profile dev
//! ```
//!
//! The service is a loopback server that keeps what it is sent and takes no time to think: what is measured is the
//! client, from batches in memory to files that have arrived, with the ledger and the statement around them. The
//! `parquet` crate writes the same rows with the same settings into memory, on one thread.

#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/scripted/bench.rs"]
mod bench;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::{
    array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::SchemaRef,
};
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::Compression,
    file::properties::WriterProperties,
};
use serde_json::json;
use twinhouse_testkit::Answer;
use twinhouse_warehouse_api::{BatchStream, LoadRequest, LoadToken, TableRef, Warehouse as _};

use bench::{Bench, Volume, counted};

const ROWS: usize = 1_000_000;
const BATCH: usize = 8_192;
const RUNS: usize = 5;

fn rows() -> Vec<RecordBatch> {
    let batch = |start: usize| {
        let range = start..ROWS.min(start + BATCH);
        let scrambled = |n: usize| (n as i64).wrapping_mul(0x5851_f42d_4c95_7f2d);
        let names = StringArray::from_iter_values(range.clone().map(|n| format!("customer {}", scrambled(n) % 50_000)));
        let prices = Decimal128Array::from_iter_values(range.clone().map(|n| i128::from(scrambled(n) % 10_000_000)));
        let prices = prices.with_precision_and_scale(12, 2).expect("two digits after the point");
        let at = range.clone().map(|n| 1_700_000_000_000_000 + scrambled(n) % 1_000_000_000_000);
        let at = TimestampMicrosecondArray::from_iter_values(at).with_timezone("UTC");
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(Int64Array::from_iter_values(range.map(|n| n as i64)))),
            ("name", Arc::new(names)),
            ("price", Arc::new(prices)),
            ("at", Arc::new(at)),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .expect("columns of one length")
    };
    (0..ROWS).step_by(BATCH).map(batch).collect()
}

/// The parquet crate alone: one file in memory.
fn alone(schema: &SchemaRef, batches: &[RecordBatch]) -> (Duration, usize) {
    let began = Instant::now();
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).set_coerce_types(true).build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options).expect("a writer");
    for batch in batches {
        writer.write(batch).expect("rows of the schema");
    }
    let file = writer.into_inner().expect("a file");
    (began.elapsed(), file.len())
}

async fn staged(schema: &SchemaRef, batches: &[RecordBatch]) -> (Duration, u64, u64) {
    let bench = Bench::new().await;
    let _volume = Volume::on(&bench);
    let column =
        |name: &str, position: u64, text: &str| json!({ "name": name, "position": position, "type_text": text });
    let described = json!({
        "name": "t", "catalog_name": "main", "schema_name": "default", "table_type": "MANAGED", "table_id": "id-1",
        "columns": [
            column("id", 0, "bigint"), column("name", 1, "string"), column("price", 2, "decimal(12,2)"),
            column("at", 3, "timestamp"),
        ],
    });
    bench.server.always("GET", "/api/2.1/unity-catalog/tables/main.default.t", Answer::json(described));
    bench.answers(counted(&[("num_affected_rows", ROWS as u64), ("num_inserted_rows", ROWS as u64)]));
    let source = BatchStream::from_batches(schema.clone(), batches.to_vec());
    let request = LoadRequest::append(TableRef::new("t"), source, LoadToken::new("bench").expect("a token"));
    let began = Instant::now();
    let report = bench.warehouse.load(request).await.expect("a load");
    assert_eq!(report.rows, ROWS as u64);
    (began.elapsed(), report.bytes, report.files)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::main]
async fn main() {
    // `cargo test` builds benches too; there is nothing to measure then.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let batches = rows();
    let schema = batches[0].schema();
    let (mut plain, mut loads, mut sizes) = (Vec::new(), Vec::new(), (0, 0, 0));
    for _ in 0..RUNS {
        let (time, bytes) = alone(&schema, &batches);
        plain.push(time);
        let (time, staged, files) = staged(&schema, &batches).await;
        loads.push(time);
        sizes = (bytes, staged, files);
    }
    let (plain, loads) = (median(plain), median(loads));
    let rate = |time: Duration| ROWS as f64 / time.as_secs_f64();
    println!("{ROWS} rows, {RUNS} runs in turns, medians");
    println!("parquet alone   {:>12.0} rows/s  {plain:>10.1?}  {} bytes, 1 file", rate(plain), sizes.0);
    println!("staged load     {:>12.0} rows/s  {loads:>10.1?}  {} bytes, {} files", rate(loads), sizes.1, sizes.2);
    println!("ratio           {:>12.2}", rate(loads) / rate(plain));
}
