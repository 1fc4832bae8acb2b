//! Things that answer from a script: a warehouse for users' own tests, and an HTTP server for the tests of backends.

mod http;
mod server;

pub use http::{Answer, Received};
pub use server::ScriptedServer;
