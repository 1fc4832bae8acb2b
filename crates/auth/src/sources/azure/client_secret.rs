//! A service principal of the directory, with its secret.

use std::fmt;

use async_trait::async_trait;
use twinhouse_core::{
    Result, Secret,
    http::{Body, Http, Request},
    resilience::Policy,
};

use super::{AzureCloud, AzureTenant, AzureTokens, Management, below};
use crate::{
    caller::Caller,
    token::{Issued, Token},
};

/// `azure-client-secret`: an application of the directory logs in with its secret.
#[derive(Clone)]
pub struct AzureClientSecret {
    caller: Caller,
    cloud: AzureCloud,
    tenant: AzureTenant,
    client_id: String,
    secret: Secret,
}

impl AzureClientSecret {
    /// The application `client_id` in this tenant of this cloud.
    pub fn new(
        http: Http,
        policy: Policy,
        cloud: AzureCloud,
        tenant: AzureTenant,
        client_id: impl Into<String>,
        secret: impl Into<Secret>,
    ) -> Self {
        let caller = Caller::new(http, policy);
        Self { caller, cloud, tenant, client_id: client_id.into(), secret: secret.into() }
    }
}

#[async_trait]
impl AzureTokens for AzureClientSecret {
    async fn token(&self, resource: &str) -> Result<Issued> {
        let form = Body::form([
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", self.secret.expose()),
            ("resource", resource),
        ]);
        let url = below(self.cloud.login(), &[&self.tenant.id().await?, "oauth2", "token"]);
        let token: Token = self.caller.json("azure.token", Request::post(url).with_body(form), &[&self.secret]).await?;
        token.checked()
    }

    fn management(&self) -> Management {
        Management::Always
    }

    fn name(&self) -> &'static str {
        "azure-client-secret"
    }
}

impl fmt::Debug for AzureClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureClientSecret")
            .field("login", &self.cloud.login().host_str())
            .field("client_id", &self.client_id)
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}
