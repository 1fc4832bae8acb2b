//! What a statement is asked to do, and how long it may take.

use std::time::Duration;

use tokio::time::Instant;

use crate::{params::Params, value::Value};

/// Whether a statement may be sent twice. The caller says so; nobody guesses it from the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    /// It changes nothing: it may be repeated.
    Read,
    /// It changes something: it is repeated only when the server certainly did nothing.
    Write,
}

/// What happens on the server to a statement whose handle or stream is dropped before its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnDrop {
    /// It is cancelled.
    #[default]
    Cancel,
    /// It goes on, and goes on billing.
    Detach,
}

/// How one call is to be carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallOptions {
    /// Whole call, from submission to the last row. Also sent to the server as the statement's own time-out where it
    /// has one. None: no limit.
    pub timeout: Option<Duration>,
    /// What becomes of the statement if it is abandoned.
    pub on_drop: OnDrop,
    /// A label that the server's own query history shows (a query tag, a query group).
    pub label: Option<String>,
}

impl CallOptions {
    /// Limits the whole call, from submission to the last row.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Says what becomes of the statement if it is abandoned.
    #[must_use]
    pub fn with_on_drop(mut self, on_drop: OnDrop) -> Self {
        self.on_drop = on_drop;
        self
    }

    /// Labels the statement in the server's query history.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// When the time of a call that begins now is up. A limit beyond the clock's own end is none.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timeout.and_then(|limit| Instant::now().checked_add(limit))
    }
}

/// One SQL statement with its parameters and options.
///
/// A plain `&str` turns into a read. `Debug` leaves out the text and the values.
///
/// ```
/// use twinhouse_warehouse_api::{Intent, StatementRequest};
///
/// let request = StatementRequest::read("select * from orders where region = :region").bind("region", "EU");
/// assert_eq!(request.intent(), Intent::Read);
/// ```
#[derive(Clone, PartialEq)]
pub struct StatementRequest {
    sql: String,
    intent: Intent,
    params: Params,
    options: CallOptions,
}

impl StatementRequest {
    /// A statement that changes nothing and may be sent twice.
    pub fn read(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), intent: Intent::Read, params: Params::new(), options: CallOptions::default() }
    }

    /// A statement that changes something: it is repeated only when the server certainly did nothing.
    pub fn write(sql: impl Into<String>) -> Self {
        Self { intent: Intent::Write, ..Self::read(sql) }
    }

    /// Binds one named parameter.
    #[must_use]
    pub fn bind(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.params = self.params.bind(name, value);
        self
    }

    /// Replaces all parameters.
    #[must_use]
    pub fn with_params(mut self, params: Params) -> Self {
        self.params = params;
        self
    }

    /// Replaces all options.
    #[must_use]
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Says whether it may be sent twice.
    #[must_use]
    pub fn with_intent(mut self, intent: Intent) -> Self {
        self.intent = intent;
        self
    }

    /// The text, with its `:name` markers.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// Whether it may be sent twice.
    pub fn intent(&self) -> Intent {
        self.intent
    }

    /// Its parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Its options.
    pub fn options(&self) -> &CallOptions {
        &self.options
    }
}

impl std::fmt::Debug for StatementRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatementRequest")
            .field("sql", &format_args!("{} bytes", self.sql.len()))
            .field("intent", &self.intent)
            .field("params", &self.params)
            .field("options", &self.options)
            .finish()
    }
}

impl From<&str> for StatementRequest {
    fn from(sql: &str) -> Self {
        Self::read(sql)
    }
}

impl From<String> for StatementRequest {
    fn from(sql: String) -> Self {
        Self::read(sql)
    }
}

impl From<&String> for StatementRequest {
    fn from(sql: &String) -> Self {
        Self::read(sql)
    }
}
