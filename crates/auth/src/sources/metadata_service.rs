//! A service on this machine that has tokens, such as an editor's.

use std::time::Duration;

use async_trait::async_trait;
use twinhouse_core::{
    Error, ErrorKind, Result, Secret,
    http::{HeaderName, HeaderValue, Http, Request, Url},
    resilience::Policy,
};

use crate::{Credential, CredentialSource, caller::Caller, token::Token};

const LIMIT: Duration = Duration::from_secs(10);

/// A local metadata service: it is asked for the workspace's token. Only this machine is believed.
#[derive(Clone, Debug)]
pub struct MetadataService {
    caller: Caller,
    url: Secret,
    host: String,
}

impl MetadataService {
    /// Asks at `url`, which may hold a secret, for the workspace `host`.
    pub fn new(http: Http, policy: Policy, url: impl Into<Secret>, host: &Url) -> Self {
        let host = host.as_str().trim_end_matches('/').to_owned();
        Self { caller: Caller::new(http, policy).with_limit(LIMIT), url: url.into(), host }
    }

    fn address(&self) -> Result<Url> {
        let bad = || Error::bad_setting("metadata_service_url", "configuration", "an HTTP address on this machine");
        let url: Url = self.url.expose().parse().map_err(|_| bad())?;
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let near = name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if near && matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(bad()) }
    }
}

#[async_trait]
impl CredentialSource for MetadataService {
    async fn fetch(&self) -> Result<Credential> {
        let host = HeaderValue::from_str(&self.host)
            .map_err(|_| Error::bad_setting("host", "configuration", "the address of a workspace"))?;
        let address = self.address()?;
        // The service may speak of its own path, which is the secret part of the address.
        let path = Secret::new(address.path().trim_matches('/'));
        let request = Request::get(address)
            .with_header(HeaderName::from_static("x-databricks-metadata-version"), HeaderValue::from_static("1"))
            .with_header(HeaderName::from_static("x-databricks-host"), host);
        let token: Token = self.caller.json("metadata_service.token", request, &[&self.url, &path]).await.map_err(
            |error| match error.kind() {
                ErrorKind::Connection => error.with_context("cure", "start the metadata service, or unset it"),
                _ => error,
            },
        )?;
        Ok(token.checked()?.into_credential())
    }

    fn name(&self) -> &'static str {
        "metadata-service"
    }
}
