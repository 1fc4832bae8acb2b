#![doc = include_str!("../README.md")]

mod access;
mod aws;
mod databricks;
mod environment;
mod faults;
mod fronts;
mod lifecycle;
mod options;
mod postgres;
mod redshift;
mod s3;
mod sandbox;
mod statement_log;
mod status;
#[cfg(test)]
mod testing;
mod tls;

pub use access::{AwsAccess, DatabricksAccess, RedshiftAccess, S3Store};
pub use faults::{FaultKind, FaultReport, FaultRule, FaultSchedule, Faults, Front, ScheduledFault, When};
pub use options::{Quirk, SandboxOptions};
pub use sandbox::Sandbox;
pub use status::Snippet;
