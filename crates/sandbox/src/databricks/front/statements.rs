//! `/api/2.0/sql/statements`

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    app::{App, Shared},
    history::statement_type,
    sessions::Session,
};
use crate::{
    databricks::{
        api::{ApiError, ApiResult, Base, body_of},
        engine::Request,
        sql::{Parameter, Parameters},
        statement::{Answer, Body, Disposition, Entry, Format, Origin, Shape, State as Phase, Submission, Tag},
    },
    statement_log,
};

/// The longest statement.
const LONGEST: usize = 16 << 20;
/// The most tags of one statement.
const MOST_TAGS: usize = 20;

#[derive(Deserialize)]
struct Submit {
    statement: Option<String>,
    warehouse_id: Option<String>,
    session_id: Option<String>,
    catalog: Option<String>,
    schema: Option<String>,
    parameters: Option<Vec<Parameter>>,
    row_limit: Option<i64>,
    byte_limit: Option<i64>,
    disposition: Option<String>,
    format: Option<String>,
    result_compression: Option<String>,
    wait_timeout: Option<String>,
    on_wait_timeout: Option<String>,
    query_tags: Option<Vec<Tag>>,
}

pub(super) async fn submit(
    State(app): Shared,
    Base(base): Base,
    headers: HeaderMap,
    body: Bytes,
) -> ApiResult<Json<Value>> {
    let submit: Submit = body_of(&body)?;
    let sql = submit.statement.clone().filter(|sql| !sql.trim().is_empty());
    let sql = sql.ok_or_else(|| ApiError::invalid("The statement field is required."))?;
    if sql.len() > LONGEST {
        return Err(ApiError::invalid("The statement text is longer than 16 MiB."));
    }
    let delay = check_warehouse(&app, submit.warehouse_id.as_deref())?;
    let shape = shape(&submit)?;
    let wait = wait(submit.wait_timeout.as_deref())?;
    let cancel = match submit.on_wait_timeout.as_deref() {
        None | Some("CONTINUE") => false,
        Some("CANCEL") if wait.is_zero() => {
            return Err(ApiError::invalid("on_wait_timeout must be CONTINUE when wait_timeout is 0s."));
        }
        Some("CANCEL") => true,
        Some(other) => return Err(ApiError::invalid(format!("{other} is no value of on_wait_timeout."))),
    };
    let session = session(&app, &submit)?;
    let mut tags = session.tags();
    for tag in submit.query_tags.unwrap_or_default() {
        // A statement's own tag goes before its session's.
        tags.retain(|known| known.key != tag.key);
        tags.push(tag);
    }
    if tags.len() > MOST_TAGS {
        return Err(ApiError::invalid("At most 20 query tags are allowed."));
    }
    if let Some(file) = &app.statement_log {
        statement_log::note(file, &sql);
    }
    let (sessions, session_id) = (app.sessions.clone(), submit.session_id.clone());
    let application = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).map(str::to_owned);
    let parameters = Parameters::new(submit.parameters.unwrap_or_default());
    let submission = Submission {
        shape,
        origin: Origin {
            warehouse_id: submit.warehouse_id.unwrap_or_default(),
            session_id: submit.session_id,
            tags,
            application,
            cached: session.uses_cache() && statement_type(&sql) == "SELECT",
        },
        delay,
        limit: session.statement_timeout(),
        request: Request { sql, parameters, place: session.place },
        on_use: Box::new(move |effect| {
            if let Some(session) = session_id {
                sessions.apply(&session, effect);
            }
        }),
    };
    let entry = app.runner.submit(submission);
    let state = settle(&entry, wait, cancel).await;
    Ok(Json(report(&app, &base, &entry, &state)))
}

/// The state after the wait that the caller asked for.
async fn settle(entry: &Entry, wait: Duration, cancel: bool) -> Phase {
    let state = if wait.is_zero() { entry.state() } else { entry.wait(wait).await };
    if cancel && !state.is_terminal() {
        entry.cancel();
        return entry.state();
    }
    state
}

/// How long the warehouse needs to be ready, or a refusal.
pub(super) fn check_warehouse(app: &App, id: Option<&str>) -> ApiResult<Duration> {
    match id {
        None | Some("") => Err(ApiError::invalid("The warehouse_id field is required.")),
        Some(id) => app.warehouses.ensure_running(id),
    }
}

fn shape(submit: &Submit) -> ApiResult<Shape> {
    let disposition = match submit.disposition.as_deref() {
        None | Some("INLINE") => Disposition::Inline,
        Some("EXTERNAL_LINKS") => Disposition::ExternalLinks,
        Some(other) => return Err(ApiError::invalid(format!("{other} is not a supported disposition."))),
    };
    let format = match submit.format.as_deref() {
        None | Some("JSON_ARRAY") => Format::JsonArray,
        Some("ARROW_STREAM") => Format::ArrowStream,
        Some("CSV") => Format::Csv,
        Some(other) => return Err(ApiError::invalid(format!("{other} is not a supported format."))),
    };
    if disposition == Disposition::Inline && format != Format::JsonArray {
        let text = "Incompatible parameters: The format field must be JSON_ARRAY when the disposition field is INLINE.";
        return Err(ApiError::invalid(text));
    }
    let lz4 = match submit.result_compression.as_deref() {
        None | Some("NONE" | "none") => false,
        Some("LZ4_FRAME") => format == Format::ArrowStream,
        Some(other) => return Err(ApiError::invalid(format!("{other} is not a supported compression."))),
    };
    let limit = |name: &str, value: Option<i64>| match value {
        None => Ok(None),
        Some(limit) => u64::try_from(limit)
            .ok()
            .filter(|limit| *limit > 0)
            .map(Some)
            .ok_or_else(|| ApiError::invalid(format!("{name} must be positive."))),
    };
    Ok(Shape {
        disposition,
        format,
        lz4,
        row_limit: limit("row_limit", submit.row_limit)?,
        byte_limit: limit("byte_limit", submit.byte_limit)?,
    })
}

/// `0s` or `5s` to `50s`; ten seconds if it is not given.
fn wait(text: Option<&str>) -> ApiResult<Duration> {
    let Some(text) = text else { return Ok(Duration::from_secs(10)) };
    let seconds = text.strip_suffix('s').and_then(|digits| digits.parse::<u64>().ok());
    match seconds {
        Some(seconds @ (0 | 5..=50)) => Ok(Duration::from_secs(seconds)),
        _ => Err(ApiError::invalid(format!("wait_timeout must be 0s or between 5s and 50s, got {text}."))),
    }
}

/// The session that the statement runs in, or one of its own that ends with it.
fn session(app: &App, submit: &Submit) -> ApiResult<Session> {
    if let Some(session) = &submit.session_id {
        if submit.catalog.is_some() || submit.schema.is_some() {
            return Err(ApiError::invalid("catalog and schema must not accompany session_id."));
        }
        let missing = || ApiError::missing(format!("Session {session} does not exist."));
        return app.sessions.find(session).ok_or_else(missing);
    }
    let mut session = Session::default();
    if let Some(catalog) = &submit.catalog {
        session.place.catalog = catalog.to_lowercase();
    }
    if let Some(schema) = &submit.schema {
        session.place.schema = schema.to_lowercase();
    }
    Ok(session)
}

fn find(app: &App, id: &str) -> ApiResult<Arc<Entry>> {
    let missing = || ApiError::missing(format!("The statement {id} was not found."));
    app.runner.statements.find(id).ok_or_else(missing)
}

/// Some drivers send a body with everything. It is taken in, or the connection could not be used again.
pub(super) async fn status(
    State(app): Shared,
    Base(base): Base,
    Path(id): Path<String>,
    _: Bytes,
) -> ApiResult<Json<Value>> {
    let entry = find(&app, &id)?;
    let state = entry.state();
    Ok(Json(report(&app, &base, &entry, &state)))
}

pub(super) async fn cancel(State(app): Shared, Path(id): Path<String>, _: Bytes) -> ApiResult<Json<Value>> {
    find(&app, &id)?.cancel();
    Ok(Json(json!({})))
}

pub(super) async fn close(State(app): Shared, Path(id): Path<String>, _: Bytes) -> ApiResult<Json<Value>> {
    find(&app, &id)?.close();
    Ok(Json(json!({})))
}

pub(super) async fn chunk(
    State(app): Shared,
    Base(base): Base,
    Path((id, chunk)): Path<(String, String)>,
    _: Bytes,
) -> ApiResult<Json<Value>> {
    let entry = find(&app, &id)?;
    match entry.state() {
        Phase::Succeeded(answer) => match chunk.parse() {
            Ok(index) if index < answer.chunks.len() => Ok(Json(part(&app, &base, &entry, &answer, index))),
            _ => Err(ApiError::invalid(format!("The result has no chunk {chunk}."))),
        },
        Phase::Closed => Err(ApiError::missing(format!("The result of the statement {id} is closed."))),
        other => Err(ApiError::invalid(format!("The statement {id} has no result: it is {}.", other.name()))),
    }
}

/// The answer to a submission or a look at the status.
fn report(app: &App, base: &str, entry: &Entry, state: &Phase) -> Value {
    let mut status = json!({ "state": state.name() });
    if let Phase::Failed(error) = state {
        status["error"] = json!({ "error_code": error.code(), "message": error.message() });
        if !error.sqlstate().is_empty() {
            status["sql_state"] = json!(error.sqlstate());
        }
    }
    let mut report = json!({ "statement_id": entry.id, "status": status });
    if let Phase::Succeeded(answer) = state {
        report["manifest"] = manifest(app, entry, answer);
        report["result"] = if answer.chunks.is_empty() { json!({}) } else { part(app, base, entry, answer, 0) };
    }
    report
}

fn manifest(app: &App, entry: &Entry, answer: &Answer) -> Value {
    let format = entry.shape.format.name();
    if let Body::Nothing = answer.body {
        return json!({ "format": format, "schema": { "column_count": 0 }, "total_chunk_count": 0, "truncated": false });
    }
    let columns: Vec<Value> =
        answer.columns.iter().enumerate().map(|(position, column)| column.json(position)).collect();
    let mut manifest = Map::new();
    manifest.insert("format".into(), json!(format));
    manifest.insert("schema".into(), json!({ "column_count": columns.len(), "columns": columns }));
    manifest.insert("total_chunk_count".into(), json!(answer.chunks.len()));
    let chunks: Vec<Value> = (0..answer.chunks.len()).map(|index| Value::Object(span(app, answer, index))).collect();
    if !chunks.is_empty() {
        manifest.insert("chunks".into(), json!(chunks));
    }
    put(app, &mut manifest, "total_row_count", answer.rows());
    if entry.shape.disposition == Disposition::ExternalLinks {
        manifest.insert("total_byte_count".into(), size(app, answer.bytes()));
        if entry.shape.format == Format::ArrowStream {
            let compression = if entry.shape.lz4 { "LZ4_FRAME" } else { "NONE" };
            manifest.insert("result_compression".into(), json!(compression));
        }
    }
    manifest.insert("truncated".into(), json!(answer.truncated));
    Value::Object(manifest)
}

/// One chunk: its rows, or a link to them.
fn part(app: &App, base: &str, entry: &Entry, answer: &Answer, index: usize) -> Value {
    let mut part = span(app, answer, index);
    if index + 1 < answer.chunks.len() {
        let next = format!("/api/2.0/sql/statements/{}/result/chunks/{}", entry.id, index + 1);
        part.insert("next_chunk_index".into(), json!(index + 1));
        part.insert("next_chunk_internal_link".into(), json!(next));
    }
    match &answer.body {
        Body::Inline(chunks) => {
            part.remove("byte_count");
            let rows = chunks.get(index).and_then(|rows| serde_json::from_slice(rows).ok());
            part.insert("data_array".into(), rows.unwrap_or_else(|| json!([])));
            Value::Object(part)
        }
        Body::Files(_) => {
            let link = app.signer.sign(base, &entry.id, index, app.quirks.link_lifetime);
            part.insert("external_link".into(), json!(link.url));
            part.insert("expiration".into(), json!(link.expiration));
            json!({ "external_links": [part] })
        }
        Body::Nothing => json!({}),
    }
}

/// Index, offset and counts of a chunk.
fn span(app: &App, answer: &Answer, index: usize) -> Map<String, Value> {
    let mut span = Map::new();
    if let Some(chunk) = answer.chunks.get(index) {
        put(app, &mut span, "chunk_index", index as u64);
        put(app, &mut span, "row_offset", chunk.row_offset);
        put(app, &mut span, "row_count", chunk.row_count);
        span.insert("byte_count".into(), size(app, chunk.byte_count));
    }
    span
}

fn put(app: &App, object: &mut Map<String, Value>, name: &str, number: u64) {
    if number != 0 || !app.quirks.omit_zeros {
        object.insert(name.to_owned(), json!(number));
    }
}

fn size(app: &App, bytes: u64) -> Value {
    if app.quirks.text_numbers { json!(bytes.to_string()) } else { json!(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::databricks::statement::Statements;

    fn begun() -> (Arc<Entry>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let statements = Statements::new(folder.path().join("results")).unwrap();
        let shape = Shape {
            disposition: Disposition::Inline,
            format: Format::JsonArray,
            lz4: false,
            row_limit: None,
            byte_limit: None,
        };
        (statements.begin("SELECT 1".to_owned(), shape, Origin::default()), folder)
    }

    #[tokio::test]
    async fn a_wait_that_ends_cancels_only_if_it_was_told_to() {
        let (entry, _folder) = begun();
        assert_eq!(settle(&entry, Duration::ZERO, false).await.name(), "PENDING");
        assert_eq!(settle(&entry, Duration::from_millis(1), false).await.name(), "PENDING");
        assert_eq!(settle(&entry, Duration::from_millis(1), true).await.name(), "CANCELED");
        // What has ended is not waited for.
        assert_eq!(settle(&entry, Duration::from_secs(50), true).await.name(), "CANCELED");
    }
}
