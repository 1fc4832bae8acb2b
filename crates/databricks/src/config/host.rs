//! The address of a workspace.

use std::net::IpAddr;

use twinhouse_core::http::Url;
use url::Host;

/// Reads what people write for a host: with or without scheme, with the path and query of a browser's address bar.
pub(super) fn parse(text: &str) -> Option<Url> {
    let text = text.trim();
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let mut url = Url::parse(&full).ok()?;
    let bare = url.username().is_empty() && url.password().is_none();
    if !bare || !url.has_host() || !matches!(url.scheme(), "https" | "http") {
        return None;
    }
    url.set_path("/");
    url.set_query(None);
    url.set_fragment(None);
    Some(url)
}

/// Without TLS a token would cross the network readable: only this machine may be spoken to so.
pub(super) fn is_safe(url: &Url) -> bool {
    url.scheme() == "https"
        || match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
            Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
            None => false,
        }
}
