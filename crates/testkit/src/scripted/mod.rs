//! Things that answer from a script: a warehouse for users' own tests, and an HTTP server for the tests of backends.

mod http;
mod script;
mod server;
mod warehouse;

#[cfg(feature = "transport")]
pub(crate) use http::Ending;
pub use http::{Answer, Received};
#[cfg(feature = "transport")]
pub(crate) use script::Script;
pub use server::ScriptedServer;
pub use warehouse::{Call, Reply, ScriptedWarehouse, Sql};
