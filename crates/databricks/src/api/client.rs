//! The way to the service that all calls share.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::de::DeserializeOwned;
use twinhouse_auth::{Cached, CredentialProvider as _, sources::azure::AzureWorkspace};
use twinhouse_core::{
    Effect, Error, ErrorKind, Fault, Result,
    http::{HeaderName, HeaderValue, Http, Link, Method, PlainHttp, Request, Response, Url},
    resilience::{Attempt, Operation, Policy, Rate},
};

use super::credentials::{Login, Roads};
use crate::{config::DatabricksConfig, error};

/// Classes of endpoints: what each does to the service, and to us if it fails, differs. Each has a rate, a breaker and
/// a retry budget of its own.
pub(crate) const STATEMENTS: &str = "statements";
/// Each submission may start a warehouse; a look at one does not.
pub(crate) const STATEMENT_SUBMIT: &str = "statements.submit";
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
    /// Knows the workspace's address, where only its resource id in Azure is known.
    workspace: Option<AzureWorkspace>,
    http: Http,
    plain: PlainHttp,
    policy: Policy,
    credentials: Cached,
    /// Which workspace is meant, for hosts that serve several.
    workspace_id: Option<HeaderValue>,
    summary: String,
    response_timeout: Duration,
}

/// What a segment of a path cannot have as it is. Left to the address, tabs and ends of lines would go without a word.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'`')
    .add(b'{')
    .add(b'}');

const WORKSPACE_ID: HeaderName = HeaderName::from_static("x-databricks-workspace-id");

impl Client {
    pub(crate) fn new(config: &DatabricksConfig) -> Result<Self> {
        let host = config.host.clone();
        let http = |proxied: bool| {
            let mut http = Http::builder().user_agent(&config.user_agent).response_timeout(config.timeout);
            if !config.extra_ca.is_empty() {
                http = http.extra_ca(&config.extra_ca);
            }
            if let Some(proxy) = config.proxy.as_ref().filter(|_| proxied) {
                http = http.proxy(proxy.clone());
            }
            if let Some(transport) = &config.transport {
                http = http.transport(Arc::clone(transport));
            }
            http.build()
        };
        let near = if config.proxy.is_some() { Some(http(false)?) } else { None };
        let http = http(true)?;
        let server = if config.lookup { host.path().to_owned() } else { authority(&host) };
        let mut policy = Policy::builder()
            .server(error::BACKEND, server)
            .registry(config.registry.clone())
            .max_attempts(config.max_retries.saturating_add(1))
            .attempt_timeout(config.timeout)
            .default_rate(config.rates.default_rate())
            .rate(LINKS, Rate::UNLIMITED);
        for (class, rate) in config.rates.classes() {
            policy = policy.rate(class, rate);
        }
        let policy = policy.build();
        let roads = Roads { config, http: &http, near: near.as_ref().unwrap_or(&http), policy: &policy };
        let Login { credentials, workspace } = roads.login()?;
        let workspace_id = config.workspace_id.as_deref().map(HeaderValue::from_str).transpose();
        let workspace_id = workspace_id.map_err(|_| Error::bad_setting("workspace_id", "configuration", "a number"))?;
        let plain = http.plain();
        Ok(Self(Arc::new(Inner {
            host,
            workspace,
            http,
            plain,
            policy,
            credentials,
            workspace_id,
            summary: config.summary.clone(),
            response_timeout: config.timeout,
        })))
    }

    /// The request as it goes out: to the workspace's own address, and saying which workspace is meant.
    async fn addressed(&self, request: &Request) -> Result<Request> {
        let mut request = request.clone();
        if let Some(workspace) = &self.0.workspace {
            let mut url = workspace.url().await?;
            url.set_path(request.url().path());
            url.set_query(request.url().query());
            let (headers, body) = (request.headers().clone(), request.body().clone());
            request = Request::new(request.method().clone(), url).with_headers(headers).with_body(body);
        }
        Ok(match &self.0.workspace_id {
            Some(id) => request.with_header(WORKSPACE_ID, id.clone()),
            None => request,
        })
    }

    /// Host and port, without credentials.
    pub(crate) fn authority(&self) -> String {
        authority(&self.0.host)
    }

    /// A request to the path of these segments, each escaped on its own.
    pub(crate) fn request<'a>(&self, method: Method, segments: impl IntoIterator<Item = &'a str>) -> Request {
        let mut url = self.0.host.clone();
        // These two would lead elsewhere, however they are written.
        let segments = segments.into_iter().filter(|segment| !matches!(*segment, "." | ".."));
        let path: Vec<_> = segments.map(|segment| utf8_percent_encode(segment, SEGMENT).to_string()).collect();
        url.set_path(&path.join("/"));
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

    /// The head of a successful answer, its body still to be read: for what does not fit into memory.
    pub(crate) async fn open(&self, operation: Operation, request: Request) -> Result<Response> {
        self.send(operation, request, |answer| async { Ok(answer) }).await
    }

    pub(super) async fn send<T, R, F>(&self, operation: Operation, request: Request, read: R) -> Result<T>
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
                    let request = self.addressed(request).await?;
                    let request = request.with_headers(credential.headers()?).with_timeout(attempt.timeout);
                    let answer = self.0.http.send(request).await?;
                    if answer.status().is_success() {
                        return read(answer).await;
                    }
                    let error = refusal(answer).await?;
                    if error.kind() != ErrorKind::Unauthenticated || renewed {
                        return Err(self.told(error));
                    }
                    // It was refused before anything was done; a token may just have expired or been rotated.
                    self.0.credentials.invalidate(generation);
                    renewed = true;
                }
            })
            .await
    }

    /// A refusal of who we are is told with who we said we were.
    fn told(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::Unauthenticated | ErrorKind::PermissionDenied => {
                error.with_context("auth", self.0.credentials.name()).with_context("config", &self.0.summary)
            }
            _ => error,
        }
    }

    /// Repeats a unit of work of several calls, where that is safe: by the rules, and out of the budget, of single calls.
    pub(crate) async fn repeat<T, F>(&self, operation: Operation, mut work: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        self.0.policy.execute(operation, |_| work()).await
    }

    /// Calls the storage behind presigned links, by the rules of all calls. The service's credential does not go there.
    pub(crate) async fn storage<T, F>(
        &self,
        operation: Operation,
        mut call: impl FnMut(PlainHttp, Attempt) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        self.0.policy.execute(operation, |attempt| call(self.0.plain.clone(), attempt)).await
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
    // serde would take `[]` for an object without fields, and thus nothing for an answer.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(Error::new(ErrorKind::Protocol, "the service answered with a list where it has objects"));
    }
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
