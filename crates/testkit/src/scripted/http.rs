//! As much of HTTP/1.1 as a scripted server needs.

use std::{fmt, io};

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

/// A header block larger than this is no test.
const MAX_HEAD: usize = 256 * 1024;

/// A request as it arrived.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// The method, as sent.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Header names in lower case, and their values, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The body, chunks put together.
    pub body: Vec<u8>,
}

impl Received {
    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The first value of a header; the name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text, with whatever is not UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Reads one request; `None` when the client has closed the connection between two.
    pub(super) async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if from.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let mut words = line.split_ascii_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(malformed("request line"));
        };
        let mut request =
            Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Vec::new() };
        let mut size = 0;
        loop {
            line.clear();
            size += from.read_line(&mut line).await?;
            let header = line.trim_end();
            if header.is_empty() {
                break;
            }
            if size > MAX_HEAD {
                return Err(malformed("header block"));
            }
            let (name, value) = header.split_once(':').ok_or_else(|| malformed("header"))?;
            request.headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        request.read_body(from).await?;
        Ok(Some(request))
    }

    async fn read_body(&mut self, from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<()> {
        if self.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            let mut line = String::new();
            loop {
                line.clear();
                from.read_line(&mut line).await?;
                let size = line.trim().split(';').next().unwrap_or_default();
                let size = usize::from_str_radix(size, 16).map_err(|_| malformed("chunk size"))?;
                self.take(from, size).await?;
                line.clear();
                // The end of a chunk, and of the whole body, is an empty line.
                from.read_line(&mut line).await?;
                if size == 0 {
                    return Ok(());
                }
            }
        }
        match self.header("content-length").map(str::parse) {
            None => Ok(()),
            Some(Ok(size)) => self.take(from, size).await,
            Some(Err(_)) => Err(malformed("content length")),
        }
    }

    async fn take(&mut self, from: &mut (impl AsyncBufRead + Unpin), size: usize) -> io::Result<()> {
        let start = self.body.len();
        self.body.resize(start + size, 0);
        from.read_exact(&mut self.body[start..]).await?;
        Ok(())
    }
}

/// `Debug` shows header names only: a test that fails must not print the token that was sent.
impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Received")
            .field("method", &self.method)
            .field("path", &self.path())
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}"))
}

/// What the server answers.
///
/// ```
/// use twinhouse_testkit::Answer;
///
/// let slow_down = Answer::status(429).with_header("retry-after", "2");
/// let half = Answer::ok(vec![0; 100]).cut_after(10);
/// # let _ = (slow_down, half);
/// ```
#[derive(Clone, Debug)]
#[must_use = "an answer does nothing until a server is told to give it"]
pub struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) ending: Ending,
}

/// How the answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Complete,
    /// The connection is closed after so many bytes of the body.
    Cut(usize),
    /// Nothing is sent and the connection stays open.
    Hang,
    /// Nothing is sent and the connection is closed.
    Close,
}

impl Answer {
    /// An answer without body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), ending: Ending::Complete }
    }

    /// 200 with these bytes.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200).with_body(body)
    }

    /// 200 with this JSON.
    pub fn json(body: serde_json::Value) -> Self {
        Self::ok(body.to_string()).with_header("content-type", "application/json")
    }

    /// Never answers; the connection stays open until the client or the server goes away.
    pub fn hang() -> Self {
        Self { ending: Ending::Hang, ..Self::status(200) }
    }

    /// Closes the connection without a word, once the request was read.
    pub fn close() -> Self {
        Self { ending: Ending::Close, ..Self::status(200) }
    }

    /// Sets the status.
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Adds a header. `content-length` is always sent and true to the whole body.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Closes the connection after this many bytes of the body.
    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.ending = Ending::Cut(bytes);
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = format!("HTTP/1.1 {} scripted\r\ncontent-length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut out = (out + "\r\n").into_bytes();
        let sent = match self.ending {
            Ending::Cut(bytes) => bytes.min(self.body.len()),
            _ => self.body.len(),
        };
        out.extend_from_slice(&self.body[..sent]);
        out
    }
}
