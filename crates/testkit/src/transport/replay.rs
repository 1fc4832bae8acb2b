//! Answers from what was recorded.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures::{StreamExt as _, stream};
use serde_json::Value;
use twinhouse_core::{
    Error, ErrorKind, Result,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Transport, header},
};

use super::{
    body,
    cassette::{Asked, Cassette, Content, Exchange, Outcome, Road},
    scrub::Scrubber,
};

/// Fields of a request that differ each time it is made.
const CHOSEN_ANEW: &[&str] = &["expire_time", "idempotency_token", "query_tags"];
/// Fields of an answer that say until when it is good, as text and in milliseconds.
const EXPIRY: &[&str] = &["expiration", "expire_time"];
const EXPIRY_MILLIS: &[&str] = &["expiration_time"];

/// Answers from a recording; nothing is sent.
///
/// [`strict`](Self::strict): the requests must be what they were, query and body included, and
/// [`verify`](Self::verify) wants all of them. [`loose`](Self::loose): method and path decide; bodies and queries may
/// differ, calls may be left out, and the last answer of a path goes on being given. Of several requests of one method and
/// path the one that is the same is answered, and of those that are the same the first.
///
/// What the server said was good until some time after the recording is good until as long after the replay. Clones
/// share what is left.
#[derive(Clone)]
pub struct Replayer(Arc<Replay>);

struct Replay {
    strict: bool,
    left: Mutex<Vec<Line>>,
    ignored: Vec<String>,
    /// Makes of a request what was recorded of it.
    scrubber: Mutex<Scrubber>,
    /// What was asked and is not in the recording.
    unforeseen: Mutex<Vec<String>>,
}

struct Line {
    exchange: Exchange,
    played: bool,
}

impl Replayer {
    /// Requests must be what they were.
    pub fn strict(cassette: Cassette) -> Self {
        Self::new(cassette, true)
    }

    /// Method and path decide.
    pub fn loose(cassette: Cassette) -> Self {
        Self::new(cassette, false)
    }

    fn new(cassette: Cassette, strict: bool) -> Self {
        let left = cassette.exchanges.into_iter().map(|exchange| Line { exchange, played: false }).collect();
        let ignored = CHOSEN_ANEW.iter().map(|name| (*name).to_owned()).collect();
        Self::of(strict, left, ignored)
    }

    /// Does not compare these fields of queries and of JSON bodies, at any depth, beside those that a client chooses anew
    /// each time (`expire_time`, `idempotency_token`, `query_tags`). To be said before the replay begins: clones that exist
    /// do not hear of it.
    #[must_use]
    pub fn ignoring(self, fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let Replay { strict, left, ignored, .. } = &*self.0;
        let left = std::mem::take(&mut *left.lock().unwrap_or_else(PoisonError::into_inner));
        let ignored = ignored.iter().cloned().chain(fields.into_iter().map(Into::into)).collect();
        Self::of(*strict, left, ignored)
    }

    fn of(strict: bool, left: Vec<Line>, ignored: Vec<String>) -> Self {
        let (left, scrubber, unforeseen) = (Mutex::new(left), Mutex::default(), Mutex::default());
        Self(Arc::new(Replay { strict, left, ignored, scrubber, unforeseen }))
    }

    /// Checks that nothing was asked that is not in the recording and, if it is strict, that nothing is left.
    ///
    /// # Panics
    ///
    /// If not, with the list of what was missing and what was too much.
    #[track_caller]
    pub fn verify(&self) {
        let left: Vec<_> = self
            .lock()
            .iter()
            .filter(|line| self.0.strict && !line.played)
            .map(|line| format!("{} {}", line.exchange.request.method, line.exchange.request.path()))
            .collect();
        let unforeseen = self.0.unforeseen.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(
            left.is_empty() && unforeseen.is_empty(),
            "never asked: {left:?}; asked, and not in the recording: {unforeseen:?}"
        );
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, asked: &Asked) -> Result<Exchange> {
        let mut lines = self.lock();
        let is_call =
            |line: &Line| line.exchange.request.method == asked.method && line.exchange.request.path() == asked.path();
        let wanted = self.comparable(asked);
        let is_same = |line: &&mut Line| self.comparable(&line.exchange.request) == wanted;
        let mut left: Vec<&mut Line> = lines.iter_mut().filter(|line| is_call(line) && !line.played).collect();
        if let Some(at) = left.iter().position(is_same).or((!self.0.strict && !left.is_empty()).then_some(0)) {
            left[at].played = true;
            return Ok(left[at].exchange.clone());
        }
        if let Some(line) = left.first() {
            let is_query = self.comparable(&line.exchange.request).target != wanted.target;
            let what = if is_query { "query" } else { "body" };
            return Err(self.refuse(asked, "the request is not what was recorded").with_context("differs in", what));
        }
        match lines.iter().rfind(|line| is_call(line)) {
            Some(line) if !self.0.strict => Ok(line.exchange.clone()),
            _ => Err(self.refuse(asked, "the recording has no answer to this request")),
        }
    }

    fn comparable(&self, asked: &Asked) -> Asked {
        let mut asked = asked.clone();
        if let Some((path, query)) = asked.target.split_once('?') {
            let name = |pair: &&str| pair.split('=').next().unwrap_or_default().to_owned();
            let kept: Vec<_> = query.split('&').filter(|pair| !self.0.ignored.contains(&name(pair))).collect();
            asked.target = format!("{path}?{}", kept.join("&"));
        }
        if let Content::Json(json) = &mut asked.body {
            without(json, &self.0.ignored);
        }
        asked
    }

    fn refuse(&self, asked: &Asked, why: &'static str) -> Error {
        let call = format!("{} {}", asked.method, asked.path());
        self.0.unforeseen.lock().unwrap_or_else(PoisonError::into_inner).push(call.clone());
        Error::new(ErrorKind::Protocol, why).with_context("request", call)
    }
}

#[async_trait]
impl Transport for Replayer {
    async fn send(&self, request: Request) -> Result<Response> {
        let whole = body::of(&request).await?;
        let asked = self.0.scrubber.lock().unwrap_or_else(PoisonError::into_inner).request(&request, &whole);
        let exchange = self.take(&asked)?;
        let age = TimeDelta::milliseconds(Utc::now().timestamp_millis() - exchange.at_ms);
        match exchange.outcome {
            Outcome::Failure(Road::NoAnswer) => std::future::pending().await,
            Outcome::Failure(road) => Err(road.error()),
            Outcome::Answer { status, headers, mut body, cut } => {
                if let Content::Json(json) = &mut body {
                    prolong(json, age);
                }
                let mut sent = HeaderMap::new();
                for (name, value) in headers {
                    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                        sent.insert(name, value);
                    }
                }
                let body = body.bytes()?;
                // What was scrubbed may have another length.
                if !cut && *request.method() != Method::HEAD && sent.contains_key(header::CONTENT_LENGTH) {
                    sent.insert(header::CONTENT_LENGTH, body.len().into());
                }
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let end = cut.then(|| Err(Road::Lost.error().with_context("wait", "body")));
                let body = stream::iter([Ok(body)]).chain(stream::iter(end));
                Ok(Response::new(status, sent, body.boxed()))
            }
        }
    }
}

fn without(json: &mut Value, names: &[String]) {
    match json {
        Value::Object(fields) => {
            fields.retain(|name, _| !names.contains(name));
            fields.values_mut().for_each(|value| without(value, names));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| without(value, names)),
        _ => {}
    }
}

/// What was good for a quarter of an hour then is good for a quarter of an hour now.
fn prolong(json: &mut Value, age: TimeDelta) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if EXPIRY.contains(&name.as_str()) => {
                        if let Ok(until) = DateTime::parse_from_rfc3339(text) {
                            *text = (until + age).to_utc().to_rfc3339_opts(SecondsFormat::Millis, true);
                        }
                    }
                    Value::Number(until) if EXPIRY_MILLIS.contains(&name.as_str()) => {
                        if let Some(until) = until.as_i64() {
                            *value = (until + age.num_milliseconds()).into();
                        }
                    }
                    value => prolong(value, age),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| prolong(value, age)),
        _ => {}
    }
}

impl fmt::Debug for Replayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.lock().iter().filter(|line| !line.played).count();
        f.debug_struct("Replayer").field("strict", &self.0.strict).field("left", &left).finish_non_exhaustive()
    }
}
