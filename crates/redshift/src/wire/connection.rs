//! One connection: bytes out, messages in, and whether the server still owes us an answer.

use std::{collections::VecDeque, fmt, io, sync::Arc, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use twinhouse_core::{Error, ErrorKind, Result};

use super::message::{Body, CommandTag, ServerMessage, malformed, tag};
use crate::{config::NoticeHandler, error, statement::Source};

/// How much is read at once.
const READ: usize = 64 * 1024;
/// No message comes near it: a row holds at most 64 MB (quotas page of the Redshift Management Guide).
const LARGEST_MESSAGE: usize = 256 * 1024 * 1024;
/// How many notices are kept; the oldest go first.
const NOTICES: usize = 64;
/// How long to look for the reason why the server hung up.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What bytes go over: TCP, TLS, or memory in tests.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A complete message at the front of what was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) tag: u8,
    length: usize,
}

/// Whether a transaction is open, as the server said with its last answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TransactionState {
    #[default]
    None,
    Open,
    Failed,
}

/// Something the server said beside its answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub(crate) severity: String,
    pub(crate) message: String,
}

impl Notice {
    /// `NOTICE`, `INFO`, `WARNING`, …
    pub fn severity(&self) -> &str {
        &self.severity
    }

    /// The server's words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How many rows a COPY loaded, if this is its report: its command tag does not say.
    pub(crate) fn rows_loaded(&self) -> Option<u64> {
        let (_, count) = self.message.rsplit_once("completed, ")?;
        count.split_once(" record(s) loaded")?.0.trim().parse().ok()
    }
}

/// A connection to one server process. Nobody reads from it but its owner.
pub(crate) struct Connection {
    socket: Box<dyn Socket>,
    incoming: BytesMut,
    outgoing: BytesMut,
    /// How many `ReadyForQuery` the server still owes us.
    owed: usize,
    transaction: TransactionState,
    broken: bool,
    /// Whether the server may have thrown away what was prepared.
    stale_plans: bool,
    notices: VecDeque<Notice>,
    hears: Option<NoticeHandler>,
    server_version: Option<String>,
    /// The statement that errors are about.
    source: Option<Arc<Source>>,
}

impl Connection {
    pub(crate) fn new(socket: Box<dyn Socket>) -> Self {
        Self {
            socket,
            incoming: BytesMut::with_capacity(READ),
            outgoing: BytesMut::new(),
            owed: 0,
            transaction: TransactionState::None,
            broken: false,
            stale_plans: false,
            notices: VecDeque::new(),
            hears: None,
            server_version: None,
            source: None,
        }
    }

    /// Says which statement the errors from here on are about.
    pub(crate) fn explain_with(&mut self, source: Option<Arc<Source>>) {
        self.source = source;
    }

    /// Whether both sides are at rest: nothing is half sent and no answer is due.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.broken && self.owed == 0 && self.outgoing.is_empty()
    }

    /// Whether it can never be used again.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    pub(crate) fn transaction(&self) -> TransactionState {
        self.transaction
    }

    /// Whether what was prepared before may be gone, since the last look.
    pub(crate) fn take_stale_plans(&mut self) -> bool {
        std::mem::take(&mut self.stale_plans)
    }

    pub(crate) fn server_version(&self) -> Option<&str> {
        self.server_version.as_deref()
    }

    /// Has this function hear every notice from now on.
    pub(crate) fn told_to(mut self, handler: Option<NoticeHandler>) -> Self {
        self.hears = handler;
        self
    }

    /// What the server said beside its answers since the last look.
    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        self.notices.drain(..).collect()
    }

    /// Puts a message into the buffer; [`send`](Self::send) sends it.
    pub(crate) fn put(&mut self, write: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> Result<()> {
        let before = self.outgoing.len();
        write(&mut self.outgoing).map_err(|cause| {
            self.outgoing.truncate(before);
            Error::new(ErrorKind::InvalidInput, "the statement cannot be put into a message").with_source(cause)
        })
    }

    /// Sends what was put; the server will answer with this many `ReadyForQuery`.
    ///
    /// Dropping the future leaves the connection broken: part of it may be sent.
    pub(crate) async fn send(&mut self, answers: usize) -> Result<()> {
        if self.broken {
            return Err(error::lost(io::ErrorKind::NotConnected.into()));
        }
        self.broken = true;
        self.owed += answers;
        let sent = async {
            self.socket.write_all(&self.outgoing).await?;
            self.socket.flush().await
        }
        .await;
        self.outgoing.clear();
        match sent {
            Ok(()) => {
                self.broken = false;
                Ok(())
            }
            Err(cause) => Err(self.last_words(cause).await),
        }
    }

    /// A server that hangs up often says why first; that is worth more than "broken pipe".
    async fn last_words(&mut self, cause: io::Error) -> Error {
        let listen = async {
            loop {
                while let Some(frame) = self.buffered()? {
                    if frame.tag == tag::ERROR {
                        return ServerMessage::parse(self.body(frame)).map(Some);
                    }
                    self.discard(frame)?;
                }
                if !self.fill().await? {
                    return Ok::<_, Error>(None);
                }
            }
        };
        match tokio::time::timeout(LAST_WORDS, listen).await {
            Ok(Ok(Some(message))) if message.is_fatal() => error::refused(message),
            _ => error::lost(cause),
        }
    }

    /// Waits for the next message that is an answer.
    pub(crate) async fn next(&mut self) -> Result<Frame> {
        loop {
            if let Some(frame) = self.buffered()? {
                return Ok(frame);
            }
            let filled = match self.fill().await {
                Ok(true) => continue,
                Ok(false) => error::lost(io::ErrorKind::UnexpectedEof.into()),
                Err(error) => error,
            };
            self.broken = true;
            return Err(filled);
        }
    }

    /// The next answer, if it is here already. Notices and reports on the way are taken care of.
    pub(crate) fn buffered(&mut self) -> Result<Option<Frame>> {
        let found = self.scan();
        self.broken |= found.is_err();
        found
    }

    fn scan(&mut self) -> Result<Option<Frame>> {
        loop {
            let Some((head, _)) = self.incoming.split_first_chunk::<5>() else { return Ok(None) };
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            if !(4..=LARGEST_MESSAGE).contains(&length) {
                return Err(malformed().with_context("length", length.to_string()));
            }
            let frame = Frame { tag: head[0], length: length + 1 };
            if self.incoming.len() < frame.length {
                self.incoming.reserve(frame.length - self.incoming.len());
                return Ok(None);
            }
            match frame.tag {
                tag::NOTICE => {
                    let notice = ServerMessage::parse(self.body(frame))?;
                    tracing::debug!(severity = notice.severity, message = notice.message, "notice");
                    if self.notices.len() == NOTICES {
                        self.notices.pop_front();
                    }
                    let notice = Notice { severity: notice.severity, message: notice.message };
                    if let Some(handler) = &self.hears {
                        handler.hear(&notice);
                    }
                    self.notices.push_back(notice);
                }
                tag::PARAMETER_STATUS => {
                    let mut body = Body::new(self.body(frame));
                    let (name, value) = (body.text()?, body.text()?);
                    if name == "server_version" {
                        self.server_version = Some(value);
                    }
                }
                tag::NOTIFICATION => {}
                _ => return Ok(Some(frame)),
            }
            self.incoming.advance(frame.length);
        }
    }

    /// The bytes of a message, without tag and length.
    pub(crate) fn body(&self, frame: Frame) -> &[u8] {
        &self.incoming[5..frame.length]
    }

    /// Lets go of the message at the front.
    pub(crate) fn discard(&mut self, frame: Frame) -> Result<()> {
        if frame.tag == tag::COMMAND_COMPLETE {
            self.stale_plans |= CommandTag::makes_plans_stale(self.body(frame));
        }
        if frame.tag == tag::READY_FOR_QUERY {
            let state = Body::new(self.body(frame)).byte()?;
            self.transaction = match state {
                b'I' => TransactionState::None,
                b'T' => TransactionState::Open,
                b'E' => TransactionState::Failed,
                _ => return Err(malformed()),
            };
            self.owed = self.owed.saturating_sub(1);
        }
        self.incoming.advance(frame.length);
        Ok(())
    }

    /// The error at the front, taken off. After a fatal one the connection is broken.
    pub(crate) fn take_error(&mut self, frame: Frame) -> Result<Error> {
        let mut message = ServerMessage::parse(self.body(frame))?;
        self.broken |= message.is_fatal();
        self.stale_plans |= error::is_stale_plan(&message);
        self.discard(frame)?;
        let place = self.source.as_ref().and_then(|source| source.place(&message.position));
        message.position = place.unwrap_or_default();
        Ok(error::refused(message))
    }

    /// Reads and drops answers until none is due.
    pub(crate) async fn drain(&mut self) -> Result<()> {
        while self.owed > 0 {
            let frame = self.next().await?;
            if frame.tag == tag::ERROR {
                let error = self.take_error(frame)?;
                if self.broken {
                    return Err(error);
                }
            } else {
                self.discard(frame)?;
            }
        }
        Ok(())
    }

    /// Reads once. False: the server has hung up. Dropping the future loses nothing.
    async fn fill(&mut self) -> Result<bool> {
        self.incoming.reserve(READ);
        match self.socket.read_buf(&mut self.incoming).await {
            Ok(0) => Ok(false),
            Ok(_) => Ok(true),
            Err(cause) => Err(error::lost(cause)),
        }
    }

    /// Says goodbye and hangs up.
    pub(crate) async fn goodbye(&mut self) {
        // Best effort: the server notices a closed socket as well.
        let _ = self.socket.write_all(&[b'X', 0, 0, 0, 4]).await;
        let _ = self.socket.shutdown().await;
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("owed", &self.owed)
            .field("transaction", &self.transaction)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_reports_its_rows_in_a_notice() {
        let notice = |message: &str| Notice { severity: "INFO".to_owned(), message: message.to_owned() };
        let report =
            notice("Load into table 'a completed, 9 record(s) loaded' completed, 42 record(s) loaded successfully.");
        assert_eq!(report.rows_loaded(), Some(42));
        assert_eq!(notice("Load into table 't' completed, many record(s) loaded").rows_loaded(), None);
        assert_eq!(notice("something else").rows_loaded(), None);
    }
}
