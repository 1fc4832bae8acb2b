//! The ways of authenticating, by the names that all of Databricks's tools share.

use std::fmt;

use twinhouse_core::{Error, Result};

use crate::error::BACKEND;

/// A way of authenticating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Method {
    Pat,
    Basic,
    MetadataService,
    OAuthM2m,
    EnvOidc,
    FileOidc,
    GithubOidc,
    AzureDevopsOidc,
    AzureMsi,
    AzureClientSecret,
    GithubOidcAzure,
    AzureCli,
    DatabricksCli,
    GoogleCredentials,
    GoogleId,
}

/// In the order in which they are looked at when none is named.
pub(super) const ALL: [(Method, &str); 15] = [
    (Method::Pat, "pat"),
    (Method::Basic, "basic"),
    (Method::MetadataService, "metadata-service"),
    (Method::OAuthM2m, "oauth-m2m"),
    (Method::EnvOidc, "env-oidc"),
    (Method::FileOidc, "file-oidc"),
    (Method::AzureMsi, "azure-msi"),
    (Method::AzureClientSecret, "azure-client-secret"),
    (Method::GithubOidcAzure, "github-oidc-azure"),
    (Method::GithubOidc, "github-oidc"),
    (Method::AzureDevopsOidc, "azure-devops-oidc"),
    (Method::GoogleCredentials, "google-credentials"),
    (Method::GoogleId, "google-id"),
    (Method::AzureCli, "azure-cli"),
    (Method::DatabricksCli, "databricks-cli"),
];

/// The same names for people, in an error.
pub(super) const NAMES: &str = "one of pat, basic, metadata-service, oauth-m2m, env-oidc, file-oidc, azure-msi, \
     azure-client-secret, github-oidc-azure, github-oidc, azure-devops-oidc, google-credentials, google-id, azure-cli, \
     databricks-cli";

/// What other tools of Databricks know and this one does not, and what serves instead.
const REFUSED: [(&str, &str); 4] = [
    ("external-browser", "run `databricks auth login` and use `databricks-cli`"),
    ("runtime", "use `metadata-service` or `pat`: this program is no notebook"),
    ("runtime-oauth", "use `metadata-service` or `pat`: this program is no notebook"),
    ("model-serving", "use `oauth-m2m`"),
];

impl Method {
    pub(crate) fn name(self) -> &'static str {
        ALL.iter().find(|(method, _)| *method == self).map_or("", |(_, name)| name)
    }

    /// The method of this name; the name has passed [`is_known`].
    pub(super) fn named(name: &str) -> Result<Option<Self>> {
        if let Some((refused, instead)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            return Err(Error::unsupported(BACKEND, format!("`{refused}` is not among the ways to authenticate"))
                .with_context("setting", "auth_type")
                .with_context("cure", *instead));
        }
        Ok(ALL.iter().find(|(_, known)| *known == name).map(|(method, _)| *method))
    }

    /// What it cannot do without.
    pub(super) fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Pat => &["token"],
            Self::Basic => &["username", "password"],
            Self::MetadataService => &["metadata_service_url"],
            Self::OAuthM2m => &["client_id", "client_secret"],
            Self::FileOidc => &["oidc_token_filepath"],
            Self::AzureClientSecret => &["azure_client_id", "azure_client_secret"],
            Self::GithubOidcAzure => &["azure_client_id"],
            Self::GoogleCredentials => &["google_credentials"],
            Self::GoogleId => &["google_service_account"],
            Self::EnvOidc
            | Self::GithubOidc
            | Self::AzureDevopsOidc
            | Self::AzureMsi
            | Self::AzureCli
            | Self::DatabricksCli => &[],
        }
    }

    /// True for the logins of Microsoft's directory.
    pub(crate) fn is_azure(self) -> bool {
        matches!(self, Self::AzureMsi | Self::AzureClientSecret | Self::GithubOidcAzure | Self::AzureCli)
    }
}

/// True for every name that can be answered, if only by a refusal of its own.
pub(super) fn is_known(name: &String) -> bool {
    ALL.iter().any(|(_, known)| known == name) || REFUSED.iter().any(|(refused, _)| refused == name)
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_for_people_is_the_list() {
        let listed: Vec<_> = ALL.iter().map(|(_, name)| *name).collect();
        assert_eq!(NAMES.strip_prefix("one of ").unwrap().split(", ").collect::<Vec<_>>(), listed);
        for (method, name) in ALL {
            assert_eq!((method.name(), Method::named(name).unwrap()), (name, Some(method)));
        }
    }
}
