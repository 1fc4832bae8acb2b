//! HTTP Basic: a user and a password with each request.

use async_trait::async_trait;
use twinhouse_core::{Error, ErrorKind, Result, Secret};

use crate::{Credential, CredentialSource};

/// A user's name and password, sent with each request.
#[derive(Clone, Debug)]
pub struct Basic {
    user: String,
    password: Secret,
}

impl Basic {
    /// This name and this password.
    pub fn new(user: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self { user: user.into(), password: password.into() }
    }
}

#[async_trait]
impl CredentialSource for Basic {
    async fn fetch(&self) -> Result<Credential> {
        if self.user.is_empty() || self.password.is_empty() {
            return Err(Error::new(ErrorKind::Config, "the user or the password is empty"));
        }
        // What follows the first colon is the password: a name with one would be cut.
        if self.user.contains(':') {
            return Err(Error::new(ErrorKind::Config, "the name of a user cannot hold a colon"));
        }
        Ok(Credential::login(self.user.clone(), self.password.clone()))
    }

    fn name(&self) -> &'static str {
        "basic"
    }
}
