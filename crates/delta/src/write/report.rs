//! What a write did.

use std::{fmt, time::Duration};

use twinhouse_warehouse_api::LoadToken;

/// By which way rows go into a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// In the text of one INSERT.
    Insert,
    /// In staged files that one statement reads.
    Staged,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Insert => "insert",
            Self::Staged => "staged",
        })
    }
}

/// What a write did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteReport {
    /// Rows that this call has written.
    pub rows: u64,
    /// Bytes of staged files, or of the INSERT's text.
    pub bytes: u64,
    /// Staged files.
    pub files: u64,
    /// By which way.
    pub route: Route,
    /// The name of the load, given or made up. `None` for an INSERT, which has none.
    pub token: Option<LoadToken>,
    /// True if the token had been written before: nothing was changed now.
    pub replayed: bool,
    /// The table's latest version right after the write. Of several writers at once each may see a later one than its
    /// own. `None` if it was not asked for or cannot be seen.
    pub version: Option<u64>,
    /// How long it took.
    pub elapsed: Duration,
}

/// What a batchwise write did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamReport {
    /// Rows that this call has written.
    pub rows: u64,
    /// Bytes of staged files.
    pub bytes: u64,
    /// Staged files.
    pub files: u64,
    /// Batches in all.
    pub batches: u64,
    /// Batches that had been written before, and were left alone.
    pub replayed: u64,
    /// The name of the whole. Its batches are `<token>.0`, `<token>.1` and so on.
    pub token: LoadToken,
    /// How long it took.
    pub elapsed: Duration,
}
