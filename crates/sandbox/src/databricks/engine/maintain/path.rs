//! Tables by the path of their folder: ``delta.`/Volumes/…` ``.

use deltalake::{DeltaTableBuilder, DeltaTableError};
use url::Url;
use uuid::Uuid;

use super::super::{
    Engine,
    catalog::{Catalog, FullName, TableEntry},
    tables::Opened,
    volumes::VolumePath,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::ObjectPath,
};

/// The path of ``delta.`/Volumes/…` ``, if that is what a table's name says.
pub(in super::super) fn delta_path(path: &ObjectPath) -> Option<&str> {
    match path.0.as_slice() {
        [format, path] if format.eq_ignore_ascii_case("delta") && path.starts_with('/') => Some(path),
        _ => None,
    }
}

impl Engine {
    /// The latest version of the table in a folder of a volume.
    pub(in super::super) async fn open_path(&self, path: &str) -> SqlResult<Opened> {
        let volume = VolumePath::parse(path)?;
        let local = self.local(&volume)?;
        let missing = || {
            let text = format!("`dbfs:{}` is not a Delta table.", volume.text());
            SqlError::new("DELTA_MISSING_DELTA_TABLE", "42P01", text)
        };
        // Opening would make the folder.
        if !local.join("_delta_log").is_dir() {
            return Err(missing());
        }
        let folder = local.strip_prefix(&self.0.root).map_err(SqlError::internal)?.to_owned();
        let url = Url::from_directory_path(&local).map_err(|()| SqlError::internal("a folder without a URL"))?;
        let mut table = DeltaTableBuilder::from_url(url)?.build()?;
        match table.load().await {
            Ok(()) => {}
            Err(DeltaTableError::NotATable(_)) => return Err(missing()),
            Err(error) => return Err(error.into()),
        }
        let entry = TableEntry { created_at: 0, ..Catalog::table_in(Uuid::nil(), folder, None) };
        let name = FullName { catalog: "spark_catalog".to_owned(), schema: "delta".to_owned(), name: volume.text() };
        Ok(Opened { name, entry, table, folder: self.0.folders.open(local) })
    }
}
