//! Answers from a script.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use twinhouse_core::{
    Error, ErrorKind, Result,
    http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Transport, header},
};

use super::{body, cassette::Road};
use crate::scripted::{Answer, Ending, Received, Script};

/// Answers requests from a script, without a server and without a socket, and remembers them. It reads like
/// [`ScriptedServer`](crate::ScriptedServer)'s, and waits on tokio's clock, which a test may stop.
///
/// Any request can be disturbed, by its number: [`turn_away`](Self::turn_away) lets nothing be done,
/// [`lose_answer`](Self::lose_answer) lets everything be done and answers something else. Clones share the script.
#[derive(Clone, Default)]
pub struct ScriptedTransport(Arc<Inner>);

#[derive(Default)]
struct Inner {
    script: Script,
    disturbances: Mutex<Disturbances>,
}

#[derive(Default)]
struct Disturbances {
    asked: u64,
    planned: Vec<Disturbance>,
}

struct Disturbance {
    request: u64,
    answer: Answer,
    done: bool,
}

impl ScriptedTransport {
    /// A script without a line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers one request of this method and path (without query) with `answer`.
    pub fn once(&self, method: &str, path: &str, answer: Answer) -> &Self {
        self.0.script.add(method, path, answer, Some(1));
        self
    }

    /// Answers every request of this method and path (without query) with `answer`, once earlier lines are spent.
    pub fn always(&self, method: &str, path: &str, answer: Answer) -> &Self {
        self.0.script.add(method, path, answer, None);
        self
    }

    /// Answers requests that no line is left for. `None` is no answer.
    pub fn otherwise(&self, answer: impl FnMut(&Received) -> Option<Answer> + Send + 'static) -> &Self {
        self.0.script.otherwise(answer);
        self
    }

    /// Answers the n-th request from now, counted from 1, with this, as a server that does nothing: the script's line
    /// for it is not spent.
    pub fn turn_away(&self, request: u64, answer: Answer) -> &Self {
        self.disturb(request, answer, false)
    }

    /// Spends the script's line for the n-th request from now, counted from 1, and answers it with this, such as
    /// [`Answer::close`]: everything was done, and the client does not know.
    pub fn lose_answer(&self, request: u64, answer: Answer) -> &Self {
        self.disturb(request, answer, true)
    }

    fn disturb(&self, request: u64, answer: Answer, done: bool) -> &Self {
        let mut all = self.0.disturbances.lock().unwrap_or_else(PoisonError::into_inner);
        let request = all.asked + request;
        all.planned.push(Disturbance { request, answer, done });
        self
    }

    /// Everything it was asked so far.
    pub fn requests(&self) -> Vec<Received> {
        self.0.script.requests()
    }

    /// How often it was asked this.
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.0.script.count(method, path)
    }

    /// Checks that every `once` was asked for, that nothing else was, and that everything that was to be disturbed came.
    ///
    /// # Panics
    ///
    /// If not, with the list of what was missing and what was too much.
    #[track_caller]
    pub fn verify(&self) {
        self.0.script.verify();
        let all = self.0.disturbances.lock().unwrap_or_else(PoisonError::into_inner);
        let left: Vec<_> = all.planned.iter().map(|planned| format!("request {}", planned.request)).collect();
        assert!(left.is_empty(), "never disturbed, of {} requests: {left:?}", all.asked);
    }

    fn answer(&self, request: Received) -> Answer {
        let disturbance = {
            let mut all = self.0.disturbances.lock().unwrap_or_else(PoisonError::into_inner);
            all.asked += 1;
            let asked = all.asked;
            all.planned.iter().position(|planned| planned.request == asked).map(|at| all.planned.remove(at))
        };
        match disturbance {
            None => self.0.script.answer(request),
            Some(Disturbance { answer, done: false, .. }) => {
                self.0.script.note(request);
                answer
            }
            Some(Disturbance { answer, done: true, .. }) => {
                let _never_arrives = self.0.script.answer(request);
                answer
            }
        }
    }
}

#[async_trait]
impl Transport for ScriptedTransport {
    async fn send(&self, request: Request) -> Result<Response> {
        let answer = self.answer(received(&request).await?);
        let length = answer.body.len();
        let (sent, end) = match answer.ending {
            Ending::Hang => std::future::pending().await,
            Ending::Close => return Err(Road::Lost.error()),
            Ending::Complete => (answer.body, None),
            Ending::Cut(bytes) => {
                let sent = answer.body.into_iter().take(bytes).collect();
                (sent, Some(Err(Road::Lost.error().with_context("wait", "body"))))
            }
        };
        let mut headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, length.into())]);
        for (name, value) in answer.headers {
            let malformed =
                |what| Error::new(ErrorKind::Config, "the script has a malformed header").with_context("header", what);
            let key = HeaderName::try_from(&name).map_err(|_| malformed(name.clone()))?;
            headers.insert(key, HeaderValue::try_from(value).map_err(|_| malformed(name))?);
        }
        let status = StatusCode::from_u16(answer.status)
            .map_err(|cause| Error::new(ErrorKind::Config, "the script has a malformed status").with_source(cause))?;
        let body = stream::iter([Ok(sent.into())]).chain(stream::iter(end));
        Ok(Response::new(status, headers, body.boxed()))
    }
}

async fn received(request: &Request) -> Result<Received> {
    let url = request.url();
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let headers = request.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let body = body::of(request).await?.to_vec();
    Ok(Received { method: request.method().as_str().to_owned(), target, headers, body })
}

impl fmt::Debug for ScriptedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedTransport").field("requests", &self.requests().len()).finish_non_exhaustive()
    }
}
