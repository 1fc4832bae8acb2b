//! A session of the cluster for those inside the sandbox, through the front that everybody uses: the Data API's
//! statements are read, refused and recorded like any client's.

use std::{io, path::Path, sync::Arc};

use bytes::{BufMut as _, BytesMut};
use postgres_protocol::authentication::md5_hash;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use twinhouse_core::Secret;

use super::{
    lexer::{Kind, quote_literal, tokens},
    wire::{Body, Messages, put_cstr, query, strings},
};

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) oid: u32,
    pub(crate) modifier: i32,
}

/// What comes back from a statement, piece by piece.
pub(crate) trait Receiver: Send {
    /// The answer has rows of these columns.
    fn columns(&mut self, columns: Vec<Column>) -> io::Result<()>;
    /// One row, as text.
    fn row(&mut self, values: Vec<Option<String>>) -> io::Result<()>;
    /// The command's tag.
    fn done(&mut self, tag: &str);
}

/// Nobody looks at the answer.
struct Nothing;

impl Receiver for Nothing {
    fn columns(&mut self, _: Vec<Column>) -> io::Result<()> {
        Ok(())
    }

    fn row(&mut self, _: Vec<Option<String>>) -> io::Result<()> {
        Ok(())
    }

    fn done(&mut self, _: &str) {}
}

/// The server's refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Refusal {
    /// The rows came, and the receiver could not keep them.
    pub(crate) fn not_kept(error: &io::Error) -> Self {
        Self { code: "58030".to_owned(), message: format!("the result could not be kept: {error}") }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self { code: "08006".to_owned(), message: format!("the connection to the database was lost: {error}") }
    }
}

/// What it takes to stop a session's statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StopKey {
    port: u16,
    pub(crate) process: i32,
    secret: i32,
}

/// The way to the front: it takes nobody in without TLS.
#[derive(Clone)]
pub(crate) struct Door {
    port: u16,
    tls: TlsConnector,
}

impl Door {
    /// To the front at this port, whose certificate this authority signed.
    pub(crate) fn new(port: u16, authority: &Path) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(authority).map_err(io::Error::other)? {
            roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { port, tls: TlsConnector::from(Arc::new(config)) })
    }

    async fn open(&self) -> io::Result<TlsStream<TcpStream>> {
        let mut tcp = TcpStream::connect(("127.0.0.1", self.port)).await?;
        tcp.set_nodelay(true)?;
        let request = [8_u32, 80_877_103].map(u32::to_be_bytes).concat();
        tcp.write_all(&request).await?;
        if tcp.read_u8().await? != b'S' {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the front does not speak TLS"));
        }
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        self.tls.connect(name, tcp).await
    }
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("port", &self.port).finish_non_exhaustive()
    }
}

/// An open session.
pub(crate) struct Visitor {
    messages: Messages<ReadHalf<TlsStream<TcpStream>>>,
    out: WriteHalf<TlsStream<TcpStream>>,
    key: StopKey,
    lost: bool,
}

impl Visitor {
    /// Logs in on loopback.
    pub(crate) async fn enter(door: &Door, user: &str, password: &Secret, database: &str) -> Result<Self, Refusal> {
        let (input, mut out) = split(door.open().await?);
        let mut greeting = BytesMut::new();
        greeting.put_u32(0);
        greeting.put_u32(3 << 16);
        for text in ["user", user, "database", database, "application_name", "Redshift Data API"] {
            put_cstr(&mut greeting, text);
        }
        greeting.put_u8(0);
        let length = u32::try_from(greeting.len()).unwrap_or(u32::MAX);
        greeting[..4].copy_from_slice(&length.to_be_bytes());
        out.write_all(&greeting).await?;
        out.flush().await?;
        let key = StopKey { port: door.port, process: 0, secret: 0 };
        let mut visitor = Self { messages: Messages::new(input), out, key, lost: false };
        loop {
            let message =
                visitor.messages.next().await?.ok_or(io::ErrorKind::UnexpectedEof).map_err(io::Error::from)?;
            let mut body = Body(message.body());
            match message.tag() {
                b'R' => match body.i32() {
                    0 => {}
                    5 => {
                        let salt = body.take(4).try_into().unwrap_or_default();
                        let hash = md5_hash(user.as_bytes(), password.expose().as_bytes(), salt);
                        visitor.out.write_all(&strings(b'p', &[&hash])).await?;
                        visitor.out.flush().await?;
                    }
                    other => {
                        let why = format!("the front asks for log-in method {other}");
                        return Err(io::Error::new(io::ErrorKind::Unsupported, why).into());
                    }
                },
                b'K' => (visitor.key.process, visitor.key.secret) = (body.i32(), body.i32()),
                b'E' => return Err(refusal(message.body())),
                b'Z' => break,
                _ => {}
            }
        }
        // Numbers are wanted with all their digits: they leave as numbers, not as text.
        visitor.command("SET extra_float_digits TO 2").await?;
        Ok(visitor)
    }

    pub(crate) fn key(&self) -> StopKey {
        self.key
    }

    /// Itself, unless the connection is lost.
    pub(crate) fn if_alive(self) -> Option<Self> {
        (!self.lost).then_some(self)
    }

    /// Runs one statement whose answer nobody looks at.
    pub(crate) async fn command(&mut self, sql: &str) -> Result<(), Refusal> {
        self.run(sql, &mut Nothing).await
    }

    /// Runs one statement to its end.
    pub(crate) async fn run(&mut self, sql: &str, to: &mut dyn Receiver) -> Result<(), Refusal> {
        // Until the server has said that it is ready for another one.
        self.lost = true;
        self.out.write_all(&query(sql)).await?;
        self.out.flush().await?;
        let mut outcome = Ok(());
        loop {
            let Some(message) = self.messages.next().await? else {
                // What was said before the line went dead says more.
                outcome?;
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            };
            let mut body = Body(message.body());
            match message.tag() {
                b'T' => {
                    let columns = (0..body.i16()).map(|_| {
                        let name = body.text();
                        body.take(6);
                        let oid = body.u32();
                        body.take(2);
                        let modifier = body.i32();
                        body.take(2);
                        Column { name, oid, modifier }
                    });
                    let columns = columns.collect();
                    outcome = outcome.and(to.columns(columns).map_err(|error| Refusal::not_kept(&error)));
                }
                b'D' => {
                    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
                    let values = (0..body.i16()).map(|_| body.value().map(text)).collect();
                    if outcome.is_ok() {
                        outcome = to.row(values).map_err(|error| Refusal::not_kept(&error));
                    }
                }
                b'C' => to.done(&body.text()),
                b'E' => outcome = Err(refusal(message.body())),
                b'Z' => {
                    self.lost = false;
                    return outcome;
                }
                _ => {}
            }
        }
    }
}

impl StopKey {
    /// Asks the front to stop what the session runs, and returns when it has passed that on.
    pub(crate) async fn stop(self) -> io::Result<()> {
        let mut tcp = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let mut request = BytesMut::with_capacity(16);
        request.put_u32(16);
        request.put_u32(80_877_102);
        request.put_i32(self.process);
        request.put_i32(self.secret);
        tcp.write_all(&request).await?;
        tcp.read_to_end(&mut Vec::new()).await.map(drop)
    }

    /// A key to whatever listens there.
    #[cfg(test)]
    pub(crate) fn at(port: u16) -> Self {
        Self { port, process: 0, secret: 0 }
    }
}

fn refusal(body: &[u8]) -> Refusal {
    let mut body = Body(body);
    let mut refusal = Refusal { code: String::new(), message: String::new() };
    let (mut detail, mut position) = (String::new(), String::new());
    loop {
        match body.u8() {
            0 => break,
            b'C' => refusal.code = body.text(),
            b'M' => refusal.message = body.text(),
            b'D' => detail = body.text(),
            b'P' => position = body.text(),
            _ => {
                body.text();
            }
        }
    }
    for (name, text) in [("Detail", detail), ("Position", position)] {
        if !text.is_empty() {
            refusal.message.push_str(&format!("\n  {name}: {text}"));
        }
    }
    refusal
}

/// Puts values, as literals, in the place of `:name` markers; those in literals, comments and after a cast's colons are
/// none. The error is a marker that has no value.
pub(crate) fn substitute<'v>(sql: &str, mut value: impl FnMut(&str) -> Option<&'v str>) -> Result<String, String> {
    let tokens = tokens(sql);
    let (mut out, mut copied) = (String::with_capacity(sql.len()), 0);
    for (at, pair) in tokens.windows(2).enumerate() {
        let [colon, word] = pair else { continue };
        let is_sign = |token: &super::lexer::Token| token.kind == Kind::Sign && &sql[token.at.clone()] == ":";
        let adjacent = colon.at.end == word.at.start;
        let is_cast = at.checked_sub(1).is_some_and(|before| is_sign(&tokens[before]));
        if !is_sign(colon) || word.kind != Kind::Word || !adjacent || is_cast {
            continue;
        }
        let name = &sql[word.at.clone()];
        let text = value(name).ok_or_else(|| name.to_owned())?;
        out.push_str(&sql[copied..colon.at.start]);
        out.push_str(&quote_literal(text));
        copied = word.at.end;
    }
    out.push_str(&sql[copied..]);
    Ok(out)
}
