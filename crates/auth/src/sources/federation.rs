//! Workload identity federation: another party's identity token against a token of Databricks.

use std::fmt;

use async_trait::async_trait;
use twinhouse_core::{
    Result,
    http::{Body, Http, Request},
    resilience::Policy,
};

use super::id_token::IdTokenSource;
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
    scope: String,
    more: Vec<(&'static str, String)>,
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
            scope: "all-apis".to_owned(),
            more: Vec::new(),
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

    /// Asks for these scopes, separated by blanks. Default `all-apis`.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }

    /// Asks for no more than this: rich authorization details, as JSON.
    #[must_use]
    pub fn with_authorization_details(mut self, json: impl Into<String>) -> Self {
        self.more.push(("authorization_details", json.into()));
        self
    }

    /// Acts as this group.
    #[must_use]
    pub fn with_group(mut self, id: impl Into<String>) -> Self {
        self.more.push(("assume_group", id.into()));
        self
    }
}

#[async_trait]
impl CredentialSource for Federation {
    async fn fetch(&self) -> Result<Credential> {
        let endpoint = self.endpoint.url(&self.caller).await?;
        let audience = self.audience.clone().unwrap_or_else(|| endpoint.to_string());
        let identity = self.id_tokens.id_token(&audience).await?;
        let pairs = [
            ("grant_type", EXCHANGE),
            ("subject_token_type", JWT),
            ("subject_token", identity.expose()),
            ("scope", self.scope.as_str()),
        ];
        let client = self.client_id.iter().map(|id| ("client_id", id.as_str()));
        let more = self.more.iter().map(|(key, value)| (*key, value.as_str()));
        let form = Body::form(pairs.into_iter().chain(client).chain(more));
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
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
