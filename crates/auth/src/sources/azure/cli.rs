//! The `az` command-line tool, logged in by its user.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use chrono::{Local, NaiveDateTime, TimeZone};
use serde::Deserialize;
use tokio::sync::OnceCell;
use twinhouse_core::{Error, ErrorKind, Result, Secret};

use super::{AzureTenant, AzureTokens, Management};
use crate::{
    command::Command,
    token::{Issued, Token, left_until},
};

/// `azure-cli`: whoever ran `az login` on this machine.
#[derive(Debug)]
pub struct AzureCli {
    command: Command,
    tenant: Option<AzureTenant>,
    subscription: Option<String>,
    /// Whether `az` is logged in as the machine, whose tenant cannot be chosen.
    machine: OnceCell<bool>,
}

impl AzureCli {
    /// The login that the tool at `program` has.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { command: Command::new(program.into()), tenant: None, subscription: None, machine: OnceCell::new() }
    }

    /// Asks for tokens of this tenant.
    #[must_use]
    pub fn with_tenant(mut self, tenant: AzureTenant) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Asks with the login for this subscription, if there is one.
    #[must_use]
    pub fn with_subscription(mut self, id: impl Into<String>) -> Self {
        self.subscription = Some(id.into());
        self
    }

    /// How long the tool may take. Default 60 s.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.command = self.command.with_limit(limit);
        self
    }

    async fn is_machine(&self) -> Result<bool> {
        let look = || async {
            let output = self.command.run(&["account", "show", "--output", "json"]).await?;
            let account: Account = read(&output)?;
            Ok(matches!(account.user.name.as_str(), "systemAssignedIdentity" | "userAssignedIdentity"))
        };
        self.machine.get_or_try_init(look).await.copied()
    }
}

#[derive(Deserialize)]
struct Account {
    user: User,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Login {
    #[serde(rename = "accessToken")]
    token: Secret,
    #[serde(rename = "tokenType")]
    kind: Option<String>,
    /// Seconds since 1970; the tool has it since 2.54.
    expires_on: Option<u64>,
    /// The same in this machine's local time, without saying so.
    #[serde(rename = "expiresOn")]
    local: Option<String>,
}

#[async_trait]
impl AzureTokens for AzureCli {
    async fn token(&self, resource: &str) -> Result<Issued> {
        let ask = ["account", "get-access-token", "--resource", resource, "--output", "json"];
        let tenant = match &self.tenant {
            Some(tenant) if !self.is_machine().await? => Some(tenant.id().await?),
            _ => None,
        };
        let mut arguments = ask.to_vec();
        if let Some(tenant) = &tenant {
            arguments.extend(["--tenant", tenant]);
        }
        let output = match &self.subscription {
            None => self.command.run(&arguments).await,
            Some(subscription) => {
                let mut precise = ask.to_vec();
                precise.extend(["--subscription", subscription]);
                match self.command.run(&precise).await {
                    // A guest in the directory may see the workspace and not its subscription.
                    Err(error) if error.kind() == ErrorKind::Unauthenticated => {
                        tracing::debug!(%error, "no token for the subscription, the default login is tried");
                        self.command.run(&arguments).await
                    }
                    done => done,
                }
            }
        };
        let login: Login = read(&output.map_err(|error| match error.kind() {
            ErrorKind::Unauthenticated => error.with_context("cure", "az login"),
            _ => error,
        })?)?;
        if login.expires_on.is_some() {
            return Token::at(login.token, login.kind, login.expires_on).checked();
        }
        let lifetime = login.local.as_deref().and_then(|text| local_end(text, &Local));
        Issued::new(login.token, lifetime.ok_or_else(unreadable)?)
    }

    fn management(&self) -> Management {
        Management::UnlessUser
    }

    fn name(&self) -> &'static str {
        "azure-cli"
    }
}

/// How long it is until this hour of the local clock. Where the clock strikes it twice, the first time counts: a token
/// given up early is a call more, one kept too long is a refusal.
fn local_end<Z: TimeZone>(text: &str, zone: &Z) -> Option<Duration> {
    let end = NaiveDateTime::parse_from_str(text.trim(), "%Y-%m-%d %H:%M:%S%.f").ok()?;
    Some(left_until(zone.from_local_datetime(&end).earliest()?.into()))
}

fn read<T: for<'de> Deserialize<'de>>(output: &[u8]) -> Result<T> {
    serde_json::from_slice(output).map_err(|_| unreadable())
}

fn unreadable() -> Error {
    Error::new(ErrorKind::Protocol, "the `az` program did not answer as expected")
}

#[cfg(test)]
mod tests {
    use chrono::{FixedOffset, Utc};

    use super::*;

    #[test]
    fn an_hour_without_a_zone_is_one_of_the_local_clock() {
        for hours in [-8, 0, 9] {
            let zone = FixedOffset::east_opt(hours * 3600).unwrap();
            let text = (Utc::now() + Duration::from_secs(1800)).with_timezone(&zone).format("%Y-%m-%d %H:%M:%S%.6f");
            let left = local_end(&text.to_string(), &zone).unwrap();
            assert!(left > Duration::from_secs(1795) && left <= Duration::from_secs(1800), "{left:?} in {zone}");
        }
        assert_eq!(local_end("2001-01-01 00:00:00.000000", &Utc), Some(Duration::ZERO));
        assert_eq!(local_end("tomorrow", &Utc), None);
    }
}
