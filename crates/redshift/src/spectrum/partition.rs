//! Partitions of external tables.

use std::{collections::BTreeMap, sync::Arc};

use futures::stream::BoxStream;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect, TableRef, Value};

use super::list::{failed, object, of_table, table_key};
use crate::{
    cluster::Cluster,
    views::{Listing, View},
};

/// `values` is a word of the language, so it is quoted.
const PARTITIONS: View = View {
    name: "svv_external_partitions",
    columns: &[
        "schemaname",
        "tablename",
        "\"values\"",
        "location",
        "input_format",
        "serialization_lib",
        "compressed",
        "parameters",
    ],
    later: &[],
};

/// How many partitions one statement takes.
const AT_ONCE: usize = 100;

/// A partition that an external table knows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExternalPartition {
    /// The schema and name of its table.
    pub table: TableRef,
    /// The values of the columns that files are parted by, in their order.
    pub values: Vec<String>,
    /// The same as the server has it: JSON.
    pub raw_values: String,
    /// Where its files are. The server cuts it off after 128 characters.
    pub location: Option<String>,
    /// The class that reads them.
    pub input_format: Option<String>,
    /// The class that takes rows apart.
    pub serde: Option<String>,
    /// Whether the files are compressed.
    pub compressed: Option<bool>,
    /// Its properties.
    pub parameters: BTreeMap<String, String>,
}

/// A partition that an external table is told of.
///
/// ```
/// use twinhouse_redshift::NewPartition;
///
/// let partition = NewPartition::new("s3://lake/sales/2026/01/").with_value("year", 2026).with_value("month", 1);
/// # let _ = partition;
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NewPartition {
    /// The folder of its files, `s3://bucket/folder/`.
    pub location: String,
    /// The columns that files are parted by, with their values.
    pub values: Vec<(String, Value)>,
}

impl NewPartition {
    /// A partition whose files lie in this folder.
    pub fn new(location: impl Into<String>) -> Self {
        Self { location: location.into(), values: Vec::new() }
    }

    /// Says which value a column has in all of its rows.
    #[must_use]
    pub fn with_value(mut self, column: impl Into<String>, value: impl Into<Value>) -> Self {
        self.values.push((column.into(), value.into()));
        self
    }

    /// `PARTITION ("day"='2026-01-31')`.
    fn clause(&self) -> Result<String> {
        if self.values.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "a partition needs the value of at least one column"));
        }
        let mut parts = Vec::with_capacity(self.values.len());
        for (column, value) in &self.values {
            // Plain constants only: the server takes no casts here.
            let value = match value {
                Value::Null => {
                    return Err(Error::new(ErrorKind::InvalidInput, "the value of a partition cannot be null")
                        .with_context("column", column.clone()));
                }
                Value::Int(n) => n.to_string(),
                Value::Long(n) => n.to_string(),
                Value::Bool(flag) => RedshiftDialect.string(if *flag { "true" } else { "false" })?,
                Value::Decimal(number) => number.to_string(),
                Value::Text(text) => RedshiftDialect.string(text)?,
                Value::Date(_) => {
                    let literal = RedshiftDialect.literal(value)?;
                    literal.strip_prefix("DATE ").unwrap_or(&literal).to_owned()
                }
                Value::TimestampNtz(_) => {
                    let literal = RedshiftDialect.literal(value)?;
                    literal.strip_prefix("TIMESTAMP ").unwrap_or(&literal).to_owned()
                }
                _ => {
                    let why = "files are parted by numbers, text, booleans, dates and timestamps without a zone only";
                    return Err(Error::new(ErrorKind::InvalidInput, why).with_context("column", column.clone()));
                }
            };
            parts.push(format!("{}={value}", RedshiftDialect.quote(column)?));
        }
        Ok(format!("PARTITION ({})", parts.join(", ")))
    }
}

pub(super) fn partitions(cluster: Arc<Cluster>, table: &TableRef) -> BoxStream<'static, Result<ExternalPartition>> {
    let wanted = match of_table(table) {
        Ok(wanted) => wanted,
        Err(error) => return failed(error),
    };
    Listing {
        operation: "spectrum.partitions",
        view: PARTITIONS,
        wanted,
        order: &["schemaname", "tablename", "\"values\""],
        descending: false,
        key: |partition: &ExternalPartition| {
            let mut key = table_key(&partition.table)?;
            key.push(RedshiftDialect.string(&partition.raw_values)?);
            Ok(key)
        },
        read: |row| {
            let (schema, table, raw_values) = (row.name()?, row.name()?, row.name()?);
            Ok(ExternalPartition {
                table: TableRef::new(table).with_schema(schema),
                values: elements(&raw_values),
                raw_values,
                location: row.padded()?,
                input_format: row.padded()?,
                serde: row.padded()?,
                compressed: row.flag()?,
                parameters: object(row.text()?),
            })
        },
    }
    .stream(cluster)
}

/// The elements of a JSON array, as text; a text that is none is one element.
fn elements(text: &str) -> Vec<String> {
    match serde_json::from_str::<Vec<serde_json::Value>>(text) {
        Ok(values) => values
            .into_iter()
            .map(|value| match value {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            })
            .collect(),
        Err(_) => vec![text.to_owned()],
    }
}

fn table_name(table: &TableRef) -> Result<String> {
    if table.schema().is_none() {
        let why = "an external table is named with its schema";
        return Err(Error::new(ErrorKind::InvalidInput, why).with_context("table", table.to_string()));
    }
    RedshiftDialect.table(table)
}

pub(super) fn add_sql(table: &TableRef, partitions: &[NewPartition], skip_known: bool) -> Result<Vec<String>> {
    let add = if skip_known { "ADD IF NOT EXISTS" } else { "ADD" };
    let table = table_name(table)?;
    let mut statements = Vec::new();
    for some in partitions.chunks(AT_ONCE) {
        let mut sql = format!("ALTER TABLE {table} {add}");
        for partition in some {
            if !partition.location.starts_with("s3://") {
                return Err(Error::new(ErrorKind::InvalidInput, "a partition lies in a folder `s3://bucket/folder/`")
                    .with_context("location", partition.location.clone()));
            }
            sql = format!("{sql} {} LOCATION {}", partition.clause()?, RedshiftDialect.string(&partition.location)?);
        }
        statements.push(sql);
    }
    Ok(statements)
}

pub(super) fn drop_sql(table: &TableRef, partition: &NewPartition) -> Result<String> {
    Ok(format!("ALTER TABLE {} DROP {}", table_name(table)?, partition.clause()?))
}
