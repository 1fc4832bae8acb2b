//! Volumes.

use serde::{Deserialize, Serialize};
use twinhouse_core::{Result, http::Method};

use super::{
    Calls, Listing, Repeat,
    catalogs::{check_change, repeat_of},
    found,
    name::{OBJECT, bad, check_full, check_new, check_part},
    pages::{Query, page, refused},
};
use crate::{
    setters::setters,
    wire::{count, nullable},
    words::words,
};

words! {
    /// Who looks after the files.
    VolumeType {
        /// The service: they go with the volume.
        Managed = "MANAGED",
        /// Somebody else: they stay.
        External = "EXTERNAL",
    }
}

/// A volume as the service describes it. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct VolumeInfo {
    /// The name.
    pub name: String,
    /// The catalog that it is in.
    pub catalog_name: String,
    /// The schema that it is in.
    pub schema_name: String,
    /// `catalog.schema.volume`
    pub full_name: Option<String>,
    /// Another volume of the same name, made later, has another id. Temporary credentials are asked for by it.
    pub volume_id: Option<String>,
    /// Who looks after the files.
    pub volume_type: Option<VolumeType>,
    /// Where the files are.
    pub storage_location: Option<String>,
    /// Whose it is.
    pub owner: Option<String>,
    /// What it is about.
    pub comment: Option<String>,
    /// The AWS access point to use.
    pub access_point: Option<String>,
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

page!(VolumePage, volumes: VolumeInfo);

/// Which volumes to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListVolumes {
    /// The catalog.
    pub catalog_name: String,
    /// The schema.
    pub schema_name: String,
    /// The most that one page may have; 0, the default, leaves the choice to the service.
    pub max_results: u32,
    /// Also those of which only the description may be read.
    pub include_browse: bool,
}

impl ListVolumes {
    /// Those of this schema.
    pub fn new(catalog_name: impl Into<String>, schema_name: impl Into<String>) -> Self {
        Self { catalog_name: catalog_name.into(), schema_name: schema_name.into(), ..Self::default() }
    }

    setters! {
        /// The most that one page may have.
        with_max_results(max_results: is u32);
        /// Also those of which only the description may be read.
        with_include_browse(include_browse: is bool);
    }
}

/// A volume that is to be made.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CreateVolume {
    /// The catalog that it is to be in.
    pub catalog_name: String,
    /// The schema that it is to be in.
    pub schema_name: String,
    /// The name.
    pub name: String,
    /// Who looks after the files.
    pub volume_type: VolumeType,
    /// Where the files of an external volume are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_location: Option<String>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl CreateVolume {
    /// A volume whose files the service looks after.
    pub fn managed(catalog: impl Into<String>, schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            catalog_name: catalog.into(),
            schema_name: schema.into(),
            name: name.into(),
            volume_type: VolumeType::Managed,
            storage_location: None,
            comment: None,
        }
    }

    /// A volume over files that are there, in an external location of the metastore.
    pub fn external(
        catalog: impl Into<String>,
        schema: impl Into<String>,
        name: impl Into<String>,
        storage_location: impl Into<String>,
    ) -> Self {
        let storage_location = Some(storage_location.into());
        Self { volume_type: VolumeType::External, storage_location, ..Self::managed(catalog, schema, name) }
    }

    setters! {
        /// What it is about.
        with_comment(comment: some String);
    }

    fn check(&self) -> Result<()> {
        check_part("catalog_name", &self.catalog_name)?;
        check_part("schema_name", &self.schema_name)?;
        check_new("name", &self.name)?;
        match (&self.volume_type, self.storage_location.as_deref()) {
            (VolumeType::Managed, Some(_)) => Err(bad("storage_location", "is for external volumes only")),
            (VolumeType::External, None | Some("")) => Err(bad("storage_location", "is missing: where are the files?")),
            _ => Ok(()),
        }
    }
}

/// Changes to a volume. What is not set stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UpdateVolume {
    /// The new name, without catalog and schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_name: Option<String>,
    /// What it is about; empty text takes the comment away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The new owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

impl UpdateVolume {
    setters! {
        /// The new name, without catalog and schema.
        with_new_name(new_name: some String);
        /// What it is about.
        with_comment(comment: some String);
        /// The new owner.
        with_owner(owner: some String);
    }

    fn check(&self) -> Result<()> {
        if *self == Self::default() {
            return Err(bad("update", "changes nothing: set at least one field"));
        }
        check_change(self.new_name.as_deref(), self.owner.as_deref())
    }
}

/// Volumes. See [`UnityCatalog::volumes`](super::UnityCatalog::volumes).
#[derive(Clone, Debug)]
pub struct Volumes {
    calls: Calls,
}

impl Volumes {
    pub(super) fn new(calls: Calls) -> Self {
        Self { calls }
    }

    /// The volumes of a schema that the caller may see.
    pub fn list(&self, request: ListVolumes) -> Listing<VolumeInfo> {
        let checked = check_part("catalog_name", &request.catalog_name)
            .and_then(|()| check_part("schema_name", &request.schema_name));
        if let Err(error) = checked {
            return refused(error);
        }
        let query = Query::default()
            .text("catalog_name", request.catalog_name)
            .text("schema_name", request.schema_name)
            .switch("include_browse", request.include_browse);
        self.calls.list::<VolumePage>("volume.list", &["volumes"], query, request.max_results)
    }

    /// One volume, by `catalog.schema.volume`. The vendor's SDK calls this `read`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) if there is none of that name.
    pub async fn get(&self, full_name: &str) -> Result<VolumeInfo> {
        check_full("full_name", full_name, OBJECT)?;
        self.calls.get("volume.get", &["volumes", full_name], Query::default()).await
    }

    /// Whether there is a volume of that name, as far as the caller may know.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), except that nothing there is no error.
    pub async fn exists(&self, full_name: &str) -> Result<bool> {
        found(self.get(full_name).await)
    }

    /// Makes a volume.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput) before anything is sent, naming the field;
    /// [`ErrorKind::AlreadyExists`](twinhouse_core::ErrorKind::AlreadyExists);
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) without the schema.
    pub async fn create(&self, request: CreateVolume) -> Result<VolumeInfo> {
        request.check()?;
        self.calls.send(("volume.create", Repeat::Never), Method::POST, &["volumes"], &request).await
    }

    /// Changes a volume.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create) and [`get`](Self::get).
    pub async fn update(&self, full_name: &str, change: UpdateVolume) -> Result<VolumeInfo> {
        check_full("full_name", full_name, OBJECT)?;
        change.check()?;
        let repeat = repeat_of(change.new_name.as_ref());
        self.calls.send(("volume.update", repeat), Method::PATCH, &["volumes", full_name], &change).await
    }

    /// Deletes a volume. The files of a managed one go with it.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn delete(&self, full_name: &str) -> Result<()> {
        check_full("full_name", full_name, OBJECT)?;
        self.calls.delete("volume.delete", &["volumes", full_name], Query::default()).await
    }
}
