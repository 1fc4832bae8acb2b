//! The way to the service that all calls share.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use twinhouse_auth::{
    Cached, CredentialProvider,
    sources::{OAuthM2m, Pat},
};
use twinhouse_core::{
    Effect, Error, ErrorKind, Fault, Result,
    http::{Http, Link, Method, PlainHttp, Request, Response, Url},
    resilience::{Operation, Policy, Rate},
};

use crate::{
    config::{Auth, DatabricksConfig},
    error,
};

/// Classes of endpoints: what each does to the service, and to us if it fails, differs. Each has a rate, a breaker and
/// a retry budget of its own.
pub(crate) const STATEMENTS: &str = "statements";
/// Cancelling must get through when everything else is being left alone.
pub(crate) const CANCEL: &str = "cancel";
pub(crate) const CATALOG: &str = "catalog";
pub(crate) const FILES: &str = "files";
pub(crate) const JOBS_SUBMIT: &str = "jobs.submit";
pub(crate) const JOBS: &str = "jobs";
pub(crate) const WAREHOUSES: &str = "warehouses";
pub(crate) const WORKSPACE: &str = "workspace";
pub(crate) const DBFS: &str = "dbfs";
pub(crate) const LINKS: &str = "links";

/// No answer in JSON comes near this many bytes: 25 MiB of rows, escaped.
const LARGEST_ANSWER: usize = 256 << 20;
/// More of an error's body is of no use.
const LARGEST_ERROR: usize = 1 << 20;
/// A result file has about 20 MB; the service promises no bound, but memory has one.
const LARGEST_FILE: usize = 2 << 30;
/// How long the transfer of one file may take.
pub(crate) const TRANSFER: Duration = Duration::from_secs(300);

/// A workspace. Cheap to clone; clones share connections, credential and limits.
#[derive(Clone)]
pub(crate) struct Client(Arc<Inner>);

struct Inner {
    host: Url,
    http: Http,
    plain: PlainHttp,
    policy: Policy,
    credentials: Box<dyn CredentialProvider>,
    response_timeout: Duration,
}

impl Client {
    pub(crate) fn new(config: &DatabricksConfig) -> Result<Self> {
        let host = config.host.clone();
        let mut http = Http::builder()
            .user_agent(concat!("twinhouse-databricks/", env!("CARGO_PKG_VERSION")))
            .response_timeout(config.timeout);
        if !config.extra_ca.is_empty() {
            http = http.extra_ca(&config.extra_ca);
        }
        if let Some(proxy) = &config.proxy {
            http = http.proxy(proxy.clone());
        }
        if let Some(transport) = &config.transport {
            http = http.transport(Arc::clone(transport));
        }
        let http = http.build()?;
        let policy = Policy::builder()
            .server(error::BACKEND, authority(&host))
            .registry(config.registry.clone())
            .max_attempts(config.max_retries.saturating_add(1))
            .attempt_timeout(config.timeout)
            .default_rate(Rate::per_second(config.rate_limit))
            .rate(LINKS, Rate::UNLIMITED)
            .build();
        let credentials: Box<dyn CredentialProvider> = match &config.auth {
            Auth::Token(token) => Box::new(Cached::new(Pat::new(token.clone()))),
            Auth::Machine { client_id, client_secret } => {
                let (http, policy) = (http.clone(), policy.clone());
                Box::new(Cached::new(OAuthM2m::new(http, policy, host.clone(), client_id, client_secret.clone())))
            }
        };
        let plain = http.plain();
        Ok(Self(Arc::new(Inner { host, http, plain, policy, credentials, response_timeout: config.timeout })))
    }

    /// Host and port, without credentials.
    pub(crate) fn authority(&self) -> String {
        authority(&self.0.host)
    }

    /// A request to the path of these segments, each escaped on its own.
    pub(crate) fn request<'a>(&self, method: Method, segments: impl IntoIterator<Item = &'a str>) -> Request {
        let mut url = self.0.host.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(segments);
        }
        Request::new(method, url)
    }

    pub(crate) async fn json<T: DeserializeOwned>(&self, operation: Operation, request: Request) -> Result<T> {
        self.send(operation, request, |answer| async { read_json(answer.into_bytes(LARGEST_ANSWER).await?) }).await
    }

    /// The answer's body, as it is.
    pub(crate) async fn bytes(&self, operation: Operation, request: Request, limit: usize) -> Result<Bytes> {
        self.send(operation, request, move |answer| answer.into_bytes(limit)).await
    }

    /// Nothing but success matters.
    pub(crate) async fn done(&self, operation: Operation, request: Request) -> Result<()> {
        self.send(operation, request, |answer| async {
            // Read, so that the connection can be used again.
            answer.into_bytes(LARGEST_ERROR).await.map(drop)
        })
        .await
    }

    async fn send<T, R, F>(&self, operation: Operation, request: Request, read: R) -> Result<T>
    where
        R: Fn(Response) -> F + Sync,
        F: Future<Output = Result<T>> + Send,
    {
        let (request, read) = (&request, &read);
        self.0
            .policy
            .execute(operation, |attempt| async move {
                let mut renewed = false;
                loop {
                    let (credential, generation) = self.0.credentials.credential().await?;
                    let request = request.clone().with_headers(credential.headers()?).with_timeout(attempt.timeout);
                    let answer = self.0.http.send(request).await?;
                    if answer.status().is_success() {
                        return read(answer).await;
                    }
                    let error = refusal(answer).await?;
                    if error.kind() != ErrorKind::Unauthenticated || renewed {
                        return Err(error);
                    }
                    // It was refused before anything was done; a token may just have expired or been rotated.
                    self.0.credentials.invalidate(generation);
                    renewed = true;
                }
            })
            .await
    }

    /// Repeats a unit of work of several calls, where that is safe: by the rules, and out of the budget, of single calls.
    pub(crate) async fn repeat<T, F>(&self, operation: Operation, mut work: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        self.0.policy.execute(operation, |_| work()).await
    }

    /// Fetches what is behind a presigned link. The service's credential does not go there.
    pub(crate) async fn download(&self, link: &Link) -> Result<Bytes> {
        let operation = Operation::read("result.download").with_class(LINKS).with_attempt_timeout(TRANSFER);
        self.0
            .policy
            .execute(operation, |attempt| async move {
                // For the head of the answer; a body that stops coming is noticed by itself.
                let timeout = attempt.timeout.min(self.0.response_timeout);
                let answer = self.0.plain.get(link, timeout).await?;
                if answer.status().is_success() {
                    return answer.into_bytes(LARGEST_FILE).await;
                }
                Err(storage_refusal(answer.status().as_u16(), answer.retry_after()))
            })
            .await
    }
}

/// Storage speaks XML that may repeat the link: only the status is looked at.
fn storage_refusal(status: u16, retry_after: Option<Duration>) -> Error {
    let (kind, fault) = match status {
        429 | 503 => (ErrorKind::RateLimited, Fault::throttled(retry_after)),
        408 | 500.. => (ErrorKind::Unavailable, Fault::transient(Effect::None)),
        404 | 410 => (ErrorKind::NotFound, Fault::PERMANENT),
        _ => (ErrorKind::PermissionDenied, Fault::PERMANENT),
    };
    Error::new(kind, "the storage behind the result refused the download")
        .with_fault(fault)
        .with_context("status", status.to_string())
}

async fn refusal(answer: Response) -> Result<Error> {
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    // A body that breaks off says less than the status does.
    let body = answer.into_bytes(LARGEST_ERROR).await.unwrap_or_default();
    Ok(error::from_answer(status, &headers, &body))
}

fn read_json<T: DeserializeOwned>(body: Bytes) -> Result<T> {
    serde_json::from_slice(&body).map_err(|cause| {
        // serde quotes what it stumbled over, and that may be a link or somebody's data: only the place is kept.
        Error::new(ErrorKind::Protocol, "the service did not answer with the JSON that was expected")
            .with_context("at", format!("line {} column {}", cause.line(), cause.column()))
    })
}

fn authority(host: &Url) -> String {
    let name = host.host_str().unwrap_or_default();
    host.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("host", &self.authority())
            .field("auth", &self.0.credentials.name())
            .finish_non_exhaustive()
    }
}
