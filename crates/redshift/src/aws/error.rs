//! What AWS answers when it refuses, and what we make of it: the one place where its codes are looked at.

use aws_credential_types::provider::error::CredentialsError;
use serde::Deserialize;
use twinhouse_core::{
    Effect, Error, ErrorKind, Fault,
    http::{HeaderMap, StatusCode, retry_after},
};

use super::Service;

const PERMANENT: Fault = Fault::PERMANENT;
const AGAIN: Fault = Fault::transient(Effect::None);

/// Code (or a piece of it), what it is. The first row that fits counts; what is not here goes by the status.
const CODES: &[(&str, ErrorKind, Fault)] = &[
    ("Throttl", ErrorKind::RateLimited, Fault::throttled(None)),
    ("TooManyRequests", ErrorKind::RateLimited, Fault::throttled(None)),
    ("RequestLimitExceeded", ErrorKind::RateLimited, Fault::throttled(None)),
    ("ExpiredToken", ErrorKind::Unauthenticated, PERMANENT),
    ("InvalidClientTokenId", ErrorKind::Unauthenticated, PERMANENT),
    ("UnrecognizedClient", ErrorKind::Unauthenticated, PERMANENT),
    ("InvalidSignature", ErrorKind::Unauthenticated, PERMANENT),
    ("SignatureDoesNotMatch", ErrorKind::Unauthenticated, PERMANENT),
    ("IncompleteSignature", ErrorKind::Unauthenticated, PERMANENT),
    ("MissingAuthenticationToken", ErrorKind::Unauthenticated, PERMANENT),
    ("AccessDenied", ErrorKind::PermissionDenied, PERMANENT),
    ("UnauthorizedOperation", ErrorKind::PermissionDenied, PERMANENT),
    ("NotFound", ErrorKind::NotFound, PERMANENT),
    ("UnsupportedOperation", ErrorKind::Unsupported, PERMANENT),
    ("InvalidAction", ErrorKind::Unsupported, PERMANENT),
    ("UnknownOperation", ErrorKind::Unsupported, PERMANENT),
    ("Validation", ErrorKind::InvalidInput, PERMANENT),
    ("InvalidParameter", ErrorKind::InvalidInput, PERMANENT),
    ("InvalidRequest", ErrorKind::InvalidInput, PERMANENT),
    ("DecryptionFailure", ErrorKind::PermissionDenied, PERMANENT),
    ("Internal", ErrorKind::Unavailable, AGAIN),
    ("ServiceUnavailable", ErrorKind::Unavailable, AGAIN),
];

fn classify(code: &str, status: StatusCode) -> (ErrorKind, Fault) {
    CODES.iter().find(|(known, ..)| code.contains(known)).map_or_else(
        || match status.as_u16() {
            429 => (ErrorKind::RateLimited, Fault::throttled(None)),
            // These calls change nothing: they may all be sent again.
            500.. => (ErrorKind::Unavailable, AGAIN),
            401 => (ErrorKind::Unauthenticated, PERMANENT),
            403 => (ErrorKind::PermissionDenied, PERMANENT),
            404 => (ErrorKind::NotFound, PERMANENT),
            _ => (ErrorKind::InvalidInput, PERMANENT),
        },
        |&(_, kind, fault)| (kind, fault),
    )
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(alias = "__type", alias = "Code", default)]
    code: String,
    #[serde(alias = "Message", default)]
    message: String,
}

#[derive(Deserialize)]
struct Xml {
    #[serde(rename = "Error")]
    error: Refusal,
}

/// The service answered with an error.
pub(super) fn refused(service: Service, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
    let text = String::from_utf8_lossy(body);
    let refusal: Refusal = serde_json::from_str(&text)
        .ok()
        .or_else(|| quick_xml::de::from_str::<Xml>(&text).ok().map(|xml| xml.error))
        .unwrap_or_default();
    // `com.amazonaws.service#Code`
    let code = refusal.code.rsplit('#').next().unwrap_or_default();
    let (kind, fault) = classify(code, status);
    let fault = Fault { retry_after: retry_after(headers), ..fault };
    let mut error = Error::new(kind, "AWS refused the call")
        .with_fault(fault)
        .with_context("service", service.name())
        .with_context("status", status.as_u16().to_string());
    if !code.is_empty() {
        error = error.with_vendor_code(code);
    }
    if !refusal.message.is_empty() {
        error = error.with_context("reason", refusal.message);
    }
    match headers.get("x-amzn-requestid").and_then(|id| id.to_str().ok()) {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// Nobody could say who we are.
pub(super) fn no_identity(cause: CredentialsError) -> Error {
    let fault = match &cause {
        CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_) => AGAIN,
        _ => PERMANENT,
    };
    Error::new(
        ErrorKind::Unauthenticated,
        "no AWS identity was found; set AWS_PROFILE or access keys, or run where a role is attached",
    )
    .with_fault(fault)
    .with_source(cause)
}

#[cfg(test)]
mod tests {
    use twinhouse_core::FaultClass::{Permanent, Throttled, Transient};

    use super::*;

    #[test]
    fn refusals_of_both_protocols_have_their_kind_and_their_words() {
        let json = |code: &str| format!(r#"{{"__type":"com.amazonaws.x#{code}","message":"why & how"}}"#);
        let xml = |code: &str| {
            format!(
                "<ErrorResponse xmlns=\"http://x/\"><Error><Type>Sender</Type><Code>{code}</Code>\
                 <Message>why &amp; how</Message></Error><RequestId>1</RequestId></ErrorResponse>"
            )
        };
        for (code, status, kind, class) in [
            ("ClusterNotFound", 404, ErrorKind::NotFound, Permanent),
            ("ResourceNotFoundException", 400, ErrorKind::NotFound, Permanent),
            ("Throttling", 400, ErrorKind::RateLimited, Throttled),
            ("ThrottlingException", 400, ErrorKind::RateLimited, Throttled),
            ("ExpiredToken", 403, ErrorKind::Unauthenticated, Permanent),
            ("SignatureDoesNotMatch", 403, ErrorKind::Unauthenticated, Permanent),
            ("AccessDeniedException", 400, ErrorKind::PermissionDenied, Permanent),
            ("InternalServerException", 500, ErrorKind::Unavailable, Transient),
            ("SomethingNew", 503, ErrorKind::Unavailable, Transient),
            ("SomethingNew", 400, ErrorKind::InvalidInput, Permanent),
        ] {
            for body in [json(code), xml(code)] {
                let status = StatusCode::from_u16(status).unwrap();
                let error = refused(Service::Redshift, status, &HeaderMap::new(), body.as_bytes());
                assert_eq!((error.kind(), error.fault().class), (kind, class), "{code}");
                assert_eq!((error.vendor_code(), error.context("reason")), (Some(code), Some("why & how")));
            }
        }
        let error = refused(Service::Redshift, StatusCode::BAD_GATEWAY, &HeaderMap::new(), b"<html>");
        assert_eq!((error.kind(), error.fault().class), (ErrorKind::Unavailable, Transient));
    }
}
