//! Statements: from the request to rows that stream, and the means to stop them on the way.

mod control;
mod driver;
mod lease;
mod parameter;
pub(crate) mod plan;
mod position;
mod rows;
pub(crate) mod text;

#[cfg(test)]
mod tests;

pub(crate) use control::{Control, Running};
pub(crate) use driver::{send, submit};
pub(crate) use lease::{Home, Lease};
pub(crate) use plan::Plan;
pub(crate) use position::Source;
pub(crate) use rows::Started;
