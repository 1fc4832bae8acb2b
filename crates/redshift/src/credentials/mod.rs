//! Where user and password come from, when they are not fixed.

#[cfg(feature = "iam")]
mod secret;
#[cfg(feature = "iam")]
mod temporary;

use std::sync::Arc;

use twinhouse_auth::CredentialProvider;
use twinhouse_core::Result;

use crate::config::{AuthOptions, Endpoint, S3Options};

/// The provider that the options ask for.
#[cfg(feature = "iam")]
pub(crate) fn provider(
    options: AuthOptions,
    endpoint: Endpoint<'_>,
    database: &str,
    s3: &S3Options,
    aws_endpoint: Option<&str>,
) -> Result<Arc<dyn CredentialProvider>> {
    use twinhouse_auth::Cached;

    use crate::{
        aws::{AwsClient, Identity},
        config::Auth,
    };

    let identity = Arc::new(Identity::new(s3));
    let client = |service| AwsClient::new(service, &s3.region, aws_endpoint, identity);
    if options.auth == Auth::SecretsManager {
        return Ok(Arc::new(Cached::new(secret::SecretLogin::new(client, options.secret)?)));
    }
    let call = temporary::Call::choose(options, endpoint, database)?;
    Ok(Arc::new(Cached::new(temporary::TemporaryLogin::new(client(call.service())?, call))))
}

#[cfg(not(feature = "iam"))]
pub(crate) fn provider(
    options: AuthOptions,
    _: Endpoint<'_>,
    _: &str,
    _: &S3Options,
    _: Option<&str>,
) -> Result<Arc<dyn CredentialProvider>> {
    use twinhouse_core::Error;

    let message = "this build leaves out credentials from AWS; turn the feature on";
    Err(Error::unsupported("redshift", message)
        .with_context("feature", "iam")
        .with_context("setting", "auth")
        .with_context("auth", options.auth.as_str()))
}
