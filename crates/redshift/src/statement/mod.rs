//! Statements: from the request to rows that stream, and the means to stop them on the way.

mod control;
mod driver;
mod history;
mod lease;
mod parameter;
pub(crate) mod plan;
mod position;
mod rows;
pub(crate) mod text;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

pub(crate) use control::{Control, Running};
pub(crate) use driver::{extras, send, submit, submit_plan};
pub use history::StatementProgress;
pub(crate) use history::{attach, progress};
pub(crate) use lease::{Home, Lease};
pub(crate) use parameter::{text as value_text, type_oid};
pub(crate) use plan::Plan;
pub(crate) use position::Source;
pub(crate) use rows::{Page, Started};
