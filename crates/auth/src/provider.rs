//! What a backend asks for its credential.

use std::fmt;

use async_trait::async_trait;
use twinhouse_core::Result;

use crate::Credential;

/// Counts the credentials a provider has handed out, so that "this one was refused" means the one it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub(crate) u64);

/// Hands out the credential that is good now. [`Cached`](crate::Cached) implements it.
///
/// ```
/// use twinhouse_auth::{Cached, CredentialProvider, sources::Pat};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> twinhouse_core::Result<()> {
/// let provider = Cached::new(Pat::new("dapi-123"));
/// let (credential, generation) = provider.credential().await?;
/// let headers = credential.headers()?; // send these; if the server answers 401:
/// provider.invalidate(generation); // the next call obtains a new one
/// # assert_eq!(headers.len(), 1);
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait CredentialProvider: fmt::Debug + Send + Sync + 'static {
    /// The credential that is good now.
    ///
    /// # Errors
    ///
    /// What the source said when a new one was needed.
    async fn credential(&self) -> Result<(Credential, Generation)>;

    /// The server refused this one. The next call obtains a new one, unless somebody did already: however many callers
    /// report the same generation, there is one refresh.
    fn invalidate(&self, refused: Generation);

    /// The name of the source's way of authenticating, for example `oauth-m2m`.
    fn name(&self) -> &'static str;
}
