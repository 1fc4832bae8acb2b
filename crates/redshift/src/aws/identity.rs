//! Who we are at AWS.

use std::fmt;

use aws_config::{Region, default_provider::credentials::DefaultCredentialsChain};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use tokio::sync::OnceCell;

use crate::config::S3Options;

/// The keys that are configured, or else what the usual chain finds: environment, profile, web identity, container,
/// instance.
pub(crate) struct Identity {
    keys: Option<Credentials>,
    provider: OnceCell<SharedCredentialsProvider>,
}

impl Identity {
    pub(crate) fn new(options: &S3Options) -> Self {
        let keys = options.access_key_id.as_ref().zip(options.secret_access_key.as_ref()).map(|(id, secret)| {
            let token = options.session_token.as_ref().map(|token| token.expose().to_owned());
            Credentials::new(id.expose(), secret.expose(), token, None, "twinhouse")
        });
        Self { keys, provider: OnceCell::new() }
    }

    /// What gives the keys of the moment. The chain looks where it is told by the process's own environment.
    pub(crate) async fn provider(&self, region: &str) -> SharedCredentialsProvider {
        let find = async || match &self.keys {
            Some(keys) => SharedCredentialsProvider::new(keys.clone()),
            None => {
                let chain = DefaultCredentialsChain::builder().region(Region::new(region.to_owned())).build().await;
                SharedCredentialsProvider::new(chain)
            }
        };
        self.provider.get_or_init(find).await.clone()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = if self.keys.is_some() { "configured keys" } else { "chain" };
        f.debug_struct("Identity").field("source", &source).finish_non_exhaustive()
    }
}
