use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::{Value, json};
use twinhouse_core::{
    Effect, ErrorKind, Result,
    http::{Body, Http, Link, Method, Request, Transport, Url},
};

use super::{Cassette, Recorder, Replayer, ScriptedTransport};
use crate::Answer;

fn http(transport: impl Transport) -> Http {
    Http::builder().transport(transport).build().unwrap()
}

fn url(path: &str) -> Url {
    format!("https://workspace.example{path}").parse().unwrap()
}

async fn get(http: &Http, path: &str) -> Result<String> {
    let request = Request::get(url(path)).with_authorization("Bearer dapi-canary-1".parse().unwrap());
    Ok(String::from_utf8(http.send(request).await?.into_bytes(1 << 20).await?.to_vec()).unwrap())
}

async fn post(http: &Http, path: &str, body: Body) -> Result<String> {
    let answer = http.send(Request::post(url(path)).with_body(body)).await?;
    Ok(String::from_utf8(answer.into_bytes(1 << 20).await?.to_vec()).unwrap())
}

fn link(statement: &str) -> Value {
    json!({
        "external_links": [{
            "external_link": format!("https://storage.example/{statement}?X-Amz-Signature=canary-2"),
            "http_headers": { "x-amz-server-side-encryption-customer-key": "canary-3" },
            "expiration": (chrono::Utc::now() + chrono::TimeDelta::minutes(15)).to_rfc3339(),
        }],
    })
}

/// A login, a statement whose text repeats the token, and a file behind a presigned link.
async fn work(http: &Http) -> Result<Vec<u8>> {
    let form = [("grant_type", "client_credentials"), ("client_secret", "canary-4")];
    let login: Value = serde_json::from_str(&post(http, "/oidc/v1/token", Body::form(form)).await?).unwrap();
    assert_eq!(login["token_type"], "Bearer");
    let told: Value = serde_json::from_str(&get(http, "/api/2.0/sql/statements/1").await?).unwrap();
    let found = &told["external_links"][0];
    let until = chrono::DateTime::parse_from_rfc3339(found["expiration"].as_str().unwrap()).unwrap();
    assert!(until > chrono::Utc::now() + chrono::TimeDelta::minutes(10), "{until}");
    let statement =
        json!({ "statement": "select 'dapi-canary-1'", "idempotency_token": uuid::Uuid::new_v4().to_string() });
    post(http, "/api/2.0/sql/statements", Body::json(&statement)?).await?;
    let link = Link::new(found["external_link"].as_str().unwrap());
    let file = http.plain().get(&link, Duration::from_secs(60)).await?;
    Ok(file.into_bytes(1 << 20).await?.to_vec())
}

async fn recorded() -> Cassette {
    let server = ScriptedTransport::new();
    server.once(
        "POST",
        "/oidc/v1/token",
        Answer::json(json!({ "access_token": "canary-5-long", "token_type": "Bearer" })),
    );
    server.once("GET", "/api/2.0/sql/statements/1", Answer::json(link("one")).with_header("set-cookie", "canary-6"));
    server.once("POST", "/api/2.0/sql/statements", Answer::json(json!({ "echo": "canary-5-long" })));
    server.once("GET", "/one", Answer::ok(vec![0xff, 0, 1]));
    let recorder = Recorder::new(server.clone());
    assert_eq!(work(&http(recorder.clone())).await.unwrap(), [0xff, 0, 1]);
    server.verify();
    recorder.cassette()
}

#[tokio::test]
async fn a_recording_has_no_secret_and_is_readable_again() {
    let cassette = recorded().await;
    let text = cassette.to_json();
    assert!(!text.contains("canary"), "{text}");
    assert_eq!(cassette.len(), 4);
    let file = std::env::temp_dir().join(format!("{}.json", uuid::Uuid::new_v4()));
    cassette.save(&file).unwrap();
    assert_eq!(Cassette::load(&file).unwrap(), cassette);
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn a_replay_answers_as_it_was_links_and_all_however_late() {
    let mut cassette = recorded().await;
    for exchange in &mut cassette.exchanges {
        // Two days ago, with links that were good for a quarter of an hour.
        exchange.at_ms -= 2 * 24 * 3600 * 1000;
        if let super::cassette::Outcome::Answer { body: super::cassette::Content::Json(json), .. } =
            &mut exchange.outcome
            && let Some(until) = json.pointer_mut("/external_links/0/expiration")
        {
            let then = chrono::Utc::now() - chrono::TimeDelta::days(2);
            *until = (then + chrono::TimeDelta::minutes(15)).to_rfc3339().into();
        }
    }
    for replayer in [Replayer::strict(cassette.clone()), Replayer::loose(cassette)] {
        assert_eq!(work(&http(replayer.clone())).await.unwrap(), [0xff, 0, 1]);
        replayer.verify();
    }
}

#[tokio::test]
async fn a_strict_replay_refuses_what_was_not_asked_so_and_a_loose_one_does_not() {
    let server = ScriptedTransport::new();
    server.once("GET", "/poll", Answer::json(json!({ "state": "PENDING" })));
    server.once("GET", "/poll", Answer::json(json!({ "state": "DONE" })));
    server.once("POST", "/do", Answer::json(json!({})));
    let recorder = Recorder::new(server);
    let recording = http(recorder.clone());
    for _ in 0..2 {
        get(&recording, "/poll?n=1").await.unwrap();
    }
    post(&recording, "/do", Body::json(&json!({ "a": 1, "at": 5 })).unwrap()).await.unwrap();
    let cassette = recorder.cassette();

    let strict = Replayer::strict(cassette.clone()).ignoring(["at"]);
    let replaying = http(strict.clone());
    post(&replaying, "/do", Body::json(&json!({ "a": 1, "at": 6 })).unwrap()).await.unwrap();
    let error = get(&replaying, "/poll?n=2").await.unwrap_err();
    assert_eq!((error.kind(), error.context("differs in")), (ErrorKind::Protocol, Some("query")), "{error}");
    let error = post(&replaying, "/do", Body::json(&json!({ "a": 1 })).unwrap()).await.unwrap_err();
    assert_eq!(error.context("request"), Some("POST /do"), "{error}");
    let complaint = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| strict.verify())).unwrap_err();
    let complaint = complaint.downcast_ref::<String>().unwrap();
    assert!(complaint.contains("GET /poll") && complaint.contains("POST /do"), "{complaint}");

    let strict = http(Replayer::strict(cassette.clone()));
    let error = post(&strict, "/do", Body::json(&json!({ "a": 2, "at": 5 })).unwrap()).await.unwrap_err();
    assert_eq!(error.context("differs in"), Some("body"), "{error}");

    let loose = Replayer::loose(cassette);
    let replaying = http(loose.clone());
    for wanted in ["PENDING", "DONE", "DONE"] {
        assert!(get(&replaying, "/poll").await.unwrap().contains(wanted));
    }
    loose.verify();
    assert_eq!(get(&replaying, "/other").await.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn failures_are_recorded_and_happen_again() {
    let server = ScriptedTransport::new();
    server.always("GET", "/a", Answer::ok("0123456789"));
    server.lose_answer(1, Answer::close()).lose_answer(2, Answer::ok("0123456789").cut_after(4));
    let recorder = Recorder::new(server);
    let direct = http(recorder.clone());
    for _ in 0..3 {
        let _ = get(&direct, "/a").await;
    }
    let replayer = Replayer::strict(recorder.cassette());
    {
        let http = http(replayer.clone());
        let lost = get(&http, "/a").await.unwrap_err();
        assert_eq!((lost.kind(), lost.fault().effect), (ErrorKind::Connection, Effect::Unknown));
        let answer = http.send(Request::get(url("/a"))).await.unwrap();
        let pieces: Vec<Result<Bytes>> = answer.into_stream().collect().await;
        assert_eq!(pieces[0].as_ref().unwrap().as_ref(), b"0123");
        assert_eq!(pieces[1].as_ref().unwrap_err().kind(), ErrorKind::Connection);
        assert_eq!(get(&http, "/a").await.unwrap(), "0123456789");
    }
    replayer.verify();
}

#[tokio::test(start_paused = true)]
async fn an_answer_nobody_waited_for_is_not_given_in_a_replay_either() {
    let server = ScriptedTransport::new();
    server.once("GET", "/slow", Answer::hang());
    let recorder = Recorder::new(server);
    let request = || Request::get(url("/slow")).with_timeout(Duration::from_secs(5));
    assert_eq!(http(recorder.clone()).send(request()).await.unwrap_err().kind(), ErrorKind::Timeout);
    let replayer = Replayer::strict(recorder.cassette());
    assert_eq!(http(replayer).send(request()).await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_disturbed_request_is_done_or_not_as_it_was_planned() {
    let transport = ScriptedTransport::new();
    transport.once("POST", "/do", Answer::ok("first")).once("POST", "/do", Answer::ok("second"));
    transport.turn_away(1, Answer::status(429)).lose_answer(2, Answer::close());
    let http = http(transport.clone());
    let status = http.send(Request::post(url("/do"))).await.unwrap().status();
    assert_eq!(status, 429);
    let lost = post(&http, "/do", Body::empty()).await.unwrap_err();
    assert_eq!(lost.fault().effect, Effect::Unknown);
    assert_eq!(post(&http, "/do", Body::empty()).await.unwrap(), "second");
    transport.verify();
    assert_eq!(transport.count("POST", "/do"), 3);
}

#[tokio::test]
async fn a_body_in_pieces_passes_a_recorder_as_it_is() {
    let transport = ScriptedTransport::new();
    transport.otherwise(|request| Some(Answer::ok(request.body.clone())));
    let http = http(Recorder::new(transport));
    let pieces = || futures::stream::iter([Ok(Bytes::from("ab")), Ok(Bytes::from("cd"))]).boxed();
    let answer = http.send(Request::put(url("/f")).with_body(Body::stream(4, pieces))).await.unwrap();
    assert_eq!(answer.into_bytes(10).await.unwrap().as_ref(), b"abcd");
}

/// What the answers of several services give away, and under which names.
#[tokio::test]
async fn secrets_are_found_whatever_they_are_called_and_whenever_they_are_known() {
    let server = ScriptedTransport::new();
    // Only the next request shows that this is a token, and which.
    server.once("GET", "/token-of-the-runner", Answer::json(json!({ "value": "canary-of-the-runner" })));
    server.once(
        "POST",
        "/exchange",
        Answer::json(json!({ "accessToken": "canary-camel", "clientSecret": "canary-too" })),
    );
    server.once(
        "POST",
        "/link",
        Answer::json(json!({
            "url": "https://storage.example/f?sig=canary-link",
            "headers": [{ "name": "x-key", "value": "canary-header" }, "odd", { "name": "x-none" }],
        })),
    );
    server.once(
        "POST",
        "/links",
        Answer::json(
            json!({ "upload_part_urls": [{ "part_number": 1, "headers": ["odd", 7, null] }], "headers": "odd" }),
        ),
    );
    let recorder = Recorder::new(server);
    let http = http(recorder.clone());
    get(&http, "/token-of-the-runner").await.unwrap();
    post(&http, "/exchange", Body::form([("subject_token", "canary-of-the-runner")])).await.unwrap();
    post(&http, "/link?X-Amz-Signature=canary-query&sig=canary-query", Body::empty()).await.unwrap();
    post(&http, "/links", Body::empty()).await.unwrap();
    let text = recorder.cassette().to_json();
    assert!(!text.contains("canary"), "{text}");
    assert!(text.contains("odd") && text.contains("x-key"), "{text}");
}

/// A load calls its own name a token, and has it in its addresses.
#[tokio::test]
async fn what_only_a_request_calls_a_token_is_found_again_in_its_addresses() {
    let server = ScriptedTransport::new();
    server.otherwise(|_| Some(Answer::json(json!({}))));
    let recorder = Recorder::new(server);
    let replayer = || Replayer::strict(recorder.cassette());
    let work = async |http: Http| {
        get(&http, "/loads/nightly-2026-01-31").await.unwrap();
        let ledger = Body::json(&json!({ "token": "nightly-2026-01-31" })).unwrap();
        http.send(Request::put(url("/loads/nightly-2026-01-31/ledger")).with_body(ledger)).await.unwrap();
        get(&http, "/loads/nightly-2026-01-31/ledger").await.unwrap();
    };
    work(http(recorder.clone())).await;
    let again = replayer();
    work(http(again.clone())).await;
    again.verify();
}

#[tokio::test]
async fn the_length_that_was_announced_is_announced_again() {
    let server = ScriptedTransport::new();
    server.once("GET", "/file", Answer::ok("0123456789"));
    server.once("GET", "/secret", Answer::json(json!({ "token": "a-rather-long-token" })));
    server.once("HEAD", "/file", Answer::ok("0123456789").cut_after(0));
    let recorder = Recorder::new(server);
    let ask = async |http: &Http| {
        let file = http.send(Request::get(url("/file"))).await.unwrap();
        let mut lengths = vec![file.content_length()];
        // As a reader does who counts: the end is not waited for.
        let mut body = file.into_stream();
        assert_eq!(body.next().await.unwrap().unwrap().as_ref(), b"0123456789");
        drop(body);
        let secret = http.send(Request::get(url("/secret"))).await.unwrap();
        let announced = secret.content_length();
        assert_eq!(announced, Some(secret.into_bytes(1 << 20).await.unwrap().len() as u64));
        lengths.push(http.send(Request::new(Method::HEAD, url("/file"))).await.unwrap().content_length());
        lengths
    };
    assert_eq!(ask(&http(recorder.clone())).await, [Some(10), Some(10)]);
    let cassette = recorder.cassette();
    assert_eq!(ask(&http(Replayer::strict(cassette.clone()))).await, [Some(10), Some(10)]);
    // All of it was seen: whoever reads on finds the end, and no break.
    let replayed = http(Replayer::loose(cassette));
    assert_eq!(get(&replayed, "/file").await.unwrap(), "0123456789");
}

#[tokio::test]
async fn calls_that_are_made_side_by_side_are_told_apart_by_what_they_ask() {
    let server = ScriptedTransport::new();
    server.otherwise(|request| Some(Answer::ok(request.target.clone())));
    let recorder = Recorder::new(server);
    let recording = http(recorder.clone());
    let asked = ["/runs?id=1&expire_time=09:00", "/runs?id=2", "/runs?id=1"];
    for path in asked {
        get(&recording, path).await.unwrap();
    }
    let again = ["/runs?id=2", "/runs?expire_time=10:00&id=1", "/runs?id=1"];
    for replayer in [Replayer::strict(recorder.cassette()), Replayer::loose(recorder.cassette())] {
        let replaying = http(replayer.clone());
        for (path, answer) in again.into_iter().zip([asked[1], asked[0], asked[2]]) {
            assert_eq!(get(&replaying, path).await.unwrap(), answer);
        }
        replayer.verify();
    }
}

#[tokio::test]
async fn a_body_that_can_be_read_once_passes_a_recorder_and_is_recorded() {
    let transport = ScriptedTransport::new();
    transport.otherwise(|request| Some(Answer::ok(request.body.clone())));
    let recorder = Recorder::new(transport);
    let once = std::sync::Mutex::new(Some(futures::stream::iter([Ok(Bytes::from("ab")), Ok(Bytes::from("cd"))])));
    let body = Body::stream(4, move || match once.lock().unwrap().take() {
        Some(pieces) => pieces.boxed(),
        None => futures::stream::iter([Err(std::io::Error::other("it was read already"))]).boxed(),
    });
    let answer = http(recorder.clone()).send(Request::put(url("/f")).with_body(body)).await.unwrap();
    assert_eq!(answer.into_bytes(10).await.unwrap().as_ref(), b"abcd");
    assert!(recorder.cassette().to_json().contains("abcd"));
}

#[tokio::test]
async fn a_disturbance_that_nobody_met_is_told() {
    let transport = ScriptedTransport::new();
    transport.always("GET", "/a", Answer::ok("a"));
    transport.turn_away(2, Answer::status(503));
    get(&http(transport.clone()), "/a").await.unwrap();
    let complaint = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| transport.verify())).unwrap_err();
    let complaint = complaint.downcast_ref::<String>().unwrap();
    assert!(complaint.contains("request 2"), "{complaint}");
    get(&http(transport.clone()), "/a").await.unwrap();
    transport.verify();
}
