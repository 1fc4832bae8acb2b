//! Tables and views.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use twinhouse_core::{Error, Result, http::Method};

use super::{
    Calls, ColumnInfo, Listing, NewColumn, Repeat, TableConstraint, columns,
    name::{OBJECT, bad, check_full, check_keys, check_new, check_part, check_principal},
    pages::{Query, page, refused},
};
use crate::{
    error::BACKEND,
    setters::setters,
    wire::{count, nullable},
    words::words,
};

words! {
    /// What kind of table it is.
    TableType {
        /// The service looks after the files.
        Managed = "MANAGED",
        /// Somebody else does.
        External = "EXTERNAL",
        /// A query with a name.
        View = "VIEW",
        /// A view whose rows are kept.
        MaterializedView = "MATERIALIZED_VIEW",
        /// A table that a pipeline fills.
        StreamingTable = "STREAMING_TABLE",
        /// A table of another database.
        Foreign = "FOREIGN",
        /// Measures and dimensions.
        MetricView = "METRIC_VIEW",
        /// A managed table over another's files.
        ManagedShallowClone = "MANAGED_SHALLOW_CLONE",
        /// An external table over another's files.
        ExternalShallowClone = "EXTERNAL_SHALLOW_CLONE",
    }
}

words! {
    /// What the files are.
    DataSourceFormat {
        /// Delta.
        Delta = "DELTA",
        /// Iceberg.
        Iceberg = "ICEBERG",
        /// Parquet.
        Parquet = "PARQUET",
        /// Text with separators.
        Csv = "CSV",
        /// JSON.
        Json = "JSON",
        /// Avro.
        Avro = "AVRO",
        /// ORC.
        Orc = "ORC",
        /// Lines.
        Text = "TEXT",
        /// A share.
        DeltaSharing = "DELTASHARING",
    }
}

/// The function that decides which rows are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RowFilter {
    /// Its full name.
    pub function_name: String,
    /// The columns that it takes.
    #[serde(deserialize_with = "nullable")]
    pub input_column_names: Vec<String>,
}

/// A table or view as the service describes it. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TableInfo {
    /// The name.
    pub name: String,
    /// The catalog that it is in.
    pub catalog_name: String,
    /// The schema that it is in.
    pub schema_name: String,
    /// `catalog.schema.table`
    pub full_name: Option<String>,
    /// Another table of the same name, made later, has another id. Temporary credentials are asked for by it.
    pub table_id: Option<String>,
    /// What kind it is.
    pub table_type: Option<TableType>,
    /// What the files are.
    pub data_source_format: Option<DataSourceFormat>,
    /// The columns, in order.
    #[serde(deserialize_with = "columns::in_order")]
    pub columns: Vec<ColumnInfo>,
    /// Where the files are.
    pub storage_location: Option<String>,
    /// The storage credential that opens them.
    pub storage_credential_name: Option<String>,
    /// Schemas whose objects a view's query may name without them.
    pub sql_path: Option<String>,
    /// Whose it is.
    pub owner: Option<String>,
    /// What it is about.
    pub comment: Option<String>,
    /// Properties.
    #[serde(deserialize_with = "nullable")]
    pub properties: BTreeMap<String, String>,
    /// Keys. A listing leaves them out.
    #[serde(deserialize_with = "nullable")]
    pub table_constraints: Vec<TableConstraint>,
    /// What decides which rows are shown.
    pub row_filter: Option<RowFilter>,
    /// The query of a view.
    pub view_definition: Option<String>,
    /// What a view needs, in the service's words. A listing leaves it out.
    pub view_dependencies: Option<serde_json::Value>,
    /// The pipeline that fills it.
    pub pipeline_id: Option<String>,
    /// The AWS access point to use.
    pub access_point: Option<String>,
    /// The metastore that it is in.
    pub metastore_id: Option<String>,
    /// The state of the Delta table, in the service's words. Only if it was asked for.
    pub delta_runtime_properties_kvpairs: Option<serde_json::Value>,
    /// Whether only its description may be read.
    #[serde(deserialize_with = "nullable")]
    pub browse_only: bool,
    /// When it was deleted, if it was.
    #[serde(deserialize_with = "count")]
    pub deleted_at: Option<u64>,
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

page!(TablePage, tables: TableInfo);

/// A table's name and kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TableSummary {
    /// `catalog.schema.table`
    pub full_name: String,
    /// What kind it is.
    pub table_type: Option<TableType>,
}

page!(SummaryPage, tables: TableSummary);

/// Which tables to list, and how much of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListTables {
    /// The catalog.
    pub catalog_name: String,
    /// The schema.
    pub schema_name: String,
    /// The most that one page may have; 0, the default, leaves the choice to the service.
    pub max_results: u32,
    /// Leave the columns out.
    pub omit_columns: bool,
    /// Leave the properties out.
    pub omit_properties: bool,
    /// Leave out who made, changed and owns it.
    pub omit_username: bool,
    /// Also those of which only the description may be read.
    pub include_browse: bool,
}

impl ListTables {
    /// Those of this schema, with everything.
    pub fn new(catalog_name: impl Into<String>, schema_name: impl Into<String>) -> Self {
        Self { catalog_name: catalog_name.into(), schema_name: schema_name.into(), ..Self::default() }
    }

    setters! {
        /// The most that one page may have.
        with_max_results(max_results: is u32);
        /// Leave the columns out.
        with_omit_columns(omit_columns: is bool);
        /// Leave the properties out.
        with_omit_properties(omit_properties: is bool);
        /// Leave out who made, changed and owns it.
        with_omit_username(omit_username: is bool);
        /// Also those of which only the description may be read.
        with_include_browse(include_browse: is bool);
    }
}

/// Which tables to name. Patterns are SQL's: `%` stands for any text, `_` for one character.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListSummaries {
    /// The catalog.
    pub catalog_name: String,
    /// Only schemas like this.
    pub schema_name_pattern: Option<String>,
    /// Only tables like this.
    pub table_name_pattern: Option<String>,
    /// The most that one page may have, up to 10 000; 0, the default, leaves the choice to the service.
    pub max_results: u32,
}

impl ListSummaries {
    /// Those of this catalog.
    pub fn new(catalog_name: impl Into<String>) -> Self {
        Self { catalog_name: catalog_name.into(), ..Self::default() }
    }

    setters! {
        /// Only schemas like this.
        with_schema_name_pattern(schema_name_pattern: some String);
        /// Only tables like this.
        with_table_name_pattern(table_name_pattern: some String);
        /// The most that one page may have.
        with_max_results(max_results: is u32);
    }
}

/// A Delta table that exists in storage and is to be known to the catalog.
///
/// The service's API makes nothing else: managed tables, views and other formats are made by SQL, with
/// `CREATE TABLE` or `CREATE VIEW` on a warehouse. Asking for one here is refused, and nothing is sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CreateTable {
    /// The name.
    pub name: String,
    /// The catalog that it is to be in.
    pub catalog_name: String,
    /// The schema that it is to be in.
    pub schema_name: String,
    /// What kind it is; [`TableType::External`].
    pub table_type: TableType,
    /// What the files are; [`DataSourceFormat::Delta`].
    pub data_source_format: DataSourceFormat,
    /// Where the files are, in an external location of the metastore.
    pub storage_location: String,
    /// The columns. The service believes them: it does not look into the table's log.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "columns::described")]
    pub columns: Vec<NewColumn>,
    /// Properties.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
}

impl CreateTable {
    /// The Delta table at this place, under this name.
    pub fn external(
        catalog: impl Into<String>,
        schema: impl Into<String>,
        name: impl Into<String>,
        storage_location: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            catalog_name: catalog.into(),
            schema_name: schema.into(),
            table_type: TableType::External,
            data_source_format: DataSourceFormat::Delta,
            storage_location: storage_location.into(),
            columns: Vec::new(),
            properties: BTreeMap::new(),
        }
    }

    /// The columns.
    #[must_use]
    pub fn with_columns(mut self, columns: impl IntoIterator<Item = NewColumn>) -> Self {
        self.columns = columns.into_iter().collect();
        self
    }

    setters! {
        /// Adds a property.
        with_property(properties: pair);
    }

    fn check(&self) -> Result<()> {
        check_part("catalog_name", &self.catalog_name)?;
        check_part("schema_name", &self.schema_name)?;
        check_new("name", &self.name)?;
        let by_sql = |field: &'static str, what: &str| {
            let message = format!("the catalog's API makes external Delta tables only: make a {what} table by SQL");
            Err(Error::unsupported(BACKEND, message).with_context("field", field))
        };
        if self.table_type != TableType::External {
            return by_sql("table_type", self.table_type.as_str());
        }
        if self.data_source_format != DataSourceFormat::Delta {
            return by_sql("data_source_format", self.data_source_format.as_str());
        }
        if self.storage_location.trim().is_empty() {
            return Err(bad("storage_location", "is missing: where is the table?"));
        }
        check_keys("properties", self.properties.keys())?;
        let mut seen = std::collections::HashSet::new();
        for column in &self.columns {
            column.check("columns")?;
            if !seen.insert(column.name.to_lowercase()) {
                return Err(bad("columns", "names a column twice").with_context("column", column.name.clone()));
            }
        }
        Ok(())
    }
}

/// Tables and views. See [`UnityCatalog::tables`](super::UnityCatalog::tables).
#[derive(Clone, Debug)]
pub struct Tables {
    calls: Calls,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Exists {
    table_exists: bool,
}

impl Tables {
    pub(super) fn new(calls: Calls) -> Self {
        Self { calls }
    }

    /// The tables and views of a schema that the caller may see. Keys and what views need are left out: only
    /// [`get`](Self::get) has them.
    pub fn list(&self, request: ListTables) -> Listing<TableInfo> {
        let checked = check_part("catalog_name", &request.catalog_name)
            .and_then(|()| check_part("schema_name", &request.schema_name));
        if let Err(error) = checked {
            return refused(error);
        }
        let query = Query::default()
            .text("catalog_name", request.catalog_name)
            .text("schema_name", request.schema_name)
            .switch("omit_columns", request.omit_columns)
            .switch("omit_properties", request.omit_properties)
            .switch("omit_username", request.omit_username)
            .switch("include_browse", request.include_browse);
        self.calls.list::<TablePage>("table.list", &["tables"], query, request.max_results)
    }

    /// The names of the tables of a catalog, or of those that fit.
    pub fn list_summaries(&self, request: ListSummaries) -> Listing<TableSummary> {
        if let Err(error) = check_part("catalog_name", &request.catalog_name) {
            return refused(error);
        }
        let query = Query::default()
            .text("catalog_name", request.catalog_name)
            .maybe("schema_name_pattern", request.schema_name_pattern.as_deref())
            .maybe("table_name_pattern", request.table_name_pattern.as_deref());
        self.calls.list::<SummaryPage>("table.summaries", &["table-summaries"], query, request.max_results)
    }

    /// Everything about one table or view, by `catalog.schema.table`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) if there is none of that name.
    pub async fn get(&self, full_name: &str) -> Result<TableInfo> {
        self.describe(full_name, Query::default()).await
    }

    /// As [`get`](Self::get), with the state of the Delta table.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn get_with_delta_metadata(&self, full_name: &str) -> Result<TableInfo> {
        self.describe(full_name, Query::default().switch("include_delta_metadata", true)).await
    }

    async fn describe(&self, full_name: &str, query: Query) -> Result<TableInfo> {
        check_full("full_name", full_name, OBJECT)?;
        self.calls.get("table.get", &["tables", full_name], query).await
    }

    /// Whether there is a table of that name, as far as the caller may know.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](twinhouse_core::ErrorKind::NotFound) without the schema or the catalog.
    pub async fn exists(&self, full_name: &str) -> Result<bool> {
        check_full("full_name", full_name, OBJECT)?;
        let answer: Exists = self.calls.get("table.exists", &["tables", full_name, "exists"], Query::default()).await?;
        Ok(answer.table_exists)
    }

    /// Makes a Delta table that is in storage known to the catalog.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](twinhouse_core::ErrorKind::Unsupported) for anything else than an external Delta
    /// table, and [`ErrorKind::InvalidInput`](twinhouse_core::ErrorKind::InvalidInput), naming the field, before anything
    /// is sent; [`ErrorKind::AlreadyExists`](twinhouse_core::ErrorKind::AlreadyExists).
    pub async fn create(&self, request: CreateTable) -> Result<TableInfo> {
        request.check()?;
        self.calls.send(("table.create", Repeat::Never), Method::POST, &["tables"], &request).await
    }

    /// Gives the table another owner. Comments, properties and columns are changed by SQL.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn update_owner(&self, full_name: &str, owner: &str) -> Result<()> {
        check_full("full_name", full_name, OBJECT)?;
        check_principal("owner", owner)?;
        let body = json!({ "owner": owner });
        let operation = ("table.update", Repeat::Harmless);
        self.calls
            .send::<serde::de::IgnoredAny>(operation, Method::PATCH, &["tables", full_name], &body)
            .await
            .map(drop)
    }

    /// Deletes a table or view. The files of an external table stay.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn delete(&self, full_name: &str) -> Result<()> {
        check_full("full_name", full_name, OBJECT)?;
        self.calls.delete("table.delete", &["tables", full_name], Query::default()).await
    }
}
