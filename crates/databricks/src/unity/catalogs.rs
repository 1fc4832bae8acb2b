//! Catalogs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use twinhouse_core::{Result, http::Method};

use super::{
    Calls, Listing, Repeat, found,
    name::{bad, check_keys, check_new, check_part, check_principal},
    pages::{Query, page},
};
use crate::{
    setters::setters,
    wire::{count, nullable},
    words::words,
};

words! {
    /// What kind of catalog it is.
    CatalogType {
        /// Delta tables of this workspace's metastore.
        Managed = "MANAGED_CATALOG",
        /// Another database, seen through a connection.
        Foreign = "FOREIGN_CATALOG",
        /// What somebody shares.
        DeltaSharing = "DELTASHARING_CATALOG",
        /// The service's own tables.
        System = "SYSTEM_CATALOG",
        /// Made by the service for itself.
        Internal = "INTERNAL_CATALOG",
        /// An online database.
        ManagedOnline = "MANAGED_ONLINE_CATALOG",
    }
}

words! {
    /// Which workspaces see the catalog.
    IsolationMode {
        /// All of the metastore.
        Open = "OPEN",
        /// Those that it is bound to.
        Isolated = "ISOLATED",
    }
}

/// A catalog as the service describes it. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CatalogInfo {
    /// The name.
    pub name: String,
    /// The same.
    pub full_name: Option<String>,
    /// What kind it is.
    pub catalog_type: Option<CatalogType>,
    /// What it is about.
    pub comment: Option<String>,
    /// Whose it is.
    pub owner: Option<String>,
    /// Properties.
    #[serde(deserialize_with = "nullable")]
    pub properties: BTreeMap<String, String>,
    /// Options of a foreign catalog.
    #[serde(deserialize_with = "nullable")]
    pub options: BTreeMap<String, String>,
    /// Where managed tables are kept, as it was given.
    pub storage_root: Option<String>,
    /// Where managed tables are kept.
    pub storage_location: Option<String>,
    /// Which workspaces see it.
    pub isolation_mode: Option<IsolationMode>,
    /// The metastore that it is in.
    pub metastore_id: Option<String>,
    /// The provider of a share.
    pub provider_name: Option<String>,
    /// The share.
    pub share_name: Option<String>,
    /// The connection of a foreign catalog.
    pub connection_name: Option<String>,
    /// Whether only its description may be read.
    #[serde(deserialize_with = "nullable")]
    pub browse_only: bool,
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

page!(CatalogPage, catalogs: CatalogInfo);

/// Which catalogs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListCatalogs {
    /// The most that one page may have; 0, the default, leaves the choice to the service.
    pub max_results: u32,
    /// Also those of which only the description may be read.
    pub include_browse: bool,
}

impl ListCatalogs {
    setters! {
        /// The most that one page may have.
        with_max_results(max_results: is u32);
        /// Also those of which only the description may be read.
        with_include_browse(include_browse: is bool);
    }
}

/// A catalog that is to be made.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CreateCatalog {
    /// The name.
    pub name: String,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Properties.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// Options of a foreign catalog.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Where its managed tables are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_root: Option<String>,
    /// The connection of a foreign catalog.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_name: Option<String>,
    /// The provider of the share. Goes with [`share_name`](Self::share_name).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_name: Option<String>,
    /// The share that it shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_name: Option<String>,
}

impl CreateCatalog {
    /// A catalog of Delta tables with this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    setters! {
        /// What it is about.
        with_comment(comment: some String);
        /// Adds a property.
        with_property(properties: pair);
        /// Where its managed tables are kept.
        with_storage_root(storage_root: some String);
    }

    /// Makes it a foreign catalog, over this connection and with these options.
    #[must_use]
    pub fn with_connection(
        mut self,
        name: impl Into<String>,
        options: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        self.connection_name = Some(name.into());
        self.options = options.into_iter().collect();
        self
    }

    /// Makes it show this share of this provider.
    #[must_use]
    pub fn with_share(mut self, provider: impl Into<String>, share: impl Into<String>) -> Self {
        (self.provider_name, self.share_name) = (Some(provider.into()), Some(share.into()));
        self
    }

    fn check(&self) -> Result<()> {
        check_new("name", &self.name)?;
        check_keys("properties", self.properties.keys())?;
        check_keys("options", self.options.keys())?;
        if self.provider_name.is_some() != self.share_name.is_some() {
            return Err(bad("share_name", "and `provider_name` go together"));
        }
        if self.share_name.is_some() && (self.connection_name.is_some() || self.storage_root.is_some()) {
            return Err(bad("share_name", "excludes `connection_name` and `storage_root`: it is one kind of catalog"));
        }
        if !self.options.is_empty() && self.connection_name.is_none() {
            return Err(bad("options", "are for a foreign catalog: give `connection_name` too"));
        }
        Ok(())
    }
}

/// Changes to a catalog. What is not set stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UpdateCatalog {
    /// The new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_name: Option<String>,
    /// What it is about; empty text takes the comment away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The new owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// All properties: those that are not here are taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub properties: Option<BTreeMap<String, String>>,
    /// Which workspaces see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation_mode: Option<IsolationMode>,
}

impl UpdateCatalog {
    setters! {
        /// The new name.
        with_new_name(new_name: some String);
        /// What it is about.
        with_comment(comment: some String);
        /// The new owner.
        with_owner(owner: some String);
    }

    /// All properties.
    #[must_use]
    pub fn with_properties(mut self, properties: impl IntoIterator<Item = (String, String)>) -> Self {
        self.properties = Some(properties.into_iter().collect());
        self
    }

    setters! {
        /// Which workspaces see it.
        with_isolation_mode(isolation_mode: value IsolationMode);
    }

    fn check(&self) -> Result<()> {
        if *self == Self::default() {
            return Err(bad("update", "changes nothing: set at least one field"));
        }
        check_keys("properties", self.properties.iter().flat_map(BTreeMap::keys))?;
        check_change(self.new_name.as_deref(), self.owner.as_deref())
    }
}

/// The parts that all changes have.
pub(super) fn check_change(new_name: Option<&str>, owner: Option<&str>) -> Result<()> {
    new_name.map_or(Ok(()), |name| check_new("new_name", name))?;
    owner.map_or(Ok(()), |owner| check_principal("owner", owner))
}

/// A change says the same thing each time, unless it takes the old name away.
pub(super) fn repeat_of(new_name: Option<&String>) -> Repeat {
    if new_name.is_some() { Repeat::Never } else { Repeat::Harmless }
}

/// Catalogs. See [`UnityCatalog::catalogs`](super::UnityCatalog::catalogs).
#[derive(Clone, Debug)]
pub struct Catalogs {
    calls: Calls,
}

impl Catalogs {
    pub(super) fn new(calls: Calls) -> Self {
        Self { calls }
    }

    /// The catalogs that the caller may see.
    pub fn list(&self, request: ListCatalogs) -> Listing<CatalogInfo> {
        let query = Query::default().switch("include_browse", request.include_browse);
        self.calls.list::<CatalogPage>("catalog.list", &["catalogs"], query, request.max_results)
    }

    /// One catalog.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) if there is none of that name.
    pub async fn get(&self, name: &str) -> Result<CatalogInfo> {
        check_part("name", name)?;
        self.calls.get("catalog.get", &["catalogs", name], Query::default()).await
    }

    /// Whether there is a catalog of that name, as far as the caller may know.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), except that nothing there is no error.
    pub async fn exists(&self, name: &str) -> Result<bool> {
        found(self.get(name).await)
    }

    /// Makes a catalog.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) before anything is sent, naming the field;
    /// [`ErrorKind::AlreadyExists`](twinhouse_core::ErrorKind::AlreadyExists).
    pub async fn create(&self, request: CreateCatalog) -> Result<CatalogInfo> {
        request.check()?;
        self.calls.send(("catalog.create", Repeat::Never), Method::POST, &["catalogs"], &request).await
    }

    /// Changes a catalog.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create) and [`get`](Self::get).
    pub async fn update(&self, name: &str, change: UpdateCatalog) -> Result<CatalogInfo> {
        check_part("name", name)?;
        change.check()?;
        let repeat = repeat_of(change.new_name.as_ref());
        self.calls.send(("catalog.update", repeat), Method::PATCH, &["catalogs", name], &change).await
    }

    /// Deletes a catalog; with `force`, with everything that is in it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) if it is not empty and `force` is not set;
    /// as [`get`](Self::get).
    pub async fn delete(&self, name: &str, force: bool) -> Result<()> {
        check_part("name", name)?;
        self.calls.delete("catalog.delete", &["catalogs", name], Query::default().switch("force", force)).await
    }
}
