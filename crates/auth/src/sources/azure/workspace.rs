//! The address of a workspace of which only the resource id is known.

use std::{fmt, sync::Arc};

use serde::Deserialize;
use tokio::sync::OnceCell;
use twinhouse_core::{
    Effect, Error, ErrorKind, Fault, Result,
    http::{Http, Request, Url},
    resilience::Policy,
};

use super::{AzureCloud, AzureTokens, below};
use crate::{Credential, caller::Caller};

/// Finds the address of a workspace at Azure's resource manager: with the first call that needs it, and once.
#[derive(Clone)]
pub struct AzureWorkspace {
    caller: Caller,
    tokens: Arc<dyn AzureTokens>,
    cloud: AzureCloud,
    resource_id: String,
    found: Arc<OnceCell<Url>>,
}

impl AzureWorkspace {
    pub(super) fn new(
        http: Http,
        policy: Policy,
        tokens: Arc<dyn AzureTokens>,
        cloud: AzureCloud,
        resource_id: String,
    ) -> Self {
        Self { caller: Caller::new(http, policy), tokens, cloud, resource_id, found: Arc::default() }
    }

    /// Where it is.
    ///
    /// # Errors
    ///
    /// What the directory or the resource manager said; [`ErrorKind::Protocol`] if the answer names no address.
    pub async fn url(&self) -> Result<Url> {
        // Whoever wanted the address has sent nothing yet.
        let unsent = |error: Error| {
            let fault = Fault { effect: Effect::None, ..error.fault() };
            error.with_fault(fault)
        };
        self.found.get_or_try_init(|| self.look()).await.cloned().map_err(unsent)
    }

    async fn look(&self) -> Result<Url> {
        // A token for management opens the resource manager of every cloud.
        let token = self.tokens.token(self.cloud.management()).await?.token;
        let segments: Vec<_> = self.resource_id.split('/').filter(|part| !part.is_empty()).collect();
        let request = Request::get(below(self.cloud.resource_manager(), &segments))
            .with_query([("api-version", "2018-04-01")])
            .with_headers(Credential::bearer(token.clone()).headers()?);
        let found: Resource = self.caller.json("azure.workspace", request, &[&token]).await?;
        let name = found.properties.workspace_url;
        let full = if name.contains("://") { name } else { format!("https://{name}") };
        Url::parse(&full).ok().filter(Url::has_host).ok_or_else(|| {
            Error::new(ErrorKind::Protocol, "Azure does not say where the workspace is")
                .with_context("resource", &self.resource_id)
        })
    }
}

#[derive(Deserialize)]
struct Resource {
    properties: Properties,
}

#[derive(Deserialize)]
struct Properties {
    #[serde(rename = "workspaceUrl", default)]
    workspace_url: String,
}

impl fmt::Debug for AzureWorkspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureWorkspace").field("resource_id", &self.resource_id).finish_non_exhaustive()
    }
}
