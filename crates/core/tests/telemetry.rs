//! What is counted, under which names and labels.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use tracing::{Subscriber, field::Visit, span};
use twinhouse_core::{
    Effect, Error, ErrorKind, Fault,
    resilience::{BreakerOptions, Operation, Policy, Rate},
    telemetry::{
        StatementWatch,
        metric::{self, Direction},
        span as spans,
    },
};

/// Keeps the last or summed value of everything, by name and labels.
#[derive(Default)]
struct Ledger(Mutex<BTreeMap<String, Arc<Cell>>>);

#[derive(Default)]
struct Cell(AtomicU64);

impl CounterFn for Cell {
    fn increment(&self, by: u64) {
        self.0.fetch_add(by, SeqCst);
    }
    fn absolute(&self, value: u64) {
        self.0.store(value, SeqCst);
    }
}

impl GaugeFn for Cell {
    fn increment(&self, _: f64) {}
    fn decrement(&self, _: f64) {}
    fn set(&self, value: f64) {
        self.0.store(value as u64, SeqCst);
    }
}

impl HistogramFn for Cell {
    fn record(&self, _: f64) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Ledger {
    fn cell(&self, key: &Key) -> Arc<Cell> {
        let mut labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        labels.sort();
        let name = format!("{} {}", key.name(), labels.join(" "));
        self.0.lock().unwrap().entry(name).or_default().clone()
    }

    fn entries(&self) -> Vec<(String, u64)> {
        self.0.lock().unwrap().iter().map(|(name, cell)| (name.clone(), cell.0.load(SeqCst))).collect()
    }
}

impl Recorder for Ledger {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.cell(key))
    }
}

#[test]
fn a_call_counts_its_attempts_retries_and_throttles_and_the_breaker_shows_its_state() {
    let ledger = Ledger::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&ledger, || {
        runtime.block_on(async {
            let policy = Policy::builder()
                .breaker(BreakerOptions::default().with_faults(2))
                .default_rate(Rate::per_second(8.0))
                .build();
            let fail = async |fault: Fault, times: u32| {
                let call = async |number| match number <= times {
                    true => Err(Error::new(ErrorKind::Unavailable, "no").with_fault(fault)),
                    false => Ok(()),
                };
                policy.execute(Operation::read("t"), |attempt| call(attempt.number)).await
            };
            fail(Fault::throttled(None), 2).await.unwrap();
            fail(Fault::transient(Effect::None), 9).await.unwrap_err();
        });
        metric::transferred("example", Direction::Read, 3, 40);
    });
    let server = "backend=none class=default host=none";
    let called = |outcome| format!("backend=none host=none operation=t{outcome}");
    let expected: BTreeMap<String, u64> = [
        (format!("{} {server}", metric::ATTEMPTS), 5),
        (format!("{} {server}", metric::RETRIES), 3),
        (format!("{} {server}", metric::THROTTLES), 2),
        (format!("{} {server}", metric::LIMITER_RATE), 2),
        (format!("{} {server}", metric::LIMITER_WAIT), 5),
        (format!("{} {server}", metric::BREAKER_STATE), 2),
        (format!("{} {server}", metric::BREAKER_REFUSALS), 1),
        (format!("{} {}", metric::CALLS, called(" outcome=ok")), 1),
        (format!("{} {}", metric::CALLS, called(" outcome=unavailable")), 1),
        (format!("{} {}", metric::CALL_SECONDS, called("")), 2),
        (format!("{} backend=example direction=in", metric::ROWS), 3),
        (format!("{} backend=example direction=in", metric::BYTES), 40),
    ]
    .into();
    assert_eq!(ledger.entries().into_iter().collect::<BTreeMap<_, _>>(), expected);
}

#[test]
fn the_gauges_follow_the_way_back_too() {
    let ledger = Ledger::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let shown = |name: &str| {
        let server = format!("{name} backend=none class=default host=none");
        ledger.entries().into_iter().find(|(entry, _)| *entry == server).map(|(_, value)| value)
    };
    metrics::with_local_recorder(&ledger, || {
        runtime.block_on(async {
            let (faults, open_for) = (1, Duration::from_secs(5));
            let policy = Policy::builder()
                .max_attempts(1)
                .breaker(BreakerOptions::default().with_faults(faults).with_open_for(open_for))
                .default_rate(Rate::per_second(10.0))
                .build();
            let call = async |result: Result<(), Error>| {
                policy.execute(Operation::read("t"), |_| std::future::ready(result.clone())).await
            };
            let fails = |fault| Err(Error::new(ErrorKind::Unavailable, "no").with_fault(fault));
            call(fails(Fault::throttled(None))).await.unwrap_err();
            assert_eq!(shown(metric::LIMITER_RATE), Some(5));
            tokio::time::advance(Duration::from_secs(1)).await;
            call(Ok(())).await.unwrap();
            assert_eq!(shown(metric::LIMITER_RATE), Some(6));

            call(fails(Fault::transient(Effect::None))).await.unwrap_err();
            assert_eq!(shown(metric::BREAKER_STATE), Some(2));
            tokio::time::advance(open_for).await;
            let probe = async {
                assert_eq!(shown(metric::BREAKER_STATE), Some(1));
                Ok(())
            };
            let mut probe = Some(probe);
            policy.execute(Operation::read("t"), |_| probe.take().unwrap()).await.unwrap();
            assert_eq!(shown(metric::BREAKER_STATE), Some(0));
        });
    });
}

/// Writes down every field of every span.
#[derive(Clone, Default)]
struct Notebook(Arc<Mutex<String>>);

struct Pen<'a>(&'a mut String);

impl Visit for Pen<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Notebook {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut text = self.0.lock().unwrap();
        write!(text, "{} ", span.metadata().name()).unwrap();
        span.record(&mut Pen(&mut text));
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Pen(&mut self.0.lock().unwrap()));
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[test]
fn a_statement_has_its_id_a_hash_what_came_and_how_it_ended_but_no_text() {
    let (notebook, ledger) = (Notebook::default(), Ledger::default());
    metrics::with_local_recorder(&ledger, || {
        tracing::subscriber::with_default(notebook.clone(), || {
            let watch = StatementWatch::new("example", "select 'canary'");
            watch.named("01ef");
            watch.read(3, 40);
            watch.read(1, 2);
            watch.came_to("ok");
            drop(watch);
            drop(StatementWatch::new("example", "select 'canary'"));
        });
    });
    let written = notebook.0.lock().unwrap().clone();
    let begun = format!("{} backend=\"example\" sql_hash={} ", spans::STATEMENT, spans::SqlHash::of("select 'canary'"));
    let read = "statement_id=\"01ef\" rows=4 bytes=42 outcome=\"ok\" ";
    assert_eq!(written, format!("{begun}{read}{begun}rows=0 bytes=0 outcome=\"dropped\" "));
    let ended = |outcome| (format!("{} backend=example outcome={outcome}", metric::STATEMENT_SECONDS), 1);
    assert_eq!(ledger.entries(), [ended("dropped"), ended("ok")]);
}

#[tokio::test]
async fn the_span_of_a_request_has_neither_path_nor_query_nor_headers() {
    let notebook = Notebook::default();
    let _guard = tracing::subscriber::set_default(notebook.clone());
    let link = twinhouse_core::http::Link::new("http://127.0.0.1:1/canary?sig=canary").with_header("x", "canary");
    let plain = twinhouse_core::http::Http::builder().build().unwrap().plain();
    plain.get(&link, Duration::from_secs(5)).await.unwrap_err();
    let written = notebook.0.lock().unwrap().clone();
    assert!(written.contains(spans::HTTP) && written.contains("host=\"127.0.0.1\""), "{written}");
    assert!(!written.contains("canary"), "{written}");
}
