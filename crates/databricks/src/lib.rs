#![doc = include_str!("../README.md")]

pub mod dbfs;
pub mod files;
pub mod jobs;
pub mod sql;
pub mod streaming;
pub mod unity;
pub mod warehouses;
pub mod workspace;

mod api;
mod client;
mod config;
mod error;
mod load;
mod merge;
mod setters;
mod statement;
mod tables;
mod types;
mod warehouse;
mod wire;
mod words;

pub use client::DatabricksClient;
pub use config::{DatabricksBuilder, DatabricksConfig, EndpointFamily, ResultRoute};
pub use twinhouse_auth::sources::{azure::AzureCloud, google::GoogleEndpoints};
pub use twinhouse_core::resilience::Rate;
pub use warehouse::DatabricksWarehouse;

/// The guides to this crate, so that their examples compile.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../docs/configuration.md")]
    struct Configuration;
    #[doc = include_str!("../../../docs/files.md")]
    struct Files;
    #[doc = include_str!("../../../docs/jobs.md")]
    struct Jobs;
    #[doc = include_str!("../../../docs/sql.md")]
    struct Sql;
    #[doc = include_str!("../../../docs/unity-catalog.md")]
    struct UnityCatalog;
}
