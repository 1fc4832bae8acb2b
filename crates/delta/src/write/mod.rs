//! Writing a table: a few rows by one INSERT, more by way of staged files, each time as one version.
//!
//! A long stream can also be written [batch by batch](StreamWriter), each batch a version of its own.

mod builder;
mod insert;
mod plan;
mod report;
mod rows;
mod stream;

pub use builder::WriteBuilder;
pub use plan::{Warning, WritePlan};
pub use report::{Route, StreamReport, WriteReport};
pub use stream::StreamWriter;

pub(crate) use plan::describe_nulls_and_duplicates;
pub(crate) use rows::RowSource;
