//! A personal access token against an OAuth token.

use std::fmt;

use async_trait::async_trait;
use twinhouse_core::{
    Result, Secret,
    http::{Body, Http, Request},
    resilience::Policy,
};

use super::Grant;
use crate::{Credential, CredentialSource, TokenEndpoint, caller::Caller, token::Token};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const PERSONAL: &str = "urn:databricks:params:oauth:token-type:personal-access-token";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A personal access token, exchanged for a short-lived OAuth token: for services that shall not see the lasting one, or
/// shall be allowed less.
#[derive(Clone)]
pub struct PatExchange {
    caller: Caller,
    endpoint: TokenEndpoint,
    token: Secret,
    grant: Grant,
}

impl PatExchange {
    /// Exchanges this token at `endpoint`.
    pub fn new(http: Http, policy: Policy, endpoint: TokenEndpoint, token: impl Into<Secret>) -> Self {
        Self { caller: Caller::new(http, policy), endpoint, token: token.into(), grant: Grant::default() }
    }

    /// Asks for this. Default `all-apis`, and no more.
    #[must_use]
    pub fn with_grant(mut self, grant: Grant) -> Self {
        self.grant = grant;
        self
    }
}

#[async_trait]
impl CredentialSource for PatExchange {
    async fn fetch(&self) -> Result<Credential> {
        let pairs = [
            ("grant_type", EXCHANGE),
            ("subject_token_type", PERSONAL),
            ("subject_token", self.token.expose()),
            ("requested_token_type", ACCESS),
        ];
        let form = Body::form(pairs.into_iter().chain(self.grant.fields()));
        let request = Request::post(self.endpoint.url(&self.caller).await?).with_body(form);
        let token: Token = self.caller.json("oauth.exchange", request, &[&self.token]).await?;
        Ok(token.checked()?.into_credential())
    }

    fn name(&self) -> &'static str {
        "pat-exchange"
    }
}

impl fmt::Debug for PatExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatExchange").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
