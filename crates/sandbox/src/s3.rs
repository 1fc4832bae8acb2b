//! S3 for staging: the protocol and the signatures by `s3s`, one plain file for each object.

mod files;
mod list;
mod receive;
mod sessions;
mod store;
#[cfg(test)]
mod tests;
mod uploads;

use std::{fs, io, path::Path, sync::Arc};

use async_trait::async_trait;
use axum::{Router, body::Body, extract::Request, response::IntoResponse as _};
use http::StatusCode;
use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    auth::{S3Auth, SecretKey},
    path::S3Path,
    s3_error,
    service::S3ServiceBuilder,
};
use twinhouse_core::{Error, ErrorKind, Result, Secret};

pub(crate) use self::sessions::{Reach, SessionKeys};
use self::{
    files::Files,
    sessions::{BUCKET, Session},
    store::Store,
};
use crate::access::S3Store;

/// The longest file name, in bytes, on the file systems in use.
const NAME_LIMIT: usize = 255;

/// The store over `root`, where an object is the file `<root>/<bucket>/<key>`. The bucket is made. `sessions` open one
/// more bucket, of folders that are elsewhere.
pub(crate) fn router(root: &Path, store: &S3Store, sessions: SessionKeys) -> Result<Router> {
    let failed = |source: io::Error| {
        Error::new(ErrorKind::Config, "cannot make the bucket of the sandbox")
            .with_context("folder", root.display().to_string())
            .with_source(source)
    };
    fs::create_dir_all(root.join(&store.bucket)).map_err(failed)?;
    let files = Arc::new(Files::open_store(root).map_err(failed)?);
    let mut service = S3ServiceBuilder::new(Store(Arc::clone(&files)));
    let owner = (store.access_key.clone(), store.secret_key.clone());
    service.set_auth(Keys { owner, sessions: sessions.clone() });
    service.set_access(Gate { files, sessions });
    let service = service.build();
    Ok(Router::new().fallback(async move |request: Request| {
        match service.call(request.map(s3s::Body::http_body_unsync)).await {
            Ok(response) => response.map(Body::new),
            Err(error) => {
                tracing::warn!(?error, "the S3 store could not answer");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }))
}

/// The keys of the store's owner, and those that open a part of it for a while.
struct Keys {
    owner: (String, Secret),
    sessions: SessionKeys,
}

#[async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.owner.0 {
            return Ok(self.owner.1.expose().into());
        }
        match self.sessions.find(access_key) {
            Some(session) => Ok(session.secret.expose().into()),
            None => {
                Err(s3_error!(InvalidAccessKeyId, "The AWS Access Key Id you provided does not exist in our records."))
            }
        }
    }
}

/// Lets signed requests in, for buckets that exist and keys that a file can have.
struct Gate {
    files: Arc<Files>,
    sessions: SessionKeys,
}

/// What a key may do that only reads.
const READS: &[&str] = &["GetObject", "HeadObject", "ListObjects", "ListObjectsV2", "HeadBucket", "GetBucketLocation"];
/// What a key may do that writes too. Each names its object in the path.
const WRITES: &[&str] = &[
    "PutObject",
    "DeleteObject",
    "CreateMultipartUpload",
    "UploadPart",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
];

#[async_trait]
impl S3Access for Gate {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(credentials) = cx.credentials() else {
            return Err(s3_error!(AccessDenied, "anonymous requests are refused"));
        };
        match self.sessions.find(&credentials.access_key) {
            Some(session) => check_session(&session, cx)?,
            None => check_owner(cx)?,
        }
        let exists = |bucket: &str| !bucket.starts_with('.') && self.files.bucket(bucket).is_dir();
        match cx.s3_path() {
            S3Path::Bucket { bucket } | S3Path::Object { bucket, .. } if !exists(bucket) => {
                Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"))
            }
            S3Path::Object { key, .. } => check_key(key),
            _ => Ok(()),
        }
    }
}

/// What tables and volumes hold is for keys that were made for them, and for no other.
fn check_owner(cx: &S3AccessContext<'_>) -> S3Result<()> {
    let named = match cx.s3_path() {
        S3Path::Bucket { bucket } | S3Path::Object { bucket, .. } => bucket.as_ref() == BUCKET,
        S3Path::Root => false,
    };
    let source = cx.headers().get("x-amz-copy-source").and_then(|source| source.to_str().ok()).unwrap_or_default();
    let source = percent_encoding::percent_decode_str(source).decode_utf8_lossy();
    if named || source.trim_start_matches('/').starts_with(BUCKET) {
        return Err(s3_error!(AccessDenied, "this bucket is opened by temporary credentials only"));
    }
    Ok(())
}

fn check_session(session: &Session, cx: &S3AccessContext<'_>) -> S3Result<()> {
    let query = |name: &str| {
        let pairs = url::form_urlencoded::parse(cx.uri().query().unwrap_or_default().as_bytes());
        pairs.into_owned().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let header = cx.headers().get("x-amz-security-token").and_then(|token| token.to_str().ok()).map(str::to_owned);
    if header.or_else(|| query("X-Amz-Security-Token")).as_deref() != Some(session.token.expose()) {
        return Err(s3_error!(InvalidToken, "The provided token is malformed or otherwise invalid."));
    }
    if session.has_expired() {
        return Err(s3_error!(ExpiredToken, "The provided token has expired."));
    }
    let denied = || Err(s3_error!(AccessDenied, "the temporary credentials do not open this"));
    let operation = cx.s3_op().name();
    let may = READS.contains(&operation) || (session.may_write() && WRITES.contains(&operation));
    if !may || cx.headers().contains_key("x-amz-copy-source") {
        return denied();
    }
    match cx.s3_path() {
        S3Path::Object { bucket, key } if bucket.as_ref() == BUCKET && session.opens(key) => Ok(()),
        // A listing says by its prefix what it looks at.
        S3Path::Bucket { bucket } if bucket.as_ref() == BUCKET => match operation {
            "ListObjects" | "ListObjectsV2" if !query("prefix").is_some_and(|prefix| session.opens(&prefix)) => {
                denied()
            }
            _ => Ok(()),
        },
        _ => denied(),
    }
}

/// Refuses by name what would be lost or changed on its way through a file name.
fn check_key(key: &str) -> S3Result<()> {
    if key.split('/').any(|part| part.is_empty() || part == "." || part == ".." || part.contains('\0')) {
        return Err(s3_error!(NotImplemented, "the sandbox keeps no key with an empty, `.` or `..` part"));
    }
    if key.split('/').any(|part| part.len() > NAME_LIMIT) {
        return Err(s3_error!(KeyTooLongError, "the sandbox keeps no key with a part of more than 255 bytes"));
    }
    Ok(())
}
