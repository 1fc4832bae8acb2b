//! The workspace's REST API beside statements: who asks, Unity Catalog, files and warehouses.
//!
//! Each part is a router of its own, with its state inside:
//!
//! - `Access::new(token: Secret, client_id: impl Into<String>, client_secret: Secret, token_lifetime: Duration)`;
//!   clones share the issued tokens, `Access::revoke_all()` takes them back
//! - `login::routes(access: Access) -> Router`: OAuth and discovery, without a bearer token
//! - `login::require_bearer(router: Router, access: Access) -> Router`: turns away whoever has no token
//! - `unity::routes(engine: Engine, empty_pages: bool) -> Router`; `empty_pages` imitates the service's pages without
//!   rows (default: true)
//! - `files::routes(engine: Engine) -> Router`
//! - `warehouses::routes(warehouses: Warehouses) -> Router`, from `Warehouses::new(id: impl Into<String>)`; statements
//!   ask `is_known(&str) -> bool` and `ensure_running(&str) -> ApiResult<()>`
//! - `reply::with_request_ids(router: Router) -> Router`, outermost; `ApiError` and `ApiResult` for what is still to
//!   come, `ApiError::not_implemented(what)` for what is not served
//!
//! So a front is `with_request_ids(login::routes(a).merge(require_bearer(unity.merge(files).merge(…).fallback(…), a)))`.

pub(crate) mod files;
pub(crate) mod login;
pub(crate) mod reply;
pub(crate) mod unity;
pub(crate) mod warehouses;

mod directories;
mod page;
mod range;
mod tables;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    login::{Access, require_bearer},
    reply::{ApiError, ApiResult, Query, body_of, with_request_ids},
    warehouses::Warehouses,
};

/// The workspace's number; answers carry it in this header.
pub(crate) const WORKSPACE_ID: &str = "1234567890123456";
/// See [`WORKSPACE_ID`].
pub(crate) const WORKSPACE_HEADER: &str = "x-databricks-org-id";
/// The one metastore.
const METASTORE_ID: &str = "6f2f6c1e-6a52-4d0e-9b43-7a1c5d3e8f90";
