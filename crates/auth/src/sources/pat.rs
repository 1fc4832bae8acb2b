//! A personal access token.

use async_trait::async_trait;
use twinhouse_core::{Error, ErrorKind, Result, Secret};

use crate::{Credential, CredentialSource};

/// A personal access token, sent as it is. It expires when its owner says so, which only the server knows.
#[derive(Clone, Debug)]
pub struct Pat(Secret);

impl Pat {
    /// This token.
    pub fn new(token: impl Into<Secret>) -> Self {
        Self(token.into())
    }
}

#[async_trait]
impl CredentialSource for Pat {
    async fn fetch(&self) -> Result<Credential> {
        if self.0.is_empty() {
            return Err(Error::new(ErrorKind::Config, "the personal access token is empty"));
        }
        Ok(Credential::bearer(self.0.clone()))
    }

    fn name(&self) -> &'static str {
        "pat"
    }
}
