//! A login that Secrets Manager keeps.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
use twinhouse_auth::{Credential, CredentialSource};
use twinhouse_core::{Error, ErrorKind, Result, Secret};

use crate::aws::{AwsClient, Service};

/// How long a secret is taken for the current one, as AWS's own caches do. One that the server refuses is read again
/// at once.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Reads `username` and `password` of a secret.
#[derive(Debug)]
pub(super) struct SecretLogin {
    client: AwsClient,
    id: String,
}

impl SecretLogin {
    pub(super) fn new(client: impl FnOnce(Service) -> Result<AwsClient>, id: Option<String>) -> Result<Self> {
        let id = id.ok_or_else(|| {
            Error::bad_setting("secret", "configuration", "the name or ARN of a secret, with `auth=secrets-manager`")
        })?;
        Ok(Self { client: client(Service::SecretsManager)?, id })
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "SecretString")]
    text: Option<Secret>,
}

#[derive(Deserialize)]
struct Login {
    #[serde(alias = "user")]
    username: String,
    password: Secret,
}

#[async_trait]
impl CredentialSource for SecretLogin {
    async fn fetch(&self) -> Result<Credential> {
        let input = json!({ "SecretId": self.id });
        let answer: Answer = self.client.json("secret.read", "secretsmanager.GetSecretValue", &input).await?;
        let malformed = || {
            // serde's own words would quote the secret.
            Error::new(ErrorKind::Config, "the secret is not JSON with `username` and `password`")
                .with_context("secret", &self.id)
        };
        let text = answer.text.ok_or_else(malformed)?;
        let login: Login = serde_json::from_str(text.expose()).map_err(|_| malformed())?;
        Ok(Credential::login(login.username, login.password).with_lifetime(LIFETIME))
    }

    fn name(&self) -> &'static str {
        "secrets-manager"
    }
}
