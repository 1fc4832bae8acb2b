//! The `databricks` command-line tool, logged in by its user.

use std::path::PathBuf;

use async_trait::async_trait;
use chrono::DateTime;
use serde::Deserialize;
use twinhouse_core::{Error, ErrorKind, Result, Secret, http::Url};

use crate::{
    Credential, CredentialSource,
    command::Command,
    token::{Issued, left_until},
};

/// The legacy tool is a small script; the one that has tokens is a binary of many megabytes.
const SMALLEST: u64 = 1 << 20;

/// The login that `databricks auth login` left behind.
#[derive(Clone, Debug)]
pub struct DatabricksCli {
    command: Command,
    arguments: Vec<String>,
    cure: String,
}

impl DatabricksCli {
    /// The login for the workspace or account console `host`, by the tool at `program`.
    pub fn for_host(program: impl Into<PathBuf>, host: &Url, account_id: Option<&str>) -> Self {
        let mut arguments: Vec<String> =
            ["auth", "token", "--host", host.as_str().trim_end_matches('/')].map(Into::into).into();
        if let Some(id) = account_id {
            arguments.extend(["--account-id".to_owned(), id.to_owned()]);
        }
        Self::new(program.into(), arguments)
    }

    /// The login of this profile of `~/.databrickscfg`, by the tool at `program`.
    pub fn for_profile(program: impl Into<PathBuf>, profile: &str) -> Self {
        Self::new(program.into(), ["auth", "token", "--profile", profile].map(Into::into).into())
    }

    fn new(program: PathBuf, arguments: Vec<String>) -> Self {
        let cure = format!("databricks auth login {}", arguments[2..].join(" "));
        Self { command: Command::new(program), arguments, cure }
    }

    async fn check(&self) -> Result<()> {
        let program = self.command.program().clone();
        let length = tokio::task::spawn_blocking(move || std::fs::metadata(program).map(|file| file.len())).await;
        match length {
            Ok(Ok(length)) if length < SMALLEST => {
                Err(Error::new(ErrorKind::Config, "the `databricks` program is the legacy one, which has no tokens")
                    .with_context("program", self.command.program().display().to_string())
                    .with_context("cure", "install version 0.207.1 or later, or set `databricks_cli_path`"))
            }
            // If it cannot be looked at, it cannot be run either, and that says why.
            _ => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct Login {
    access_token: Secret,
    token_type: Option<String>,
    expiry: String,
}

#[async_trait]
impl CredentialSource for DatabricksCli {
    async fn fetch(&self) -> Result<Credential> {
        self.check().await?;
        let arguments: Vec<_> = self.arguments.iter().map(String::as_str).collect();
        let output = self.command.run(&arguments).await.map_err(|error| match error.kind() {
            ErrorKind::Unauthenticated => error.with_context("cure", &self.cure),
            _ => error,
        })?;
        let unreadable = || {
            Error::new(ErrorKind::Protocol, "the `databricks` program did not answer with a token")
                .with_context("program", self.command.program().display().to_string())
        };
        let login: Login = serde_json::from_slice(&output).map_err(|_| unreadable())?;
        if login.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(unreadable());
        }
        let end = DateTime::parse_from_rfc3339(&login.expiry).map_err(|_| unreadable())?;
        Ok(Issued::new(login.access_token, left_until(end.into()))?.into_credential())
    }

    fn name(&self) -> &'static str {
        "databricks-cli"
    }
}
