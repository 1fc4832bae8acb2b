//! The address of a workspace or of an account's console.

use std::{fmt, net::IpAddr};

use twinhouse_core::http::Url;
use url::Host as Name;

/// The clouds that Databricks runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cloud {
    Aws,
    Azure,
    Gcp,
}

/// Whose workspaces are below which domain.
const ZONES: [(&str, Cloud); 14] = [
    (".cloud.databricks.com", Cloud::Aws),
    (".cloud.databricks.us", Cloud::Aws),
    (".cloud.databricks.mil", Cloud::Aws),
    (".databricks.azure.us", Cloud::Azure),
    (".databricks.azure.cn", Cloud::Azure),
    (".azuredatabricks.net", Cloud::Azure),
    (".gcp.databricks.com", Cloud::Gcp),
    // Databricks's own test environments.
    (".dev.databricks.com", Cloud::Aws),
    (".staging.cloud.databricks.com", Cloud::Aws),
    (".dev.azuredatabricks.net", Cloud::Azure),
    (".staging.azuredatabricks.net", Cloud::Azure),
    (".dev.gcp.databricks.com", Cloud::Gcp),
    (".staging.gcp.databricks.com", Cloud::Gcp),
    (".cloud-dev.databricks.com", Cloud::Aws),
];

impl Cloud {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "aws" => Some(Self::Aws),
            "azure" => Some(Self::Azure),
            "gcp" => Some(Self::Gcp),
            _ => None,
        }
    }
}

/// What people write for a host: with or without scheme, with the path and query of a browser's address bar.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) url: Url,
    /// From `?o=`, which a workspace adds to its own addresses.
    pub(super) workspace_id: Option<String>,
    /// From `?account_id=`, which an account's console adds.
    pub(super) account_id: Option<String>,
}

impl Host {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let mut url = Url::parse(&full).ok()?;
        let bare = url.username().is_empty() && url.password().is_none();
        if !bare || !url.has_host() || !matches!(url.scheme(), "https" | "http") {
            return None;
        }
        let lifted = |names: &[&str]| {
            let found = url.query_pairs().find(|(name, value)| names.contains(&&**name) && !value.is_empty());
            found.map(|(_, value)| value.into_owned())
        };
        let (workspace_id, account_id) = (lifted(&["o", "workspace_id", "w"]), lifted(&["account_id", "a"]));
        url.set_path("/");
        url.set_query(None);
        url.set_fragment(None);
        Some(Self { url, workspace_id, account_id })
    }

    /// The cloud, where the name tells it.
    pub(super) fn cloud(&self) -> Option<Cloud> {
        let name = self.url.host_str()?;
        ZONES.iter().find(|(zone, _)| name.ends_with(zone)).map(|(_, cloud)| *cloud)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// Without TLS a token would cross the network readable: only this machine may be spoken to so.
pub(super) fn is_safe(host: &Host) -> bool {
    host.url.scheme() == "https" || is_near(&host.url)
}

/// True for an account's console, which has no warehouses and issues its tokens elsewhere.
pub(crate) fn is_account(url: &Url) -> bool {
    url.host_str().is_some_and(|name| name.starts_with("accounts.") || name.starts_with("accounts-dod."))
}

/// True for this machine.
pub(crate) fn is_near(url: &Url) -> bool {
    match url.host() {
        Some(Name::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Name::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Name::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        None => false,
    }
}
