//! What the server and the road to it can answer, and what we make of it: the one place where an SQLSTATE is looked at.
//!
//! The query engine reports nearly everything as `XX000` with an internal number in the text, so the text decides where
//! the code does not.

use std::{io, time::Duration};

use twinhouse_core::{Effect, Error, ErrorKind, Fault, FaultClass};

use crate::wire::message::ServerMessage;

/// The server rolled back and it would do so again.
const PERMANENT: Fault = Fault::PERMANENT;
/// The server rolled back; the whole may go through next time.
const AGAIN: Fault = Fault::transient(Effect::None);
/// Nobody knows how far the server came.
const UNKNOWN: Fault = Fault::transient(Effect::Unknown);
/// The server has no room for us at the moment.
const FULL: Fault = Fault::throttled(None);

type Row = (&'static str, &'static str, ErrorKind, Fault);

/// Code (or how it begins), a piece of message or detail (with `=`: the number that the message begins with), what it is.
/// The first row that fits counts.
const TABLE: &[Row] = &[
    // Whatever the code: the engine's own words.
    ("", "Serializable isolation violation", ErrorKind::Conflict, AGAIN),
    ("XX000", "=1023", ErrorKind::Conflict, AGAIN),
    ("XX000", "=1018", ErrorKind::Conflict, AGAIN),
    ("42P01", "=1018", ErrorKind::Conflict, AGAIN),
    ("XX000", "could not open relation with OID", ErrorKind::Conflict, AGAIN),
    ("", "conflict with concurrent transaction", ErrorKind::Conflict, AGAIN),
    ("", "Found multiple matches to update the same tuple", ErrorKind::Conflict, PERMANENT),
    ("", "cancelled by WLM", ErrorKind::Cancelled, PERMANENT),
    ("", "canceled by WLM", ErrorKind::Cancelled, PERMANENT),
    ("", "S3ServiceException:SlowDown", ErrorKind::Unavailable, AGAIN),
    ("", "Status 503", ErrorKind::Unavailable, AGAIN),
    ("", "Error AccessDenied", ErrorKind::PermissionDenied, PERMANENT),
    ("", "S3ServiceException:Access Denied", ErrorKind::PermissionDenied, PERMANENT),
    ("", "Error NoSuchKey", ErrorKind::NotFound, PERMANENT),
    ("", "Error NoSuchBucket", ErrorKind::NotFound, PERMANENT),
    ("", "The specified S3 prefix", ErrorKind::NotFound, PERMANENT),
    ("", "mandatory file", ErrorKind::NotFound, PERMANENT),
    ("", "not authorized to assume IAM Role", ErrorKind::PermissionDenied, PERMANENT),
    ("", "unload destination on S3 is not empty", ErrorKind::AlreadyExists, PERMANENT),
    ("", "must be addressed using the specified endpoint", ErrorKind::InvalidInput, PERMANENT),
    ("", "Manifest file", ErrorKind::InvalidInput, PERMANENT),
    ("XX000", "Load into table", ErrorKind::Data, PERMANENT),
    ("", "Spectrum Scan Error", ErrorKind::Data, PERMANENT),
    ("", "exceeded the query-processing limit", ErrorKind::Data, PERMANENT),
    ("XX000", "Disk Full", ErrorKind::ResourceExhausted, PERMANENT),
    ("", "connection limit", ErrorKind::ResourceExhausted, FULL),
    ("42601", "NOT NULL column without DEFAULT", ErrorKind::InvalidInput, PERMANENT),
    ("", "cannot run inside a transaction block", ErrorKind::InvalidInput, PERMANENT),
    // By code.
    ("08P01", "", ErrorKind::Protocol, UNKNOWN),
    ("08", "", ErrorKind::Connection, UNKNOWN),
    ("0A000", "Revalidate", ErrorKind::Conflict, AGAIN),
    ("0A000", "", ErrorKind::Unsupported, PERMANENT),
    ("22023", "", ErrorKind::InvalidInput, PERMANENT),
    ("22", "", ErrorKind::Data, PERMANENT),
    ("23", "", ErrorKind::Constraint, PERMANENT),
    ("25P03", "", ErrorKind::Timeout, AGAIN),
    ("25", "", ErrorKind::InvalidInput, PERMANENT),
    ("26000", "", ErrorKind::Conflict, AGAIN),
    ("28", "", ErrorKind::Unauthenticated, PERMANENT),
    ("2D", "", ErrorKind::InvalidInput, PERMANENT),
    ("34", "", ErrorKind::NotFound, PERMANENT),
    ("3B", "", ErrorKind::InvalidInput, PERMANENT),
    ("3D", "", ErrorKind::NotFound, PERMANENT),
    ("3F", "", ErrorKind::NotFound, PERMANENT),
    ("40", "", ErrorKind::Conflict, AGAIN),
    ("42501", "", ErrorKind::PermissionDenied, PERMANENT),
    ("42P01", "", ErrorKind::NotFound, PERMANENT),
    ("42703", "", ErrorKind::NotFound, PERMANENT),
    ("42704", "", ErrorKind::NotFound, PERMANENT),
    ("42P04", "", ErrorKind::AlreadyExists, PERMANENT),
    ("42P06", "", ErrorKind::AlreadyExists, PERMANENT),
    ("42P07", "", ErrorKind::AlreadyExists, PERMANENT),
    ("42701", "", ErrorKind::AlreadyExists, PERMANENT),
    ("42710", "", ErrorKind::AlreadyExists, PERMANENT),
    ("42723", "", ErrorKind::AlreadyExists, PERMANENT),
    // A second cursor, a second prepared statement of one name.
    ("42P03", "", ErrorKind::AlreadyExists, PERMANENT),
    ("42P05", "", ErrorKind::AlreadyExists, PERMANENT),
    ("42", "", ErrorKind::Syntax, PERMANENT),
    ("53300", "", ErrorKind::ResourceExhausted, FULL),
    ("53", "", ErrorKind::ResourceExhausted, PERMANENT),
    ("54", "", ErrorKind::InvalidInput, PERMANENT),
    ("55P03", "", ErrorKind::Conflict, AGAIN),
    ("55006", "", ErrorKind::Conflict, AGAIN),
    ("55", "", ErrorKind::InvalidInput, PERMANENT),
    ("57014", "", ErrorKind::Cancelled, PERMANENT),
    // The session was told to end; a commit may have gone through just before.
    ("57P01", "", ErrorKind::Unavailable, UNKNOWN),
    ("57P02", "", ErrorKind::Unavailable, UNKNOWN),
    ("57P03", "", ErrorKind::Unavailable, AGAIN),
    ("57P04", "", ErrorKind::NotFound, PERMANENT),
    ("57P05", "", ErrorKind::Connection, AGAIN),
    ("P0", "", ErrorKind::Data, PERMANENT),
];

fn classify(message: &ServerMessage) -> (ErrorKind, Fault) {
    // What stands in quotes is a name or a value of the caller's: only the server's own words count.
    let own = |text: &str| text.split('"').step_by(2).collect::<String>();
    let texts = [&message.message, &message.detail, &message.routine].map(|text| own(text));
    let says = |piece: &str| match piece.strip_prefix('=') {
        // Anywhere else it may be part of a query's number or of a file's name.
        Some(number) => texts[0].trim_start().strip_prefix(number).is_some_and(|rest| !rest.starts_with(is_word)),
        None => texts.iter().any(|text| text.contains(piece)),
    };
    TABLE
        .iter()
        .find(|(code, piece, ..)| message.code.starts_with(code) && says(piece))
        .map_or((ErrorKind::Internal, PERMANENT), |&(_, _, kind, fault)| (kind, fault))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What the server refused, in its own words.
pub(crate) fn refused(message: ServerMessage) -> Error {
    let (kind, fault) = classify(&message);
    let mut error = Error::new(kind, tidy(&message.message)).with_fault(fault).with_sqlstate(message.code);
    for (key, value) in [
        ("detail", message.detail),
        ("hint", message.hint),
        ("position", message.position),
        ("table", message.table),
        ("column", message.column),
        ("constraint", message.constraint),
    ] {
        if !value.is_empty() {
            error = error.with_context(key, tidy(&value));
        }
    }
    error
}

/// Whether the server no longer has, or no longer trusts, what was prepared.
pub(crate) fn is_stale_plan(message: &ServerMessage) -> bool {
    message.code == "26000" || (message.code == "0A000" && message.routine.contains("Revalidate"))
}

/// The engine draws boxes of dashes around its details.
fn tidy(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.bytes().all(|b| b == b'-'));
    lines.collect::<Vec<_>>().join("; ")
}

/// The connection broke while an answer was due.
pub(crate) fn lost(cause: io::Error) -> Error {
    Error::new(ErrorKind::Connection, "the connection to the server was lost").with_fault(UNKNOWN).with_source(cause)
}

/// No connection came about; nothing was done.
pub(crate) fn unreachable(cause: io::Error) -> Error {
    Error::new(ErrorKind::Connection, "could not connect to the server").with_fault(AGAIN).with_source(cause)
}

/// A wait of the pool ran out; the cure depends on which: a larger pool, the network, the server.
pub(crate) fn pool_wait(wait: &'static str, limit: Duration) -> Error {
    let message = match wait {
        "checkout" => "no connection of the pool became free in time",
        "connect" => "no new connection was made in time",
        _ => "a connection of the pool did not answer in time",
    };
    // The wait itself was the retry: a policy further out must not multiply it.
    let fault = Fault { class: FaultClass::Permanent, ..AGAIN };
    Error::new(ErrorKind::Timeout, message)
        .with_fault(fault)
        .with_context("wait", wait)
        .with_context("limit", format!("{limit:?}"))
}

/// A connection did not come about in the time for all its tries: what the last one met is the cause.
pub(crate) fn connecting(error: Error, limit: Duration) -> Error {
    if error.context("wait") != Some("deadline") {
        return error;
    }
    let timed_out = pool_wait("connect", limit);
    let attempts = error.attempts();
    timed_out.with_source(error).with_attempts(attempts)
}

/// The same error, now known to have had no effect: it struck before anything that changes anything was sent, or inside
/// a transaction that was not committed.
pub(crate) fn harmless(error: Error) -> Error {
    let fault = Fault { effect: Effect::None, ..error.fault() };
    error.with_fault(fault)
}

/// What the staging place answered.
pub(crate) fn staging(cause: object_store::Error) -> Error {
    use object_store::Error as E;
    let (kind, message, fault) = match &cause {
        E::NotFound { .. } => (ErrorKind::NotFound, "the staging place does not exist", PERMANENT),
        E::PermissionDenied { .. } => (ErrorKind::PermissionDenied, "the staging place refuses us", PERMANENT),
        E::Unauthenticated { .. } => (ErrorKind::Unauthenticated, "the staging place does not know us", PERMANENT),
        E::InvalidPath { .. } | E::UnknownConfigurationKey { .. } => {
            (ErrorKind::InvalidInput, "no such place for staging", PERMANENT)
        }
        E::NotSupported { .. } | E::NotImplemented { .. } => {
            (ErrorKind::Unsupported, "the staging place does not do this", PERMANENT)
        }
        // S3 says 400 to a token that is over or forged: the store sees no more in it than an answer that is not right.
        E::Generic { source, .. } if is_bad_token(source.as_ref()) => {
            (ErrorKind::Unauthenticated, "the staging place does not know us", PERMANENT)
        }
        // Whole objects: a second try writes the same.
        _ => (ErrorKind::Unavailable, "the staging place did not take or give an object", UNKNOWN),
    };
    Error::new(kind, message).with_fault(fault).with_source(cause)
}

/// True for S3's refusal of a session token. Its code is only in the text of the answer.
fn is_bad_token(cause: &(dyn std::error::Error + 'static)) -> bool {
    const CODES: [&str; 3] = ["InvalidToken", "ExpiredToken", "TokenRefreshRequired"];
    let mut link = Some(cause);
    while let Some(error) = link {
        let text = error.to_string();
        if CODES.iter().any(|code| text.contains(&format!("<Code>{code}</Code>"))) {
            return true;
        }
        link = error.source();
    }
    false
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Unavailable, "the warehouse has been closed").with_fault(PERMANENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(code: &str, text: &str, detail: &str) -> ServerMessage {
        ServerMessage {
            severity: "ERROR".to_owned(),
            code: code.to_owned(),
            message: text.to_owned(),
            detail: detail.to_owned(),
            ..ServerMessage::default()
        }
    }

    #[test]
    fn a_session_token_that_is_over_is_not_worth_a_second_try() {
        let answer = |code: &str| object_store::Error::Generic {
            store: "S3",
            source: format!("status 400 Bad Request: <Error><Code>{code}</Code><Message>m</Message></Error>").into(),
        };
        for code in ["InvalidToken", "ExpiredToken", "TokenRefreshRequired"] {
            let error = staging(answer(code));
            assert_eq!((error.kind(), error.fault()), (ErrorKind::Unauthenticated, PERMANENT), "{code}");
        }
        assert_eq!(staging(answer("RequestTimeout")).kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn every_situation_of_the_fact_sheet_has_its_kind_and_fault() {
        let cases = [
            ("42601", "syntax error at or near \"$1\"", "", ErrorKind::Syntax, PERMANENT),
            ("42P01", "relation \"x\" does not exist", "", ErrorKind::NotFound, PERMANENT),
            ("42703", "column \"x\" does not exist", "", ErrorKind::NotFound, PERMANENT),
            ("42883", "operator does not exist: integer = text", "", ErrorKind::Syntax, PERMANENT),
            ("42704", "type \"e\" does not exist", "", ErrorKind::NotFound, PERMANENT),
            ("22023", "3 is outside the valid range", "", ErrorKind::InvalidInput, PERMANENT),
            ("42501", "permission denied for relation stl_insert", "", ErrorKind::PermissionDenied, PERMANENT),
            ("0A000", "option not supported", "", ErrorKind::Unsupported, PERMANENT),
            ("28000", "password authentication failed for user \"u\"", "", ErrorKind::Unauthenticated, PERMANENT),
            ("28P01", "password authentication failed for user \"u\"", "", ErrorKind::Unauthenticated, PERMANENT),
            (
                "XX000",
                "1023",
                "Serializable isolation violation on table - 100, transactions forming the cycle are: 1, 2 (pid:3)",
                ErrorKind::Conflict,
                AGAIN,
            ),
            ("XX000", "1023", "", ErrorKind::Conflict, AGAIN),
            ("XX000", "1018: Relation does not exist", "", ErrorKind::Conflict, AGAIN),
            ("42P01", "1018: Relation does not exist", "", ErrorKind::Conflict, AGAIN),
            ("XX000", "1018", "Relation does not exist", ErrorKind::Conflict, AGAIN),
            ("42P01", "relation \"orders_20241018\" does not exist", "", ErrorKind::NotFound, PERMANENT),
            ("XX000", "Spectrum Scan Error", "code: 15001; query: 1101823", ErrorKind::Data, PERMANENT),
            ("22P02", "invalid input syntax for integer: \"Status 503\"", "", ErrorKind::Data, PERMANENT),
            ("XX000", "could not open relation with OID 7", "", ErrorKind::Conflict, AGAIN),
            (
                "XX000",
                "could not complete because of conflict with concurrent transaction",
                "",
                ErrorKind::Conflict,
                AGAIN,
            ),
            ("40P01", "deadlock detected", "", ErrorKind::Conflict, AGAIN),
            ("40001", "could not serialize access", "", ErrorKind::Conflict, AGAIN),
            ("57014", "Query (168) cancelled on user's request", "", ErrorKind::Cancelled, PERMANENT),
            ("57014", "Query (150) canceled on user's request", "", ErrorKind::Cancelled, PERMANENT),
            (
                "XX000",
                "Query (7) cancelled by WLM abort action of Query Monitoring Rule",
                "",
                ErrorKind::Cancelled,
                PERMANENT,
            ),
            ("25P02", "current transaction is aborted", "", ErrorKind::InvalidInput, PERMANENT),
            ("25001", "VACUUM cannot run inside a transaction block", "", ErrorKind::InvalidInput, PERMANENT),
            ("XX000", "VACUUM cannot run inside a transaction block", "", ErrorKind::InvalidInput, PERMANENT),
            ("25006", "transaction is read-only", "", ErrorKind::InvalidInput, PERMANENT),
            (
                "XX000",
                "Load into table 't' failed.  Check 'stl_load_errors' system table",
                "",
                ErrorKind::Data,
                PERMANENT,
            ),
            ("XX000", "Spectrum Scan Error", "code: 15001", ErrorKind::Data, PERMANENT),
            (
                "XX000",
                "S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid 1,ExtRid 2,CanRetry 1",
                "",
                ErrorKind::PermissionDenied,
                PERMANENT,
            ),
            (
                "XX000",
                "S3ServiceException:Please reduce your request rate.,Status 503,Error SlowDown,Rid 1",
                "",
                ErrorKind::Unavailable,
                AGAIN,
            ),
            ("XX000", "S3ServiceException:gone,Status 404,Error NoSuchKey,Rid 1", "", ErrorKind::NotFound, PERMANENT),
            (
                "42601",
                "NOT NULL column without DEFAULT must be included in column list",
                "",
                ErrorKind::InvalidInput,
                PERMANENT,
            ),
            ("XX000", "Found multiple matches to update the same tuple.", "", ErrorKind::Conflict, PERMANENT),
            ("26000", "prepared statement \"p\" does not exist", "", ErrorKind::Conflict, AGAIN),
            ("53300", "too many connections", "", ErrorKind::ResourceExhausted, FULL),
            ("53100", "could not extend file", "", ErrorKind::ResourceExhausted, PERMANENT),
            ("XX000", "Disk Full", "", ErrorKind::ResourceExhausted, PERMANENT),
            ("57P01", "terminating connection due to administrator command", "", ErrorKind::Unavailable, UNKNOWN),
            ("57P03", "the database system is starting up", "", ErrorKind::Unavailable, AGAIN),
            ("08006", "connection failure", "", ErrorKind::Connection, UNKNOWN),
            (
                "XX000",
                "8001 row exceeded the query-processing limit of 65535 characters",
                "",
                ErrorKind::Data,
                PERMANENT,
            ),
            ("22003", "integer out of range", "", ErrorKind::Data, PERMANENT),
            ("22P02", "invalid input syntax for integer", "", ErrorKind::Data, PERMANENT),
            ("23502", "null value in column", "", ErrorKind::Constraint, PERMANENT),
            ("42P07", "relation already exists", "", ErrorKind::AlreadyExists, PERMANENT),
            ("3D000", "database does not exist", "", ErrorKind::NotFound, PERMANENT),
            ("3F000", "schema does not exist", "", ErrorKind::NotFound, PERMANENT),
            ("55P03", "could not obtain lock", "", ErrorKind::Conflict, AGAIN),
            ("XX000", "something else inside", "", ErrorKind::Internal, PERMANENT),
            (
                "FATAL",
                "connection limit \"500\" exceeded for non-bootstrap users",
                "",
                ErrorKind::ResourceExhausted,
                FULL,
            ),
        ];
        for (code, text, detail, kind, fault) in cases {
            assert_eq!(classify(&message(code, text, detail)), (kind, fault), "{code} {text}");
        }
    }

    #[test]
    fn a_stale_plan_is_told_from_an_option_that_is_not_supported() {
        let stale = ServerMessage { routine: "RevalidateCachedQuery".to_owned(), ..message("0A000", "changed", "") };
        assert_eq!(classify(&stale), (ErrorKind::Conflict, AGAIN));
    }

    #[test]
    fn every_row_of_the_table_can_be_reached() {
        for (at, (code, piece, ..)) in TABLE.iter().enumerate() {
            let full = format!("{code:0<5}");
            let text = piece.trim_start_matches('=');
            let hit = TABLE.iter().position(|(c, p, ..)| {
                full.starts_with(c) && (p.strip_prefix('=').map_or_else(|| text.contains(p), |whole| whole == text))
            });
            assert_eq!(hit, Some(at), "{code} {piece}");
        }
    }

    #[test]
    fn the_servers_words_and_facts_are_kept() {
        let mut server = message("42P01", "relation \"x\" does not exist", "-----\n  error: y\n-----\n  code: 1");
        server.position = "15".to_owned();
        server.hint = "look".to_owned();
        let error = refused(server);
        assert_eq!(error.sqlstate(), Some("42P01"));
        assert_eq!(error.message(), "relation \"x\" does not exist");
        assert_eq!(error.context("position"), Some("15"));
        assert_eq!(error.context("hint"), Some("look"));
        assert_eq!(error.context("detail"), Some("error: y; code: 1"));
    }

    #[test]
    fn a_wait_names_itself() {
        let error = pool_wait("checkout", Duration::from_secs(3));
        assert_eq!((error.kind(), error.context("wait")), (ErrorKind::Timeout, Some("checkout")));
        assert!(!error.is_retryable());
    }
}
