//! The place in S3 through which rows are loaded: whole objects in, and out again when they are loaded.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig, aws::AmazonS3Builder, path::Path,
};
use twinhouse_core::{
    Error, ErrorKind, Result,
    resilience::{Operation, Policy},
    telemetry::metric::{self, Direction},
};
use url::{Host, Url};

use crate::{
    config::{RedshiftConfig, StagingPrefix},
    error,
};

/// How long one request may take: a file of the default size goes through a slow line in that time.
const ONE_TRY: Duration = Duration::from_secs(300);

/// A bucket and prefix that both we and the cluster can reach. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Staging {
    store: Arc<dyn ObjectStore>,
    prefix: StagingPrefix,
    policy: Policy,
}

impl Staging {
    /// In S3, or what speaks its protocol.
    pub(crate) fn s3(prefix: &StagingPrefix, config: &RedshiftConfig) -> Result<Self> {
        let options = &config.s3;
        let mut client = ClientOptions::new().with_timeout(ONE_TRY).with_connect_timeout(Duration::from_secs(10));
        // Retries below a policy that retries would multiply.
        let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        let mut builder =
            AmazonS3Builder::new().with_bucket_name(prefix.bucket()).with_region(&options.region).with_retry(retry);
        if let Some(endpoint) = &options.endpoint {
            client = client.with_allow_http(may_be_plain(endpoint)?);
            builder = builder.with_endpoint(endpoint);
        }
        if let (Some(id), Some(secret)) = (&options.access_key_id, &options.secret_access_key) {
            builder = builder.with_access_key_id(id.expose()).with_secret_access_key(secret.expose());
        }
        if let Some(token) = &options.session_token {
            builder = builder.with_token(token.expose());
        }
        for (name, value) in &options.role {
            let key = name.to_ascii_lowercase().parse().map_err(|cause| {
                Error::new(ErrorKind::Internal, "a variable of AWS is not known").with_source(cause)
            })?;
            builder = builder.with_config(key, value);
        }
        let store = builder.with_client_options(client).build().map_err(|cause| {
            Error::new(ErrorKind::Config, "the staging place cannot be reached as configured")
                .with_context("staging", prefix.to_string())
                .with_source(cause)
        })?;
        Ok(Self::over(Arc::new(store), prefix.clone()))
    }

    /// On any store.
    pub(crate) fn over(store: Arc<dyn ObjectStore>, prefix: StagingPrefix) -> Self {
        let policy = Policy::builder().server("s3", prefix.bucket()).attempt_timeout(ONE_TRY).build();
        Self { store, prefix, policy }
    }

    /// The object of this URL, whole; `None` if there is none, or if it is in another bucket.
    pub(crate) async fn get(&self, url: &str) -> Result<Option<Bytes>> {
        let prefix = format!("s3://{}/", self.prefix.bucket());
        let Some(key) = url.strip_prefix(&prefix) else { return Ok(None) };
        let path = Path::parse(key).map_err(|cause| failed("staging.get", key, cause.into()))?;
        let operation = Operation::read("staging.get").with_class("staging");
        let content = self.policy.execute(operation, |_| async {
            let found = match self.store.get(&path).await {
                Ok(found) => found.bytes().await.map(Some),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(cause) => Err(cause),
            };
            found.map_err(|cause| failed("staging.get", key, cause))
        });
        let content = content.await?;
        if let Some(content) = &content {
            metric::transferred("s3", Direction::Read, 0, content.len() as u64);
        }
        Ok(content)
    }

    /// A folder under the prefix; each of its parts is one step down.
    pub(crate) fn folder(&self, parts: &[&str]) -> Folder {
        let mut key = self.prefix.prefix().to_owned();
        for part in parts {
            if !key.is_empty() {
                key.push('/');
            }
            key.push_str(&plain(part));
        }
        Folder { staging: self.clone(), key }
    }
}

/// Whether the endpoint goes without TLS: on this machine only, or the rows could be read on the way.
fn may_be_plain(endpoint: &str) -> Result<bool> {
    let bad = || Error::bad_setting("s3_endpoint", "configuration", "an https URL, or an http URL of this machine");
    let url = Url::parse(endpoint).map_err(|_| bad())?;
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(false),
        "http" if local => Ok(true),
        _ => Err(bad()),
    }
}

impl fmt::Debug for Staging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staging").field("prefix", &self.prefix.to_string()).finish_non_exhaustive()
    }
}

/// A part of a key in characters that mean the same in a key, a URL, a manifest and a literal.
fn plain(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for (at, byte) in part.bytes().enumerate() {
        // Readers skip what begins with `_` or `.`.
        let legal = byte.is_ascii_alphanumeric() || byte == b'-' || (at > 0 && matches!(byte, b'_' | b'.'));
        if legal {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("={byte:02X}"));
        }
    }
    out
}

/// An object that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Staged {
    /// `s3://bucket/key`
    pub(crate) url: String,
    /// Its length as measured, in bytes.
    pub(crate) bytes: u64,
}

/// A folder of the staging place. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    staging: Staging,
    key: String,
}

impl Folder {
    /// Its URL, with a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("s3://{}/{}/", self.staging.prefix.bucket(), self.key)
    }

    /// Writes an object, whole.
    pub(crate) async fn put(&self, name: &str, content: Bytes) -> Result<Staged> {
        let key = format!("{}/{name}", self.key);
        let path = Path::parse(&key).map_err(|cause| failed("staging.put", &key, cause.into()))?;
        let length = content.len() as u64;
        // Writing the same object twice leaves one.
        let operation = Operation::read("staging.put").with_class("staging");
        self.staging
            .policy
            .execute(operation, |_| {
                let (path, content, key) = (&path, PutPayload::from_bytes(content.clone()), &key);
                async move {
                    let put = self.staging.store.put(path, content).await;
                    put.map_err(|cause| failed("staging.put", key, cause))
                }
            })
            .await?;
        metric::transferred("s3", Direction::Written, 0, length);
        Ok(Staged { url: format!("s3://{}/{key}", self.staging.prefix.bucket()), bytes: length })
    }

    /// Deletes everything in it.
    pub(crate) async fn clear(&self) -> Result<()> {
        let path = Path::parse(&self.key).map_err(|cause| failed("staging.clear", &self.key, cause.into()))?;
        let operation = Operation::read("staging.clear").with_class("staging");
        self.staging
            .policy
            .execute(operation, |_| async {
                let store = &self.staging.store;
                let found: Vec<_> = store
                    .list(Some(&path))
                    .map_ok(|object| object.location)
                    .try_collect()
                    .await
                    .map_err(|cause| failed("staging.clear", &self.key, cause))?;
                for location in found {
                    match store.delete(&location).await {
                        Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                        Err(cause) => return Err(failed("staging.clear", &self.key, cause)),
                    }
                }
                Ok(())
            })
            .await
    }

    /// The names and contents of what is in it.
    #[cfg(test)]
    pub(crate) async fn contents(&self) -> Vec<(String, Bytes)> {
        let path = Path::parse(&self.key).unwrap();
        let mut found = Vec::new();
        let mut listed = self.staging.store.list(Some(&path));
        while let Some(object) = listed.try_next().await.unwrap() {
            let location = object.location;
            let content = self.staging.store.get(&location).await.unwrap().bytes().await.unwrap();
            found.push((location.to_string(), content));
        }
        found
    }
}

fn failed(operation: &'static str, key: &str, cause: object_store::Error) -> Error {
    error::staging(cause).with_operation(operation).with_context("key", key)
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use twinhouse_core::config::Env;

    use super::*;
    use crate::config::RedshiftBuilder;

    fn staging(prefix: &str) -> Staging {
        Staging::over(Arc::new(InMemory::new()), prefix.parse().unwrap())
    }

    #[tokio::test]
    async fn what_is_put_has_its_url_and_measured_length_and_can_be_cleared() {
        let staging = staging("s3://bucket/a");
        let folder = staging.folder(&["public.orders", "token-1"]);
        let staged = folder.put("part-0.parquet", Bytes::from_static(b"12345")).await.unwrap();
        assert_eq!(staged, Staged { url: "s3://bucket/a/public.orders/token-1/part-0.parquet".to_owned(), bytes: 5 });
        assert_eq!(folder.url(), "s3://bucket/a/public.orders/token-1/");
        let sibling = staging.folder(&["public.orders", "token-10"]);
        sibling.put("kept", Bytes::new()).await.unwrap();
        folder.clear().await.unwrap();
        assert!(folder.contents().await.is_empty());
        assert_eq!(sibling.contents().await.len(), 1, "a folder whose name begins alike is another one");
        folder.clear().await.expect("clearing again is no error");
    }

    /// Gives a container its keys, and takes objects that are signed with them.
    async fn aws(listener: tokio::net::TcpListener) {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
                    socket.read_buf(&mut seen).await.unwrap();
                }
                let head = String::from_utf8_lossy(&seen).into_owned();
                let (status, body) = match head.starts_with("GET /role ") {
                    true if head.contains("of-the-pod") => ("200 OK", KEYS),
                    true => ("401 Unauthorized", ""),
                    false if head.contains("Credential=POD-KEY/") => ("200 OK", ""),
                    false => ("403 Forbidden", ""),
                };
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\netag: \"1\"\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                socket.write_all(answer.as_bytes()).await.unwrap();
                socket.shutdown().await.unwrap();
                // To hang up on what is not read yet would reset the connection.
                let _ = socket.read_to_end(&mut seen).await;
            });
        }
    }

    const KEYS: &str =
        r#"{"AccessKeyId":"POD-KEY","SecretAccessKey":"s","Token":"t","Expiration":"2999-01-01T00:00:00Z"}"#;

    #[tokio::test]
    async fn without_keys_the_role_of_the_container_stages() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(aws(listener));
        let token = std::env::temp_dir().join(format!("twinhouse-token-{}", uuid::Uuid::new_v4().simple()));
        std::fs::write(&token, "of-the-pod").unwrap();
        let env = Env::from_pairs([
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{url}/role").as_str()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap()),
            ("AWS_ENDPOINT_URL_S3", url.as_str()),
        ]);
        let config =
            RedshiftBuilder::from_url("redshift://u:p@h/d?staging=s3://b/p").unwrap().env(env).build().unwrap();
        let staging = Staging::s3(config.staging().unwrap(), &config).unwrap();
        staging.folder(&["t"]).put("part-0", Bytes::from_static(b"1")).await.unwrap();
        std::fs::remove_file(token).unwrap();
        server.abort();
    }

    #[test]
    fn only_this_machine_is_reached_without_tls() {
        for good in ["http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost:9000"] {
            assert!(may_be_plain(good).unwrap(), "{good}");
        }
        assert!(!may_be_plain("https://s3.example.com").unwrap());
        for bad in ["http://10.0.0.1", "http://localhost.example.com", "ftp://localhost", "nonsense"] {
            let error = may_be_plain(bad).unwrap_err();
            assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Config, Some("s3_endpoint")), "{bad}");
        }
    }

    #[test]
    fn odd_names_become_plain_keys_and_stay_apart() {
        assert_eq!(plain("public.orders"), "public.orders");
        assert_eq!(plain("_hidden"), "=5Fhidden");
        assert_eq!(plain(".."), "=2E.");
        assert_eq!(plain("a/b'c ü"), "a=2Fb=27c=20=C3=BC");
        assert_ne!(plain("a=b"), plain("a=3Db"));
        let folder = staging("s3://bucket").folder(&["x"]);
        assert_eq!(folder.url(), "s3://bucket/x/");
    }
}
