//! A service account of Google, with its key.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, json};
use twinhouse_core::{
    Error, ErrorKind, Result, Secret,
    config::Env,
    http::{Body, Http, Request, Url},
    resilience::Policy,
};

use super::{ACCESS, SCOPES, assertion::Signer};
use crate::{
    Credential, CredentialSource,
    caller::Caller,
    endpoint::address,
    token::{Issued, Token},
};

const BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// What Google gives, if the token does not say it itself.
const LIFETIME: Duration = Duration::from_secs(3600);

/// `google-credentials`: the key file of a service account.
///
/// The key is read, and signs, with the first token: a file that is not there is an error then.
#[derive(Clone)]
pub struct GoogleCredentials {
    caller: Caller,
    /// The text of the key, or the name of a file with it.
    key: Secret,
    env: Env,
    audience: String,
}

impl GoogleCredentials {
    /// A service account whose key is this JSON, or in a file of this name, at the workspace or account console `host`.
    pub fn new(http: Http, policy: Policy, key: impl Into<Secret>, env: &Env, host: &Url) -> Self {
        let audience = host.as_str().trim_end_matches('/').to_owned();
        Self { caller: Caller::new(http, policy), key: key.into(), env: env.clone(), audience }
    }

    async fn account(&self) -> Result<Account> {
        let bad =
            |what: &'static str| Error::new(ErrorKind::Config, what).with_context("setting", "google_credentials");
        let key = self.key.expose().trim();
        let text =
            if key.starts_with('{') {
                Secret::new(key)
            } else {
                let path = self.env.expand(key);
                let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
                let read = read.map_err(std::io::Error::other).and_then(|read| read);
                Secret::new(read.map_err(|cause| {
                    bad("the file with the key of a service account cannot be read").with_source(cause)
                })?)
            };
        // serde quotes what it stumbled over, and that may be the key.
        let account: Account =
            serde_json::from_str(text.expose()).map_err(|_| bad("this is not the key of a service account"))?;
        let near = matches!(account.token_uri.host_str(), Some("localhost" | "127.0.0.1"));
        if account.token_uri.scheme() != "https" && !near {
            return Err(bad("the `token_uri` of the service account is not behind TLS"));
        }
        Ok(account)
    }
}

#[derive(Deserialize)]
struct Account {
    client_email: String,
    private_key: Secret,
    private_key_id: Option<String>,
    #[serde(deserialize_with = "address")]
    token_uri: Url,
}

#[derive(Deserialize)]
struct Identity {
    id_token: Secret,
}

#[async_trait]
impl CredentialSource for GoogleCredentials {
    async fn fetch(&self) -> Result<Credential> {
        let account = self.account().await?;
        let signer = Signer::new(&account.private_key, account.private_key_id, account.client_email)?;
        let request = |claim: &str, value: String| {
            let claims = Map::from_iter([(claim.to_owned(), json!(value))]);
            let assertion = signer.assertion(account.token_uri.as_str(), claims)?;
            let form = Body::form([("grant_type", BEARER), ("assertion", assertion.expose())]);
            Ok((Request::post(account.token_uri.clone()).with_body(form), assertion))
        };
        let (ask, assertion) = request("target_audience", self.audience.clone())?;
        let identity: Identity = self.caller.json("google.id_token", ask, &[&assertion]).await?;
        let identity = Issued::of_jwt(identity.id_token, LIFETIME)?;
        // Its life counts from here, however long the other token takes.
        let credential = Credential::bearer(identity.token);
        let (ask, assertion) = request("scope", SCOPES.join(" "))?;
        let access = self.caller.json::<Token>("google.token", ask, &[&assertion]).await?.checked()?;
        let lifetime = identity.lifetime.min(access.lifetime);
        Ok(credential.with_header(ACCESS, access.token).with_lifetime(lifetime))
    }

    fn name(&self) -> &'static str {
        "google-credentials"
    }
}

impl fmt::Debug for GoogleCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoogleCredentials").field("audience", &self.audience).finish_non_exhaustive()
    }
}
