//! The client for the service itself, and the settings that both clients share.

use std::{sync::Arc, time::Duration};

use ::http::{HeaderValue, header};
use tracing::Instrument;

use super::{
    PlainHttp, Request, Response, error,
    transport::{Network, Transport},
};
use crate::{Error, ErrorKind, Result, Secret, telemetry, tls};

/// The HTTP client of one backend. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Http {
    wire: Wire,
    plain: PlainHttp,
}

impl Http {
    /// A client to be configured; it is complete as it stands.
    pub fn builder() -> HttpBuilder {
        HttpBuilder::default()
    }

    /// Sends the request, once, and returns the head of the answer.
    ///
    /// # Errors
    ///
    /// Failures of the road, as the [module](super) says. An answer with an error status is `Ok`.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the connection. The server may have received the request.
    pub async fn send(&self, request: Request) -> Result<Response> {
        self.wire.send(request).await
    }

    /// What carries the requests, for a [`Transport`] that watches it.
    pub fn transport(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.wire.transport)
    }

    /// The client for presigned links, with the same TLS and proxy settings and its own connections.
    pub fn plain(&self) -> PlainHttp {
        self.plain.clone()
    }
}

/// What both clients do on the wire.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    transport: Arc<dyn Transport>,
    response_timeout: Duration,
}

impl Wire {
    pub(super) async fn send(&self, mut request: Request) -> Result<Response> {
        let host = request.url.host_str().map(str::to_owned);
        let span = telemetry::span::http(request.method.as_str(), host.as_deref());
        if let Some(content_type) = request.body.content_type()
            && !request.headers.contains_key(header::CONTENT_TYPE)
        {
            request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if request.body.is_stream() {
            // Object stores refuse a body in chunks: they want to know its length first.
            request.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(request.body.len()));
        }
        let limit = request.timeout.unwrap_or(self.response_timeout);
        async {
            let answer = tokio::time::timeout(limit, self.transport.send(request))
                .await
                .map_err(|_| error::no_answer(limit, host.as_deref()))??;
            tracing::Span::current().record("status", answer.status().as_u16());
            Ok(answer)
        }
        .instrument(span)
        .await
    }
}

/// Settings of [`Http`] and of the [`PlainHttp`] that goes with it.
#[derive(Clone, Debug)]
#[must_use]
pub struct HttpBuilder {
    user_agent: String,
    connect_timeout: Duration,
    response_timeout: Duration,
    idle_timeout: Duration,
    pool_idle_timeout: Duration,
    extra_ca: Vec<u8>,
    proxy: Option<Secret>,
    transport: Option<Arc<dyn Transport>>,
}

impl Default for HttpBuilder {
    fn default() -> Self {
        Self {
            user_agent: concat!("twinhouse/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(120),
            idle_timeout: Duration::from_secs(60),
            pool_idle_timeout: Duration::from_secs(30),
            extra_ca: Vec::new(),
            proxy: None,
            transport: None,
        }
    }
}

impl HttpBuilder {
    /// The `User-Agent`. Default `twinhouse/<version>`.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// How long to wait for a connection, name look-up and TLS included. Default 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long to wait for the head of an answer, unless the request says otherwise. Default 120 s.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// The longest gap in the body of an answer. Default 60 s.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How long an unused connection is kept. Default 30 s, less than the servers keep theirs: a request on a
    /// connection that the server has just closed fails without saying whether it was seen.
    pub fn pool_idle_timeout(mut self, timeout: Duration) -> Self {
        self.pool_idle_timeout = timeout;
        self
    }

    /// Trusts the certificates in this PEM text beside those of the system.
    pub fn extra_ca(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.extra_ca.extend_from_slice(pem.as_ref());
        self.extra_ca.push(b'\n');
        self
    }

    /// Sends everything through this proxy, for example `http://user:password@proxy:3128`. The environment is not
    /// asked.
    pub fn proxy(mut self, url: impl Into<Secret>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Sends everything through this, instead of over the network. What is set for connections, TLS and the proxy is
    /// then without meaning.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// The client. Nothing is sent; the system's root certificates are read once in a process.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a user agent, certificate or proxy address that is malformed.
    pub fn build(self) -> Result<Http> {
        let wire = self.wire()?;
        let plain = PlainHttp { wire: self.wire()? };
        Ok(Http { wire, plain })
    }

    fn wire(&self) -> Result<Wire> {
        let transport = match &self.transport {
            Some(transport) => Arc::clone(transport),
            None => Arc::new(self.network()?),
        };
        Ok(Wire { transport, response_timeout: self.response_timeout })
    }

    fn network(&self) -> Result<Network> {
        let mut tls = tls::client(tls::roots(&self.extra_ca)?)?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let agent = HeaderValue::try_from(&self.user_agent)
            .map_err(|_| Error::bad_setting("user_agent", "builder", "text that fits a header"))?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(agent)
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(self.pool_idle_timeout)
            .tcp_nodelay(true)
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy();
        if let Some(proxy) = &self.proxy {
            let proxy = reqwest::Proxy::all(proxy.expose())
                .map_err(|_| Error::bad_setting("proxy", "builder", "the address of an HTTP proxy"))?;
            builder = builder.proxy(proxy);
        }
        let client = builder.build().map_err(|error| {
            Error::new(ErrorKind::Config, "the HTTP client cannot be set up").with_source(error.without_url())
        })?;
        Ok(Network { client, idle_timeout: self.idle_timeout })
    }
}
