//! A Databricks workspace on loopback: REST in front, DataFusion and delta-rs behind.
//!
//! Top to bottom: `front -> api -> jobs -> statement -> engine -> sql`, with `workspace` beside `engine` and `error`
//! beside the bottom; jobs refuse in the words of `api`.

mod api;
mod engine;
mod error;
mod front;
mod jobs;
mod quirks;
mod sql;
mod statement;
mod workspace;

pub(crate) use self::{
    front::{Front, FrontConfig},
    quirks::Quirks,
};
