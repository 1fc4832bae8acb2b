//! Keeps what goes to and fro.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use chrono::Utc;
use futures::{StreamExt as _, stream::BoxStream};
use twinhouse_core::{
    Result, Secret,
    http::{HeaderMap, Method, Request, Response, StatusCode, Transport, header},
};

use super::{
    body,
    cassette::{Cassette, Content, Exchange, Outcome, Road},
    scrub::{KEPT_HEADERS, Scrubber},
};

/// Of a longer body only the beginning is kept, as of one that was cut.
const LONGEST: usize = 64 << 20;

/// Stands between a client and the network and keeps what goes to and fro, without secrets: no header but harmless ones
/// is kept; tokens, keys and passwords in JSON, forms and queries become `***`, and so do they and the credential of each
/// request in all answers and in later requests; presigned links are exchanged for ones that only a replay can follow. The rows of
/// results, and whatever is packed or in base64, are recorded as they are: record what others may see.
///
/// Clones keep into one recording.
///
/// ```no_run
/// use twinhouse_core::http::Http;
/// use twinhouse_testkit::transport::Recorder;
///
/// # fn example() -> twinhouse_core::Result<()> {
/// let recorder = Recorder::new(Http::builder().build()?.transport());
/// // … `DatabricksClient::builder().transport(recorder.clone())` …, and some work later:
/// recorder.cassette().save("tests/recorded/nightly-load.json")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Recorder {
    inner: Arc<dyn Transport>,
    recording: Arc<Mutex<Recording>>,
}

#[derive(Default)]
struct Recording {
    scrubber: Scrubber,
    exchanges: Vec<Exchange>,
}

impl Recorder {
    /// Records what goes through `inner`, such as [`Http::transport`](twinhouse_core::http::Http::transport).
    pub fn new(inner: impl Transport) -> Self {
        Self { inner: Arc::new(inner), recording: Arc::default() }
    }

    /// Leaves this out, too, wherever it stands. What has fewer than eight characters is not looked for.
    #[must_use]
    pub fn hiding(self, secret: impl Into<Secret>) -> Self {
        self.lock().scrubber.hide(secret.into().expose());
        self
    }

    /// What was recorded so far. A request without its answer counts as one whose answer nobody waited for; an answer
    /// whose body was not read to its end, as one that was cut.
    pub fn cassette(&self) -> Cassette {
        let recording = &mut *self.lock();
        let scrubber = &mut recording.scrubber;
        Cassette::new(recording.exchanges.iter().map(|exchange| scrubber.again(exchange.clone())).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Transport for Recorder {
    async fn send(&self, request: Request) -> Result<Response> {
        let (request, body) = body::tapped(request, LONGEST).await?;
        let head_only = *request.method() == Method::HEAD;
        let slot = {
            let mut recording = self.lock();
            let asked = recording.scrubber.request(&request, &body);
            recording.exchanges.push(Exchange {
                at_ms: Utc::now().timestamp_millis(),
                request: asked,
                outcome: Outcome::Failure(Road::NoAnswer),
            });
            recording.exchanges.len() - 1
        };
        let answer = match self.inner.send(request).await {
            Ok(answer) => answer,
            Err(error) => {
                self.lock().exchanges[slot].outcome = Outcome::Failure(Road::of(&error));
                return Err(error);
            }
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        let tee = Tee {
            recording: Arc::clone(&self.recording),
            slot,
            status,
            headers: kept(&headers),
            seen: BytesMut::new(),
            // There is no body that somebody could have to read.
            complete: head_only,
        };
        Ok(Response::new(status, headers, tee.over(answer.into_stream())))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn kept(headers: &HeaderMap) -> BTreeMap<String, String> {
    KEPT_HEADERS.iter().filter_map(|name| Some(((*name).to_owned(), text(headers, name)?.to_owned()))).collect()
}

/// Lets a body through and keeps what it sees. What it has seen is noted when it ends, and when it is dropped.
struct Tee {
    recording: Arc<Mutex<Recording>>,
    slot: usize,
    status: StatusCode,
    headers: BTreeMap<String, String>,
    seen: BytesMut,
    complete: bool,
}

impl Tee {
    fn over(self, body: BoxStream<'static, Result<Bytes>>) -> BoxStream<'static, Result<Bytes>> {
        futures::stream::unfold((self, body), |(mut tee, mut body)| async {
            let next = body.next().await;
            match &next {
                Some(Ok(bytes)) => {
                    let room = LONGEST.saturating_sub(tee.seen.len());
                    tee.seen.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
                Some(Err(_)) => {}
                None => tee.complete |= tee.seen.len() < LONGEST,
            }
            // The recording is complete before the last word is out.
            if next.is_none() {
                drop(tee);
                return None;
            }
            next.map(|next| (next, (tee, body)))
        })
        .boxed()
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        let mut recording = self.recording.lock().unwrap_or_else(PoisonError::into_inner);
        let body = recording.scrubber.content(Content::of(&self.seen));
        let headers = std::mem::take(&mut self.headers);
        // Who counts does not wait for the end.
        let announced = headers.get(header::CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok());
        let cut = !self.complete && announced != Some(self.seen.len());
        recording.exchanges[self.slot].outcome = Outcome::Answer { status: self.status.as_u16(), headers, body, cut };
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("exchanges", &self.lock().exchanges.len()).finish_non_exhaustive()
    }
}
