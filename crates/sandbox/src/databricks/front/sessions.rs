//! Sessions: a place for names, settings and temporary views, kept between statements.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{app::Shared, statements::check_warehouse};
use crate::databricks::{
    api::{ApiError, ApiResult, body_of, reply::Query},
    engine::{Effect, Place},
    statement::Tag,
};

/// The open sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions(Arc<Mutex<HashMap<String, Session>>>);

/// One session.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    pub(super) place: Place,
    /// By name, in upper case.
    confs: BTreeMap<String, String>,
}

impl Session {
    /// How long a statement may take, if there is a limit.
    pub(super) fn statement_timeout(&self) -> Option<Duration> {
        let seconds = self.confs.get("STATEMENT_TIMEOUT")?.parse().ok().filter(|seconds| *seconds > 0)?;
        Some(Duration::from_secs(seconds))
    }

    /// Whether rows may come from the cache of results.
    pub(super) fn uses_cache(&self) -> bool {
        !self.confs.get("USE_CACHED_RESULT").is_some_and(|value| value.eq_ignore_ascii_case("false"))
    }

    /// The tags that every statement of the session has.
    pub(super) fn tags(&self) -> Vec<Tag> {
        self.confs.get("QUERY_TAGS").map(|text| tags_of(text)).unwrap_or_default()
    }

    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Set { name, value } => {
                self.confs.insert(name, value);
            }
            other => self.place.apply(other),
        }
    }
}

/// `key:value,key`, where a backslash takes the meaning from a comma, a colon and a backslash.
fn tags_of(text: &str) -> Vec<Tag> {
    let (mut tags, mut tag, mut in_value) = (Vec::new(), Tag::default(), false);
    let mut chars = text.chars();
    let mut end = |tag: &mut Tag| {
        let tag = std::mem::take(tag);
        tags.extend((!tag.key.is_empty()).then_some(tag));
    };
    while let Some(c) = chars.next() {
        let literal = match c {
            ',' => {
                end(&mut tag);
                in_value = false;
                continue;
            }
            ':' if !in_value => {
                in_value = true;
                tag.value = Some(String::new());
                continue;
            }
            '\\' => chars.next().unwrap_or('\\'),
            c => c,
        };
        match &mut tag.value {
            Some(value) if in_value => value.push(literal),
            _ => tag.key.push(literal),
        }
    }
    end(&mut tag);
    tags
}

impl Sessions {
    pub(super) fn find(&self, id: &str) -> Option<Session> {
        self.all().get(id).cloned()
    }

    /// Lets a statement change the session that it ran in.
    pub(super) fn apply(&self, id: &str, effect: Effect) {
        if let Some(session) = self.all().get_mut(id) {
            session.apply(effect);
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct Open {
    warehouse_id: Option<String>,
    catalog: Option<String>,
    schema: Option<String>,
    session_confs: Option<HashMap<String, String>>,
}

pub(super) async fn open(State(app): Shared, body: Bytes) -> ApiResult<Json<Value>> {
    let open: Open = body_of(&body)?;
    check_warehouse(&app, open.warehouse_id.as_deref())?;
    let mut session = Session::default();
    for (name, value) in open.session_confs.unwrap_or_default() {
        let refused = |error| ApiError::invalid(format!("{error}"));
        session.apply(app.runner.engine.conf(&name, &value).map_err(refused)?);
    }
    if let Some(catalog) = open.catalog.filter(|name| !name.is_empty()) {
        session.place.catalog = catalog.to_lowercase();
    }
    if let Some(schema) = open.schema.filter(|name| !name.is_empty()) {
        session.place.schema = schema.to_lowercase();
    }
    let id = uuid::Uuid::now_v7().to_string();
    app.sessions.all().insert(id.clone(), session);
    Ok(Json(json!({ "session_id": id })))
}

#[derive(Deserialize)]
struct Close {
    warehouse_id: Option<String>,
}

/// The warehouse stands in the query; some drivers put it into a body.
pub(super) async fn close(
    State(app): Shared,
    Path(id): Path<String>,
    query: Query,
    body: Bytes,
) -> ApiResult<Json<Value>> {
    let close: Close = body_of(&body)?;
    if query.text("warehouse_id").is_none() && close.warehouse_id.is_none_or(|id| id.is_empty()) {
        return Err(ApiError::invalid("The warehouse_id field is required."));
    }
    let known = app.sessions.all().remove(&id);
    known.map(|_| Json(json!({}))).ok_or_else(|| ApiError::missing(format!("Session {id} does not exist.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_they_are_written() {
        let tag = |key: &str, value: Option<&str>| Tag { key: key.to_owned(), value: value.map(str::to_owned) };
        assert_eq!(
            tags_of(r"team:a\,b\:c,nightly,x:,y:1:2,\\:z"),
            [
                tag("team", Some("a,b:c")),
                tag("nightly", None),
                tag("x", Some("")),
                tag("y", Some("1:2")),
                tag("\\", Some("z")),
            ]
        );
        assert_eq!(tags_of(""), []);
    }
}
