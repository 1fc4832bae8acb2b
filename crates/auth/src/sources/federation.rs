//! Workload identity federation: another party's identity token against a token of Databricks.

use std::fmt;

use async_trait::async_trait;
use twinhouse_core::{
    Result,
    http::{Body, Http, Request},
    resilience::Policy,
};

use super::{Grant, id_token::IdTokenSource};
use crate::{Credential, CredentialSource, TokenEndpoint, caller::Caller, token::Token};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// An identity token that somebody else issues to this program, exchanged at the token endpoint by a federation policy.
pub struct Federation {
    caller: Caller,
    endpoint: TokenEndpoint,
    id_tokens: Box<dyn IdTokenSource>,
    audience: Option<String>,
    client_id: Option<String>,
    grant: Grant,
}

impl Federation {
    /// Exchanges what `id_tokens` gives at `endpoint`.
    pub fn new(http: Http, policy: Policy, endpoint: TokenEndpoint, id_tokens: impl IdTokenSource) -> Self {
        Self {
            caller: Caller::new(http, policy),
            endpoint,
            id_tokens: Box::new(id_tokens),
            audience: None,
            client_id: None,
            grant: Grant::default(),
        }
    }

    /// Whom the identity token shall be for. Default: the address of the token endpoint.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// The service principal whose federation policy is meant. Without one it is the account's.
    #[must_use]
    pub fn with_client_id(mut self, id: impl Into<String>) -> Self {
        self.client_id = Some(id.into());
        self
    }

    /// Asks for this. Default `all-apis`, and no more.
    #[must_use]
    pub fn with_grant(mut self, grant: Grant) -> Self {
        self.grant = grant;
        self
    }
}

#[async_trait]
impl CredentialSource for Federation {
    async fn fetch(&self) -> Result<Credential> {
        let endpoint = self.endpoint.url(&self.caller).await?;
        let audience = self.audience.clone().unwrap_or_else(|| endpoint.to_string());
        let identity = self.id_tokens.id_token(&audience).await?;
        let pairs = [("grant_type", EXCHANGE), ("subject_token_type", JWT), ("subject_token", identity.expose())];
        let client = self.client_id.iter().map(|id| ("client_id", id.as_str()));
        let form = Body::form(pairs.into_iter().chain(client).chain(self.grant.fields()));
        let request = Request::post(endpoint).with_body(form);
        let token: Token = self.caller.json("oauth.exchange", request, &[&identity]).await?;
        Ok(token.checked()?.into_credential())
    }

    fn name(&self) -> &'static str {
        self.id_tokens.name()
    }
}

impl fmt::Debug for Federation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Federation")
            .field("endpoint", &self.endpoint)
            .field("id_tokens", &self.id_tokens)
            .field("audience", &self.audience)
            .field("client_id", &self.client_id)
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}
