//! Which directory a workspace belongs to.

use std::sync::Arc;

use tokio::sync::OnceCell;
use twinhouse_core::{
    Error, ErrorKind, Result,
    http::{Http, Request, Url, header},
    resilience::Policy,
};

use super::below;
use crate::caller::Caller;

/// The tenant of a workspace: given, or found out from the workspace with the first token.
#[derive(Clone, Debug)]
pub struct AzureTenant {
    rule: Rule,
    found: Arc<OnceCell<String>>,
}

#[derive(Clone, Debug)]
enum Rule {
    Given(String),
    OfWorkspace { caller: Caller, host: Url },
}

impl AzureTenant {
    /// This one.
    pub fn given(id: impl Into<String>) -> Self {
        Self { rule: Rule::Given(id.into()), found: Arc::default() }
    }

    /// That of the workspace `host`, which redirects whoever wants to log in to its directory.
    pub fn of_workspace(http: Http, policy: Policy, host: Url) -> Self {
        Self { rule: Rule::OfWorkspace { caller: Caller::new(http, policy), host }, found: Arc::default() }
    }

    pub(super) async fn id(&self) -> Result<String> {
        match &self.rule {
            Rule::Given(id) => Ok(id.clone()),
            Rule::OfWorkspace { caller, host } => self.found.get_or_try_init(|| discover(caller, host)).await.cloned(),
        }
    }
}

async fn discover(caller: &Caller, host: &Url) -> Result<String> {
    let headers = caller.redirect("azure.tenant", Request::get(below(host, &["aad", "auth"]))).await?;
    let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let target = location.and_then(|text| host.join(text).ok());
    // A page of its own, such as that of a private link, is no directory.
    let target = target.filter(|url| url.host() != host.host());
    let tenant = target.as_ref().and_then(|url| url.path_segments()?.next().map(str::to_owned));
    tenant.filter(|tenant| !tenant.is_empty()).ok_or_else(|| {
        Error::new(ErrorKind::Protocol, "the workspace does not say which directory it belongs to")
            .with_context("host", host.host_str().unwrap_or_default())
            .with_context("cure", "set `azure_tenant_id`")
    })
}
