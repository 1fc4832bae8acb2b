//! Redshift on the sandbox: what the contract does not reach.

mod copy;
mod credentials;
mod cursor;
mod data_api;
mod explain;
mod files;
mod functions;
mod load_modes;
mod maintain;
mod metadata;
mod pool;
mod prepared;
mod query;
mod script;
mod spectrum;
mod statements;
mod support;
mod transaction;
mod types;
mod unload;
mod upsert;
mod views;
mod wlm;
