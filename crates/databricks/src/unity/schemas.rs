//! Schemas.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use twinhouse_core::{Result, http::Method};

use super::{
    Calls, CatalogType, Listing, Repeat,
    catalogs::{check_change, repeat_of},
    found,
    name::{SCHEMA, bad, check_full, check_keys, check_new, check_part},
    pages::{Query, page, refused},
};
use crate::{
    setters::setters,
    wire::{count, nullable},
};

/// A schema as the service describes it. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SchemaInfo {
    /// The name.
    pub name: String,
    /// The catalog that it is in.
    pub catalog_name: String,
    /// `catalog.schema`
    pub full_name: Option<String>,
    /// Another schema of the same name, made later, has another id.
    pub schema_id: Option<String>,
    /// What kind its catalog is.
    pub catalog_type: Option<CatalogType>,
    /// What it is about.
    pub comment: Option<String>,
    /// Whose it is.
    pub owner: Option<String>,
    /// Properties.
    #[serde(deserialize_with = "nullable")]
    pub properties: BTreeMap<String, String>,
    /// Where managed tables are kept, as it was given.
    pub storage_root: Option<String>,
    /// Where managed tables are kept.
    pub storage_location: Option<String>,
    /// The metastore that it is in.
    pub metastore_id: Option<String>,
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

page!(SchemaPage, schemas: SchemaInfo);

/// Which schemas to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListSchemas {
    /// The catalog.
    pub catalog_name: String,
    /// The most that one page may have; 0, the default, leaves the choice to the service.
    pub max_results: u32,
    /// Also those of which only the description may be read.
    pub include_browse: bool,
}

impl ListSchemas {
    /// Those of this catalog.
    pub fn new(catalog_name: impl Into<String>) -> Self {
        Self { catalog_name: catalog_name.into(), ..Self::default() }
    }

    setters! {
        /// The most that one page may have.
        with_max_results(max_results: is u32);
        /// Also those of which only the description may be read.
        with_include_browse(include_browse: is bool);
    }
}

/// A schema that is to be made.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CreateSchema {
    /// The name.
    pub name: String,
    /// The catalog that it is to be in.
    pub catalog_name: String,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Properties.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// Where its managed tables are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_root: Option<String>,
}

impl CreateSchema {
    /// A schema of this name in this catalog.
    pub fn new(catalog_name: impl Into<String>, name: impl Into<String>) -> Self {
        Self { name: name.into(), catalog_name: catalog_name.into(), ..Self::default() }
    }

    setters! {
        /// What it is about.
        with_comment(comment: some String);
        /// Adds a property.
        with_property(properties: pair);
        /// Where its managed tables are kept.
        with_storage_root(storage_root: some String);
    }

    fn check(&self) -> Result<()> {
        check_part("catalog_name", &self.catalog_name)?;
        check_new("name", &self.name)?;
        check_keys("properties", self.properties.keys())
    }
}

/// Changes to a schema. What is not set stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UpdateSchema {
    /// The new name, without the catalog's.
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
}

impl UpdateSchema {
    setters! {
        /// The new name, without the catalog's.
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

    fn check(&self) -> Result<()> {
        if *self == Self::default() {
            return Err(bad("update", "changes nothing: set at least one field"));
        }
        check_keys("properties", self.properties.iter().flat_map(BTreeMap::keys))?;
        check_change(self.new_name.as_deref(), self.owner.as_deref())
    }
}

/// Schemas. See [`UnityCatalog::schemas`](super::UnityCatalog::schemas).
#[derive(Clone, Debug)]
pub struct Schemas {
    calls: Calls,
}

impl Schemas {
    pub(super) fn new(calls: Calls) -> Self {
        Self { calls }
    }

    /// The schemas of a catalog that the caller may see.
    pub fn list(&self, request: ListSchemas) -> Listing<SchemaInfo> {
        if let Err(error) = check_part("catalog_name", &request.catalog_name) {
            return refused(error);
        }
        let query = Query::default()
            .text("catalog_name", request.catalog_name)
            .switch("include_browse", request.include_browse);
        self.calls.list::<SchemaPage>("schema.list", &["schemas"], query, request.max_results)
    }

    /// One schema, by `catalog.schema`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) if there is none of that name.
    pub async fn get(&self, full_name: &str) -> Result<SchemaInfo> {
        check_full("full_name", full_name, SCHEMA)?;
        self.calls.get("schema.get", &["schemas", full_name], Query::default()).await
    }

    /// Whether there is a schema of that name, as far as the caller may know.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), except that nothing there is no error.
    pub async fn exists(&self, full_name: &str) -> Result<bool> {
        found(self.get(full_name).await)
    }

    /// Makes a schema.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) before anything is sent, naming the field;
    /// [`ErrorKind::AlreadyExists`](twinhouse_core::ErrorKind::AlreadyExists);
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) without the catalog.
    pub async fn create(&self, request: CreateSchema) -> Result<SchemaInfo> {
        request.check()?;
        self.calls.send(("schema.create", Repeat::Never), Method::POST, &["schemas"], &request).await
    }

    /// Changes a schema.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create) and [`get`](Self::get).
    pub async fn update(&self, full_name: &str, change: UpdateSchema) -> Result<SchemaInfo> {
        check_full("full_name", full_name, SCHEMA)?;
        change.check()?;
        let repeat = repeat_of(change.new_name.as_ref());
        self.calls.send(("schema.update", repeat), Method::PATCH, &["schemas", full_name], &change).await
    }

    /// Deletes a schema; with `force`, with everything that is in it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) if it is not empty and `force` is not set;
    /// as [`get`](Self::get).
    pub async fn delete(&self, full_name: &str, force: bool) -> Result<()> {
        check_full("full_name", full_name, SCHEMA)?;
        self.calls.delete("schema.delete", &["schemas", full_name], Query::default().switch("force", force)).await
    }
}
