//! The PostgreSQL wire, version 3.0, as Redshift speaks it.
//!
//! Results are asked for column by column as text or binary (see `docs/adr/0002-redshift-wire.md`), messages are read by
//! whoever waits for them, and nothing is read ahead: a slow reader slows the server down.

pub(crate) mod auth;
pub(crate) mod cancel;
pub(crate) mod connect;
pub(crate) mod connection;
pub(crate) mod message;
pub(crate) mod tls;

#[cfg(test)]
pub(crate) mod script;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

pub(crate) use cancel::CancelKey;
pub(crate) use connect::Connector;
pub use connection::Notice;
pub(crate) use connection::{Connection, TransactionState};
