//! The metastore behind everything.

use serde::Deserialize;
use twinhouse_core::Result;

use super::{
    Calls, Listing,
    pages::{Query, page},
};
use crate::wire::count;

/// A metastore as the service describes it. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MetastoreInfo {
    /// Its id.
    pub metastore_id: String,
    /// The name.
    pub name: Option<String>,
    /// `cloud:region:id`
    pub global_metastore_id: Option<String>,
    /// The cloud: `aws`, `azure`, `gcp`.
    pub cloud: Option<String>,
    /// The cloud's region.
    pub region: Option<String>,
    /// Whether temporary credentials are given to clients outside of the service.
    pub external_access_enabled: Option<bool>,
    /// Which rules of privileges hold.
    pub privilege_model_version: Option<String>,
    /// Where managed tables are kept unless a catalog or a schema says otherwise.
    pub storage_root: Option<String>,
    /// The name of the credential that opens it.
    pub storage_root_credential_name: Option<String>,
    /// What may be shared, and with whom.
    pub delta_sharing_scope: Option<String>,
    /// Whose it is.
    pub owner: Option<String>,
    /// When it was made.
    #[serde(deserialize_with = "count")]
    pub created_at: Option<u64>,
    /// By whom.
    pub created_by: Option<String>,
    /// When it was last changed.
    #[serde(deserialize_with = "count")]
    pub updated_at: Option<u64>,
    /// By whom.
    pub updated_by: Option<String>,
}

page!(MetastorePage, metastores: MetastoreInfo);

/// Which metastore the workspace uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MetastoreAssignment {
    /// Its id.
    pub metastore_id: String,
    /// The workspace.
    #[serde(deserialize_with = "count")]
    pub workspace_id: Option<u64>,
    /// The catalog of names that have none.
    pub default_catalog_name: Option<String>,
}

/// The metastore behind everything. See [`UnityCatalog::metastores`](super::UnityCatalog::metastores).
#[derive(Clone, Debug)]
pub struct Metastores {
    calls: Calls,
}

impl Metastores {
    pub(super) fn new(calls: Calls) -> Self {
        Self { calls }
    }

    /// The workspace's metastore, described.
    ///
    /// # Errors
    ///
    /// As every call: see [`ErrorKind`](twinhouse_core::ErrorKind).
    pub async fn summary(&self) -> Result<MetastoreInfo> {
        self.calls.get("metastore.summary", &["metastore_summary"], Query::default()).await
    }

    /// Which metastore the workspace uses.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) if it uses none.
    pub async fn current(&self) -> Result<MetastoreAssignment> {
        self.calls.get("metastore.current", &["current-metastore-assignment"], Query::default()).await
    }

    /// All metastores of the account. For its administrators.
    pub fn list(&self) -> Listing<MetastoreInfo> {
        self.calls.list::<MetastorePage>("metastore.list", &["metastores"], Query::default(), 0)
    }
}
