//! An identity provider for workloads, and the federation policy that trusts it: what GitHub Actions is to a workspace.
//!
//! It vouches for whoever shows the workspace's personal access token, in the shape in which GitHub answers. Its tokens
//! are signed with a key of this process; issuer, audience, subject, times and signature are all checked.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::{
    Json, Router,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    login::{Access, Base, bearer},
    reply::{ApiError, ApiResult, Query},
};

/// The workload that the service principal's federation policy trusts.
pub(crate) const SUBJECT: &str = "repo:twinhouse/sandbox:ref:refs/heads/main";
/// How long its tokens live unless the caller wants less, in seconds.
const LIFETIME: u64 = 300;
/// How far clocks may be apart, in seconds.
const SKEW: u64 = 60;

/// Signs and checks identity tokens.
pub(super) struct Issuer {
    key: [u8; 32],
}

impl Issuer {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        key[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        key[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        Self { key }
    }

    fn issue(&self, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&json!({ "alg": "HS256", "typ": "JWT" })), encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(hmac(&self.key, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The refusal in the service's words, if the policy does not hold.
    pub(super) fn check(&self, token: &str, issuer: &str, audience: &str) -> Result<(), String> {
        let unreadable = || "The subject token is not a valid JWT".to_owned();
        let (signed, signature) = token.rsplit_once('.').ok_or_else(unreadable)?;
        let (head, payload) = signed.split_once('.').ok_or_else(unreadable)?;
        let json = |text: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok() };
        let (head, claims) = (json(head).ok_or_else(unreadable)?, json(payload).ok_or_else(unreadable)?);
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| unreadable())?;
        let wanted = hmac(&self.key, signed.as_bytes());
        let same = signature.len() == wanted.len()
            && signature.iter().zip(wanted).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0;
        if head["alg"] != "HS256" || !same {
            return Err("The signature of the subject token is invalid".to_owned());
        }
        if claims["iss"] != issuer {
            return Err("The issuer of the subject token is not trusted by any federation policy".to_owned());
        }
        let audiences = match &claims["aud"] {
            Value::Array(all) => all.clone(),
            one => vec![one.clone()],
        };
        if !audiences.iter().any(|found| found == audience) {
            return Err(format!("The audience of the subject token is not {audience}"));
        }
        if claims["sub"] != SUBJECT {
            return Err("The subject of the subject token is not trusted by any federation policy".to_owned());
        }
        let now = now();
        match (claims["iat"].as_u64(), claims["exp"].as_u64()) {
            (Some(issued), Some(end)) if issued <= now + SKEW && now < end => Ok(()),
            _ => Err("The subject token has expired".to_owned()),
        }
    }
}

/// HMAC-SHA256, RFC 2104; the key is no longer than a block.
fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key).for_each(|(block, key)| *block ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The provider's own pages. They are another party's: the workspace's tokens open them only because it is a sandbox.
pub(super) fn routes(access: Access) -> Router {
    Router::new()
        .route("/identity/.well-known/openid-configuration", get(configuration))
        .route("/identity/token", get(token))
        .with_state(access)
}

/// The issuer's name under which a client reached it.
pub(super) fn issuer(base: &str) -> String {
    format!("{base}/identity")
}

async fn configuration(Base(base): Base) -> Json<Value> {
    let issuer = issuer(&base);
    Json(json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/token"),
        "id_token_signing_alg_values_supported": ["HS256"],
        "subject_types_supported": ["public"],
        "response_types_supported": ["id_token"],
    }))
}

/// As GitHub answers a workflow: `{"count", "value"}`.
async fn token(
    State(access): State<Access>,
    Base(base): Base,
    headers: HeaderMap,
    query: Query,
) -> ApiResult<Response> {
    if !bearer(&headers).is_some_and(|token| access.allows(token)) {
        return Err(ApiError::edge(StatusCode::UNAUTHORIZED, "Credential was not sent or is not valid."));
    }
    let now = now();
    let lifetime = query.count("lifetime")?.map_or(LIFETIME, |seconds| (seconds as u64).min(LIFETIME));
    let claims = json!({
        "iss": issuer(&base),
        "sub": query.text("subject").unwrap_or(SUBJECT),
        "aud": query.required("audience")?,
        "iat": now,
        "nbf": now,
        "exp": now + lifetime,
    });
    let value = access.issuer().issue(&claims);
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(json!({ "count": value.len(), "value": value }))).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_the_standard() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        // Case 2 of RFC 4231: a key that is shorter is filled up with zeros.
        let hex: String = hmac(&key, b"what do ya want for nothing?").iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn every_part_of_an_identity_is_checked() {
        let issuer = Issuer::new();
        let good = || json!({ "iss": "i", "sub": SUBJECT, "aud": "a", "iat": now(), "exp": now() + 60 });
        issuer.check(&issuer.issue(&good()), "i", "a").unwrap();
        let mut many = good();
        many["aud"] = json!(["b", "a"]);
        issuer.check(&issuer.issue(&many), "i", "a").unwrap();
        for (field, value, word) in [
            ("iss", json!("other"), "issuer"),
            ("aud", json!("other"), "audience"),
            ("aud", json!(null), "audience"),
            ("sub", json!("repo:other"), "federation policy"),
            ("exp", json!(now()), "expired"),
            ("exp", json!(null), "expired"),
            ("iat", json!(now() + 3600), "expired"),
        ] {
            let mut claims = good();
            claims[field] = value;
            let error = issuer.check(&issuer.issue(&claims), "i", "a").unwrap_err();
            assert!(error.contains(word), "{field}: {error}");
        }
        let error = issuer.check(&Issuer::new().issue(&good()), "i", "a").unwrap_err();
        assert!(error.contains("signature"), "another's key: {error}");
        let none =
            format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(good().to_string()));
        assert!(issuer.check(&none, "i", "a").unwrap_err().contains("signature"));
        for garbage in ["", "a", "a.b.c", "dapi123"] {
            assert!(issuer.check(garbage, "i", "a").is_err());
        }
    }
}
