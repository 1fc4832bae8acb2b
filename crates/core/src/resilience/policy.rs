//! The one thing that repeats a call.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Attempt, Backoff, BreakerOptions, BreakerState, BudgetOptions, Limiter, Operation, Rate, Refusal, Registry,
    Withdrawal, registry::Shared,
};
use crate::{
    Effect, Error, ErrorKind, Fault, FaultClass, Result,
    telemetry::metric::{self, Labels},
};

/// Repeats calls, waits between them and gives up, as the [module](super) says. Cheap to clone; clones share everything.
///
/// ```
/// use twinhouse_core::resilience::{Operation, Policy};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> twinhouse_core::Result<()> {
/// let policy = Policy::builder().server("example", "localhost").max_attempts(3).build();
/// let answer = policy.execute(Operation::read("answer"), |attempt| async move { Ok(41 + attempt.number) }).await?;
/// assert_eq!(answer, 42);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Policy(Arc<Inner>);

struct Inner {
    backend: &'static str,
    host: Arc<str>,
    registry: Registry,
    max_attempts: u32,
    attempt_timeout: Duration,
    max_wait: Duration,
    backoff: Backoff,
    budget: BudgetOptions,
    breaker: BreakerOptions,
    rate: Rate,
    rates: Vec<(&'static str, Rate)>,
    random: Mutex<fastrand::Rng>,
}

/// What a call has been through so far; it outlives the attempt that a deadline or a cancel cuts off.
#[derive(Default)]
struct History {
    attempts: u32,
    in_flight: bool,
    /// True once any attempt may have had an effect: a later, harmless failure does not undo it.
    tainted: bool,
    last: Option<Error>,
}

impl History {
    fn effect(&self) -> Effect {
        if self.tainted || self.in_flight { Effect::Unknown } else { Effect::None }
    }

    /// Signs the error that the caller will see.
    fn sign(&self, mut error: Error, operation: &Operation) -> Error {
        let mut fault = error.fault();
        if self.tainted && fault.effect == Effect::None {
            fault.effect = Effect::Unknown;
            error = error.with_fault(fault);
        }
        // An error that was retried below keeps the count of the layer that did the work.
        let attempts = self.attempts.max(error.attempts());
        error.with_attempts(attempts).with_operation(operation.name)
    }
}

impl Policy {
    /// A policy to be configured; it is complete as it stands.
    pub fn builder() -> PolicyBuilder {
        PolicyBuilder::default()
    }

    /// Makes the call, and makes it again where that is safe and promises something.
    ///
    /// # Errors
    ///
    /// The error of the last attempt, with the number of attempts and the name of the operation. Beside it:
    /// [`ErrorKind::Timeout`] with the context `wait: attempt` or `wait: deadline`, [`ErrorKind::Cancelled`], and
    /// [`ErrorKind::Unavailable`] with the context `breaker: open` when the server is being left alone.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the attempt under way; places in queues, probes and unspent retries are given back.
    pub async fn execute<T, F, Fut>(&self, operation: Operation, mut call: F) -> Result<T>
    where
        F: FnMut(Attempt) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let began = Instant::now();
        let deadline = operation.end(began);
        let shared = self.shared(operation.class);
        let mut history = History::default();
        let result = tokio::select! {
            biased;
            () = cancelled(&operation) => Err(None),
            () = passed(deadline) => Err(Some(())),
            result = self.attempts(&operation, &shared, deadline, &mut history, &mut call) => Ok(result),
        };
        let result = match result {
            Ok(result) => result,
            Err(stop) => {
                let (error, class) = match stop {
                    None => (Error::new(ErrorKind::Cancelled, "the call was cancelled"), FaultClass::Permanent),
                    Some(()) => (
                        Error::new(ErrorKind::Timeout, "the deadline of the call has passed")
                            .with_context("wait", "deadline"),
                        FaultClass::Transient,
                    ),
                };
                let error = error.with_fault(Fault { class, effect: history.effect(), retry_after: None });
                Err(match history.last.take() {
                    Some(last) => error.with_source(last),
                    None => error,
                })
            }
        };
        let result = result.map_err(|error| history.sign(error, &operation));
        let outcome = result.as_ref().map_or_else(|error| error.kind().as_str(), |_| "ok");
        shared.labels.called(operation.name, outcome, began.elapsed());
        result
    }

    async fn attempts<T, F, Fut>(
        &self,
        operation: &Operation,
        shared: &Shared,
        deadline: Option<Instant>,
        history: &mut History,
        call: &mut F,
    ) -> Result<T>
    where
        F: FnMut(Attempt) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        shared.budget.deposit();
        let mut paid: Option<Withdrawal> = None;
        loop {
            shared.breaker.check().map_err(|refusal| refused(refusal, shared, history))?;
            let queued = Instant::now();
            let permit = shared.limiter.acquire().await;
            shared.labels.waited(metric::LIMITER_WAIT, queued.elapsed());
            let pass = shared.breaker.enter().map_err(|refusal| refused(refusal, shared, history))?;
            if pass.is_probe() {
                shared.labels.set(metric::BREAKER_STATE, BreakerState::HalfOpen.gauge());
            }

            if let Some(paid) = paid.take() {
                paid.spend();
                shared.labels.count(metric::RETRIES);
            }
            history.attempts += 1;
            history.in_flight = true;
            shared.labels.count(metric::ATTEMPTS);
            let limit = operation.attempt_timeout.unwrap_or(self.0.attempt_timeout);
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let timeout = left.map_or(limit, |left| left.min(limit));
            let attempt = Attempt { number: history.attempts, timeout, deadline };
            // The deadline has a timer of its own further out: this one says that the attempt, not the call, is over.
            let result = match tokio::time::timeout(limit, call(attempt)).await {
                Ok(result) => result,
                Err(_) => Err(attempt_timed_out(limit)),
            };
            history.in_flight = false;

            let error = match result {
                Ok(value) => {
                    teach(shared, |limiter| limiter.succeeded(permit));
                    settle(shared, pass, None);
                    return Ok(value);
                }
                Err(error) => error,
            };
            let fault = error.fault();
            if fault.class == FaultClass::Throttled {
                teach(shared, |limiter| limiter.throttled(permit));
                shared.labels.count(metric::THROTTLES);
            }
            settle(shared, pass, Some(fault.class));

            let wait = self.wait(&error, history.attempts);
            let late = deadline.is_some_and(|deadline| match Instant::now().checked_add(wait) {
                Some(next) => next >= deadline,
                None => true,
            });
            let late = late || wait > self.0.max_wait;
            if !may_repeat(&error, operation) || history.attempts >= self.0.max_attempts || late {
                return Err(error);
            }
            let Some(withdrawal) = shared.budget.withdraw() else {
                shared.labels.count(metric::RETRIES_REFUSED);
                return Err(error.with_context("retry budget", "empty"));
            };
            paid = Some(withdrawal);
            tracing::debug!(
                operation = operation.name,
                attempt = history.attempts,
                kind = error.kind().as_str(),
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "attempt failed, waiting to try again"
            );
            history.tainted |= fault.effect == Effect::Unknown;
            history.last = Some(error);
            tokio::time::sleep(wait).await;
        }
    }

    fn wait(&self, error: &Error, failed: u32) -> Duration {
        let mut random = self.0.random.lock().unwrap_or_else(PoisonError::into_inner);
        let jitter = self.0.backoff.draw(failed, &mut random);
        error.retry_after().map_or(jitter, |wish| wish.max(jitter))
    }

    fn shared(&self, class: &'static str) -> Arc<Shared> {
        let inner = &*self.0;
        let rate = inner.rates.iter().find(|(name, _)| *name == class).map_or(inner.rate, |(_, rate)| *rate);
        inner.registry.shared(inner.backend, &inner.host, class, (inner.budget, rate, inner.breaker))
    }
}

/// The rule of the module: a retry must promise something, must not multiply retries, and must be safe.
fn may_repeat(error: &Error, operation: &Operation) -> bool {
    let retried_below = error.attempts() > 1;
    error.is_retryable() && !retried_below && (operation.repeatable || error.fault().effect == Effect::None)
}

fn teach(shared: &Shared, lesson: impl FnOnce(&Limiter)) {
    let before = shared.limiter.rate();
    lesson(&shared.limiter);
    let after = shared.limiter.rate();
    if before != after {
        shared.labels.set(metric::LIMITER_RATE, after);
    }
    if after < before {
        let Labels { backend, host, class } = &shared.labels;
        tracing::warn!(backend, %host, class, before, after, "throttled: fewer calls a second from now on");
    }
}

fn settle(shared: &Shared, pass: super::Pass, fault: Option<FaultClass>) {
    let before = shared.breaker.state();
    pass.settle(fault);
    let after = shared.breaker.state();
    if before != after {
        shared.labels.set(metric::BREAKER_STATE, after.gauge());
        let Labels { backend, host, class } = &shared.labels;
        tracing::warn!(backend, %host, class, state = ?after, "circuit breaker changed state");
    }
}

fn refused(refusal: Refusal, shared: &Shared, history: &mut History) -> Error {
    shared.labels.count(metric::BREAKER_REFUSALS);
    let Labels { host, class, .. } = &shared.labels;
    let fault = Fault { retry_after: refusal.retry_after, ..Fault::transient(history.effect()) };
    let error = Error::new(ErrorKind::Unavailable, "the server has failed repeatedly and is left alone for a while")
        .with_fault(fault)
        .with_context("breaker", "open")
        .with_context("host", &**host)
        .with_context("class", *class);
    match history.last.take() {
        Some(last) => error.with_source(last),
        None => error,
    }
}

fn attempt_timed_out(limit: Duration) -> Error {
    Error::new(ErrorKind::Timeout, format!("no answer within {limit:?}"))
        .with_fault(Fault::transient(Effect::Unknown))
        .with_context("wait", "attempt")
}

async fn cancelled(operation: &Operation) {
    match &operation.cancel {
        Some(token) => token.cancelled().await,
        None => std::future::pending().await,
    }
}

async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("backend", &self.0.backend)
            .field("host", &self.0.host)
            .field("max_attempts", &self.0.max_attempts)
            .field("attempt_timeout", &self.0.attempt_timeout)
            .field("backoff", &self.0.backoff)
            .finish_non_exhaustive()
    }
}

/// Settings of a [`Policy`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PolicyBuilder {
    server: Option<(&'static str, Arc<str>)>,
    registry: Option<Registry>,
    max_attempts: u32,
    attempt_timeout: Duration,
    max_wait: Duration,
    backoff: Backoff,
    budget: BudgetOptions,
    breaker: BreakerOptions,
    rate: Rate,
    rates: Vec<(&'static str, Rate)>,
    seed: Option<u64>,
}

impl Default for PolicyBuilder {
    fn default() -> Self {
        Self {
            server: None,
            registry: None,
            max_attempts: 4,
            attempt_timeout: Duration::from_secs(60),
            max_wait: Duration::from_secs(300),
            backoff: Backoff::default(),
            budget: BudgetOptions::default(),
            breaker: BreakerOptions::default(),
            rate: Rate::default(),
            rates: Vec::new(),
            seed: None,
        }
    }
}

impl PolicyBuilder {
    /// The server that is called. Policies for the same server share budget, limiter and breaker through the process's
    /// registry; a policy without a server shares with its own clones only.
    pub fn server(mut self, backend: &'static str, host: impl Into<Arc<str>>) -> Self {
        self.server = Some((backend, host.into()));
        self
    }

    /// Looks for shared state here instead of in [`Registry::global`].
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// The most attempts of one call, the first included; at least one. Default 4.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// How long one attempt may take. Default 60 s.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// The wait between attempts. Default 100 ms, doubling up to 10 s, with full jitter.
    pub fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        self.backoff = Backoff::new(base, cap);
        self
    }

    /// The longest wait between attempts. A server that asks for more gets no further attempt: the error, with its
    /// wish, is returned at once. Default 5 min.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// How retries are paid for.
    pub fn budget(mut self, budget: BudgetOptions) -> Self {
        self.budget = budget;
        self
    }

    /// When the breaker opens and for how long.
    pub fn breaker(mut self, breaker: BreakerOptions) -> Self {
        self.breaker = breaker;
        self
    }

    /// The rate of classes of endpoints that have none of their own. Default [`Rate::UNLIMITED`].
    pub fn default_rate(mut self, rate: Rate) -> Self {
        self.rate = rate;
        self
    }

    /// The rate of one class of endpoints.
    pub fn rate(mut self, class: &'static str, rate: Rate) -> Self {
        self.rates.retain(|(name, _)| *name != class);
        self.rates.push((class, rate));
        self
    }

    /// Makes the jitter the same in every run, for tests.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The policy.
    pub fn build(self) -> Policy {
        let shares = self.server.is_some();
        let (backend, host) = self.server.unwrap_or(("none", Arc::from("none")));
        let registry = match self.registry {
            Some(registry) => registry,
            None if shares => Registry::global(),
            None => Registry::new(),
        };
        Policy(Arc::new(Inner {
            backend,
            host,
            registry,
            max_attempts: self.max_attempts,
            attempt_timeout: self.attempt_timeout,
            max_wait: self.max_wait,
            backoff: self.backoff,
            budget: self.budget,
            breaker: self.breaker,
            rate: self.rate,
            rates: self.rates,
            random: Mutex::new(self.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed)),
        }))
    }
}
