//! What every call may ask, and the calls themselves.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::Response,
    routing::{delete, get, post},
};
use http::HeaderValue;

use super::{history, links, sessions, sessions::Sessions, statements};
use crate::databricks::{
    api::{
        Access, ApiError, WORKSPACE_HEADER, WORKSPACE_ID, Warehouses, dbfs, files, jobs, login, require_bearer,
        transfers::{self, Transfers},
        unity, warehouses, with_request_ids, workspace,
    },
    jobs::Jobs,
    quirks::Quirks,
    statement::Runner,
};
use crate::s3::SessionKeys;

/// The state of the workspace.
#[derive(Debug)]
pub(super) struct App {
    pub(super) runner: Runner,
    pub(super) quirks: Arc<Quirks>,
    /// The way to tables and volumes over S3.
    pub(super) storage: Option<SessionKeys>,
    pub(super) signer: links::Signer,
    pub(super) sessions: Sessions,
    pub(super) warehouses: Warehouses,
    pub(super) jobs: Jobs,
    /// Where the texts of statements go.
    pub(super) statement_log: Option<PathBuf>,
}

pub(super) type Shared = State<Arc<App>>;

/// All calls. What is not served is refused by name.
pub(super) fn router(app: &Arc<App>, access: &Access) -> Router {
    let statements = Router::new()
        .route("/api/2.0/sql/statements", post(statements::submit))
        .route("/api/2.0/sql/statements/", post(statements::submit))
        .route("/api/2.0/sql/statements/{id}", get(statements::status).delete(statements::close))
        .route("/api/2.0/sql/statements/{id}/cancel", post(statements::cancel))
        .route("/api/2.0/sql/statements/{id}/result/chunks/{n}", get(statements::chunk))
        .route("/api/2.0/sql/sessions", post(sessions::open))
        .route("/api/2.0/sql/sessions/", post(sessions::open))
        .route("/api/2.0/sql/sessions/{id}", delete(sessions::close))
        .route("/api/2.0/sql/history/queries", get(history::list))
        .with_state(Arc::clone(app));
    let engine = &app.runner.engine;
    let transfers = Transfers::new(engine.clone(), &app.quirks);
    let api = statements
        .merge(unity::routes(engine.clone(), app.quirks.empty_pages, app.storage.clone()))
        .merge(files::routes(engine.clone(), transfers.clone()))
        .merge(dbfs::routes(engine.clone()))
        .merge(warehouses::routes(app.warehouses.clone(), Arc::clone(&app.runner.statements)))
        .merge(jobs::routes(app.jobs.clone()))
        .merge(workspace::routes(app.jobs.workspace.clone()))
        .fallback(refuse)
        .method_not_allowed_fallback(refuse);
    let open = login::routes(access.clone());
    let links = Router::new().route("/links/{statement}/{chunk}", get(links::download)).with_state(Arc::clone(app));
    let links = links.merge(transfers::storage_routes(transfers));
    let all = open.merge(links).merge(require_bearer(api, access.clone()));
    with_request_ids(all.layer(middleware::from_fn(stamp)).layer(DefaultBodyLimit::disable()))
}

async fn refuse(request: Request) -> ApiError {
    ApiError::not_implemented(format_args!("{} {}", request.method(), request.uri().path()))
}

/// Every answer names its workspace.
async fn stamp(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(WORKSPACE_HEADER, HeaderValue::from_static(WORKSPACE_ID));
    response
}
