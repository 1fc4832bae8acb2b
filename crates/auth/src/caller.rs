//! One call to a token service, repeated where that makes sense.

use std::time::Duration;

use serde::de::DeserializeOwned;
use twinhouse_core::{
    Error, ErrorKind, Result, Secret,
    http::{HeaderMap, Http, Request, StatusCode},
    resilience::{Operation, Policy},
};

use crate::error::refused;

/// The class of endpoints under which token requests share limiter, budget and breaker.
const CLASS: &str = "oauth";
/// All attempts together end after this long; the Databricks Go SDK gives them a minute.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// No discovery document or token answer comes near this many bytes.
const ANSWER: usize = 1 << 20;

/// How token services are called: 429, 502, 503, 504 and failures of the road are repeated, for a minute at most.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    http: Http,
    policy: Policy,
    limit: Duration,
}

impl Caller {
    pub(crate) fn new(http: Http, policy: Policy) -> Self {
        Self { http, policy, limit: LIMIT }
    }

    /// Ends each call, waits included, after this long.
    pub(crate) fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Asks, and reads the answer's JSON. Asking for a token twice gives two tokens, which harms nobody. The secrets
    /// are blotted out of what a service says when it refuses.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        name: &'static str,
        request: Request,
        secrets: &[&Secret],
    ) -> Result<T> {
        let (_, _, body) = self.ask(name, request, |status| status.is_success(), secrets).await?;
        read(&body)
    }

    /// Asks for a redirect, which is not followed, and answers its headers.
    pub(crate) async fn redirect(&self, name: &'static str, request: Request) -> Result<HeaderMap> {
        self.ask(name, request, |status| status.is_redirection(), &[]).await.map(|(_, headers, _)| headers)
    }

    async fn ask(
        &self,
        name: &'static str,
        request: Request,
        wanted: fn(StatusCode) -> bool,
        secrets: &[&Secret],
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>)> {
        let host = request.url().host_str().unwrap_or_default().to_owned();
        let operation = Operation::read(name).with_class(CLASS).with_timeout(self.limit);
        let asked = self.policy.execute(operation, |attempt| {
            let request = request.clone().with_timeout(attempt.timeout);
            async move {
                let response = self.http.send(request).await?;
                let (status, headers) = (response.status(), response.headers().clone());
                let body = response.into_bytes(ANSWER).await?;
                if !wanted(status) {
                    return Err(refused(status, &headers, &body, secrets));
                }
                Ok((status, headers, body.to_vec()))
            }
        });
        asked.await.map_err(|error| match error.context("host") {
            Some(_) => error,
            None => error.with_context("host", host),
        })
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        // Only the place is kept: serde quotes what it stumbled over.
        Error::new(ErrorKind::Protocol, "the token service did not answer with the JSON that was expected")
            .with_context("at", format!("line {} column {}", error.line(), error.column()))
    })
}
