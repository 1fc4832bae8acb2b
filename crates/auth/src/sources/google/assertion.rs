//! JSON web tokens that a service account signs with its own key.

use std::{sync::Arc, time::SystemTime};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rustls::{
    SignatureScheme,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
    sign::SigningKey,
};
use serde_json::{Map, Value, json};
use twinhouse_core::{Error, ErrorKind, Result, Secret};

/// How long an assertion may be used; it is used at once.
const LIFETIME: u64 = 600;

/// Signs assertions, RS256.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    key: Arc<dyn SigningKey>,
    key_id: Option<String>,
    issuer: String,
}

impl Signer {
    pub(super) fn new(pem: &Secret, key_id: Option<String>, issuer: String) -> Result<Self> {
        // What the parser says of a key is not kept: it may quote it.
        let key = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| no_key())?;
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).map_err(|_| no_key())?;
        Ok(Self { key, key_id, issuer })
    }

    /// An assertion for this audience with these claims beside the usual ones.
    pub(super) fn assertion(&self, audience: &str, more: Map<String, Value>) -> Result<Secret> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut claims = more;
        for (name, value) in [
            ("iss", json!(self.issuer)),
            ("sub", json!(self.issuer)),
            ("aud", json!(audience)),
            ("iat", json!(now)),
            ("exp", json!(now + LIFETIME)),
        ] {
            claims.insert(name.to_owned(), value);
        }
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = &self.key_id {
            header["kid"] = json!(id);
        }
        let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&Value::Object(claims)));
        let signer = self.key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).ok_or_else(no_key)?;
        let signature = signer
            .sign(signed.as_bytes())
            .map_err(|cause| Error::new(ErrorKind::Internal, "the assertion could not be signed").with_source(cause))?;
        Ok(Secret::new(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))))
    }
}

fn no_key() -> Error {
    Error::new(ErrorKind::Config, "the key of the service account is not an RSA key in PEM")
        .with_context("setting", "google_credentials")
}
