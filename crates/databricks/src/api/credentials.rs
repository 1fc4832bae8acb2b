//! From settings to whoever gives credentials.

use std::{sync::Arc, time::Duration};

use twinhouse_auth::{
    CacheOptions, Cached, CredentialSource, TokenEndpoint,
    sources::{
        Basic, DatabricksCli, Federation, FirstOf, Grant, MetadataService, OAuthM2m, Pat,
        azure::{Azure, AzureCli, AzureClientSecret, AzureGitHub, AzureManagedIdentity, AzureTenant, AzureWorkspace},
        google::{GoogleCredentials, GoogleId},
        id_token::{AzureDevOpsIdToken, EnvIdToken, FileIdToken, GitHubIdToken, IdTokenSource},
    },
};
use twinhouse_core::{
    Error, Result, Secret,
    config::Setting,
    http::{Http, Url},
    resilience::Policy,
};

use crate::config::{DatabricksConfig, GITHUB, ID_TOKEN, Method, is_account, is_near, text};

/// Who gives credentials, and who knows the workspace's address if we do not.
pub(super) struct Login {
    pub(super) credentials: Cached,
    pub(super) workspace: Option<AzureWorkspace>,
}

/// What every source is made with. `near` goes past any proxy: to this machine, or to its own link.
pub(super) struct Roads<'a> {
    pub(super) config: &'a DatabricksConfig,
    pub(super) http: &'a Http,
    pub(super) near: &'a Http,
    pub(super) policy: &'a Policy,
}

impl Roads<'_> {
    pub(super) fn login(&self) -> Result<Login> {
        let auth = &self.config.auth;
        let mut options = CacheOptions::default();
        if auth.attributes.disable_async_token_refresh.as_ref().is_some_and(|flag| flag.value().0) {
            options = options.with_stale_window(Duration::ZERO);
        }
        if let Some(source) = &auth.source {
            return Ok(Login { credentials: Cached::with_options(Arc::clone(source), options), workspace: None });
        }
        let mut workspace = None;
        let mut sources = Vec::new();
        for method in &auth.methods {
            sources.push(match self.azure(*method)? {
                Some(azure) => {
                    workspace = azure.workspace(self.http.clone(), self.policy.clone()).filter(|_| self.config.lookup);
                    Box::new(azure)
                }
                None => self.source(*method)?,
            });
        }
        let source = if sources.len() == 1 { sources.remove(0) } else { Box::new(FirstOf::new(sources)) };
        Ok(Login { credentials: Cached::with_options(source, options), workspace })
    }

    fn source(&self, method: Method) -> Result<Box<dyn CredentialSource>> {
        let (config, a) = (self.config, &self.config.auth.attributes);
        let (http, policy, host) = (self.http.clone(), self.policy.clone(), &config.host);
        Ok(match method {
            Method::Basic => Box::new(Basic::new(word(a.username.as_ref()), secret(a.password.as_ref()))),
            Method::MetadataService => {
                let url = secret(a.metadata_service_url.as_ref());
                Box::new(MetadataService::new(self.near.clone(), policy, url, host))
            }
            Method::OAuthM2m => {
                let (id, key) = (word(a.client_id.as_ref()), secret(a.client_secret.as_ref()));
                let source = OAuthM2m::new(http, policy, host.clone(), id, key);
                Box::new(source.with_endpoint(self.endpoint()?).with_grant(self.grant()))
            }
            Method::EnvOidc => {
                let variable = text(a.oidc_token_env.as_ref()).unwrap_or(ID_TOKEN);
                Box::new(self.federation(EnvIdToken::new(&config.auth.env, variable))?)
            }
            Method::FileOidc => {
                let file = config.auth.env.expand(word(a.oidc_token_filepath.as_ref()));
                Box::new(self.federation(FileIdToken::new(file))?)
            }
            Method::GithubOidc => Box::new(self.federation(self.github()?)?),
            Method::AzureDevopsOidc => {
                Box::new(self.federation(AzureDevOpsIdToken::new(http, policy, &config.auth.env)?)?)
            }
            Method::DatabricksCli => {
                let program = config.auth.databricks.clone().unwrap_or_else(|| "databricks".into());
                let account = config.account_id.as_deref().filter(|_| is_account(host));
                Box::new(DatabricksCli::for_host(program, host, account))
            }
            Method::GoogleCredentials => {
                let key = secret(a.google_credentials.as_ref());
                Box::new(GoogleCredentials::new(http, policy, key, &config.auth.env, host))
            }
            Method::GoogleId => {
                let (endpoints, account) =
                    (config.google.clone().unwrap_or_default(), word(a.google_service_account.as_ref()));
                Box::new(GoogleId::new(self.near.clone(), http, policy, endpoints, account, host))
            }
            // The rest are Azure's, which come another way.
            _ => Box::new(Pat::new(secret(a.token.as_ref()))),
        })
    }

    fn azure(&self, method: Method) -> Result<Option<Azure>> {
        let (config, a) = (self.config, &self.config.auth.attributes);
        let (http, policy, cloud) = (self.http.clone(), self.policy.clone(), config.azure_cloud.clone());
        let resource = text(a.azure_workspace_resource_id.as_ref());
        let client_id = || word(a.azure_client_id.as_ref());
        let azure = match method {
            Method::AzureClientSecret => {
                let key = secret(a.azure_client_secret.as_ref());
                let login = AzureClientSecret::new(http, policy, cloud.clone(), self.tenant()?, client_id(), key);
                Azure::new(login, cloud)
            }
            Method::AzureMsi => {
                let client_id = text(a.azure_client_id.as_ref()).map(str::to_owned);
                Azure::new(AzureManagedIdentity::new(self.near.clone(), policy, cloud.clone(), client_id), cloud)
            }
            Method::GithubOidcAzure => {
                let (tenant, github) = (self.tenant()?, self.github()?);
                Azure::new(AzureGitHub::new(http, policy, cloud.clone(), tenant, client_id(), github), cloud)
            }
            Method::AzureCli => {
                let mut login = AzureCli::new(config.auth.az.clone().unwrap_or_else(|| "az".into()));
                // A tool that is logged in knows its tenant: it is asked for another one only where that is named.
                if let Some(tenant) = text(a.azure_tenant_id.as_ref()) {
                    login = login.with_tenant(AzureTenant::given(tenant));
                }
                let parts: Vec<_> = resource.unwrap_or_default().trim_start_matches('/').split('/').collect();
                if let ["subscriptions", id, ..] = parts.as_slice() {
                    login = login.with_subscription(*id);
                }
                Azure::new(login, cloud)
            }
            _ => return Ok(None),
        };
        Ok(Some(match resource {
            Some(id) => azure.with_workspace(id),
            None => azure,
        }))
    }

    fn tenant(&self) -> Result<AzureTenant> {
        match text(self.config.auth.attributes.azure_tenant_id.as_ref()) {
            Some(id) => Ok(AzureTenant::given(id)),
            None if self.config.lookup => {
                Err(Error::new(twinhouse_core::ErrorKind::Config, "`azure_tenant_id` is not set")
                    .with_context("setting", "azure_tenant_id")
                    .with_context("why", "a workspace whose address is not known cannot be asked for its tenant"))
            }
            None => Ok(AzureTenant::of_workspace(self.http.clone(), self.policy.clone(), self.config.host.clone())),
        }
    }

    fn github(&self) -> Result<GitHubIdToken> {
        let [url, token] = GITHUB.map(|name| self.config.auth.env.var(name).unwrap_or_default());
        let url = url.parse().map_err(|_| Error::bad_setting(GITHUB[0], "environment", "an HTTP address"))?;
        Ok(GitHubIdToken::new(self.http.clone(), self.policy.clone(), url, token))
    }

    fn federation(&self, id_tokens: impl IdTokenSource) -> Result<Federation> {
        let a = &self.config.auth.attributes;
        let mut source = Federation::new(self.http.clone(), self.policy.clone(), self.endpoint()?, id_tokens)
            .with_grant(self.grant());
        let account = self.config.account_id.as_deref().filter(|_| is_account(&self.config.host));
        if let Some(audience) = text(a.token_audience.as_ref()).or(account) {
            source = source.with_audience(audience);
        }
        if let Some(id) = text(a.client_id.as_ref()) {
            source = source.with_client_id(id);
        }
        Ok(source)
    }

    fn endpoint(&self) -> Result<TokenEndpoint> {
        let (config, host) = (self.config, self.config.host.clone());
        if let Some(setting) = &config.auth.attributes.discovery_url {
            // It says where the secret goes: who can change it on its way can have the secret.
            let is_safe = |url: &Url| url.scheme() == "https" || (url.scheme() == "http" && is_near(url));
            let document = setting.value().parse::<Url>().ok().filter(is_safe);
            let wish = "an address over https, unless it is on this machine";
            let bad = || Error::bad_setting("discovery_url", &setting.origin().to_string(), wish);
            return Ok(TokenEndpoint::document(host, document.ok_or_else(bad)?));
        }
        Ok(match config.account_id.as_deref().filter(|_| is_account(&host)) {
            Some(account) => TokenEndpoint::account(host, account),
            None => TokenEndpoint::workspace(host),
        })
    }

    /// Each scope once, in order, and what is said beside them.
    fn grant(&self) -> Grant {
        let a = &self.config.auth.attributes;
        let scopes = text(a.scopes.as_ref()).unwrap_or("all-apis");
        let scopes: std::collections::BTreeSet<_> =
            scopes.split([',', ' ', '\t']).filter(|scope| !scope.is_empty()).collect();
        let mut grant = Grant::scope(scopes.into_iter().collect::<Vec<_>>().join(" "));
        if let Some(json) = text(a.authorization_details.as_ref()) {
            grant = grant.with_authorization_details(json);
        }
        if let Some(group) = text(a.group_id.as_ref()) {
            grant = grant.with_group(group);
        }
        grant
    }
}

/// What a method needs was there when it was chosen.
fn word(setting: Option<&Setting<String>>) -> &str {
    text(setting).unwrap_or_default()
}

fn secret(setting: Option<&Setting<Secret>>) -> Secret {
    setting.map_or_else(|| Secret::new(""), |setting| setting.value().clone())
}
