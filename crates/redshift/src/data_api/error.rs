//! What the Data API answers, and what we make of it.
//!
//! A statement that fails brings no SQLSTATE, only the server's words; [`statement_failed`] guesses the code from them
//! and leaves the rest to the table of the wire.

use aws_sdk_redshiftdata::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_redshiftdata::operation::RequestId as _;
use twinhouse_core::{Effect, Error, ErrorKind, Fault};

use crate::error::refused;
use crate::wire::message::ServerMessage;

const PERMANENT: Fault = Fault::PERMANENT;
const AGAIN: Fault = Fault::transient(Effect::None);
const UNKNOWN: Fault = Fault::transient(Effect::Unknown);
const SLOWER: Fault = Fault::throttled(None);

/// The service's codes. What is not here goes by the HTTP status.
const CODES: &[(&str, ErrorKind, Fault)] = &[
    ("ThrottlingException", ErrorKind::RateLimited, SLOWER),
    ("ThrottledException", ErrorKind::RateLimited, SLOWER),
    ("TooManyRequestsException", ErrorKind::RateLimited, SLOWER),
    ("RequestLimitExceeded", ErrorKind::RateLimited, SLOWER),
    ("ActiveStatementsExceededException", ErrorKind::ResourceExhausted, SLOWER),
    ("ActiveSessionsExceededException", ErrorKind::ResourceExhausted, SLOWER),
    ("ActiveWaitingRequestsExceededException", ErrorKind::ResourceExhausted, SLOWER),
    ("ExecuteStatementException", ErrorKind::Unavailable, UNKNOWN),
    ("BatchExecuteStatementException", ErrorKind::Unavailable, UNKNOWN),
    ("QueryTimeoutException", ErrorKind::Timeout, UNKNOWN),
    ("DatabaseConnectionException", ErrorKind::Connection, AGAIN),
    ("InternalServerException", ErrorKind::Unavailable, UNKNOWN),
    ("ServiceUnavailableException", ErrorKind::Unavailable, AGAIN),
    ("ResourceNotFoundException", ErrorKind::NotFound, PERMANENT),
    ("ValidationException", ErrorKind::InvalidInput, PERMANENT),
    ("AccessDeniedException", ErrorKind::PermissionDenied, PERMANENT),
    ("UnrecognizedClientException", ErrorKind::Unauthenticated, PERMANENT),
    ("InvalidSignatureException", ErrorKind::Unauthenticated, PERMANENT),
    ("InvalidClientTokenId", ErrorKind::Unauthenticated, PERMANENT),
    ("MissingAuthenticationTokenException", ErrorKind::Unauthenticated, PERMANENT),
    ("IncompleteSignature", ErrorKind::Unauthenticated, PERMANENT),
    ("ExpiredTokenException", ErrorKind::Unauthenticated, PERMANENT),
    ("ExpiredToken", ErrorKind::Unauthenticated, PERMANENT),
];

fn by_code(code: &str, status: u16) -> (ErrorKind, Fault) {
    CODES.iter().find(|(known, ..)| *known == code).map_or_else(
        || match status {
            429 => (ErrorKind::RateLimited, SLOWER),
            500.. => (ErrorKind::Unavailable, UNKNOWN),
            _ => (ErrorKind::Protocol, PERMANENT),
        },
        |&(_, kind, fault)| (kind, fault),
    )
}

/// A call that failed.
pub(super) fn call_failed<E>(failure: SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let request_id = failure.request_id().map(str::to_owned);
    let error = match failure {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let code = answer.err().code().unwrap_or_default();
            let (kind, fault) = by_code(code, status);
            let message = answer.err().message().unwrap_or("the Data API refused the call").to_owned();
            let error = Error::new(kind, message).with_fault(fault).with_context("status", status.to_string());
            if code.is_empty() { error } else { error.with_vendor_code(code) }
        }
        // No request was made: a setting, or no AWS identity.
        SdkError::ConstructionFailure(_) => Error::new(ErrorKind::InvalidInput, "the AWS client refused its input"),
        SdkError::DispatchFailure(failure) if failure.is_user() || failure.is_other() => {
            Error::new(ErrorKind::Unauthenticated, "no AWS credentials could be had for the call")
                .with_context("looked in", "the configuration, the environment, the profile, the machine's role")
        }
        SdkError::DispatchFailure(failure) => {
            let error = Error::new(ErrorKind::Connection, "the connection to the Data API failed").with_fault(UNKNOWN);
            match failure.as_connector_error() {
                Some(cause) => error.with_source(cause.to_string()),
                None => error,
            }
        }
        SdkError::TimeoutError(_) => {
            Error::new(ErrorKind::Timeout, "the Data API did not answer in time").with_fault(UNKNOWN)
        }
        _ => Error::new(ErrorKind::Protocol, "the answer of the Data API cannot be read").with_fault(UNKNOWN),
    };
    match request_id {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// What does not exist, by the word that a message begins with.
const MISSING: &[(&str, &str)] = &[
    ("column ", "42703"),
    ("function ", "42883"),
    ("operator ", "42883"),
    ("schema ", "3F000"),
    ("database ", "3D000"),
    ("type ", "42704"),
];

/// What the server says, and the code it would have had on the wire. The first row that fits counts.
const WORDS: &[(&str, &str)] = &[
    ("syntax error", "42601"),
    ("unterminated", "42601"),
    ("permission denied", "42501"),
    ("must be owner", "42501"),
    ("password authentication failed", "28P01"),
    ("cancelled on user", "57014"),
    ("canceled on user", "57014"),
    ("duplicate key", "23505"),
    ("violates not-null", "23502"),
    ("null value in column", "23502"),
    ("Cannot insert a NULL value", "23502"),
    ("violates", "23000"),
    ("already exists", "42P07"),
    ("does not exist", "42P01"),
    ("cannot cast", "42846"),
    ("operator does not exist", "42883"),
    ("is ambiguous", "42702"),
    ("must appear in the GROUP BY", "42803"),
    ("not supported", "0A000"),
    ("division by zero", "22012"),
    ("divide by zero", "22012"),
    ("out of range", "22003"),
    ("invalid input syntax", "22P02"),
    ("Invalid digit", "22P02"),
    ("value too long", "22001"),
    ("deadlock detected", "40P01"),
    ("too many connections", "53300"),
    ("No space left on device", "53100"),
    ("terminating connection", "57P01"),
];

/// A statement that failed on the server, in the server's words.
pub(super) fn statement_failed(words: &str) -> Error {
    // The service signs its errors: `ERROR: … [ErrorId: 1-65…]`.
    let words = words.split(" [ErrorId:").next().unwrap_or(words);
    let text = words.trim().strip_prefix("ERROR:").unwrap_or(words).trim();
    let (text, position) = match text.rsplit_once("Position:") {
        Some((text, at)) if at.trim().bytes().all(|b| b.is_ascii_digit()) => (text.trim(), at.trim()),
        _ => (text, ""),
    };
    let missing = MISSING.iter().find(|(thing, _)| text.starts_with(thing) && text.contains("does not exist"));
    let said = || WORDS.iter().find(|(piece, _)| text.contains(piece));
    let code = missing.or_else(said).map_or("XX000", |(_, code)| code);
    refused(ServerMessage {
        severity: "ERROR".to_owned(),
        code: code.to_owned(),
        message: text.to_owned(),
        position: position.to_owned(),
        ..ServerMessage::default()
    })
}

#[cfg(test)]
mod tests {
    use twinhouse_core::FaultClass;

    use super::*;

    #[test]
    fn the_words_of_a_failed_statement_have_the_kind_that_the_wire_gives_them() {
        for (words, kind) in [
            ("ERROR: relation \"x\" does not exist", ErrorKind::NotFound),
            ("ERROR: relation \"x\" does not exist [ErrorId: 1-65f39a70]", ErrorKind::NotFound),
            ("ERROR: column \"x\" does not exist", ErrorKind::NotFound),
            ("ERROR: function f(integer) does not exist", ErrorKind::Syntax),
            ("ERROR: syntax error at or near \"selec\"\n  Position: 1", ErrorKind::Syntax),
            ("ERROR: permission denied for relation t", ErrorKind::PermissionDenied),
            ("ERROR: Relation \"t\" already exists", ErrorKind::AlreadyExists),
            ("ERROR: 1023\n  Detail: Serializable isolation violation on table - 1", ErrorKind::Conflict),
            ("ERROR: Query (1) cancelled on user's request", ErrorKind::Cancelled),
            ("ERROR: Load into table 't' failed.  Check 'stl_load_errors' system table", ErrorKind::Data),
            ("ERROR: VACUUM cannot run inside a transaction block", ErrorKind::InvalidInput),
            ("ERROR: division by zero", ErrorKind::Data),
            ("ERROR: could not extend relation: No space left on device", ErrorKind::ResourceExhausted),
            ("FATAL: terminating connection due to administrator command", ErrorKind::Unavailable),
            ("ERROR: something nobody has seen", ErrorKind::Internal),
        ] {
            assert_eq!(statement_failed(words).kind(), kind, "{words}");
        }
    }

    #[test]
    fn the_position_is_taken_out_of_the_words() {
        let error = statement_failed("ERROR: syntax error at or near \"x\"\n  Position: 8");
        assert_eq!((error.message(), error.context("position")), ("syntax error at or near \"x\"", Some("8")));
    }

    #[test]
    fn every_code_of_the_service_has_its_kind_and_whether_it_passes() {
        for &(code, kind, fault) in CODES {
            assert_eq!(by_code(code, 400), (kind, fault), "{code}");
        }
        assert_eq!(by_code("Whatever", 503).1.class, FaultClass::Transient);
        assert_eq!(by_code("", 429).1.class, FaultClass::Throttled);
        assert_eq!(by_code("Whatever", 400), (ErrorKind::Protocol, PERMANENT));
    }
}
