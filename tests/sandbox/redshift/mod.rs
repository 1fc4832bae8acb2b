//! Redshift on the sandbox: what the contract does not reach.

mod copy;
mod credentials;
mod cursor;
mod files;
mod functions;
mod load_modes;
mod pool;
mod prepared;
mod query;
mod script;
mod support;
mod transaction;
mod types;
mod unload;
mod upsert;
