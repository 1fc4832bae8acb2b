//! `databricks://` URLs.

use percent_encoding::percent_decode_str;
use twinhouse_core::{Error, ErrorKind, Result, Secret, http::Url};

/// What a URL says.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) host: Option<String>,
    pub(super) token: Option<Secret>,
    pub(super) warehouse_id: Option<String>,
    pub(super) catalog: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) staging: Option<String>,
    pub(super) profile: Option<String>,
    pub(super) results: Option<String>,
}

/// Reads a URL. No message repeats it: it may hold a token.
pub(super) fn parse(text: &str) -> Result<Parts> {
    let bad = |why: &str| {
        Error::new(ErrorKind::Config, format!("the URL must be databricks://host[:port]/warehouse_id: {why}"))
    };
    let url = Url::parse(text).map_err(|why| bad(&why.to_string()))?;
    if url.scheme() != "databricks" {
        return Err(bad("its scheme is another"));
    }
    let decoded = |text: &str| {
        percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| bad("an escape is not UTF-8"))
    };
    let mut parts = Parts::default();
    match (url.username(), url.password()) {
        ("", None) => {}
        ("token", Some(token)) => parts.token = Some(Secret::new(decoded(token)?)),
        _ => return Err(bad("what stands before the @ must be `token:` and a token")),
    }
    // `/sql/1.0/warehouses/abc` is how the workspace itself writes the path.
    let path = url.path().trim_matches('/');
    let id = path.strip_prefix("sql/1.0/warehouses/").unwrap_or(path);
    if id.contains('/') {
        return Err(bad("its path must be the id of a SQL warehouse"));
    }
    parts.warehouse_id = Some(decoded(id)?).filter(|id| !id.is_empty());
    let mut scheme = "https".to_owned();
    for (key, value) in url.query_pairs() {
        let value = value.into_owned();
        match &*key {
            "catalog" => parts.catalog = Some(value),
            "schema" => parts.schema = Some(value),
            "staging" => parts.staging = Some(value),
            "profile" => parts.profile = Some(value),
            "results" => parts.results = Some(value),
            "scheme" if matches!(value.as_str(), "http" | "https") => scheme = value,
            "scheme" => return Err(bad("`scheme` must be `https` or `http`")),
            other => {
                return Err(bad("it has an unknown parameter")
                    .with_context("parameter", other.escape_debug().to_string())
                    .with_context("known", "catalog, schema, staging, profile, results, scheme"));
            }
        }
    }
    if let Some(host) = url.host_str().filter(|host| !host.is_empty()) {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        parts.host = Some(format!("{scheme}://{host}{port}"));
    }
    Ok(parts)
}
