use twinhouse_core::{Effect, ErrorKind, FaultClass, Secret};

use super::{
    auth::{Login, log_in},
    message::tag,
    script::{self, First, authentication, error, notice, pair, ready},
};

async fn log_in_to(script: impl AsyncFnOnce(&mut script::Peer)) -> twinhouse_core::Result<(i32, i32)> {
    let (mut connection, mut peer) = pair();
    let password = Secret::new("canary");
    let login = Login { user: "u", password: &password, database: "d", application: Some("app") };
    let (result, ()) = tokio::join!(log_in(&mut connection, &login), async {
        script(&mut peer).await;
        drop(peer);
    });
    if let Err(error) = &result {
        assert!(!format!("{error:?} {error}").contains("canary"));
        assert_eq!(error.fault().effect, Effect::None, "nothing was asked for yet");
    }
    result
}

#[tokio::test]
async fn the_start_up_message_holds_what_redshift_takes_and_no_more() {
    let key = log_in_to(async |peer| {
        let First::Startup(parameters) = peer.first().await else { panic!("no start-up") };
        let text = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let wanted = [
            text("client_encoding", "UTF8"),
            text("user", "u"),
            text("database", "d"),
            text("application_name", "app"),
        ];
        assert_eq!(parameters, wanted);
        peer.welcome().await;
    })
    .await;
    assert_eq!(key.unwrap(), (7, 42));
}

#[tokio::test]
async fn a_password_is_sent_plain_or_hashed_as_asked_for() {
    log_in_to(async |peer| {
        peer.first().await;
        peer.send(&authentication(3, b"")).await;
        assert_eq!(peer.message().await.unwrap(), (b'p', b"canary\0".to_vec()));
        peer.welcome().await;
    })
    .await
    .unwrap();
    log_in_to(async |peer| {
        peer.first().await;
        peer.send(&authentication(5, b"salt")).await;
        // md5(md5("canary" + "u") + "salt"), computed with md5sum.
        let (tag, body) = peer.message().await.unwrap();
        assert_eq!((tag, String::from_utf8(body).unwrap().as_str()), (b'p', "md54f72faad5625257adfe03ef645a8d88a\0"));
        peer.welcome().await;
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn scram_is_begun_and_a_false_server_is_found_out() {
    let error = log_in_to(async |peer| {
        peer.first().await;
        peer.send(&authentication(10, b"SCRAM-SHA-256\0\0")).await;
        let (tag, body) = peer.message().await.unwrap();
        assert_eq!(tag, b'p');
        assert!(body.starts_with(b"SCRAM-SHA-256\0"));
        assert!(!body.windows(6).any(|window| window == b"canary"), "the password does not travel");
        peer.send(&authentication(11, b"r=notmynonce,s=c2FsdA==,i=4096")).await;
    })
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn methods_that_this_client_lacks_are_refused_by_name() {
    for (code, name) in [(13, "SHA-256 digest"), (14, "identity provider"), (7, "Kerberos"), (99, "unknown")] {
        let error = log_in_to(async |peer| {
            peer.first().await;
            peer.send(&authentication(code, b"\0\0\0\0")).await;
        })
        .await
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{code}");
        assert!(error.context("method").unwrap().contains(name), "{error}");
        assert!(error.context("supported").unwrap().contains("MD5"), "{error}");
    }
    let error = log_in_to(async |peer| {
        peer.first().await;
        peer.send(&authentication(10, b"SCRAM-SHA-512\0\0")).await;
    })
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_refusal_keeps_the_servers_words() {
    let error = log_in_to(async |peer| {
        peer.first().await;
        peer.send(&error("FATAL", "28000", "password authentication failed for user \"u\"")).await;
    })
    .await
    .unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Unauthenticated, Some("28000")));
    assert!(!error.is_retryable());
    let hung_up = log_in_to(async |peer| {
        peer.first().await;
    })
    .await
    .unwrap_err();
    assert_eq!((hung_up.kind(), hung_up.fault().class), (ErrorKind::Connection, FaultClass::Transient));
}

#[tokio::test]
async fn messages_that_arrive_in_pieces_or_lie_about_their_length_are_met() {
    let (mut connection, mut peer) = pair();
    let bytes = [notice("first"), ready(b'T')].concat();
    let (frame, ()) = tokio::join!(connection.next(), async {
        for byte in &bytes {
            peer.send(&[*byte]).await;
            tokio::task::yield_now().await;
        }
    });
    let frame = frame.unwrap();
    assert_eq!(frame.tag, tag::READY_FOR_QUERY);
    connection.discard(frame).unwrap();
    assert_eq!(connection.take_notices()[0].message, "first");

    for length in [3_u32, u32::MAX] {
        let (mut connection, mut peer) = pair();
        peer.send(&[&b"D"[..], &length.to_be_bytes()].concat()).await;
        assert_eq!(connection.next().await.unwrap_err().kind(), ErrorKind::Protocol);
        assert!(connection.is_broken());
    }
}

#[tokio::test]
async fn only_the_latest_notices_are_kept() {
    let (mut connection, mut peer) = pair();
    let noise: Vec<u8> = (0..200).flat_map(|n| notice(&n.to_string())).collect();
    peer.send(&[noise, ready(b'I')].concat()).await;
    let frame = connection.next().await.unwrap();
    connection.discard(frame).unwrap();
    let kept = connection.take_notices();
    assert_eq!((kept.len(), kept[0].message.as_str(), kept[63].message.as_str()), (64, "136", "199"));
}

#[tokio::test]
async fn the_reason_why_the_server_hung_up_is_worth_more_than_a_broken_pipe() {
    let (mut connection, mut peer) = pair();
    peer.send(&error("FATAL", "57P01", "terminating connection due to administrator command")).await;
    drop(peer);
    connection.put(|out| postgres_protocol::message::frontend::query("select 1", out)).unwrap();
    let error = connection.send(1).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("57P01"));
    assert!(connection.is_broken() && !connection.is_quiet());
}
