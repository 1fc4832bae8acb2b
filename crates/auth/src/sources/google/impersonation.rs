//! A service account of Google that this machine may act as.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use chrono::DateTime;
use serde::Deserialize;
use serde_json::json;
use twinhouse_core::{
    Result, Secret,
    http::{Body, HeaderName, HeaderValue, Http, Request, Url},
    resilience::Policy,
};

use super::{ACCESS, SCOPES};
use crate::{
    Credential, CredentialSource,
    caller::Caller,
    token::{Issued, Token, left_until},
};

const LIFETIME: Duration = Duration::from_secs(3600);
/// The metadata server is on the machine's own link.
const LIMIT: Duration = Duration::from_secs(10);

/// Where Google has its machines' metadata server and its service for acting as another.
#[derive(Clone, Debug)]
pub struct GoogleEndpoints {
    metadata: Url,
    iam: Url,
}

impl Default for GoogleEndpoints {
    fn default() -> Self {
        let url = |text: &str| Url::parse(text).unwrap_or_else(|_| unreachable!("{text} is an address"));
        Self { metadata: url("http://metadata.google.internal/"), iam: url("https://iamcredentials.googleapis.com/") }
    }
}

impl GoogleEndpoints {
    /// Asks here for the machine's own token, as `GCE_METADATA_HOST` may say.
    #[must_use]
    pub fn with_metadata(mut self, url: Url) -> Self {
        self.metadata = url;
        self
    }

    /// Asks here to act as the service account.
    #[must_use]
    pub fn with_iam(mut self, url: Url) -> Self {
        self.iam = url;
        self
    }
}

/// `google-id`: the machine's own service account acts as another.
#[derive(Clone, Debug)]
pub struct GoogleId {
    /// For the machine's own link, past any proxy.
    near: Caller,
    far: Caller,
    endpoints: GoogleEndpoints,
    account: String,
    audience: String,
}

impl GoogleId {
    /// Acts as the service account of this e-mail address, at the workspace or account console `host`.
    ///
    /// `near` must go to the machine's own link directly, not through a proxy.
    pub fn new(
        near: Http,
        far: Http,
        policy: Policy,
        endpoints: GoogleEndpoints,
        account: impl Into<String>,
        host: &Url,
    ) -> Self {
        Self {
            near: Caller::new(near, policy.clone()).with_limit(LIMIT),
            far: Caller::new(far, policy),
            endpoints,
            account: account.into(),
            audience: host.as_str().trim_end_matches('/').to_owned(),
        }
    }

    async fn own(&self) -> Result<Secret> {
        let mut url = self.endpoints.metadata.clone();
        url.set_path("/computeMetadata/v1/instance/service-accounts/default/token");
        let request = Request::get(url)
            .with_header(HeaderName::from_static("metadata-flavor"), HeaderValue::from_static("Google"));
        Ok(self.near.json::<Token>("google.metadata", request, &[]).await?.checked()?.token)
    }

    fn ask(&self, own: &Secret, verb: &str, body: &serde_json::Value) -> Result<Request> {
        let mut url = self.endpoints.iam.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(["v1", "projects", "-", "serviceAccounts", &format!("{}:{verb}", self.account)]);
        }
        Ok(Request::post(url).with_headers(Credential::bearer(own.clone()).headers()?).with_body(Body::json(body)?))
    }
}

#[derive(Deserialize)]
struct Identity {
    token: Secret,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Access {
    access_token: Secret,
    expire_time: Option<String>,
}

#[async_trait]
impl CredentialSource for GoogleId {
    async fn fetch(&self) -> Result<Credential> {
        let own = self.own().await?;
        let ask = self.ask(&own, "generateIdToken", &json!({ "audience": self.audience, "includeEmail": true }))?;
        let identity: Identity = self.far.json("google.id_token", ask, &[&own]).await?;
        let identity = Issued::of_jwt(identity.token, LIFETIME)?;
        // Its life counts from here, however long the other token takes.
        let credential = Credential::bearer(identity.token);
        let ask = self.ask(&own, "generateAccessToken", &json!({ "scope": SCOPES, "lifetime": "3600s" }))?;
        let access: Access = self.far.json("google.token", ask, &[&own]).await?;
        let end = access.expire_time.and_then(|text| DateTime::parse_from_rfc3339(&text).ok());
        let access = Issued::new(access.access_token, end.map_or(LIFETIME, |end| left_until(SystemTime::from(end))))?;
        let lifetime = identity.lifetime.min(access.lifetime);
        Ok(credential.with_header(ACCESS, access.token).with_lifetime(lifetime))
    }

    fn name(&self) -> &'static str {
        "google-id"
    }
}
