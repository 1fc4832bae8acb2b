//! `/api/2.0/workspace`: folders, files and notebooks.

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    files::blocking,
    reply::{ApiError, ApiResult, Query, body_of, drain},
    workspace_form::{Form, boundary},
};
use crate::databricks::workspace::{Kind, Language, Notebook, Object, Workspace, WorkspaceError, WorkspacePath};

/// The most that may be imported at once.
const LARGEST: usize = 10 << 20;
/// The same in base64, and what is around it.
const LARGEST_BODY: usize = LARGEST / 3 * 4 + (64 << 10);
/// How much more of a refused upload is taken in, so that its client reads the refusal.
const PATIENCE: usize = 256 << 20;

/// The workspace's tree.
pub(crate) fn routes(workspace: Workspace) -> Router {
    Router::new()
        .route("/api/2.0/workspace/import", post(import))
        .route("/api/2.0/workspace/export", get(export))
        .route("/api/2.0/workspace/list", get(list))
        .route("/api/2.0/workspace/get-status", get(status))
        .route("/api/2.0/workspace/mkdirs", post(make))
        .route("/api/2.0/workspace/delete", post(remove))
        .with_state(workspace)
}

impl From<WorkspaceError> for ApiError {
    fn from(error: WorkspaceError) -> Self {
        let bad = |code: &str, message: String| Self::new(StatusCode::BAD_REQUEST, code, message);
        match error {
            WorkspaceError::Missing(path) => Self::missing(format!("Path ({path}) doesn't exist.")),
            WorkspaceError::NoParent(path) => Self::missing(format!("The parent folder ({path}) does not exist.")),
            WorkspaceError::Exists(path) => bad("RESOURCE_ALREADY_EXISTS", format!("Path ({path}) already exists.")),
            WorkspaceError::NotEmpty(path) => bad("DIRECTORY_NOT_EMPTY", format!("Folder ({path}) is not empty")),
            WorkspaceError::Mismatch(text) => bad("INVALID_PARAMETER_VALUE", text),
            WorkspaceError::Io(error) => error.into(),
        }
    }
}

fn path_of(text: Option<&str>) -> ApiResult<WorkspacePath> {
    let text = text.filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| ApiError::invalid("Missing required field: path"))?;
    WorkspacePath::parse(text).map_err(ApiError::invalid)
}

#[derive(Debug, Default, Deserialize)]
struct Import {
    path: Option<String>,
    content: Option<String>,
    format: Option<String>,
    language: Option<String>,
    #[serde(default)]
    overwrite: bool,
}

async fn import(State(workspace): State<Workspace>, headers: HeaderMap, body: Body) -> ApiResult<Json<Value>> {
    let body = whole(body).await?;
    let (import, content) = match boundary(&headers)? {
        Some(boundary) => {
            let form = Form::parse(&body, &boundary)?;
            let import = Import {
                path: form.text("path")?,
                format: form.text("format")?,
                language: form.text("language")?,
                overwrite: form.text("overwrite")?.as_deref() == Some("true"),
                content: None,
            };
            let content = form.bytes("content").ok_or_else(|| ApiError::invalid("Missing required field: content"))?;
            (import, content.to_vec())
        }
        None => {
            let mut import: Import = body_of(&body)?;
            let content = import.content.take().unwrap_or_default();
            let content = STANDARD.decode(content.as_bytes());
            (import, content.map_err(|_| ApiError::invalid("content is not base64"))?)
        }
    };
    if content.len() > LARGEST {
        return Err(too_large(content.len()));
    }
    blocking(move || {
        place(&workspace, &import, content)?;
        Ok(Json(json!({})))
    })
    .await
}

/// The body, unless it is larger than an import may be.
async fn whole(body: Body) -> ApiResult<Bytes> {
    let mut stream = body.into_data_stream();
    let mut whole = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| ApiError::malformed("the body ended before it was whole"))?;
        if whole.len() + chunk.len() > LARGEST_BODY {
            let seen = whole.len() + chunk.len();
            drain(&mut stream, PATIENCE).await;
            return Err(too_large(seen));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.into())
}

fn too_large(size: usize) -> ApiError {
    let message = format!("File size imported is ({size} bytes), exceeded max size ({LARGEST} bytes)");
    ApiError::new(StatusCode::BAD_REQUEST, "MAX_NOTEBOOK_SIZE_EXCEEDED", message)
}

fn place(workspace: &Workspace, import: &Import, content: Vec<u8>) -> ApiResult<()> {
    let path = path_of(import.path.as_deref())?;
    let language = import.language.as_deref().filter(|language| !language.is_empty());
    let language = language
        .map(|name| {
            let unknown = || ApiError::invalid(format!("{name} is not one of SCALA, PYTHON, SQL, R"));
            Language::of_name(name).ok_or_else(unknown)
        })
        .transpose()?;
    let (path, kind, content) = match import.format.as_deref().filter(|format| !format.is_empty()) {
        None | Some("SOURCE") => {
            let missing = || ApiError::invalid("The language of the notebook is required when its format is SOURCE.");
            let language = language.ok_or_else(missing)?;
            let notebook = Notebook::of_source(language, &text(content)?);
            (path, Kind::Notebook { language }, notebook.source.into_bytes())
        }
        Some("JUPYTER") => jupyter(path, &content)?,
        Some("RAW") => (path, Kind::File, content),
        Some("AUTO") => automatic(path, content)?,
        Some(format @ ("DBC" | "HTML" | "R_MARKDOWN")) => {
            return Err(ApiError::not_implemented(format_args!("the import of {format}")));
        }
        Some(other) => return Err(ApiError::invalid(format!("{other} is not a format of imports"))),
    };
    workspace.write(&path, kind, &content, import.overwrite)?;
    Ok(())
}

fn jupyter(path: WorkspacePath, content: &[u8]) -> ApiResult<(WorkspacePath, Kind, Vec<u8>)> {
    let notebook = Notebook::of_jupyter(content).map_err(ApiError::invalid)?;
    Ok((path, Kind::Notebook { language: notebook.language }, notebook.source.into_bytes()))
}

/// A notebook if the name and the content say so, whose extension goes; or else a file.
fn automatic(path: WorkspacePath, content: Vec<u8>) -> ApiResult<(WorkspacePath, Kind, Vec<u8>)> {
    let name = path.name().to_owned();
    let Some((stem, extension)) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) else {
        return Ok((path, Kind::File, content));
    };
    if extension == "ipynb" {
        return jupyter(path.with_name(stem), &content);
    }
    let notebook = Language::of_extension(extension)
        .and_then(|language| Notebook::recognise(language, std::str::from_utf8(&content).ok()?));
    Ok(match notebook {
        Some(notebook) => {
            let kind = Kind::Notebook { language: notebook.language };
            (path.with_name(stem), kind, notebook.source.into_bytes())
        }
        None => (path, Kind::File, content),
    })
}

fn text(content: Vec<u8>) -> ApiResult<String> {
    String::from_utf8(content).map_err(|_| ApiError::invalid("The source of a notebook is not UTF-8."))
}

async fn export(State(workspace): State<Workspace>, query: Query) -> ApiResult<Response> {
    let path = path_of(query.text("path"))?;
    let direct = query.flag("direct_download")?;
    let format = query.text("format").unwrap_or("SOURCE").to_owned();
    blocking(move || {
        let (content, file_type) = exported(&workspace, &path, &format)?;
        if content.len() > LARGEST {
            return Err(too_large(content.len()));
        }
        if direct {
            return Ok(([(header::CONTENT_TYPE, "application/octet-stream")], content).into_response());
        }
        Ok(Json(json!({ "content": STANDARD.encode(content), "file_type": file_type })).into_response())
    })
    .await
}

fn exported(workspace: &Workspace, path: &WorkspacePath, format: &str) -> ApiResult<(Vec<u8>, String)> {
    if matches!(format, "DBC" | "HTML" | "R_MARKDOWN") {
        return Err(ApiError::not_implemented(format_args!("the export as {format}")));
    }
    if !matches!(format, "SOURCE" | "JUPYTER" | "AUTO" | "RAW") {
        return Err(ApiError::invalid(format!("{format} is not a format of exports")));
    }
    let object = workspace.object(path)?;
    match object.kind {
        Kind::Directory => Err(ApiError::not_implemented("the export of a directory, which is an archive")),
        Kind::Notebook { .. } if format == "JUPYTER" => {
            Ok((workspace.notebook(path)?.to_jupyter(path.name()), "ipynb".to_owned()))
        }
        Kind::Notebook { language } => Ok((workspace.read(path)?.1, language.extension().to_owned())),
        Kind::File if format == "JUPYTER" => Err(ApiError::invalid(format!("{path} is a file, not a notebook."))),
        Kind::File => {
            let extension = path.name().rsplit_once('.').map_or("", |(_, extension)| extension);
            Ok((workspace.read(path)?.1, extension.to_owned()))
        }
    }
}

async fn list(State(workspace): State<Workspace>, query: Query) -> ApiResult<Json<Value>> {
    let path = path_of(query.text("path"))?;
    let since = query.count("notebooks_modified_after")?.unwrap_or_default() as u64;
    blocking(move || {
        let kept = |object: &Object| !matches!(object.kind, Kind::Notebook { .. }) || object.modified_at >= since;
        let objects: Vec<Value> = workspace.list(&path)?.iter().filter(|object| kept(object)).map(described).collect();
        // As the service does: nothing in it, nothing in the answer.
        Ok(Json(if objects.is_empty() { json!({}) } else { json!({ "objects": objects }) }))
    })
    .await
}

async fn status(State(workspace): State<Workspace>, query: Query) -> ApiResult<Json<Value>> {
    let path = path_of(query.text("path"))?;
    blocking(move || Ok(Json(described(&workspace.object(&path)?)))).await
}

fn described(object: &Object) -> Value {
    let mut described = json!({
        "path": object.path.to_string(),
        "object_id": object.id,
        "resource_id": object.id.to_string(),
    });
    let fields = match object.kind {
        Kind::Directory => json!({ "object_type": "DIRECTORY" }),
        Kind::Notebook { language } => json!({
            "object_type": "NOTEBOOK",
            "language": language.name(),
            "created_at": object.created_at,
            "modified_at": object.modified_at,
        }),
        Kind::File => json!({
            "object_type": "FILE",
            "size": object.size,
            "created_at": object.created_at,
            "modified_at": object.modified_at,
        }),
    };
    if let (Value::Object(described), Value::Object(fields)) = (&mut described, fields) {
        described.extend(fields);
    }
    described
}

#[derive(Deserialize)]
struct Named {
    path: Option<String>,
    #[serde(default)]
    recursive: bool,
}

async fn make(State(workspace): State<Workspace>, body: Bytes) -> ApiResult<Json<Value>> {
    let named: Named = body_of(&body)?;
    let path = path_of(named.path.as_deref())?;
    blocking(move || Ok(workspace.make_folder(&path).map(|()| Json(json!({})))?)).await
}

async fn remove(State(workspace): State<Workspace>, body: Bytes) -> ApiResult<Json<Value>> {
    let named: Named = body_of(&body)?;
    let path = path_of(named.path.as_deref())?;
    blocking(move || Ok(workspace.remove(&path, named.recursive).map(|()| Json(json!({})))?)).await
}
