//! `/api/2.0/sql/queries`: saved queries, which SQL tasks run.

use axum::{Json, Router, body::Bytes, extract::State, routing::get};
use chrono::{SecondsFormat, Utc};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    jobs::token,
    page::Token,
    reply::{ApiError, ApiResult, Query, Segment, body_of},
};
use crate::databricks::{engine::USER, jobs::Queries};

/// The largest page.
const PAGE: usize = 100;
/// What a client may set.
const FIELDS: [&str; 11] = [
    "display_name",
    "description",
    "query_text",
    "warehouse_id",
    "catalog",
    "schema",
    "parameters",
    "tags",
    "parent_path",
    "run_as_mode",
    "apply_auto_limit",
];

pub(super) fn routes(queries: Queries) -> Router {
    Router::new()
        .route("/api/2.0/sql/queries", get(list).post(create))
        .route("/api/2.0/sql/queries/{id}", get(find).patch(update).delete(remove))
        .with_state(queries)
}

fn missing(id: &str) -> ApiError {
    ApiError::missing(format!("Query {id} does not exist."))
}

/// What a request says of a query.
fn said(body: &Bytes) -> ApiResult<(Value, Value)> {
    let mut request: Value = body_of(body)?;
    let query = request["query"].take();
    if !query.is_object() {
        return Err(ApiError::invalid("Missing required field: query"));
    }
    if let Some(unknown) = query.as_object().into_iter().flatten().map(|(name, _)| name).find(|name| !is_field(name)) {
        return Err(ApiError::invalid(format!("A query has no field {unknown}")));
    }
    Ok((request, query))
}

fn is_field(name: &str) -> bool {
    FIELDS.contains(&name)
}

fn now() -> Value {
    json!(Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true))
}

async fn create(State(queries): State<Queries>, body: Bytes) -> ApiResult<Json<Value>> {
    let (request, mut query) = said(&body)?;
    if query["query_text"].as_str().is_none_or(|text| text.trim().is_empty()) {
        return Err(ApiError::invalid("Missing required field: query.query_text"));
    }
    let name = query["display_name"].as_str().unwrap_or("New query").to_owned();
    let taken = |name: &str| queries.list().iter().any(|(_, query)| query["display_name"] == *name);
    let mut unique = name.clone();
    if taken(&name) {
        if !request["auto_resolve_display_name"].as_bool().unwrap_or(false) {
            let text = format!("A query with the name {name} already exists.");
            return Err(ApiError::new(StatusCode::CONFLICT, "ALREADY_EXISTS", text));
        }
        unique = (1..).map(|number| format!("{name} ({number})")).find(|name| !taken(name)).unwrap_or_default();
    }
    let id = uuid::Uuid::new_v4().to_string();
    let set = json!({
        "id": id,
        "display_name": unique,
        "owner_user_name": USER,
        "last_modifier_user_name": USER,
        "lifecycle_state": "ACTIVE",
        "create_time": now(),
        "update_time": now(),
    });
    for (field, value) in set.as_object().into_iter().flatten() {
        query[field] = value.clone();
    }
    queries.put(&id, query.clone())?;
    Ok(Json(query))
}

async fn find(State(queries): State<Queries>, Segment(id): Segment) -> ApiResult<Json<Value>> {
    queries.find(&id).map(Json).ok_or_else(|| missing(&id))
}

async fn list(State(queries): State<Queries>, query: Query) -> ApiResult<Json<Value>> {
    let size = query.count("page_size")?.filter(|size| *size > 0).map_or(20, |size| size.min(PAGE));
    let after = Token::of(&query)?.map(|token| token.after);
    let mut found = queries.list();
    found.retain(|(id, _)| after.as_ref().is_none_or(|after| id > after));
    let more = found.len() > size;
    found.truncate(size);
    let mut answer = json!({});
    if let Some((last, _)) = found.last().filter(|_| more) {
        answer["next_page_token"] = token(last);
    }
    if !found.is_empty() {
        answer["results"] = found.into_iter().map(|(_, query)| query).collect();
    }
    Ok(Json(answer))
}

async fn update(State(queries): State<Queries>, Segment(id): Segment, body: Bytes) -> ApiResult<Json<Value>> {
    let (request, change) = said(&body)?;
    let mut query = queries.find(&id).ok_or_else(|| missing(&id))?;
    let mask = request["update_mask"].as_str().filter(|mask| !mask.is_empty());
    let mask = mask.ok_or_else(|| ApiError::invalid("Missing required field: update_mask"))?;
    let all = mask == "*";
    for field in mask.split(',').map(str::trim).filter(|_| !all) {
        if !is_field(field) {
            return Err(ApiError::invalid(format!("A query has no field {field}")));
        }
        query[field] = change[field].clone();
    }
    for (field, value) in change.as_object().into_iter().flatten().filter(|_| all) {
        query[field] = value.clone();
    }
    query["update_time"] = now();
    queries.put(&id, query.clone())?;
    Ok(Json(query))
}

async fn remove(State(queries): State<Queries>, Segment(id): Segment) -> ApiResult<Json<Value>> {
    if queries.remove(&id)? { Ok(Json(json!({}))) } else { Err(missing(&id)) }
}
