//! `/api/2.1/unity-catalog`: catalogs, schemas and volumes. Tables are in `tables`.

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    METASTORE_ID,
    page::Paging,
    reply::{ApiError, ApiResult, Query, Segment, body_of},
    tables,
};
use crate::databricks::{
    engine::{Engine, FullName, Place, Request, USER},
    error::SqlError,
    sql::{ObjectPath, Parameters},
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
}

/// Unity Catalog over the catalog of the engine. With `empty_pages`, one page of each longer listing has no rows and
/// a token, which the service may do and clients forget.
pub(crate) fn routes(engine: Engine, empty_pages: bool) -> Router {
    let base = "/api/2.1/unity-catalog";
    Router::new()
        .route(&format!("{base}/catalogs"), get(list_catalogs).post(create_catalog))
        .route(&format!("{base}/catalogs/{{name}}"), get(find_catalog).delete(drop_catalog))
        .route(&format!("{base}/schemas"), get(list_schemas).post(create_schema))
        .route(&format!("{base}/schemas/{{name}}"), get(find_schema).delete(drop_schema))
        .route(&format!("{base}/volumes"), get(list_volumes).post(create_volume))
        .route(&format!("{base}/volumes/{{name}}"), get(find_volume).delete(drop_volume))
        .route(&format!("{base}/tables"), get(tables::list).post(tables::refuse_create))
        .route(&format!("{base}/tables/{{name}}"), get(tables::find).delete(tables::remove))
        .route(&format!("{base}/tables/{{name}}/exists"), get(tables::exists))
        .route(&format!("{base}/table-summaries"), get(tables::summaries))
        .route(&format!("{base}/current-metastore-assignment"), get(assignment))
        .route(&format!("{base}/temporary-service-credentials"), post(refuse_credentials))
        .route("/api/2.0/unity-catalog/temporary-table-credentials", post(refuse_credentials))
        .route("/api/2.0/unity-catalog/temporary-volume-credentials", post(refuse_credentials))
        .route("/api/2.0/unity-catalog/temporary-path-credentials", post(refuse_credentials))
        .with_state(Unity { engine, empty_pages })
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

    fn catalog_names(&self) -> Vec<String> {
        self.engine.catalog().read(|listing| listing.keys().cloned().collect())
    }

    fn catalog(&self, name: &str) -> ApiResult<Value> {
        self.engine.catalog().read(|listing| {
            let entry = listing.get(name).ok_or_else(|| no_catalog(name))?;
            let mut info = info(name, entry.created_at, entry.comment.as_deref());
            info.insert("full_name".to_owned(), name.into());
            info.insert("catalog_type".to_owned(), "MANAGED_CATALOG".into());
            info.insert("isolation_mode".to_owned(), "OPEN".into());
            Ok(info.into())
        })
    }

    fn schema(&self, catalog: &str, name: &str) -> ApiResult<Value> {
        self.engine.catalog().read(|listing| {
            let entry = listing.get(catalog).ok_or_else(|| no_catalog(catalog))?;
            let entry = entry.schemas.get(name).ok_or_else(|| no_schema(catalog, name))?;
            let mut info = info(name, entry.created_at, entry.comment.as_deref());
            info.insert("catalog_name".to_owned(), catalog.into());
            info.insert("full_name".to_owned(), format!("{catalog}.{name}").into());
            info.insert("schema_id".to_owned(), entry.id.to_string().into());
            info.insert("catalog_type".to_owned(), "MANAGED_CATALOG".into());
            Ok(info.into())
        })
    }

    fn volume(&self, name: &FullName) -> ApiResult<Value> {
        let entry = self.engine.catalog().volume(name).map_err(|error| refusal(&error, "Volume", &full_name(name)))?;
        let mut info = info(&name.name, entry.created_at, entry.comment.as_deref());
        info.insert("catalog_name".to_owned(), name.catalog.clone().into());
        info.insert("schema_name".to_owned(), name.schema.clone().into());
        info.insert("full_name".to_owned(), full_name(name).into());
        info.insert("volume_id".to_owned(), entry.id.to_string().into());
        info.insert("volume_type".to_owned(), "MANAGED".into());
        info.insert("storage_location".to_owned(), location(&self.engine.catalog().path(&entry.folder))?.into());
        Ok(info.into())
    }
}

/// What all objects have.
pub(super) fn info(name: &str, created_at: u64, comment: Option<&str>) -> Map<String, Value> {
    let mut info = Map::new();
    info.insert("name".to_owned(), name.into());
    info.insert("owner".to_owned(), USER.into());
    info.insert("metastore_id".to_owned(), METASTORE_ID.into());
    for (time, by) in [("created_at", "created_by"), ("updated_at", "updated_by")] {
        info.insert(time.to_owned(), created_at.into());
        info.insert(by.to_owned(), USER.into());
    }
    if let Some(comment) = comment {
        info.insert("comment".to_owned(), comment.into());
    }
    info
}

/// A folder as a URL, without a slash at its end.
pub(super) fn location(folder: &std::path::Path) -> ApiResult<String> {
    url::Url::from_file_path(folder).map(String::from).map_err(|()| ApiError::internal("a folder without a URL"))
}

/// The name as this API writes it: parts joined by periods, which no part can have.
pub(super) fn full_name(name: &FullName) -> String {
    format!("{}.{}.{}", name.catalog, name.schema, name.name)
}

/// Reads such a name of three parts.
pub(super) fn three_parts(text: &str) -> ApiResult<FullName> {
    let parts: Vec<String> = text.split('.').map(str::to_lowercase).collect();
    match <[String; 3]>::try_from(parts) {
        Ok([catalog, schema, name]) if ![&catalog, &schema, &name].iter().any(|part| part.is_empty()) => {
            Ok(FullName { catalog, schema, name })
        }
        _ => Err(ApiError::invalid(format!("'{text}' is not a name of the form catalog.schema.name"))),
    }
}

fn two_parts(text: &str) -> ApiResult<(String, String)> {
    let lower = text.to_lowercase();
    match lower.split_once('.') {
        Some((catalog, schema)) if !catalog.is_empty() && !schema.is_empty() && !schema.contains('.') => {
            Ok((catalog.to_owned(), schema.to_owned()))
        }
        _ => Err(ApiError::invalid(format!("'{text}' is not a name of the form catalog.schema"))),
    }
}

pub(super) fn no_catalog(name: &str) -> ApiError {
    absent("Catalog", name)
}

fn no_schema(catalog: &str, name: &str) -> ApiError {
    absent("Schema", &format!("{catalog}.{name}"))
}

fn absent(kind: &str, name: &str) -> ApiError {
    let code = format!("{}_DOES_NOT_EXIST", kind.to_uppercase());
    ApiError::new(http::StatusCode::NOT_FOUND, &code, format!("{kind} '{name}' does not exist."))
}

/// The engine's refusal in this API's words; `kind` and `name` say what the request was about.
pub(super) fn refusal(error: &SqlError, kind: &str, name: &str) -> ApiError {
    let mut parts = name.split('.');
    let (catalog, schema) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match error.class() {
        "NO_SUCH_CATALOG_EXCEPTION" => no_catalog(catalog),
        "SCHEMA_NOT_FOUND" => no_schema(catalog, schema),
        "TABLE_OR_VIEW_NOT_FOUND" | "VOLUME_NOT_FOUND" => absent(kind, name),
        class if class.ends_with("_ALREADY_EXISTS") => {
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

#[derive(Deserialize)]
struct Create {
    name: String,
    #[serde(default)]
    catalog_name: Option<String>,
    #[serde(default)]
    schema_name: Option<String>,
    #[serde(default)]
    volume_type: Option<String>,
    #[serde(default)]
    comment: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Create {
    fn read(body: &Bytes) -> ApiResult<Self> {
        let create: Self = body_of(body)?;
        // Leaving a wish out quietly would be worse than not having it.
        match create.others.iter().find(|(_, value)| !is_nothing(value)) {
            Some((wish, _)) => Err(ApiError::not_implemented(format_args!("the field {wish}"))),
            None => Ok(create),
        }
    }

    fn statement(&self, kind: &str, path: &[&str]) -> String {
        let path = ObjectPath(path.iter().map(|part| (*part).to_owned()).collect());
        let comment = self.comment.as_ref().map_or_else(String::new, |comment| {
            format!(" COMMENT '{}'", comment.replace('\\', "\\\\").replace('\'', "\\'"))
        });
        format!("CREATE {kind} {path}{comment}")
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn needed<'a>(value: Option<&'a String>, name: &str) -> ApiResult<&'a str> {
    value.map(String::as_str).ok_or_else(|| ApiError::invalid(format!("Missing required field: {name}")))
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

async fn list_catalogs(State(unity): State<Unity>, query: Query) -> ApiResult<Json<Value>> {
    let (names, next) = unity.paging(&query, PAGE)?.cut(unity.catalog_names());
    Ok(page("catalogs", names.iter().flat_map(|name| unity.catalog(name)).collect(), next))
}

async fn find_catalog(State(unity): State<Unity>, Segment(name): Segment) -> ApiResult<Json<Value>> {
    Ok(Json(unity.catalog(&name.to_lowercase())?))
}

async fn create_catalog(State(unity): State<Unity>, body: Bytes) -> ApiResult<Json<Value>> {
    let create = Create::read(&body)?;
    unity.run(create.statement("CATALOG", &[&create.name]), "Catalog", &create.name).await?;
    Ok(Json(unity.catalog(&create.name.to_lowercase())?))
}

async fn drop_catalog(State(unity): State<Unity>, Segment(name): Segment, query: Query) -> ApiResult<Json<Value>> {
    unity.run(drop_statement("CATALOG", &[&name], query.flag("force")?), "Catalog", &name).await?;
    Ok(Json(json!({})))
}

async fn list_schemas(State(unity): State<Unity>, query: Query) -> ApiResult<Json<Value>> {
    let catalog = query.required("catalog_name")?.to_lowercase();
    let names = unity.engine.catalog().read(|listing| {
        listing.get(&catalog).map(|entry| entry.schemas.keys().cloned().collect()).ok_or_else(|| no_catalog(&catalog))
    })?;
    let (names, next) = unity.paging(&query, PAGE)?.cut(names);
    Ok(page("schemas", names.iter().flat_map(|name| unity.schema(&catalog, name)).collect(), next))
}

async fn find_schema(State(unity): State<Unity>, Segment(name): Segment) -> ApiResult<Json<Value>> {
    let (catalog, schema) = two_parts(&name)?;
    Ok(Json(unity.schema(&catalog, &schema)?))
}

async fn create_schema(State(unity): State<Unity>, body: Bytes) -> ApiResult<Json<Value>> {
    let create = Create::read(&body)?;
    let catalog = needed(create.catalog_name.as_ref(), "catalog_name")?;
    let name = format!("{catalog}.{}", create.name);
    unity.run(create.statement("SCHEMA", &[catalog, &create.name]), "Schema", &name).await?;
    Ok(Json(unity.schema(&catalog.to_lowercase(), &create.name.to_lowercase())?))
}

async fn drop_schema(State(unity): State<Unity>, Segment(name): Segment, query: Query) -> ApiResult<Json<Value>> {
    let (catalog, schema) = two_parts(&name)?;
    unity.run(drop_statement("SCHEMA", &[&catalog, &schema], query.flag("force")?), "Schema", &name).await?;
    Ok(Json(json!({})))
}

/// The names in a schema, told apart from a schema that does not exist.
pub(super) fn names_in(
    unity: &Unity,
    query: &Query,
    names: impl Fn(&FullName) -> Vec<String>,
) -> ApiResult<(FullName, Vec<String>)> {
    let catalog = query.required("catalog_name")?.to_lowercase();
    let schema = query.required("schema_name")?.to_lowercase();
    unity.schema(&catalog, &schema)?;
    let place = FullName { catalog, schema, name: String::new() };
    let names = names(&place);
    Ok((place, names))
}

async fn list_volumes(State(unity): State<Unity>, query: Query) -> ApiResult<Json<Value>> {
    let (place, names) = names_in(&unity, &query, |place| {
        unity.engine.catalog().read(|listing| {
            let schema = listing.get(&place.catalog).and_then(|entry| entry.schemas.get(&place.schema));
            schema.map(|schema| schema.volumes.keys().cloned().collect()).unwrap_or_default()
        })
    })?;
    let (names, next) = unity.paging(&query, LARGE_PAGE)?.capped(LARGE_PAGE).cut(names);
    let volumes = names.into_iter().flat_map(|name| unity.volume(&FullName { name, ..place.clone() })).collect();
    Ok(page("volumes", volumes, next))
}

async fn find_volume(State(unity): State<Unity>, Segment(name): Segment) -> ApiResult<Json<Value>> {
    Ok(Json(unity.volume(&three_parts(&name)?)?))
}

async fn create_volume(State(unity): State<Unity>, body: Bytes) -> ApiResult<Json<Value>> {
    let create = Create::read(&body)?;
    if create.volume_type.as_deref().is_some_and(|kind| kind != "MANAGED") {
        return Err(ApiError::not_implemented("external volumes"));
    }
    let catalog = needed(create.catalog_name.as_ref(), "catalog_name")?;
    let schema = needed(create.schema_name.as_ref(), "schema_name")?;
    let name = format!("{catalog}.{schema}.{}", create.name);
    unity.run(create.statement("VOLUME", &[catalog, schema, &create.name]), "Volume", &name).await?;
    Ok(Json(unity.volume(&three_parts(&name)?)?))
}

async fn drop_volume(State(unity): State<Unity>, Segment(name): Segment) -> ApiResult<Json<Value>> {
    let FullName { catalog, schema, name: volume } = three_parts(&name)?;
    unity.run(drop_statement("VOLUME", &[&catalog, &schema, &volume], false), "Volume", &name).await?;
    Ok(Json(json!({})))
}

async fn assignment() -> Json<Value> {
    Json(json!({
        "metastore_id": METASTORE_ID,
        "workspace_id": super::WORKSPACE_ID.parse::<u64>().unwrap_or_default(),
        "default_catalog_name": Place::default().catalog,
    }))
}

async fn refuse_credentials() -> ApiError {
    ApiError::not_implemented("temporary credentials for storage")
}
