//! A fixed name and password.

use async_trait::async_trait;
use twinhouse_core::{Error, ErrorKind, Result, Secret};

use crate::{Credential, CredentialSource};

/// A database login that does not change.
#[derive(Clone, Debug)]
pub struct StaticLogin {
    user: String,
    password: Secret,
}

impl StaticLogin {
    /// This name and this password. The password may be empty: a server may trust the network.
    pub fn new(user: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self { user: user.into(), password: password.into() }
    }
}

#[async_trait]
impl CredentialSource for StaticLogin {
    async fn fetch(&self) -> Result<Credential> {
        if self.user.is_empty() {
            return Err(Error::new(ErrorKind::Config, "the name of the database user is empty"));
        }
        Ok(Credential::login(self.user.clone(), self.password.clone()))
    }

    fn name(&self) -> &'static str {
        "static-login"
    }
}
