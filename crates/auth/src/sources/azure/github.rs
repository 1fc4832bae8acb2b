//! GitHub's word for a run of a workflow, believed by Microsoft's directory.

use async_trait::async_trait;
use twinhouse_core::{
    Result,
    http::{Body, Http, Request},
    resilience::Policy,
};

use super::{AzureCloud, AzureTenant, AzureTokens, Management, below};
use crate::{
    caller::Caller,
    sources::id_token::{GitHubIdToken, IdTokenSource as _},
    token::{Issued, Token},
};

/// The audience for which Microsoft's directory takes identity tokens of others.
const AUDIENCE: &str = "api://AzureADTokenExchange";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// `github-oidc-azure`: an application of the directory that trusts a repository on GitHub.
#[derive(Clone, Debug)]
pub struct AzureGitHub {
    caller: Caller,
    cloud: AzureCloud,
    tenant: AzureTenant,
    client_id: String,
    github: GitHubIdToken,
}

impl AzureGitHub {
    /// The application `client_id` in this tenant of this cloud, by the identity that `github` gives.
    pub fn new(
        http: Http,
        policy: Policy,
        cloud: AzureCloud,
        tenant: AzureTenant,
        client_id: impl Into<String>,
        github: GitHubIdToken,
    ) -> Self {
        Self { caller: Caller::new(http, policy), cloud, tenant, client_id: client_id.into(), github }
    }
}

#[async_trait]
impl AzureTokens for AzureGitHub {
    async fn token(&self, resource: &str) -> Result<Issued> {
        let assertion = self.github.id_token(AUDIENCE).await?;
        let form = Body::form([
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
            ("client_assertion_type", ASSERTION),
            ("client_assertion", assertion.expose()),
            ("resource", resource),
        ]);
        let url = below(self.cloud.login(), &[&self.tenant.id().await?, "oauth2", "token"]);
        let token: Token = self.caller.json("azure.token", Request::post(url).with_body(form), &[&assertion]).await?;
        token.checked()
    }

    fn management(&self) -> Management {
        Management::Never
    }

    fn name(&self) -> &'static str {
        "github-oidc-azure"
    }
}
