//! Redshift on the sandbox: what the contract does not reach.

mod credentials;
mod cursor;
mod functions;
mod pool;
mod prepared;
mod query;
mod script;
mod support;
mod transaction;
mod types;
