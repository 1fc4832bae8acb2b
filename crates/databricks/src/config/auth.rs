//! Which one of the ways to prove who we are.

use twinhouse_core::{Error, ErrorKind, Result, Secret, config::Layers};

const PAT: &str = "pat";
const MACHINE: &str = "oauth-m2m";

/// What proves who we are.
#[derive(Clone, Debug)]
pub(crate) enum Auth {
    /// A personal access token.
    Token(Secret),
    /// A service principal.
    Machine { client_id: String, client_secret: Secret },
}

/// What the builder and the URL say.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    pub(super) token: Option<Secret>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<Secret>,
    pub(super) auth_type: Option<String>,
}

impl Given {
    pub(super) fn is_empty(&self) -> bool {
        self.token.is_none() && self.client_id.is_none() && self.client_secret.is_none()
    }
}

/// The variables that hold credentials.
pub(super) const VARIABLES: [&str; 3] = ["DATABRICKS_TOKEN", "DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET"];

impl Auth {
    pub(super) fn resolve(layers: &mut Layers, given: Given) -> Result<Self> {
        macro_rules! token {
            () => {
                secret(layers, "token").given(given.token.clone()).env(VARIABLES[0]).profile("token")
            };
        }
        macro_rules! client_id {
            () => {
                layers
                    .setting::<String>("client_id")
                    .given(given.client_id.clone())
                    .env(VARIABLES[1])
                    .profile("client_id")
            };
        }
        macro_rules! client_secret {
            () => {
                secret(layers, "client_secret")
                    .given(given.client_secret.clone())
                    .env(VARIABLES[2])
                    .profile("client_secret")
            };
        }
        let forced = layers
            .setting::<String>("auth_type")
            .given(given.auth_type.clone())
            .env("DATABRICKS_AUTH_TYPE")
            .profile("auth_type")
            .check(|name| [PAT, MACHINE].contains(&name.as_str()))
            .wish("`pat` or `oauth-m2m`: other ways are not known here")
            .optional()?;
        let (token, client_id, client_secret) =
            (token!().optional()?, client_id!().optional()?, client_secret!().optional()?);
        let machine = client_id.is_some() || client_secret.is_some();
        let method = match forced.as_ref().map(|forced| forced.value().as_str()) {
            Some(method) => method,
            None if machine && token.is_some() => {
                let places = [
                    token.as_ref().map(|s| format!("token: {}", s.origin())),
                    client_id.as_ref().map(|s| format!("client_id: {}", s.origin())),
                    client_secret.as_ref().map(|s| format!("client_secret: {}", s.origin())),
                ];
                let found = places.into_iter().flatten().collect::<Vec<_>>().join(", ");
                return Err(Error::new(
                    ErrorKind::Config,
                    "more than one authorization method configured: oauth and pat",
                )
                .with_context("found", found)
                .with_context("cure", "remove one, or set `auth_type` to `pat` or `oauth-m2m`"));
            }
            None if machine => MACHINE,
            None if token.is_some() => PAT,
            None => {
                let looked = |error: Error| error.context("looked in").unwrap_or_default().to_owned();
                let token = token!().required().err().map(looked).unwrap_or_default();
                let client = client_id!().required().err().map(looked).unwrap_or_default();
                return Err(Error::new(
                    ErrorKind::Config,
                    "no credential: set `token`, or `client_id` and `client_secret`",
                )
                .with_context("setting", "token")
                .with_context("looked in", format!("for `token`: {token}; for `client_id`: {client}")));
            }
        };
        if method == PAT {
            return Ok(Self::Token(token!().required()?.into_value()));
        }
        Ok(Self::Machine {
            client_id: client_id!().required()?.into_value(),
            client_secret: client_secret!().required()?.into_value(),
        })
    }
}

fn secret<'a>(layers: &'a mut Layers, name: &'static str) -> twinhouse_core::config::Lookup<'a, Secret> {
    layers
        .setting_with(name, |text| Some(Secret::new(text)), Secret::to_string)
        .check(|secret| !secret.is_empty())
        .wish("text")
}
