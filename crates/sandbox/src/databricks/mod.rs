//! A Databricks workspace on loopback: REST in front, DataFusion and delta-rs behind.
//!
//! Top to bottom: `front -> api -> statement -> engine -> sql`, with `error` beside the bottom.

mod engine;
mod error;
mod quirks;
mod sql;
mod statement;
