#![doc = include_str!("../README.md")]

pub mod config;
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
