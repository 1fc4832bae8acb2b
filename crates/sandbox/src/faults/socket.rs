//! Accepted connections that can be made to die.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

const ALIVE: u8 = 0;
const RESET: u8 = 1;
const RESET_ON_NEXT_REQUEST: u8 = 2;

/// What a handler does to the connection under it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Switch(Arc<AtomicU8>);

impl Switch {
    /// Resets the connection instead of the next write.
    pub(crate) fn reset(&self) {
        self.0.store(RESET, Ordering::Release);
    }

    /// Lets the answer out and resets the connection when the client uses it again.
    pub(crate) fn drop_idle(&self) {
        self.0.store(RESET_ON_NEXT_REQUEST, Ordering::Release);
    }

    fn state(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }
}

impl Connected<IncomingStream<'_, FaultyListener>> for Switch {
    fn connect_info(stream: IncomingStream<'_, FaultyListener>) -> Self {
        stream.io().switch.clone()
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Switch {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        stream.io().get_ref().0.switch.clone()
    }
}

pub(super) struct FaultyListener(pub(super) TcpListener);

/// The same behind TLS. Handshakes run beside each other: one client that dawdles keeps nobody waiting.
pub(super) struct TlsListener {
    tcp: FaultyListener,
    acceptor: TlsAcceptor,
    shaking: JoinSet<Option<(TlsStream<FaultyStream>, SocketAddr)>>,
}

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

impl TlsListener {
    pub(super) fn new(tcp: TcpListener, server: Arc<ServerConfig>) -> Self {
        Self { tcp: FaultyListener(tcp), acceptor: TlsAcceptor::from(server), shaking: JoinSet::new() }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<FaultyStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                (stream, peer) = self.tcp.accept() => {
                    let acceptor = self.acceptor.clone();
                    self.shaking.spawn(async move {
                        let shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
                        shaken.ok()?.inspect_err(|error| tracing::debug!(%error, "no TLS")).ok().map(|stream| (stream, peer))
                    });
                }
                shaken = self.shaking.join_next(), if !self.shaking.is_empty() => {
                    // A handshake that failed must not keep those beside it unheard.
                    if let Some(Ok(Some(connection))) = shaken {
                        return connection;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

impl Listener for FaultyListener {
    type Io = FaultyStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // axum's own loop: it waits out a shortage of file descriptors.
        let (tcp, peer) = Listener::accept(&mut self.0).await;
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "could not switch off the delay of small packets");
        }
        (FaultyStream::new(tcp), peer)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

#[derive(Debug)]
pub(crate) struct FaultyStream {
    tcp: TcpStream,
    switch: Switch,
}

impl FaultyStream {
    /// A connection that nothing has happened to yet.
    pub(crate) fn new(tcp: TcpStream) -> Self {
        Self { tcp, switch: Switch::default() }
    }

    /// What makes it die.
    pub(crate) fn switch(&self) -> Switch {
        self.switch.clone()
    }

    /// Closing with no time to linger sends RST instead of FIN.
    fn die(&self) -> io::Error {
        match self.tcp.set_zero_linger() {
            Ok(()) => io::ErrorKind::ConnectionReset.into(),
            Err(error) => error,
        }
    }
}

impl AsyncRead for FaultyStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        if self.switch.state() != ALIVE && buf.filled().len() > before {
            return Poll::Ready(Err(self.die()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for FaultyStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.switch.state() == RESET {
            return Poll::Ready(Err(self.die()));
        }
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.switch.state() == RESET {
            return Poll::Ready(Err(self.die()));
        }
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.switch.state() != ALIVE {
            // An orderly FIN first would spoil the reset.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
