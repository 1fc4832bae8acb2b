//! What several modules' tests need.

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

/// An HTTP client that repeats nothing and believes nobody.
pub(crate) fn client() -> reqwest::Client {
    client_that_believes(RootCertStore::empty())
}

/// As [`client`], but for these.
pub(crate) fn client_that_believes(roots: RootCertStore) -> reqwest::Client {
    let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder().use_preconfigured_tls(config).retry(reqwest::retry::never()).build().unwrap()
}
