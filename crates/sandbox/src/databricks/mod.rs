//! A Databricks workspace on loopback: REST in front, DataFusion and delta-rs behind.
//!
//! Top to bottom: `front -> api -> statement -> engine -> sql`, with `error` beside the bottom.

mod api;
mod engine;
mod error;
mod front;
mod quirks;
mod sql;
mod statement;

pub(crate) use self::{
    front::{Front, FrontConfig},
    quirks::Quirks,
};
