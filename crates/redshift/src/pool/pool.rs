//! The pool itself: hands sessions out, keeps some ready, and ends those that had their time.

use std::{
    fmt,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use deadpool::managed::{self, PoolError, TimeoutType, Timeouts};
use futures::future::join_all;
use tokio::{runtime::Handle, time::timeout};
use twinhouse_core::{Error, ErrorKind, Result};

use super::{Checkout, Meter, Pooled, Reason, Sessions};
use crate::{config::PoolOptions, error, settings::SessionSettings};

/// How long a session that nobody waits for may take to get clean.
pub(super) const CLEAN_UP: Duration = Duration::from_secs(10);
/// How often the pool is looked after, at most and at least.
const TENDING: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// Sessions on one server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool {
    inner: Arc<Inner>,
    settings: SessionSettings,
}

struct Inner {
    pool: managed::Pool<Sessions>,
    options: PoolOptions,
    meter: Meter,
    tended: OnceLock<()>,
    /// Held by whoever fills the pool: two at once would open twice what is missing.
    filling: tokio::sync::Mutex<()>,
    over: AtomicBool,
}

/// How many sessions there are, and how many callers want one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Sessions that are open.
    pub size: usize,
    /// Sessions that somebody uses, or that are being cleaned up after somebody.
    pub in_use: usize,
    /// Callers that wait for one.
    pub waiting: usize,
    /// The most there may be.
    pub max_size: usize,
    /// How many are kept open.
    pub min_size: usize,
}

impl PoolStatus {
    /// Sessions that are open and that nobody uses.
    pub fn idle(&self) -> usize {
        self.size.saturating_sub(self.in_use)
    }
}

impl Pool {
    pub(crate) fn new(sessions: Sessions, options: PoolOptions, meter: Meter) -> Result<Self> {
        let pool = managed::Pool::builder(sessions)
            .max_size(options.size)
            // The one used last goes first: the others get the rest that ends them.
            .queue_mode(managed::QueueMode::Lifo)
            .wait_timeout(Some(options.checkout))
            // Sessions keep their own limits, and say what went wrong: these are for a defect there.
            .create_timeout(Some(options.connect.saturating_add(CLEAN_UP)))
            .recycle_timeout(Some(options.recycle.saturating_add(CLEAN_UP)))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(|cause| Error::new(ErrorKind::Internal, "no pool of connections").with_source(cause))?;
        let inner = Arc::new(Inner {
            pool,
            options,
            meter,
            tended: OnceLock::new(),
            filling: tokio::sync::Mutex::default(),
            over: AtomicBool::new(false),
        });
        Ok(Self { inner, settings: SessionSettings::default() })
    }

    /// The same sessions, for calls that run with these settings.
    pub(crate) fn with_settings(&self, settings: SessionSettings) -> Self {
        Self { settings, ..self.clone() }
    }

    /// A session that is clean and alive.
    pub(crate) async fn checkout(&self) -> Result<Checkout> {
        self.tend();
        let mut checkout = self.inner.checkout().await?;
        checkout.wish(self.settings.clone());
        Ok(checkout)
    }

    /// Opens sessions until as many are there as are kept open.
    pub(crate) async fn warm_up(&self) -> Result<usize> {
        self.tend();
        self.inner.fill().await?;
        Ok(self.inner.meter.size())
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let Inner { options, meter, .. } = &*self.inner;
        PoolStatus {
            size: meter.size(),
            in_use: meter.in_use(),
            waiting: meter.waiting(),
            max_size: options.size,
            min_size: options.min,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.pool.is_closed()
    }

    /// Hands out no more sessions and says goodbye on those that nobody uses.
    pub(crate) async fn close(&self) {
        let idle = self.inner.take(|_| Some(Reason::Closed));
        self.inner.pool.close();
        join_all(idle.into_iter().map(goodbye)).await;
    }

    /// Waits for the sessions that are in use, so long at most.
    pub(crate) async fn drained(&self, limit: Duration) {
        if !limit.is_zero() && timeout(limit, self.inner.meter.all_returned()).await.is_err() {
            tracing::warn!(in_use = self.inner.meter.in_use(), ?limit, "sessions were still in use after the drain");
        }
        self.inner.over.store(true, Ordering::SeqCst);
    }

    /// Closed, and the time for what was in use has run out.
    pub(crate) fn is_over(&self) -> bool {
        self.inner.over.load(Ordering::SeqCst)
    }

    /// Sees to it that somebody looks after the sessions, from the first use on, for as long as there is a pool.
    fn tend(&self) {
        if self.inner.tended.get().is_some() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        self.inner.tended.get_or_init(|| drop(runtime.spawn(tend(Arc::downgrade(&self.inner)))));
    }
}

async fn tend(inner: Weak<Inner>) {
    let Some(options) = inner.upgrade().map(|inner| inner.options) else { return };
    let pause = (options.idle.min(options.lifetime) / 4).clamp(TENDING.0, TENDING.1);
    loop {
        tokio::time::sleep(pause).await;
        let Some(inner) = inner.upgrade() else { return };
        if inner.pool.is_closed() {
            return;
        }
        inner.reap().await;
        if let Err(error) = inner.fill().await {
            tracing::debug!(%error, "the pool could not be filled up");
        }
    }
}

impl Inner {
    async fn checkout(&self) -> Result<Checkout> {
        self.within(self.pool.timeouts()).await
    }

    async fn within(&self, limits: Timeouts) -> Result<Checkout> {
        let waiting = self.meter.waits();
        let got =
            self.pool.timeout_get(&limits).await.map_err(|error| match error {
                PoolError::Timeout(TimeoutType::Wait) => error::pool_wait("checkout", self.options.checkout)
                    .with_context("pool", self.options.size.to_string()),
                PoolError::Timeout(TimeoutType::Create) => error::pool_wait("connect", self.options.connect),
                PoolError::Timeout(TimeoutType::Recycle) => error::pool_wait("recycle", self.options.recycle),
                PoolError::Backend(error) => error,
                PoolError::Closed => error::closed(),
                other => Error::new(ErrorKind::Internal, "the pool gave no connection")
                    .with_context("why", other.to_string()),
            })?;
        drop(waiting);
        Ok(Checkout::new(got, self.meter.used()))
    }

    /// Takes those out of the pool that nobody uses and that must end.
    fn take(&self, mut ends: impl FnMut(&Pooled) -> Option<Reason>) -> Vec<Pooled> {
        let mut reasons = Vec::new();
        let taken = self.pool.retain(|pooled, _| match ends(pooled) {
            Some(reason) => {
                reasons.push(reason);
                false
            }
            None => true,
        });
        let mut taken = taken.removed;
        for (pooled, reason) in taken.iter_mut().zip(reasons) {
            pooled.life.ends(reason);
        }
        taken
    }

    /// Ends sessions that are too old, and those that lie unused beyond the number that is kept.
    async fn reap(&self) {
        let mut spare = self.meter.size().saturating_sub(self.options.min);
        let taken = self.take(|pooled| match pooled.outlived(&self.options)? {
            Reason::Idle if spare == 0 => None,
            reason => {
                spare = spare.saturating_sub(1);
                Some(reason)
            }
        });
        join_all(taken.into_iter().map(goodbye)).await;
    }

    /// Opens what is missing. Sessions at rest are held meanwhile, as the pool opens none while it has one to give; those
    /// in use are not waited for, or what is held would keep callers waiting.
    async fn fill(&self) -> Result<()> {
        let _one = self.filling.lock().await;
        let missing = self.options.min.saturating_sub(self.meter.size());
        if missing == 0 {
            return Ok(());
        }
        let at_rest = self.meter.size().saturating_sub(self.meter.in_use());
        let limits = Timeouts { wait: Some(Duration::ZERO), ..self.pool.timeouts() };
        let held = join_all((0..missing + at_rest).map(|_| self.within(limits))).await;
        let taken = |error: &Error| error.context("wait") == Some("checkout");
        held.into_iter().find_map(|got| got.err().filter(|error| !taken(error))).map_or(Ok(()), Err)
    }
}

async fn goodbye(mut pooled: Pooled) {
    let _ = timeout(CLEAN_UP, pooled.session.connection().goodbye()).await;
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.status()).finish()
    }
}
