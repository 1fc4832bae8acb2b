//! The page as a browser and a stranger see it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use twinhouse_core::Secret;

use super::{
    board::{Board, Exhibit, Run, Runs, Shown, State},
    routes::routes,
};
use crate::{
    FaultKind, FaultRule, Faults,
    access::{DatabricksAccess, RedshiftAccess},
};

const TOKEN: &str = "dapi-the-token";
const PASSWORD: &str = "the-password";

#[derive(Debug)]
struct Glass;

#[async_trait::async_trait]
impl Exhibit for Glass {
    async fn tables(&self) -> Vec<(String, &'static str)> {
        vec![("main.default.<script>alert('x')</script>".to_owned(), "Delta table")]
    }

    fn statements(&self) -> Vec<Shown> {
        let began = SystemTime::UNIX_EPOCH;
        vec![Shown {
            sql: "select '</code>&amp;\u{202e}' -- create user u password 'hunter2'".to_owned(),
            state: State::Good,
            word: "SUCCEEDED".to_owned(),
            began,
            ended: Some(began + Duration::from_millis(12)),
        }]
    }
}

impl Runs for Glass {
    fn runs(&self) -> Vec<Run> {
        let began = SystemTime::UNIX_EPOCH;
        let (id, name) = ("42".to_owned(), "\"nightly\" <b>".to_owned());
        vec![Run { id, name, state: State::Bad, word: "FAILED".to_owned(), began, ended: Some(began) }]
    }
}

fn board() -> Board {
    let faults = Faults::default();
    let rule = FaultRule::databricks(FaultKind::Throttled { retry_after: None }).with_sql("<i>").times(2);
    faults.schedule(rule).unwrap();
    let board = Board::new(faults);
    let databricks = DatabricksAccess {
        https_url: "https://127.0.0.1:4".to_owned(),
        ca_file: "/tmp/ca.pem".into(),
        url: "http://127.0.0.1:1".to_owned(),
        https_url: "https://127.0.0.1:3".to_owned(),
        ca_file: "/ca.pem".into(),
        token: Secret::new(TOKEN),
        warehouse_id: "w".to_owned(),
        staging: "/Volumes/main/default/staging".to_owned(),
        client_id: "c".to_owned(),
        client_secret: Secret::new("the-client-secret"),
    };
    board.show_databricks(databricks, Arc::new(Glass));
    let redshift = RedshiftAccess {
        host: "127.0.0.1".to_owned(),
        port: 2,
        user: "awsuser".to_owned(),
        password: Secret::new(PASSWORD),
        database: "dev".to_owned(),
        ca_file: "/ca.pem".into(),
        url: Secret::new(""),
    };
    board.show_redshift(redshift.with_url("s3://bucket/staging"), Arc::new(Glass));
    board.show_runs(Arc::new(Glass));
    board
}

/// Serves the board.
async fn serve(board: &Board) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = routes(board.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn get(url: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = crate::testing::client().get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    if status == 200 {
        assert!(response.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
    (status, response.text().await.unwrap())
}

fn has_secrets(page: &str) -> bool {
    let shown = [TOKEN, PASSWORD].map(|secret| page.contains(secret));
    assert_eq!(shown[0], shown[1], "half of the secrets");
    assert!(!page.contains("the-client-secret"));
    shown[0]
}

#[tokio::test]
async fn what_others_wrote_is_text_and_never_markup() {
    let url = serve(&board()).await;
    let (status, page) = get(&url, &[]).await;
    assert_eq!(status, 200);
    for markup in ["<script", "alert('x')", "</code>&amp;\u{202e}", "<b>", "<i>", "hunter2"] {
        assert!(!page.contains(markup), "{markup}");
    }
    for text in [
        "main.default.&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;",
        "&lt;/code&gt;&amp;amp;\u{fffd}",
        "&quot;nightly&quot; &lt;b&gt;",
        "sql = &quot;&lt;i&gt;&quot;",
        "12 ms",
    ] {
        assert!(page.contains(text), "{text}:\n{page}");
    }
    // No page of ours loads anything.
    assert!(!page.contains("src=") && !page.contains("href=") && !page.contains("url(") && !page.contains("@import"));
}

#[tokio::test]
async fn every_tag_that_is_opened_is_closed() {
    let url = serve(&board()).await;
    let (_, page) = get(&url, &[]).await;
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let name: String = tag.chars().take_while(|c| !matches!(c, '>' | ' ')).collect();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name), "{page}"),
            None if matches!(name.as_str(), "!doctype" | "meta") => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[tokio::test]
async fn secrets_are_for_who_has_the_token_or_opens_the_link_first() {
    let board = board();
    let url = serve(&board).await;
    assert!(!has_secrets(&get(&url, &[]).await.1));
    assert!(!has_secrets(&get(&url, &[("authorization", "Bearer dapi-another")]).await.1));
    assert!(!has_secrets(&get(&url, &[("authorization", TOKEN)]).await.1));
    assert!(has_secrets(&get(&url, &[("authorization", &format!("bearer {TOKEN}"))]).await.1));
    assert!(!has_secrets(&get(&format!("{url}/?once=guessed"), &[]).await.1));
    let link = board.link(&url).unwrap();
    assert!(!has_secrets(&get(&url, &[]).await.1));
    assert!(has_secrets(&get(link.expose(), &[]).await.1));
    assert!(!has_secrets(&get(link.expose(), &[]).await.1), "the link works twice");
    assert!(board.link(&url).is_none());
    assert!(!format!("{board:?}").contains(link.expose()));
}

#[tokio::test]
async fn a_schedule_can_be_sent_by_who_has_the_token() {
    let board = board();
    let url = format!("{}/_sandbox/faults", serve(&board).await);
    let client = crate::testing::client();
    let rule = "[[fault]]\nfront = \"s3\"\nkind = \"credential_expired\"\n";
    let send = async |token: &str, text: &str| {
        let answer = client.post(&url).bearer_auth(token).body(text.to_owned()).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap())
    };
    assert_eq!(send("dapi-another", rule).await.0, 401);
    assert_eq!(board.faults().report().len(), 1);
    let (status, refusal) = send(TOKEN, &rule.replace("s3", "snow")).await;
    assert_eq!((status, &refusal["line"]), (400, &serde_json::json!("2")));
    assert!(refusal["message"].as_str().unwrap().contains("`redshift`"), "{refusal}");
    assert_eq!(send(TOKEN, rule).await, (200, serde_json::json!({ "added": 1 })));
    assert_eq!(client.get(&url).send().await.unwrap().status(), 401);
    let list = client.get(&url).bearer_auth(TOKEN).send().await.unwrap().json::<serde_json::Value>().await.unwrap();
    let armed: Vec<_> = list["faults"].as_array().unwrap().iter().map(|fault| fault["armed"].clone()).collect();
    assert_eq!(armed, [true, true]);
    assert_eq!(list["faults"][1]["rule"], rule);
    client.delete(&url).bearer_auth(TOKEN).send().await.unwrap();
    assert!(board.faults().report().iter().all(|report| !report.armed));
}

#[tokio::test]
async fn a_name_that_was_made_to_lead_here_reads_nothing() {
    let board = board();
    let url = serve(&board).await;
    for host in ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", ""] {
        assert_eq!(get(&url, &[("host", host)]).await.0, 403, "{host}");
    }
    for host in ["localhost:8080", "127.0.0.1", "[::1]:9"] {
        assert_eq!(get(&url, &[("host", host)]).await.0, 200, "{host}");
    }
    let token = format!("Bearer {TOKEN}");
    assert!(has_secrets(&get(&url, &[("host", "sandbox:8080"), ("authorization", &token)]).await.1));
}
