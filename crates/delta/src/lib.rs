#![doc = include_str!("../README.md")]

mod client;
mod table;

pub use client::DeltaClient;
pub use table::DeltaTable;
