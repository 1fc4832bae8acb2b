//! The one error of every public edge: what it is, whether another try is worth it, what may have happened.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use crate::fault::{Effect, Fault, FaultClass};

/// `Result` with the [`Error`] of this project.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Arc<dyn std::error::Error + Send + Sync + 'static>;

/// What went wrong, to match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is missing, malformed or contradicts another. Nothing was sent.
    Config,
    /// The request cannot be carried out as written: a bad value, a bad option, a schema that does not fit.
    InvalidInput,
    /// The SQL text does not parse or refers to something of the wrong shape.
    Syntax,
    /// This backend, as configured, does not do this. Nothing was sent.
    Unsupported,
    /// The server does not know who we are: a wrong, expired or missing credential.
    Unauthenticated,
    /// The server knows who we are and refuses.
    PermissionDenied,
    /// A table, column, schema, catalog, file, statement or warehouse that does not exist.
    NotFound,
    /// Something of that name exists already.
    AlreadyExists,
    /// Another writer got there first. Repeating the whole unit of work may succeed.
    Conflict,
    /// A constraint of the table refused the rows.
    Constraint,
    /// A value did not fit, or could not be read, where the data is.
    Data,
    /// The server asked us to slow down.
    RateLimited,
    /// The server, or the road to it, is not there at the moment.
    Unavailable,
    /// The connection was lost or never made.
    Connection,
    /// A wait ran out; the context says which.
    Timeout,
    /// Somebody stopped it: the caller, an operator or the server.
    Cancelled,
    /// A quota, a disk or a memory limit is used up.
    ResourceExhausted,
    /// The server answered with something that is not of the protocol.
    Protocol,
    /// A defect, here or on the server.
    Internal,
}

impl ErrorKind {
    /// The name as it stands in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::InvalidInput => "invalid input",
            Self::Syntax => "syntax",
            Self::Unsupported => "unsupported",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission denied",
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::Conflict => "conflict",
            Self::Constraint => "constraint",
            Self::Data => "data",
            Self::RateLimited => "rate limited",
            Self::Unavailable => "unavailable",
            Self::Connection => "connection",
            Self::Timeout => "time-out",
            Self::Cancelled => "cancelled",
            Self::ResourceExhausted => "resource exhausted",
            Self::Protocol => "protocol",
            Self::Internal => "internal",
        }
    }

    /// The fault assumed where nobody said otherwise: the cautious reading of the kind.
    fn default_fault(self) -> Fault {
        match self {
            Self::RateLimited => Fault::throttled(None),
            Self::Unavailable | Self::Connection | Self::Timeout => Fault::transient(Effect::Unknown),
            Self::Internal | Self::Protocol => Fault { effect: Effect::Unknown, ..Fault::PERMANENT },
            _ => Fault::PERMANENT,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error that answers three questions: [what kind](Self::kind), [is another try worth it, and what may the
/// server have done](Self::fault), and [where it happened](Self::context).
///
/// `Display` says this layer only; [`Report`](crate::Report) prints the whole chain.
///
/// ```
/// use twinhouse_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::NotFound, "no such table").with_context("table", "main.sales.orders");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.to_string(), "no such table (table: main.sales.orders)");
/// assert!(!error.is_retryable());
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    fault: Fault,
    context: Vec<(&'static str, String)>,
    operation: Option<&'static str>,
    sqlstate: Option<String>,
    vendor_code: Option<String>,
    request_id: Option<String>,
    statement_id: Option<String>,
    attempts: u32,
    source: Option<Source>,
}

impl Error {
    /// An error of this kind. The message is lower case, has no full stop and carries no secret.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            fault: kind.default_fault(),
            context: Vec::new(),
            operation: None,
            sqlstate: None,
            vendor_code: None,
            request_id: None,
            statement_id: None,
            attempts: 0,
            source: None,
        }))
    }

    /// A wish that this backend, as configured, does not fulfil. Nothing was sent.
    pub fn unsupported(backend: &'static str, wish: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unsupported, wish).with_context("backend", backend)
    }

    /// A setting that is missing or wrong: which, where it came from, and what was wanted.
    pub fn bad_setting(setting: &str, origin: &str, wish: &str) -> Self {
        Self::new(ErrorKind::Config, format!("`{setting}` must be {wish}"))
            .with_context("setting", setting)
            .with_context("from", origin)
    }

    /// Says whether another try is worth it and what may have happened already.
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.0.fault = fault;
        self
    }

    /// Adds a fact the reader can act on: which host, table, column, setting.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.0.context.push((key, value.into()));
        self
    }

    /// Names the operation that failed, unless a lower layer did already.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// The five-character SQLSTATE.
    #[must_use]
    pub fn with_sqlstate(mut self, sqlstate: impl Into<String>) -> Self {
        self.0.sqlstate = Some(sqlstate.into());
        self
    }

    /// The vendor's own word for it: `error_code`, an error class, a COPY error number.
    #[must_use]
    pub fn with_vendor_code(mut self, code: impl Into<String>) -> Self {
        self.0.vendor_code = Some(code.into());
        self
    }

    /// The server's id of the request.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.request_id = Some(id.into());
        self
    }

    /// The statement that failed.
    #[must_use]
    pub fn with_statement_id(mut self, id: impl Into<String>) -> Self {
        self.0.statement_id = Some(id.into());
        self
    }

    /// How many times the call was tried in all.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// The cause. It appears in [`Report`](crate::Report), not in this error's own text.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether another try is worth it, and what may have happened already.
    pub fn fault(&self) -> Fault {
        self.0.fault
    }

    /// True if the same call may succeed later: the fault is not permanent. Whether it may be *repeated* depends
    /// on the caller's operation too; [`Policy`](crate::resilience::Policy) decides that.
    pub fn is_retryable(&self) -> bool {
        self.0.fault.class != FaultClass::Permanent
    }

    /// How long the server asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.fault.retry_after
    }

    /// The message alone, without context.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The facts that were attached, in order.
    pub fn contexts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.context.iter().map(|(key, value)| (*key, value.as_str()))
    }

    /// The first fact attached under this key.
    pub fn context(&self, key: &str) -> Option<&str> {
        self.0.context.iter().find(|(k, _)| *k == key).map(|(_, value)| value.as_str())
    }

    /// The operation that failed, for example `statement.submit`.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The SQLSTATE, where the server gave one.
    pub fn sqlstate(&self) -> Option<&str> {
        self.0.sqlstate.as_deref()
    }

    /// The vendor's own code, where the server gave one.
    pub fn vendor_code(&self) -> Option<&str> {
        self.0.vendor_code.as_deref()
    }

    /// The server's id of the request, to quote to the vendor's support.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The statement that failed.
    pub fn statement_id(&self) -> Option<&str> {
        self.0.statement_id.as_deref()
    }

    /// How many times the call was tried; 0 where no policy was involved.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let ids = [
            ("sqlstate", &self.0.sqlstate),
            ("code", &self.0.vendor_code),
            ("statement", &self.0.statement_id),
            ("request", &self.0.request_id),
        ];
        let facts = self.0.context.iter().map(|(key, value)| (*key, value.as_str()));
        let ids = ids.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)));
        let mut separator = " (";
        for (key, value) in facts.chain(ids) {
            write!(f, "{separator}{key}: {value}")?;
            separator = ", ";
        }
        if separator == ", " { f.write_str(")") } else { Ok(()) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.0.kind).field("message", &self.0.message).field("fault", &self.0.fault);
        if let Some(operation) = self.0.operation {
            out.field("operation", &operation);
        }
        if !self.0.context.is_empty() {
            out.field("context", &self.0.context);
        }
        for (name, value) in [
            ("sqlstate", &self.0.sqlstate),
            ("vendor_code", &self.0.vendor_code),
            ("request_id", &self.0.request_id),
            ("statement_id", &self.0.statement_id),
        ] {
            if let Some(value) = value {
                out.field(name, value);
            }
        }
        if self.0.attempts > 0 {
            out.field("attempts", &self.0.attempts);
        }
        if let Some(source) = &self.0.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Report;

    #[test]
    fn an_error_is_one_word_wide_and_cheap_to_clone() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        let error = Error::new(ErrorKind::Connection, "connection lost").with_source(std::io::Error::other("reset"));
        assert_eq!(error.clone().to_string(), error.to_string());
    }

    #[test]
    fn display_says_this_layer_and_the_report_says_the_chain() {
        let error = Error::new(ErrorKind::Connection, "could not connect")
            .with_context("host", "localhost")
            .with_source(std::io::Error::other("refused"));
        assert_eq!(error.to_string(), "could not connect (host: localhost)");
        assert_eq!(Report(&error).to_string(), "could not connect (host: localhost): refused");
    }

    #[test]
    fn a_lost_connection_may_have_had_an_effect_unless_someone_knows_better() {
        let lost = Error::new(ErrorKind::Connection, "lost");
        assert_eq!(lost.fault().effect, Effect::Unknown);
        assert!(lost.is_retryable());
        assert!(!Error::new(ErrorKind::Syntax, "no").is_retryable());
    }
}
