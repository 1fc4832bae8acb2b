//! From the service's failures to ours: one table for error codes, one for statuses, one for what SQL says.

use std::{borrow::Cow, time::Duration};

use http::HeaderMap;
use serde_json::Value;
use twinhouse_core::{Effect, Error, ErrorKind, Fault, http::retry_after};

use crate::wire;

use self::What::{Lost, Permanent, Throttled, Transient};

/// How this backend is called.
pub(crate) const BACKEND: &str = "databricks";
/// The page that a workspace sends strangers of its network to.
const PRIVATE_LINK: &str = "/login.html?error=private-link-validation-error";
/// More of a server's message than this helps nobody.
const LONGEST_MESSAGE: usize = 2000;

/// A [`Fault`] without the server's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// It will fail again, and nothing was done.
    Permanent,
    /// It may succeed later, and nothing was done.
    Transient,
    /// It may succeed later; it may have been done.
    Lost,
    /// The server turned it away unseen.
    Throttled,
}

impl What {
    fn fault(self, retry_after: Option<Duration>) -> Fault {
        let fault = match self {
            Permanent => Fault::PERMANENT,
            Transient => Fault::transient(Effect::None),
            Lost => Fault::transient(Effect::Unknown),
            Throttled => Fault::throttled(None),
        };
        Fault { retry_after, ..fault }
    }
}

/// What the service calls it, over HTTP and in the status of a statement. It goes before the HTTP status.
#[rustfmt::skip]
const CODES: &[(&str, ErrorKind, What)] = &[
    ("ABORTED",                             ErrorKind::Conflict,          Transient),
    ("ALREADY_EXISTS",                      ErrorKind::AlreadyExists,     Permanent),
    ("BAD_REQUEST",                         ErrorKind::InvalidInput,      Permanent),
    ("CANCELLED",                           ErrorKind::Cancelled,         Permanent),
    ("CATALOG_ALREADY_EXISTS",              ErrorKind::AlreadyExists,     Permanent),
    ("DATA_LOSS",                           ErrorKind::Internal,          Permanent),
    ("DEADLINE_EXCEEDED",                   ErrorKind::Timeout,           Lost),
    ("ENDPOINT_NOT_FOUND",                  ErrorKind::NotFound,          Permanent),
    ("FEATURE_DISABLED",                    ErrorKind::Unsupported,       Permanent),
    ("INTERNAL_ERROR",                      ErrorKind::Internal,          Lost),
    ("INVALID_PARAMETER_VALUE",             ErrorKind::InvalidInput,      Permanent),
    ("INVALID_STATE",                       ErrorKind::InvalidInput,      Permanent),
    ("IO_ERROR",                            ErrorKind::Unavailable,       Lost),
    ("MALFORMED_REQUEST",                   ErrorKind::InvalidInput,      Permanent),
    ("NOT_FOUND",                           ErrorKind::NotFound,          Permanent),
    ("NOT_IMPLEMENTED",                     ErrorKind::Unsupported,       Permanent),
    // A part of it is done, and more calls do the rest: that is no failure of the service.
    ("PARTIAL_DELETE",                      ErrorKind::Unavailable,       Permanent),
    ("PERMISSION_DENIED",                   ErrorKind::PermissionDenied,  Permanent),
    ("QUOTA_EXCEEDED",                      ErrorKind::ResourceExhausted, Permanent),
    ("REQUEST_LIMIT_EXCEEDED",              ErrorKind::RateLimited,       Throttled),
    ("RESOURCE_ALREADY_EXISTS",             ErrorKind::AlreadyExists,     Permanent),
    ("RESOURCE_CONFLICT",                   ErrorKind::Conflict,          Permanent),
    ("RESOURCE_DOES_NOT_EXIST",             ErrorKind::NotFound,          Permanent),
    ("RESOURCE_EXHAUSTED",                  ErrorKind::RateLimited,       Throttled),
    ("ROUTINE_ALREADY_EXISTS",              ErrorKind::AlreadyExists,     Permanent),
    ("SCHEMA_ALREADY_EXISTS",               ErrorKind::AlreadyExists,     Permanent),
    ("SCHEMA_DOES_NOT_EXIST",               ErrorKind::NotFound,          Permanent),
    ("SCHEMA_NOT_FOUND",                    ErrorKind::NotFound,          Permanent),
    ("CATALOG_DOES_NOT_EXIST",              ErrorKind::NotFound,          Permanent),
    ("TABLE_ALREADY_EXISTS",                ErrorKind::AlreadyExists,     Permanent),
    ("TABLE_OR_VIEW_ALREADY_EXISTS",        ErrorKind::AlreadyExists,     Permanent),
    ("TABLE_DOES_NOT_EXIST",                ErrorKind::NotFound,          Permanent),
    ("SERVICE_UNDER_MAINTENANCE",           ErrorKind::Unavailable,       Lost),
    ("TEMPORARILY_UNAVAILABLE",             ErrorKind::Unavailable,       Lost),
    ("TOO_MANY_REQUESTS",                   ErrorKind::RateLimited,       Throttled),
    ("UNAUTHENTICATED",                     ErrorKind::Unauthenticated,   Permanent),
    ("UNKNOWN",                             ErrorKind::Internal,          Lost),
    ("VOLUME_ALREADY_EXISTS",               ErrorKind::AlreadyExists,     Permanent),
    ("WORKSPACE_TEMPORARILY_UNAVAILABLE",   ErrorKind::Unavailable,       Lost),
];

/// What an HTTP status says by itself. A row with a wish counts where the server sent `Retry-After`.
#[rustfmt::skip]
const STATUSES: &[(u16, Wish, ErrorKind, What)] = &[
    (400, Wish::Any,  ErrorKind::InvalidInput,      Permanent),
    (401, Wish::Any,  ErrorKind::Unauthenticated,   Permanent),
    (403, Wish::Any,  ErrorKind::PermissionDenied,  Permanent),
    (404, Wish::Any,  ErrorKind::NotFound,          Permanent),
    (405, Wish::Any,  ErrorKind::Unsupported,       Permanent),
    (408, Wish::Any,  ErrorKind::Timeout,           Lost),
    (409, Wish::Any,  ErrorKind::Conflict,          Permanent),
    (412, Wish::Any,  ErrorKind::Conflict,          Permanent),
    (413, Wish::Any,  ErrorKind::InvalidInput,      Permanent),
    (429, Wish::Any,  ErrorKind::RateLimited,       Throttled),
    (499, Wish::Any,  ErrorKind::Cancelled,         Permanent),
    (500, Wish::Any,  ErrorKind::Internal,          Lost),
    (501, Wish::Any,  ErrorKind::Unsupported,       Permanent),
    (502, Wish::Any,  ErrorKind::Unavailable,       Lost),
    // Without Retry-After a 503 does not say whether the request was begun.
    (503, Wish::Sent, ErrorKind::Unavailable,       Throttled),
    (503, Wish::Any,  ErrorKind::Unavailable,       Lost),
    (504, Wish::Any,  ErrorKind::Timeout,           Lost),
    (507, Wish::Any,  ErrorKind::ResourceExhausted, Permanent),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Sent,
    Any,
}

/// What the bracketed class at the head of a SQL message says; the first row whose text begins the class counts.
#[rustfmt::skip]
const CLASSES: &[(&str, ErrorKind, What)] = &[
    ("CATALOG_NOT_FOUND",                   ErrorKind::NotFound,          Permanent),
    ("COLUMN_NOT_FOUND",                    ErrorKind::NotFound,          Permanent),
    ("CONCURRENT_",                         ErrorKind::Conflict,          Transient),
    ("DELTA_CANNOT_RESTORE_",               ErrorKind::InvalidInput,      Permanent),
    ("DELTA_CDC_",                          ErrorKind::InvalidInput,      Permanent),
    ("DELTA_CONCURRENT_",                   ErrorKind::Conflict,          Transient),
    ("DELTA_INVALID_CDC_RANGE",             ErrorKind::InvalidInput,      Permanent),
    ("DELTA_METADATA_CHANGED",              ErrorKind::Conflict,          Transient),
    ("DELTA_MISSING_CHANGE_DATA",           ErrorKind::NotFound,          Permanent),
    ("DELTA_MULTIPLE_SOURCE_ROW_MATCHING",  ErrorKind::Conflict,          Permanent),
    ("DELTA_NON_PARTITION_COLUMN_REFERENCE", ErrorKind::InvalidInput,      Permanent),
    ("DELTA_NOT_NULL_CONSTRAINT_VIOLATED",  ErrorKind::Constraint,        Permanent),
    ("DELTA_OPTIMIZE_FULL_NOT_SUPPORTED",    ErrorKind::InvalidInput,      Permanent),
    ("DELTA_PROTOCOL_CHANGED",              ErrorKind::Conflict,          Transient),
    ("DELTA_REPLACE_WHERE_MISMATCH",        ErrorKind::Constraint,        Permanent),
    ("DELTA_TABLE_NOT_FOUND",               ErrorKind::NotFound,          Permanent),
    ("DELTA_TIMESTAMP_",                    ErrorKind::NotFound,          Permanent),
    ("DELTA_VERSION_NOT_FOUND",             ErrorKind::NotFound,          Permanent),
    ("DELTA_VIOLATE_CONSTRAINT",            ErrorKind::Constraint,        Permanent),
    ("DELTA_ZORDERING_",                    ErrorKind::InvalidInput,      Permanent),
    ("INSUFFICIENT_PERMISSIONS",            ErrorKind::PermissionDenied,  Permanent),
    ("NOT_NULL_CONSTRAINT_VIOLATION",       ErrorKind::Constraint,        Permanent),
    ("NO_SUCH_CATALOG",                     ErrorKind::NotFound,          Permanent),
    ("PARSE_",                              ErrorKind::Syntax,            Permanent),
    ("PATH_NOT_FOUND",                      ErrorKind::NotFound,          Permanent),
    ("QUERY_EXECUTION_TIMEOUT",             ErrorKind::Timeout,           Permanent),
    ("ROUTINE_NOT_FOUND",                   ErrorKind::NotFound,          Permanent),
    ("SCHEMA_ALREADY_EXISTS",               ErrorKind::AlreadyExists,     Permanent),
    ("SCHEMA_NOT_FOUND",                    ErrorKind::NotFound,          Permanent),
    ("TABLE_OR_VIEW_ALREADY_EXISTS",        ErrorKind::AlreadyExists,     Permanent),
    ("TABLE_OR_VIEW_NOT_FOUND",             ErrorKind::NotFound,          Permanent),
    ("UNBOUND_SQL_PARAMETER",               ErrorKind::InvalidInput,      Permanent),
    ("UNRESOLVED_COLUMN",                   ErrorKind::NotFound,          Permanent),
    ("UNRESOLVED_ROUTINE",                  ErrorKind::NotFound,          Permanent),
];

/// What a SQLSTATE says; the first row whose text begins it counts. It goes after the class and before the code.
#[rustfmt::skip]
const SQLSTATES: &[(&str, ErrorKind, What)] = &[
    ("0A",    ErrorKind::Unsupported,       Permanent),
    ("21",    ErrorKind::Data,              Permanent),
    ("22",    ErrorKind::Data,              Permanent),
    ("23",    ErrorKind::Constraint,        Permanent),
    ("2D521", ErrorKind::Conflict,          Transient),
    ("40",    ErrorKind::Conflict,          Transient),
    ("42501", ErrorKind::PermissionDenied,  Permanent),
    ("42703", ErrorKind::NotFound,          Permanent),
    ("42704", ErrorKind::NotFound,          Permanent),
    ("42710", ErrorKind::AlreadyExists,     Permanent),
    ("42883", ErrorKind::NotFound,          Permanent),
    ("42P01", ErrorKind::NotFound,          Permanent),
    ("42P06", ErrorKind::AlreadyExists,     Permanent),
    ("42P07", ErrorKind::AlreadyExists,     Permanent),
    ("42K03", ErrorKind::NotFound,          Permanent),
    ("42",    ErrorKind::Syntax,            Permanent),
    ("44",    ErrorKind::Constraint,        Permanent),
    ("53",    ErrorKind::ResourceExhausted, Permanent),
    ("54",    ErrorKind::ResourceExhausted, Permanent),
    ("57014", ErrorKind::Cancelled,         Permanent),
    ("08",    ErrorKind::Unavailable,       Lost),
    ("58",    ErrorKind::Unavailable,       Lost),
    ("XX",    ErrorKind::Internal,          Lost),
];

/// An answer with an error status.
pub(crate) fn from_answer(status: u16, headers: &HeaderMap, body: &[u8]) -> Error {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let said = match header("location").filter(|_| (300..400).contains(&status)) {
        Some(target) => Said::redirect(&target),
        None => Said::read(body),
    };
    let wish = retry_after(headers).or(said.retry_delay);
    let (kind, what) = classify(status, wish.is_some(), &said);
    let message = said.message.or_else(|| header("x-databricks-reason-phrase")).unwrap_or_default();
    let message = match tidy(&message) {
        Cow::Borrowed("") => Cow::Owned(format!("the service answered with status {status}")),
        text => text,
    };
    let mut error =
        Error::new(kind, message.into_owned()).with_fault(what.fault(wish)).with_context("status", status.to_string());
    if let Some(code) = said.code {
        error = error.with_vendor_code(code);
    }
    if let Some(reason) = said.reason {
        error = error.with_context("reason", reason);
    }
    if let Some(id) = header("x-request-id").or(said.request_id) {
        error = error.with_request_id(id);
    }
    error
}

fn classify(status: u16, wish: bool, said: &Said) -> (ErrorKind, What) {
    // The edge refuses an expired or wrong token with 403 and these words, not with 401.
    if status == 403 && said.message.as_deref().is_some_and(|text| text.contains("Invalid access token")) {
        return (ErrorKind::Unauthenticated, Permanent);
    }
    if status == 400 && said.code.as_deref() == Some("INVALID_PARAMETER_VALUE") && is_gone(said) {
        return (ErrorKind::NotFound, Permanent);
    }
    // A gateway's own word: what stands behind it did not see the request.
    if status == 429 || (status == 503 && wish) {
        return (if status == 429 { ErrorKind::RateLimited } else { ErrorKind::Unavailable }, Throttled);
    }
    let by_code =
        CODES.iter().find(|(code, ..)| said.code.as_deref() == Some(*code)).map(|(_, kind, what)| (*kind, *what));
    let by_status = || {
        let row = STATUSES.iter().find(|(known, needs, ..)| *known == status && (*needs == Wish::Any || wish));
        row.map(|(_, _, kind, what)| (*kind, *what))
    };
    // A code that says no more than that it failed leaves the word to a status that does.
    if status > 500 && matches!(by_code, Some((ErrorKind::Internal, _))) {
        return by_status().unwrap_or((ErrorKind::Unavailable, Lost));
    }
    by_code.or_else(by_status).unwrap_or(match status {
        500.. => (ErrorKind::Unavailable, Lost),
        400..500 => (ErrorKind::InvalidInput, Permanent),
        // A redirect leads to a log-in page or to another network's door; neither speaks this protocol.
        300..400 => (ErrorKind::PermissionDenied, Permanent),
        _ => (ErrorKind::Protocol, Permanent),
    })
}

/// A job, run or cluster that is not there: the service says that its id is an invalid value.
fn is_gone(said: &Said) -> bool {
    let text = said.message.as_deref().unwrap_or_default();
    let named = ["Job ", "Run ", "Run: ", "Cluster "].iter().any(|name| text.starts_with(name));
    named && (text.contains(" does not exist") || text.contains(" doesn't exist"))
}

/// A statement that failed: HTTP 200, with the failure in its status.
pub(crate) fn from_status(status: &wire::Status, statement: &str) -> Error {
    let failure = status.error.clone().unwrap_or_default();
    let text = failure.message.unwrap_or_default();
    let class = error_class(&text);
    let written = status.sql_state.clone().or(failure.sql_state).filter(|state| state.len() == 5);
    let sqlstate = written.or_else(|| sqlstate_in(&text).map(str::to_owned));
    let begins = |text: Option<&str>, row: &(&str, ErrorKind, What)| text.is_some_and(|text| text.starts_with(row.0));
    let code = failure.error_code.as_deref();
    let (kind, what) = CLASSES
        .iter()
        .find(|row| begins(class, row))
        .or_else(|| SQLSTATES.iter().find(|row| begins(sqlstate.as_deref(), row)))
        .or_else(|| CODES.iter().find(|row| code == Some(row.0)))
        .map_or((ErrorKind::Internal, Lost), |(_, kind, what)| (*kind, *what));
    let message = match tidy(&text) {
        Cow::Borrowed("") => Cow::Borrowed("the statement failed"),
        text => text,
    };
    let mut error = Error::new(kind, message.into_owned()).with_fault(what.fault(None)).with_statement_id(statement);
    if let Some(position) = position(&text) {
        error = error.with_context("position", position);
    }
    if let Some(sqlstate) = sqlstate {
        error = error.with_sqlstate(sqlstate);
    }
    match class.or(code) {
        Some(code) => error.with_vendor_code(code),
        None => error,
    }
}

/// The bracketed word at the start of a message.
fn error_class(text: &str) -> Option<&str> {
    let class = text.trim_start().strip_prefix('[')?.split_once(']')?.0;
    let legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_' || b == b'.';
    (!class.is_empty() && class.bytes().all(legal)).then_some(class)
}

fn sqlstate_in(text: &str) -> Option<&str> {
    let state = text.split_once("SQLSTATE: ")?.1.get(..5)?;
    state.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).then_some(state)
}

/// `(line 1, pos 14)`, with the column counted from 1 as everywhere else here.
fn position(text: &str) -> Option<String> {
    let (line, rest) = text.split_once("(line ")?.1.split_once(", pos ")?;
    let at: u64 = rest.split_once(')')?.0.parse().ok()?;
    let line: u64 = line.parse().ok()?;
    Some(format!("line {line}, column {}", at + 1))
}

/// Without the statement's own text, which the service appends, and not without end.
fn tidy(text: &str) -> Cow<'_, str> {
    let text = text.split("== SQL").next().unwrap_or_default().trim();
    match text.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// What an error's body says, whichever of its five shapes it has.
#[derive(Debug, Default)]
struct Said {
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
    reason: Option<String>,
    retry_delay: Option<Duration>,
}

impl Said {
    /// A redirect is never followed: the credential is for the workspace alone. Its target, which may hold a secret, is
    /// not kept.
    fn redirect(target: &str) -> Self {
        if target.contains(PRIVATE_LINK) {
            let message = "the workspace can be reached through its private link only, and this network is not on it";
            return Self {
                code: Some("PRIVATE_LINK_VALIDATION_ERROR".to_owned()),
                message: Some(message.to_owned()),
                ..Self::default()
            };
        }
        let message = "the service answered with a redirect, which leads to a log-in page or to another address";
        Self { message: Some(message.to_owned()), ..Self::default() }
    }

    fn read(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        if let Ok(Value::Object(fields)) = serde_json::from_str(text) {
            return Self::from_json(&fields);
        }
        let message = between(text, "<pre>", "</pre>").or_else(|| between(text, "<title>", "</title>"));
        if message.is_some() || text.starts_with('<') {
            return Self { message: message.map(|text| text.trim().to_owned()), ..Self::default() };
        }
        // `CODE: message`
        if let Some((code, message)) = text.split_once(": ")
            && !code.is_empty()
            && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        {
            return Self { code: Some(code.to_owned()), message: Some(message.to_owned()), ..Self::default() };
        }
        Self { message: (!text.is_empty()).then(|| text.to_owned()), ..Self::default() }
    }

    fn from_json(fields: &serde_json::Map<String, Value>) -> Self {
        let text =
            |key: &str| fields.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let code = match fields.get("error_code").or_else(|| fields.get("errorCode")) {
            Some(Value::String(code)) => Some(code.clone()),
            Some(Value::Number(code)) => Some(code.to_string()),
            _ => text("scimType"),
        };
        let message = ["message", "detail", "error_description", "errorSummary", "error"].into_iter().find_map(text);
        let mut said = Self { code, message, ..Self::default() };
        for detail in fields.get("details").and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| detail.get(key).and_then(Value::as_str).map(str::to_owned);
            match detail.get("@type").and_then(Value::as_str).and_then(|name| name.rsplit('.').next()) {
                Some("RequestInfo") => said.request_id = text("request_id"),
                Some("ErrorInfo") => said.reason = text("reason"),
                Some("RetryInfo") => {
                    let seconds = text("retry_delay").and_then(|delay| delay.trim_end_matches('s').parse().ok());
                    said.retry_delay = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                }
                _ => {}
            }
        }
        said
    }
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    Some(text.split_once(from)?.1.split_once(to)?.0)
}

mod run;

pub(crate) use run::from_run;

#[cfg(test)]
mod tests;
