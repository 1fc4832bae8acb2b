//! A workspace with a volume, and the storage behind it, on one scripted server.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use serde_json::{Value, json};
use twinhouse_core::{config::Env, resilience::Registry};
use twinhouse_databricks::{DatabricksBuilder, DatabricksClient, files::Files};
use twinhouse_testkit::{Answer, Received, ScriptedServer};

use crate::bench::until;

pub(crate) const TOKEN: &str = "dapi-canary-token";
pub(crate) const FILE: &str = "/Volumes/main/default/v/d/a b.bin";
/// The same in an address.
pub(crate) const CALL: &str = "/api/2.0/fs/files/Volumes/main/default/v/d/a%20b.bin";
pub(crate) const PART_LINKS: &str = "/api/2.0/fs/create-upload-part-urls";
pub(crate) const ABORT_LINK: &str = "/api/2.0/fs/create-abort-upload-url";
pub(crate) const DOWNLOAD_LINK: &str = "/api/2.0/fs/create-download-url";
pub(crate) const RESUMABLE_LINK: &str = "/api/2.0/fs/create-resumable-upload-url";
pub(crate) const EXPIRED_AWS: &str =
    "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
pub(crate) const EXPIRED_AZURE: &str = "<Error><Code>AuthenticationFailed</Code><AuthenticationErrorDetail>\
     Signature not valid in the specified time frame: Start</AuthenticationErrorDetail></Error>";

pub(crate) struct World {
    pub(crate) server: ScriptedServer,
    pub(crate) client: DatabricksClient,
    pub(crate) store: Store,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(more: impl FnOnce(DatabricksBuilder) -> DatabricksBuilder) -> Self {
        let server = ScriptedServer::start().await.unwrap();
        let store = Store::default();
        let (answers, base) = (store.clone(), server.url());
        server.otherwise(move |request| answers.answer(&base, request));
        let client = client_of(&server.url(), more);
        Self { server, client, store }
    }

    pub(crate) fn files(&self) -> Files {
        self.client.files()
    }

    pub(crate) fn asked(&self, method: &str, path: &str) -> Vec<Received> {
        self.server.requests().into_iter().filter(|r| r.method == method && r.path() == path).collect()
    }

    /// Everything that went to the storage and not to the workspace.
    pub(crate) fn stored(&self) -> Vec<Received> {
        self.server.requests().into_iter().filter(|r| r.path().starts_with("/storage/")).collect()
    }

    /// Waits for what happens in a task of its own.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        until(what, || holds(self)).await;
    }
}

pub(crate) fn client_of(url: &str, more: impl FnOnce(DatabricksBuilder) -> DatabricksBuilder) -> DatabricksClient {
    let builder = DatabricksClient::builder().env(Env::empty()).host(url).token(TOKEN).registry(Registry::new());
    more(builder.rate_limit(1e6)).client().unwrap()
}

/// Bytes that differ from place to place.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        })
        .collect()
}

pub(crate) fn refusal(status: u16, code: &str, reason: &str) -> Answer {
    let info = json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "x" });
    Answer::json(json!({ "error_code": code, "message": "no", "details": [info] })).with_status(status)
}

/// A volume that takes files whole, in parts and in pieces. Lines of the script go before.
#[derive(Clone, Default)]
pub(crate) struct Store(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    files: BTreeMap<String, Vec<u8>>,
    parts: BTreeMap<u64, Vec<u8>>,
    /// Of a resumable upload.
    received: Vec<u8>,
    /// How many bytes of each piece are kept.
    keeps: Option<usize>,
    links: u64,
    aborted: u64,
}

impl Store {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub(crate) fn file(&self, path: &str) -> Option<Vec<u8>> {
        self.lock().files.get(path).cloned()
    }

    pub(crate) fn put(&self, path: &str, content: impl Into<Vec<u8>>) {
        self.lock().files.insert(path.to_owned(), content.into());
    }

    pub(crate) fn part_lengths(&self) -> Vec<usize> {
        self.lock().parts.values().map(Vec::len).collect()
    }

    pub(crate) fn part_bytes(&self) -> usize {
        self.part_lengths().iter().sum()
    }

    pub(crate) fn aborted(&self) -> u64 {
        self.lock().aborted
    }

    /// The storage forgets what of a piece is beyond this.
    pub(crate) fn keep_of_each_piece(&self, bytes: usize) {
        self.lock().keeps = Some(bytes);
    }

    pub(crate) fn answer(&self, base: &str, request: &Received) -> Option<Answer> {
        let body = request.json();
        let query = request.target.split_once('?').map_or("", |(_, query)| query);
        let mut inner = self.lock();
        let path = request.path().to_owned();
        if let Some(encoded) = path.strip_prefix("/api/2.0/fs/files") {
            let file = encoded.replace("%20", " ");
            return Some(match request.method.as_str() {
                "POST" if query.contains("action=initiate-upload") => {
                    Answer::json(json!({ "multipart_upload": { "session_token": "canary-session" } }))
                        .with_header("date", "Wed, 21 Oct 2026 07:28:00 GMT")
                }
                "POST" if query.contains("action=complete-upload") => {
                    let named: Vec<_> = body["parts"].as_array().cloned().unwrap_or_default();
                    let whole: Vec<u8> = inner.parts.values().flatten().copied().collect();
                    let etags: Vec<_> =
                        named.iter().map(|part| part["etag"].as_str().unwrap_or("").to_owned()).collect();
                    let known: Vec<_> = inner.parts.keys().map(|part| format!("\"etag-{part}\"")).collect();
                    if etags != known {
                        return Some(refusal(400, "INVALID_PARAMETER_VALUE", "FILES_API_INVALID_UPLOAD_PARTS"));
                    }
                    inner.files.insert(file, whole);
                    Answer::json(json!({}))
                }
                "PUT" if query.contains("overwrite=false") && inner.files.contains_key(&file) => {
                    refusal(409, "ALREADY_EXISTS", "FILES_API_FILE_ALREADY_EXISTS")
                }
                "PUT" => {
                    inner.files.insert(file, request.body.clone());
                    Answer::status(204)
                }
                "GET" => match inner.files.get(&file) {
                    Some(content) => ranged(content, request),
                    None => refusal(404, "NOT_FOUND", "FILES_API_RESOURCE_NOT_FOUND"),
                },
                "HEAD" => match inner.files.get(&file) {
                    // The length of a body that is not sent.
                    Some(content) => Answer::ok(content.clone())
                        .cut_after(0)
                        .with_header("last-modified", "Wed, 21 Oct 2026 07:28:01 GMT"),
                    None => Answer::status(404),
                },
                _ => return None,
            });
        }
        let link = |path: String| {
            json!({
                "url": format!("{base}{path}?X-Amz-Signature=canary-signature"),
                "headers": [{ "name": "x-needed", "value": "canary-header" }],
            })
        };
        Some(match (request.method.as_str(), request.path()) {
            ("POST", PART_LINKS) => {
                let start = body["start_part_number"].as_u64()?;
                inner.links += 1;
                let (count, round) = (body["count"].as_u64()?, inner.links);
                // In no order that a client could rely on.
                let links: Vec<Value> = (start..start + count)
                    .rev()
                    .map(|part| {
                        let mut link = link(format!("/storage/{round}/{part}"));
                        link["part_number"] = json!(part);
                        link
                    })
                    .collect();
                Answer::json(json!({ "upload_part_urls": links }))
            }
            ("POST", ABORT_LINK) => Answer::json(json!({ "abort_upload_url": link("/storage/abort".to_owned()) })),
            ("POST", RESUMABLE_LINK) => {
                Answer::json(json!({ "resumable_upload_url": link("/storage/resumable".to_owned()) }))
            }
            ("POST", DOWNLOAD_LINK) if !query.contains("a+b.bin") => {
                refusal(404, "NOT_FOUND", "FILES_API_RESOURCE_NOT_FOUND")
            }
            ("POST", DOWNLOAD_LINK) => Answer::json(link("/storage/file".to_owned())),
            ("DELETE", "/storage/abort" | "/storage/resumable") => {
                inner.aborted += 1;
                inner.parts.clear();
                Answer::status(204)
            }
            ("PUT", "/storage/resumable") => inner.piece(request),
            ("PUT", path) => {
                let part: u64 = path.strip_prefix("/storage/")?.split_once('/')?.1.parse().ok()?;
                inner.parts.insert(part, request.body.clone());
                Answer::status(200).with_header("etag", format!("\"etag-{part}\""))
            }
            ("GET", "/storage/file") => ranged(inner.files.get(FILE)?, request),
            _ => return None,
        })
    }
}

impl Inner {
    fn piece(&mut self, request: &Received) -> Answer {
        let range = request.header("content-range").unwrap_or_default();
        let (range, total) = range.strip_prefix("bytes ").unwrap().split_once('/').unwrap();
        if let Some((first, last)) = range.split_once('-') {
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            assert_eq!((first, last + 1 - first), (self.received.len(), request.body.len()), "{range}");
            let keep = self.keeps.unwrap_or(usize::MAX).min(request.body.len());
            self.received.extend_from_slice(&request.body[..keep]);
        }
        if total.parse() == Ok(self.received.len()) {
            self.files.insert(FILE.to_owned(), self.received.clone());
            return Answer::status(200);
        }
        match self.received.len() {
            0 => Answer::status(308),
            received => Answer::status(308).with_header("range", format!("bytes=0-{}", received - 1)),
        }
    }
}

/// A file or the part of it that is asked for, as the storage answers.
pub(crate) fn ranged(content: &[u8], request: &Received) -> Answer {
    let answer = match request.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) {
        None => Answer::ok(content),
        Some((first, last)) => {
            let first: usize = first.parse().unwrap();
            let last = last.parse().unwrap_or(usize::MAX).min(content.len() - 1);
            if first >= content.len() {
                return Answer::status(416);
            }
            let range = format!("bytes {first}-{last}/{}", content.len());
            Answer::ok(&content[first..=last]).with_status(206).with_header("content-range", range)
        }
    };
    answer.with_header("last-modified", MODIFIED).with_header("etag", "\"v1\"")
}

pub(crate) const MODIFIED: &str = "Wed, 21 Oct 2026 07:28:00 GMT";
