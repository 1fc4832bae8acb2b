//! The workspace's REST API beside statements: who asks, Unity Catalog, files and warehouses.
//!
//! Each part gives a router with its state inside, for a front to merge:
//!
//! - `login::routes(Access)` needs no token; `require_bearer(Router, Access)` turns away whoever has none
//! - `unity::routes(Engine, empty_pages)`, `files::routes(Engine, Transfers)`, `dbfs::routes(Engine)`, `warehouses::routes(Warehouses)`
//! - `with_request_ids(Router)` goes around everything
//!
//! Refusals are [`ApiError`]s; what is not served is [`ApiError::not_implemented`].

pub(crate) mod dbfs;
pub(crate) mod files;
pub(crate) mod jobs;
pub(crate) mod login;
pub(crate) mod reply;
pub(crate) mod transfers;
pub(crate) mod unity;
pub(crate) mod warehouses;
pub(crate) mod workspace;

mod directories;
mod identity;
mod jobs_queries;
mod jobs_runs;
pub(crate) mod me;
mod page;
mod range;
mod tables;
mod workspace_form;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    login::{Access, Base, Scheme, require_bearer},
    reply::{ApiError, ApiResult, body_of, with_request_ids},
    warehouses::Warehouses,
};

/// The workspace's number; answers carry it in this header.
pub(crate) const WORKSPACE_ID: &str = "1234567890123456";
/// See [`WORKSPACE_ID`].
pub(crate) const WORKSPACE_HEADER: &str = "x-databricks-org-id";
/// The one metastore.
const METASTORE_ID: &str = "6f2f6c1e-6a52-4d0e-9b43-7a1c5d3e8f90";
