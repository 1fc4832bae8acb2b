#![doc = include_str!("../README.md")]

mod connect;
#[cfg(all(feature = "databricks", feature = "delta"))]
mod delta_tables;
pub mod prelude;
#[cfg(feature = "sandbox")]
pub mod sandbox;

pub use connect::connect;
#[cfg(all(feature = "databricks", feature = "delta"))]
pub use delta_tables::DeltaTables;
pub use twinhouse_auth as auth;
pub use twinhouse_core::{Effect, Error, ErrorKind, Fault, FaultClass, Report, Result, Secret, resilience, telemetry};
#[cfg(feature = "databricks")]
pub use twinhouse_databricks as databricks;
#[cfg(feature = "delta")]
pub use twinhouse_delta as delta;
#[cfg(feature = "redshift")]
pub use twinhouse_redshift as redshift;
pub use twinhouse_warehouse_api::*;

/// The project's front page and the guides that use this crate, so that their examples compile.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    struct Front;
    #[doc = include_str!("../../../docs/redshift.md")]
    struct Redshift;
    #[doc = include_str!("../../../docs/testing.md")]
    struct Testing;
}
