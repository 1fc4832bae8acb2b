//! Microsoft's directory in front of Azure Databricks: four ways to get its tokens, one way to use them.

mod cli;
mod client_secret;
mod cloud;
mod github;
mod managed_identity;
mod tenant;
mod workspace;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use twinhouse_core::{Result, http::Url};

pub use cli::AzureCli;
pub use client_secret::AzureClientSecret;
pub use cloud::AzureCloud;
pub use github::AzureGitHub;
pub use managed_identity::AzureManagedIdentity;
pub use tenant::AzureTenant;
pub use workspace::AzureWorkspace;

use crate::{
    Credential, CredentialSource,
    token::{Issued, claims},
};

const MANAGEMENT: &str = "X-Databricks-Azure-SP-Management-Token";
const RESOURCE: &str = "X-Databricks-Azure-Workspace-Resource-Id";

/// Gives tokens of Microsoft's directory, each time anew, for whatever resource.
#[async_trait]
pub(crate) trait AzureTokens: fmt::Debug + Send + Sync + 'static {
    async fn token(&self, resource: &str) -> Result<Issued>;

    /// Whether requests carry a token for Azure's management too, by which the workspace lets in whoever may manage it.
    fn management(&self) -> Management;

    fn name(&self) -> &'static str;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Management {
    Always,
    /// A user has none; a service principal that logged in at the command line has.
    UnlessUser,
    Never,
}

/// A way to log in at Microsoft's directory: [`AzureClientSecret`], [`AzureManagedIdentity`], [`AzureCli`],
/// [`AzureGitHub`].
#[allow(private_bounds, reason = "what can be a login is settled here")]
pub trait AzureLogin: AzureTokens {}

impl AzureLogin for AzureClientSecret {}
impl AzureLogin for AzureManagedIdentity {}
impl AzureLogin for AzureCli {}
impl AzureLogin for AzureGitHub {}

/// A login at Microsoft's directory, used for Azure Databricks.
///
/// The bearer token is for Databricks itself; where the login is a service principal's, a second one for Azure's
/// management goes beside it, and the workspace's resource id if it is known: with them whoever may manage the workspace
/// comes in without having been added to it.
#[derive(Clone, Debug)]
pub struct Azure {
    tokens: Arc<dyn AzureTokens>,
    cloud: AzureCloud,
    resource_id: Option<String>,
}

impl Azure {
    /// Uses this login in this cloud.
    pub fn new(login: impl AzureLogin, cloud: AzureCloud) -> Self {
        Self { tokens: Arc::new(login), cloud, resource_id: None }
    }

    /// Says which workspace is meant: `/subscriptions/…/providers/Microsoft.Databricks/workspaces/…`.
    #[must_use]
    pub fn with_workspace(mut self, resource_id: impl Into<String>) -> Self {
        self.resource_id = Some(resource_id.into());
        self
    }

    /// Looks up the address of a workspace whose resource id is known, with this login.
    pub fn workspace(
        &self,
        http: twinhouse_core::http::Http,
        policy: twinhouse_core::resilience::Policy,
    ) -> Option<AzureWorkspace> {
        let id = self.resource_id.clone()?;
        Some(AzureWorkspace::new(http, policy, Arc::clone(&self.tokens), self.cloud.clone(), id))
    }
}

#[async_trait]
impl CredentialSource for Azure {
    async fn fetch(&self) -> Result<Credential> {
        let access = self.tokens.token(self.cloud.databricks()).await?;
        let wanted = match self.tokens.management() {
            Management::Always => true,
            Management::UnlessUser => claims(&access.token).is_none_or(|claims| claims.get("upn").is_none()),
            Management::Never => false,
        };
        let mut lifetime = access.lifetime;
        let mut credential = Credential::bearer(access.token);
        if wanted {
            let management = self.tokens.token(self.cloud.management()).await?;
            // Both go with each request: the sooner end is the end.
            lifetime = lifetime.min(management.lifetime);
            credential = credential.with_header(MANAGEMENT, management.token);
        }
        if let Some(id) = &self.resource_id {
            credential = credential.with_header(RESOURCE, id.as_str());
        }
        Ok(credential.with_lifetime(lifetime))
    }

    fn name(&self) -> &'static str {
        self.tokens.name()
    }
}

/// An address below another, whatever slashes either has.
fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};
    use twinhouse_core::Secret;

    use super::*;

    /// Gives tokens that live an hour, each after a while.
    #[derive(Debug)]
    struct Slow;

    #[async_trait]
    impl AzureTokens for Slow {
        async fn token(&self, _: &str) -> Result<Issued> {
            sleep(Duration::from_secs(50)).await;
            Issued::new(Secret::new("t"), Duration::from_secs(3600))
        }

        fn management(&self) -> Management {
            Management::Always
        }

        fn name(&self) -> &'static str {
            "slow"
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_token_grows_older_while_the_second_is_fetched() {
        let azure = Azure { tokens: Arc::new(Slow), cloud: AzureCloud::public(), resource_id: None };
        let end = azure.fetch().await.unwrap().expires_at().unwrap();
        assert_eq!(end - Instant::now(), Duration::from_secs(3550));
    }
}
