//! The one TLS set-up: rustls with the aws-lc-rs provider, chosen by hand, and the roots that servers are checked with.
//!
//! Nothing here looks at, or changes, rustls's process-wide default provider.

use std::sync::{Arc, OnceLock};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::{Error, ErrorKind, Result};

/// The crypto provider of every TLS connection made here.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())).clone()
}

/// The roots that the operating system trusts, and those in `extra_pem` beside them.
///
/// The system's roots are read once in a process.
///
/// # Errors
///
/// [`ErrorKind::Config`] if `extra_pem` is not empty and holds no certificate, or a malformed one.
pub fn roots(extra_pem: &[u8]) -> Result<RootCertStore> {
    static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
    let system = SYSTEM.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a root certificate of the system could not be read");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        roots
    });
    let mut roots = system.clone();
    add(&mut roots, extra_pem)?;
    Ok(roots)
}

/// Only the roots in `pem`.
///
/// # Errors
///
/// [`ErrorKind::Config`] if `pem` holds no certificate, or a malformed one.
pub fn roots_only(pem: &[u8]) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    add(&mut roots, pem)?;
    if roots.is_empty() {
        return Err(Error::new(ErrorKind::Config, "no certificate given to check the server with"));
    }
    Ok(roots)
}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<()> {
    let malformed = |source: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Config, "a root certificate must be a certificate in PEM form").with_source(source)
    };
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| malformed(error.into()))?;
        roots.add(certificate).map_err(|error| malformed(error.into()))?;
    }
    if !pem.is_empty() && roots.len() == before {
        return Err(Error::new(ErrorKind::Config, "no certificate in the PEM text with root certificates"));
    }
    Ok(())
}

/// A client configuration that checks servers, and their names, against these roots.
///
/// # Errors
///
/// [`ErrorKind::Internal`] if the provider offers no protocol version, which is a defect.
pub fn client(roots: RootCertStore) -> Result<ClientConfig> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Internal, "no usable TLS version").with_source(error))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
