//! A warehouse on a scripted server, and the answers that scripts are made of.

use std::{
    collections::BTreeMap,
    io::Write as _,
    sync::{Arc, Mutex},
};

use arrow::{
    array::{Array as _, AsArray as _, Int64Array, RecordBatch},
    datatypes::{DataType, Field, Int64Type, Schema},
    ipc::writer::StreamWriter,
};
use lz4_flex::frame::FrameEncoder;
use serde_json::{Value, json};
use twinhouse_core::{config::Env, resilience::Registry};
use twinhouse_databricks::{DatabricksBuilder, DatabricksClient, DatabricksConfig, DatabricksWarehouse};
use twinhouse_testkit::{Answer, Received, ScriptedServer, transport::ScriptedTransport};

pub(crate) const STATEMENTS: &str = "/api/2.0/sql/statements";
pub(crate) const ID: &str = "01ab";
pub(crate) const TOKEN: &str = "dapi-canary-token";
pub(crate) const STAGING: &str = "/Volumes/main/default/staging";

pub(crate) struct Bench {
    pub(crate) server: ScriptedServer,
    pub(crate) warehouse: DatabricksWarehouse,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(more: impl FnOnce(DatabricksBuilder) -> DatabricksBuilder) -> Self {
        let server = ScriptedServer::start().await.unwrap();
        let config = DatabricksConfig::builder()
            .env(Env::empty())
            .host(server.url())
            .token(TOKEN)
            .warehouse_id("wh")
            .catalog("main")
            .schema("default")
            .staging(STAGING)
            .registry(Registry::new());
        let warehouse = DatabricksWarehouse::new(more(config).build().unwrap()).unwrap();
        Self { server, warehouse }
    }

    /// Scripts the answer to a submission, and that its result may be given up.
    pub(crate) fn answers(&self, answer: Value) -> &Self {
        self.server.once("POST", STATEMENTS, Answer::json(answer));
        self.server.always("DELETE", &statement(""), Answer::json(json!({})));
        self
    }

    pub(crate) fn asked(&self, method: &str, path: &str) -> Vec<Received> {
        self.server.requests().into_iter().filter(|r| r.method == method && r.path() == path).collect()
    }

    /// The SQL of every statement that was submitted, in order.
    pub(crate) fn submitted(&self) -> Vec<String> {
        let posts = self.asked("POST", STATEMENTS);
        posts.iter().map(|post| post.json()["statement"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the server was asked this: what happens in tasks of their own is not awaited by anybody else.
    pub(crate) async fn until_asked(&self, method: &str, path: &str) {
        until(&format!("{method} {path}"), || self.server.count(method, path) > 0).await;
    }
}

/// Waits for what happens in a task that nobody awaits, a minute at most: it is there at once, but on a busy machine.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it never came to {what}");
}

/// A client without sockets, and its script. Time may stand still for it: before a socket such a clock runs ahead of
/// what is on its way through the kernel.
pub(crate) fn offline() -> (ScriptedTransport, DatabricksClient) {
    let server = ScriptedTransport::new();
    let builder = DatabricksConfig::builder().env(Env::empty()).host("https://desk.example").token(TOKEN);
    let client = builder.transport(server.clone()).registry(Registry::new()).client().unwrap();
    (server, client)
}

/// The files of a volume, by path.
#[derive(Clone, Default)]
pub(crate) struct Volume(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Volume {
    /// Has the server keep files, except where a line of the script goes before.
    pub(crate) fn on(bench: &Bench) -> Self {
        let volume = Self::default();
        let files = volume.clone();
        bench.server.otherwise(move |request| files.answer(request));
        volume
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }

    pub(crate) fn content(&self, path: &str) -> Vec<u8> {
        self.0.lock().unwrap().get(path).unwrap_or_else(|| panic!("no {path} among {:?}", self.names())).clone()
    }

    pub(crate) fn put(&self, path: &str, content: impl Into<Vec<u8>>) {
        self.0.lock().unwrap().insert(path.to_owned(), content.into());
    }

    fn answer(&self, request: &Received) -> Option<Answer> {
        let mut files = self.0.lock().unwrap();
        let missing = || Answer::json(json!({ "error_code": "NOT_FOUND", "message": "no such file" })).with_status(404);
        if let Some(directory) = request.path().strip_prefix("/api/2.0/fs/directories") {
            let below = files.keys().filter_map(|path| path.strip_prefix(directory)?.strip_prefix('/'));
            let entries: BTreeMap<_, _> =
                below.map(|rest| rest.split_once('/').map_or((rest, false), |(name, _)| (name, true))).collect();
            return Some(match request.method.as_str() {
                "GET" => {
                    let entry = |(name, is_directory): (&str, bool)| json!({ "path": format!("{directory}/{name}"), "is_directory": is_directory });
                    Answer::json(json!({ "contents": entries.into_iter().map(entry).collect::<Vec<_>>() }))
                }
                "DELETE" if !entries.is_empty() => Answer::status(400),
                _ => Answer::status(204),
            });
        }
        let path = request.path().strip_prefix("/api/2.0/fs/files")?;
        Some(match request.method.as_str() {
            "PUT" if request.target.ends_with("overwrite=false") && files.contains_key(path) => {
                Answer::json(json!({ "error_code": "ALREADY_EXISTS", "message": "it is there" })).with_status(409)
            }
            "PUT" => {
                files.insert(path.to_owned(), request.body.clone());
                Answer::status(204)
            }
            "GET" => files.get(path).map_or_else(missing, |content| Answer::ok(content.clone())),
            "DELETE" => files.remove(path).map_or_else(missing, |_| Answer::status(204)),
            _ => return None,
        })
    }
}

/// A path below the statement.
pub(crate) fn statement(rest: &str) -> String {
    format!("{STATEMENTS}/{ID}{rest}")
}

pub(crate) fn state(state: &str) -> Value {
    json!({ "statement_id": ID, "status": { "state": state } })
}

pub(crate) fn failed(message: &str) -> Value {
    let error = json!({ "error_code": "BAD_REQUEST", "message": message });
    json!({ "statement_id": ID, "status": { "state": "FAILED", "error": error } })
}

/// An answer with rows behind links. Columns are `(name, type)`.
pub(crate) fn linked(columns: &[(&str, &str)], rows: u64, chunks: u64, links: Value) -> Value {
    let columns: Vec<_> = columns
        .iter()
        .enumerate()
        .map(|(at, (name, text))| json!({ "name": name, "position": at, "type_text": text, "type_name": text }))
        .collect();
    json!({
        "statement_id": ID,
        "status": { "state": "SUCCEEDED" },
        "manifest": {
            "format": "ARROW_STREAM",
            "schema": { "column_count": columns.len(), "columns": columns },
            "total_chunk_count": chunks,
            "total_row_count": rows,
            "truncated": false,
        },
        "result": { "external_links": links },
    })
}

/// An answer with the counts of a statement that changes rows, in JSON.
pub(crate) fn counted(counts: &[(&str, u64)]) -> Value {
    let names: Vec<_> = counts.iter().map(|(name, _)| (*name, "BIGINT")).collect();
    let row: Vec<_> = counts.iter().map(|(_, count)| count.to_string()).collect();
    in_line(&names, json!([row]))
}

/// An answer with rows in JSON.
pub(crate) fn in_line(columns: &[(&str, &str)], rows: Value) -> Value {
    let mut answer = linked(columns, rows.as_array().unwrap().len() as u64, 1, json!([]));
    answer["manifest"]["format"] = json!("JSON_ARRAY");
    answer["result"] = json!({ "data_array": rows });
    answer
}

pub(crate) fn ddl() -> Value {
    let manifest = json!({ "format": "ARROW_STREAM", "schema": { "column_count": 0 }, "total_chunk_count": 0 });
    json!({ "statement_id": ID, "status": { "state": "SUCCEEDED" }, "manifest": manifest, "result": {} })
}

pub(crate) fn numbers(name: &str, values: impl IntoIterator<Item = i64>) -> RecordBatch {
    let schema = Arc::new(Schema::new(vec![Field::new(name, DataType::Int64, true)]));
    RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from_iter_values(values))]).unwrap()
}

/// A result file as the service writes it: one LZ4 frame for the schema, one for each batch, one for the end.
pub(crate) fn file(batches: &[RecordBatch]) -> Vec<u8> {
    let mut frames = Vec::new();
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    let mut cut = |writer: &mut StreamWriter<Vec<u8>>| {
        let mut frame = FrameEncoder::new(Vec::new());
        frame.write_all(&std::mem::take(writer.get_mut())).unwrap();
        frames.extend(frame.finish().unwrap());
    };
    cut(&mut writer);
    for batch in batches {
        writer.write(batch).unwrap();
        cut(&mut writer);
    }
    writer.finish().unwrap();
    cut(&mut writer);
    frames
}

/// The numbers in the first column.
pub(crate) fn read(batches: &[RecordBatch]) -> Vec<i64> {
    batches
        .iter()
        .flat_map(|batch| {
            let column = batch.column(0).as_primitive::<Int64Type>();
            assert_eq!(column.null_count(), 0);
            column.values().to_vec()
        })
        .collect()
}
