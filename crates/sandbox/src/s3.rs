//! S3 for staging: the protocol and the signatures by `s3s`, one plain file for each object.

mod files;
mod list;
mod receive;
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
    auth::{S3Auth, SecretKey, SimpleAuth},
    path::S3Path,
    s3_error,
    service::S3ServiceBuilder,
};
use twinhouse_core::{Error, ErrorKind, Result};

use self::{files::Files, store::Store};
use crate::access::S3Store;

/// The longest file name, in bytes, on the file systems in use.
const NAME_LIMIT: usize = 255;

/// The store over `root`, where an object is the file `<root>/<bucket>/<key>`. The bucket is made.
pub(crate) fn router(root: &Path, store: &S3Store) -> Result<Router> {
    let failed = |source: io::Error| {
        Error::new(ErrorKind::Config, "cannot make the bucket of the sandbox")
            .with_context("folder", root.display().to_string())
            .with_source(source)
    };
    fs::create_dir_all(root.join(&store.bucket)).map_err(failed)?;
    let files = Arc::new(Files::open_store(root).map_err(failed)?);
    let mut service = S3ServiceBuilder::new(Store(Arc::clone(&files)));
    service.set_auth(Keys(SimpleAuth::from_single(store.access_key.clone(), store.secret_key.expose())));
    service.set_access(Gate(files));
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

/// The one key; whoever comes with another hears it in the service's words.
struct Keys(SimpleAuth);

#[async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        self.0.get_secret_key(access_key).await.map_err(|_| {
            s3_error!(InvalidAccessKeyId, "The AWS Access Key Id you provided does not exist in our records.")
        })
    }
}

/// Lets signed requests in, for buckets that exist and keys that a file can have.
struct Gate(Arc<Files>);

#[async_trait]
impl S3Access for Gate {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        if cx.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "anonymous requests are refused"));
        }
        let exists = |bucket: &str| !bucket.starts_with('.') && self.0.bucket(bucket).is_dir();
        match cx.s3_path() {
            S3Path::Bucket { bucket } | S3Path::Object { bucket, .. } if !exists(bucket) => {
                Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"))
            }
            S3Path::Object { key, .. } => check_key(key),
            _ => Ok(()),
        }
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
