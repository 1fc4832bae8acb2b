//! DROP of tables, volumes, schemas and catalogs, with what is in them.

use std::path::{Path, PathBuf};

use super::objects::{is_missing, not_empty, one_name};
use crate::databricks::{
    engine::{
        Engine, Outcome,
        catalog::{Place, SchemaEntry, schema_mut},
    },
    error::{SqlError, SqlResult},
    sql::ObjectPath,
};

impl Engine {
    pub(crate) fn drop_table(&self, path: &ObjectPath, if_exists: bool, place: &Place) -> SqlResult<Outcome> {
        let name = place.resolve(path)?;
        let dropped = self.0.catalog.change(|listing| {
            let schema = schema_mut(listing, &name.catalog, &name.schema)?;
            if schema.views.contains_key(&name.name) {
                return Err(SqlError::expects_table(&name));
            }
            let entry = schema.tables.remove(&name.name).ok_or_else(|| SqlError::table_not_found(&name))?;
            Ok(vec![entry.folder])
        });
        self.dropped(dropped, if_exists)
    }

    pub(crate) fn drop_volume(&self, path: &ObjectPath, if_exists: bool, place: &Place) -> SqlResult<Outcome> {
        let name = place.resolve(path)?;
        let dropped = self.0.catalog.change(|listing| {
            let schema = schema_mut(listing, &name.catalog, &name.schema)?;
            let entry = schema.volumes.remove(&name.name).ok_or_else(|| SqlError::volume_not_found(&name))?;
            Ok(vec![entry.folder])
        });
        self.dropped(dropped, if_exists)
    }

    pub(crate) fn drop_schema(
        &self,
        path: &ObjectPath,
        if_exists: bool,
        cascade: bool,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let (catalog, schema) = place.resolve_schema(path)?;
        let dropped = self.0.catalog.change(|listing| {
            let entry = schema_mut(listing, &catalog, &schema)?;
            let folders = folders(entry);
            let is_empty = folders.is_empty() && entry.functions.is_empty() && entry.views.is_empty();
            if !(cascade || is_empty) {
                return Err(not_empty("SCHEMA", path));
            }
            if let Some(catalog) = listing.get_mut(&catalog) {
                catalog.schemas.remove(&schema);
            }
            Ok(folders)
        });
        self.dropped(dropped, if_exists)
    }

    pub(crate) fn drop_catalog(&self, path: &ObjectPath, if_exists: bool, cascade: bool) -> SqlResult<Outcome> {
        let [name] = path.0.as_slice() else { return Err(one_name(path)) };
        let name = name.to_lowercase();
        let dropped = self.0.catalog.change(|listing| {
            let entry = listing.get(&name).ok_or_else(|| SqlError::catalog_not_found(&name))?;
            if !cascade && !entry.schemas.is_empty() {
                return Err(not_empty("CATALOG", path));
            }
            let folders = entry.schemas.values().flat_map(folders).collect();
            listing.remove(&name);
            Ok(folders)
        });
        self.dropped(dropped, if_exists)
    }

    /// What is no longer listed loses its files.
    fn dropped(&self, folders: SqlResult<Vec<PathBuf>>, if_exists: bool) -> SqlResult<Outcome> {
        match folders {
            Ok(folders) => self.remove_folders(&folders),
            Err(error) if if_exists && is_missing(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(Outcome::Nothing)
    }

    pub(in crate::databricks::engine) fn remove_folders(&self, folders: impl IntoIterator<Item = impl AsRef<Path>>) {
        for folder in folders {
            // What is not below our own folder is somebody else's, and stays.
            if !folder.as_ref().is_absolute() {
                self.0.folders.remove(&self.0.root.join(folder));
            }
        }
    }
}

/// The folders of all that is in a schema.
fn folders(schema: &SchemaEntry) -> Vec<PathBuf> {
    let tables = schema.tables.values().map(|table| table.folder.clone());
    tables.chain(schema.volumes.values().map(|volume| volume.folder.clone())).collect()
}
