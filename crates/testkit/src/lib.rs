#![doc = include_str!("../README.md")]

pub mod conformance;

mod scripted;

pub use scripted::{Answer, Call, Received, Reply, ScriptedServer, ScriptedWarehouse, Sql};
