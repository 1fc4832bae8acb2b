//! The workspace's calls around links: to begin, to get them, to complete.

use std::{
    fs,
    io::{Seek as _, SeekFrom},
    time::SystemTime,
};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::{Kind, Transfers, no_upload};
use crate::databricks::{
    api::{
        files::{blocking, in_the_way, is_absent, local, not_found, path_of_file, place, volume_path},
        login::Base,
        reply::{ApiError, ApiResult, Query, body_of},
    },
    engine::VolumePath,
};

/// What an object store wants of every part but the last.
const SMALLEST_PART: u64 = 5 << 20;
/// The most parts of one file.
const MOST_PARTS: u64 = 10_000;
/// What stays as it is in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// The calls of the workspace; `POST` to a file is merged with the other methods.
pub(crate) fn routes(transfers: Transfers) -> Router {
    Router::new()
        .route("/api/2.0/fs/files/{*path}", post(upload))
        .route("/api/2.0/fs/create-upload-part-urls", post(part_links))
        .route("/api/2.0/fs/create-resumable-upload-url", post(resumable_link))
        .route("/api/2.0/fs/create-abort-upload-url", post(abort_link))
        .route("/api/2.0/fs/create-download-url", post(download_link))
        .with_state(transfers)
}

async fn upload(State(transfers): State<Transfers>, uri: Uri, query: Query, body: Bytes) -> ApiResult<Response> {
    match query.required("action")? {
        "initiate-upload" => initiate(transfers, &uri, &query).await,
        "complete-upload" => complete(transfers, &uri, &query, &body).await,
        other => Err(ApiError::not_implemented(format_args!("the action {other} on a file"))),
    }
}

async fn initiate(transfers: Transfers, uri: &Uri, query: &Query) -> ApiResult<Response> {
    let path = path_of_file(uri)?;
    let overwrite = query.flag("overwrite")?;
    let (engine, wanted) = (transfers.0.engine.clone(), path.clone());
    blocking(move || match fs::symlink_metadata(local(&engine, &wanted)?) {
        Ok(meta) if meta.is_dir() => Err(in_the_way(&wanted, "it is a directory")),
        Ok(_) if !overwrite => Err(in_the_way(&wanted, "send overwrite=true to replace it")),
        Ok(_) => Ok(()),
        Err(error) if is_absent(&error) => Ok(()),
        Err(error) => Err(error.into()),
    })
    .await?;
    let kind = if transfers.0.resumable { "resumable_upload" } else { "multipart_upload" };
    let token = transfers.begin(path, overwrite);
    Ok(Json(json!({ kind: { "session_token": token } })).into_response())
}

#[derive(Deserialize)]
struct Ask {
    path: String,
    session_token: String,
    #[serde(default)]
    start_part_number: u64,
    #[serde(default)]
    count: u64,
    expire_time: Option<String>,
}

impl Ask {
    fn path(&self) -> ApiResult<VolumePath> {
        parse(&self.path)
    }
}

fn parse(path: &str) -> ApiResult<VolumePath> {
    let bad = || ApiError::invalid(format!("Invalid path: '{path}' is not /Volumes/<catalog>/<schema>/<volume>/…"));
    let encoded = utf8_percent_encode(path, PATH).to_string();
    let uri = encoded.parse::<Uri>().map_err(|_| bad())?;
    let path = volume_path(&uri, "")?;
    if path.parts.is_empty() { Err(bad()) } else { Ok(path) }
}

async fn part_links(State(transfers): State<Transfers>, Base(base): Base, body: Bytes) -> ApiResult<Json<Value>> {
    let ask: Ask = body_of(&body)?;
    let until = transfers.until(ask.expire_time.as_deref())?;
    let last = ask.start_part_number.saturating_add(ask.count);
    if ask.start_part_number == 0 || ask.count == 0 || last > MOST_PARTS + 1 {
        return Err(ApiError::invalid("start_part_number and count must name parts from 1 to 10000"));
    }
    transfers.with(&ask.session_token, &ask.path()?, |upload| match upload.kind {
        Kind::Parts(_) => Ok(()),
        Kind::Pieces(_) => Err(ApiError::invalid("The upload is resumable and has no parts")),
    })?;
    let links: Vec<Value> = (ask.start_part_number..last)
        .map(|part| {
            let path = format!("/storage/parts/{}/{part}", ask.session_token);
            let url = transfers.0.signer.sign(&base, "PUT", &path, until);
            json!({ "part_number": part, "url": url, "headers": [] })
        })
        .collect();
    Ok(Json(json!({ "upload_part_urls": links })))
}

async fn resumable_link(State(transfers): State<Transfers>, Base(base): Base, body: Bytes) -> ApiResult<Json<Value>> {
    // One link for all its methods, as the store that has such uploads gives it.
    let link = transfers.link(&base, &body, "ANY", "pieces", |kind| match kind {
        Kind::Pieces(_) => Ok(()),
        Kind::Parts(_) => Err(ApiError::invalid("The upload is one in parts and not resumable")),
    })?;
    Ok(Json(json!({ "resumable_upload_url": link })))
}

async fn abort_link(State(transfers): State<Transfers>, Base(base): Base, body: Bytes) -> ApiResult<Json<Value>> {
    let link = transfers.link(&base, &body, "DELETE", "parts", |_| Ok(()))?;
    Ok(Json(json!({ "abort_upload_url": link })))
}

/// What is asked for may stand in the query, as one client sends it, or in the body.
async fn download_link(
    State(transfers): State<Transfers>,
    Base(base): Base,
    query: Query,
    body: Bytes,
) -> ApiResult<Json<Value>> {
    #[derive(Default, Deserialize)]
    struct Download {
        path: Option<String>,
        expire_time: Option<String>,
    }
    let said: Download = body_of(&body)?;
    let path = match (query.text("path"), &said.path) {
        (Some(path), _) => parse(path)?,
        (None, Some(path)) => parse(path)?,
        (None, None) => return Err(ApiError::invalid("Missing required field: path")),
    };
    let until = transfers.until(query.text("expire_time").or(said.expire_time.as_deref()))?;
    let (engine, wanted) = (transfers.0.engine.clone(), path.clone());
    blocking(move || match fs::metadata(local(&engine, &wanted)?) {
        Ok(meta) if meta.is_file() => Ok(()),
        Ok(_) => Err(not_found(&wanted)),
        Err(error) if is_absent(&error) => Err(not_found(&wanted)),
        Err(error) => Err(error.into()),
    })
    .await?;
    let path = format!("/storage/files{}", utf8_percent_encode(&path.text(), PATH));
    let url = transfers.0.signer.sign(&base, "GET", &path, until);
    Ok(Json(json!({ "url": url, "headers": [] })))
}

#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    parts: Vec<CompletedPart>,
}

#[derive(Deserialize)]
struct CompletedPart {
    part_number: u64,
    etag: String,
}

async fn complete(transfers: Transfers, uri: &Uri, query: &Query, body: &Bytes) -> ApiResult<Response> {
    let path = path_of_file(uri)?;
    let token = query.required("session_token")?.to_owned();
    if query.required("upload_type")? != "multipart" {
        return Err(ApiError::invalid("Only an upload of the type multipart is completed by a call"));
    }
    let named: Completion = body_of(body)?;
    // Taken out: two completions at once must not put the same parts together.
    let upload = {
        let mut uploads = transfers.uploads();
        match uploads.remove(&token) {
            Some(upload) if upload.path == path => upload,
            Some(other) => {
                uploads.insert(token, other);
                return Err(no_upload());
            }
            None => return Err(no_upload()),
        }
    };
    let engine = transfers.0.engine.clone();
    let (upload, done) = blocking(move || {
        let done = check(&upload.kind, &named).and_then(|()| {
            let mut whole = NamedTempFile::new_in(engine.uploads()?)?;
            if let Kind::Parts(parts) = &upload.kind {
                for part in named.parts.iter().filter_map(|named| parts.get(&named.part_number)) {
                    let mut from = part.file.reopen()?;
                    from.seek(SeekFrom::Start(0))?;
                    std::io::copy(&mut from, whole.as_file_mut())?;
                }
            }
            place(&engine, &upload.path, whole, upload.overwrite)
        });
        Ok((upload, done))
    })
    .await?;
    if let Err(error) = done {
        // It may be completed with other words, or given up.
        transfers.uploads().insert(token, upload);
        return Err(error);
    }
    Ok(Json(json!({})).into_response())
}

/// The parts must be there as they are named, in order, and not too small.
fn check(kind: &Kind, named: &Completion) -> ApiResult<()> {
    let bad = |message: String| ApiError::new(StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE", message);
    let Kind::Parts(parts) = kind else {
        return Err(bad("The upload is resumable: it is complete with its last byte".to_owned()));
    };
    if named.parts.is_empty() {
        return Err(bad("parts must name at least one part".to_owned()));
    }
    let mut before = 0;
    for (at, part) in named.parts.iter().enumerate() {
        if part.part_number <= before {
            return Err(bad("InvalidPartOrder: the parts are not in ascending order".to_owned()));
        }
        before = part.part_number;
        let is = |found: &&super::Part| found.etag.trim_matches('"') == part.etag.trim_matches('"');
        let Some(found) = parts.get(&part.part_number).filter(is) else {
            return Err(bad(format!("InvalidPart: part {} was not uploaded with that etag", part.part_number)));
        };
        if at + 1 < named.parts.len() && found.size < SMALLEST_PART {
            return Err(bad(format!("EntityTooSmall: part {} has less than 5 MiB", part.part_number)));
        }
    }
    Ok(())
}

impl Transfers {
    /// A link to the whole of an upload that was begun, if it is of the right kind.
    fn link(
        &self,
        base: &str,
        body: &Bytes,
        method: &str,
        folder: &str,
        check: impl FnOnce(&Kind) -> ApiResult<()>,
    ) -> ApiResult<Value> {
        let ask: Ask = body_of(body)?;
        let until = self.until(ask.expire_time.as_deref())?;
        self.with(&ask.session_token, &ask.path()?, |upload| check(&upload.kind))?;
        let path = format!("/storage/{folder}/{}", ask.session_token);
        Ok(json!({ "url": self.0.signer.sign(base, method, &path, until), "headers": [] }))
    }

    /// When a link dies: when the caller says, and not later than links do here.
    fn until(&self, wish: Option<&str>) -> ApiResult<SystemTime> {
        let latest = SystemTime::now() + self.0.link_lifetime;
        let Some(wish) = wish else { return Ok(latest) };
        let wish = DateTime::parse_from_rfc3339(wish)
            .map_err(|_| ApiError::invalid(format!("Invalid value for expire_time: '{wish}' is not a time")))?;
        if wish <= Utc::now() {
            return Err(ApiError::invalid("Invalid value for expire_time: it is over"));
        }
        Ok(latest.min(wish.into()))
    }
}
