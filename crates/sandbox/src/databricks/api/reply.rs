//! Replies in the service's shapes, and what it makes of a request.

use std::{collections::HashMap, convert::Infallible, fmt, io};

use axum::{
    Json, Router,
    body::Body,
    extract::{FromRequestParts, Path, rejection::PathRejection},
    middleware,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderValue, StatusCode, request::Parts};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::databricks::error::SqlError;

/// A refusal: `{error_code, message, details?}` with its status.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: Value,
    message: String,
    details: Vec<Value>,
}

/// What a handler answers.
pub(crate) type ApiResult<T = Response> = Result<T, ApiError>;

impl ApiError {
    /// A refusal with a code that the service documents.
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), details: Vec::new() }
    }

    /// A refusal by the edge, which sends the status as the code.
    pub(crate) fn edge(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, code: status.as_u16().into(), message: message.into(), details: Vec::new() }
    }

    /// 400: a value that cannot be right.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE", message)
    }

    /// 400: a body that cannot be read.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MALFORMED_REQUEST", message)
    }

    /// 404: nothing has this id.
    pub(crate) fn missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST", message)
    }

    /// 501: something that the service does and the sandbox does not; refused by name.
    pub(crate) fn not_implemented(what: impl fmt::Display) -> Self {
        let message = format!("The sandbox does not support {what}.");
        Self::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
    }

    /// 500: a fault of the sandbox itself.
    pub(crate) fn internal(what: impl fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", what.to_string())
    }

    /// What went wrong.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// True for a 404.
    pub(crate) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// True if something else has the name.
    pub(crate) fn is_conflict(&self) -> bool {
        self.status == StatusCode::CONFLICT
    }

    /// Its status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Adds an `ErrorInfo`, by which clients tell refusals of one code apart.
    #[must_use]
    pub(crate) fn with_reason(mut self, reason: &str, domain: &str) -> Self {
        let kind = "type.googleapis.com/google.rpc.ErrorInfo";
        self.details.push(json!({ "@type": kind, "reason": reason, "domain": domain }));
        self
    }
}

impl From<io::Error> for ApiError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "INTERNAL_ERROR", "No space left on device")
            }
            _ => Self::internal(error),
        }
    }
}

impl From<SqlError> for ApiError {
    fn from(error: SqlError) -> Self {
        let text = error.text().to_owned();
        match error.class() {
            "TABLE_OR_VIEW_NOT_FOUND" => Self::new(StatusCode::NOT_FOUND, "TABLE_DOES_NOT_EXIST", text),
            "SCHEMA_NOT_FOUND" => Self::new(StatusCode::NOT_FOUND, "SCHEMA_DOES_NOT_EXIST", text),
            "NO_SUCH_CATALOG_EXCEPTION" => Self::new(StatusCode::NOT_FOUND, "CATALOG_DOES_NOT_EXIST", text),
            "VOLUME_NOT_FOUND" => Self::missing(text),
            "UNSUPPORTED_FEATURE" => Self::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", text),
            "INVALID_PARAMETER_VALUE" => Self::invalid(text),
            class if class.ends_with("_ALREADY_EXISTS") => Self::new(StatusCode::BAD_REQUEST, class, text),
            class if class.ends_with("_NOT_EMPTY") => Self::new(StatusCode::BAD_REQUEST, "INVALID_STATE", text),
            _ => match error.code() {
                "IO_ERROR" if text.contains("No space left on device") => {
                    Self::new(StatusCode::INSUFFICIENT_STORAGE, "INTERNAL_ERROR", text)
                }
                "IO_ERROR" | "INTERNAL_ERROR" => Self::internal(text),
                code => Self::new(StatusCode::BAD_REQUEST, code, error.message()),
            },
        }
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::invalid(rejection.body_text())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({ "error_code": self.code, "message": self.message });
        if !self.details.is_empty() {
            body["details"] = self.details.into();
        }
        (self.status, Json(body)).into_response()
    }
}

/// The parameters of the query.
#[derive(Clone, Debug)]
pub(crate) struct Query(HashMap<String, String>);

impl Query {
    /// A parameter, unless it is empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter that must be there.
    pub(crate) fn required(&self, name: &str) -> ApiResult<&str> {
        self.text(name).ok_or_else(|| ApiError::invalid(format!("Missing required field: {name}")))
    }

    /// A switch: `true`, `false` or nothing.
    pub(crate) fn flag(&self, name: &str) -> ApiResult<bool> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(ApiError::invalid(format!("Invalid value for {name}: '{other}' is not true or false"))),
        }
    }

    /// A number that is not negative.
    pub(crate) fn count(&self, name: &str) -> ApiResult<Option<usize>> {
        let bad = |value| ApiError::invalid(format!("Invalid value for {name}: '{value}' is not a number from 0"));
        self.text(name).map(|value| value.parse().map_err(|_| bad(value))).transpose()
    }

    /// Refuses a switch of the service that the sandbox does not have.
    pub(crate) fn refuse_flags(&self, names: &[&str]) -> ApiResult<()> {
        for name in names {
            if self.flag(name)? {
                return Err(ApiError::not_implemented(name));
            }
        }
        Ok(())
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

/// The one variable part of the path, decoded.
#[derive(Clone, Debug)]
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await?;
        Ok(Self(text))
    }
}

/// Reads a JSON body whatever its type is said to be, as the service does; nothing counts as `{}`.
pub(crate) fn body_of<T: DeserializeOwned>(body: &Bytes) -> ApiResult<T> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|error| ApiError::malformed(format!("Could not parse request object: {error}")))
}

/// Takes in the rest of a refused upload: a client that still writes does not read the refusal.
pub(crate) async fn drain<E>(body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin), mut limit: usize) {
    while let Some(Ok(chunk)) = body.next().await {
        match limit.checked_sub(chunk.len()) {
            Some(left) => limit = left,
            None => break,
        }
    }
}

/// Gives every response an `x-request-id`.
pub(crate) fn with_request_ids(router: Router) -> Router {
    router.layer(middleware::map_response(with_request_id))
}

async fn with_request_id(mut response: Response) -> Response {
    if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
        response.headers_mut().entry("x-request-id").or_insert(id);
    }
    response
}

/// 204.
pub(crate) fn no_content() -> Response {
    (StatusCode::NO_CONTENT, Body::empty()).into_response()
}
