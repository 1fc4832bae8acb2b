use std::{io::Read as _, net::TcpListener, sync::Arc, time::Duration};

use arrow::{array::RecordBatch, ipc::reader::StreamReader};
use lz4_flex::frame::FrameDecoder;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::*;
use crate::testing::client;

mod access;
mod cancel;
mod files;
mod jobs;
mod results;

const TOKEN: &str = "dapi-for-tests";

/// A workspace and a client of it.
struct World {
    front: Front,
    client: reqwest::Client,
    folder: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        Self::with(|config| config).await
    }

    async fn with_quirks(quirks: Quirks) -> Self {
        Self::with(|config| config.with_quirks(quirks)).await
    }

    async fn with(change: impl FnOnce(FrontConfig) -> FrontConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = FrontConfig::new(TcpListener::bind("127.0.0.1:0").unwrap(), folder.path(), Secret::new(TOKEN));
        let front = Front::start(change(config)).await.unwrap();
        Self { front, client: client(), folder }
    }

    fn call(&self, method: &str, path: &str) -> RequestBuilder {
        let method = method.parse().unwrap();
        self.client.request(method, format!("{}{path}", self.front.url())).bearer_auth(TOKEN)
    }

    async fn json(&self, method: &str, path: &str) -> (StatusCode, Value) {
        parsed(self.call(method, path).send().await.unwrap()).await
    }

    async fn submit(&self, sql: &str, more: Value) -> (StatusCode, Value) {
        let mut body = json!({ "statement": sql, "warehouse_id": self.front.warehouse_id(), "wait_timeout": "50s" });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        parsed(self.call("POST", "/api/2.0/sql/statements").json(&body).send().await.unwrap()).await
    }

    /// A statement that must succeed.
    async fn run(&self, sql: &str, more: Value) -> Value {
        let (status, reply) = self.submit(sql, more).await;
        assert_eq!((status, &reply["status"]["state"]), (StatusCode::OK, &json!("SUCCEEDED")), "{sql}: {reply}");
        reply
    }

    /// The rows of an inline result, all chunks of it.
    async fn rows(&self, sql: &str) -> Value {
        let reply = self.run(sql, json!({})).await;
        let mut rows = Vec::new();
        let mut result = reply["result"].clone();
        loop {
            rows.extend(result["data_array"].as_array().cloned().unwrap_or_default());
            let Some(next) = result["next_chunk_internal_link"].as_str().map(str::to_owned) else { break };
            result = self.json("GET", &next).await.1;
        }
        json!(rows)
    }

    async fn get_link(&self, link: &Value) -> Response {
        self.client.get(link["external_link"].as_str().unwrap()).send().await.unwrap()
    }
}

async fn parsed(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: {text}")))
}

fn links() -> Value {
    json!({ "disposition": "EXTERNAL_LINKS", "format": "ARROW_STREAM", "result_compression": "LZ4_FRAME" })
}

/// Every frame of a file, one after the other.
fn inflate(file: &[u8]) -> Vec<u8> {
    let (mut rest, mut all) = (file, Vec::new());
    while !rest.is_empty() {
        FrameDecoder::new(&mut rest).read_to_end(&mut all).unwrap();
    }
    all
}

fn batches(stream: &[u8]) -> Vec<RecordBatch> {
    StreamReader::try_new(stream, None).unwrap().map(Result::unwrap).collect()
}

/// A number that may come as text or not at all.
fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}
