//! The JSON of the service, as it is sent and as it comes.
//!
//! What comes is read tolerantly: fields that are zero may be missing, numbers may be text, and every enumeration is
//! open.

mod catalog;
mod dbfs;
mod files;
mod number;
mod statement;
mod workspace;

pub(crate) use catalog::{Column, Schema, Table};
pub(crate) use dbfs::{DbfsCreated, DbfsEntry, DbfsListing, DbfsRead};
pub(crate) use files::{AbortLink, DirectoryItem, PartLinks, PresignedUrl, ResumableLink, UploadBegun, UploadedPart};
pub(crate) use number::{count, nullable};
pub(crate) use statement::{
    ExecuteStatement, ExternalLink, Manifest, OpenSession, OpenedSession, Parameter, ResultColumn, ResultData,
    Statement, StatementState as State, Status, StatusError, Tag,
};
pub(crate) use workspace::{ExportedObject, ImportObject, ObjectListing, WorkspaceObject};

pub use statement::StatementState;
