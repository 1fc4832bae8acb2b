#![doc = include_str!("../README.md")]

pub mod conformance;
#[cfg(feature = "transport")]
pub mod transport;

mod scripted;

pub use scripted::{Answer, Call, Received, Reply, ScriptedServer, ScriptedWarehouse, Sql};
