//! `/api/2.0/dbfs`: the file system of the workspace, as a folder beside the volumes.

mod files;
mod handles;

use std::{path::PathBuf, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use self::handles::Handles;
use super::{
    files::blocking,
    reply::{ApiError, ApiResult, Query, body_of},
};
use crate::databricks::engine::{Engine, VolumePath};

/// The largest block, put and read.
const LARGEST: usize = 1 << 20;
/// How much is read unless something else is asked for.
const READ: usize = 512 << 10;

#[derive(Clone)]
struct Dbfs {
    engine: Engine,
    handles: Arc<Handles>,
}

/// The file system.
pub(crate) fn routes(engine: Engine) -> Router {
    Router::new()
        .route("/api/2.0/dbfs/create", post(create))
        .route("/api/2.0/dbfs/add-block", post(add_block))
        .route("/api/2.0/dbfs/close", post(close))
        .route("/api/2.0/dbfs/put", post(put))
        .route("/api/2.0/dbfs/read", get(read))
        .route("/api/2.0/dbfs/list", get(list))
        .route("/api/2.0/dbfs/get-status", get(status))
        .route("/api/2.0/dbfs/mkdirs", post(mkdirs))
        .route("/api/2.0/dbfs/move", post(move_to))
        .route("/api/2.0/dbfs/delete", post(delete))
        .layer(DefaultBodyLimit::disable())
        .with_state(Dbfs { engine, handles: Arc::default() })
}

/// A path of the file system, and where it is on this machine's disk.
#[derive(Clone, Debug)]
struct Place {
    /// As the service writes it.
    text: String,
    local: PathBuf,
}

impl Place {
    fn child(&self, name: &str) -> Self {
        let text = format!("{}/{name}", self.text.trim_end_matches('/'));
        Self { text, local: self.local.join(name) }
    }
}

impl Dbfs {
    fn place(&self, path: &str) -> ApiResult<Place> {
        let bad = || ApiError::invalid(format!("Invalid path: '{path}' is not an absolute path such as /folder/file"));
        let plain = path.strip_prefix("dbfs:").unwrap_or(path);
        if plain.starts_with("/Volumes/") {
            let volume = VolumePath::parse(plain).map_err(|_| bad())?;
            let local = self.engine.local(&volume)?;
            return Ok(Place { text: volume.text(), local });
        }
        let rest = plain.strip_prefix('/').ok_or_else(bad)?.trim_end_matches('/');
        let mut local = self.engine.dbfs()?;
        if rest.is_empty() {
            return Ok(Place { text: "/".to_owned(), local });
        }
        for part in rest.split('/') {
            if matches!(part, "" | "." | "..") || part.contains('\0') || part.len() > 255 {
                return Err(bad());
            }
            local.push(part);
        }
        Ok(Place { text: format!("/{rest}"), local })
    }
}

fn missing(place: &Place) -> ApiError {
    ApiError::missing(format!("No file or directory exists on path {}.", place.text))
}

fn in_the_way(place: &Place) -> ApiError {
    let message = format!("A file or directory already exists at the input path {}.", place.text);
    ApiError::new(StatusCode::BAD_REQUEST, "RESOURCE_ALREADY_EXISTS", message)
}

fn too_large(code: &str, what: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, code, format!("{what} exceeds the limit of 1 MB"))
}

fn decoded(data: &str) -> ApiResult<Vec<u8>> {
    STANDARD.decode(data).map_err(|_| ApiError::invalid("The data is not base64"))
}

fn done() -> Json<Value> {
    Json(json!({}))
}

#[derive(Deserialize)]
struct Create {
    path: String,
    #[serde(default)]
    overwrite: bool,
}

async fn create(State(dbfs): State<Dbfs>, body: Bytes) -> ApiResult<Json<Value>> {
    let Create { path, overwrite } = body_of(&body)?;
    let place = dbfs.place(&path)?;
    let handles = Arc::clone(&dbfs.handles);
    let handle = blocking(move || Ok(handles.open(files::create(&place, overwrite)?))).await?;
    Ok(Json(json!({ "handle": handle })))
}

async fn add_block(State(dbfs): State<Dbfs>, body: Bytes) -> ApiResult<Json<Value>> {
    #[derive(Deserialize)]
    struct Block {
        handle: u64,
        data: String,
    }
    let Block { handle, data } = body_of(&body)?;
    let data = decoded(&data)?;
    if data.len() > LARGEST {
        return Err(too_large("MAX_BLOCK_SIZE_EXCEEDED", "The block"));
    }
    blocking(move || dbfs.handles.append(handle, &data)).await?;
    Ok(done())
}

async fn close(State(dbfs): State<Dbfs>, body: Bytes) -> ApiResult<Json<Value>> {
    #[derive(Deserialize)]
    struct Close {
        handle: u64,
    }
    let Close { handle } = body_of(&body)?;
    dbfs.handles.close(handle)?;
    Ok(done())
}

async fn put(State(dbfs): State<Dbfs>, headers: http::HeaderMap, body: Bytes) -> ApiResult<Json<Value>> {
    #[derive(Deserialize)]
    struct Put {
        path: String,
        #[serde(default)]
        contents: String,
        #[serde(default)]
        overwrite: bool,
    }
    let kind = headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.is_some_and(|kind| kind.starts_with("multipart/")) {
        return Err(ApiError::not_implemented("dbfs/put with a form: send JSON, or use create, add-block and close"));
    }
    let Put { path, contents, overwrite } = body_of(&body)?;
    let contents = decoded(&contents)?;
    if contents.len() > LARGEST {
        return Err(too_large("MAX_BLOCK_SIZE_EXCEEDED", "The content"));
    }
    let place = dbfs.place(&path)?;
    blocking(move || Ok(std::io::Write::write_all(&mut files::create(&place, overwrite)?, &contents)?)).await?;
    Ok(done())
}

async fn read(State(dbfs): State<Dbfs>, query: Query) -> ApiResult<Json<Value>> {
    let place = dbfs.place(query.required("path")?)?;
    let offset = query.count("offset")?.unwrap_or_default() as u64;
    let length = query.count("length")?.unwrap_or(READ);
    if length > LARGEST {
        return Err(too_large("MAX_READ_SIZE_EXCEEDED", "The length to be read"));
    }
    let data = blocking(move || files::read(&place, offset, length)).await?;
    Ok(Json(json!({ "bytes_read": data.len(), "data": STANDARD.encode(data) })))
}

async fn list(State(dbfs): State<Dbfs>, query: Query) -> ApiResult<Json<Value>> {
    let place = dbfs.place(query.required("path")?)?;
    let files = blocking(move || files::list(&place)).await?;
    // A list of nothing is left out.
    Ok(Json(if files.is_empty() { json!({}) } else { json!({ "files": files }) }))
}

async fn status(State(dbfs): State<Dbfs>, query: Query) -> ApiResult<Json<Value>> {
    let place = dbfs.place(query.required("path")?)?;
    Ok(Json(blocking(move || files::status(&place)).await?))
}

async fn mkdirs(State(dbfs): State<Dbfs>, body: Bytes) -> ApiResult<Json<Value>> {
    #[derive(Deserialize)]
    struct Mkdirs {
        path: String,
    }
    let Mkdirs { path } = body_of(&body)?;
    let place = dbfs.place(&path)?;
    blocking(move || files::mkdirs(&place)).await?;
    Ok(done())
}

async fn move_to(State(dbfs): State<Dbfs>, body: Bytes) -> ApiResult<Json<Value>> {
    #[derive(Deserialize)]
    struct Move {
        source_path: String,
        destination_path: String,
    }
    let Move { source_path, destination_path } = body_of(&body)?;
    let (source, destination) = (dbfs.place(&source_path)?, dbfs.place(&destination_path)?);
    blocking(move || files::move_to(&source, &destination)).await?;
    Ok(done())
}

async fn delete(State(dbfs): State<Dbfs>, body: Bytes) -> ApiResult<Json<Value>> {
    #[derive(Deserialize)]
    struct Delete {
        path: String,
        #[serde(default)]
        recursive: bool,
    }
    let Delete { path, recursive } = body_of(&body)?;
    let place = dbfs.place(&path)?;
    if place.text == "/" {
        return Err(ApiError::invalid("The root of the file system cannot be deleted"));
    }
    blocking(move || files::delete(&place, recursive)).await?;
    Ok(done())
}
