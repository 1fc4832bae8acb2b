//! Settings, as they are made.

use std::{sync::Arc, time::Duration};

use twinhouse_auth::{
    CredentialSource,
    sources::{azure::AzureCloud, google::GoogleEndpoints},
};
use twinhouse_core::{
    Result, Secret,
    config::Env,
    http::Transport,
    resilience::{Rate, Registry},
};

use super::{
    EndpointFamily, ResultRoute,
    agent::Agent,
    attributes::{Flag, Given},
};
use crate::client::DatabricksClient;

/// Settings of a [`DatabricksConfig`](crate::DatabricksConfig). Setters do not fail; [`build`](Self::build) does, and says which setting, where
/// it came from and what was wanted.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct DatabricksBuilder {
    pub(super) env: Option<Env>,
    pub(super) url: Option<Secret>,
    pub(super) host: Option<String>,
    pub(super) auth: Given,
    pub(super) auth_type: Option<String>,
    pub(super) source: Option<Arc<dyn CredentialSource>>,
    pub(super) warehouse_id: Option<String>,
    pub(super) catalog: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) staging: Option<String>,
    pub(super) profile: Option<String>,
    pub(super) config_file: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) wait: Option<Duration>,
    pub(super) max_retries: Option<u32>,
    pub(super) rate_limit: Option<f64>,
    pub(super) rates: Vec<(EndpointFamily, Rate)>,
    pub(super) agent: Agent,
    pub(super) azure_cloud: Option<AzureCloud>,
    pub(super) google: Option<GoogleEndpoints>,
    pub(super) parallel_downloads: Option<usize>,
    pub(super) route: Option<ResultRoute>,
    pub(super) extra_ca: Vec<u8>,
    pub(super) proxy: Option<Secret>,
    pub(super) registry: Option<Registry>,
    pub(super) transport: Option<Arc<dyn Transport>>,
}

impl DatabricksBuilder {
    /// Looks here instead of in the environment of this process.
    pub fn env(mut self, env: Env) -> Self {
        self.env = Some(env);
        self
    }

    /// Takes what a URL says, as [`DatabricksConfig::from_url`](crate::DatabricksConfig::from_url) reads it. What is also set by name goes before it.
    pub fn url(mut self, url: impl Into<Secret>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The workspace: `example.cloud.databricks.com`, or with a scheme. Plain `http` is for this machine only.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// A personal access token.
    pub fn token(mut self, token: impl Into<Secret>) -> Self {
        self.auth.token = Some(token.into());
        self
    }

    /// The client id of a service principal.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.auth.client_id = Some(id.into());
        self
    }

    /// The client secret of a service principal.
    pub fn client_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.auth.client_secret = Some(secret.into());
        self
    }

    /// Says which way of authenticating counts, by its name in all of Databricks's tools: `pat`, `basic`, `oauth-m2m`,
    /// `env-oidc`, `file-oidc`, `github-oidc`, `azure-devops-oidc`, `azure-client-secret`, `azure-msi`, `azure-cli`,
    /// `github-oidc-azure`, `databricks-cli`, `metadata-service`, `google-credentials` or `google-id`. No other is then
    /// looked at.
    pub fn auth_type(mut self, name: impl Into<String>) -> Self {
        self.auth_type = Some(name.into());
        self
    }

    /// The user, for HTTP Basic.
    pub fn username(mut self, value: impl Into<String>) -> Self {
        self.auth.username = Some(value.into());
        self
    }

    /// The user's password, for HTTP Basic.
    pub fn password(mut self, value: impl Into<Secret>) -> Self {
        self.auth.password = Some(value.into());
        self
    }

    /// The account, for the account's console and for federated tokens.
    pub fn account_id(mut self, value: impl Into<String>) -> Self {
        self.auth.account_id = Some(value.into());
        self
    }

    /// The number of the workspace. It goes with each call as `X-Databricks-Workspace-Id`.
    pub fn workspace_id(mut self, value: impl Into<String>) -> Self {
        self.auth.workspace_id = Some(value.into());
        self
    }

    /// The group that an OAuth login acts as.
    pub fn group_id(mut self, value: impl Into<String>) -> Self {
        self.auth.group_id = Some(value.into());
        self
    }

    /// The cloud that the workspace is in, `AWS`, `AZURE` or `GCP`, where its name does not tell.
    pub fn cloud(mut self, value: impl Into<String>) -> Self {
        self.auth.cloud = Some(value.into());
        self
    }

    /// The document that says where tokens are issued, in place of the workspace's own.
    pub fn discovery_url(mut self, value: impl Into<String>) -> Self {
        self.auth.discovery_url = Some(value.into());
        self
    }

    /// What an OAuth token may be used for, separated by commas or blanks. Default `all-apis`.
    pub fn scopes(mut self, value: impl Into<String>) -> Self {
        self.auth.scopes = Some(value.into());
        self
    }

    /// Rich authorization details of an OAuth token, as JSON.
    pub fn authorization_details(mut self, value: impl Into<String>) -> Self {
        self.auth.authorization_details = Some(value.into());
        self
    }

    /// Whom a federated identity token is for. Default: the token endpoint.
    pub fn token_audience(mut self, value: impl Into<String>) -> Self {
        self.auth.token_audience = Some(value.into());
        self
    }

    /// The variable that holds the identity token for `env-oidc`. Default `DATABRICKS_OIDC_TOKEN`.
    pub fn oidc_token_env(mut self, value: impl Into<String>) -> Self {
        self.auth.oidc_token_env = Some(value.into());
        self
    }

    /// The file that holds the identity token for `file-oidc`. It is read for each new token.
    pub fn oidc_token_filepath(mut self, value: impl Into<String>) -> Self {
        self.auth.oidc_token_filepath = Some(value.into());
        self
    }

    /// The workspace's id in Azure, `/subscriptions/…`. Without a host, the address is looked up by it.
    pub fn azure_workspace_resource_id(mut self, value: impl Into<String>) -> Self {
        self.auth.azure_workspace_resource_id = Some(value.into());
        self
    }

    /// The client id of an application in Microsoft's directory, or of a managed identity.
    pub fn azure_client_id(mut self, value: impl Into<String>) -> Self {
        self.auth.azure_client_id = Some(value.into());
        self
    }

    /// The secret of an application in Microsoft's directory.
    pub fn azure_client_secret(mut self, value: impl Into<Secret>) -> Self {
        self.auth.azure_client_secret = Some(value.into());
        self
    }

    /// The tenant in Microsoft's directory. Without one, the workspace is asked.
    pub fn azure_tenant_id(mut self, value: impl Into<String>) -> Self {
        self.auth.azure_tenant_id = Some(value.into());
        self
    }

    /// The cloud of Azure: `PUBLIC`, which is the default, `USGOVERNMENT` or `CHINA`.
    pub fn azure_environment(mut self, value: impl Into<String>) -> Self {
        self.auth.azure_environment = Some(value.into());
        self
    }

    /// Logs in with the identity of the machine that this program runs on.
    pub fn azure_use_msi(mut self, on: bool) -> Self {
        self.auth.azure_use_msi = Some(Flag(on));
        self
    }

    /// Where Azure's directory and management are, for a cloud that has no name and for tests.
    pub fn azure_cloud(mut self, cloud: AzureCloud) -> Self {
        self.azure_cloud = Some(cloud);
        self
    }

    /// The key of a Google service account: its JSON, or the name of a file with it.
    pub fn google_credentials(mut self, value: impl Into<Secret>) -> Self {
        self.auth.google_credentials = Some(value.into());
        self
    }

    /// The e-mail address of the Google service account to act as.
    pub fn google_service_account(mut self, value: impl Into<String>) -> Self {
        self.auth.google_service_account = Some(value.into());
        self
    }

    /// Where Google's services are, for tests.
    pub fn google_endpoints(mut self, endpoints: GoogleEndpoints) -> Self {
        self.google = Some(endpoints);
        self
    }

    /// The service on this machine that has tokens.
    pub fn metadata_service_url(mut self, value: impl Into<Secret>) -> Self {
        self.auth.metadata_service_url = Some(value.into());
        self
    }

    /// The `databricks` program, where it is not on the search path.
    pub fn databricks_cli_path(mut self, value: impl Into<String>) -> Self {
        self.auth.databricks_cli_path = Some(value.into());
        self
    }

    /// The cluster that jobs and other tools use unless they name one.
    pub fn cluster_id(mut self, value: impl Into<String>) -> Self {
        self.auth.cluster_id = Some(value.into());
        self
    }

    /// The serverless compute that other tools use; `auto` is all it can be at present.
    pub fn serverless_compute_id(mut self, value: impl Into<String>) -> Self {
        self.auth.serverless_compute_id = Some(value.into());
        self
    }

    /// Renews tokens only when they have run out, never in the background before.
    pub fn disable_async_token_refresh(mut self, on: bool) -> Self {
        self.auth.disable_async_token_refresh = Some(Flag(on));
        self
    }

    /// Obtains credentials from this source of one's own, or of `twinhouse_auth`. Nothing else that is said about who we
    /// are is then looked at. What it gives is kept and renewed as every other credential.
    pub fn credentials(mut self, source: impl CredentialSource) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The id of the SQL warehouse that runs the statements.
    pub fn warehouse_id(mut self, id: impl Into<String>) -> Self {
        self.warehouse_id = Some(id.into());
        self
    }

    /// The catalog that names without one belong to.
    pub fn catalog(mut self, catalog: impl Into<String>) -> Self {
        self.catalog = Some(catalog.into());
        self
    }

    /// The schema that names without one belong to.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// A directory in a volume for the files of loads and merges, for example `/Volumes/main/default/staging`. Without
    /// one, loads and merges are refused.
    pub fn staging(mut self, directory: impl Into<String>) -> Self {
        self.staging = Some(directory.into());
        self
    }

    /// The profile to read, in place of the file's default.
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// The file with profiles. Default `~/.databrickscfg`.
    pub fn config_file(mut self, path: impl Into<String>) -> Self {
        self.config_file = Some(path.into());
        self
    }

    /// How long one request may take. Default 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long the service may keep a submission in the hope of answering it with the result: whole seconds from 5 to
    /// 50, or zero. Default 10 s. Short queries then take one round trip; a long one has its handle after this time.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// How often a request is repeated where that is safe. Default 4.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = Some(retries);
        self
    }

    /// The most requests in a second, for each family of endpoints that has no rate of its own. Default 100.
    pub fn rate_limit(mut self, per_second: f64) -> Self {
        self.rate_limit = Some(per_second);
        self
    }

    /// The rate of one family of endpoints, in place of its default. See [`EndpointFamily`].
    pub fn rate(mut self, family: EndpointFamily, rate: Rate) -> Self {
        self.rates.push((family, rate));
        self
    }

    /// Names the program at the head of the `User-Agent`, for example `nightly-load` and `2.1.0`.
    pub fn product(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.agent.product = Some((name.into(), version.into()));
        self
    }

    /// Adds `partner/<name>` to the `User-Agent`; may be said again.
    pub fn partner(self, name: impl Into<String>) -> Self {
        self.user_agent_extra("partner", name)
    }

    /// Adds `<name>/<value>` to the `User-Agent`; may be said again.
    pub fn user_agent_extra(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.agent.extras.push((name.into(), value.into()));
        self
    }

    /// The whole `User-Agent`, in place of what would be put together.
    pub fn user_agent(mut self, text: impl Into<String>) -> Self {
        self.agent.whole = Some(text.into());
        self
    }

    /// How many result files are fetched at once, each of about 20 MB. Default 8.
    pub fn parallel_downloads(mut self, downloads: usize) -> Self {
        self.parallel_downloads = Some(downloads);
        self
    }

    /// How results travel.
    pub fn result_route(mut self, route: ResultRoute) -> Self {
        self.route = Some(route);
        self
    }

    /// Trusts the certificates in this PEM text beside those of the system, for the service and for links.
    pub fn extra_ca(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.extra_ca.extend_from_slice(pem.as_ref());
        self.extra_ca.push(b'\n');
        self
    }

    /// Sends everything through this proxy, for example `http://user:password@proxy:3128`.
    pub fn proxy(mut self, url: impl Into<Secret>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Sends everything through this, instead of over the network: what records, replays or answers from a script.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Shares rate limits and breakers here instead of with the whole process.
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// A client with these settings. Nothing is sent; at most the profile file is read.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build) and [`DatabricksClient::new`].
    pub fn client(self) -> Result<DatabricksClient> {
        DatabricksClient::new(self.build()?)
    }
}
