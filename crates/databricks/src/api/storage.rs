//! Calls to the storage behind presigned links, and files that are read as they come.

use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;
use twinhouse_core::{
    Effect, Error, ErrorKind, Fault, Result,
    http::{Body, BodyStream, HeaderMap, Link, Method, PlainHttp, Response, StatusCode, header},
    resilience::Operation,
};

use super::{
    client::{Client, FILES, LINKS},
    transfers::transfer_time,
};

/// The storage's words are no longer than this.
const LARGEST_REFUSAL: usize = 64 << 10;

/// What the storage made of a call.
#[derive(Debug)]
pub(crate) enum Reply<T> {
    Done(T),
    /// The link was good once: a new one will do.
    Expired,
}

/// A file that is being read.
pub(crate) struct Opened {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// There already, so that an answer that breaks off at once is asked for again by the rules of all calls.
    pub(crate) first: Option<Bytes>,
    pub(crate) rest: BodyStream,
}

/// How much of a resumable upload the storage has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    UpTo(u64),
    Everything,
}

impl Opened {
    async fn read(answer: Response) -> Result<Self> {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut rest = answer.into_stream();
        let first = rest.try_next().await?;
        Ok(Self { status, headers, first, rest })
    }
}

impl Client {
    /// Reads a file through the workspace.
    pub(crate) async fn read_file(&self, path: &str, conditions: HeaderMap) -> Result<Opened> {
        let request = self.fs(Method::GET, "files", path).with_headers(conditions);
        self.send(Operation::read("file.download").with_class(FILES), request, Opened::read).await
    }

    /// Reads what is behind a link.
    pub(crate) async fn read_link(&self, link: &Link, conditions: &HeaderMap) -> Result<Reply<Opened>> {
        let link = &conditions.iter().fold(link.clone(), |link, (name, value)| {
            link.with_header(name.as_str(), value.to_str().unwrap_or_default())
        });
        self.storage(Operation::read("file.fetch").with_class(LINKS), |http, attempt| async move {
            let answer = http.get(link, attempt.timeout).await?;
            if answer.status().is_success() {
                return Opened::read(answer).await.map(Reply::Done);
            }
            refused(answer).await
        })
        .await
    }

    /// Puts one part where its link says; gives back the mark that the storage knows it by.
    pub(crate) async fn put_part(&self, link: &Link, body: &Body) -> Result<Reply<String>> {
        let time = transfer_time(body.len());
        let operation = Operation::read("file.part").with_class(LINKS).with_attempt_timeout(time);
        self.storage(operation, |http, attempt| async move {
            let answer = http.put(link, body.clone(), attempt.timeout).await?;
            if !answer.status().is_success() {
                return refused(answer).await;
            }
            let etag = answer.header(header::ETAG.as_str()).filter(|etag| !etag.is_empty()).map(str::to_owned);
            answer.into_bytes(LARGEST_REFUSAL).await?;
            etag.map(Reply::Done).ok_or_else(|| {
                Error::new(ErrorKind::Protocol, "the storage took a part and did not say what it calls it")
            })
        })
        .await
    }

    /// Puts a piece of a resumable upload, or, without body, asks how much is there. Once: what to send next depends on
    /// what has arrived.
    pub(crate) async fn put_piece(request: PieceRequest<'_>) -> Result<Reply<Received>> {
        let PieceRequest { http, link, range, body, timeout } = request;
        let link = link.clone().with_header(header::CONTENT_RANGE.as_str(), range);
        let answer = http.put(&link, body, timeout).await?;
        match answer.status() {
            StatusCode::PERMANENT_REDIRECT => {
                let received = received(answer.header(header::RANGE.as_str()))?;
                answer.into_bytes(LARGEST_REFUSAL).await?;
                Ok(Reply::Done(Received::UpTo(received)))
            }
            status if status.is_success() => {
                answer.into_bytes(LARGEST_REFUSAL).await?;
                Ok(Reply::Done(Received::Everything))
            }
            _ => refused(answer).await,
        }
    }

    /// Gives up what is behind a link. What is gone already is fine.
    pub(crate) async fn delete_link(&self, link: &Link) -> Result<()> {
        self.storage(Operation::read("file.abort").with_class(LINKS), |http, attempt| async move {
            let answer = http.request(Method::DELETE, link, Body::empty(), attempt.timeout).await?;
            // 499 is how one of the storages says yes.
            if answer.status().is_success() || matches!(answer.status().as_u16(), 404 | 410 | 499) {
                return Ok(());
            }
            refused::<()>(answer).await.map(drop)
        })
        .await
    }
}

/// One piece of a resumable upload on its way.
pub(crate) struct PieceRequest<'a> {
    pub(crate) http: PlainHttp,
    pub(crate) link: &'a Link,
    /// The value of `Content-Range`.
    pub(crate) range: String,
    pub(crate) body: Body,
    pub(crate) timeout: Duration,
}

/// `bytes=0-41` is 42 bytes; nothing is none.
fn received(range: Option<&str>) -> Result<u64> {
    let Some(range) = range else { return Ok(0) };
    let last = range.strip_prefix("bytes=0-").and_then(|last| last.parse::<u64>().ok());
    last.and_then(|last| last.checked_add(1)).ok_or_else(|| {
        Error::new(ErrorKind::Protocol, "the storage did not say in a known way how much of the file it has")
    })
}

/// What a refusal of the storage means. Its text may repeat the link and is not kept.
async fn refused<T>(answer: Response) -> Result<Reply<T>> {
    let (status, retry_after) = (answer.status().as_u16(), answer.retry_after());
    // A body that breaks off says less than the status does.
    let body = answer.into_bytes(LARGEST_REFUSAL).await.unwrap_or_default();
    let body = String::from_utf8_lossy(&body);
    let code = code_of(&body);
    let expired = match (status, code) {
        (400, Some("ExpiredToken")) => true,
        (403, Some("AccessDenied")) => body.contains("Request has expired"),
        (403, Some("AuthenticationFailed")) => body.contains("Signature not valid in the specified time frame"),
        _ => false,
    };
    if expired {
        return Ok(Reply::Expired);
    }
    let (kind, fault) = match (status, code) {
        (429 | 503, _) => (ErrorKind::RateLimited, Fault::throttled(retry_after)),
        (408, _) | (400, Some("RequestTimeout")) | (500.., _) => {
            (ErrorKind::Unavailable, Fault::transient(Effect::Unknown))
        }
        (404 | 410, _) => (ErrorKind::NotFound, Fault::PERMANENT),
        (412, _) => (ErrorKind::Conflict, Fault::PERMANENT),
        (401 | 403, _) => (ErrorKind::PermissionDenied, Fault::PERMANENT),
        (300..400, _) => (ErrorKind::PermissionDenied, Fault::PERMANENT),
        _ => (ErrorKind::InvalidInput, Fault::PERMANENT),
    };
    let error = Error::new(kind, "the storage behind the volume refused")
        .with_fault(fault)
        .with_context("status", status.to_string());
    Err(match code {
        Some(code) => error.with_vendor_code(code),
        None => error,
    })
}

/// The word between `<Code>` and `</Code>`, if it is one word.
fn code_of(body: &str) -> Option<&str> {
    let code = body.split_once("<Code>")?.1.split_once("</Code>")?.0;
    (code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_arrived_is_read_or_refused_and_never_guessed() {
        assert_eq!(received(None).unwrap(), 0);
        assert_eq!(received(Some("bytes=0-41")).unwrap(), 42);
        for bad in ["", "bytes=1-41", "0-41", "bytes=0-", "bytes=0-18446744073709551615", "bytes=0-x"] {
            assert_eq!(received(Some(bad)).unwrap_err().kind(), ErrorKind::Protocol, "{bad}");
        }
    }

    #[test]
    fn a_code_is_one_word() {
        assert_eq!(code_of("<?xml?><Error><Code>AccessDenied</Code></Error>"), Some("AccessDenied"));
        assert_eq!(code_of("<Code>a?sig=secret</Code>"), None);
        assert_eq!(code_of("nothing"), None);
    }
}
