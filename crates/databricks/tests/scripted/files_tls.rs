//! Certificates and proxies: what goes for the workspace goes for the storage behind presigned links.

use std::{net::SocketAddr, sync::Arc};

use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use twinhouse_core::{ErrorKind, tls};
use twinhouse_databricks::files::{TransferOptions, UploadRequest, UploadRoute};
use twinhouse_testkit::ScriptedServer;

use crate::files_store::{FILE, Store, client_of, noise};

/// Speaks TLS in front of a server that does not; gives its port and its certificate in PEM form.
async fn tls_before(server: SocketAddr) -> (u16, String) {
    let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut inside) = acceptor.accept(stream).await else { return };
                let mut plain = TcpStream::connect(server).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut inside, &mut plain).await;
            });
        }
    });
    (port, signed.cert.pem())
}

fn in_parts() -> TransferOptions {
    TransferOptions::default().with_multipart_from(1000).with_part_size(1000)
}

/// databricks/databricks-sql-python#413: settings for TLS and proxies must reach the downloads of presigned links.
#[tokio::test]
async fn pain_point_8_an_extra_certificate_is_trusted_on_presigned_links_too() {
    let server = ScriptedServer::start().await.unwrap();
    let (port, pem) = tls_before(server.address()).await;
    let url = format!("https://127.0.0.1:{port}");
    let (store, base) = (Store::default(), url.clone());
    let answers = store.clone();
    server.otherwise(move |request| answers.answer(&base, request));

    let files = client_of(&url, |builder| builder.extra_ca(pem.clone())).files().with_options(in_parts());
    let report = files.upload(UploadRequest::new(FILE, noise(2500))).await.unwrap();
    assert_eq!(report.route, UploadRoute::Multipart);
    assert_eq!(files.download(FILE).await.unwrap().bytes(2500).await.unwrap(), noise(2500));
    let stored = |server: &ScriptedServer| {
        server.requests().into_iter().filter(|request| request.path().starts_with("/storage/")).count()
    };
    assert_eq!(stored(&server), 4, "three parts up, one file down, all of it by links");

    // Without it neither the workspace nor the storage is trusted.
    let files = client_of(&url, |builder| builder.max_retries(0)).files();
    assert_eq!(files.download(FILE).await.map(drop).unwrap_err().kind(), ErrorKind::Connection);
    assert_eq!(stored(&server), 4);
}

/// The same for proxies: only the proxy knows the way to either.
#[tokio::test]
async fn pain_point_8_a_proxy_carries_presigned_transfers_too() {
    // Nobody listens at either address.
    let proxy = ScriptedServer::start().await.unwrap();
    let (storage, workspace) = ("http://127.0.0.2:1", "http://127.0.0.1:1");
    let store = Store::default();
    let answers = store.clone();
    proxy.otherwise(move |request| {
        // A proxy is told the whole address.
        let mut inner = request.clone();
        let to = [storage, workspace].into_iter().find(|host| request.target.starts_with(host))?;
        inner.target = request.target[to.len()..].to_owned();
        assert_eq!(to == storage, inner.path().starts_with("/storage/"), "{}", request.target);
        assert_eq!(to == storage, request.header("authorization").is_none());
        answers.answer(storage, &inner)
    });
    let files = client_of(workspace, |builder| builder.proxy(proxy.url())).files().with_options(in_parts());
    files.upload(UploadRequest::new(FILE, noise(2500))).await.unwrap();
    assert_eq!(store.file(FILE).unwrap(), noise(2500));
    assert_eq!(files.download(FILE).await.unwrap().bytes(2500).await.unwrap(), noise(2500));
}
