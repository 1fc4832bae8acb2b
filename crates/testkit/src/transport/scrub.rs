//! Takes out of an exchange what is secret: tokens, keys, presigned links.
//!
//! A presigned link is replaced by an address that means nothing, the same one wherever the link stands, so that a replay
//! can follow it.

use std::collections::BTreeMap;

use serde_json::Value;
use twinhouse_core::{
    Secret,
    http::{HeaderMap, Request, Url, header},
};
use url::form_urlencoded;

use super::cassette::{Asked, Content, Exchange, Outcome};

const HIDDEN: &str = "***";
/// The host of every link of a recording. `.invalid` is reserved: nobody can have it.
const LINK_HOST: &str = "link.invalid";
/// Shorter ones would be found in words that are no secret.
const SHORTEST: usize = 8;

/// Fields of JSON, of forms and of queries whose value is a secret, in any spelling: `access_token`, `accessToken`.
const SECRET_FIELDS: &[&str] = &[
    "aad_token",
    "access_key_id",
    "access_token",
    "api_key",
    "assertion",
    "client_assertion",
    "client_secret",
    "id_token",
    "oauth_token",
    "oidc_token",
    "password",
    "private_key",
    "refresh_token",
    "sas_token",
    "secret",
    "secret_access_key",
    "session_token",
    "subject_token",
    "token",
    "token_value",
];

/// Fields of JSON whose value is a presigned link, or an object or list of such.
const LINK_FIELDS: &[&str] = &["external_link", "presigned_url", "upload_url", "upload_part_urls", "url"];

/// What a query has that signs a link, or opens it.
const SIGNATURES: &[&str] = &["x-amz-signature", "x-amz-security-token", "x-goog-signature", "signature", "sig"];

/// Headers that are kept: no other has a meaning for a replay, and any other may be secret.
pub(super) const KEPT_HEADERS: &[&str] = &[
    "accept-ranges",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
    "retry-after",
    "x-request-id",
];

/// What is known to be secret, and the links that were seen.
#[derive(Default)]
pub(super) struct Scrubber {
    secrets: Vec<Secret>,
    links: BTreeMap<String, usize>,
}

impl Scrubber {
    /// This text is a secret wherever it stands.
    pub(super) fn hide(&mut self, secret: &str) {
        if secret.len() >= SHORTEST && secret != HIDDEN && !self.secrets.iter().any(|known| known.expose() == secret) {
            self.secrets.push(Secret::new(secret));
        }
    }

    /// A credential is a secret in every text from now on.
    fn learn(&mut self, headers: &HeaderMap) {
        for (_, value) in headers.iter().filter(|(_, value)| value.is_sensitive()) {
            if let Ok(value) = value.to_str() {
                self.hide(value.rsplit(' ').next().unwrap_or(value));
            }
        }
    }

    /// A request and its body.
    pub(super) fn request(&mut self, request: &Request, body: &[u8]) -> Asked {
        self.learn(request.headers());
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let form = kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let body = match (form, std::str::from_utf8(body)) {
            (true, Ok(text)) => Content::Text(self.form(text)),
            _ => self.scrubbed(Content::of(body), false),
        };
        Asked { method: request.method().as_str().to_owned(), target: self.target(request.url()), body }
    }

    /// The same once more: what an answer gave away before it was known to be secret goes too. The request stays: a replay
    /// asks with no more knowledge than there was.
    pub(super) fn again(&mut self, mut exchange: Exchange) -> Exchange {
        if let Outcome::Answer { body, .. } = &mut exchange.outcome {
            *body = self.content(std::mem::take(body));
        }
        exchange
    }

    fn target(&mut self, url: &Url) -> String {
        if url.host_str() == Some(LINK_HOST) {
            return format!("link:{}", url.path().trim_start_matches('/'));
        }
        if let Some(number) = self.links.get(url.as_str()) {
            return format!("link:{number}");
        }
        match url.query() {
            None => self.text(url.path()),
            Some(query) => format!("{}?{}", self.text(url.path()), self.form(query)),
        }
    }

    fn form(&mut self, text: &str) -> String {
        let pairs = form_urlencoded::parse(text.as_bytes()).map(|(name, value)| {
            if is_one_of(SECRET_FIELDS, &name) || is_one_of(SIGNATURES, &name) {
                self.hide(&value);
                return (name, HIDDEN.to_owned());
            }
            (name, self.text(&value))
        });
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }

    /// The body of an answer.
    pub(super) fn content(&mut self, content: Content) -> Content {
        self.scrubbed(content, true)
    }

    /// A secret of an answer is one wherever it stands. What a request calls a token may be a name that the caller gave.
    fn scrubbed(&mut self, content: Content, learn: bool) -> Content {
        match content {
            Content::Json(mut json) => {
                self.json(&mut json, false, learn);
                Content::Json(json)
            }
            Content::Text(text) => Content::Text(self.text(&text)),
            other => other,
        }
    }

    fn json(&mut self, value: &mut Value, is_link: bool, learn: bool) {
        match value {
            Value::Object(fields) => {
                let has_link = is_link || fields.keys().any(|name| is_one_of(LINK_FIELDS, name));
                for (name, value) in fields {
                    match value {
                        Value::String(text) if is_one_of(SECRET_FIELDS, name) => {
                            if learn {
                                self.hide(text);
                            }
                            HIDDEN.clone_into(text);
                        }
                        // Headers that go with a presigned link may hold its key.
                        Value::Object(headers) if name == "http_headers" => {
                            headers.values_mut().for_each(|value| *value = HIDDEN.into());
                        }
                        Value::Array(headers) if has_link && name == "headers" => {
                            let values = headers.iter_mut().filter_map(|header| header.get_mut("value"));
                            values.for_each(|value| *value = HIDDEN.into());
                        }
                        value => self.json(value, is_link || is_one_of(LINK_FIELDS, name), learn),
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.json(value, is_link, learn)),
            Value::String(text) => *text = self.link(text, is_link).unwrap_or_else(|| self.text(text)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The harmless address in place of a presigned link.
    fn link(&mut self, text: &str, is_link: bool) -> Option<String> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        url.query()?;
        if url.host_str() == Some(LINK_HOST)
            || !(is_link || url.query_pairs().any(|(name, _)| is_one_of(SIGNATURES, &name)))
        {
            return None;
        }
        let next = self.links.len() + 1;
        let number = *self.links.entry(url.into()).or_insert(next);
        Some(format!("https://{LINK_HOST}/{number}"))
    }

    pub(super) fn text(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), HIDDEN))
    }
}

/// Some services write `accessToken` and others `access_token`.
fn is_one_of(names: &[&str], name: &str) -> bool {
    fn letters(name: &str) -> impl Iterator<Item = u8> {
        name.bytes().filter(|b| !matches!(b, b'_' | b'-')).map(|b| b.to_ascii_lowercase())
    }
    names.iter().any(|known| letters(known).eq(letters(name)))
}
