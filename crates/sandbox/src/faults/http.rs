//! The faults of a front that speaks HTTP, as a layer around its router.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody, to_bytes},
    extract::{ConnectInfo, Request, State, connect_info::Connected},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    serve::{IncomingStream, Listener},
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rustls::ServerConfig;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    Call, FaultKind, Faults, Front, When,
    socket::{FaultyListener, Switch, TlsListener},
};

/// The longest request body that is read ahead for a look at its SQL; the service takes 16 MiB.
const SQL_BODY_LIMIT: usize = 32 << 20;
/// How long requests under way may take after the stop.
const GRACE: Duration = Duration::from_secs(2);
/// A slow body comes in this many pieces.
const SLOW_PIECES: usize = 8;

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
    let mut sql = None;
    if faults.reads_sql(front) && request.uri().path().contains("/sql/statements") {
        (request, sql) = match read_sql(request).await {
            Ok(read) => read,
            Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        };
    }
    let call = Call { front, method: request.method().as_str(), path: request.uri().path(), sql: sql.as_deref() };
    let Some(kind) = faults.next(&call) else { return next.run(request).await };
    tracing::debug!(%front, kind = kind.as_str(), "scheduled fault");
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
        FaultKind::Truncated => truncated(next.run(request).await, &switch),
        FaultKind::Slow { pause } => slow(next.run(request).await, pause),
        FaultKind::DropIdle => {
            let response = next.run(request).await;
            switch.drop_idle();
            response
        }
        FaultKind::ExpiredLink => xml(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired"),
        FaultKind::DiskFull => {
            let mut body = request.into_body().into_data_stream();
            while let Some(Ok(_)) = body.next().await {}
            answers.disk_full()
        }
        // `FaultRule::check` lets these through for Redshift only.
        FaultKind::KillBackend | FaultKind::SerializationConflict => next.run(request).await,
    }
}

async fn read_sql(request: Request) -> Result<(Request, Option<String>), axum::Error> {
    #[derive(Deserialize)]
    struct Submit {
        statement: String,
    }
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, SQL_BODY_LIMIT).await?;
    let sql = serde_json::from_slice::<Submit>(&bytes).ok().map(|submit| submit.statement);
    Ok((Request::from_parts(parts, Body::from(bytes)), sql))
}

/// The words of the service for its own troubles.
#[derive(Clone, Copy)]
enum Answers {
    Json,
    Xml,
    /// AWS around the cluster, in its two protocols.
    AwsJson,
    AwsForm,
}

impl Answers {
    /// What is not under the workspace's API is storage: links and S3.
    fn of(front: Front, request: &Request) -> Self {
        let path = request.uri().path();
        match front {
            Front::Databricks if path.starts_with("/api/") || path.starts_with("/oidc/") => Self::Json,
            Front::Aws if request.headers().contains_key("x-amz-target") => Self::AwsJson,
            Front::Aws => Self::AwsForm,
            _ => Self::Xml,
        }
    }

    fn throttled(self, retry_after: Option<Duration>) -> Response {
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

    fn unavailable(self, retry_after: Option<Duration>) -> Response {
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

    fn disk_full(self) -> Response {
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
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Sends the head, half of the body, and then an end that is none.
fn truncated(response: Response, switch: &Switch) -> Response {
    let (mut parts, body) = response.into_parts();
    let total = declared_length(&mut parts.headers, &body);
    if total == Some(0) {
        switch.reset();
        return Response::from_parts(parts, Body::empty());
    }
    let left = total.map(|total| (total / 2) as usize);
    let half = body.into_data_stream().scan(left, |left, chunk| {
        let kept = match chunk {
            Ok(chunk) => {
                let room = left.get_or_insert(chunk.len() / 2);
                let kept = chunk.slice(..chunk.len().min(*room));
                *room -= kept.len();
                (!kept.is_empty()).then_some(Ok(kept))
            }
            Err(error) => Some(Err(io::Error::other(error))),
        };
        std::future::ready(kept)
    });
    let cut = stream::once(async {
        // The server flushes what it has before it looks at the body again.
        tokio::task::yield_now().await;
        Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    Response::from_parts(parts, Body::from_stream(half.chain(cut)))
}

fn slow(response: Response, pause: Duration) -> Response {
    let (mut parts, body) = response.into_parts();
    declared_length(&mut parts.headers, &body);
    let pieces = body.into_data_stream().flat_map(move |chunk| {
        let pieces: Vec<_> = match chunk {
            Ok(chunk) => {
                let size = chunk.len().div_ceil(SLOW_PIECES).max(1);
                (0..chunk.len()).step_by(size).map(|at| Ok(chunk.slice(at..chunk.len().min(at + size)))).collect()
            }
            Err(error) => vec![Err(error)],
        };
        stream::iter(pieces)
    });
    let paused = pieces.then(move |piece| async move {
        tokio::time::sleep(pause).await;
        piece
    });
    Response::from_parts(parts, Body::from_stream(paused))
}

/// Writes the length into the head, where a body that is turned into a stream would lose it.
fn declared_length(headers: &mut HeaderMap, body: &Body) -> Option<u64> {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let total = declared.or_else(|| body.size_hint().exact())?;
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(total));
    Some(total)
}

#[cfg(test)]
mod tests {
    use std::{error::Error as _, net::SocketAddr};

    use axum::{extract::Path, routing};

    use super::*;
    use crate::FaultRule;

    const BODY: &str = "0123456789abcdef0123456789abcdef";

    struct Server {
        address: SocketAddr,
        faults: Faults,
        stop: CancellationToken,
        client: reqwest::Client,
    }

    impl Server {
        async fn start(front: Front) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let (address, faults, stop) = (listener.local_addr().unwrap(), Faults::default(), CancellationToken::new());
            let router = Router::new()
                .route("/api/{what}", routing::get(async |Path(what): Path<String>| format!("{what} {BODY}")))
                .route("/api/2.0/sql/statements", routing::post(async |body: String| body));
            tokio::spawn(serve(listener, front, router, faults.clone(), stop.clone()));
            let client = crate::testing::client();
            Self { address, faults, stop, client }
        }

        async fn get(&self) -> reqwest::Result<reqwest::Response> {
            self.client.get(format!("http://{}/api/it", self.address)).send().await
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.stop.cancel();
        }
    }

    #[tokio::test]
    async fn a_throttled_call_is_answered_in_the_words_of_the_service() {
        let server = Server::start(Front::Databricks).await;
        let wait = Some(Duration::from_millis(1500));
        server.faults.schedule(FaultRule::databricks(FaultKind::Throttled { retry_after: wait })).unwrap();
        let response = server.get().await.unwrap();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(response.json::<serde_json::Value>().await.unwrap()["error_code"], "REQUEST_LIMIT_EXCEEDED");
        assert_eq!(server.get().await.unwrap().status(), 200);
    }

    #[tokio::test]
    async fn s3_and_links_are_answered_in_xml() {
        let server = Server::start(Front::S3).await;
        server.faults.schedule(FaultRule::s3(FaultKind::Throttled { retry_after: None })).unwrap();
        let response = server.get().await.unwrap();
        assert_eq!(response.status(), 503);
        assert!(!response.headers().contains_key("retry-after"));
        assert!(response.text().await.unwrap().contains("<Code>SlowDown</Code>"));
    }

    #[tokio::test]
    async fn a_reset_connection_brings_no_answer_at_all() {
        let server = Server::start(Front::Databricks).await;
        for when in [When::Before, When::After] {
            server.faults.schedule(FaultRule::databricks(FaultKind::Reset { when })).unwrap();
            let error = server.get().await.unwrap_err();
            assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionReset), "{error:?}");
            assert_eq!(server.get().await.unwrap().status(), 200);
        }
    }

    #[tokio::test]
    async fn a_truncated_body_has_a_good_head_and_no_good_end() {
        let server = Server::start(Front::Databricks).await;
        server.faults.schedule(FaultRule::databricks(FaultKind::Truncated)).unwrap();
        let response = server.get().await.unwrap();
        assert_eq!((response.status().as_u16(), response.content_length()), (200, Some(35)));
        let mut body = response.bytes_stream();
        let mut received = 0;
        let end = loop {
            match body.next().await {
                Some(Ok(chunk)) => received += chunk.len(),
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            }
        };
        assert!(end.is_err());
        assert_eq!(received, 17);
    }

    #[tokio::test]
    async fn a_slow_body_is_whole() {
        let server = Server::start(Front::Databricks).await;
        let slow = FaultKind::Slow { pause: Duration::from_millis(1) };
        let scheduled = server.faults.schedule(FaultRule::databricks(slow)).unwrap();
        assert_eq!(server.get().await.unwrap().text().await.unwrap(), format!("it {BODY}"));
        assert_eq!(scheduled.fired(), 1);
    }

    #[tokio::test]
    async fn a_connection_that_died_idle_is_noticed_at_its_next_use() {
        let server = Server::start(Front::Databricks).await;
        server.faults.schedule(FaultRule::databricks(FaultKind::DropIdle)).unwrap();
        assert_eq!(server.get().await.unwrap().text().await.unwrap(), format!("it {BODY}"));
        let error = server.get().await.unwrap_err();
        assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionReset), "{error:?}");
    }

    #[tokio::test]
    async fn a_rule_with_sql_reads_the_statement_and_hands_on_the_whole_body() {
        let server = Server::start(Front::Databricks).await;
        let kind = FaultKind::Unavailable { when: When::After, retry_after: None };
        let scheduled = server.faults.schedule(FaultRule::databricks(kind).with_sql("MERGE").on_call(2)).unwrap();
        let submit = async |sql: &str| {
            let url = format!("http://{}/api/2.0/sql/statements", server.address);
            let body = serde_json::json!({ "statement": sql, "warehouse_id": "w" }).to_string();
            let response = server.client.post(url).body(body.clone()).send().await.unwrap();
            let status = response.status().as_u16();
            (status, response.text().await.unwrap() == body)
        };
        assert_eq!(submit("MERGE INTO t").await, (200, true));
        assert_eq!(submit("SELECT 1").await, (200, true));
        assert_eq!(submit("MERGE INTO t").await, (503, false));
        assert_eq!(scheduled.fired(), 1);
    }

    #[tokio::test]
    async fn a_full_disk_takes_the_upload_in_and_refuses_it() {
        let server = Server::start(Front::Databricks).await;
        server.faults.schedule(FaultRule::databricks(FaultKind::DiskFull).with_method("POST")).unwrap();
        let url = format!("http://{}/api/2.0/sql/statements", server.address);
        let response = server.client.post(url).body(vec![7u8; 1 << 20]).send().await.unwrap();
        assert_eq!(response.status(), 507);
    }

    fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
        let mut source = error.source();
        while let Some(error) = source {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return Some(io.kind());
            }
            source = error.source();
        }
        None
    }
}
