//! Certificates: trusted ones, and the others.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use twinhouse_core::{
    Effect, ErrorKind, FaultClass,
    http::{Http, Link, Request, Url},
    tls,
};

use crate::script::{Seen, converse, json};

/// A TLS server that answers twice, and its certificate in PEM form.
async fn serve_tls(name: &str) -> (Url, String) {
    let signed = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://127.0.0.1:{}/", listener.local_addr().unwrap().port()).parse().unwrap();
    let steps = Arc::new(Mutex::new(vec![json("{}"), json("{}")].into_iter()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(converse(stream, steps.clone(), Seen::default()));
            }
        }
    });
    (url, signed.cert.pem())
}

#[tokio::test]
async fn an_extra_root_is_trusted_by_both_clients() {
    let (url, pem) = serve_tls("127.0.0.1").await;
    let client = Http::builder().extra_ca(pem).build().unwrap();
    assert_eq!(client.send(Request::get(url.clone())).await.unwrap().status(), 200);
    let link = Link::new(url.as_str());
    assert_eq!(client.plain().get(&link, Duration::from_secs(9)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_unknown_certificate_and_a_wrong_name_are_refused_for_good() {
    let (unknown, _) = serve_tls("127.0.0.1").await;
    let (misnamed, pem) = serve_tls("elsewhere.invalid").await;
    for (url, client) in [(unknown, Http::builder()), (misnamed, Http::builder().extra_ca(pem))] {
        let error = client.build().unwrap().send(Request::get(url)).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Connection, "the server's certificate was not accepted")
        );
        assert_eq!((error.fault().class, error.fault().effect), (FaultClass::Permanent, Effect::None));
    }
}

#[test]
fn roots_alone_must_hold_a_certificate() {
    assert_eq!(tls::roots_only(b"").unwrap_err().kind(), ErrorKind::Config);
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(tls::roots_only(broken).unwrap_err().kind(), ErrorKind::Config);
    let pem = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap().cert.pem();
    assert_eq!(tls::roots_only(pem.as_bytes()).unwrap().len(), 1);
}
