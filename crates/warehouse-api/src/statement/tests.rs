//! The promises of the handle, against a statement that does as it is told.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arrow::{
    array::{Int32Array, RecordBatch},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use async_trait::async_trait;
use futures::StreamExt as _;
use tokio::{sync::oneshot, task::yield_now, time::Instant};
use twinhouse_core::{Error, ErrorKind, Fault, Result, telemetry::StatementWatch};

use super::*;
use crate::batches::BatchStream;

#[derive(Debug)]
struct Scripted {
    id: StatementId,
    /// One answer for each look; the last one stays.
    looks: Mutex<Vec<StatementStatus>>,
    looked: AtomicUsize,
    cancelled: Arc<AtomicU32>,
    batches: Mutex<Option<Vec<Result<RecordBatch>>>>,
    /// Whether the rows stop coming without an end.
    hangs: bool,
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, true)]))
}

fn batch() -> RecordBatch {
    RecordBatch::try_new(schema(), vec![Arc::new(Int32Array::from(vec![1, 2]))]).unwrap()
}

fn scripted(looks: Vec<StatementStatus>, batches: Vec<Result<RecordBatch>>) -> (Scripted, Arc<AtomicU32>) {
    let cancelled = Arc::new(AtomicU32::new(0));
    let scripted = Scripted {
        id: StatementId::new("s-1"),
        looks: Mutex::new(looks),
        looked: AtomicUsize::new(0),
        cancelled: cancelled.clone(),
        batches: Mutex::new(Some(batches)),
        hangs: false,
    };
    (scripted, cancelled)
}

#[async_trait]
impl StatementDriver for Scripted {
    fn id(&self) -> &StatementId {
        &self.id
    }

    async fn status(&self) -> Result<StatementStatus> {
        self.looked.fetch_add(1, Ordering::SeqCst);
        let mut looks = self.looks.lock().unwrap();
        Ok(if looks.len() > 1 { looks.remove(0) } else { looks[0].clone() })
    }

    async fn cancel(&self) -> Result<()> {
        self.cancelled.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn results(&self) -> Result<BatchStream> {
        let batches = futures::stream::iter(self.batches.lock().unwrap().take().unwrap());
        Ok(if self.hangs {
            BatchStream::new(schema(), batches.chain(futures::stream::pending()))
        } else {
            BatchStream::new(schema(), batches)
        })
    }
}

async fn settle() {
    for _ in 0..10 {
        yield_now().await;
    }
}

fn handle(driver: Scripted, options: &CallOptions) -> StatementHandle {
    StatementHandle::new(Arc::new(driver), options)
}

#[tokio::test(start_paused = true)]
async fn waiting_looks_again_and_again_until_rows_can_be_read() {
    let looks =
        vec![StatementStatus::Queued, StatementStatus::Running, StatementStatus::Running, StatementStatus::Ready];
    let (driver, cancelled) = scripted(looks, vec![Ok(batch())]);
    let rows = handle(driver, &CallOptions::default()).stream().await.unwrap().collect_batches().await.unwrap();
    assert_eq!(rows, vec![batch()]);
    settle().await;
    assert_eq!(cancelled.load(Ordering::SeqCst), 0, "a statement that was read to its end is not cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_be_asked_for_a_while_does_not_end_the_wait() {
    for (out_of_sight, wish, error, seen) in [
        (60, None, ErrorKind::Unavailable, true),
        (60, Some(Duration::from_secs(90)), ErrorKind::RateLimited, true),
        (180, None, ErrorKind::Unavailable, false),
        (1, None, ErrorKind::PermissionDenied, false),
    ] {
        let lost = Error::new(error, "no");
        let fault = Fault { retry_after: wish, ..lost.fault() };
        let (driver, cancelled) = scripted(vec![StatementStatus::Running, StatementStatus::Ready], vec![Ok(batch())]);
        let began = Instant::now();
        let outage = Duration::from_secs(1)..Duration::from_secs(1 + out_of_sight);
        let driver = Outage { driver, began, outage, error: lost.with_fault(fault) };
        let handle = StatementHandle::new(Arc::new(driver), &CallOptions::default());
        let result = handle.finish().await;
        settle().await;
        assert_eq!(result.as_ref().map_err(Error::kind).err(), (!seen).then_some(error), "{out_of_sight} s");
        assert_eq!(cancelled.load(Ordering::SeqCst), u32::from(!seen));
        assert!(began.elapsed() >= wish.unwrap_or_default());
    }
}

/// Whose looks fail for a while, and who is still at work until then.
#[derive(Debug)]
struct Outage {
    driver: Scripted,
    began: Instant,
    outage: Range<Duration>,
    error: Error,
}

#[async_trait]
impl StatementDriver for Outage {
    fn id(&self) -> &StatementId {
        self.driver.id()
    }

    async fn status(&self) -> Result<StatementStatus> {
        match self.began.elapsed() {
            now if self.outage.contains(&now) => Err(self.error.clone()),
            now if now < self.outage.start => Ok(StatementStatus::Running),
            _ => self.driver.status().await,
        }
    }

    async fn cancel(&self) -> Result<()> {
        self.driver.cancel().await
    }

    async fn results(&self) -> Result<BatchStream> {
        self.driver.results().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handle_cancels_once_and_a_detached_one_does_not() {
    let (driver, cancelled) = scripted(vec![StatementStatus::Running], vec![]);
    drop(handle(driver, &CallOptions::default()));
    settle().await;
    assert_eq!(cancelled.load(Ordering::SeqCst), 1);

    for detached in [CallOptions::default().with_on_drop(OnDrop::Detach), CallOptions::default()] {
        let (driver, cancelled) = scripted(vec![StatementStatus::Running], vec![]);
        let keep = detached.on_drop == OnDrop::Detach;
        let handle = handle(driver, &detached);
        if keep {
            drop(handle)
        } else {
            assert_eq!(handle.detach().as_str(), "s-1")
        }
        settle().await;
        assert_eq!(cancelled.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_dropped_before_its_end_cancels() {
    let (driver, cancelled) = scripted(vec![StatementStatus::Ready], vec![Ok(batch()), Ok(batch())]);
    let mut stream = handle(driver, &CallOptions::default()).stream().await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    settle().await;
    assert_eq!(cancelled.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_yields_one_error_then_ends_and_the_statement_is_stopped() {
    let broken = Error::new(ErrorKind::Connection, "reset");
    let (driver, cancelled) = scripted(vec![StatementStatus::Ready], vec![Ok(batch()), Err(broken), Ok(batch())]);
    let mut stream = handle(driver, &CallOptions::default()).stream().await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    assert_eq!(stream.next().await.unwrap().unwrap_err().kind(), ErrorKind::Connection);
    assert!(stream.next().await.is_none());
    settle().await;
    assert_eq!(cancelled.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_waiting_and_reading_and_tells_the_server() {
    let options = CallOptions::default().with_timeout(Duration::from_secs(30));
    let (waits, stopped_waiting) = scripted(vec![StatementStatus::Running], vec![]);
    let error = handle(waits, &options).finish().await.unwrap_err();
    assert_eq!((error.kind(), error.context("wait")), (ErrorKind::Timeout, Some("statement")));
    assert!(stopped_waiting.load(Ordering::SeqCst) >= 1);

    let (mut reads, stopped_reading) = scripted(vec![StatementStatus::Ready], vec![Ok(batch())]);
    reads.hangs = true;
    let start = Instant::now();
    let mut stream = handle(reads, &options).stream().await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    assert_eq!(stream.next().await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(start.elapsed().as_secs(), 30);
    assert!(stopped_reading.load(Ordering::SeqCst) >= 1);
}

#[tokio::test(start_paused = true)]
async fn a_limit_beyond_the_end_of_the_clock_is_no_limit() {
    let options = CallOptions::default().with_timeout(Duration::MAX);
    let (driver, _) = scripted(vec![StatementStatus::Ready], vec![Ok(batch())]);
    assert_eq!(handle(driver, &options).stream().await.unwrap().collect_batches().await.unwrap(), [batch()]);
    let (driver, _) = scripted(vec![StatementStatus::Ready], vec![]);
    submit_in_task(options, async move { Ok(driver) }).await.unwrap().finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failed_or_cancelled_statement_is_an_error_with_its_own_kind() {
    let missing = Error::new(ErrorKind::NotFound, "no such table").with_sqlstate("42P01");
    let (driver, _) = scripted(vec![StatementStatus::Failed(missing)], vec![]);
    assert_eq!(handle(driver, &CallOptions::default()).ready().await.unwrap_err().sqlstate(), Some("42P01"));
    let (driver, _) = scripted(vec![StatementStatus::Cancelled], vec![]);
    let error = handle(driver, &CallOptions::default()).ready().await.unwrap_err();
    assert_eq!((error.kind(), error.statement_id()), (ErrorKind::Cancelled, Some("s-1")));
}

#[tokio::test(start_paused = true)]
async fn looks_are_never_further_apart_than_five_seconds() {
    let (driver, _) = scripted(vec![StatementStatus::Running], vec![]);
    let driver = Arc::new(driver);
    let waiting = StatementHandle::new(driver.clone(), &CallOptions::default());
    let _ = tokio::time::timeout(Duration::from_secs(900), waiting.ready()).await;
    let looked = driver.looked.load(Ordering::SeqCst);
    assert!((180..220).contains(&looked), "{looked} looks in 15 minutes");
}

#[tokio::test(start_paused = true)]
async fn a_caller_dropped_before_the_server_answers_still_gets_it_cancelled() {
    let (driver, cancelled) = scripted(vec![StatementStatus::Running], vec![]);
    let (answer, server) = oneshot::channel::<()>();
    let submission = submit_in_task(CallOptions::default(), async move {
        server.await.unwrap();
        Ok(driver)
    });
    let caller = tokio::spawn(submission);
    settle().await;
    caller.abort();
    settle().await;
    assert_eq!(cancelled.load(Ordering::SeqCst), 0, "there is no id to cancel yet");
    answer.send(()).unwrap();
    settle().await;
    assert_eq!(cancelled.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_takes_too_long_times_out_and_is_cancelled_once_known() {
    let (driver, cancelled) = scripted(vec![StatementStatus::Running], vec![]);
    let options = CallOptions::default().with_timeout(Duration::from_secs(5));
    let error = submit_in_task(options, async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok(driver)
    })
    .await
    .unwrap_err();
    assert_eq!((error.kind(), error.context("wait")), (ErrorKind::Timeout, Some("submission")));
    tokio::time::sleep(Duration::from_secs(61)).await;
    settle().await;
    assert_eq!(cancelled.load(Ordering::SeqCst), 1);
}

/// Writes down what the spans of statements come to.
#[derive(Clone, Default)]
struct Notebook(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Notebook {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.name() == "twinhouse.statement"
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            if field.name() != "bytes" {
                self.0.lock().unwrap().push(format!("{}={value:?}", field.name()));
            }
        });
    }
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_statement_is_watched_to_its_end_however_it_ends() {
    let notebook = Notebook::default();
    let _guard = tracing::subscriber::set_default(notebook.clone());
    let submit = async |driver| {
        let watch = StatementWatch::new("example", "select 1");
        submit_watched(watch, CallOptions::default(), async { Ok::<Scripted, Error>(driver) }).await.unwrap()
    };
    let noted = || std::mem::take(&mut *notebook.0.lock().unwrap()).join(" ");
    let ready = || vec![StatementStatus::Ready];

    submit(scripted(ready(), vec![Ok(batch()), Ok(batch())]).0).await.finish().await.unwrap();
    assert_eq!(noted(), "statement_id=\"s-1\" rows=4 outcome=\"ok\"");
    let broken = Err(Error::new(ErrorKind::Connection, "reset"));
    submit(scripted(ready(), vec![Ok(batch()), broken]).0).await.finish().await.unwrap_err();
    assert_eq!(noted(), "statement_id=\"s-1\" rows=2 outcome=\"connection\"");
    let failed = StatementStatus::Failed(Error::new(ErrorKind::NotFound, "no such table"));
    submit(scripted(vec![failed], vec![]).0).await.finish().await.unwrap_err();
    assert_eq!(noted(), "statement_id=\"s-1\" rows=0 outcome=\"not found\"");
    drop(submit(scripted(vec![StatementStatus::Running], vec![]).0).await);
    assert_eq!(noted(), "statement_id=\"s-1\" rows=0 outcome=\"dropped\"");
    let refused = async { Err::<Scripted, _>(Error::new(ErrorKind::Syntax, "no")) };
    submit_watched(StatementWatch::new("example", "selec"), CallOptions::default(), refused).await.unwrap_err();
    assert_eq!(noted(), "rows=0 outcome=\"syntax\"");
}
