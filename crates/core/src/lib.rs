//! Errors, secrets, resilience, configuration, telemetry and the shared HTTP client of Twinhouse.

pub mod resilience;
pub mod telemetry;

mod error;
mod fault;
mod report;
mod secret;

pub use error::{Error, ErrorKind, Result};
pub use fault::{Effect, Fault, FaultClass};
pub use report::Report;
pub use secret::Secret;
