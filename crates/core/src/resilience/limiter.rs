//! How many calls a second one server gets from us.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

/// Steps from the floor back to the configured rate, and the least time between two of them.
const STEPS: f64 = 10.0;
const STEP_EVERY: Duration = Duration::from_secs(1);

/// Calls per second that a server is to get at most, how many may come at once, and what is left after throttling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    per_second: f64,
    burst: f64,
    floor: f64,
}

impl Rate {
    /// No limit, and nothing to adapt: waits for nobody and learns nothing.
    pub const UNLIMITED: Self = Self { per_second: f64::INFINITY, burst: f64::INFINITY, floor: f64::INFINITY };

    /// At most this many calls a second, as many of them at once, and never fewer than a twentieth.
    ///
    /// A rate that is not a positive number limits nothing, like [`UNLIMITED`](Self::UNLIMITED).
    pub fn per_second(calls: f64) -> Self {
        if !calls.is_finite() || calls <= 0.0 {
            return Self::UNLIMITED;
        }
        Self { per_second: calls, burst: calls.max(1.0), floor: calls / 20.0 }
    }

    /// How many calls may come at once after a quiet time; at least one.
    #[must_use]
    pub fn with_burst(mut self, calls: u32) -> Self {
        if self.is_limited() {
            self.burst = f64::from(calls.max(1));
        }
        self
    }

    /// The rate that throttling never goes below, in calls per second; at most the rate itself.
    #[must_use]
    pub fn with_floor(mut self, calls: f64) -> Self {
        if self.is_limited() && calls.is_finite() && calls > 0.0 {
            self.floor = calls.min(self.per_second);
        }
        self
    }

    fn is_limited(&self) -> bool {
        self.per_second.is_finite()
    }
}

impl Default for Rate {
    fn default() -> Self {
        Self::UNLIMITED
    }
}

/// A token bucket whose rate halves when the server throttles and comes back step by step.
///
/// Waiters are served in the order in which they came. A waiter that is dropped takes nothing with it.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    /// Held by the head of the queue while it waits for a token. A semaphore serves in order; the bucket's own lock
    /// is never held across a wait.
    head: Semaphore,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    rate: f64,
    filled_to: Instant,
    changed: Instant,
    /// Counts the cuts, so that answers to calls sent before a cut do not cut again.
    cuts: u64,
}

/// Leave to make one call, and a note of what the limiter knew when it gave it.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Permit {
    cuts: u64,
}

impl Limiter {
    /// A limiter with a full bucket, at its configured rate.
    pub fn new(rate: Rate) -> Self {
        let now = Instant::now();
        Self {
            rate,
            head: Semaphore::new(1),
            bucket: Mutex::new(Bucket {
                tokens: rate.burst,
                rate: rate.per_second,
                filled_to: now,
                changed: now,
                cuts: 0,
            }),
        }
    }

    /// Waits for leave to make one call.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up the place in the queue and takes no token.
    pub async fn acquire(&self) -> Permit {
        if !self.rate.is_limited() {
            return Permit { cuts: 0 };
        }
        // The semaphore is never closed; were it so, the order would be lost but not the rate.
        let _head = self.head.acquire().await.ok();
        loop {
            match self.take() {
                Ok(permit) => return permit,
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    fn take(&self) -> Result<Permit, Duration> {
        let mut bucket = self.bucket();
        self.fill(&mut bucket);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(Permit { cuts: bucket.cuts });
        }
        let wait = (1.0 - bucket.tokens) / bucket.rate;
        // A nanosecond more, because the division may have rounded down; a day at most, because the rate may be tiny.
        Err(Duration::from_secs_f64(wait.min(86_400.0)) + Duration::from_nanos(1))
    }

    /// The server asked to slow down: halves the rate, empties the bucket.
    ///
    /// Throttled answers to calls that were sent before the last cut say nothing new and are ignored.
    pub fn throttled(&self, permit: Permit) {
        if !self.rate.is_limited() {
            return;
        }
        let mut bucket = self.bucket();
        if permit.cuts != bucket.cuts {
            return;
        }
        self.fill(&mut bucket);
        bucket.rate = (bucket.rate / 2.0).max(self.rate.floor);
        bucket.tokens = bucket.tokens.min(0.0);
        bucket.cuts += 1;
        bucket.changed = bucket.filled_to;
    }

    /// The server answered: goes one step back towards the configured rate, at most once a second.
    pub fn succeeded(&self, permit: Permit) {
        if !self.rate.is_limited() {
            return;
        }
        let mut bucket = self.bucket();
        if permit.cuts != bucket.cuts || bucket.rate >= self.rate.per_second {
            return;
        }
        self.fill(&mut bucket);
        if bucket.filled_to.saturating_duration_since(bucket.changed) >= STEP_EVERY {
            bucket.rate = (bucket.rate + self.rate.per_second / STEPS).min(self.rate.per_second);
            bucket.changed = bucket.filled_to;
        }
    }

    /// Calls per second allowed at the moment; infinite without a limit.
    pub fn rate(&self) -> f64 {
        self.bucket().rate
    }

    fn fill(&self, bucket: &mut Bucket) {
        let now = Instant::now();
        let passed = now.saturating_duration_since(bucket.filled_to).as_secs_f64();
        // While the rate is cut, so is the burst.
        let room = (self.rate.burst * bucket.rate / self.rate.per_second).max(1.0);
        bucket.tokens = (bucket.tokens + passed * bucket.rate).min(room);
        bucket.filled_to = now;
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
