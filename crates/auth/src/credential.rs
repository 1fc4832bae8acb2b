//! What proves who we are.

use std::{fmt, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::time::Instant;
use twinhouse_core::{
    Error, ErrorKind, Result, Secret,
    http::{HeaderMap, HeaderName, HeaderValue, header},
};

/// What proves who we are, and until when. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Credential {
    proof: Proof,
    headers: Vec<(String, Secret)>,
    obtained_at: Instant,
    expires_at: Option<Instant>,
}

/// The proof itself.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// A token that is sent as `Authorization: Bearer`.
    Bearer(Secret),
    /// A name and a password: a database login, or HTTP Basic.
    Login {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer(token) => f.debug_tuple("Bearer").field(token).finish(),
            Self::Login { user, password } => {
                f.debug_struct("Login").field("user", user).field("password", password).finish()
            }
        }
    }
}

impl Credential {
    /// A bearer token that does not expire.
    pub fn bearer(token: impl Into<Secret>) -> Self {
        Self::new(Proof::Bearer(token.into()))
    }

    /// A name and a password that do not expire.
    pub fn login(user: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::new(Proof::Login { user: user.into(), password: password.into() })
    }

    fn new(proof: Proof) -> Self {
        Self { proof, headers: Vec::new(), obtained_at: Instant::now(), expires_at: None }
    }

    /// Sends this header too.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// It is good for this long from when this credential was made.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        // A life too long for the clock is one without end.
        self.expires_at = self.obtained_at.checked_add(lifetime);
        self
    }

    /// The proof itself.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// When it was obtained.
    pub fn obtained_at(&self) -> Instant {
        self.obtained_at
    }

    /// When the server stops accepting it; `None` if never.
    pub fn expires_at(&self) -> Option<Instant> {
        self.expires_at
    }

    /// The headers that carry it, marked as ones that no log may show.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if it holds characters that no header can carry, such as a line break copied along.
    pub fn headers(&self) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        let authorization = match &self.proof {
            Proof::Bearer(token) => format!("Bearer {}", token.expose()),
            Proof::Login { user, password } => {
                format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{}", password.expose())))
            }
        };
        headers.insert(header::AUTHORIZATION, sensitive("authorization", &authorization)?);
        for (name, value) in &self.headers {
            let key: HeaderName = name.parse().map_err(|_| unfit(name))?;
            headers.insert(key, sensitive(name, value.expose())?);
        }
        Ok(headers)
    }
}

fn sensitive(name: &str, value: &str) -> Result<HeaderValue> {
    let mut value: HeaderValue = value.parse().map_err(|_| unfit(name))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unfit(name: &str) -> Error {
    Error::new(ErrorKind::Config, "the credential holds characters that no header can carry")
        .with_context("header", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_into_a_sensitive_header_and_nowhere_else() {
        let credential = Credential::bearer("canary").with_header("X-Extra", "canary");
        let headers = credential.headers().unwrap();
        assert_eq!(headers[header::AUTHORIZATION], "Bearer canary");
        assert_eq!(headers["x-extra"], "canary");
        assert!(!format!("{credential:?} {headers:?}").contains("canary"));
    }

    #[test]
    fn a_login_is_sent_as_basic() {
        let headers = Credential::login("Aladdin", "open sesame").headers().unwrap();
        // The example of RFC 7617.
        assert_eq!(headers[header::AUTHORIZATION], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    #[test]
    fn a_line_break_in_a_token_is_refused_without_showing_the_token() {
        let error = Credential::bearer("canary\n").headers().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
