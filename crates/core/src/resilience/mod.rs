//! Repeating calls, and knowing when not to.
//!
//! [`Policy::execute`] is the only thing in Twinhouse that repeats a call, for HTTP and for database connections alike.
//! From the outside in:
//!
//! ```text
//! cancel > deadline > for each attempt { breaker > limiter > breaker probe > attempt time-out > the call }
//!        > classify > teach limiter and breaker > pay from the retry budget > wait
//! ```
//!
//! A failed attempt is repeated if and only if its fault is not permanent, no policy further down has repeated it
//! already, and the caller said [`read`](Operation::read) or the server certainly did nothing
//! ([`Effect::None`](crate::Effect::None)). The wait is the longer of a jittered back-off and the server's own
//! `Retry-After`; if it would pass the deadline, the error is returned at once.
//!
//! Budget, limiter and breaker live in a [`Registry`], keyed by backend, host and class of endpoints, so that every
//! client of one server shares them.

mod backoff;
mod breaker;
mod budget;
mod limiter;
mod operation;
mod policy;
mod registry;

pub use backoff::Backoff;
pub use breaker::{Breaker, BreakerOptions, BreakerState, Pass, Refusal};
pub use budget::{Budget, BudgetOptions, Withdrawal};
pub use limiter::{Limiter, Permit, Rate};
pub use operation::{Attempt, Operation};
pub use policy::{Policy, PolicyBuilder};
pub use registry::Registry;
