//! UNLOAD to S3: the engine's COPY TO STDOUT, taken inside the client's own session and transaction, written as files.
//!
//! Two slices write; files appear when all of them are complete.

mod cells;
mod files;
mod manifest;
mod options;
mod parquet;
mod run;
mod text;

pub(super) use self::options::UnloadStatement;
