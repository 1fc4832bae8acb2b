//! `/api/2.1/unity-catalog`: the catalog of the engine, as the service describes it. Tables are in `tables`.

mod catalogs;
mod change;
mod constraints;
mod credentials;
mod functions;
mod grants;
mod metastore;
mod names;
mod schemas;
mod volumes;

use axum::{
    Json, Router,
    routing::{get, post},
};
use serde_json::{Map, Value};

use self::names::{absent, no_schema, two_parts};
pub(super) use self::{
    change::{Change, refuse_others},
    constraints::constraint,
    names::{full_name, names_in, no_catalog, three_parts},
};
use super::{
    METASTORE_ID,
    page::Paging,
    reply::{ApiError, ApiResult, Query},
    tables,
};
use crate::{
    databricks::{
        engine::{Engine, Governance, Place, Request, USER},
        error::SqlError,
        sql::{ObjectPath, Parameters},
    },
    s3::SessionKeys,
};

/// The page that the sandbox chooses if the client leaves it the choice.
pub(super) const PAGE: usize = 100;
/// The largest page of volumes and of summaries.
pub(super) const LARGE_PAGE: usize = 10_000;

/// What the handlers need.
#[derive(Clone, Debug)]
pub(super) struct Unity {
    pub(super) engine: Engine,
    pub(super) empty_pages: bool,
    /// The way to the files over S3. Without it there are no temporary credentials.
    pub(super) storage: Option<SessionKeys>,
}

/// Unity Catalog over the catalog of the engine. With `empty_pages`, one page of each longer listing has no rows and
/// a token, which the service may do and clients forget.
pub(crate) fn routes(engine: Engine, empty_pages: bool, storage: Option<SessionKeys>) -> Router {
    let base = "/api/2.1/unity-catalog";
    let at = |path: &str| format!("{base}/{path}");
    let old = |path: &str| format!("/api/2.0/unity-catalog/{path}");
    Router::new()
        .route(&at("catalogs"), get(catalogs::list).post(catalogs::create))
        .route(&at("catalogs/{name}"), get(catalogs::find).patch(catalogs::update).delete(catalogs::remove))
        .route(&at("schemas"), get(schemas::list).post(schemas::create))
        .route(&at("schemas/{name}"), get(schemas::find).patch(schemas::update).delete(schemas::remove))
        .route(&at("volumes"), get(volumes::list).post(volumes::create))
        .route(&at("volumes/{name}"), get(volumes::find).patch(volumes::update).delete(volumes::remove))
        .route(&at("functions"), get(functions::list).post(functions::create))
        .route(&at("functions/{name}"), get(functions::find).patch(functions::update).delete(functions::remove))
        .route(&at("tables"), get(tables::list).post(tables::create))
        .route(&at("tables/{name}"), get(tables::find).patch(tables::update).delete(tables::remove))
        .route(&at("tables/{name}/exists"), get(tables::exists))
        .route(&at("table-summaries"), get(tables::summaries))
        .route(&at("constraints"), post(constraints::create))
        .route(&at("constraints/{name}"), axum::routing::delete(constraints::remove))
        .route(&at("permissions/{kind}/{name}"), get(grants::list).patch(grants::update))
        .route(&at("effective-permissions/{kind}/{name}"), get(grants::effective))
        .route(&at("metastore_summary"), get(metastore::summary))
        .route(&at("metastores"), get(metastore::list))
        .route(&at("current-metastore-assignment"), get(metastore::assignment))
        .route(&old("temporary-table-credentials"), post(credentials::table))
        .route(&old("temporary-volume-credentials"), post(credentials::volume))
        .route(&old("temporary-path-credentials"), post(credentials::path))
        .with_state(Unity { engine, empty_pages, storage })
}

impl Unity {
    pub(super) fn paging(&self, query: &Query, server_page: usize) -> ApiResult<Paging> {
        Paging::of(query, server_page, self.empty_pages)
    }

    /// Runs a statement of definition, and tells its refusal as this API does.
    pub(super) async fn run(&self, sql: String, kind: &str, name: &str) -> ApiResult<()> {
        let request = Request { sql, parameters: Parameters::new(Vec::new()), place: Place::default() };
        self.engine.run(&request).await.map(drop).map_err(|error| refusal(&error, kind, name))
    }
}

/// What all objects have.
pub(super) fn info(name: &str, created_at: u64, comment: Option<&str>, governance: &Governance) -> Map<String, Value> {
    let mut info = Map::new();
    info.insert("name".to_owned(), name.into());
    info.insert("owner".to_owned(), governance.owner().into());
    info.insert("metastore_id".to_owned(), METASTORE_ID.into());
    info.insert("created_at".to_owned(), created_at.into());
    info.insert("updated_at".to_owned(), governance.updated_at.unwrap_or(created_at).into());
    info.insert("created_by".to_owned(), USER.into());
    info.insert("updated_by".to_owned(), USER.into());
    if let Some(comment) = comment {
        info.insert("comment".to_owned(), comment.into());
    }
    info
}

/// Puts the properties in, if there are any.
pub(super) fn with_properties(info: &mut Map<String, Value>, governance: &Governance) {
    if !governance.properties.is_empty() {
        let properties = governance.properties.iter().map(|(key, value)| (key.clone(), value.as_str().into()));
        info.insert("properties".to_owned(), Map::from_iter(properties).into());
    }
}

/// A folder as a URL, without a slash at its end.
pub(super) fn location(folder: &std::path::Path) -> ApiResult<String> {
    url::Url::from_file_path(folder).map(String::from).map_err(|()| ApiError::internal("a folder without a URL"))
}

/// The engine's refusal in this API's words; `kind` and `name` say what the request was about.
pub(super) fn refusal(error: &SqlError, kind: &str, name: &str) -> ApiError {
    let mut parts = name.split('.');
    let (catalog, schema) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match error.class() {
        "NO_SUCH_CATALOG_EXCEPTION" => no_catalog(catalog),
        "SCHEMA_NOT_FOUND" => no_schema(catalog, schema),
        "TABLE_OR_VIEW_NOT_FOUND" | "VOLUME_NOT_FOUND" | "ROUTINE_NOT_FOUND" => absent(kind, name),
        class if class.ends_with("_ALREADY_EXISTS") => {
            let class = if class == "TABLE_OR_VIEW_ALREADY_EXISTS" { "TABLE_ALREADY_EXISTS" } else { class };
            let last = name.rsplit('.').next().unwrap_or_default();
            ApiError::new(http::StatusCode::BAD_REQUEST, class, format!("{kind} '{last}' already exists"))
        }
        class if class.ends_with("_NOT_EMPTY") => {
            let message = format!("{kind} '{name}' is not empty. Delete what is in it first, or send force=true.");
            ApiError::new(http::StatusCode::BAD_REQUEST, "INVALID_STATE", message)
        }
        _ => error.clone().into(),
    }
}

fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// `DROP … CASCADE` if the request says `force=true`.
pub(super) fn drop_statement(kind: &str, path: &[&str], force: bool) -> String {
    let path = ObjectPath(path.iter().map(|part| (*part).to_owned()).collect());
    format!("DROP {kind} {path}{}", if force { " CASCADE" } else { "" })
}

pub(super) fn page(key: &str, found: Vec<Value>, next: Option<String>) -> Json<Value> {
    let mut page = Map::from_iter([(key.to_owned(), found.into())]);
    page.extend(next.map(|next| ("next_page_token".to_owned(), next.into())));
    Json(page.into())
}
