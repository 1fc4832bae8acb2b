//! Errors, secrets, resilience, configuration, telemetry and the shared HTTP client of Twinhouse.

pub mod http;
pub mod resilience;
pub mod telemetry;
pub mod tls;

mod error;
mod fault;
mod report;
mod secret;

pub use error::{Error, ErrorKind, Result};
pub use fault::{Effect, Fault, FaultClass};
pub use report::Report;
pub use secret::Secret;
