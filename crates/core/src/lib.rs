#![doc = include_str!("../README.md")]

pub mod config;
#[cfg(feature = "http")]
pub mod http;
pub mod resilience;
pub mod telemetry;
#[cfg(feature = "tls")]
pub mod tls;

mod error;
mod fault;
mod report;
mod secret;

pub use error::{Error, ErrorKind, Result};
pub use fault::{Effect, Fault, FaultClass};
pub use report::Report;
pub use secret::Secret;
