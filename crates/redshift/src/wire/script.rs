//! A server in memory that says what a test tells it to.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI32, AtomicUsize, Ordering},
};

use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use twinhouse_core::Result;

use super::{
    connect::Connector,
    connection::{Connection, Socket},
};

pub(crate) type Dial = Arc<dyn Fn() -> Result<Box<dyn Socket>> + Send + Sync>;

/// What the server was sent first on a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum First {
    Startup(Vec<(String, String)>),
    Cancel(i32, i32),
}

/// What happened on the server, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.all().iter().filter(|line| line.contains(what)).count()
    }

    /// Waits until something was noted; the tests' clock is paused, so that this takes no time.
    pub(crate) async fn wait_for(&self, what: &str) {
        for _ in 0..10_000 {
            if self.count(what) > 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("never happened: {what}; only {:?}", self.all());
    }
}

impl Log {
    /// Never ends before it was noted this often.
    pub(crate) async fn wait_for_times(&self, what: &str, times: usize) {
        while self.count(what) < times {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

/// The server's end of one connection.
pub(crate) struct Peer {
    socket: DuplexStream,
    pub(crate) process: i32,
    pub(crate) log: Log,
}

impl Peer {
    pub(crate) async fn first(&mut self) -> First {
        let length = self.socket.read_i32().await.unwrap();
        let code = self.socket.read_i32().await.unwrap();
        let mut body = vec![0; usize::try_from(length).unwrap() - 8];
        self.socket.read_exact(&mut body).await.unwrap();
        if code == 80_877_102 {
            let number = |at: usize| i32::from_be_bytes(body[at..at + 4].try_into().unwrap());
            return First::Cancel(number(0), number(4));
        }
        assert_eq!(code, 196_608);
        let texts: Vec<_> = body.split(|&b| b == 0).map(|text| String::from_utf8(text.to_vec()).unwrap()).collect();
        First::Startup(
            texts
                .chunks_exact(2)
                .filter(|pair| !pair[0].is_empty())
                .map(|pair| (pair[0].clone(), pair[1].clone()))
                .collect(),
        )
    }

    /// The next message; `None` when the client has hung up.
    pub(crate) async fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        let tag = self.socket.read_u8().await.ok()?;
        let length = self.socket.read_i32().await.ok()?;
        let mut body = vec![0; usize::try_from(length).unwrap() - 4];
        self.socket.read_exact(&mut body).await.ok()?;
        Some((tag, body))
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // A client that is gone is part of what is tested.
        let _ = self.socket.write_all(bytes).await;
    }

    /// Lets anybody in.
    pub(crate) async fn welcome(&mut self) {
        let process = self.process;
        self.send(&[authentication(0, b""), key(process, 42), ready(b'I')].concat()).await;
    }

    /// Answers each simple query, and each prepared one at its Execute, as `answer` says. Other messages get what the
    /// protocol wants.
    pub(crate) async fn serve(mut self, answer: impl Fn(&str) -> Vec<u8>) {
        let mut prepared = String::new();
        while let Some((tag, body)) = self.message().await {
            match tag {
                b'Q' => {
                    let sql = cstr(&body);
                    self.log.note(format!("{} Q {sql}", self.process));
                    let said = answer(&sql);
                    self.send(&said).await;
                    if !said.is_empty() {
                        self.send(&ready(b'I')).await;
                    }
                }
                b'P' => {
                    prepared = cstr(&body[1..]);
                    self.log.note(format!("{} P {prepared}", self.process));
                    self.send(&message(b'1', b"")).await;
                }
                b'D' => self.send(&[message(b't', &[0, 0]), description(&answer(&prepared))].concat()).await,
                b'B' => {
                    self.log.note(format!("{} B {}", self.process, String::from_utf8_lossy(&body)));
                    self.send(&message(b'2', b"")).await;
                    let said = answer(&prepared);
                    // Of a prepared answer the description has gone before.
                    let from = if said.first() == Some(&b'T') { description(&said).len() } else { 0 };
                    self.send(&said[from..]).await;
                    if is_last(&said) {
                        return;
                    }
                    if !ends(&said) {
                        // The query goes on and on.
                        while self.message().await.is_some() {}
                        self.log.note(format!("{} gone", self.process));
                        return;
                    }
                }
                b'S' => self.send(&ready(b'I')).await,
                b'E' => {}
                b'X' => {
                    self.log.note(format!("{} X", self.process));
                    return;
                }
                other => panic!("message {}", char::from(other)),
            }
        }
        self.log.note(format!("{} gone", self.process));
    }
}

/// The description at the front of an answer.
fn description(said: &[u8]) -> Vec<u8> {
    if said.first() != Some(&b'T') {
        return message(b'n', b"");
    }
    let length = u32::from_be_bytes(said[1..5].try_into().unwrap()) as usize + 1;
    said[..length].to_vec()
}

fn messages(said: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut all) = (said, Vec::new());
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize + 1;
        let (message, after) = rest.split_at(length);
        all.push(message);
        rest = after;
    }
    all
}

/// Whether the answer has an end.
fn ends(said: &[u8]) -> bool {
    messages(said).iter().any(|message| matches!(message[0], b'C' | b'E' | b'I'))
}

/// Whether the server hangs up after it.
fn is_last(said: &[u8]) -> bool {
    messages(said).iter().any(|message| message[0] == b'E' && message[5..].starts_with(b"SFATAL"))
}

/// A way to servers that `serve` is run for, one for each connection; cancel requests are noted and taken.
pub(crate) fn connector<F>(log: &Log, serve: F) -> Connector
where
    F: Fn(Peer) -> BoxFuture<'static, ()> + Send + Sync + 'static,
{
    let (log, serve, next) = (log.clone(), Arc::new(serve), Arc::new(AtomicI32::new(1)));
    Connector::scripted(Arc::new(move || {
        let (ours, theirs) = duplex(1 << 16);
        let mut peer = Peer { socket: theirs, process: 0, log: log.clone() };
        let (serve, next) = (serve.clone(), next.clone());
        tokio::spawn(async move {
            match peer.first().await {
                First::Cancel(process, key) => peer.log.note(format!("cancel {process} {key}")),
                First::Startup(_) => {
                    peer.process = next.fetch_add(1, Ordering::Relaxed);
                    serve(peer).await;
                }
            }
        });
        Ok(Box::new(ours))
    }))
}

/// The same way, with the dialling itself decided by `may`, which is told how many have gone before.
pub(crate) fn gated<F>(log: &Log, may: impl Fn(usize) -> bool + Send + Sync + 'static, serve: F) -> Connector
where
    F: Fn(Peer) -> BoxFuture<'static, ()> + Send + Sync + 'static,
{
    let (open, before) = (connector(log, serve), AtomicUsize::new(0));
    Connector::scripted(Arc::new(move || {
        if may(before.fetch_add(1, Ordering::Relaxed)) {
            open.dial_script()
        } else {
            Err(crate::error::unreachable(std::io::ErrorKind::ConnectionRefused.into()))
        }
    }))
}

/// A connection whose other end is the test.
pub(crate) fn pair() -> (Connection, Peer) {
    let (ours, theirs) = duplex(1 << 16);
    (Connection::new(Box::new(ours)), Peer { socket: theirs, process: 7, log: Log::default() })
}

fn cstr(body: &[u8]) -> String {
    String::from_utf8(body.iter().copied().take_while(|&b| b != 0).collect()).unwrap()
}

pub(crate) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag][..], &length, body].concat()
}

pub(crate) fn authentication(code: i32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[&code.to_be_bytes()[..], rest].concat())
}

pub(crate) fn key(process: i32, key: i32) -> Vec<u8> {
    message(b'K', &[process.to_be_bytes(), key.to_be_bytes()].concat())
}

pub(crate) fn ready(state: u8) -> Vec<u8> {
    message(b'Z', &[state])
}

pub(crate) fn complete(tag: &str) -> Vec<u8> {
    message(b'C', format!("{tag}\0").as_bytes())
}

pub(crate) fn columns(columns: &[(&str, u32)]) -> Vec<u8> {
    let mut body = i16::try_from(columns.len()).unwrap().to_be_bytes().to_vec();
    for (name, oid) in columns {
        body.extend(format!("{name}\0").as_bytes());
        body.extend([0; 6]);
        body.extend(oid.to_be_bytes());
        body.extend([255, 255]);
        body.extend((-1_i32).to_be_bytes());
        body.extend([0, 0]);
    }
    message(b'T', &body)
}

pub(crate) fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = i16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
    for value in values {
        body.extend(value.map_or(-1, |value| i32::try_from(value.len()).unwrap()).to_be_bytes());
        body.extend(value.unwrap_or_default());
    }
    message(b'D', &body)
}

pub(crate) fn error(severity: &str, code: &str, text: &str) -> Vec<u8> {
    message(b'E', format!("S{severity}\0C{code}\0M{text}\0\0").as_bytes())
}

pub(crate) fn notice(text: &str) -> Vec<u8> {
    message(b'N', format!("SINFO\0C00000\0M{text}\0\0").as_bytes())
}
