//! Sessions on the server, kept and handed out: each to one user at a time, clean, and never with somebody's query on it.

mod checkout;
mod meter;
#[expect(clippy::module_inception, reason = "the pool is what the folder is about")]
mod pool;
pub(crate) mod session;
mod sessions;
#[cfg(test)]
mod tests;

pub(crate) use checkout::Checkout;
pub(crate) use meter::{Life, Meter, Reason};
pub(crate) use pool::Pool;
pub use pool::PoolStatus;
pub(crate) use session::{Answer, Extras, Session};
pub(crate) use sessions::{Pooled, Sessions};
