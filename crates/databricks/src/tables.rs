//! Tables, as Unity Catalog describes them.

use std::{collections::BTreeMap, future::ready};

use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{ColumnInfo, TableFilter, TableInfo, TableKind, TableRef};

use crate::{api::Client, config::DatabricksConfig, types, wire};

/// The schema of a session that names none.
const DEFAULT_SCHEMA: &str = "default";
/// Views of the service itself, in every catalog. Listed only if asked for by name.
const SYSTEM_SCHEMA: &str = "information_schema";

/// Finds and describes tables.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    client: Client,
    catalog: Option<String>,
    schema: Option<String>,
}

/// A table, and which one of that name it is.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) info: TableInfo,
    /// Another table of the same name, made later, has another id.
    pub(crate) id: Option<String>,
    /// The columns that it is partitioned by, in their order.
    pub(crate) partitions: Vec<String>,
}

impl Tables {
    pub(crate) fn new(client: Client, config: &DatabricksConfig) -> Self {
        Self { client, catalog: config.catalog.clone(), schema: config.schema.clone() }
    }

    pub(crate) async fn describe(&self, table: &TableRef) -> Result<Described> {
        let (catalog, schema) = self.place(table)?;
        // Object names fold to lower case; the service looks them up as they are stored.
        let full_name = format!("{catalog}.{schema}.{}", table.name()).to_lowercase();
        let found =
            self.client.table(&full_name).await.map_err(|error| error.with_context("table", table.to_string()))?;
        let id = found.table_id.clone();
        let mut partitions: Vec<_> =
            found.columns.iter().filter_map(|column| Some((column.partition_index?, column.name.clone()))).collect();
        partitions.sort_unstable();
        let name = TableRef::new(nonempty(found.name.clone(), table.name()))
            .with_schema(nonempty(found.schema_name.clone(), schema))
            .with_catalog(nonempty(found.catalog_name.clone(), catalog));
        let partitions = partitions.into_iter().map(|(_, name)| name).collect();
        Ok(Described { info: info(name, found), id, partitions })
    }

    /// The full name of a table that need not exist.
    pub(crate) fn resolve(&self, table: &TableRef) -> Result<TableRef> {
        let (catalog, schema) = self.place(table)?;
        Ok(TableRef::new(table.name()).with_schema(schema).with_catalog(catalog))
    }

    pub(crate) fn list(&self, filter: TableFilter) -> BoxStream<'static, Result<TableRef>> {
        let catalog = match filter.catalog.as_deref().or(self.catalog.as_deref()) {
            Some(catalog) => catalog.to_lowercase(),
            None => return stream::iter([Err(no_catalog())]).boxed(),
        };
        let schemas = match &filter.schema {
            Some(schema) => stream::iter([Ok(schema.to_lowercase())]).boxed(),
            None => {
                let names = self.client.schemas(&catalog).map_ok(|schema| schema.name);
                names.try_filter(|name| ready(name != SYSTEM_SCHEMA)).boxed()
            }
        };
        let client = self.client.clone();
        let of_schema = move |schema: String| {
            let (filter, catalog) = (filter.clone(), catalog.clone());
            client.tables(&catalog, &schema).try_filter_map(move |table| {
                let is_wanted = filter.matches_name(&table.name);
                let table = || TableRef::new(table.name).with_schema(&schema).with_catalog(&catalog);
                ready(Ok(is_wanted.then(table)))
            })
        };
        schemas.map_ok(of_schema).try_flatten().boxed()
    }

    /// The catalog and schema that the table is in.
    fn place<'a>(&'a self, table: &'a TableRef) -> Result<(&'a str, &'a str)> {
        if table.catalog().is_some() && table.schema().is_none() {
            return Err(Error::new(ErrorKind::InvalidInput, "a table with a catalog needs a schema")
                .with_context("table", table.to_string()));
        }
        let catalog = table.catalog().or(self.catalog.as_deref()).ok_or_else(no_catalog)?;
        Ok((catalog, table.schema().or(self.schema.as_deref()).unwrap_or(DEFAULT_SCHEMA)))
    }
}

fn no_catalog() -> Error {
    Error::new(ErrorKind::Config, "`catalog` is not set and the table's name has none")
        .with_context("setting", "catalog")
        .with_context("looked in", "the name, builder, environment DATABRICKS_CATALOG, profile")
}

fn nonempty(text: String, otherwise: &str) -> String {
    if text.is_empty() { otherwise.to_owned() } else { text }
}

fn info(name: TableRef, table: wire::Table) -> TableInfo {
    let kind = match table.table_type.as_deref() {
        None | Some("MANAGED") => TableKind::Managed,
        Some("EXTERNAL") => TableKind::External,
        Some("VIEW") => TableKind::View,
        Some(other) => TableKind::Other(other.to_owned()),
    };
    let mut columns = table.columns;
    columns.sort_by_key(|column| column.position.unwrap_or(0));
    let mut properties: BTreeMap<String, String> = table.properties;
    if let Some(format) = table.data_source_format {
        properties.entry("data_source_format".to_owned()).or_insert(format);
    }
    TableInfo::new(name, kind, columns.into_iter().map(column).collect())
        .with_comment(table.comment.filter(|comment| !comment.is_empty()))
        .with_properties(properties)
}

fn column(column: wire::Column) -> ColumnInfo {
    let data_type = types::of_column(
        column.type_text.as_deref(),
        column.type_name.as_deref(),
        column.type_precision,
        column.type_scale,
        column.type_interval_type.as_deref(),
    );
    let native = column.type_text.or(column.type_name).unwrap_or_default();
    ColumnInfo::new(column.name, data_type, native)
        .with_nullable(column.nullable.unwrap_or(true))
        .with_comment(column.comment.filter(|comment| !comment.is_empty()))
}
