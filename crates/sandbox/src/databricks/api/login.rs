//! Who may ask: personal access tokens, and OAuth for a service principal, by its secret or by an identity elsewhere.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{FromRequestParts, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header, request::Parts};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use twinhouse_core::Secret;
use uuid::Uuid;

use super::{
    WORKSPACE_ID,
    identity::{self, Issuer},
    me::{self, Who},
    reply::{ApiError, ApiResult, drain},
};

/// As the service's discovery document lists them.
const SCOPES: [&str; 6] = ["all-apis", "email", "offline_access", "openid", "profile", "sql"];
/// RFC 8693.
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// How much of an upload by a stranger is taken in before the connection is closed on him.
const PATIENCE: usize = 64 << 20;

/// The secrets that open the workspace. Clones share the issued tokens.
#[derive(Clone)]
pub(crate) struct Access(Arc<Inner>);

struct Inner {
    token: Fingerprint,
    client_id: String,
    client_secret: Fingerprint,
    lifetime: Duration,
    issued: Mutex<HashMap<Fingerprint, (Instant, Who)>>,
    issuer: Issuer,
}

/// How clients reached this server, where it is not plain HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scheme(pub(crate) &'static str);

/// The address under which the client reached this server.
#[derive(Clone, Debug)]
pub(crate) struct Base(pub(crate) String);

/// A digest instead of a secret: its comparison tells nothing about the secret's letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }

    fn is(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

impl Access {
    /// A personal access token, and a service principal whose OAuth tokens live so long.
    pub(crate) fn new(
        token: Secret,
        client_id: impl Into<String>,
        client_secret: Secret,
        token_lifetime: Duration,
    ) -> Self {
        Self(Arc::new(Inner {
            token: Fingerprint::of(token.expose()),
            client_id: client_id.into(),
            client_secret: Fingerprint::of(client_secret.expose()),
            lifetime: token_lifetime,
            issued: Mutex::default(),
            issuer: Issuer::new(),
        }))
    }

    /// True for the personal access token and for every OAuth token that still holds.
    pub(crate) fn allows(&self, token: &str) -> bool {
        self.who(token).is_some()
    }

    /// Whose token it is, if it still holds.
    fn who(&self, token: &str) -> Option<Who> {
        let token = Fingerprint::of(token);
        if self.0.token.is(&token) {
            return Some(Who::User);
        }
        // The digests of issued tokens are unknown to whoever guesses, so the look-up tells nothing.
        self.issued().get(&token).filter(|(end, _)| Instant::now() < *end).map(|(_, who)| who.clone())
    }

    pub(super) fn issuer(&self) -> &Issuer {
        &self.0.issuer
    }

    /// Takes back every OAuth token that was issued.
    #[cfg(test)]
    pub(crate) fn revoke_all(&self) {
        self.issued().clear();
    }

    /// A token for somebody whom the workspace itself sends; it holds until it is dropped.
    pub(crate) fn lend(&self) -> Loan {
        let token = format!("dapi{}", Uuid::new_v4().simple());
        let far = Instant::now() + Duration::from_secs(365 * 24 * 60 * 60);
        self.issued().insert(Fingerprint::of(&token), (far, Who::User));
        Loan { access: self.clone(), token: Secret::new(token) }
    }

    pub(super) fn issue(&self, who: Who) -> String {
        let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let now = Instant::now();
        let mut issued = self.issued();
        issued.retain(|_, (end, _)| now < *end);
        issued.insert(Fingerprint::of(&token), (now + self.0.lifetime, who));
        token
    }

    fn issued(&self) -> MutexGuard<'_, HashMap<Fingerprint, (Instant, Who)>> {
        self.0.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn knows_client(&self, id: &str, secret: &str) -> bool {
        let secret = Fingerprint::of(secret);
        self.0.client_secret.is(&secret) & (self.0.client_id == id)
    }
}

/// See [`Access::lend`].
#[derive(Debug)]
pub(crate) struct Loan {
    access: Access,
    token: Secret,
}

impl Loan {
    pub(crate) fn text(&self) -> &str {
        self.token.expose()
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.access.issued().remove(&Fingerprint::of(self.token.expose()));
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("client_id", &self.0.client_id).finish_non_exhaustive()
    }
}

/// What needs no token: where to get one, and how.
pub(crate) fn routes(access: Access) -> Router {
    Router::new()
        .route("/.well-known/databricks-config", get(config))
        .route("/oidc/.well-known/oauth-authorization-server", get(metadata))
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/oidc/v1/token", post(token))
        .with_state(access.clone())
        .merge(identity::routes(access))
}

/// Lets nobody in without a token, and tells those who are in who they are.
pub(crate) fn require_bearer(router: Router, access: Access) -> Router {
    router.merge(me::routes()).layer(middleware::from_fn_with_state(access, check))
}

async fn check(State(access): State<Access>, mut request: Request, next: Next) -> Response {
    let refusal = match bearer(request.headers()).map(|token| access.who(token)) {
        Some(Some(who)) => {
            request.extensions_mut().insert(who);
            return next.run(request).await;
        }
        Some(None) => ApiError::edge(StatusCode::FORBIDDEN, "Invalid access token."),
        None => ApiError::edge(
            StatusCode::UNAUTHORIZED,
            "Credential was not sent or was of an unsupported type for this API.",
        ),
    };
    drain(&mut request.into_body().into_data_stream(), PATIENCE).await;
    refusal.into_response()
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    credential(headers, "bearer").filter(|token| !token.is_empty())
}

fn credential<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (found, credential) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then_some(credential.trim())
}

impl<S: Send + Sync> FromRequestParts<S> for Base {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        let scheme = parts.extensions.get().map_or("http", |Scheme(scheme)| scheme);
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.ok_or_else(|| ApiError::malformed("the request names no host"))?;
        Ok(Self(format!("{scheme}://{host}")))
    }
}

async fn config(Base(base): Base) -> Json<Value> {
    Json(json!({
        "oidc_endpoint": format!("{base}/oidc"),
        "workspace_id": WORKSPACE_ID,
        "cloud": "AWS",
        "host_type": "workspace",
    }))
}

async fn metadata(Base(base): Base) -> Json<Value> {
    let oidc = format!("{base}/oidc");
    Json(json!({
        "issuer": oidc,
        "authorization_endpoint": format!("{oidc}/v1/authorize"),
        "token_endpoint": format!("{oidc}/v1/token"),
        "grant_types_supported": ["client_credentials", EXCHANGE],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "scopes_supported": SCOPES,
    }))
}

async fn token(State(access): State<Access>, Base(base): Base, headers: HeaderMap, body: Bytes) -> Response {
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    match grant(&access, &base, &headers, &body) {
        Ok(granted) => (no_store, Json(granted)).into_response(),
        Err((status, error, description)) => {
            (status, no_store, Json(json!({ "error": error, "error_description": description }))).into_response()
        }
    }
}

type Refusal = (StatusCode, &'static str, String);

fn grant(access: &Access, base: &str, headers: &HeaderMap, body: &Bytes) -> Result<Value, Refusal> {
    let bad = |error, description: &str| Err((StatusCode::BAD_REQUEST, error, description.to_owned()));
    let form: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
    let exchange = match form.get("grant_type").map(String::as_str) {
        Some("client_credentials") => false,
        Some(EXCHANGE) => true,
        Some(other) => {
            return bad("unsupported_grant_type", &format!("The sandbox does not support the grant {other}"));
        }
        None => return bad("invalid_request", "The request has no grant_type"),
    };
    let scope = form.get("scope").map_or("all-apis", String::as_str);
    if let Some(unknown) = scope.split_whitespace().find(|scope| !SCOPES.contains(scope)) {
        return bad("invalid_scope", &format!("There is no scope {unknown}"));
    }
    let granted = |who| {
        Ok(json!({
            "access_token": access.issue(who),
            "token_type": "Bearer",
            "scope": scope,
            "expires_in": access.0.lifetime.as_secs(),
        }))
    };
    if exchange {
        return granted(exchanged(access, base, &form)?);
    }
    let known = match credential(headers, "basic") {
        Some(basic) => pair(basic).is_some_and(|(id, secret)| {
            // RFC 6749 encodes both, and some clients do not.
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            access.knows_client(&id, &secret) || access.knows_client(&decoded(&id), &decoded(&secret))
        }),
        None => match (form.get("client_id"), form.get("client_secret")) {
            (Some(id), Some(secret)) => access.knows_client(id, secret),
            _ => false,
        },
    };
    if !known {
        return Err((StatusCode::UNAUTHORIZED, "invalid_client", "Client authentication failed".to_owned()));
    }
    granted(Who::Principal(access.0.client_id.clone()))
}

/// Whose token is given for another: for an identity elsewhere by federation, or for a personal access token.
fn exchanged(access: &Access, base: &str, form: &HashMap<String, String>) -> Result<Who, Refusal> {
    let bad = |error, description: String| Err((StatusCode::BAD_REQUEST, error, description));
    let Some(subject) = form.get("subject_token").filter(|token| !token.is_empty()) else {
        return bad("invalid_request", "The request has no subject_token".to_owned());
    };
    match form.get("subject_token_type").map(String::as_str) {
        Some("urn:ietf:params:oauth:token-type:jwt") => {}
        Some("urn:databricks:params:oauth:token-type:personal-access-token") => {
            // Only the user has one; a token that was issued for another is not exchanged again.
            return match access.who(subject) {
                Some(Who::User) => Ok(Who::User),
                _ => bad("invalid_grant", "The personal access token is not valid".to_owned()),
            };
        }
        other => {
            let other = other.unwrap_or("none");
            return bad("invalid_request", format!("The sandbox does not support the subject_token_type {other}"));
        }
    }
    // Without a client id the account's policy is meant, and there is none but the principal's own to find.
    if form.get("client_id").is_some_and(|id| *id != access.0.client_id) {
        return Err((StatusCode::UNAUTHORIZED, "invalid_client", "Client authentication failed".to_owned()));
    }
    let audience = format!("{base}/oidc/v1/token");
    match access.issuer().check(subject, &identity::issuer(base), &audience) {
        Ok(()) => Ok(Who::Principal(access.0.client_id.clone())),
        Err(reason) => bad("invalid_grant", reason),
    }
}

fn pair(basic: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}
