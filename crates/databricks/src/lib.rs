#![doc = include_str!("../README.md")]

mod api;
mod config;
mod error;
mod load;
mod merge;
mod statement;
mod tables;
mod types;
mod warehouse;
mod wire;

pub use config::{DatabricksBuilder, DatabricksConfig, ResultRoute};
pub use warehouse::DatabricksWarehouse;
