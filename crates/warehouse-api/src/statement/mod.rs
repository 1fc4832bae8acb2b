//! Statements: the request, its state on the server, and the handle that waits for it, reads it or stops it.

mod driver;
mod handle;
mod request;
mod status;
mod submit;
#[cfg(test)]
mod tests;

pub use driver::StatementDriver;
pub use handle::{Canceller, StatementHandle};
pub use request::{CallOptions, Intent, OnDrop, StatementRequest};
pub use status::{StatementId, StatementStatus};
pub use submit::{submit_in_task, submit_watched};
