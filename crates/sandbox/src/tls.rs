//! The sandbox's own certificate authority, made anew at each start, and the certificate of its servers.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{Datelike as _, NaiveDate, TimeDelta, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use twinhouse_core::{Error, ErrorKind, Result};

/// Names and addresses that clients on this machine use.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const DAYS: i64 = 365;

/// What a server needs to be believed, and where its clients find whom to believe.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) ca_file: PathBuf,
    pub(crate) server: Arc<ServerConfig>,
}

impl Tls {
    /// Makes both certificates and writes the authority's to `ca.pem` in the folder. No key is written anywhere.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        let authority =
            CertifiedIssuer::self_signed(authority()?, KeyPair::generate().map_err(failed)?).map_err(failed)?;
        let key = KeyPair::generate().map_err(failed)?;
        let leaf = leaf()?.signed_by(&key, &authority).map_err(failed)?;
        let ca_file = folder.join("ca.pem");
        fs::write(&ca_file, authority.pem()).map_err(failed)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .map_err(failed)?;
        Ok(Self { ca_file, server: Arc::new(server) })
    }
}

fn authority() -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Twinhouse sandbox authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    valid_for_a_year(&mut params);
    Ok(params)
}

fn leaf() -> Result<CertificateParams> {
    let mut params = CertificateParams::new(NAMES.map(str::to_owned).to_vec()).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, NAMES[0]);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // OpenSSL's strict mode, Python's default, wants to see who signed it.
    params.use_authority_key_identifier_extension = true;
    valid_for_a_year(&mut params);
    Ok(params)
}

fn valid_for_a_year(params: &mut CertificateParams) {
    let today = Utc::now().date_naive();
    let date = |day: NaiveDate| rcgen::date_time_ymd(day.year(), day.month() as u8, day.day() as u8);
    params.not_before = date(today - TimeDelta::days(1));
    params.not_after = date(today + TimeDelta::days(DAYS));
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Internal, "could not make the certificates of the sandbox").with_source(error)
}

#[cfg(test)]
mod tests {
    use rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    };
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    fn client(ca_file: &Path) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca_file).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }

    async fn shake_hands(tls: &Tls, client: TlsConnector, name: &str) -> std::io::Result<[u8; 2]> {
        let (near, far) = tokio::io::duplex(1 << 14);
        let acceptor = TlsAcceptor::from(tls.server.clone());
        let server = tokio::spawn(async move {
            let mut stream = acceptor.accept(far).await?;
            stream.write_all(b"hi").await?;
            stream.shutdown().await
        });
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let result = async {
            let mut stream = client.connect(name, near).await?;
            let mut word = [0; 2];
            stream.read_exact(&mut word).await?;
            Ok(word)
        };
        let result = result.await;
        let _ = server.await;
        result
    }

    #[tokio::test]
    async fn the_authority_vouches_for_every_local_name_and_for_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let tls = Tls::create(folder.path()).unwrap();
        for name in NAMES {
            assert_eq!(&shake_hands(&tls, client(&tls.ca_file), name).await.unwrap(), b"hi", "{name}");
        }
        shake_hands(&tls, client(&tls.ca_file), "example.com").await.unwrap_err();
        shake_hands(&tls, client(&tls.ca_file), "127.0.0.2").await.unwrap_err();
    }

    #[tokio::test]
    async fn another_sandbox_is_not_believed() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [one, other] = folders.each_ref().map(|folder| Tls::create(folder.path()).unwrap());
        shake_hands(&one, client(&other.ca_file), "localhost").await.unwrap_err();
    }

    #[test]
    fn no_key_is_left_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        Tls::create(folder.path()).unwrap();
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(files, ["ca.pem"]);
        assert!(!fs::read_to_string(folder.path().join("ca.pem")).unwrap().contains("PRIVATE KEY"));
    }
}
