//! S3 for staging: the protocol by `s3s`, signatures checked, one plain file for each object.

use std::{fs, io, path::Path};

use async_trait::async_trait;
use axum::{Router, body::Body, extract::Request, response::IntoResponse as _};
use http::StatusCode;
use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    auth::SimpleAuth,
    path::S3Path,
    s3_error,
    service::S3ServiceBuilder,
};
use s3s_fs::FileSystem;
use twinhouse_core::{Error, ErrorKind, Result};

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
    let files = FileSystem::new(root).map_err(|error| failed(io::Error::other(format!("{error:?}"))))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(store.access_key.clone(), store.secret_key.expose()));
    service.set_access(Gate { root: root.to_owned() });
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

/// Lets signed requests in, and refuses by name what files cannot do or `s3s-fs` would get wrong.
struct Gate {
    root: std::path::PathBuf,
}

#[async_trait]
impl S3Access for Gate {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        if cx.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "anonymous requests are refused"));
        }
        let operation = cx.s3_op().name();
        match cx.s3_path() {
            S3Path::Root => Ok(()),
            S3Path::Bucket { bucket } if operation == "CreateBucket" => self.bucket_name(bucket),
            S3Path::Bucket { bucket } => self.existing(bucket),
            S3Path::Object { bucket, key } => {
                self.existing(bucket)?;
                self.object(bucket, key, operation)
            }
        }
    }
}

impl Gate {
    fn bucket_name(&self, bucket: &str) -> S3Result<()> {
        if bucket.starts_with('.') { Err(s3_error!(InvalidBucketName)) } else { Ok(()) }
    }

    /// A put would make a missing bucket.
    fn existing(&self, bucket: &str) -> S3Result<()> {
        self.bucket_name(bucket)?;
        if self.root.join(bucket).is_dir() { Ok(()) } else { Err(s3_error!(NoSuchBucket)) }
    }

    fn object(&self, bucket: &str, key: &str, operation: &str) -> S3Result<()> {
        let folder_marker = key.ends_with('/');
        let mut parts = key.trim_end_matches('/').split('/');
        if parts.any(|part| part.is_empty() || part == "." || part == "..") {
            return Err(s3_error!(InvalidArgument, "the sandbox keeps no key with an empty, `.` or `..` part"));
        }
        if key.split('/').any(|part| part.len() > NAME_LIMIT) || attributes_name(bucket, key, operation) > NAME_LIMIT {
            return Err(s3_error!(KeyTooLongError, "the sandbox keeps keys of about 120 bytes at most"));
        }
        // A folder is not an object, though it can be opened like one.
        let reads = matches!(operation, "GetObject" | "HeadObject");
        if reads && !folder_marker && self.root.join(bucket).join(key).is_dir() {
            return Err(s3_error!(NoSuchKey));
        }
        Ok(())
    }
}

/// The length of the name under which `s3s-fs` keeps the attributes of an object, beside the buckets.
fn attributes_name(bucket: &str, key: &str, operation: &str) -> usize {
    let base64 = |text: &str| (text.len() * 4).div_ceil(3);
    let upload = if operation == "CreateMultipartUpload" { ".upload-".len() + 36 } else { 0 };
    ".bucket-".len() + base64(bucket) + ".object-".len() + base64(key) + upload + ".metadata.json".len()
}

#[cfg(test)]
mod tests;
