//! Delta tables that somebody else has written and looks after.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use deltalake::DeltaTableBuilder;
use url::Url;
use uuid::Uuid;

use super::{
    Catalog, Engine,
    catalog::{FullName, TableEntry, check_name, schema_mut},
    ddl::already_exists,
    volumes::VolumePath,
};
use crate::databricks::error::{SqlError, SqlResult};

fn refused(text: String) -> SqlError {
    SqlError::new("INVALID_PARAMETER_VALUE", "22023", text)
}

impl Engine {
    /// Lists the table at this place, a `file:` URL or a path of a volume, under this name.
    pub(crate) async fn register_table(
        &self,
        name: &FullName,
        location: &str,
        properties: BTreeMap<String, String>,
    ) -> SqlResult<()> {
        check_name(&name.name)?;
        self.0.catalog.schema_exists(&name.catalog, &name.schema)?;
        let missing = || refused(format!("There is no Delta table at '{location}'."));
        let folder = self.external_folder(location)?;
        // Opening would make the folder.
        if !folder.join("_delta_log").is_dir() {
            return Err(missing());
        }
        let folder = folder.canonicalize()?;
        let url = Url::from_directory_path(&folder).map_err(|()| missing())?;
        let mut table = DeltaTableBuilder::from_url(url)?.build()?;
        table.load().await.map_err(|_| missing())?;
        let comment = table.snapshot()?.metadata().description().map(str::to_owned);
        let mut entry = Catalog::table_in(Uuid::new_v4(), folder, comment);
        entry.governance.properties = properties;
        self.0.catalog.change(|listing| {
            let schemas = listing.values().flat_map(|catalog| catalog.schemas.values());
            let mut tables = schemas.flat_map(|schema| schema.tables.values());
            if tables.any(|known| overlap(&self.0.root.join(&known.folder), &entry)) {
                return Err(refused(format!(
                    "LOCATION_OVERLAP: '{location}' overlaps with the files of another table."
                )));
            }
            let schema = schema_mut(listing, &name.catalog, &name.schema)?;
            if schema.is_taken(&name.name) {
                return Err(already_exists("TABLE_OR_VIEW", name));
            }
            schema.tables.insert(name.name.clone(), entry);
            Ok(())
        })
    }

    fn external_folder(&self, location: &str) -> SqlResult<PathBuf> {
        if location.starts_with("/Volumes/") || location.starts_with("dbfs:/Volumes/") {
            return self.local(&VolumePath::parse(location)?);
        }
        let bad = || refused(format!("'{location}' is neither a file: URL nor a path of a volume."));
        let url = Url::parse(location).map_err(|_| bad())?;
        if url.scheme() != "file" {
            return Err(SqlError::unsupported(format_args!("tables at {}: URLs", url.scheme())));
        }
        let folder = url.to_file_path().map_err(|()| bad())?;
        if folder.components().any(|part| part == Component::ParentDir) { Err(bad()) } else { Ok(folder) }
    }
}

fn overlap(known: &Path, new: &TableEntry) -> bool {
    known.starts_with(&new.folder) || new.folder.starts_with(known)
}
