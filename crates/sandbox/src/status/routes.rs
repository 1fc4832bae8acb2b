//! `GET /` of the workspace's front.

use axum::{
    Router,
    extract::{RawQuery, State},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode, header};

use super::{board::Board, page};

/// Nothing is loaded from anywhere, nothing runs, and nobody frames it.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn routes(board: Board) -> Router {
    Router::new().route("/", get(status)).with_state(board)
}

async fn status(State(board): State<Board>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
    let mut trusted = match bearer {
        Some((scheme, token)) => scheme.eq_ignore_ascii_case("bearer") && board.knows(token.trim()),
        None => false,
    };
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
