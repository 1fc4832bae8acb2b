//! Links that open one thing for one method until some time, signed as an object store's are.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri, header};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Signs with a key that nobody else has.
pub(super) struct Signer {
    key: [u8; 32],
}

/// A refusal of the storage, in XML.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, code, message } = self;
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        (status, [(header::CONTENT_TYPE, "application/xml")], text).into_response()
    }
}

impl Signer {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        key[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        key[16..].copy_from_slice(Uuid::new_v4().as_bytes());
        Self { key }
    }

    /// A link to this path, which is encoded already, for this method.
    pub(super) fn sign(&self, base: &str, method: &str, path: &str, until: SystemTime) -> String {
        let lifetime = until.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        let until = millis(until);
        let signature = self.signature(method, path, until);
        format!(
            "{base}{path}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires={}&X-Amz-Until={until}&X-Amz-Signature={signature}",
            lifetime.as_secs()
        )
    }

    /// Turns away whoever has no link, or an old one.
    pub(super) fn check(&self, method: &str, uri: &Uri) -> Result<(), Refusal> {
        let query: HashMap<String, String> =
            url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let until = query.get("X-Amz-Until").and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        if query.get("X-Amz-Signature") != Some(&self.signature(method, uri.path(), until)) {
            let text = "The request signature we calculated does not match the signature you provided.";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", text));
        }
        if millis(SystemTime::now()) >= until {
            return Err(Refusal::new(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired"));
        }
        Ok(())
    }

    fn signature(&self, method: &str, path: &str, until: u64) -> String {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(format!("{method}\n{path}\n{until}"));
        hash.update(self.key);
        hex(&hash.finalize())
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
