#![doc = include_str!("../README.md")]

mod cluster;
mod config;
mod decode;
mod error;
mod load;
mod merge;
mod pool;
mod staging;
mod statement;
mod tables;
#[cfg(test)]
mod testing;
mod transaction;
mod warehouse;
mod wire;

pub use config::{RedshiftBuilder, RedshiftConfig, SslMode, StagingPrefix};
pub use warehouse::RedshiftWarehouse;
