//! OAuth for machines: client id and secret against a token that lives an hour.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Deserializer, de};
use tokio::sync::OnceCell;
use twinhouse_core::{
    Error, ErrorKind, Result, Secret,
    http::{Body, Http, Request, Url},
    resilience::{Operation, Policy},
};

use crate::{Credential, CredentialSource, error::refused};

/// Where a workspace says what its endpoints are.
const DISCOVERY: &str = "oidc/.well-known/oauth-authorization-server";
/// Where the token endpoint of a workspace is if it does not say.
const TOKEN: &str = "oidc/v1/token";
/// The class of endpoints under which token requests share limiter, budget and breaker.
const CLASS: &str = "oauth";
/// All attempts together end after this long; the Databricks Go SDK gives them a minute.
const LIMIT: Duration = Duration::from_secs(60);
/// The lifetime of a token that comes without one: what Databricks gives.
const LIFETIME: u64 = 3600;
/// No discovery document or token answer comes near this many bytes.
const ANSWER: usize = 1 << 20;

/// Client credentials of a service principal, exchanged for a bearer token at the workspace's token endpoint.
///
/// The endpoint is discovered once; a workspace that does not say where it is has it at `/oidc/v1/token`.
#[derive(Clone)]
pub struct OAuthM2m {
    http: Http,
    policy: Policy,
    host: Url,
    client: Credential,
    client_id: String,
    secret: Secret,
    scope: String,
    endpoint: OnceCell<Url>,
}

impl OAuthM2m {
    /// The service principal `client_id` at the workspace `host`, for example `https://example.cloud.databricks.com`.
    ///
    /// `policy` repeats what may be repeated: 429, 502, 503, 504 and failures of the road, for a minute at most.
    pub fn new(http: Http, policy: Policy, host: Url, client_id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        let (client_id, secret) = (client_id.into(), secret.into());
        Self {
            http,
            policy,
            host,
            client: Credential::login(client_id.clone(), secret.clone()),
            client_id,
            secret,
            scope: "all-apis".to_owned(),
            endpoint: OnceCell::new(),
        }
    }

    /// Asks for these scopes, separated by blanks. Default `all-apis`.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }

    /// Asks this endpoint, without discovery.
    #[must_use]
    pub fn with_token_endpoint(mut self, endpoint: Url) -> Self {
        self.endpoint = OnceCell::from(endpoint);
        self
    }

    async fn endpoint(&self) -> Result<Url> {
        let discovered = self.endpoint.get_or_try_init(|| self.discover()).await;
        match discovered {
            Ok(endpoint) => self.trusted(endpoint.clone()),
            Err(error) => {
                // Not kept: the next token asks again.
                tracing::debug!(%error, "no token endpoint discovered, the usual one is tried");
                self.at(TOKEN)
            }
        }
    }

    async fn discover(&self) -> Result<Url> {
        let request = Request::get(self.at(DISCOVERY)?);
        let operation = Operation::read("oauth.discover").with_class(CLASS).with_timeout(LIMIT / 2);
        let found: Discovery = self
            .policy
            .execute(operation, |attempt| {
                let request = request.clone().with_timeout(attempt.timeout);
                async move { self.answer(request).await?.read() }
            })
            .await?;
        Ok(found.token_endpoint)
    }

    /// The secret goes over TLS if the workspace does: a document cannot talk us out of it.
    fn trusted(&self, endpoint: Url) -> Result<Url> {
        if self.host.scheme() == "https" && endpoint.scheme() != "https" {
            return Err(Error::new(ErrorKind::Protocol, "the token endpoint is not behind TLS")
                .with_context("host", endpoint.host_str().unwrap_or_default()));
        }
        Ok(endpoint)
    }

    fn at(&self, path: &str) -> Result<Url> {
        let mut base = self.host.clone();
        base.set_path("/");
        base.set_query(None);
        base.join(path)
            .map_err(|error| Error::new(ErrorKind::Config, "the host is not an HTTP address").with_source(error))
    }

    async fn answer(&self, request: Request) -> Result<Answer> {
        let response = self.http.send(request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.into_bytes(ANSWER).await?;
        if !status.is_success() {
            return Err(refused(status, &headers, &body, &self.secret));
        }
        Ok(Answer(body.to_vec()))
    }
}

/// The body of a successful answer, which may hold a token.
struct Answer(Vec<u8>);

impl Answer {
    fn read<T: de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.0).map_err(|error| {
            // Only the place is kept: serde quotes what it stumbled over.
            Error::new(ErrorKind::Protocol, "the token service did not answer with the JSON that was expected")
                .with_context("at", format!("line {} column {}", error.line(), error.column()))
        })
    }
}

#[derive(Deserialize)]
struct Discovery {
    #[serde(deserialize_with = "address")]
    token_endpoint: Url,
}

#[derive(Deserialize)]
struct Token {
    access_token: Secret,
    token_type: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
}

#[async_trait]
impl CredentialSource for OAuthM2m {
    async fn fetch(&self) -> Result<Credential> {
        let form = Body::form([("grant_type", "client_credentials"), ("scope", &self.scope)]);
        let request = Request::post(self.endpoint().await?).with_headers(self.client.headers()?).with_body(form);
        // Asking for a token twice gives two tokens, which harms nobody.
        let operation = Operation::read("oauth.token").with_class(CLASS).with_timeout(LIMIT);
        let token: Token = self
            .policy
            .execute(operation, |attempt| {
                let request = request.clone().with_timeout(attempt.timeout);
                async move { self.answer(request).await?.read() }
            })
            .await?;
        if token.access_token.is_empty() {
            return Err(Error::new(ErrorKind::Protocol, "the token service answered with an empty token"));
        }
        if let Some(kind) = token.token_type.filter(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(Error::new(ErrorKind::Protocol, "the token is not a bearer token").with_context("type", kind));
        }
        let lifetime = Duration::from_secs(token.expires_in.unwrap_or(LIFETIME));
        Ok(Credential::bearer(token.access_token).with_lifetime(lifetime))
    }

    fn name(&self) -> &'static str {
        "oauth-m2m"
    }
}

impl fmt::Debug for OAuthM2m {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthM2m")
            .field("host", &self.host.host_str())
            .field("client_id", &self.client_id)
            .field("secret", &self.secret)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

fn address<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Url, D::Error> {
    let text = String::deserialize(from)?;
    let url = Url::parse(&text).map_err(de::Error::custom)?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(de::Error::custom("not an HTTP address")) }
}

/// Whole seconds, as a number or as text: both occur.
fn seconds<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(u64),
        Text(String),
    }
    match Option::<Seconds>::deserialize(from)? {
        None => Ok(None),
        Some(Seconds::Number(number)) => Ok(Some(number)),
        Some(Seconds::Text(text)) => text.trim().parse().map(Some).map_err(de::Error::custom),
    }
}
