//! Opens Delta tables.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::{catalog::TableProvider, execution::SessionState};
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError, kernel::StructType, logstore::LogStoreRef};
use url::Url;

use super::{
    Engine,
    catalog::{FullName, Place, TableEntry, table_of},
    folders::Folder,
    maintain::delta_path,
    scan::Scan,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{ObjectPath, arrow_of_delta},
};

/// A table as one statement sees it.
pub(super) struct Opened {
    pub(super) name: FullName,
    pub(super) entry: TableEntry,
    pub(super) table: DeltaTable,
    /// Keeps the files.
    pub(super) folder: Arc<Folder>,
}

impl Opened {
    pub(super) fn fields(&self) -> SqlResult<StructType> {
        Ok(self.table.snapshot()?.schema().as_ref().clone())
    }

    /// The columns as the reader gives them.
    pub(super) fn arrow_schema(&self) -> SqlResult<SchemaRef> {
        arrow_schema(&self.fields()?)
    }

    pub(super) async fn provider(&self, state: &SessionState) -> SqlResult<Arc<dyn TableProvider>> {
        let inner = self.table.table_provider().with_session(Arc::new(state.clone())).await?;
        Ok(Arc::new(Scan { inner, _folder: Arc::clone(&self.folder) }))
    }
}

/// A table's entry, and its folder, which stays as long as this although somebody drops the table.
pub(super) type Claim = (TableEntry, Arc<Folder>);

/// The Arrow form of a table's columns.
pub(super) fn arrow_schema(fields: &StructType) -> SqlResult<SchemaRef> {
    let fields: Vec<_> = fields
        .fields()
        .map(|field| {
            Ok(arrow::datatypes::Field::new(field.name(), arrow_of_delta(field.data_type())?, field.is_nullable()))
        })
        .collect::<SqlResult<_>>()?;
    Ok(Arc::new(arrow::datatypes::Schema::new(fields)))
}

impl Engine {
    /// The latest version of a table.
    pub(super) async fn open_table(&self, path: &ObjectPath, place: &Place) -> SqlResult<Opened> {
        if let Some(path) = delta_path(path) {
            return self.open_path(path).await;
        }
        let name = place.resolve(path)?;
        self.open_entry(name).await
    }

    /// The latest version of the table with this name.
    pub(super) async fn open_entry(&self, name: FullName) -> SqlResult<Opened> {
        let (entry, folder) = self.claim(&name)?;
        let mut table = DeltaTableBuilder::from_url(self.table_url(&entry)?)?.build()?;
        match table.load().await {
            Ok(()) => Ok(Opened { name, entry, table, folder }),
            Err(DeltaTableError::NotATable(_)) => Err(SqlError::table_not_found(name)),
            Err(error) => Err(error.into()),
        }
    }

    /// The table with this name, for whoever wants its files to stay.
    pub(super) fn claim(&self, name: &FullName) -> SqlResult<Claim> {
        self.0.catalog.read(|listing| {
            let entry = table_of(listing, name)?.clone();
            let folder = self.0.folders.open(self.0.root.join(&entry.folder));
            Ok((entry, folder))
        })
    }

    /// The columns of a table, for the catalog's API.
    pub(crate) async fn table_fields(
        &self,
        name: FullName,
    ) -> SqlResult<(TableEntry, StructType, Vec<String>, Vec<(String, String)>)> {
        let opened = self.open_entry(name).await?;
        let snapshot = opened.table.snapshot()?;
        let partitions = snapshot.metadata().partition_columns().to_vec();
        let mut properties: Vec<_> =
            snapshot.metadata().configuration().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        properties.sort();
        Ok((opened.entry.clone(), opened.fields()?, partitions, properties))
    }

    /// Where a table's files are.
    pub(crate) fn table_url(&self, entry: &TableEntry) -> SqlResult<Url> {
        let folder = self.0.root.join(&entry.folder);
        Url::from_directory_path(folder).map_err(|()| SqlError::internal("a table folder without a URL"))
    }

    /// A log store for a table that may not exist yet.
    pub(super) fn log_store(&self, entry: &TableEntry) -> SqlResult<LogStoreRef> {
        let folder = self.0.root.join(&entry.folder);
        std::fs::create_dir_all(&folder)?;
        Ok(DeltaTableBuilder::from_url(self.table_url(entry)?)?.build_storage()?)
    }
}
