//! An identity token of GitHub Actions.

use async_trait::async_trait;
use serde::Deserialize;
use twinhouse_core::{
    Result, Secret,
    http::{Http, Request, Url},
    resilience::Policy,
};

use super::{IdTokenSource, present};
use crate::{Credential, caller::Caller};

/// The identity token of a GitHub Actions run that has the permission `id-token: write`.
#[derive(Clone, Debug)]
pub struct GitHubIdToken {
    caller: Caller,
    url: Secret,
    token: Secret,
}

impl GitHubIdToken {
    /// Asks at the address in `ACTIONS_ID_TOKEN_REQUEST_URL` with the token in `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    pub fn new(http: Http, policy: Policy, url: Url, token: impl Into<Secret>) -> Self {
        Self { caller: Caller::new(http, policy), url: Secret::new(url.to_string()), token: token.into() }
    }
}

#[derive(Deserialize)]
struct Issued {
    value: Secret,
}

#[async_trait]
impl IdTokenSource for GitHubIdToken {
    async fn id_token(&self, audience: &str) -> Result<Secret> {
        // It was an address when it came.
        let url: Url = self.url.expose().parse().map_err(|_| {
            twinhouse_core::Error::bad_setting("ACTIONS_ID_TOKEN_REQUEST_URL", "environment", "an HTTP address")
        })?;
        let request = Request::get(url)
            .with_query([("audience", audience)])
            .with_headers(Credential::bearer(self.token.clone()).headers()?);
        let issued: Issued = self.caller.json("github.id_token", request, &[&self.token]).await?;
        present(issued.value, "GitHub Actions")
    }

    fn name(&self) -> &'static str {
        "github-oidc"
    }
}
