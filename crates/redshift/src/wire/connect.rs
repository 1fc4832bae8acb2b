//! From an address to a socket: TCP, keepalive, and TLS as configured.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use postgres_protocol::message::frontend;
use rustls::{ClientConfig, pki_types::ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::OnceCell,
};
use tokio_rustls::TlsConnector;
use twinhouse_core::{Effect, Error, ErrorKind, Fault, Result};

use super::{connection::Socket, tls};
use crate::{config::SslMode, error};

/// How often TCP asks before it gives a connection up, as AWS advises.
const PROBES: u32 = 5;

/// Knows the way to one server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connector(Arc<Inner>);

struct Inner {
    host: String,
    port: u16,
    mode: SslMode,
    root_certificate: Option<PathBuf>,
    keepalive: Duration,
    tls: OnceCell<Option<Arc<ClientConfig>>>,
    #[cfg(test)]
    script: Option<super::script::Dial>,
}

impl Connector {
    pub(crate) fn new(
        host: String,
        port: u16,
        mode: SslMode,
        root_certificate: Option<PathBuf>,
        keepalive: Duration,
    ) -> Self {
        Self(Arc::new(Inner {
            host,
            port,
            mode,
            root_certificate,
            keepalive,
            tls: OnceCell::new(),
            #[cfg(test)]
            script: None,
        }))
    }

    /// Reaches a scripted server in memory instead of the network.
    #[cfg(test)]
    pub(crate) fn scripted(dial: super::script::Dial) -> Self {
        Self(Arc::new(Inner {
            host: "scripted".to_owned(),
            port: 5439,
            mode: SslMode::Disable,
            root_certificate: None,
            keepalive: Duration::from_secs(200),
            tls: OnceCell::new(),
            script: Some(dial),
        }))
    }

    #[cfg(test)]
    pub(crate) fn dial_script(&self) -> Result<Box<dyn Socket>> {
        match &self.0.script {
            Some(script) => script(),
            None => Err(error::unreachable(io::ErrorKind::NotFound.into())),
        }
    }

    /// A socket to the server, encrypted as configured.
    ///
    /// Nothing of ours was sent when it fails, so it may be tried again.
    pub(crate) async fn connect(&self) -> Result<Box<dyn Socket>> {
        self.dial().await.map_err(|error| {
            error.with_context("host", self.0.host.clone()).with_context("port", self.0.port.to_string())
        })
    }

    async fn dial(&self) -> Result<Box<dyn Socket>> {
        let inner = &*self.0;
        #[cfg(test)]
        if let Some(script) = &inner.script {
            return script();
        }
        let config =
            inner.tls.get_or_try_init(|| tls::client(inner.mode, inner.root_certificate.as_deref())).await?.clone();
        let mut socket = TcpStream::connect((inner.host.as_str(), inner.port)).await.map_err(error::unreachable)?;
        tune(&socket, inner.keepalive).map_err(error::unreachable)?;
        let Some(config) = config else { return Ok(Box::new(socket)) };

        let mut request = bytes::BytesMut::new();
        frontend::ssl_request(&mut request);
        socket.write_all(&request).await.map_err(error::unreachable)?;
        match socket.read_u8().await.map_err(error::unreachable)? {
            b'S' => {}
            b'N' if inner.mode == SslMode::Prefer => return Ok(Box::new(socket)),
            b'N' => {
                return Err(Error::new(ErrorKind::Connection, "the server does not encrypt")
                    .with_fault(Fault::PERMANENT)
                    .with_context("sslmode", inner.mode.as_str()));
            }
            _ => {
                return Err(
                    Error::new(ErrorKind::Protocol, "no answer to the request for TLS").with_fault(Fault::PERMANENT)
                );
            }
        }
        let name = ServerName::try_from(inner.host.clone())
            .map_err(|cause| Error::bad_setting("host", "configuration", "a name or address").with_source(cause))?;
        let socket = TlsConnector::from(config).connect(name, socket).await.map_err(handshake)?;
        Ok(Box::new(socket))
    }
}

fn tune(socket: &TcpStream, keepalive: Duration) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(keepalive).with_interval(keepalive).with_retries(PROBES);
    SockRef::from(socket).set_tcp_keepalive(&keepalive)
}

fn handshake(cause: io::Error) -> Error {
    // A certificate that was refused once is refused again; a connection that broke meanwhile is another matter.
    let refused = cause.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
    let fault = if refused { Fault::PERMANENT } else { Fault::transient(Effect::None) };
    Error::new(ErrorKind::Connection, "no TLS connection to the server").with_fault(fault).with_source(cause)
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("host", &self.0.host)
            .field("port", &self.0.port)
            .field("sslmode", &self.0.mode)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_silent_connection_is_asked_after_before_the_network_drops_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        tune(&socket, Duration::from_secs(200)).unwrap();
        let set = SockRef::from(&socket);
        assert!(set.keepalive().unwrap() && socket.nodelay().unwrap());
        assert_eq!(set.tcp_keepalive_time().unwrap(), Duration::from_secs(200));
        assert_eq!(
            (set.tcp_keepalive_interval().unwrap(), set.tcp_keepalive_retries().unwrap()),
            (Duration::from_secs(200), 5)
        );
    }
}
