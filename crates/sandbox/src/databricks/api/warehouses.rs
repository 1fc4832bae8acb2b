//! `/api/2.0/sql/warehouses`: the one SQL warehouse; and who asks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::HeaderMap;
use serde_json::{Value, json};

use super::{
    WORKSPACE_HEADER, WORKSPACE_ID,
    reply::{ApiError, ApiResult, Query, Segment, host_of},
};
use crate::databricks::engine::USER;

/// The one SQL warehouse and its state. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Warehouses(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: String,
    condition: Mutex<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Condition {
    Starting,
    Running,
    Stopping,
    Stopped,
}

impl Condition {
    fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
            Self::Stopped => "STOPPED",
        }
    }
}

impl Warehouses {
    /// One warehouse, running.
    pub(crate) fn new(id: impl Into<String>) -> Self {
        Self(Arc::new(Inner { id: id.into(), condition: Mutex::new(Condition::Running) }))
    }

    /// True for the id of the warehouse.
    pub(crate) fn is_known(&self, id: &str) -> bool {
        self.0.id == id
    }

    /// Makes the warehouse ready for a statement: it starts by itself, as the service's does.
    ///
    /// # Errors
    ///
    /// 404 for an unknown id.
    pub(crate) fn ensure_running(&self, id: &str) -> ApiResult<()> {
        self.check(id)?;
        *self.condition() = Condition::Running;
        Ok(())
    }

    fn check(&self, id: &str) -> ApiResult<()> {
        if self.is_known(id) { Ok(()) } else { Err(ApiError::missing(format!("SQL warehouse {id} does not exist."))) }
    }

    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.0.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) {
        let mut condition = self.condition();
        if matches!(*condition, Condition::Stopping | Condition::Stopped) {
            *condition = Condition::Starting;
        }
    }

    fn stop(&self) {
        let mut condition = self.condition();
        if matches!(*condition, Condition::Starting | Condition::Running) {
            *condition = Condition::Stopping;
        }
    }

    /// The state as it is told now. What is under way is told once, so that clients learn to wait.
    fn look(&self) -> Condition {
        let mut condition = self.condition();
        let told = *condition;
        *condition = match told {
            Condition::Starting | Condition::Running => Condition::Running,
            Condition::Stopping | Condition::Stopped => Condition::Stopped,
        };
        told
    }

    fn describe(&self, headers: &HeaderMap) -> ApiResult<Value> {
        let host = host_of(headers)?;
        let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
        let path = format!("/sql/1.0/warehouses/{}", self.0.id);
        let condition = self.look();
        Ok(json!({
            "id": self.0.id,
            "name": "Sandbox warehouse",
            "cluster_size": "2X-Small",
            "min_num_clusters": 1,
            "max_num_clusters": 1,
            "num_clusters": u8::from(condition == Condition::Running),
            "auto_stop_mins": 0,
            "enable_photon": false,
            "enable_serverless_compute": false,
            "warehouse_type": "PRO",
            "creator_name": USER,
            "state": condition.as_str(),
            "health": { "status": "HEALTHY" },
            "odbc_params": { "hostname": name, "path": path, "port": port.parse().unwrap_or(80u16), "protocol": "http" },
            "jdbc_url": format!("jdbc:databricks://{host}/default;transportMode=http;ssl=0;httpPath={path};"),
        }))
    }
}

/// The warehouse, and the user as whom everything runs.
pub(crate) fn routes(warehouses: Warehouses) -> Router {
    Router::new()
        .route("/api/2.0/sql/warehouses", get(list).post(refuse_change))
        .route("/api/2.0/sql/warehouses/{id}", get(find).delete(refuse_change))
        .route("/api/2.0/sql/warehouses/{id}/edit", post(refuse_change))
        .route("/api/2.0/sql/warehouses/{id}/start", post(start))
        .route("/api/2.0/sql/warehouses/{id}/stop", post(stop))
        .route("/api/2.0/preview/scim/v2/Me", get(me))
        .with_state(warehouses)
}

async fn list(State(warehouses): State<Warehouses>, headers: HeaderMap, query: Query) -> ApiResult<Json<Value>> {
    // One warehouse fits on the first page, so that no token was ever given out.
    query.count("page_size")?;
    if query.text("page_token").is_some() {
        return Err(ApiError::invalid("Invalid page token"));
    }
    Ok(Json(json!({ "warehouses": [warehouses.describe(&headers)?] })))
}

async fn find(
    State(warehouses): State<Warehouses>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> ApiResult<Json<Value>> {
    warehouses.check(&id)?;
    Ok(Json(warehouses.describe(&headers)?))
}

async fn start(State(warehouses): State<Warehouses>, Segment(id): Segment) -> ApiResult<Json<Value>> {
    warehouses.check(&id)?;
    warehouses.start();
    Ok(Json(json!({})))
}

async fn stop(State(warehouses): State<Warehouses>, Segment(id): Segment) -> ApiResult<Json<Value>> {
    warehouses.check(&id)?;
    warehouses.stop();
    Ok(Json(json!({})))
}

async fn refuse_change() -> ApiError {
    ApiError::not_implemented("making, changing or removing SQL warehouses")
}

async fn me() -> Response {
    let me = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": "1",
        "userName": USER,
        "displayName": "Sandbox",
        "active": true,
        "emails": [{ "type": "work", "value": USER, "primary": true }],
    });
    ([(WORKSPACE_HEADER, WORKSPACE_ID)], Json(me)).into_response()
}
