//! Counts retries as the clients themselves count them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, LocalRecorderGuard, Metadata, Recorder, SharedString, Unit};
use twinhouse_core::telemetry::metric::{RETRIES, RETRIES_REFUSED};

/// The counters of this thread, on which the whole test runs.
pub(super) struct Retries {
    counts: &'static Counts,
    _guard: LocalRecorderGuard<'static>,
}

#[derive(Default)]
struct Counts {
    retries: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
}

impl Retries {
    pub(super) fn count() -> Self {
        // A recorder must outlive its guard; there are two in a process.
        let counts: &'static Counts = Box::leak(Box::default());
        Self { counts, _guard: metrics::set_default_local_recorder(counts) }
    }

    pub(super) fn so_far(&self) -> u64 {
        self.counts.retries.load(Ordering::Relaxed)
    }

    pub(super) fn refused(&self) -> u64 {
        self.counts.refused.load(Ordering::Relaxed)
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match key.name() {
            RETRIES => Counter::from_arc(Arc::clone(&self.retries)),
            RETRIES_REFUSED => Counter::from_arc(Arc::clone(&self.refused)),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
