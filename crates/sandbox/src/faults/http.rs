//! The faults of a front that speaks HTTP, as a layer around its router.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request, State, connect_info::Connected},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    serve::{IncomingStream, Listener},
};
use futures::StreamExt as _;
use http::{HeaderValue, StatusCode, header};
use rustls::ServerConfig;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    Call, FaultKind, Faults, Front, When,
    answers::Answers,
    body,
    socket::{FaultyListener, Switch, TlsListener},
    struck,
};
use crate::status::{Line, is_own};

/// The longest request body that is read ahead for a look into it; the service takes statements of 16 MiB.
const BODY_LIMIT: usize = 32 << 20;
/// How long requests under way may take after the stop.
const GRACE: Duration = Duration::from_secs(2);

/// Serves the router, with its faults, until `stop`.
pub(crate) async fn serve(
    listener: TcpListener,
    front: Front,
    router: Router,
    faults: Faults,
    stop: CancellationToken,
) -> io::Result<()> {
    serve_on(FaultyListener(listener), front, router, faults, stop).await
}

/// Serves the router behind TLS, with its faults, until `stop`.
pub(crate) async fn serve_tls(
    (listener, server): (TcpListener, Arc<ServerConfig>),
    front: Front,
    router: Router,
    faults: Faults,
    stop: CancellationToken,
) -> io::Result<()> {
    serve_on(TlsListener::new(listener, server), front, router, faults, stop).await
}

async fn serve_on<L>(
    listener: L,
    front: Front,
    router: Router,
    faults: Faults,
    stop: CancellationToken,
) -> io::Result<()>
where
    L: Listener,
    L::Addr: std::fmt::Debug,
    Switch: for<'a> Connected<IncomingStream<'a, L>>,
{
    let router = router.layer(middleware::from_fn_with_state((front, faults), inject));
    let service = router.into_make_service_with_connect_info::<Switch>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
    let patience = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = serving => served,
        () = patience => Ok(()),
    }
}

async fn inject(State((front, faults)): State<(Front, Faults)>, mut request: Request, next: Next) -> Response {
    if front == Front::Databricks && is_own(request.uri().path()) {
        return next.run(request).await;
    }
    let mut content = None;
    if faults.reads_bodies(front) && tells_more(front, &request) {
        (request, content) = match read_content(front, request).await {
            Ok(read) => read,
            Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        };
    }
    let path = request.uri().path();
    let (path, sql) = match (front, content.as_deref()) {
        // AWS has one path for everything.
        (Front::Aws, form) => (target(&request).or(form).unwrap_or(path), None),
        (_, sql) => (path, sql),
    };
    let call = Call { front, method: request.method().as_str(), path, sql };
    let struck = faults.next(&call);
    if let Some(kind) = struck {
        tracing::debug!(%front, kind = kind.as_str(), "scheduled fault");
    }
    let line = Line::begin(&call, struck);
    if front == Front::Databricks
        && let Some(token) = request.headers().get(header::AUTHORIZATION)
    {
        if struck == Some(FaultKind::TokenRevoked) {
            faults.revoke(token.as_bytes());
        }
        if faults.is_revoked(token.as_bytes()) {
            // The workspace itself refuses it, in its own words.
            request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer revoked"));
        }
    }
    let response = match struck {
        Some(kind) => strike(kind, front, request, next).await,
        None => next.run(request).await,
    };
    if let Some(line) = line {
        line.end(response.status());
    }
    response
}

/// The operation of a call in AWS's JSON protocol. Its forms have it in the body.
fn target(request: &Request) -> Option<&str> {
    request.headers().get("x-amz-target")?.to_str().ok()
}

/// Whether the body says what rules look at: the text of a statement, or the operation of a form.
fn tells_more(front: Front, request: &Request) -> bool {
    match front {
        Front::Aws => target(request).is_none(),
        _ => request.uri().path().contains("/sql/statements"),
    }
}

async fn strike(kind: FaultKind, front: Front, request: Request, next: Next) -> Response {
    let answers = Answers::of(front, &request);
    let switch = request.extensions().get::<ConnectInfo<Switch>>().map(|info| info.0.clone()).unwrap_or_default();
    match kind {
        FaultKind::Throttled { retry_after } => answers.throttled(retry_after),
        FaultKind::Unavailable { when, retry_after } => {
            if when == When::After {
                drop(next.run(request).await);
            }
            answers.unavailable(retry_after)
        }
        FaultKind::Reset { when } => {
            if when == When::After {
                drop(next.run(request).await);
            }
            switch.reset();
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        FaultKind::Truncated => body::truncated(next.run(request).await, &switch),
        FaultKind::Slow { pause } => body::slow(next.run(request).await, pause),
        FaultKind::WrongLength => body::wrong_length(next.run(request).await),
        FaultKind::TruncatedArrow => body::cut(next.run(request).await).await,
        FaultKind::DropIdle => {
            let response = next.run(request).await;
            switch.drop_idle();
            response
        }
        FaultKind::ExpiredLink => Answers::link_expired(),
        FaultKind::CredentialExpired => {
            drain(request).await;
            answers.credential_expired()
        }
        FaultKind::DiskFull => {
            drain(request).await;
            answers.disk_full()
        }
        // These are left to the one who does the work.
        FaultKind::EarlyLink { .. } | FaultKind::WarehouseStarting { .. } | FaultKind::JobStuck => {
            struck::with(kind, next.run(request)).await
        }
        // The token is spoiled already; and `FaultRule::check` lets the others through for Redshift only.
        FaultKind::TokenRevoked | FaultKind::KillBackend | FaultKind::SerializationConflict => next.run(request).await,
    }
}

/// Takes in what is uploaded: a client that still writes does not read a refusal.
async fn drain(request: Request) {
    let mut body = request.into_body().into_data_stream();
    while let Some(Ok(_)) = body.next().await {}
}

async fn read_content(front: Front, request: Request) -> Result<(Request, Option<String>), axum::Error> {
    #[derive(Deserialize)]
    struct Submit {
        statement: String,
    }
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, BODY_LIMIT).await?;
    let content = match front {
        Front::Aws => url::form_urlencoded::parse(&bytes)
            .find(|(name, _)| name == "Action")
            .map(|(_, action)| action.into_owned()),
        _ => serde_json::from_slice::<Submit>(&bytes).ok().map(|submit| submit.statement),
    };
    Ok((Request::from_parts(parts, Body::from(bytes)), content))
}

#[cfg(test)]
mod tests;
