//! One client and the engine's session behind it.

mod extended;
mod simple;
mod strike;

use std::{io, sync::Arc};

use bytes::{Buf as _, BytesMut};
use tokio::{
    io::{AsyncWriteExt as _, ReadHalf, WriteHalf},
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
    sync::{Mutex, mpsc},
};

use super::{
    front::Shared,
    record::Asker,
    relay::{Expected, Link, Request},
    report::Report,
    rewrite::LastIds,
    settings::Change,
    statement::{self, Analysis, Verb},
    wire::{Body, Message, Messages, complete, put, ready},
};
use crate::faults::Switch;

/// Answers that pile up to this are sent on.
const BATCH: usize = 64 * 1024;

/// A connection of either kind.
pub(super) trait Wire: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Sync + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Sync + Unpin> Wire for T {}

pub(super) type ClientIo = Box<dyn Wire>;
pub(super) type Requests = Messages<ReadHalf<ClientIo>>;
pub(super) type Answers = Arc<Mutex<WriteHalf<ClientIo>>>;

/// The client's side of a session: reads requests, decides what becomes of each.
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) asker: Asker,
    pub(super) link: Arc<Link>,
    pub(super) client: Requests,
    pub(super) answers: Answers,
    pub(super) engine: OwnedWriteHalf,
    /// What is not yet written to the engine.
    pub(super) pending: BytesMut,
    /// Answers to our own requests.
    pub(super) diverted: mpsc::Receiver<Message>,
    pub(super) switch: Switch,
    /// Held while a cancel is on its way: it must not hit the next query.
    pub(super) cancelling: Arc<Mutex<()>>,
    pub(super) case_sensitive: bool,
    pub(super) query_group: String,
    pub(super) ids: LastIds,
    /// The number of its latest transaction.
    pub(super) transaction: i64,
    pub(super) commit_prepared: bool,
}

/// Copies the engine's answers to the client, or to the exchange that asked for them.
pub(super) async fn answer(
    link: &Link,
    mut engine: Messages<OwnedReadHalf>,
    answers: &Mutex<WriteHalf<ClientIo>>,
    diverted: mpsc::Sender<Message>,
) -> io::Result<()> {
    let mut out = BytesMut::with_capacity(BATCH);
    while engine.fill_message().await? {
        loop {
            let taken = {
                let mut state = link.lock();
                state.relay(&mut engine.buffer, &mut out, BATCH)?;
                state.unwritten = !out.is_empty();
                state.diverted
            };
            if !out.is_empty() {
                let mut client = answers.lock().await;
                client.write_all(&out).await?;
                client.flush().await?;
                out.clear();
                link.lock().unwritten = false;
            }
            // Only now: whoever waits for this may write to the client next.
            if link.lock().is_idle() {
                link.idle.notify_waiters();
            }
            let Some(length) = complete(&engine.buffer)? else { break };
            if taken {
                let message = engine.buffer.split_to(length);
                if diverted.send(message.into()).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

impl Session {
    /// Serves requests until the client leaves.
    pub(super) async fn serve(&mut self) -> io::Result<()> {
        while let Some(message) = self.client.next().await? {
            let body = message.body();
            if !matches!(message.tag(), b'S' | b'X') && self.link.lock().skips() {
                continue;
            }
            match message.tag() {
                b'Q' => match str::from_utf8(Body(body).cstr()) {
                    Ok(text) => self.simple(text.to_owned()).await?,
                    Err(_) => self.refuse(not_utf8(), "", None),
                },
                b'P' => self.parse(body).await?,
                b'B' => self.bind(&message).await?,
                b'D' => self.describe(&message),
                b'E' => self.execute(&message).await?,
                b'C' => self.close(&message),
                b'S' => {
                    self.expect(Expected::new(Request::Sync));
                    self.pending.extend_from_slice(message.bytes());
                }
                b'H' => self.pending.extend_from_slice(message.bytes()),
                b'X' => return Ok(()),
                // Left over from a COPY that was refused.
                b'd' | b'c' | b'f' => {}
                b'F' => self.refuse(Report::unsupported("function calls are not supported"), "", None),
                _ => {
                    let report = Report::fatal("08P01", "invalid frontend message type");
                    self.tell(&[report]).await?;
                    return Ok(());
                }
            }
            if complete(&self.client.buffer)?.is_none() {
                self.flush().await?;
            }
        }
        // A client that only stops writing still gets what it has asked for.
        self.settle().await
    }

    fn expect(&self, expected: Expected) {
        self.link.lock().queue.push_back(expected);
    }

    /// Of the transaction, as the engine said last: `I`, `T` or `E`.
    pub(super) fn status(&self) -> u8 {
        self.link.lock().status
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            let _none_on_its_way = self.cancelling.lock().await;
            self.engine.write_all(&self.pending).await?;
            self.pending.clear();
        }
        Ok(())
    }

    /// Returns when every request so far has been answered: only then is the status what the client knows.
    async fn settle(&mut self) -> io::Result<()> {
        if !self.link.lock().queue.is_empty() {
            // Answers to a batch without an end stay with the engine until they are asked for.
            put(&mut self.pending, b'H', |_| {});
        }
        self.flush().await?;
        self.link.wait_idle().await;
        Ok(())
    }

    /// Writes reports to the client; only while no answer of the engine is due.
    pub(super) async fn tell(&self, reports: &[Report]) -> io::Result<()> {
        let mut out = BytesMut::new();
        reports.iter().for_each(|report| report.put(&mut out));
        self.write(&out).await
    }

    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut client = self.answers.lock().await;
        client.write_all(bytes).await?;
        client.flush().await
    }

    /// Tells the client that it may go on.
    pub(super) async fn tell_ready(&self) -> io::Result<()> {
        let mut out = BytesMut::new();
        ready(&mut out, self.status());
        self.write(&out).await
    }

    fn analyse(&mut self, text: &str) -> Analysis {
        self.ids.query = self.link.lock().last_query;
        let session = statement::Session {
            case_sensitive: self.case_sensitive,
            serverless: self.shared.serverless,
            ids: self.ids,
        };
        statement::analyse(text, &session)
    }

    fn begin(&mut self, verb: Verb, text: &str) -> i64 {
        let record = &self.shared.record;
        if self.status() == b'I' {
            self.transaction = record.new_transaction();
        }
        record.begin(&self.asker, self.transaction, &self.query_group, verb.as_str(), text)
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.flush().await?;
        let _none_on_its_way = self.cancelling.lock().await;
        self.engine.write_all(bytes).await
    }

    /// The next answer to a request of ours. Notes the status of the transaction.
    pub(super) async fn receive(&mut self) -> io::Result<Message> {
        let message = self.diverted.recv().await.ok_or(io::ErrorKind::UnexpectedEof)?;
        if message.tag() == b'Z' {
            let status = message.body().first().copied().unwrap_or(b'I');
            let mut state = self.link.lock();
            state.status = status;
            state.cursor_open &= status != b'I';
        }
        Ok(message)
    }

    /// Notes a setting that changes how later statements are read.
    fn apply(&mut self, change: Option<&Change>) {
        match change {
            Some(Change::CaseSensitive(on)) => self.case_sensitive = *on,
            Some(Change::QueryGroup(label)) => self.query_group = label.clone().unwrap_or_default(),
            Some(Change::All) => {
                self.case_sensitive = false;
                self.query_group.clear();
            }
            None => {}
        }
    }
}

fn not_utf8() -> Report {
    Report::error("22021", "invalid byte sequence for encoding \"UTF8\"")
}

/// The rest of the client's start-up packet after its length and version.
pub(super) fn start_up_parameters(packet: &[u8]) -> Vec<(String, String)> {
    let mut body = Body(packet);
    body.0.advance(8.min(packet.len()));
    let mut parameters = Vec::new();
    loop {
        let name = body.text();
        if name.is_empty() {
            return parameters;
        }
        parameters.push((name, body.text()));
    }
}
