//! Where credentials come from.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use twinhouse_core::Result;

use crate::Credential;

/// Obtains a credential, each time anew. A source keeps nothing: [`Cached`](crate::Cached) in front of it is the only
/// cache, because two of them, each a little stale, hand out expired tokens.
#[async_trait]
pub trait CredentialSource: fmt::Debug + Send + Sync + 'static {
    /// Obtains a credential.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unauthenticated`](twinhouse_core::ErrorKind::Unauthenticated) if we are refused; else what went
    /// wrong on the way, retried already where that made sense.
    async fn fetch(&self) -> Result<Credential>;

    /// The name of this way of authenticating, for example `oauth-m2m`.
    fn name(&self) -> &'static str;
}

#[async_trait]
impl CredentialSource for Arc<dyn CredentialSource> {
    async fn fetch(&self) -> Result<Credential> {
        (**self).fetch().await
    }

    fn name(&self) -> &'static str {
        (**self).name()
    }
}

#[async_trait]
impl CredentialSource for Box<dyn CredentialSource> {
    async fn fetch(&self) -> Result<Credential> {
        (**self).fetch().await
    }

    fn name(&self) -> &'static str {
        (**self).name()
    }
}
