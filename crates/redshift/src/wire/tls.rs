//! Who is checked, and how strictly, when a connection is encrypted.

use std::{path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use twinhouse_core::{Error, ErrorKind, Result, tls};

use crate::config::SslMode;

/// What TLS is made with under this mode; `None` where it is not used at all.
pub(crate) async fn client(mode: SslMode, root_certificate: Option<&Path>) -> Result<Option<Arc<ClientConfig>>> {
    if mode == SslMode::Disable {
        return Ok(None);
    }
    let pem = match root_certificate {
        Some(path) => Some(tokio::fs::read(path).await.map_err(|cause| {
            Error::bad_setting("sslrootcert", "configuration", "a file that can be read")
                .with_context("file", path.display().to_string())
                .with_source(cause)
        })?),
        None => None,
    };
    let checked = |pem: Option<&[u8]>| pem.map_or_else(|| tls::roots(&[]), tls::roots_only);
    let config = match mode {
        SslMode::VerifyFull => tls::client(checked(pem.as_deref())?)?,
        SslMode::VerifyCa => chain_only(checked(pem.as_deref())?)?,
        // As other clients of this wire do: whoever names a root wants it checked.
        SslMode::Require if pem.is_some() => chain_only(checked(pem.as_deref())?)?,
        SslMode::Require | SslMode::Prefer | SslMode::Disable => with_verifier(Arc::new(Unchecked))?,
    };
    Ok(Some(Arc::new(config)))
}

fn chain_only(roots: RootCertStore) -> Result<ClientConfig> {
    let inner =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), tls::provider()).build().map_err(|error| {
            Error::new(ErrorKind::Config, "no root certificate to check the server with").with_source(error)
        })?;
    with_verifier(Arc::new(ChainOnly(inner)))
}

fn with_verifier(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig> {
    Ok(ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Internal, "no usable TLS version").with_source(error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Checks who signed the certificate, not whose it is: `verify-ca`.
#[derive(Debug)]
struct ChainOnly(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for ChainOnly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Checks nothing but that the other side has the key of the certificate it shows: `require` and `prefer`.
#[derive(Debug)]
struct Unchecked;

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &tls::provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &tls::provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        tls::provider().signature_verification_algorithms.supported_schemes()
    }
}
