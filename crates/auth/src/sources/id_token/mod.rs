//! Identity tokens of other parties: a variable, a file, GitHub, Azure DevOps.

mod azure_devops;
mod env;
mod file;
mod github;

use std::fmt;

use async_trait::async_trait;
use twinhouse_core::{Error, ErrorKind, Result, Secret};

pub use azure_devops::AzureDevOpsIdToken;
pub use env::EnvIdToken;
pub use file::FileIdToken;
pub use github::GitHubIdToken;

/// Gives the identity token of this program, each time anew.
#[async_trait]
pub trait IdTokenSource: fmt::Debug + Send + Sync + 'static {
    /// An identity token for this audience, as far as the source can choose.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if there is none; else what its issuer said.
    async fn id_token(&self, audience: &str) -> Result<Secret>;

    /// The name of the way of authenticating that begins with it, for example `github-oidc`.
    fn name(&self) -> &'static str;
}

/// The token, unless there is nothing in it.
fn present(token: Secret, place: &str) -> Result<Secret> {
    if token.expose().trim().is_empty() {
        return Err(Error::new(ErrorKind::Config, "there is no identity token").with_context("looked in", place));
    }
    Ok(token)
}
