//! `/api/2.0/fs/directories`: directories in volumes.

use std::{
    fs, io,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use http::{StatusCode, Uri, header};
use serde_json::{Value, json};

use super::{
    files::{blocking, in_the_way, is_absent, local, refusal, volume_path},
    page::Token,
    reply::{ApiError, ApiResult, Query, no_content},
};
use crate::databricks::engine::{Engine, VolumePath};

/// The largest page of the service; more is taken for this.
const PAGE: usize = 1000;

pub(super) fn methods() -> MethodRouter<Engine> {
    get(list).head(head).put(create).delete(remove)
}

fn directory_path(uri: &Uri) -> ApiResult<VolumePath> {
    volume_path(uri, "/api/2.0/fs/directories")
}

fn not_found(path: &VolumePath) -> ApiError {
    let message = format!("The directory being accessed is not found: {}.", path.text());
    refusal(StatusCode::NOT_FOUND, "NOT_FOUND", &message, "FILES_API_DIRECTORY_IS_NOT_FOUND")
}

async fn create(State(engine): State<Engine>, uri: Uri) -> ApiResult<Response> {
    let path = directory_path(&uri)?;
    blocking(move || match fs::create_dir_all(local(&engine, &path)?) {
        Ok(()) => Ok(no_content()),
        Err(error) => match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                Err(in_the_way(&path, "a part of the path is a file"))
            }
            _ => Err(error.into()),
        },
    })
    .await
}

async fn head(State(engine): State<Engine>, uri: Uri) -> ApiResult<Response> {
    let path = directory_path(&uri)?;
    blocking(move || match fs::metadata(local(&engine, &path)?) {
        Ok(meta) if meta.is_dir() => {
            Ok(([(header::CONTENT_TYPE, "application/octet-stream")], StatusCode::OK).into_response())
        }
        Ok(_) => Err(not_found(&path)),
        Err(error) if is_absent(&error) => Err(not_found(&path)),
        Err(error) => Err(error.into()),
    })
    .await
}

async fn remove(State(engine): State<Engine>, uri: Uri) -> ApiResult<Response> {
    let path = directory_path(&uri)?;
    if path.parts.is_empty() {
        return Err(ApiError::invalid(format!("{} is a volume, not a directory in one.", path.text())));
    }
    blocking(move || match fs::remove_dir(local(&engine, &path)?) {
        Ok(()) => Ok(no_content()),
        Err(error) if is_absent(&error) => Err(not_found(&path)),
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            let message = format!("The directory is not empty: {}.", path.text());
            let reason = "FILES_API_DIRECTORY_IS_NOT_EMPTY";
            Err(refusal(StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE", &message, reason))
        }
        Err(error) => Err(error.into()),
    })
    .await
}

async fn list(State(engine): State<Engine>, uri: Uri, query: Query) -> ApiResult<Json<Value>> {
    let path = directory_path(&uri)?;
    let size = query.count("page_size")?.filter(|size| *size > 0).map_or(PAGE, |size| size.min(PAGE));
    let after = Token::of(&query)?.map(|token| token.after);
    blocking(move || {
        let folder = local(&engine, &path)?;
        let mut names = match names(&folder) {
            Ok(names) => names,
            Err(error) if is_absent(&error) => return Err(not_found(&path)),
            Err(error) => return Err(error.into()),
        };
        names.retain(|name| after.as_ref().is_none_or(|after| name > after));
        names.sort_unstable();
        let more = names.len() > size;
        names.truncate(size);
        let mut contents = Vec::with_capacity(names.len());
        for name in &names {
            contents.extend(entry(&folder, &path, name)?);
        }
        let mut answer = json!({ "contents": contents });
        if let Some(last) = names.pop().filter(|_| more) {
            answer["next_page_token"] = Token { after: last, empty: false }.encode().into();
        }
        Ok(Json(answer))
    })
    .await
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        // Names that are not UTF-8 cannot come through this API, in or out.
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}

/// `None` if it went while the listing was made.
fn entry(folder: &Path, parent: &VolumePath, name: &str) -> io::Result<Option<Value>> {
    let meta = match fs::metadata(folder.join(name)) {
        Ok(meta) => meta,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut entry = json!({
        "name": name,
        "path": format!("{}/{name}", parent.text()),
        "is_directory": meta.is_dir(),
        "last_modified": millis(meta.modified()?),
    });
    if meta.is_file() {
        entry["file_size"] = meta.len().into();
    }
    Ok(Some(entry))
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
