//! `/api/2.0/fs`: files in volumes.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::{Body, BodyDataStream},
    extract::{DefaultBodyLimit, State},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::StreamExt;
use http::{HeaderMap, StatusCode, Uri, header};
use percent_encoding::percent_decode_str;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio_util::io::ReaderStream;

use super::{
    directories,
    range::Range,
    reply::{ApiError, ApiResult, Query, drain, no_content},
    transfers::{self, Transfers},
};
use crate::databricks::engine::{Engine, VolumePath};

/// The service takes files of up to 5 GiB in one request.
const LARGEST: u64 = 5 << 30;
const READ_SIZE: usize = 1 << 17;
const FILES: &str = "/api/2.0/fs/files";
const DOMAIN: &str = "filesystem.databricks.com";

/// The Files API over the volumes of a workspace.
pub(crate) fn routes(engine: Engine, transfers: Transfers) -> Router {
    let file = get(read).head(head).put(write).delete(remove);
    Router::new()
        .route("/api/2.0/fs/files/{*path}", file)
        .route("/api/2.0/fs/directories/{*path}", directories::methods())
        .with_state(engine)
        .merge(transfers::routes(transfers))
        .layer(DefaultBodyLimit::disable())
}

/// Reads the path of a volume that follows `prefix`. It is decoded as a whole, once: the official command-line client
/// sends every slash encoded.
pub(super) fn volume_path(uri: &Uri, prefix: &str) -> ApiResult<VolumePath> {
    let raw = uri.path().strip_prefix(prefix).unwrap_or_default();
    let bad = || ApiError::invalid(format!("Invalid path: '{raw}' is not /Volumes/<catalog>/<schema>/<volume>/…"));
    let text = percent_decode_str(raw).decode_utf8().map_err(|_| bad())?;
    // `VolumePath` knows another spelling that is none here, and the slash that a directory may have at its end.
    if !text.starts_with("/Volumes/") || text.ends_with("//") {
        return Err(bad());
    }
    VolumePath::parse(&text).map_err(|_| bad())
}

pub(super) fn path_of_file(uri: &Uri) -> ApiResult<VolumePath> {
    let path = volume_path(uri, FILES)?;
    if path.parts.is_empty() || uri.path().ends_with('/') {
        return Err(ApiError::invalid(format!("Invalid path: '{}' is not the path of a file", path.text())));
    }
    Ok(path)
}

/// Where the path is on the disk.
pub(super) fn local(engine: &Engine, path: &VolumePath) -> ApiResult<std::path::PathBuf> {
    engine.local(path).map_err(|error| match error.class() {
        "NO_SUCH_CATALOG_EXCEPTION" | "SCHEMA_NOT_FOUND" | "VOLUME_NOT_FOUND" => {
            refusal(StatusCode::NOT_FOUND, "NOT_FOUND", error.text(), "FILES_API_RESOURCE_NOT_FOUND")
        }
        _ => error.into(),
    })
}

/// A refusal with the service's reason.
pub(super) fn refusal(status: StatusCode, code: &str, message: &str, reason: &str) -> ApiError {
    ApiError::new(status, code, message).with_reason(reason, DOMAIN)
}

pub(super) fn not_found(path: &VolumePath) -> ApiError {
    let message = format!("The file being accessed is not found: {}.", path.text());
    refusal(StatusCode::NOT_FOUND, "NOT_FOUND", &message, "FILES_API_RESOURCE_NOT_FOUND")
}

/// Something else has the name.
pub(super) fn in_the_way(path: &VolumePath, what: &str) -> ApiError {
    let message = format!("{} already exists: {what}.", path.text());
    refusal(StatusCode::CONFLICT, "ALREADY_EXISTS", &message, "FILES_API_FILE_ALREADY_EXISTS")
}

/// Work on files, off the threads that serve.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> ApiResult<T> + Send + 'static) -> ApiResult<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(ApiError::internal(error)))
}

async fn write(State(engine): State<Engine>, uri: Uri, query: Query, body: Body) -> ApiResult<Response> {
    let mut body = body.into_data_stream();
    match upload(engine, &uri, &query, &mut body).await {
        Ok(()) => Ok(no_content()),
        Err(error) => {
            drain(&mut body, LARGEST as usize).await;
            Err(error)
        }
    }
}

/// Takes the file in beside the volume and moves it there when it is whole. Dropping the future leaves nothing behind.
async fn upload(engine: Engine, uri: &Uri, query: &Query, body: &mut BodyDataStream) -> ApiResult<()> {
    let path = path_of_file(uri)?;
    let overwrite = query.flag("overwrite")?;
    let target = local(&engine, &path)?;
    let uploads = engine.uploads()?;
    let draft = {
        let path = path.clone();
        blocking(move || match fs::symlink_metadata(&target) {
            Ok(_) if !overwrite => Err(in_the_way(&path, "send overwrite=true to replace it")),
            _ => Ok(NamedTempFile::new_in(uploads)?),
        })
        .await?
    };
    let mut file = tokio::fs::File::from_std(draft.as_file().try_clone()?);
    let mut size = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| ApiError::malformed("the body ended before it was whole"))?;
        size += chunk.len() as u64;
        if size > LARGEST {
            let message = "The file is larger than 5 GiB, the most that one request may carry.";
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "INVALID_PARAMETER_VALUE", message));
        }
        file.write_all(&chunk).await?;
    }
    // Writing goes on behind `write_all`, and so may fail after it.
    file.flush().await?;
    drop(file);
    blocking(move || place(&engine, &path, draft, overwrite)).await
}

pub(super) fn place(engine: &Engine, path: &VolumePath, draft: NamedTempFile, overwrite: bool) -> ApiResult<()> {
    // The volume may have gone while the body came.
    let target = local(engine, path)?;
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).map_err(|error| match error.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                in_the_way(path, "a part of the path is a file")
            }
            _ => error.into(),
        })?;
    }
    let placed = if overwrite { draft.persist(&target) } else { draft.persist_noclobber(&target) };
    placed.map(drop).map_err(|failed| match failed.error.kind() {
        io::ErrorKind::AlreadyExists => in_the_way(path, "send overwrite=true to replace it"),
        io::ErrorKind::IsADirectory | io::ErrorKind::DirectoryNotEmpty => in_the_way(path, "it is a directory"),
        _ => failed.error.into(),
    })
}

/// Opens a file. A directory is none.
async fn open(engine: Engine, path: VolumePath) -> ApiResult<(File, Metadata)> {
    blocking(move || {
        let opened = File::open(local(&engine, &path)?).and_then(|file| file.metadata().map(|meta| (file, meta)));
        match opened {
            Ok((file, meta)) if meta.is_file() => Ok((file, meta)),
            Ok(_) => Err(not_found(&path)),
            Err(error) if is_absent(&error) => Err(not_found(&path)),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

async fn read(State(engine): State<Engine>, uri: Uri, headers: HeaderMap) -> ApiResult<Response> {
    send(engine, path_of_file(&uri)?, &headers, false).await
}

/// Sends a file, or the part of it that is asked for. The storage marks its states with an ETag, the workspace does not.
pub(super) async fn send(engine: Engine, path: VolumePath, headers: &HeaderMap, marked: bool) -> ApiResult<Response> {
    let (file, meta) = open(engine, path).await?;
    let etag = marked.then(|| etag(&meta)).transpose()?;
    check_unmodified(headers, &meta, etag.as_deref())?;
    let asked = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let (status, start, length) = match Range::of(asked, meta.len()) {
        Range::Whole => (StatusCode::OK, 0, meta.len()),
        Range::Part { start, length } => (StatusCode::PARTIAL_CONTENT, start, length),
        Range::Unsatisfiable => {
            let size = format!("bytes */{}", meta.len());
            let message = format!("The range is not within the {} bytes of the file.", meta.len());
            let error = ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "INVALID_PARAMETER_VALUE", message);
            if marked {
                return Err(error);
            }
            return Ok(([(header::CONTENT_RANGE, size)], error).into_response());
        }
    };
    let mut file = tokio::fs::File::from_std(file);
    file.seek(io::SeekFrom::Start(start)).await?;
    let body = Body::from_stream(ReaderStream::with_capacity(file.take(length), READ_SIZE));
    let mut response = described(&meta, length, body)?;
    *response.status_mut() = status;
    if let Some(etag) = etag {
        response.headers_mut().insert(header::ETAG, etag.parse().map_err(ApiError::internal)?);
    }
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {start}-{}/{}", start + length - 1, meta.len());
        response.headers_mut().insert(header::CONTENT_RANGE, range.parse().map_err(ApiError::internal)?);
    }
    Ok(response)
}

async fn head(State(engine): State<Engine>, uri: Uri, headers: HeaderMap) -> ApiResult<Response> {
    let (_, meta) = open(engine, path_of_file(&uri)?).await?;
    check_unmodified(&headers, &meta, None)?;
    described(&meta, meta.len(), Body::empty())
}

fn described(meta: &Metadata, length: u64, body: Body) -> ApiResult<Response> {
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::LAST_MODIFIED, httpdate::fmt_http_date(meta.modified()?)),
    ];
    Ok((headers, body).into_response())
}

/// A mark that another state of the file does not have.
fn etag(meta: &Metadata) -> io::Result<String> {
    let modified = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("\"{:x}-{:x}-{:x}\"", meta.ino(), meta.len(), modified.as_nanos()))
}

fn check_unmodified(headers: &HeaderMap, meta: &Metadata, etag: Option<&str>) -> ApiResult<()> {
    let changed = || {
        let message = "The file has been modified since the given time.";
        Err(ApiError::new(StatusCode::PRECONDITION_FAILED, "PRECONDITION_FAILED", message))
    };
    let wanted = headers.get(header::IF_MATCH).and_then(|wanted| wanted.to_str().ok());
    if let Some((wanted, etag)) = wanted.zip(etag) {
        // It goes before the time, which is then not looked at (RFC 9110).
        return if wanted == "*" || wanted == etag { Ok(()) } else { changed() };
    }
    let since = headers.get(header::IF_UNMODIFIED_SINCE).and_then(|since| since.to_str().ok());
    // What is no date is ignored (RFC 9110).
    let Some(since) = since.and_then(|since| httpdate::parse_http_date(since).ok()) else { return Ok(()) };
    if seconds(meta.modified()?) > seconds(since) {
        return changed();
    }
    Ok(())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

async fn remove(State(engine): State<Engine>, uri: Uri) -> ApiResult<Response> {
    let path = path_of_file(&uri)?;
    blocking(move || {
        let target = local(&engine, &path)?;
        match fs::remove_file(&target) {
            Ok(()) => Ok(no_content()),
            Err(error) if is_absent(&error) || target.is_dir() => Err(not_found(&path)),
            Err(error) => Err(error.into()),
        }
    })
    .await
}
