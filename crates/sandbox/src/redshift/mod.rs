//! The Redshift front: PostgreSQL's wire protocol, Redshift's rules, a real PostgreSQL behind.
//!
//! Requests are read, refused, rewritten or carried out here; results are forwarded as bytes.

mod access;
mod bulk;
mod catalog;
mod copy;
mod ddl;
mod edits;
mod exhibit;
mod front;
mod gate;
mod leader;
mod lexer;
mod logins;
mod membership;
mod options;
mod plan;
mod record;
mod relay;
mod report;
mod result;
mod rewrite;
mod session;
mod settings;
mod show;
mod startup;
mod statement;
mod storage;
#[cfg(test)]
mod tests;
mod unload;
mod upkeep;
mod views;
mod visitor;
mod wire;

pub(crate) use access::Grant;
pub(crate) use catalog::GROUP;
pub(crate) use front::{Front, FrontConfig};
pub(crate) use lexer::quote_literal;
pub(crate) use logins::{Logins, Temporary};
pub(crate) use storage::FileStorage;
pub(crate) use visitor::{Column, Door, Receiver, Refusal, StopKey, Visitor, substitute};
