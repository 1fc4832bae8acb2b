//! What a program's recorder of numbers is told.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::json;
use twinhouse_core::telemetry::metric;
use twinhouse_testkit::Answer;
use twinhouse_warehouse_api::WarehouseExt as _;

use crate::bench::{Bench, file, linked, numbers};

/// The sum of every counter, and how often every histogram was told something, by name and labels.
#[derive(Default)]
struct Ledger(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

struct Times(Arc<AtomicU64>);

impl HistogramFn for Times {
    fn record(&self, _: f64) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Ledger {
    fn cell(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<_> = key.labels().map(|label| format!(" {}={}", label.key(), label.value())).collect();
        self.0.lock().unwrap().entry(format!("{}{}", key.name(), labels.concat())).or_default().clone()
    }

    fn told(&self, name: &str, labels: &str) -> u64 {
        self.0.lock().unwrap().get(&format!("{name} {labels}")).map_or(0, |cell| cell.load(SeqCst))
    }
}

impl Recorder for Ledger {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Times(self.cell(key))))
    }
}

#[tokio::test]
async fn a_statement_counts_its_rows_its_bytes_its_time_and_how_it_ended() {
    let ledger = Ledger::default();
    let _guard = metrics::set_default_local_recorder(&ledger);
    let bench = Bench::new().await;
    let link = json!({ "external_link": format!("{}/a", bench.server.url()), "row_count": 3 });
    bench.answers(linked(&[("n", "BIGINT")], 3, 1, json!([link])));
    bench.server.once("GET", "/a", Answer::ok(file(&[numbers("n", [1, 2, 3])])));
    bench.warehouse.query("select n").await.unwrap().collect_batches().await.unwrap();
    assert_eq!(ledger.told(metric::ROWS, "backend=databricks direction=in"), 3);
    assert!(ledger.told(metric::BYTES, "backend=databricks direction=in") >= 24);
    assert_eq!(ledger.told(metric::STATEMENT_SECONDS, "backend=databricks outcome=ok"), 1);
    bench.server.once("POST", crate::bench::STATEMENTS, Answer::status(403));
    bench.warehouse.query("select n").await.unwrap_err();
    assert_eq!(ledger.told(metric::STATEMENT_SECONDS, "backend=databricks outcome=permission denied"), 1);
}
