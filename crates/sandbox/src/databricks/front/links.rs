//! Presigned links to the files of a result, as an object store serves them.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    body::Body,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, SecondsFormat, Utc};
use http::{HeaderMap, StatusCode, header};
use sha2::{Digest, Sha256};
use tokio_util::io::ReaderStream;

use super::app::Shared;
use crate::{
    databricks::statement::{Body as Kept, State as Phase},
    faults::{FaultKind, struck},
};

/// Signs links with a key that nobody else has.
pub(super) struct Signer {
    key: [u8; 32],
}

/// A link and when it dies.
pub(super) struct Link {
    pub(super) url: String,
    /// RFC 3339.
    pub(super) expiration: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        key[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        key[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        Self { key }
    }

    pub(super) fn sign(&self, base: &str, statement: &str, chunk: usize, lifetime: Duration) -> Link {
        let now = SystemTime::now();
        let expires = now + lifetime;
        // What it says and what it does may be two things.
        let dies = match struck() {
            Some(FaultKind::EarlyLink { after }) => now + after.min(lifetime),
            _ => expires,
        };
        let millis = dies.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let signature = self.signature(statement, chunk, millis);
        let url = format!(
            "{base}/links/{statement}/{chunk}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires={}&X-Amz-Until={millis}&X-Amz-Signature={signature}",
            lifetime.as_secs()
        );
        Link { url, expiration: DateTime::<Utc>::from(expires).to_rfc3339_opts(SecondsFormat::Millis, true) }
    }

    fn signature(&self, statement: &str, chunk: usize, millis: u64) -> String {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(format!("{statement}\n{chunk}\n{millis}"));
        hash.update(self.key);
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Serves one file, if the link is whole, alive and comes alone.
pub(super) async fn download(
    State(app): Shared,
    Path((statement, chunk)): Path<(String, usize)>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if app.quirks.links_refuse_authorization && headers.contains_key(header::AUTHORIZATION) {
        let text = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified";
        return xml(StatusCode::BAD_REQUEST, "InvalidArgument", text);
    }
    let until = query.get("X-Amz-Until").and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    if query.get("X-Amz-Signature") != Some(&app.signer.signature(&statement, chunk, until)) {
        let text = "The request signature we calculated does not match the signature you provided.";
        return xml(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", text);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    if now >= until {
        return xml(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired");
    }
    let gone = || xml(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.");
    let Some(Phase::Succeeded(answer)) = app.runner.statements.peek(&statement) else { return gone() };
    let Kept::Files(folder) = &answer.body else { return gone() };
    let Ok(file) = tokio::fs::File::open(folder.join(chunk.to_string())).await else { return gone() };
    let Ok(length) = file.metadata().await.map(|metadata| metadata.len()) else { return gone() };
    let body = Body::from_stream(ReaderStream::with_capacity(file, 256 << 10));
    ([(header::CONTENT_LENGTH, length.to_string()), (header::CONTENT_TYPE, "binary/octet-stream".to_owned())], body)
        .into_response()
}

fn xml(status: StatusCode, code: &str, message: &str) -> Response {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    (status, [(header::CONTENT_TYPE, "application/xml")], text).into_response()
}
