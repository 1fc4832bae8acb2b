use std::{sync::Arc, time::Duration};

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;
use twinhouse_core::Secret;

use super::{
    Access, Warehouses, dbfs, files, login, require_bearer,
    transfers::{self, Transfers},
    unity, warehouses, with_request_ids,
};
use crate::{
    databricks::{
        engine::{Engine, Place, Request},
        quirks::Quirks,
        sql::Parameters,
        statement::Statements,
    },
    faults::{Faults, Front},
};

mod catalog;
mod dbfs_calls;
mod federation;
mod service;
mod transfer;
mod volumes;

const TOKEN: &str = "dapi-correct";
const LIFETIME: Duration = Duration::from_secs(3600);

/// The whole API on a port of its own.
struct Server {
    url: String,
    client: Client,
    engine: Engine,
    access: Access,
    warehouses: Warehouses,
    folder: tempfile::TempDir,
    faults: Faults,
    stop: CancellationToken,
}

impl Server {
    async fn start() -> Self {
        Self::with(Quirks::default()).await
    }

    async fn with(quirks: Quirks) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::open(folder.path()).unwrap();
        let access = Access::new(Secret::new(TOKEN), "principal", Secret::new("se:cr%et"), LIFETIME);
        let warehouses = Warehouses::new("w1");
        let statements = Statements::new(folder.path().join("results")).unwrap();
        let transfers = Transfers::new(engine.clone(), &quirks);
        let inner = files::routes(engine.clone(), transfers.clone())
            .merge(dbfs::routes(engine.clone()))
            .merge(unity::routes(engine.clone(), true, None))
            .merge(warehouses::routes(warehouses.clone(), Arc::new(statements)));
        let storage = transfers::storage_routes(transfers);
        let router = login::routes(access.clone()).merge(storage).merge(require_bearer(inner, access.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (faults, stop) = (Faults::default(), CancellationToken::new());
        let router = with_request_ids(router);
        tokio::spawn(crate::faults::serve(listener, Front::Databricks, router, faults.clone(), stop.clone()));
        let client = crate::testing::client();
        Self { url, client, engine, access, warehouses, folder, faults, stop }
    }

    async fn sql(&self, sql: &str) {
        let request = Request { sql: sql.to_owned(), parameters: Parameters::new(Vec::new()), place: Place::default() };
        self.engine.run(&request).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(TOKEN)
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// The status and the JSON of an answer; nothing is `null`.
    async fn answer(&self, request: RequestBuilder) -> (u16, Value) {
        let response = request.send().await.unwrap();
        assert!(response.headers().contains_key("x-request-id"), "an answer without x-request-id");
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
    }

    async fn json(&self, path: &str) -> Value {
        let (status, json) = self.answer(self.get(path)).await;
        assert_eq!(status, 200, "{path}: {json}");
        json
    }

    /// The status and the code of a refusal.
    async fn refusal(&self, request: RequestBuilder) -> (u16, Value) {
        let (status, json) = self.answer(request).await;
        assert!(json["message"].is_string(), "{json}");
        (status, json["error_code"].clone())
    }

    /// Sends bytes as they are, and reads what comes back until the server closes.
    async fn raw(&self, head: &str) -> String {
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).await.unwrap();
        let head = format!("{head}\r\nHost: sandbox\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
