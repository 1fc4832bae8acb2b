//! What a token service answers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use twinhouse_core::{Error, ErrorKind, Result, Secret};

use crate::Credential;

/// The lifetime of a token that comes without one: what Databricks gives.
const LIFETIME: u64 = 3600;

/// A token as services answer it. Each says when it ends in its own way.
#[derive(Deserialize)]
pub(crate) struct Token {
    access_token: Secret,
    #[serde(alias = "tokenType")]
    token_type: Option<String>,
    /// Seconds from now.
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "seconds")]
    expires_on: Option<u64>,
}

impl Token {
    /// A token that ends at this second since 1970.
    pub(crate) fn at(access_token: Secret, token_type: Option<String>, expires_on: Option<u64>) -> Self {
        Self { access_token, token_type, expires_in: None, expires_on }
    }

    /// The token and how long it lives.
    pub(crate) fn checked(self) -> Result<Issued> {
        if let Some(kind) = self.token_type.filter(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(Error::new(ErrorKind::Protocol, "the token is not a bearer token").with_context("type", kind));
        }
        let until = self.expires_on.map(|epoch| left_until(UNIX_EPOCH + Duration::from_secs(epoch.min(MILLENNIUM))));
        let within = self.expires_in.map(Duration::from_secs);
        // A service that hands out a token it has kept for a while may still name the whole life: the sooner end counts.
        let lifetime = match (until, within) {
            (Some(until), Some(within)) => until.min(within),
            (until, within) => until.or(within).unwrap_or(Duration::from_secs(LIFETIME)),
        };
        Issued::new(self.access_token, lifetime)
    }
}

/// The year 3000: an end beyond it is none, and some clocks cannot even write it.
const MILLENNIUM: u64 = 32_503_680_000;

/// A token that can be used, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) token: Secret,
    pub(crate) lifetime: Duration,
}

impl Issued {
    pub(crate) fn new(token: Secret, lifetime: Duration) -> Result<Self> {
        if token.is_empty() {
            return Err(Error::new(ErrorKind::Protocol, "the token service answered with an empty token"));
        }
        Ok(Self { token, lifetime })
    }

    /// A token that says itself, as a JWT does, when it ends; else this long.
    pub(crate) fn of_jwt(token: Secret, otherwise: Duration) -> Result<Self> {
        let end = claims(&token).as_ref().and_then(|claims| claims.get("exp")).and_then(Value::as_u64);
        let left = end.map(|epoch| left_until(UNIX_EPOCH + Duration::from_secs(epoch.min(MILLENNIUM))));
        Self::new(token, left.unwrap_or(otherwise))
    }

    pub(crate) fn into_credential(self) -> Credential {
        Credential::bearer(self.token).with_lifetime(self.lifetime)
    }
}

/// How long it is until then; nothing if that is past.
pub(crate) fn left_until(end: SystemTime) -> Duration {
    end.duration_since(SystemTime::now()).unwrap_or_default()
}

/// What a JWT claims, unchecked: whoever gave it to us is believed, and the server that takes it checks it.
pub(crate) fn claims(jwt: &Secret) -> Option<Value> {
    let payload = jwt.expose().split('.').nth(1)?;
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()
}

/// Whole seconds, as a number or as text: both occur.
fn seconds<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(u64),
        Text(String),
    }
    match Option::<Seconds>::deserialize(from)? {
        None => Ok(None),
        Some(Seconds::Number(number)) => Ok(Some(number)),
        Some(Seconds::Text(text)) => text.trim().parse().map(Some).map_err(de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(json: &str) -> Result<Issued> {
        serde_json::from_str::<Token>(json).unwrap().checked()
    }

    fn now() -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
    }

    /// What the call answers ends at this second since 1970, however long it took.
    fn assert_ends(end: u64, call: impl FnOnce() -> Issued) {
        let (before, lifetime, after) = (now(), call().lifetime.as_secs_f64(), now());
        let end = end as f64;
        assert!(lifetime >= end - after - 1e-3 && lifetime <= end - before + 1e-3, "{lifetime} until {end}");
    }

    #[test]
    fn the_sooner_of_two_ends_counts() {
        let end = now() as u64 + 60;
        let both = |within: u64, at: u64| {
            token(&format!(r#"{{"access_token":"t","expires_in":{within},"expires_on":"{at}"}}"#)).unwrap()
        };
        assert_ends(end, || both(3600, end));
        assert_eq!(both(60, end + 3540).lifetime, Duration::from_secs(60));
        assert_eq!(both(60, 0).lifetime, Duration::ZERO);
        assert_eq!(token(r#"{"access_token":"t"}"#).unwrap().lifetime, Duration::from_secs(3600));
        token(&format!(r#"{{"access_token":"t","expires_on":{}}}"#, u64::MAX)).unwrap();
    }

    #[test]
    fn a_jwt_says_itself_when_it_ends() {
        let jwt = |claims: &str| Secret::new(format!("h.{}.s", BASE64_URL_SAFE_NO_PAD.encode(claims)));
        let end = now() as u64 + 100;
        assert_ends(end, || Issued::of_jwt(jwt(&format!(r#"{{"exp":{end}}}"#)), Duration::ZERO).unwrap());
        for other in [jwt("{}"), jwt("canary"), Secret::new("no jwt"), Secret::new("a.b.c")] {
            assert_eq!(Issued::of_jwt(other, Duration::from_secs(7)).unwrap().lifetime, Duration::from_secs(7));
        }
    }
}
