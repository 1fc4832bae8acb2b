//! COPY: files of S3 and of other sources into a table, by the server itself.
//!
//! [`CopyCommand`] is the grammar, typed; what the server would refuse, or would silently read in another way, is refused
//! before it is sent. [`run`] carries one out and brings back what the server wrote down about it.

mod check;
mod command;
mod errors;
mod manifest;
mod option;
mod report;
mod role;
mod run;
mod source;

#[cfg(test)]
mod tests;

pub use self::{
    command::CopyCommand,
    errors::{LoadError, LoadErrorFilter},
    manifest::{CopyManifest, ManifestFile},
    option::{Compression, CopyFormat, CopyOption, Encoding, FieldMapping, Presence, Simplify},
    report::CopyReport,
    role::Role,
    source::CopySource,
};
pub(crate) use self::{
    errors::{Sought, look},
    source::s3_url,
};
