//! Where tokens are issued.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Deserializer, de};
use tokio::sync::OnceCell;
use twinhouse_core::{
    Error, ErrorKind, Result,
    http::{Request, Url},
};

use crate::caller::Caller;

/// Where a workspace says what its endpoints are.
const DISCOVERY: &str = "oidc/.well-known/oauth-authorization-server";
/// Where the token endpoint of a workspace is if it does not say.
const TOKEN: &str = "oidc/v1/token";

/// Where tokens are issued. It is found out with the first token, never before, and then remembered.
#[derive(Clone)]
pub struct TokenEndpoint {
    /// What is at stake: a secret that goes to this host over TLS goes nowhere else without.
    host: Url,
    rule: Rule,
    found: Arc<OnceCell<Url>>,
}

#[derive(Clone)]
enum Rule {
    Given(Url),
    /// A workspace says it at the usual place; where it does not, the usual endpoint is taken.
    Workspace,
    /// This document says it, and must.
    Document(Url),
}

impl TokenEndpoint {
    /// The endpoint of a workspace, for example `https://example.cloud.databricks.com`: as the workspace says, else
    /// `/oidc/v1/token`.
    pub fn workspace(host: Url) -> Self {
        Self::new(host, Rule::Workspace)
    }

    /// The endpoint of an account at its console, for example `https://accounts.cloud.databricks.com`. Nothing is asked.
    pub fn account(host: Url, account_id: &str) -> Self {
        let mut url = host.clone();
        url.set_query(None);
        url.set_path("");
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(["oidc", "accounts", account_id, "v1", "token"]);
        }
        Self::new(host, Rule::Given(url))
    }

    /// The endpoint that the metadata document at `document` names; `host` is where its tokens are for.
    pub fn document(host: Url, document: Url) -> Self {
        Self::new(host, Rule::Document(document))
    }

    /// This one, without asking anybody; `host` is where its tokens are for.
    pub fn at(host: Url, endpoint: Url) -> Self {
        Self::new(host, Rule::Given(endpoint))
    }

    fn new(host: Url, rule: Rule) -> Self {
        Self { host, rule, found: Arc::default() }
    }

    pub(crate) fn host(&self) -> &Url {
        &self.host
    }

    pub(crate) async fn url(&self, caller: &Caller) -> Result<Url> {
        match &self.rule {
            Rule::Given(url) => self.trusted(url.clone()),
            Rule::Document(document) => {
                let found = self.found.get_or_try_init(|| discover(caller, document.clone())).await?;
                self.trusted(found.clone())
            }
            Rule::Workspace => {
                match self.found.get_or_try_init(|| async { discover(caller, self.join(DISCOVERY)?).await }).await {
                    Ok(found) => self.trusted(found.clone()),
                    Err(error) => {
                        // Not kept: the next token asks again.
                        tracing::debug!(%error, "no token endpoint discovered, the usual one is tried");
                        self.join(TOKEN)
                    }
                }
            }
        }
    }

    /// The secret goes over TLS if the workspace does: a document cannot talk us out of it.
    fn trusted(&self, endpoint: Url) -> Result<Url> {
        if self.host.scheme() == "https" && endpoint.scheme() != "https" {
            return Err(Error::new(ErrorKind::Protocol, "the token endpoint is not behind TLS")
                .with_context("host", endpoint.host_str().unwrap_or_default()));
        }
        Ok(endpoint)
    }

    fn join(&self, path: &str) -> Result<Url> {
        let mut base = self.host.clone();
        base.set_path("/");
        base.set_query(None);
        base.join(path)
            .map_err(|error| Error::new(ErrorKind::Config, "the host is not an HTTP address").with_source(error))
    }
}

async fn discover(caller: &Caller, document: Url) -> Result<Url> {
    let caller = caller.clone().with_limit(Duration::from_secs(30));
    let found: Discovery = caller.json("oauth.discover", Request::get(document), &[]).await?;
    Ok(found.token_endpoint)
}

#[derive(Deserialize)]
struct Discovery {
    #[serde(deserialize_with = "address")]
    token_endpoint: Url,
}

/// An address, for serde.
pub(crate) fn address<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Url, D::Error> {
    let text = String::deserialize(from)?;
    let url = Url::parse(&text).map_err(de::Error::custom)?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(de::Error::custom("not an HTTP address")) }
}

impl fmt::Debug for TokenEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = match &self.rule {
            Rule::Given(url) => url.host_str(),
            Rule::Document(url) => url.host_str(),
            Rule::Workspace => None,
        };
        f.debug_struct("TokenEndpoint").field("host", &self.host.host_str()).field("at", &rule).finish()
    }
}
