//! `/api/2.0/sql/warehouses`: SQL warehouses, which start, stop, and run statements when they are up.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{FromRef, State},
    routing::{get, post},
};
use serde_json::{Map, Value, json};

use super::{
    login::Base,
    page::Token,
    reply::{ApiError, ApiResult, Query, Segment, body_of},
};
use crate::databricks::{engine::USER, statement::Statements};

/// The most characters of a name.
const LONGEST_NAME: usize = 99;
/// Sizes that the service knows.
const SIZES: &[&str] =
    &["2X-Small", "X-Small", "Small", "Medium", "Large", "X-Large", "2X-Large", "3X-Large", "4X-Large", "5X-Large"];
/// What a caller may say of a warehouse.
const SETTINGS: &[&str] = &[
    "name",
    "cluster_size",
    "min_num_clusters",
    "max_num_clusters",
    "auto_stop_mins",
    "enable_photon",
    "enable_serverless_compute",
    "warehouse_type",
    "spot_instance_policy",
    "channel",
    "tags",
];

/// The SQL warehouses and their states. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Warehouses(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    all: Mutex<BTreeMap<String, Warehouse>>,
    /// How long a warehouse takes to start, and to stop.
    moment: Duration,
}

#[derive(Debug)]
struct Warehouse {
    settings: Map<String, Value>,
    condition: Condition,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Condition {
    /// Until then, and until somebody was told of it where it takes no time.
    Starting(Instant),
    Running,
    Stopping(Instant),
    Stopped,
}

impl Condition {
    fn as_str(self) -> &'static str {
        match self {
            Self::Starting(_) => "STARTING",
            Self::Running => "RUNNING",
            Self::Stopping(_) => "STOPPING",
            Self::Stopped => "STOPPED",
        }
    }

    /// Where it stands now.
    fn now(self) -> Self {
        let over = |until: Instant| Instant::now() >= until;
        match self {
            Self::Starting(until) if over(until) => Self::Running,
            Self::Stopping(until) if over(until) => Self::Stopped,
            other => other,
        }
    }
}

impl Warehouse {
    fn new(name: &str, condition: Condition) -> Self {
        let defaults = json!({
            "name": name,
            "cluster_size": "2X-Small",
            "min_num_clusters": 1,
            "max_num_clusters": 1,
            "auto_stop_mins": 0,
            "enable_photon": false,
            "enable_serverless_compute": false,
            "warehouse_type": "PRO",
        });
        let Value::Object(settings) = defaults else { unreachable!("an object was written") };
        Self { settings, condition }
    }

    fn name(&self) -> &str {
        self.settings.get("name").and_then(Value::as_str).unwrap_or_default()
    }
}

impl Warehouses {
    /// One warehouse, running. What changes its state takes no time, but is told once.
    pub(crate) fn new(id: impl Into<String>) -> Self {
        let first = Warehouse::new("Sandbox warehouse", Condition::Running);
        Self(Arc::new(Inner { all: Mutex::new(BTreeMap::from([(id.into(), first)])), moment: Duration::ZERO }))
    }

    /// The same, where starting and stopping take this long.
    pub(crate) fn with_moment(self, moment: Duration) -> Self {
        let all = std::mem::take(&mut *self.all());
        Self(Arc::new(Inner { all: Mutex::new(all), moment }))
    }

    /// True for the id of a warehouse.
    #[cfg(test)]
    pub(crate) fn is_known(&self, id: &str) -> bool {
        self.all().contains_key(id)
    }

    /// Makes a warehouse ready for a statement, and answers how long that takes: it starts by itself, as the service's
    /// does.
    ///
    /// # Errors
    ///
    /// 404 for an unknown id.
    pub(crate) fn ensure_running(&self, id: &str) -> ApiResult<Duration> {
        let moment = self.0.moment;
        self.change(id, |warehouse| {
            let condition = match warehouse.condition.now() {
                _ if moment.is_zero() => Condition::Running,
                Condition::Stopping(_) | Condition::Stopped => Condition::Starting(Instant::now() + moment),
                other => other,
            };
            warehouse.condition = condition;
            match condition {
                Condition::Starting(until) => until.saturating_duration_since(Instant::now()),
                _ => Duration::ZERO,
            }
        })
    }

    fn change<T>(&self, id: &str, change: impl FnOnce(&mut Warehouse) -> T) -> ApiResult<T> {
        let missing = || ApiError::missing(format!("SQL warehouse {id} does not exist."));
        self.all().get_mut(id).map(change).ok_or_else(missing)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Warehouse>> {
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, id: &str) -> ApiResult<()> {
        let until = Instant::now() + self.0.moment;
        self.change(id, |warehouse| {
            if matches!(warehouse.condition.now(), Condition::Stopping(_) | Condition::Stopped) {
                warehouse.condition = Condition::Starting(until);
            }
        })
    }

    fn stop(&self, id: &str) -> ApiResult<()> {
        let until = Instant::now() + self.0.moment;
        self.change(id, |warehouse| {
            if matches!(warehouse.condition.now(), Condition::Starting(_) | Condition::Running) {
                warehouse.condition = Condition::Stopping(until);
            }
        })
    }

    /// As whoever reached it at `base` is to find it.
    fn describe(&self, id: &str, base: &str) -> ApiResult<Value> {
        let (scheme, host) = base.split_once("://").unwrap_or(("http", base));
        let (usual, ssl) = if scheme == "https" { (443u16, 1) } else { (80, 0) };
        let (name, port) =
            host.rsplit_once(':').map_or((host, usual), |(name, port)| (name, port.parse().unwrap_or(usual)));
        let path = format!("/sql/1.0/warehouses/{id}");
        let (condition, mut described) = self.change(id, |warehouse| {
            // What is under way is told once at least, so that clients learn to wait.
            let told = if self.0.moment.is_zero() { warehouse.condition } else { warehouse.condition.now() };
            warehouse.condition = warehouse.condition.now();
            (told, warehouse.settings.clone())
        })?;
        let more = json!({
            "id": id,
            "num_clusters": u8::from(condition == Condition::Running),
            "creator_name": USER,
            "state": condition.as_str(),
            "health": { "status": "HEALTHY" },
            "odbc_params": { "hostname": name, "path": path, "port": port, "protocol": scheme },
            "jdbc_url": format!("jdbc:databricks://{host}/default;transportMode=http;ssl={ssl};httpPath={path};"),
        });
        described.extend(more.as_object().cloned().unwrap_or_default());
        Ok(Value::Object(described))
    }

    /// The settings that a caller wants, if they make sense and the name is nobody else's.
    fn settings(&self, own: Option<&str>, wanted: Map<String, Value>) -> ApiResult<Map<String, Value>> {
        let invalid = |text: String| Err(ApiError::invalid(text));
        let mut settings = Warehouse::new("", Condition::Stopped).settings;
        for (key, value) in wanted {
            if !value.is_null() && SETTINGS.contains(&key.as_str()) {
                settings.insert(key, value);
            }
        }
        let text = |key: &str| settings.get(key).and_then(Value::as_str).unwrap_or_default();
        let number = |key: &str| settings.get(key).and_then(Value::as_u64);
        let name = text("name");
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            return invalid("name must have 1 to 99 characters.".to_owned());
        }
        if !SIZES.contains(&text("cluster_size")) {
            return invalid(format!("{} is not a supported cluster size.", text("cluster_size")));
        }
        let (fewest, most) = (number("min_num_clusters"), number("max_num_clusters"));
        if !fewest.is_some_and(|fewest| (1..=30).contains(&fewest)) {
            return invalid("min_num_clusters must be between 1 and 30.".to_owned());
        }
        if !most.is_some_and(|most| (fewest.unwrap_or(1)..=40).contains(&most)) {
            return invalid("max_num_clusters must be at least min_num_clusters, and at most 40.".to_owned());
        }
        if !number("auto_stop_mins").is_some_and(|minutes| minutes == 0 || minutes >= 10) {
            return invalid("auto_stop_mins must be 0 or at least 10.".to_owned());
        }
        if self.all().iter().any(|(id, known)| Some(id.as_str()) != own && known.name() == name) {
            return invalid(format!("SQL warehouse with name `{name}` already exists"));
        }
        Ok(settings)
    }
}

/// The warehouses, and the statements that end with them.
pub(crate) fn routes(warehouses: Warehouses, statements: Arc<Statements>) -> Router {
    Router::new()
        .route("/api/2.0/sql/warehouses", get(list).post(create))
        .route("/api/2.0/sql/warehouses/{id}", get(find).delete(remove))
        .route("/api/2.0/sql/warehouses/{id}/edit", post(edit))
        .route("/api/2.0/sql/warehouses/{id}/start", post(start))
        .route("/api/2.0/sql/warehouses/{id}/stop", post(stop))
        .with_state(Shared { warehouses, statements })
}

#[derive(Clone, Debug)]
struct Shared {
    warehouses: Warehouses,
    statements: Arc<Statements>,
}

impl FromRef<Shared> for Warehouses {
    fn from_ref(shared: &Shared) -> Self {
        shared.warehouses.clone()
    }
}

async fn list(State(warehouses): State<Warehouses>, Base(base): Base, query: Query) -> ApiResult<Json<Value>> {
    let most = query.count("page_size")?.filter(|size| *size > 0).unwrap_or(usize::MAX);
    let after = Token::of(&query)?.map(|token| token.after);
    let mut ids: Vec<String> = warehouses.all().keys().cloned().collect();
    ids.retain(|id| after.as_ref().is_none_or(|after| id > after));
    let more = ids.len() > most;
    ids.truncate(most);
    let mut described = Vec::with_capacity(ids.len());
    for id in &ids {
        match warehouses.describe(id, &base) {
            // Removed since the ids were read.
            Err(error) if error.is_not_found() => {}
            found => described.push(found?),
        }
    }
    let mut answer = json!({ "warehouses": described });
    if let Some(last) = ids.pop().filter(|_| more) {
        answer["next_page_token"] = Token { after: last, empty: false }.encode().into();
    }
    Ok(Json(answer))
}

async fn find(State(warehouses): State<Warehouses>, Segment(id): Segment, Base(base): Base) -> ApiResult<Json<Value>> {
    Ok(Json(warehouses.describe(&id, &base)?))
}

async fn create(State(warehouses): State<Warehouses>, body: Bytes) -> ApiResult<Json<Value>> {
    let settings = warehouses.settings(None, body_of(&body)?)?;
    let id = uuid::Uuid::new_v4().simple().to_string()[..16].to_owned();
    let condition = Condition::Starting(Instant::now() + warehouses.0.moment);
    warehouses.all().insert(id.clone(), Warehouse { settings, condition });
    Ok(Json(json!({ "id": id })))
}

async fn edit(State(warehouses): State<Warehouses>, Segment(id): Segment, body: Bytes) -> ApiResult<Json<Value>> {
    warehouses.change(&id, |_| ())?;
    let settings = warehouses.settings(Some(&id), body_of(&body)?)?;
    warehouses.change(&id, |warehouse| warehouse.settings = settings)?;
    Ok(Json(json!({})))
}

async fn remove(State(shared): State<Shared>, Segment(id): Segment) -> ApiResult<Json<Value>> {
    shared.warehouses.change(&id, |_| ())?;
    shared.warehouses.all().remove(&id);
    shared.statements.warehouse_stopped(&id);
    Ok(Json(json!({})))
}

async fn start(State(warehouses): State<Warehouses>, Segment(id): Segment) -> ApiResult<Json<Value>> {
    warehouses.start(&id)?;
    Ok(Json(json!({})))
}

async fn stop(State(shared): State<Shared>, Segment(id): Segment) -> ApiResult<Json<Value>> {
    shared.warehouses.stop(&id)?;
    shared.statements.warehouse_stopped(&id);
    Ok(Json(json!({})))
}
