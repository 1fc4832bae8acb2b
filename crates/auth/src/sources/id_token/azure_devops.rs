//! An identity token of an Azure DevOps pipeline.

use async_trait::async_trait;
use serde::Deserialize;
use twinhouse_core::{
    Error, ErrorKind, Result, Secret,
    config::Env,
    http::{Http, Request, Url},
    resilience::Policy,
};

use super::{IdTokenSource, present};
use crate::{Credential, caller::Caller};

/// What says where a pipeline runs, in the order of the address.
const VARIABLES: [&str; 6] = [
    "SYSTEM_ACCESSTOKEN",
    "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI",
    "SYSTEM_TEAMPROJECTID",
    "SYSTEM_HOSTTYPE",
    "SYSTEM_PLANID",
    "SYSTEM_JOBID",
];

/// The identity token of an Azure DevOps job. Its audience cannot be chosen: it is `api://AzureADTokenExchange`.
#[derive(Clone, Debug)]
pub struct AzureDevOpsIdToken {
    caller: Caller,
    url: Url,
    token: Secret,
}

impl AzureDevOpsIdToken {
    /// The job that the `SYSTEM_*` variables describe.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] naming a variable that is missing; `SYSTEM_ACCESSTOKEN` must be mapped by the pipeline.
    pub fn new(http: Http, policy: Policy, env: &Env) -> Result<Self> {
        let missing = |name: &str| {
            Error::new(ErrorKind::Config, format!("`{name}` is not set"))
                .with_context("setting", name)
                .with_context("looked in", format!("environment {name}"))
        };
        let mut found = Vec::new();
        for name in VARIABLES {
            found.push(env.var(name).ok_or_else(|| missing(name))?);
        }
        let wish = || Error::bad_setting(VARIABLES[1], "environment", "an HTTP address");
        let mut url: Url = found[1].parse().map_err(|_| wish())?;
        url.path_segments_mut().map_err(|()| wish())?.pop_if_empty().extend([
            found[2],
            "_apis",
            "distributedtask",
            "hubs",
            found[3],
            "plans",
            found[4],
            "jobs",
            found[5],
            "oidctoken",
        ]);
        url.set_query(Some("api-version=7.2-preview.1"));
        Ok(Self { caller: Caller::new(http, policy), url, token: Secret::new(found[0]) })
    }

    /// True if the variables are there.
    pub fn is_available(env: &Env) -> bool {
        VARIABLES.iter().all(|name| env.var(name).is_some())
    }
}

#[derive(Deserialize)]
struct Issued {
    #[serde(rename = "oidcToken")]
    token: Secret,
}

#[async_trait]
impl IdTokenSource for AzureDevOpsIdToken {
    async fn id_token(&self, _: &str) -> Result<Secret> {
        let request = Request::post(self.url.clone()).with_headers(Credential::bearer(self.token.clone()).headers()?);
        let issued: Issued = self.caller.json("azure_devops.id_token", request, &[&self.token]).await?;
        present(issued.token, "Azure DevOps")
    }

    fn name(&self) -> &'static str {
        "azure-devops-oidc"
    }
}
