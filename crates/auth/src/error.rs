//! What a token endpoint's refusal means: the one table.

use std::time::Duration;

use serde_json::Value;
use twinhouse_core::{
    Effect, Error, ErrorKind, Fault, Secret,
    http::{HeaderMap, StatusCode, retry_after},
};

/// The longest text of a server that goes into an error, in characters.
const QUOTE: usize = 300;

/// The error for an answer of a token service that is not what was wanted. `secrets` are blotted out of its words.
pub(crate) fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8], secrets: &[&Secret]) -> Error {
    let (code, reason) = said(body);
    let (kind, fault) = classify(status.as_u16(), code.as_deref(), retry_after(headers));
    let mut error =
        Error::new(kind, "no token was issued").with_fault(fault).with_context("status", status.as_u16().to_string());
    let clean = |mut text: String| {
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret.expose(), "***");
        }
        text.chars().take(QUOTE).collect::<String>()
    };
    if let Some(reason) = reason {
        error = error.with_context("reason", clean(reason));
    }
    if let Some(code) = code {
        error = error.with_vendor_code(clean(code));
    }
    if let Some(id) = headers.get("x-request-id").and_then(|id| id.to_str().ok()) {
        error = error.with_request_id(id);
    }
    error
}

/// Code and reason, in whichever of their shapes: OAuth's own, the one with `errorCode`, that of the Databricks API, and
/// the object that Azure's and Google's management use.
fn said(body: &[u8]) -> (Option<String>, Option<String>) {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else { return (None, None) };
    let inner = answer.get("error").filter(|error| error.is_object()).unwrap_or(&answer);
    let text = |keys: &[&str]| {
        keys.iter().find_map(|key| match inner.get(key)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    };
    (
        text(&["error", "errorCode", "error_code", "status", "code"]),
        text(&["error_description", "errorSummary", "message"]),
    )
}

/// Statuses that are tried again are those of the Databricks Go SDK: 429, 502, 503 and 504.
fn classify(status: u16, code: Option<&str>, after: Option<Duration>) -> (ErrorKind, Fault) {
    let transient = Fault { retry_after: after, ..Fault::transient(Effect::Unknown) };
    match (status, code) {
        (429, _) => (ErrorKind::RateLimited, Fault::throttled(after)),
        (503, _) if after.is_some() => (ErrorKind::Unavailable, Fault::throttled(after)),
        (502..=504, _) => (ErrorKind::Unavailable, transient),
        (500..=599, _) => (ErrorKind::Unavailable, Fault::PERMANENT),
        (_, Some("invalid_client" | "unauthorized_client" | "invalid_grant" | "access_denied")) | (401, _) => {
            (ErrorKind::Unauthenticated, Fault::PERMANENT)
        }
        (403, _) => (ErrorKind::PermissionDenied, Fault::PERMANENT),
        (404, _) => (ErrorKind::NotFound, Fault::PERMANENT),
        (300..=399, _) => (ErrorKind::Protocol, Fault::PERMANENT),
        _ => (ErrorKind::InvalidInput, Fault::PERMANENT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinhouse_core::FaultClass::{Permanent, Throttled, Transient};

    #[test]
    fn every_answer_has_its_kind_and_class() {
        let second = Some(Duration::from_secs(1));
        let table = [
            (400, Some("invalid_client"), None, ErrorKind::Unauthenticated, Permanent),
            (400, Some("invalid_scope"), None, ErrorKind::InvalidInput, Permanent),
            (400, None, None, ErrorKind::InvalidInput, Permanent),
            (401, None, None, ErrorKind::Unauthenticated, Permanent),
            (403, None, None, ErrorKind::PermissionDenied, Permanent),
            (404, None, None, ErrorKind::NotFound, Permanent),
            (302, None, None, ErrorKind::Protocol, Permanent),
            (429, None, second, ErrorKind::RateLimited, Throttled),
            (500, None, None, ErrorKind::Unavailable, Permanent),
            (503, None, None, ErrorKind::Unavailable, Transient),
            (503, None, second, ErrorKind::Unavailable, Throttled),
            (504, None, None, ErrorKind::Unavailable, Transient),
        ];
        for (status, code, after, kind, class) in table {
            let (got, fault) = classify(status, code, after);
            assert_eq!((got, fault.class, fault.retry_after), (kind, class, after), "{status} {code:?}");
        }
    }

    #[test]
    fn every_shape_of_refusal_are_read_and_the_secret_is_blotted_out() {
        for body in [
            r#"{"error":"invalid_client","error_description":"client secret canary is wrong"}"#,
            r#"{"errorCode":"invalid_client","errorSummary":"client secret canary is wrong"}"#,
            r#"{"error_code":"invalid_client","message":"client secret canary is wrong"}"#,
            r#"{"error":{"code":"invalid_client","message":"client secret canary is wrong"}}"#,
        ] {
            let error =
                refused(StatusCode::UNAUTHORIZED, &HeaderMap::new(), body.as_bytes(), &[&Secret::new("canary")]);
            assert_eq!(error.kind(), ErrorKind::Unauthenticated);
            assert_eq!(error.vendor_code(), Some("invalid_client"));
            assert_eq!(error.context("reason"), Some("client secret *** is wrong"));
        }
        let error = refused(StatusCode::UNAUTHORIZED, &HeaderMap::new(), b"<html>", &[&Secret::new("")]);
        assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::Unauthenticated, None));
    }
}
