//! Short-lived keys to the storage behind tables, volumes and paths.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Value, json};
use twinhouse_core::{
    Error, ErrorKind, Result, Secret,
    http::{Body, Method},
};

use super::{Calls, RefreshingCredentials, Repeat, name::bad};
use crate::{wire::count, words::words};

words! {
    /// What a table's credential is for.
    TableOperation {
        /// Reading.
        Read = "READ",
        /// Reading and writing.
        ReadWrite = "READ_WRITE",
    }
}

words! {
    /// What a volume's credential is for.
    VolumeOperation {
        /// Reading.
        ReadVolume = "READ_VOLUME",
        /// Reading and writing.
        WriteVolume = "WRITE_VOLUME",
    }
}

words! {
    /// What a path's credential is for.
    PathOperation {
        /// Reading.
        PathRead = "PATH_READ",
        /// Reading and writing.
        PathReadWrite = "PATH_READ_WRITE",
        /// Writing a table that is to be registered there.
        PathCreateTable = "PATH_CREATE_TABLE",
    }
}

/// What a credential opens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialScope {
    /// The files of a table.
    Table {
        /// [`TableInfo::table_id`](super::TableInfo::table_id)
        table_id: String,
        /// What it is for.
        operation: TableOperation,
    },
    /// The files of a volume.
    Volume {
        /// [`VolumeInfo::volume_id`](super::VolumeInfo::volume_id)
        volume_id: String,
        /// What it is for.
        operation: VolumeOperation,
    },
    /// What is below a URL in an external location.
    Path {
        /// The URL.
        url: String,
        /// What it is for.
        operation: PathOperation,
    },
}

impl CredentialScope {
    /// The files of the table with this id.
    pub fn table(table_id: impl Into<String>, operation: TableOperation) -> Self {
        Self::Table { table_id: table_id.into(), operation }
    }

    /// The files of the volume with this id.
    pub fn volume(volume_id: impl Into<String>, operation: VolumeOperation) -> Self {
        Self::Volume { volume_id: volume_id.into(), operation }
    }

    /// What is below this URL.
    pub fn path(url: impl Into<String>, operation: PathOperation) -> Self {
        Self::Path { url: url.into(), operation }
    }

    fn check(&self) -> Result<()> {
        let id = |field: &'static str, id: &str| match id.trim().is_empty() {
            true => Err(bad(field, "is empty: it is in the description of the table or volume")),
            false => Ok(()),
        };
        match self {
            Self::Table { table_id, .. } => id("table_id", table_id),
            Self::Volume { volume_id, .. } => id("volume_id", volume_id),
            Self::Path { url, .. } => match url::Url::parse(url) {
                Ok(_) => Ok(()),
                Err(_) => Err(bad("url", "is not a URL such as s3://bucket/folder")),
            },
        }
    }

    /// The last part of the path of the call, and its body.
    fn request(&self) -> (&'static str, Value) {
        match self {
            Self::Table { table_id, operation } => {
                ("temporary-table-credentials", json!({ "table_id": table_id, "operation": operation }))
            }
            Self::Volume { volume_id, operation } => {
                ("temporary-volume-credentials", json!({ "volume_id": volume_id, "operation": operation }))
            }
            Self::Path { url, operation } => {
                ("temporary-path-credentials", json!({ "url": url, "operation": operation }))
            }
        }
    }
}

/// A key to storage. Which kind it is depends on the cloud. No part of it prints, except an access key's id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemporaryCredential {
    /// S3.
    Aws {
        /// The id of the access key.
        access_key_id: String,
        /// The access key.
        secret_access_key: Secret,
        /// The token that goes with every request.
        session_token: Secret,
        /// The access point to use in place of the bucket.
        access_point: Option<String>,
    },
    /// Azure storage, by a shared access signature.
    AzureSas {
        /// The signature: what follows the question mark of a URL.
        sas_token: Secret,
    },
    /// Azure storage, by a token of Entra ID.
    AzureAad {
        /// The bearer token.
        aad_token: Secret,
    },
    /// Google Cloud Storage.
    Gcp {
        /// The bearer token.
        oauth_token: Secret,
    },
    /// Cloudflare R2, which speaks S3.
    R2 {
        /// The id of the access key.
        access_key_id: String,
        /// The access key.
        secret_access_key: Secret,
        /// The token that goes with every request.
        session_token: Secret,
    },
}

impl TemporaryCredential {
    /// The credential as settings of the `object_store` crate, and of what is built on it: `storage_options` of
    /// delta-rs, for one. Google's token has no setting there; it goes in through a credential provider.
    ///
    /// ```
    /// # fn example(credential: &twinhouse_databricks::unity::TemporaryCredential) {
    /// for (key, value) in credential.storage_options() {
    ///     // builder = builder.with_config(key.parse()?, value.expose());
    /// #   let _ = (key, value);
    /// }
    /// # }
    /// ```
    pub fn storage_options(&self) -> Vec<(&'static str, Secret)> {
        match self {
            Self::Aws { access_key_id, secret_access_key, session_token, .. }
            | Self::R2 { access_key_id, secret_access_key, session_token } => vec![
                ("aws_access_key_id", Secret::new(access_key_id.as_str())),
                ("aws_secret_access_key", secret_access_key.clone()),
                ("aws_session_token", session_token.clone()),
            ],
            Self::AzureSas { sas_token } => vec![("azure_storage_sas_token", sas_token.clone())],
            Self::AzureAad { aad_token } => vec![("azure_storage_token", aad_token.clone())],
            Self::Gcp { .. } => Vec::new(),
        }
    }
}

/// A key to storage, what it opens and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemporaryCredentials {
    /// The key.
    pub credential: TemporaryCredential,
    /// The root of what it opens: `s3://…`, `abfss://…`, `gs://…`.
    pub url: Option<String>,
    /// When the service says that it ends.
    pub expires_at: Option<SystemTime>,
}

impl TemporaryCredentials {
    /// How long it is good for, by this machine's clock; `None` if the service gave no end.
    pub fn time_left(&self) -> Option<Duration> {
        Some(self.expires_at?.duration_since(SystemTime::now()).unwrap_or_default())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    aws_temp_credentials: Option<Keys>,
    r2_temp_credentials: Option<Keys>,
    azure_user_delegation_sas: Option<Sas>,
    azure_aad: Option<Aad>,
    gcp_oauth_token: Option<Gcp>,
    #[serde(deserialize_with = "count")]
    expiration_time: Option<u64>,
    url: Option<String>,
}

#[derive(Deserialize)]
struct Keys {
    access_key_id: String,
    secret_access_key: Secret,
    session_token: Secret,
    #[serde(default)]
    access_point: Option<String>,
}

#[derive(Deserialize)]
struct Sas {
    sas_token: Secret,
}

#[derive(Deserialize)]
struct Aad {
    aad_token: Secret,
}

#[derive(Deserialize)]
struct Gcp {
    oauth_token: Secret,
}

impl Answer {
    fn credentials(self) -> Result<TemporaryCredentials> {
        let aws = self.aws_temp_credentials.map(|keys| TemporaryCredential::Aws {
            access_key_id: keys.access_key_id,
            secret_access_key: keys.secret_access_key,
            session_token: keys.session_token,
            access_point: keys.access_point.filter(|point| !point.is_empty()),
        });
        let r2 = self.r2_temp_credentials.map(|keys| TemporaryCredential::R2 {
            access_key_id: keys.access_key_id,
            secret_access_key: keys.secret_access_key,
            session_token: keys.session_token,
        });
        let sas = self.azure_user_delegation_sas.map(|sas| TemporaryCredential::AzureSas { sas_token: sas.sas_token });
        let aad = self.azure_aad.map(|aad| TemporaryCredential::AzureAad { aad_token: aad.aad_token });
        let gcp = self.gcp_oauth_token.map(|gcp| TemporaryCredential::Gcp { oauth_token: gcp.oauth_token });
        let mut all = [aws, r2, sas, aad, gcp].into_iter().flatten();
        let (Some(credential), None) = (all.next(), all.next()) else {
            return Err(Error::new(ErrorKind::Protocol, "the service did not answer with one temporary credential")
                .with_context("wanted", "exactly one of AWS, R2, Azure SAS, Azure AAD, Google"));
        };
        let expires_at = self.expiration_time.and_then(|ms| UNIX_EPOCH.checked_add(Duration::from_millis(ms)));
        Ok(TemporaryCredentials { credential, url: self.url.filter(|url| !url.is_empty()), expires_at })
    }
}

/// Short-lived keys to storage. See
/// [`UnityCatalog::temporary_credentials`](super::UnityCatalog::temporary_credentials).
///
/// The metastore must allow access from outside, and the caller needs `EXTERNAL USE SCHEMA` (for a path:
/// `EXTERNAL USE LOCATION`), which ownership does not imply.
#[derive(Clone, Debug)]
pub struct TemporaryCredentialsClient {
    calls: Calls,
}

impl TemporaryCredentialsClient {
    pub(super) fn new(calls: Calls) -> Self {
        Self { calls }
    }

    /// A key to what the scope says, as good as the service makes it: usually for an hour.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] before anything is sent, naming the field; [`ErrorKind::PermissionDenied`] without the
    /// privilege; [`ErrorKind::NotFound`] for an id that nothing has; [`ErrorKind::Protocol`] if the answer is not
    /// exactly one credential.
    pub async fn generate(&self, scope: &CredentialScope) -> Result<TemporaryCredentials> {
        scope.check()?;
        let (call, body) = scope.request();
        // These three are the only ones of the family that are still under 2.0.
        let request = self.calls.client.request(Method::POST, ["api", "2.0", "unity-catalog", call]);
        let request = request.with_body(Body::json(&body)?);
        // Two keys do no harm: both end by themselves.
        let operation = Repeat::Harmless.operation("credentials.generate");
        self.calls.client.json::<Answer>(operation, request).await?.credentials()
    }

    /// A key to what the scope says that is fetched when it is first needed, and anew before it ends.
    pub fn refreshing(&self, scope: CredentialScope) -> RefreshingCredentials {
        RefreshingCredentials::new(self.clone(), scope)
    }
}
