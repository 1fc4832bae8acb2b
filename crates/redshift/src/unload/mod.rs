//! UNLOAD: the rows of a query as files in S3, written by the server itself.
//!
//! [`UnloadCommand`] is the grammar, typed. [`stream`](crate::RedshiftWarehouse::unload_stream) reads the files back as
//! batches, for results that are too large for the wire.

mod command;
mod manifest;
mod option;
mod query;
mod run;
mod select;
mod stream;

#[cfg(test)]
mod tests;

pub(crate) use self::run::unload;
pub use self::{
    command::UnloadCommand,
    manifest::{UnloadManifest, UnloadedFile},
    option::{UnloadFormat, UnloadOption},
    run::UnloadReport,
};
