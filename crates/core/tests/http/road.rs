//! What goes well, and everything that can go wrong on the way.

use std::time::Duration;

use futures::{StreamExt, stream};
use twinhouse_core::{
    Effect, Error, ErrorKind, FaultClass,
    http::{Body, Http, Link, Method, Request, StatusCode, Url, header},
};

use crate::script::{Step, json, nobody, serve};

fn http() -> Http {
    Http::builder().build().unwrap()
}

fn verdict(error: &Error) -> (ErrorKind, FaultClass, Effect) {
    (error.kind(), error.fault().class, error.fault().effect)
}

const LOST: (ErrorKind, FaultClass, Effect) = (ErrorKind::Connection, FaultClass::Transient, Effect::Unknown);

#[tokio::test]
async fn a_request_goes_out_as_written_and_the_answer_comes_back() {
    let (url, seen) = serve([json(r#"{"a":[1,2]}"#)]).await;
    let request = Request::post(url.join("api/x").unwrap())
        .with_query([("q", "a b&c"), ("max", "0")])
        .with_query([])
        .with_authorization("Bearer t".parse().unwrap())
        .with_body(Body::json(&[1, 2]).unwrap());
    let response = http().send(request).await.unwrap();
    assert_eq!((response.status(), response.content_length()), (StatusCode::OK, Some(11)));
    let json: serde_json::Value = response.into_json(100).await.unwrap();
    assert_eq!(json["a"][1], 2);
    let sent = &seen.all()[0];
    assert!(sent.starts_with("POST /api/x?q=a+b%26c&max=0 HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains("authorization: Bearer t\r\n") && sent.contains("content-type: application/json\r\n"));
    assert!(sent.contains(concat!("user-agent: twinhouse/", env!("CARGO_PKG_VERSION"))));
    assert!(sent.ends_with("\r\n\r\n[1,2]"));
}

#[tokio::test]
async fn an_error_status_is_an_answer_and_a_redirect_is_not_followed() {
    let (url, seen) = serve([
        Step::Answer("HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\n{}".into()),
        Step::Answer("HTTP/1.1 302 Found\r\nlocation: /login.html\r\ncontent-length: 0\r\n\r\n".into()),
    ])
    .await;
    let busy = http().send(Request::get(url.clone())).await.unwrap();
    assert_eq!((busy.status().as_u16(), busy.retry_after()), (503, Some(Duration::from_secs(7))));
    let moved = http().send(Request::get(url)).await.unwrap();
    assert_eq!((moved.status().as_u16(), moved.header("location")), (302, Some("/login.html")));
    assert_eq!(seen.all().len(), 2);
}

#[tokio::test]
async fn a_connection_that_is_refused_did_nothing() {
    let (url, _held) = nobody();
    let error = http().send(Request::post(url)).await.unwrap_err();
    assert_eq!(verdict(&error), (ErrorKind::Connection, FaultClass::Transient, Effect::None));
    assert_eq!(error.context("host"), Some("127.0.0.1"));
}

#[tokio::test]
async fn a_connection_lost_after_sending_may_have_done_everything_and_is_not_tried_again() {
    for half in ["", "HTTP/1.1 200 OK\r\ncontent-le"] {
        let (url, seen) = serve([Step::AnswerAndClose(half.into()), json("{}")]).await;
        let error = http().send(Request::get(url)).await.unwrap_err();
        assert_eq!(verdict(&error), LOST, "{half:?}");
        assert_eq!(seen.all().len(), 1);
    }
}

#[tokio::test]
async fn a_body_cut_short_is_an_error_and_never_a_short_success() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n12345",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 10\r\n\r\n12345",
    ] {
        let (url, _) = serve([Step::AnswerAndClose(answer.into()), Step::AnswerAndClose(answer.into())]).await;
        let error = http().send(Request::get(url.clone())).await.unwrap().into_bytes(100).await.unwrap_err();
        assert_eq!(verdict(&error), LOST, "{answer:?}");
        assert_eq!(error.context("wait"), Some("body"));

        let mut stream = http().send(Request::get(url)).await.unwrap().into_stream();
        let mut errors = 0;
        while let Some(part) = stream.next().await {
            errors += u32::from(part.is_err());
        }
        assert_eq!(errors, 1, "{answer:?}");
    }
}

#[tokio::test]
async fn a_success_whose_end_cannot_be_told_is_refused() {
    let open = |status| Step::AnswerAndClose(format!("HTTP/1.1 {status}\r\nconnection: close\r\n\r\n12345"));
    let (url, _) = serve([open("200 OK"), open("500 Oops")]).await;
    let error = http().send(Request::get(url.clone())).await.unwrap().into_bytes(100).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    // Proxies describe errors this way, and half a description is better than none.
    let oops = http().send(Request::get(url)).await.unwrap().into_bytes(100).await.unwrap();
    assert_eq!(&oops[..], b"12345");
}

#[tokio::test]
async fn answers_without_a_body_are_complete() {
    let (url, _) = serve([
        Step::Answer("HTTP/1.1 204 No Content\r\n\r\n".into()),
        Step::Answer("HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n".into()),
    ])
    .await;
    let client = http();
    assert!(client.send(Request::delete(url.clone())).await.unwrap().into_bytes(0).await.unwrap().is_empty());
    let head = client.send(Request::new(Method::HEAD, url)).await.unwrap();
    assert_eq!(head.content_length(), Some(5000));
    assert!(head.into_bytes(0).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit_and_no_further() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n123\r\n3\r\n456\r\n0\r\n\r\n";
    for answer in [json("123456"), Step::Answer(chunked.into())] {
        let (url, _) = serve([answer.clone(), answer]).await;
        let client = http();
        assert_eq!(&client.send(Request::get(url.clone())).await.unwrap().into_bytes(6).await.unwrap()[..], b"123456");
        let error = client.send(Request::get(url)).await.unwrap().into_bytes(5).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
    }
    // One that announces too much is not waited for.
    let (url, _) = serve([Step::AnswerAndHang("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n".into())]).await;
    let error = http().send(Request::get(url)).await.unwrap().into_bytes(5).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
}

#[test]
fn an_empty_query_leaves_no_question_mark() {
    let url: Url = "http://h/p".parse().unwrap();
    assert_eq!(Request::get(url.clone()).with_query([]).url(), &url);
}

#[tokio::test]
async fn json_of_the_wrong_shape_is_named_by_place_only() {
    let (url, _) = serve([json("{\n \"a\": \"canary\"}")]).await;
    #[derive(Debug, serde::Deserialize)]
    struct Shape {
        #[serde(rename = "a")]
        _a: u32,
    }
    let error = http().send(Request::get(url)).await.unwrap().into_json::<Shape>(100).await.unwrap_err();
    assert_eq!((error.kind(), error.context("at")), (ErrorKind::Protocol, Some("line 2 column 14")));
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[tokio::test]
async fn every_wait_has_an_end_and_says_which_it_was() {
    let short = Duration::from_millis(40);
    let (url, _) = serve([Step::AnswerAndHang(String::new())]).await;
    let client = Http::builder().response_timeout(short).build().unwrap();
    let error = client.send(Request::get(url)).await.unwrap_err();
    assert_eq!((error.kind(), error.context("wait")), (ErrorKind::Timeout, Some("response")));
    assert_eq!(error.fault().effect, Effect::Unknown);
    // A server of its own: the request that was given up may not have arrived.
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345";
    let (url, _) = serve([Step::AnswerAndHang(half.into())]).await;
    let client = Http::builder().idle_timeout(short).build().unwrap();
    let mut body = client.send(Request::get(url)).await.unwrap().into_stream();
    assert_eq!(&body.next().await.unwrap().unwrap()[..], b"12345");
    let error = body.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.context("wait")), (ErrorKind::Timeout, Some("body")));
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn a_streamed_upload_has_a_length_and_can_be_sent_again() {
    let (url, seen) = serve([json("{}"), json("{}")]).await;
    let parts = || stream::iter(["12", "345"].map(|part| Ok(part.into()))).boxed();
    let client = http();
    let request = Request::put(url.clone()).with_body(Body::stream(5, parts));
    client.send(request.clone()).await.unwrap().into_bytes(10).await.unwrap();
    client.send(request).await.unwrap();
    for sent in seen.all() {
        assert!(sent.contains("content-length: 5\r\n") && !sent.contains("transfer-encoding"), "{sent}");
        assert!(sent.ends_with("\r\n\r\n12345"), "{sent}");
    }
}

#[tokio::test]
async fn a_streamed_upload_that_breaks_off_is_an_error() {
    let (url, seen) = serve([json("{}")]).await;
    let broken = || stream::iter([Ok("12".into()), Err(std::io::Error::other("disk"))]).boxed();
    let error = http().send(Request::put(url).with_body(Body::stream(5, broken))).await.unwrap_err();
    assert_eq!(verdict(&error), LOST);
    assert!(seen.all().is_empty(), "the server must not take it for a whole request");
}

#[tokio::test]
async fn a_form_and_bytes_name_their_type_unless_the_request_does() {
    let (url, seen) = serve([json("{}"), json("{}"), json("{}")]).await;
    let client = http();
    for request in [
        Request::post(url.clone()).with_body(Body::form([("scope", "all apis"), ("x", "&=")])),
        Request::put(url.clone()).with_body(bytes::Bytes::from_static(b"raw")),
        Request::put(url).with_header(header::CONTENT_TYPE, "text/csv".parse().unwrap()).with_body(Body::bytes("a,b")),
    ] {
        client.send(request).await.unwrap().into_bytes(10).await.unwrap();
    }
    let sent = seen.all();
    assert!(sent[0].contains("application/x-www-form-urlencoded") && sent[0].ends_with("scope=all+apis&x=%26%3D"));
    assert!(sent[1].contains("application/octet-stream"));
    assert!(sent[2].contains("content-type: text/csv\r\n") && !sent[2].contains("octet-stream"));
}

#[tokio::test]
async fn both_clients_go_through_the_proxy() {
    let (proxy, seen) = serve([json("{}"), json("{}")]).await;
    let client = Http::builder().proxy(proxy.as_str()).build().unwrap();
    client.send(Request::get("http://host.invalid/a".parse().unwrap())).await.unwrap();
    client.plain().get(&Link::new("http://host.invalid/b?sig=1"), Duration::from_secs(9)).await.unwrap();
    let sent = seen.all();
    assert!(sent[0].starts_with("GET http://host.invalid/a HTTP/1.1"), "{}", sent[0]);
    assert!(sent[1].starts_with("GET http://host.invalid/b?sig=1 HTTP/1.1"), "{}", sent[1]);
}

#[tokio::test]
async fn dropping_a_request_closes_its_connection() {
    let (url, seen) = serve([Step::AnswerAndHang(String::new()), json("{}")]).await;
    let client = http();
    let hung = tokio::spawn({
        let (client, url) = (client.clone(), url.clone());
        async move { client.send(Request::get(url)).await }
    });
    while seen.all().is_empty() {
        tokio::task::yield_now().await;
    }
    hung.abort();
    assert!(hung.await.unwrap_err().is_cancelled());
    // On the old connection the server would stay silent.
    let next = client.send(Request::get(url)).await.unwrap();
    assert_eq!(next.status(), StatusCode::OK);
}

#[test]
fn malformed_settings_are_refused_by_name() {
    for (builder, said) in [
        (Http::builder().user_agent("a\nb"), "`user_agent` must be text that fits a header"),
        (Http::builder().proxy("canary canary"), "`proxy` must be the address of an HTTP proxy"),
        (Http::builder().extra_ca("canary"), "no certificate in the PEM text with root certificates"),
    ] {
        let shown = format!("{builder:?}");
        let error = builder.build().unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Config, said));
        assert!(!format!("{error} {error:?}").contains("canary"));
        assert!(!shown.contains("canary canary"));
    }
}
