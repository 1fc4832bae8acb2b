//! Opens Delta tables.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::{catalog::TableProvider, execution::SessionState};
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError, kernel::StructType, logstore::LogStoreRef};
use url::Url;

use super::{
    Engine,
    catalog::{FullName, Place, TableEntry},
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
        Ok(Arc::new(Scan(self.table.table_provider().with_session(Arc::new(state.clone())).await?)))
    }
}

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
        loop {
            let entry = self.0.catalog.table(&name)?;
            let mut table = DeltaTableBuilder::from_url(self.table_url(&entry)?)?.build()?;
            let Err(error) = table.load().await else { return Ok(Opened { name, entry, table }) };
            // A drop takes the files away one by one, and what is left of them meanwhile fails in many ways. Only of
            // a table that is still listed does the failure say anything.
            if self.0.catalog.table(&name)?.folder == entry.folder {
                return Err(match error {
                    DeltaTableError::NotATable(_) => SqlError::table_not_found(name),
                    error => error.into(),
                });
            }
        }
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
