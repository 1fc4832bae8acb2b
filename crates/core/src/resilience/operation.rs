//! What is called, whether it may be sent twice, and how long the caller will wait.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// One call as the caller sees it: a name, whether it may be sent twice, and when to stop.
#[derive(Clone, Debug)]
#[must_use]
pub struct Operation {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) repeatable: bool,
    pub(super) deadline: Option<Instant>,
    pub(super) timeout: Option<Duration>,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) cancel: Option<CancellationToken>,
}

impl Operation {
    /// The class of endpoints of an operation that names none.
    pub const DEFAULT_CLASS: &'static str = "default";

    /// A call that may be sent twice without harm: a read, or a write that says the same thing each time.
    pub fn read(name: &'static str) -> Self {
        Self::new(name, true)
    }

    /// A call that is repeated only when the server certainly did nothing.
    pub fn write(name: &'static str) -> Self {
        Self::new(name, false)
    }

    fn new(name: &'static str, repeatable: bool) -> Self {
        Self {
            name,
            class: Self::DEFAULT_CLASS,
            repeatable,
            deadline: None,
            timeout: None,
            attempt_timeout: None,
            cancel: None,
        }
    }

    /// Ends the whole call, waits included, at this moment.
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Ends the whole call, waits included, this long after it began. The earlier of this and the deadline counts.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Ends each attempt of this call after this long, in place of the policy's own limit.
    pub fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// Ends the call when the token is cancelled.
    pub fn with_cancel(mut self, cancel: CancellationToken) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// The class of endpoints whose limiter, budget and breaker this call uses.
    pub fn with_class(mut self, class: &'static str) -> Self {
        self.class = class;
        self
    }

    /// The name, for example `statement.status`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// True if it may be sent twice without harm.
    pub fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    /// The end of the call, counted from now.
    pub(super) fn end(&self, now: Instant) -> Option<Instant> {
        // A time-out too long for the clock is no time-out.
        let timeout = self.timeout.and_then(|timeout| now.checked_add(timeout));
        match (self.deadline, timeout) {
            (Some(deadline), Some(timeout)) => Some(deadline.min(timeout)),
            (deadline, timeout) => deadline.or(timeout),
        }
    }
}

/// What one attempt may know about itself.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// Counts from 1.
    pub number: u32,
    /// How long this attempt may take: the attempt time-out, or what is left until the deadline if that is less.
    pub timeout: Duration,
    /// The end of the whole call.
    pub deadline: Option<Instant>,
}
