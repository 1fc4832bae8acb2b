//! The sandbox's own addresses on the workspace's front: `/`, the page, and `/_sandbox/faults`, the schedule for tests
//! that are not written in Rust. Faults do not strike here, and calls here do not count.

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use twinhouse_core::Error;

use super::{board::Board, page};
use crate::faults::FaultSchedule;

const FAULTS: &str = "/_sandbox/faults";

/// Nothing is loaded from anywhere, nothing runs, and nobody frames it.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn routes(board: Board) -> Router {
    Router::new()
        .route("/", get(status))
        .route(FAULTS, get(list_faults).post(add_faults).delete(clear_faults))
        .with_state(board)
}

/// Whether a path of the workspace's front is the sandbox's own.
pub(crate) fn is_own(path: &str) -> bool {
    path == "/" || path == FAULTS
}

/// What every rule has done so far, in the order in which they were scheduled.
async fn list_faults(State(board): State<Board>, headers: HeaderMap) -> Response {
    if !has_token(&board, &headers) {
        return stranger();
    }
    let rules: Vec<Value> = board
        .faults()
        .report()
        .into_iter()
        .map(|report| {
            let rule = FaultSchedule::new([report.rule]).to_toml();
            json!({ "rule": rule, "seen": report.seen, "fired": report.fired, "armed": report.armed })
        })
        .collect();
    Json(json!({ "faults": rules })).into_response()
}

/// Adds the rules of a schedule in TOML.
async fn add_faults(State(board): State<Board>, headers: HeaderMap, text: String) -> Response {
    if !has_token(&board, &headers) {
        return stranger();
    }
    let added = FaultSchedule::from_toml(&text).and_then(|schedule| board.faults().load(&schedule));
    match added {
        Ok(added) => Json(json!({ "added": added.len() })).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, Json(refusal(&error))).into_response(),
    }
}

/// Stops every rule.
async fn clear_faults(State(board): State<Board>, headers: HeaderMap) -> Response {
    if !has_token(&board, &headers) {
        return stranger();
    }
    board.faults().clear();
    Json(json!({})).into_response()
}

fn refusal(error: &Error) -> Value {
    json!({ "error_code": "INVALID_PARAMETER_VALUE", "message": error.message(), "line": error.context("line") })
}

fn stranger() -> Response {
    let text = "The schedule of faults is for who brings the token of the workspace.";
    (StatusCode::UNAUTHORIZED, Json(json!({ "error_code": 401, "message": text }))).into_response()
}

fn has_token(board: &Board, headers: &HeaderMap) -> bool {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
    bearer.is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && board.knows(token.trim()))
}

async fn status(State(board): State<Board>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let mut trusted = has_token(&board, &headers);
    if !trusted && !is_here(&headers) {
        // A page of somebody else whose name was made to lead here reads nothing.
        return (StatusCode::FORBIDDEN, "Ask for 127.0.0.1 or localhost, or bring the token.\n").into_response();
    }
    let once = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "once")
        .map(|(_, word)| word.into_owned());
    if let Some(word) = once {
        if !board.spend(&word) {
            // Used up, or never right: the page without secrets, under its plain address.
            return Redirect::to("/").into_response();
        }
        trusted = true;
    }
    let head = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (head, page::render(&board, trusted).await).into_response()
}

/// Whether the browser believes that it speaks to this machine.
fn is_here(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}
