//! What external schemas hold.

use std::{collections::BTreeMap, sync::Arc};

use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use twinhouse_core::{Error, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, TableFilter, TableRef};

use super::partition::{self, ExternalPartition};
use crate::{
    cluster::Cluster,
    views::{Listing, View, named, wanted},
};

const SCHEMAS: View = View {
    name: "svv_external_schemas",
    columns: &["schemaname", "eskind", "esowner", "databasename", "esoptions"],
    later: &[],
};
const TABLES: View = View {
    name: "svv_external_tables",
    columns: &[
        "schemaname",
        "tablename",
        "location",
        "input_format",
        "output_format",
        "serialization_lib",
        "serde_parameters",
        "compressed",
        "parameters",
    ],
    later: &["tabletype"],
};
const COLUMNS: View = View {
    name: "svv_external_columns",
    columns: &["schemaname", "tablename", "columnname", "external_type", "columnnum", "part_key"],
    later: &["is_nullable"],
};

/// Where an external schema takes its tables from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SchemaKind {
    /// A data catalog: Glue or Athena's.
    DataCatalog,
    /// A Hive metastore.
    Hive,
    /// A PostgreSQL database.
    Postgres,
    /// Another database of this cluster.
    LocalRedshift,
    /// A database of another cluster.
    RemoteRedshift,
    /// The server's own.
    System,
    /// A MySQL database.
    MySql,
    /// Kinesis streams.
    Kinesis,
    /// Kafka topics.
    Msk,
    /// A number that this version does not know.
    Other(i16),
}

impl SchemaKind {
    fn of(number: i16) -> Self {
        match number {
            1 => Self::DataCatalog,
            2 => Self::Hive,
            3 => Self::Postgres,
            4 => Self::LocalRedshift,
            5 => Self::RemoteRedshift,
            6 => Self::System,
            8 => Self::MySql,
            9 => Self::Kinesis,
            10 => Self::Msk,
            other => Self::Other(other),
        }
    }
}

/// An external schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExternalSchema {
    /// Its name.
    pub name: String,
    /// Where it takes its tables from.
    pub kind: Option<SchemaKind>,
    /// Who owns it.
    pub owner_id: Option<i32>,
    /// The database there.
    pub database: Option<String>,
    /// Its options: `IAM_ROLE`, `URI`. Empty if the server's text is not read.
    pub options: BTreeMap<String, String>,
}

/// An external table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExternalTable {
    /// Its schema and name.
    pub table: TableRef,
    /// What it is there: `TABLE`, `VIEW`.
    pub kind: Option<String>,
    /// Where its files are.
    pub location: Option<String>,
    /// The class that reads them.
    pub input_format: Option<String>,
    /// The class that writes them.
    pub output_format: Option<String>,
    /// The class that takes rows apart.
    pub serde: Option<String>,
    /// That class's settings.
    pub serde_parameters: BTreeMap<String, String>,
    /// Whether the files are compressed.
    pub compressed: Option<bool>,
    /// Its properties.
    pub parameters: BTreeMap<String, String>,
}

impl ExternalTable {
    /// The format of its files, as far as its classes tell: `parquet`, `orc`, `avro`, `json`, `csv`, `text`.
    pub fn format(&self) -> Option<&'static str> {
        let classes = [&self.serde, &self.input_format].into_iter().flatten();
        let classes = classes.map(|class| class.to_ascii_lowercase()).collect::<Vec<_>>().join(" ");
        let known = ["parquet", "orc", "avro", "json", "csv", "text"];
        known.into_iter().find(|format| classes.contains(format))
    }
}

/// A column of an external table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExternalColumn {
    /// Its schema and table.
    pub table: TableRef,
    /// Its name.
    pub name: String,
    /// Its type, in the catalog's words.
    pub data_type: Option<String>,
    /// Its place, from 1.
    pub position: i32,
    /// Its place among the columns that files are parted by, from 1; `None` if it is none of them.
    pub partition_key: Option<u32>,
    /// Whether it takes nulls.
    pub nullable: Option<bool>,
}

/// An external table with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExternalTableDetail {
    /// The table.
    pub table: ExternalTable,
    /// Its columns, in order.
    pub columns: Vec<ExternalColumn>,
    /// Its partitions.
    pub partitions: Vec<ExternalPartition>,
}

/// Text and text of a JSON object; what is no object has none.
pub(super) fn object(text: Option<String>) -> BTreeMap<String, String> {
    let Some(serde_json::Value::Object(fields)) = text.and_then(|text| serde_json::from_str(&text).ok()) else {
        return BTreeMap::new();
    };
    let plain = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    fields.into_iter().map(|(key, value)| (key, plain(value))).collect()
}

pub(super) fn failed<T: Send + 'static>(error: Error) -> BoxStream<'static, Result<T>> {
    stream::once(async { Err(error) }).boxed()
}

/// The conditions that hold for the rows of one table.
pub(super) fn of_table(table: &TableRef) -> Result<Vec<String>> {
    let mut wanted = vec![named("tablename", table.name())?];
    if let Some(schema) = table.schema() {
        wanted.push(named("schemaname", schema)?);
    }
    Ok(wanted)
}

pub(super) fn table_key(table: &TableRef) -> Result<Vec<String>> {
    Ok(vec![RedshiftDialect.string(table.schema().unwrap_or_default())?, RedshiftDialect.string(table.name())?])
}

pub(super) fn schemas(cluster: Arc<Cluster>) -> BoxStream<'static, Result<ExternalSchema>> {
    Listing {
        operation: "spectrum.schemas",
        view: SCHEMAS,
        wanted: Vec::new(),
        order: &["schemaname"],
        descending: false,
        key: |schema: &ExternalSchema| Ok(vec![RedshiftDialect.string(&schema.name)?]),
        read: |row| {
            Ok(ExternalSchema {
                name: row.name()?,
                kind: row.number()?.map(SchemaKind::of),
                owner_id: row.number()?,
                database: row.padded()?,
                options: object(row.text()?),
            })
        },
    }
    .stream(cluster)
}

pub(super) fn tables(cluster: Arc<Cluster>, filter: &TableFilter) -> BoxStream<'static, Result<ExternalTable>> {
    let wanted = match wanted(filter, [None, Some("schemaname"), Some("tablename")]) {
        Ok(wanted) => wanted,
        Err(error) => return failed(error),
    };
    Listing {
        operation: "spectrum.tables",
        view: TABLES,
        wanted,
        order: &["schemaname", "tablename"],
        descending: false,
        key: |table: &ExternalTable| table_key(&table.table),
        read: |row| {
            let (schema, name) = (row.name()?, row.name()?);
            Ok(ExternalTable {
                table: TableRef::new(name).with_schema(schema),
                location: row.padded()?,
                input_format: row.padded()?,
                output_format: row.padded()?,
                serde: row.padded()?,
                serde_parameters: object(row.text()?),
                compressed: row.flag()?,
                parameters: object(row.text()?),
                kind: row.padded()?,
            })
        },
    }
    .stream(cluster)
}

pub(super) fn details(cluster: Arc<Cluster>, filter: &TableFilter) -> BoxStream<'static, Result<ExternalTableDetail>> {
    tables(cluster.clone(), filter)
        .and_then(move |table| {
            let columns = columns(cluster.clone(), &table.table);
            let partitions = partition::partitions(cluster.clone(), &table.table);
            async move {
                let (columns, partitions) = (columns.try_collect().await?, partitions.try_collect().await?);
                Ok(ExternalTableDetail { table, columns, partitions })
            }
        })
        .boxed()
}

pub(super) fn columns(cluster: Arc<Cluster>, table: &TableRef) -> BoxStream<'static, Result<ExternalColumn>> {
    let wanted = match of_table(table) {
        Ok(wanted) => wanted,
        Err(error) => return failed(error),
    };
    Listing {
        operation: "spectrum.columns",
        view: COLUMNS,
        wanted,
        order: &["schemaname", "tablename", "columnnum"],
        descending: false,
        key: |column: &ExternalColumn| {
            let mut key = table_key(&column.table)?;
            key.push(column.position.to_string());
            Ok(key)
        },
        read: |row| {
            let (schema, table) = (row.name()?, row.name()?);
            Ok(ExternalColumn {
                table: TableRef::new(table).with_schema(schema),
                name: row.name()?,
                data_type: row.padded()?,
                position: row.number()?.unwrap_or(0),
                partition_key: row.number()?.filter(|place| *place > 0),
                nullable: row.flag().unwrap_or(None),
            })
        },
    }
    .stream(cluster)
}
