//! What a COPY did.

use std::time::Duration;

use super::LoadError;

/// What a COPY did. What the server does not tell is `None`, never a guess.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyReport {
    /// Rows that were added to the table.
    pub rows: Option<u64>,
    /// Files that were read.
    pub files: Option<u64>,
    /// Bytes of the files.
    pub bytes: Option<u64>,
    /// Rows that were left out, as [`CopyOption::MaxErrors`](super::CopyOption::MaxErrors) allows.
    pub rejected: Option<u64>,
    /// The first of them, at most 100.
    pub errors: Vec<LoadError>,
    /// The load's number on the server.
    pub query_id: Option<i64>,
    /// How long it took.
    pub elapsed: Duration,
}
