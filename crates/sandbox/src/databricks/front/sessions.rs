//! Sessions: a place for names, kept between statements.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
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
    api::{ApiError, ApiResult, body_of},
    engine::{DEFAULT, Effect, Place},
};

/// The open sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions(Arc<Mutex<HashMap<String, Place>>>);

impl Sessions {
    pub(super) fn place(&self, id: &str) -> Option<Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Moves a session to where a `USE` sends it.
    pub(super) fn apply(&self, id: &str, effect: Effect) {
        let Effect::Use { catalog, schema } = effect else { return };
        if let Some(place) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(id) {
            if let Some(catalog) = catalog {
                place.catalog = catalog;
                place.schema = DEFAULT.to_owned();
            }
            if let Some(schema) = schema {
                place.schema = schema;
            }
        }
    }
}

#[derive(Deserialize)]
struct Open {
    warehouse_id: Option<String>,
    catalog: Option<String>,
    schema: Option<String>,
    #[serde(default)]
    session_confs: HashMap<String, String>,
}

pub(super) async fn open(State(app): Shared, body: Bytes) -> ApiResult<Json<Value>> {
    let open: Open = body_of(&body)?;
    check_warehouse(&app, open.warehouse_id.as_deref())?;
    for (name, value) in &open.session_confs {
        let refused = |error| ApiError::invalid(format!("{error}"));
        app.runner.engine.set(name, value).map_err(refused)?;
    }
    let mut place = Place::default();
    if let Some(catalog) = open.catalog {
        place.catalog = catalog.to_lowercase();
    }
    if let Some(schema) = open.schema {
        place.schema = schema.to_lowercase();
    }
    let id = uuid::Uuid::now_v7().to_string();
    app.sessions.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), place);
    Ok(Json(json!({ "session_id": id })))
}

pub(super) async fn close(State(app): Shared, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let known = app.sessions.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    known.map(|_| Json(json!({}))).ok_or_else(|| ApiError::missing(format!("Session {id} does not exist.")))
}
