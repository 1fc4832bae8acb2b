//! Refusals in the words of the service that is struck.

use std::time::Duration;

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};

use super::Front;

/// The words of the service for its own troubles.
#[derive(Clone, Copy)]
pub(super) enum Answers {
    Json,
    Xml,
    /// AWS around the cluster, in its two protocols.
    AwsJson,
    AwsForm,
}

impl Answers {
    /// What is not under the workspace's API is storage: links and S3.
    pub(super) fn of(front: Front, request: &Request) -> Self {
        let path = request.uri().path();
        match front {
            Front::Databricks if path.starts_with("/api/") || path.starts_with("/oidc/") => Self::Json,
            Front::Aws if request.headers().contains_key("x-amz-target") => Self::AwsJson,
            Front::Aws => Self::AwsForm,
            _ => Self::Xml,
        }
    }

    pub(super) fn throttled(self, retry_after: Option<Duration>) -> Response {
        let response = match self {
            Self::Json => json(
                StatusCode::TOO_MANY_REQUESTS,
                "REQUEST_LIMIT_EXCEEDED",
                "Your request was rejected since your organization has exceeded the rate limit",
            ),
            Self::Xml => xml(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate."),
            Self::AwsJson => aws_json(StatusCode::BAD_REQUEST, "ThrottlingException", "Rate exceeded"),
            Self::AwsForm => aws_form(StatusCode::BAD_REQUEST, "Throttling", "Rate exceeded"),
        };
        with_retry_after(response, retry_after)
    }

    pub(super) fn unavailable(self, retry_after: Option<Duration>) -> Response {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let response = match self {
            Self::Json => json(
                status,
                "TEMPORARILY_UNAVAILABLE",
                "The service is temporarily unavailable. Please try again later",
            ),
            Self::Xml => xml(status, "ServiceUnavailable", "Service is unable to handle request."),
            Self::AwsJson => aws_json(status, "ServiceUnavailableException", "Service is unable to handle request."),
            Self::AwsForm => aws_form(status, "ServiceUnavailable", "Service is unable to handle request."),
        };
        with_retry_after(response, retry_after)
    }

    /// What only S3 and AWS say: the workspace's tokens are refused by the workspace itself.
    pub(super) fn credential_expired(self) -> Response {
        let (status, text) = (StatusCode::BAD_REQUEST, "The security token included in the request is expired");
        match self {
            Self::Json | Self::Xml => xml(status, "ExpiredToken", "The provided token has expired."),
            Self::AwsJson => aws_json(status, "ExpiredTokenException", text),
            Self::AwsForm => aws_form(StatusCode::FORBIDDEN, "ExpiredToken", text),
        }
    }

    pub(super) fn link_expired() -> Response {
        xml(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired")
    }

    pub(super) fn disk_full(self) -> Response {
        let (status, text) = (StatusCode::INSUFFICIENT_STORAGE, "No space left on device");
        match self {
            Self::Json => json(status, "INTERNAL_ERROR", text),
            Self::Xml => xml(status, "InternalError", text),
            Self::AwsJson => aws_json(status, "InternalServerException", text),
            Self::AwsForm => aws_form(status, "InternalFailure", text),
        }
    }
}

fn json(status: StatusCode, code: &str, message: &str) -> Response {
    let mut response =
        (status, axum::Json(serde_json::json!({ "error_code": code, "message": message }))).into_response();
    if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

fn xml(status: StatusCode, code: &str, message: &str) -> Response {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    (status, [(header::CONTENT_TYPE, "application/xml")], text).into_response()
}

fn aws_json(status: StatusCode, code: &str, message: &str) -> Response {
    let body = serde_json::json!({ "__type": code, "message": message }).to_string();
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], body).into_response()
}

fn aws_form(status: StatusCode, code: &str, message: &str) -> Response {
    let text = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    );
    (status, [(header::CONTENT_TYPE, "text/xml")], text).into_response()
}

fn with_retry_after(mut response: Response, retry_after: Option<Duration>) -> Response {
    if let Some(wait) = retry_after {
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
