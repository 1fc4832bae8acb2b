//! Messages of the PostgreSQL protocol, version 3, as bytes.

use std::io;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// A message longer than this is not of this protocol.
const LONGEST: usize = 1 << 30;
const CHUNK: usize = 64 * 1024;

/// One message: its type, its length and its body.
#[derive(Clone, Debug)]
pub(super) struct Message(Bytes);

impl Message {
    pub(super) fn tag(&self) -> u8 {
        self.0[0]
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.0[5..]
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<BytesMut> for Message {
    fn from(bytes: BytesMut) -> Self {
        Self(bytes.freeze())
    }
}

/// Cuts a stream into messages.
#[derive(Debug)]
pub(super) struct Messages<R> {
    io: R,
    pub(super) buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    pub(super) fn new(io: R) -> Self {
        Self { io, buffer: BytesMut::with_capacity(CHUNK) }
    }

    /// The next message; `None` at the end of the stream. May be dropped and called again.
    pub(super) async fn next(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some(length) = complete(&self.buffer)? {
                return Ok(Some(Message(self.buffer.split_to(length).freeze())));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// Reads until at least one whole message is in the buffer; false at the end of the stream.
    pub(super) async fn fill_message(&mut self) -> io::Result<bool> {
        while complete(&self.buffer)?.is_none() {
            if !self.fill().await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads a start-up packet: a length, no type.
    pub(super) async fn start_up(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(length) = self.buffer.get(..4) {
                let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
                let length = usize::try_from(length).unwrap_or_default();
                if !(8..=10_000).contains(&length) {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "invalid length of start-up packet"));
                }
                if self.buffer.len() >= length {
                    return Ok(Some(self.buffer.split_to(length).freeze()));
                }
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    async fn fill(&mut self) -> io::Result<bool> {
        self.buffer.reserve(CHUNK);
        Ok(self.io.read_buf(&mut self.buffer).await? > 0)
    }

    pub(super) fn io_mut(&mut self) -> &mut R {
        &mut self.io
    }

    pub(super) fn into_io(self) -> R {
        self.io
    }
}

/// The length of the first message in the buffer, if all of it is there.
pub(super) fn complete(buffer: &[u8]) -> io::Result<Option<usize>> {
    let Some(head) = buffer.get(..5) else { return Ok(None) };
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if !(4..=LONGEST).contains(&length) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "invalid length of message"));
    }
    Ok((buffer.len() > length).then_some(length + 1))
}

/// Appends a message; `body` writes what follows the length.
pub(super) fn put(out: &mut BytesMut, tag: u8, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u8(tag);
    out.put_u32(0);
    body(out);
    let length = u32::try_from(out.len() - start - 1).unwrap_or(u32::MAX);
    out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
}

pub(super) fn put_cstr(out: &mut BytesMut, text: &str) {
    // A NUL would end the string early: nothing of ours contains one.
    out.extend(text.bytes().filter(|byte| *byte != 0));
    out.put_u8(0);
}

/// A message whose body is strings only.
pub(super) fn strings(tag: u8, texts: &[&str]) -> BytesMut {
    let mut out = BytesMut::new();
    put(&mut out, tag, |out| texts.iter().for_each(|text| put_cstr(out, text)));
    out
}

pub(super) fn query(sql: &str) -> BytesMut {
    strings(b'Q', &[sql])
}

pub(super) fn ready(out: &mut BytesMut, status: u8) {
    put(out, b'Z', |out| out.put_u8(status));
}

/// Reads the parts of a body; what is missing reads as empty or zero.
#[derive(Debug)]
pub(super) struct Body<'a>(pub(super) &'a [u8]);

impl<'a> Body<'a> {
    pub(super) fn cstr(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        let text = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        text
    }

    pub(super) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.cstr()).into_owned()
    }

    pub(super) fn u8(&mut self) -> u8 {
        if self.0.is_empty() { 0 } else { self.0.get_u8() }
    }

    pub(super) fn i16(&mut self) -> i16 {
        if self.0.len() < 2 { 0 } else { self.0.get_i16() }
    }

    pub(super) fn i32(&mut self) -> i32 {
        if self.0.len() < 4 { 0 } else { self.0.get_i32() }
    }

    pub(super) fn u32(&mut self) -> u32 {
        self.i32().cast_unsigned()
    }

    pub(super) fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A counted value: `None` for NULL.
    pub(super) fn value(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.i32()).ok()?;
        Some(self.take(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_cut_wherever_the_packets_end() {
        let mut sent = query("select 1");
        sent.extend_from_slice(&query("select 22"));
        let (reader, mut writer) = tokio::io::duplex(3);
        let feeding = tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut writer, &sent).await });
        let mut messages = Messages::new(reader);
        for sql in ["select 1", "select 22"] {
            let message = messages.next().await.expect("read").expect("a message");
            assert_eq!((message.tag(), Body(message.body()).text().as_str()), (b'Q', sql));
        }
        feeding.await.expect("joined").expect("written");
        assert!(messages.next().await.expect("read").is_none());
    }

    #[test]
    fn an_absurd_length_is_an_error_not_an_allocation() {
        assert!(complete(&[b'Q', 0xff, 0xff, 0xff, 0xff]).is_err());
        assert!(complete(&[b'Q', 0, 0, 0, 1]).is_err());
        assert_eq!(complete(&[b'S', 0, 0, 0, 4]).expect("valid"), Some(5));
        assert_eq!(complete(b"Q\0\0").expect("valid"), None);
    }

    #[test]
    fn a_short_body_reads_as_empty() {
        let mut body = Body(&[0, 0]);
        assert_eq!((body.i32(), body.u8(), body.text().as_str(), body.value()), (0, 0, "", Some(&[][..])));
    }
}
