//! Several sources, of which the first that works is kept.

use std::sync::OnceLock;

use async_trait::async_trait;
use twinhouse_core::{Error, ErrorKind, Report, Result};

use crate::{Credential, CredentialSource};

/// Sources that are tried in turn. The first that gives a credential is asked alone from then on: a program does not
/// change its identity in the middle of its work because one tool has a bad moment.
#[derive(Debug)]
pub struct FirstOf {
    sources: Vec<Box<dyn CredentialSource>>,
    chosen: OnceLock<usize>,
}

impl FirstOf {
    /// Tries these, in this order.
    pub fn new(sources: Vec<Box<dyn CredentialSource>>) -> Self {
        Self { sources, chosen: OnceLock::new() }
    }
}

#[async_trait]
impl CredentialSource for FirstOf {
    async fn fetch(&self) -> Result<Credential> {
        if let Some(source) = self.chosen.get().and_then(|index| self.sources.get(*index)) {
            return source.fetch().await;
        }
        let mut failed = Vec::new();
        for (index, source) in self.sources.iter().enumerate() {
            match source.fetch().await {
                Ok(credential) => {
                    let _ = self.chosen.set(index);
                    return Ok(credential);
                }
                Err(error) => failed.push((source.name(), error)),
            }
        }
        let mut all = Error::new(
            ErrorKind::Unauthenticated,
            "cannot configure default credentials: none of the logins found works",
        );
        for (name, error) in &failed {
            all = all.with_context(name, Report(error).to_string());
        }
        Err(all)
    }

    fn name(&self) -> &'static str {
        self.chosen.get().and_then(|index| self.sources.get(*index)).map_or("default", |source| source.name())
    }
}
