//! A real PostgreSQL server that the sandbox finds, initialises, starts, watches and stops.
//!
//! It listens on a Unix socket in a folder of its own, with a password, and ends with this process whatever
//! happens: a clean stop, a panic, or `SIGKILL`.

mod find;
mod identity;
mod server;
mod supervise;
mod template;
#[cfg(test)]
mod tests;

pub(crate) use server::{Postgres, PostgresAddress, PostgresOptions};
