//! One statement, watched from its submission to its last row.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use metrics::histogram;
use tokio::time::Instant;
use tracing::Span;

use super::{
    metric::{BACKEND, OUTCOME, STATEMENT_SECONDS},
    span,
};

/// The outcome of a statement for whose results nobody waited.
const DROPPED: &str = "dropped";

/// Watches one statement: opens its span, and when dropped writes down how it ended, how much came and how long it took.
#[derive(Debug)]
pub struct StatementWatch {
    backend: &'static str,
    span: Span,
    began: Instant,
    outcome: Mutex<&'static str>,
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl StatementWatch {
    /// Begins now. The text is hashed, never kept.
    pub fn new(backend: &'static str, sql: &str) -> Self {
        let (rows, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let (span, outcome) = (span::statement(backend, sql), Mutex::new(DROPPED));
        Self { backend, span, began: Instant::now(), outcome, rows, bytes }
    }

    /// What everything that is done for the statement is done in.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// The server has given it this id.
    pub fn named(&self, id: &str) {
        self.span.record("statement_id", id);
    }

    /// These rows came.
    pub fn read(&self, rows: u64, bytes: u64) {
        self.rows.fetch_add(rows, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// It came to this: `ok`, or the name of an error's kind. The last word counts.
    pub fn came_to(&self, outcome: &'static str) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
    }
}

impl Drop for StatementWatch {
    fn drop(&mut self) {
        let outcome = *self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        self.span.record("rows", self.rows.load(Relaxed));
        self.span.record("bytes", self.bytes.load(Relaxed));
        self.span.record("outcome", outcome);
        histogram!(STATEMENT_SECONDS, BACKEND => self.backend, OUTCOME => outcome).record(self.began.elapsed());
    }
}
