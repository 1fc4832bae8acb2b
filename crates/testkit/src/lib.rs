//! What tests of the Twinhouse contract are made of: a conformance suite, a scripted warehouse and a scripted server.

pub mod conformance;

mod scripted;

pub use scripted::{Answer, Call, Received, Reply, ScriptedServer, ScriptedWarehouse, Sql};
