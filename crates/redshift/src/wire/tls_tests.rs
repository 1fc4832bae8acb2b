use std::{path::PathBuf, sync::Arc, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use twinhouse_core::{ErrorKind, tls::provider};

use super::connect::Connector;
use crate::config::SslMode;

/// A server on loopback whose certificate is issued to `name`; answers its port and the file of its root.
async fn server(name: &str, encrypts: bool) -> (u16, PathBuf) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &root).unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let file = std::env::temp_dir().join(format!("twinhouse-root-{}-{port}.pem", std::process::id()));
    std::fs::write(&file, root.pem()).unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let acceptor = TlsAcceptor::from(Arc::new(config.clone()));
            tokio::spawn(async move {
                if socket.read_exact(&mut [0; 8]).await.is_err() {
                    return;
                }
                socket.write_all(if encrypts { b"S" } else { b"N" }).await.unwrap();
                if encrypts && let Ok(mut socket) = acceptor.accept(socket).await {
                    let _ = socket.write_all(b"hello").await;
                    let _ = socket.shutdown().await;
                }
            });
        }
    });
    (port, file)
}

/// What a connection under this mode comes to: `Ok` if the other side is there.
async fn try_it(port: u16, mode: SslMode, root: Option<&PathBuf>) -> twinhouse_core::Result<()> {
    let connector = Connector::new("localhost".to_owned(), port, mode, root.cloned(), Duration::from_secs(200));
    let mut socket = connector.connect().await?;
    let mut greeting = [0; 5];
    socket.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"hello");
    Ok(())
}

#[tokio::test]
async fn each_mode_checks_what_its_name_says() {
    let (right, root) = server("localhost", true).await;
    let (elsewhere, alias_root) = server("elsewhere.example", true).await;
    for mode in [SslMode::VerifyFull, SslMode::VerifyCa, SslMode::Require, SslMode::Prefer] {
        try_it(right, mode, Some(&root)).await.unwrap();
    }
    // Another name: only the strictest mode minds.
    for mode in [SslMode::VerifyCa, SslMode::Require, SslMode::Prefer] {
        try_it(elsewhere, mode, Some(&alias_root)).await.unwrap();
    }
    let error = try_it(elsewhere, SslMode::VerifyFull, Some(&alias_root)).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Connection, false), "{error:?}");
    // Another root: whoever names a root wants it checked.
    for mode in [SslMode::VerifyFull, SslMode::VerifyCa, SslMode::Require] {
        let error = try_it(right, mode, Some(&alias_root)).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Connection, false), "{mode}: {error:?}");
    }
    try_it(right, SslMode::Require, None).await.unwrap();
    try_it(right, SslMode::VerifyFull, None).await.unwrap_err();
    for file in [root, alias_root] {
        std::fs::remove_file(file).unwrap();
    }
}

#[tokio::test]
async fn a_server_that_does_not_encrypt_is_refused_unless_that_was_allowed() {
    let (port, root) = server("localhost", false).await;
    for mode in [SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
        let error = try_it(port, mode, Some(&root)).await.unwrap_err();
        assert_eq!((error.kind(), error.context("sslmode")), (ErrorKind::Connection, Some(mode.as_str())));
        assert!(!error.is_retryable());
    }
    Connector::new("localhost".to_owned(), port, SslMode::Prefer, None, Duration::from_secs(200))
        .connect()
        .await
        .unwrap();
    std::fs::remove_file(root).unwrap();
}

#[tokio::test]
async fn a_root_that_cannot_be_read_is_a_bad_setting() {
    let missing = PathBuf::from("/nonexistent/root.pem");
    let error = try_it(1, SslMode::VerifyFull, Some(&missing)).await.unwrap_err();
    assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Config, Some("sslrootcert")));
}
