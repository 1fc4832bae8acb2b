//! The pool against servers in memory, on a clock that stands still.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::FutureExt as _;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use twinhouse_auth::{Cached, Credential, CredentialSource};
use twinhouse_core::{Effect, ErrorKind, Result, config::Env};

use super::PoolStatus;
use crate::{
    cluster::Cluster,
    config::RedshiftBuilder,
    wire::{
        Connector,
        script::{Log, Peer, authentication, complete, connector, error, key, notice, ready},
    },
};

fn cluster(parameters: &str, connector: Connector) -> Arc<Cluster> {
    with(RedshiftBuilder::from_url(&format!("redshift://u:p@scripted/d?sslmode=disable&{parameters}")), connector)
}

fn with(builder: Result<RedshiftBuilder>, connector: Connector) -> Arc<Cluster> {
    Cluster::over(builder.unwrap().env(Env::empty()).build().unwrap(), connector, None).unwrap()
}

/// Lets anybody in and answers everything.
fn willing(log: &Log) -> Connector {
    connector(log, |peer| serve(peer).boxed())
}

async fn serve(mut peer: Peer) {
    peer.welcome().await;
    peer.serve(|_| complete("SET")).await;
}

fn counts(status: PoolStatus) -> (usize, usize, usize) {
    (status.size, status.in_use, status.waiting)
}

async fn after(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn a_start_up_that_is_cut_at_any_byte_is_begun_again() {
    let whole = [authentication(0, b""), key(1, 42), ready(b'I')].concat();
    for cut in 0..whole.len() {
        let (log, whole) = (Log::default(), whole.clone());
        let connector = connector(&log, move |mut peer| {
            let said = whole[..cut].to_vec();
            async move { if peer.process == 1 { peer.send(&said).await } else { serve(peer).await } }.boxed()
        });
        let cluster = cluster("", connector);
        cluster.pool().checkout().await.unwrap_or_else(|error| panic!("cut after {cut}: {error:?}"));
        assert_eq!(counts(cluster.pool().status()), (1, 0, 0), "cut after {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_always_hangs_up_is_an_error_without_effect_that_says_so() {
    let log = Log::default();
    let cluster = cluster("", connector(&log, |_| async {}.boxed()));
    let error = cluster.pool().checkout().await.unwrap_err();
    assert_eq!((error.kind(), error.fault().effect), (ErrorKind::Connection, Effect::None), "{error:?}");
    assert!(error.attempts() > 1);
    assert_eq!(counts(cluster.pool().status()), (0, 0, 0), "nothing is left over");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_while_the_session_is_set_up_leaves_nothing_behind() {
    let log = Log::default();
    let connector = connector(&log, |mut peer| {
        async move {
            peer.welcome().await;
            peer.serve(|_| Vec::new()).await;
        }
        .boxed()
    });
    let cluster = cluster("connect_timeout=2", connector);
    let error = cluster.pool().checkout().await.unwrap_err();
    assert_eq!((error.kind(), error.context("wait")), (ErrorKind::Timeout, Some("connect")), "{error:?}");
    assert_eq!(counts(cluster.pool().status()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn two_thousand_waiters_are_all_served_and_none_is_served_twice() {
    let log = Log::default();
    let cluster = cluster("pool=3&checkout_timeout=1h", willing(&log));
    let (served, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..2000)
        .map(|_| {
            let (cluster, served, most) = (cluster.clone(), served.clone(), most.clone());
            tokio::spawn(async move {
                let session = cluster.pool().checkout().await.unwrap();
                most.fetch_max(cluster.pool().status().in_use, Ordering::SeqCst);
                after(Duration::from_millis(1)).await;
                served.fetch_add(1, Ordering::SeqCst);
                drop(session);
            })
        })
        .collect();
    while cluster.pool().status().waiting < 1997 {
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((served.load(Ordering::SeqCst), most.load(Ordering::SeqCst)), (2000, 3));
    assert_eq!(counts(cluster.pool().status()), (3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_pool_says_which_wait_ran_out_and_works_again_when_one_comes_back() {
    let log = Log::default();
    let cluster = cluster("pool=1&checkout_timeout=2s", willing(&log));
    let held = cluster.pool().checkout().await.unwrap();
    let error = cluster.pool().checkout().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.context("wait"), error.context("limit")),
        (ErrorKind::Timeout, Some("checkout"), Some("2s"))
    );
    drop(held);
    cluster.pool().checkout().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn as_many_sessions_as_wanted_are_kept_open_and_no_more_when_nobody_needs_them() {
    let log = Log::default();
    let cluster = cluster("pool=5&pool_min=2&idle_timeout=60s&max_lifetime=1h", willing(&log));
    assert_eq!(cluster.pool().warm_up().await.unwrap(), 2);
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(cluster.pool().checkout().await.unwrap());
    }
    drop(held);
    assert_eq!(cluster.pool().status().size, 5);
    after(Duration::from_secs(120)).await;
    assert_eq!(counts(cluster.pool().status()), (2, 0, 0), "the idle ones went");
    assert_eq!(log.count(" X"), 3, "and said goodbye");
    after(Duration::from_secs(2 * 3600)).await;
    assert_eq!(cluster.pool().status().size, 2, "the old ones were replaced");
    assert!(log.count(" X") >= 5, "{:?}", log.all());
}

#[tokio::test(start_paused = true)]
async fn who_fills_the_pool_does_not_wait_for_those_who_use_it() {
    let log = Log::default();
    let cluster = cluster("pool=2&pool_min=2", willing(&log));
    let pool = cluster.pool();
    let (one, other, filled) = tokio::join!(pool.checkout(), pool.checkout(), pool.warm_up());
    filled.unwrap();
    assert_eq!(counts(pool.status()), (2, 2, 0));
    drop((one, other));
}

#[tokio::test(start_paused = true)]
async fn two_who_fill_the_pool_at_once_open_no_more_than_are_missing() {
    let log = Log::default();
    let cluster = cluster("pool=6&pool_min=2", willing(&log));
    let pool = cluster.pool();
    let filled = tokio::join!(pool.warm_up(), pool.warm_up());
    assert_eq!((filled.0.unwrap(), filled.1.unwrap(), counts(pool.status())), (2, 2, (2, 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_lain_too_long_is_not_handed_out() {
    let log = Log::default();
    // The pool is looked after every 30 s: not in the second between.
    let cluster = cluster("idle_timeout=200s&max_lifetime=1h", willing(&log));
    drop(cluster.pool().checkout().await.unwrap());
    after(Duration::from_secs(201)).await;
    let mut session = cluster.pool().checkout().await.unwrap();
    assert_eq!(session.cancel_key().process(), 2);
    session.ask("select 1").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn sessions_that_were_lost_together_are_not_waited_for_one_by_one() {
    let log = Log::default();
    let silent = Arc::new(AtomicUsize::new(0));
    let connector = connector(&log, {
        let silent = silent.clone();
        move |mut peer| {
            let silent = silent.clone();
            async move {
                peer.welcome().await;
                let dead = move |sql: &str| silent.load(Ordering::SeqCst) == 1 && sql.starts_with("RESET ALL");
                peer.serve(move |sql| if dead(sql) { Vec::new() } else { complete("SET") }).await;
            }
            .boxed()
        }
    });
    let cluster = cluster("pool=8&recycle_timeout=5s", connector);
    let held: Vec<_> = futures::future::join_all((0..8).map(|_| cluster.pool().checkout()))
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    drop(held);
    silent.store(1, Ordering::SeqCst);
    after(Duration::from_secs(1)).await;
    let began = tokio::time::Instant::now();
    cluster.pool().checkout().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn close_waits_for_what_is_in_use_as_long_as_it_was_told() {
    let log = Log::default();
    let cluster = cluster("drain_timeout=30s", willing(&log));
    let held = cluster.pool().checkout().await.unwrap();
    let user = tokio::spawn(async move {
        after(Duration::from_secs(10)).await;
        drop(held);
    });
    let began = tokio::time::Instant::now();
    cluster.close().await;
    assert!(began.elapsed() >= Duration::from_secs(10) && began.elapsed() < Duration::from_secs(30));
    user.await.unwrap();
    assert_eq!(cluster.pool().checkout().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(cluster.pool().status().size, 0);
}

#[tokio::test(start_paused = true)]
async fn every_notice_is_heard_whoever_reads_it() {
    let (log, heard) = (Log::default(), Arc::new(Mutex::new(Vec::new())));
    let connector = connector(&log, |mut peer| {
        async move {
            peer.welcome().await;
            let said = |sql: &str| {
                if sql == "vacuum" { [notice("done a lot"), complete("VACUUM")].concat() } else { complete("SET") }
            };
            peer.serve(said).await;
        }
        .boxed()
    });
    let builder = RedshiftBuilder::from_url("redshift://u:p@scripted/d?sslmode=disable").map(|builder| {
        let heard = heard.clone();
        builder.on_notice(move |notice| {
            heard.lock().unwrap().push(format!("{} {}", notice.severity(), notice.message()));
        })
    });
    let cluster = with(builder, connector);
    cluster.pool().checkout().await.unwrap().ask("vacuum").await.unwrap();
    assert_eq!(*heard.lock().unwrap(), ["INFO done a lot"]);
}

/// Gives `first`, `second`, … as passwords, and always the last of them when there are no more.
#[derive(Debug)]
struct Rotating {
    passwords: Vec<&'static str>,
    fetched: Arc<AtomicUsize>,
}

#[async_trait]
impl CredentialSource for Rotating {
    async fn fetch(&self) -> Result<Credential> {
        let n = self.fetched.fetch_add(1, Ordering::SeqCst);
        Ok(Credential::login("u", self.passwords[n.min(self.passwords.len() - 1)]))
    }

    fn name(&self) -> &'static str {
        "rotating"
    }
}

/// A server that takes one password only.
fn takes(password: &'static str, log: &Log) -> Connector {
    connector(log, move |mut peer| {
        async move {
            peer.send(&authentication(3, b"")).await;
            let Some((b'p', said)) = peer.message().await else { return };
            if said.strip_suffix(b"\0") == Some(password.as_bytes()) {
                serve(peer).await;
            } else {
                peer.log.note("refused");
                peer.send(&error("FATAL", "28000", "password authentication failed for user \"u\"")).await;
            }
        }
        .boxed()
    })
}

fn rotating(passwords: Vec<&'static str>, connector: Connector) -> (Arc<Cluster>, Arc<AtomicUsize>) {
    let fetched = Arc::new(AtomicUsize::new(0));
    let source = Rotating { passwords, fetched: fetched.clone() };
    let builder = RedshiftBuilder::from_url("redshift://scripted/d?sslmode=disable")
        .map(|builder| builder.credentials(Arc::new(Cached::new(source))));
    (with(builder, connector), fetched)
}

#[tokio::test(start_paused = true)]
async fn a_password_that_is_wrong_once_is_tried_again_with_a_fresh_one() {
    let log = Log::default();
    let (cluster, fetched) = rotating(vec!["expired while connecting", "good"], takes("good", &log));
    cluster.pool().checkout().await.unwrap();
    assert_eq!((log.count("refused"), fetched.load(Ordering::SeqCst)), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_password_that_stays_wrong_is_refused_after_one_more_try_and_an_unchanged_one_at_once() {
    let log = Log::default();
    let (cluster, fetched) = rotating(vec!["a", "b", "c", "d"], takes("good", &log));
    let error = cluster.pool().checkout().await.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Unauthenticated, Some("28000")), "{error:?}");
    assert_eq!(error.context("credential source"), Some("rotating"));
    assert_eq!((log.count("refused"), fetched.load(Ordering::SeqCst)), (2, 2));

    let log = Log::default();
    let (cluster, _) = rotating(vec!["always the same"], takes("good", &log));
    assert_eq!(cluster.pool().checkout().await.unwrap_err().kind(), ErrorKind::Unauthenticated);
    assert_eq!(log.count("refused"), 1, "a fixed password is not tried twice: accounts get locked");
}

#[tokio::test(start_paused = true)]
async fn a_credential_with_a_nul_is_refused_before_it_is_sent() {
    let log = Log::default();
    let (cluster, _) = rotating(vec!["canary\0"], takes("canary", &log));
    let error = cluster.pool().checkout().await.unwrap_err();
    assert_eq!((error.kind(), error.context("part")), (ErrorKind::Config, Some("password")));
    assert!(!format!("{error:?}").contains("canary") && log.count("refused") == 0);
}

#[tokio::test(start_paused = true)]
async fn many_connections_at_once_fetch_one_credential() {
    let log = Log::default();
    let (cluster, fetched) = rotating(vec!["good"], takes("good", &log));
    let held = futures::future::join_all((0..8).map(|_| cluster.pool().checkout())).await;
    assert!(held.iter().all(Result::is_ok));
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
}

/// Adds up what is counted on this thread.
#[derive(Default)]
struct Sums(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Sums {
    fn of(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<_> = key.labels().filter(|label| label.key() == "reason").map(|label| label.value()).collect();
        let name = [&[key.name()][..], &labels].concat().join(" ");
        self.0.lock().unwrap().entry(name).or_default().clone()
    }

    fn all(&self) -> BTreeMap<String, u64> {
        let pool = |name: &str| name.strip_prefix("twinhouse_pool_").map(str::to_owned);
        let sums = self.0.lock().unwrap();
        sums.iter().filter_map(|(name, sum)| Some((pool(name)?, sum.load(Ordering::SeqCst)))).collect()
    }
}

impl Recorder for Sums {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.of(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.of(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn what_is_opened_is_counted_and_what_ends_says_why() {
    let sums = Sums::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let work = async {
        let cluster = cluster("pool=4&idle_timeout=60s&max_lifetime=2h", willing(&Log::default()));
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(cluster.pool().checkout().await.unwrap());
        }
        assert_eq!(sums.all()["in_use"], 4_f64.to_bits());
        held.pop().unwrap().abandon();
        held.pop().unwrap().retire();
        drop(held.pop());
        after(Duration::from_secs(100)).await;
        drop(held);
        cluster.close().await;
    };
    metrics::with_local_recorder(&sums, || runtime.block_on(work));
    let wanted = [
        ("closed_total abandoned", 1),
        ("closed_total closed", 1),
        ("closed_total idle", 1),
        ("closed_total retired", 1),
        ("created_total", 4),
        // As bits of a float.
        ("idle", 0),
        ("in_use", 0),
        ("size", 0),
        ("waiting", 0),
    ];
    assert_eq!(sums.all(), wanted.map(|(name, sum)| (name.to_owned(), sum)).into());
}
