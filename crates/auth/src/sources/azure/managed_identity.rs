//! The identity of the machine itself.

use std::time::Duration;

use async_trait::async_trait;
use twinhouse_core::{
    Result,
    http::{HeaderName, HeaderValue, Http, Request},
    resilience::Policy,
};

use super::{AzureCloud, AzureTokens, Management, below};
use crate::{
    caller::Caller,
    token::{Issued, Token},
};

/// The service is on the machine's own link: a machine that is not Azure's has nothing there, and shall notice soon.
const LIMIT: Duration = Duration::from_secs(10);

/// `azure-msi`: the managed identity of the virtual machine, container or function that this program runs in.
#[derive(Clone, Debug)]
pub struct AzureManagedIdentity {
    caller: Caller,
    cloud: AzureCloud,
    client_id: Option<String>,
}

impl AzureManagedIdentity {
    /// The machine's own identity; with a client id, that one of those it was given.
    ///
    /// `http` must go to the machine's own link directly, not through a proxy.
    pub fn new(http: Http, policy: Policy, cloud: AzureCloud, client_id: Option<String>) -> Self {
        Self { caller: Caller::new(http, policy).with_limit(LIMIT), cloud, client_id }
    }
}

#[async_trait]
impl AzureTokens for AzureManagedIdentity {
    async fn token(&self, resource: &str) -> Result<Issued> {
        let url = below(self.cloud.instance(), &["metadata", "identity", "oauth2", "token"]);
        let request = Request::get(url)
            .with_query([("api-version", "2018-02-01"), ("resource", resource)])
            .with_query(self.client_id.iter().map(|id| ("client_id", id.as_str())))
            .with_header(HeaderName::from_static("metadata"), HeaderValue::from_static("true"));
        self.caller.json::<Token>("azure.identity", request, &[]).await?.checked()
    }

    fn management(&self) -> Management {
        Management::Always
    }

    fn name(&self) -> &'static str {
        "azure-msi"
    }
}
