//! What the pool counts, and why each session ended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use metrics::{counter, gauge, histogram};
use tokio::{sync::Notify, time::Instant};
use twinhouse_core::telemetry::metric::{BACKEND, HOST};

/// Sessions that are open. Gauge.
pub(crate) const SIZE: &str = "twinhouse_pool_size";
/// Sessions that are open and that nobody uses. Gauge.
pub(crate) const IDLE: &str = "twinhouse_pool_idle";
/// Sessions that somebody uses. Gauge.
pub(crate) const IN_USE: &str = "twinhouse_pool_in_use";
/// Callers that wait for a session. Gauge.
pub(crate) const WAITING: &str = "twinhouse_pool_waiting";
/// How long a caller waited for a session. Histogram, seconds.
pub(crate) const WAIT: &str = "twinhouse_pool_wait_seconds";
/// Sessions that were opened. Counter.
pub(crate) const CREATED: &str = "twinhouse_pool_created_total";
/// Sessions that ended, by `reason`. Counter.
pub(crate) const CLOSED: &str = "twinhouse_pool_closed_total";
const REASON: &str = "reason";

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Unused for too long.
    Idle,
    /// Too old.
    Lifetime,
    /// Dead or dirty when it was to be used again.
    Broken,
    /// Somebody went away while a statement was on it.
    Abandoned,
    /// It may carry something that no reset undoes.
    Retired,
    /// The pool was closed.
    Closed,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
            Self::Broken => "broken",
            Self::Abandoned => "abandoned",
            Self::Retired => "retired",
            Self::Closed => "closed",
        }
    }
}

/// Counts for one pool. Cheap to clone; clones share.
#[derive(Clone, Debug)]
pub(crate) struct Meter(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    host: Arc<str>,
    size: AtomicUsize,
    in_use: AtomicUsize,
    waiting: AtomicUsize,
    returned: Notify,
}

impl Meter {
    pub(crate) fn new(host: &str) -> Self {
        Self(Arc::new(Counts {
            host: host.into(),
            size: AtomicUsize::new(0),
            in_use: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            returned: Notify::new(),
        }))
    }

    pub(super) fn size(&self) -> usize {
        self.0.size.load(Ordering::SeqCst)
    }

    pub(super) fn in_use(&self) -> usize {
        self.0.in_use.load(Ordering::SeqCst)
    }

    pub(super) fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::SeqCst)
    }

    /// Waits until nobody uses a session.
    pub(super) async fn all_returned(&self) {
        loop {
            let returned = self.0.returned.notified();
            if self.in_use() == 0 {
                return;
            }
            returned.await;
        }
    }

    /// A session begins.
    pub(super) fn born(&self) -> Life {
        counter!(CREATED, BACKEND => "redshift", HOST => self.0.host.clone()).increment(1);
        self.0.size.fetch_add(1, Ordering::SeqCst);
        self.show();
        let now = Instant::now();
        Life { meter: self.clone(), opened: now, idle_since: now, reason: Reason::Broken }
    }

    /// A session is out until this is dropped.
    pub(super) fn used(&self) -> Use {
        self.0.in_use.fetch_add(1, Ordering::SeqCst);
        self.show();
        Use(self.clone())
    }

    /// A caller waits until this is dropped.
    pub(super) fn waits(&self) -> Wait {
        self.0.waiting.fetch_add(1, Ordering::SeqCst);
        self.show();
        Wait { meter: self.clone(), since: Instant::now() }
    }

    fn show(&self) {
        let set = |name: &'static str, value: usize| {
            // No pool comes near the numbers that a float cannot hold.
            gauge!(name, BACKEND => "redshift", HOST => self.0.host.clone()).set(value as f64);
        };
        let (size, in_use) = (self.size(), self.in_use());
        set(SIZE, size);
        set(IN_USE, in_use);
        set(IDLE, size.saturating_sub(in_use));
        set(WAITING, self.waiting());
    }
}

/// From a session's first moment to its last.
#[derive(Debug)]
pub(crate) struct Life {
    meter: Meter,
    opened: Instant,
    idle_since: Instant,
    reason: Reason,
}

impl Life {
    pub(super) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    pub(super) fn idle(&self) -> Duration {
        self.idle_since.elapsed()
    }

    pub(super) fn returned(&mut self) {
        self.idle_since = Instant::now();
    }

    /// Remembers why it is about to end.
    pub(super) fn ends(&mut self, reason: Reason) {
        self.reason = reason;
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let host = self.meter.0.host.clone();
        counter!(CLOSED, BACKEND => "redshift", HOST => host, REASON => self.reason.as_str()).increment(1);
        self.meter.0.size.fetch_sub(1, Ordering::SeqCst);
        self.meter.show();
    }
}

#[derive(Debug)]
pub(super) struct Use(Meter);

impl Drop for Use {
    fn drop(&mut self) {
        self.0.0.in_use.fetch_sub(1, Ordering::SeqCst);
        self.0.show();
        self.0.0.returned.notify_waiters();
    }
}

#[derive(Debug)]
pub(super) struct Wait {
    meter: Meter,
    since: Instant,
}

impl Drop for Wait {
    fn drop(&mut self) {
        let host = self.meter.0.host.clone();
        histogram!(WAIT, BACKEND => "redshift", HOST => host).record(self.since.elapsed());
        self.meter.0.waiting.fetch_sub(1, Ordering::SeqCst);
        self.meter.show();
    }
}
