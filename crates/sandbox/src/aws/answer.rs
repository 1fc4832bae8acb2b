//! Answers and refusals in the two protocols.

use std::{borrow::Cow, fmt::Write as _};

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::call::Call;

/// How a request was worded, and so how its answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// JSON 1.1.
    Json,
    /// A form, answered in XML.
    Form,
}

/// A refusal. The two protocols have different names for the same.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    json: Cow<'static, str>,
    form: Cow<'static, str>,
    message: String,
    /// As the form protocol says it; JSON says 400 for every mistake of the caller.
    status: StatusCode,
}

impl Failure {
    pub(super) fn new(code: &'static str, status: StatusCode, message: impl Into<String>) -> Self {
        Self { json: code.into(), form: code.into(), message: message.into(), status }
    }

    fn access(json: &'static str, form: &'static str, message: impl Into<String>) -> Self {
        Self { json: json.into(), form: form.into(), message: message.into(), status: StatusCode::FORBIDDEN }
    }

    pub(super) fn unsigned() -> Self {
        Self::access(
            "MissingAuthenticationTokenException",
            "MissingAuthenticationToken",
            "Missing Authentication Token",
        )
    }

    pub(super) fn incomplete(what: &str) -> Self {
        let message = format!("Authorization header requires '{what}'.");
        Self::access("IncompleteSignatureException", "IncompleteSignature", message)
    }

    pub(super) fn unknown_key() -> Self {
        let message = "The security token included in the request is invalid.";
        Self::access("UnrecognizedClientException", "InvalidClientTokenId", message)
    }

    pub(super) fn expired_token() -> Self {
        let message = "The security token included in the request is expired";
        Self::access("ExpiredTokenException", "ExpiredToken", message)
    }

    pub(super) fn bad_signature(why: &str) -> Self {
        Self::access("InvalidSignatureException", "SignatureDoesNotMatch", why)
    }

    pub(super) fn too_large() -> Self {
        Self::new("RequestEntityTooLargeException", StatusCode::PAYLOAD_TOO_LARGE, "The request is too large.")
    }

    pub(super) fn unknown_operation(message: String) -> Self {
        Self {
            json: "UnknownOperationException".into(),
            form: "InvalidAction".into(),
            message,
            status: StatusCode::BAD_REQUEST,
        }
    }

    pub(super) fn internal(message: &str) -> Self {
        Self::new("InternalServerException", StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self {
            json: "ValidationException".into(),
            form: "InvalidParameterValue".into(),
            message: message.into(),
            status: StatusCode::BAD_REQUEST,
        }
    }
}

impl Protocol {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key("x-amz-target") { Self::Json } else { Self::Form }
    }

    pub(super) fn answer(self, call: &Call, answer: &Value) -> Response {
        let id = request_id();
        let body = match self {
            Self::Json => answer.to_string(),
            Self::Form => {
                let (name, space) = (&call.action, call.namespace());
                let mut xml = format!("<{name}Response xmlns=\"{space}\"><{name}Result>");
                elements(&mut xml, answer);
                let _ = write!(
                    xml,
                    "</{name}Result><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{name}Response>"
                );
                xml
            }
        };
        self.respond(StatusCode::OK, &id, body)
    }

    pub(super) fn refuse(self, failure: &Failure) -> Response {
        let (id, message) = (request_id(), &failure.message);
        match self {
            Self::Json => {
                let status = match failure.status {
                    StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => StatusCode::BAD_REQUEST,
                    status => status,
                };
                let mut body = Map::new();
                body.insert("__type".to_owned(), json!(failure.json));
                body.insert("message".to_owned(), json!(message));
                let mut response = self.respond(status, &id, Value::Object(body).to_string());
                if let Ok(code) = HeaderValue::from_str(&failure.json) {
                    response.headers_mut().insert("x-amzn-errortype", code);
                }
                response
            }
            Self::Form => {
                let body = format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error>\
                     <RequestId>{id}</RequestId></ErrorResponse>",
                    failure.form,
                    escaped(message)
                );
                self.respond(failure.status, &id, body)
            }
        }
    }

    fn respond(self, status: StatusCode, id: &str, body: String) -> Response {
        let kind = match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Form => "text/xml",
        };
        let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
        if let Ok(id) = HeaderValue::from_str(id) {
            response.headers_mut().insert("x-amzn-requestid", id);
        }
        response
    }
}

fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Objects are elements. An item of a list is an object that names itself: the services do not agree on `member`.
fn elements(xml: &mut String, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let _ = write!(xml, "<{name}>");
                elements(xml, value);
                let _ = write!(xml, "</{name}>");
            }
        }
        Value::Array(items) => {
            for item in items {
                elements(xml, item);
            }
        }
        Value::String(text) => xml.push_str(&escaped(text)),
        Value::Null => {}
        other => {
            let _ = write!(xml, "{other}");
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
