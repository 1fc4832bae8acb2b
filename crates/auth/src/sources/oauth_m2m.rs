//! OAuth for machines: client id and secret against a token that lives an hour.

use std::fmt;

use async_trait::async_trait;
use twinhouse_core::{
    Result, Secret,
    http::{Body, Http, Request, Url},
    resilience::Policy,
};

use super::Grant;
use crate::{Credential, CredentialSource, TokenEndpoint, caller::Caller, token::Token};

/// Client credentials of a service principal, exchanged for a bearer token at the token endpoint.
#[derive(Clone)]
pub struct OAuthM2m {
    caller: Caller,
    endpoint: TokenEndpoint,
    client: Credential,
    client_id: String,
    secret: Secret,
    grant: Grant,
}

impl OAuthM2m {
    /// The service principal `client_id` at the workspace `host`, for example `https://example.cloud.databricks.com`.
    ///
    /// `policy` repeats what may be repeated: 429, 502, 503, 504 and failures of the road, for a minute at most.
    pub fn new(http: Http, policy: Policy, host: Url, client_id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        let (client_id, secret) = (client_id.into(), secret.into());
        Self {
            caller: Caller::new(http, policy),
            endpoint: TokenEndpoint::workspace(host),
            client: Credential::login(client_id.clone(), secret.clone()),
            client_id,
            secret,
            grant: Grant::default(),
        }
    }

    /// Asks for this. Default `all-apis`, and no more.
    #[must_use]
    pub fn with_grant(mut self, grant: Grant) -> Self {
        self.grant = grant;
        self
    }

    /// Asks this endpoint, in place of the workspace's own.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: TokenEndpoint) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// Asks this address, without discovery.
    #[must_use]
    pub fn with_token_endpoint(self, endpoint: Url) -> Self {
        let host = self.endpoint.host().clone();
        self.with_endpoint(TokenEndpoint::at(host, endpoint))
    }
}

#[async_trait]
impl CredentialSource for OAuthM2m {
    async fn fetch(&self) -> Result<Credential> {
        let form = Body::form([("grant_type", "client_credentials")].into_iter().chain(self.grant.fields()));
        let endpoint = self.endpoint.url(&self.caller).await?;
        let request = Request::post(endpoint).with_headers(self.client.headers()?).with_body(form);
        let token: Token = self.caller.json("oauth.token", request, &[&self.secret]).await?;
        Ok(token.checked()?.into_credential())
    }

    fn name(&self) -> &'static str {
        "oauth-m2m"
    }
}

impl fmt::Debug for OAuthM2m {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthM2m")
            .field("endpoint", &self.endpoint)
            .field("client_id", &self.client_id)
            .field("secret", &self.secret)
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}
