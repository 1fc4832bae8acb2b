//! Things that answer from a script: a warehouse for users' own tests, and an HTTP server for the tests of backends.

mod http;
mod server;
mod warehouse;

pub use http::{Answer, Received};
pub use server::ScriptedServer;
pub use warehouse::{Call, Reply, ScriptedWarehouse, Sql};
