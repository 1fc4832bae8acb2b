//! The faults as a client meets them.

use std::{error::Error as _, io, net::SocketAddr};

use axum::{extract::Path, routing};

use super::*;
use crate::FaultRule;

const BODY: &str = "0123456789abcdef0123456789abcdef";

struct Server {
    address: SocketAddr,
    faults: Faults,
    stop: CancellationToken,
    client: reqwest::Client,
}

impl Server {
    async fn start(front: Front) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, faults, stop) = (listener.local_addr().unwrap(), Faults::default(), CancellationToken::new());
        let router = Router::new()
            .route("/", routing::post(async || "done"))
            .route("/links/{what}", routing::get(async || BODY))
            .route("/api/{what}", routing::get(answer))
            .route("/api/2.0/sql/statements", routing::post(async |body: String| body));
        tokio::spawn(serve(listener, front, router, faults.clone(), stop.clone()));
        let client = crate::testing::client();
        Self { address, faults, stop, client }
    }

    async fn get(&self) -> reqwest::Result<reqwest::Response> {
        self.client.get(format!("http://{}/api/it", self.address)).send().await
    }
}

/// Says who came, unless it was the one.
async fn answer(Path(what): Path<String>, headers: http::HeaderMap) -> Response {
    match headers.get(header::AUTHORIZATION) {
        Some(token) if token == "Bearer revoked" => StatusCode::FORBIDDEN.into_response(),
        _ => format!("{what} {BODY}").into_response(),
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn a_throttled_call_is_answered_in_the_words_of_the_service() {
    let server = Server::start(Front::Databricks).await;
    let wait = Some(Duration::from_millis(1500));
    server.faults.schedule(FaultRule::databricks(FaultKind::Throttled { retry_after: wait })).unwrap();
    let response = server.get().await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "2");
    assert_eq!(response.json::<serde_json::Value>().await.unwrap()["error_code"], "REQUEST_LIMIT_EXCEEDED");
    assert_eq!(server.get().await.unwrap().status(), 200);
}

#[tokio::test]
async fn s3_and_links_are_answered_in_xml() {
    let server = Server::start(Front::S3).await;
    server.faults.schedule(FaultRule::s3(FaultKind::Throttled { retry_after: None })).unwrap();
    let response = server.get().await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(!response.headers().contains_key("retry-after"));
    assert!(response.text().await.unwrap().contains("<Code>SlowDown</Code>"));
}

#[tokio::test]
async fn a_reset_connection_brings_no_answer_at_all() {
    let server = Server::start(Front::Databricks).await;
    for when in [When::Before, When::After] {
        server.faults.schedule(FaultRule::databricks(FaultKind::Reset { when })).unwrap();
        let error = server.get().await.unwrap_err();
        assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionReset), "{error:?}");
        assert_eq!(server.get().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_truncated_body_has_a_good_head_and_no_good_end() {
    let server = Server::start(Front::Databricks).await;
    server.faults.schedule(FaultRule::databricks(FaultKind::Truncated)).unwrap();
    let response = server.get().await.unwrap();
    assert_eq!((response.status().as_u16(), response.content_length()), (200, Some(35)));
    let mut body = response.bytes_stream();
    let mut received = 0;
    let end = loop {
        match body.next().await {
            Some(Ok(chunk)) => received += chunk.len(),
            Some(Err(error)) => break Err(error),
            None => break Ok(()),
        }
    };
    assert!(end.is_err());
    assert_eq!(received, 17);
}

#[tokio::test]
async fn a_slow_body_is_whole() {
    let server = Server::start(Front::Databricks).await;
    let slow = FaultKind::Slow { pause: Duration::from_millis(1) };
    let scheduled = server.faults.schedule(FaultRule::databricks(slow)).unwrap();
    assert_eq!(server.get().await.unwrap().text().await.unwrap(), format!("it {BODY}"));
    assert_eq!(scheduled.fired(), 1);
}

#[tokio::test]
async fn a_connection_that_died_idle_is_noticed_at_its_next_use() {
    let server = Server::start(Front::Databricks).await;
    server.faults.schedule(FaultRule::databricks(FaultKind::DropIdle)).unwrap();
    assert_eq!(server.get().await.unwrap().text().await.unwrap(), format!("it {BODY}"));
    let error = server.get().await.unwrap_err();
    assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionReset), "{error:?}");
}

#[tokio::test]
async fn a_rule_with_sql_reads_the_statement_and_hands_on_the_whole_body() {
    let server = Server::start(Front::Databricks).await;
    let kind = FaultKind::Unavailable { when: When::After, retry_after: None };
    let scheduled = server.faults.schedule(FaultRule::databricks(kind).with_sql("MERGE").on_call(2)).unwrap();
    let submit = async |sql: &str| {
        let url = format!("http://{}/api/2.0/sql/statements", server.address);
        let body = serde_json::json!({ "statement": sql, "warehouse_id": "w" }).to_string();
        let response = server.client.post(url).body(body.clone()).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.text().await.unwrap() == body)
    };
    assert_eq!(submit("MERGE INTO t").await, (200, true));
    assert_eq!(submit("SELECT 1").await, (200, true));
    assert_eq!(submit("MERGE INTO t").await, (503, false));
    assert_eq!(scheduled.fired(), 1);
}

#[tokio::test]
async fn a_full_disk_takes_the_upload_in_and_refuses_it() {
    let server = Server::start(Front::Databricks).await;
    server.faults.schedule(FaultRule::databricks(FaultKind::DiskFull).with_method("POST")).unwrap();
    let url = format!("http://{}/api/2.0/sql/statements", server.address);
    let response = server.client.post(url).body(vec![7u8; 1 << 20]).send().await.unwrap();
    assert_eq!(response.status(), 507);
}

#[tokio::test]
async fn a_wrong_length_promises_more_than_comes_and_the_connection_ends_in_order() {
    let server = Server::start(Front::Databricks).await;
    server.faults.schedule(FaultRule::databricks(FaultKind::WrongLength)).unwrap();
    let response = server.get().await.unwrap();
    assert_eq!((response.status().as_u16(), response.content_length()), (200, Some(70)));
    let mut body = response.bytes_stream();
    let mut received = 0;
    let error = loop {
        match body.next().await {
            Some(Ok(chunk)) => received += chunk.len(),
            Some(Err(error)) => break error,
            None => panic!("a good end"),
        }
    };
    assert_eq!(received, 35);
    assert_ne!(io_kind(&error), Some(io::ErrorKind::ConnectionReset), "{error:?}");
    assert_eq!(server.get().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_cut_file_comes_in_a_whole_answer() {
    let server = Server::start(Front::Databricks).await;
    let scheduled = server.faults.schedule(FaultRule::databricks(FaultKind::TruncatedArrow)).unwrap();
    // Not a file behind a link: not counted.
    assert_eq!(server.get().await.unwrap().text().await.unwrap().len(), 35);
    let file = async || {
        let response = server.client.get(format!("http://{}/links/1", server.address)).send().await.unwrap();
        response.text().await.unwrap()
    };
    assert_eq!(file().await, BODY[..BODY.len() / 2]);
    assert_eq!(file().await, BODY);
    assert_eq!(scheduled.fired(), 1);
}

#[tokio::test]
async fn a_revoked_token_is_refused_until_the_schedule_is_cleared_and_others_are_not() {
    let server = Server::start(Front::Databricks).await;
    server.faults.schedule(FaultRule::databricks(FaultKind::TokenRevoked).on_call(2)).unwrap();
    let ask = async |token: &str| {
        let request = server.client.get(format!("http://{}/api/it", server.address)).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!([ask("one").await, ask("one").await, ask("other").await, ask("one").await], [200, 403, 200, 403]);
    server.faults.clear();
    assert_eq!(ask("one").await, 200);
}

#[tokio::test]
async fn credentials_that_ran_out_are_refused_in_the_words_of_each_service() {
    for (front, target, words) in [
        (Front::S3, None, "<Code>ExpiredToken</Code>"),
        (Front::Aws, Some("RedshiftData.ListStatements"), "ExpiredTokenException"),
        (Front::Aws, None, "<Code>ExpiredToken</Code>"),
    ] {
        let server = Server::start(front).await;
        server.faults.schedule(FaultRule::new(front, FaultKind::CredentialExpired)).unwrap();
        let mut request = server.client.post(format!("http://{}/", server.address)).body(vec![7u8; 1 << 20]);
        if let Some(target) = target {
            request = request.header("x-amz-target", target);
        }
        let response = request.send().await.unwrap();
        assert!(response.status().is_client_error());
        assert!(response.text().await.unwrap().contains(words), "{front}");
    }
}

#[tokio::test]
async fn on_aws_the_path_of_a_rule_is_the_operation() {
    let server = Server::start(Front::Aws).await;
    let rule = FaultRule::aws(FaultKind::Throttled { retry_after: None }).with_path("RedshiftData.Execute").always();
    server.faults.schedule(rule).unwrap();
    let ask = async |target: &str| {
        let url = format!("http://{}/", server.address);
        server.client.post(url).header("x-amz-target", target).send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask("RedshiftData.DescribeStatement").await, 200);
    assert_eq!(ask("RedshiftData.ExecuteStatement").await, 400);

    let rule = FaultRule::aws(FaultKind::Throttled { retry_after: None }).with_path("GetClusterCredentials").always();
    server.faults.schedule(rule).unwrap();
    let form = async |body: &'static str| {
        let request = server.client.post(format!("http://{}/", server.address)).body(body);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(form("Action=DescribeClusters&Version=2012-12-01").await, 200);
    assert_eq!(form("Version=2012-12-01&Action=GetClusterCredentials").await, 400);
}

fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        source = error.source();
    }
    None
}
