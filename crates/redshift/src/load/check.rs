//! Values that the table would refuse, found before anything of them is sent.

use arrow::{
    array::{AsArray as _, RecordBatch},
    datatypes::Schema,
};
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::TableRef;

use crate::tables::{Carrier, Described, Limit};

/// Refuses columns that cannot be loaded from a file, by name and before anything is sent.
pub(crate) fn check_loadable<'a>(table: &Described, columns: impl Iterator<Item = &'a str>) -> Result<()> {
    let (mut foreign, mut numbered) = (Vec::new(), Vec::new());
    for name in columns {
        match table.column(name) {
            Some(column) if column.is_identity => numbered.push(format!("`{name}`")),
            Some(column) if column.native.carrier() == Carrier::None => {
                foreign.push(format!("`{name}` {}", column.native))
            }
            _ => {}
        }
    }
    let refuse = |why: &'static str, columns: &[String]| {
        Err(Error::unsupported("redshift", why)
            .with_context("table", table.info.table.to_string())
            .with_context("columns", columns.join(", ")))
    };
    if !foreign.is_empty() {
        return refuse(
            "columns of these types cannot be loaded; load them as text into another table and convert them there",
            &foreign,
        );
    }
    if !numbered.is_empty() {
        return refuse("the server numbers the rows of an identity column itself; leave it out", &numbered);
    }
    Ok(())
}

/// How long the values of each column may be.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    table: TableRef,
    columns: Vec<Option<Limit>>,
}

impl Limits {
    /// For batches of this schema, whose columns are the table's.
    pub(crate) fn of(table: &Described, schema: &Schema) -> Self {
        let limit = |name: &str| table.column(name).and_then(|column| column.native.limit());
        let columns = schema.fields().iter().map(|field| limit(field.name())).collect();
        Self { table: table.info.table.clone(), columns }
    }

    /// Refuses the first value that is too long, or is no text for this server; it says where, never what.
    pub(crate) fn check(&self, batch: &RecordBatch) -> Result<()> {
        for ((column, limit), field) in batch.columns().iter().zip(&self.columns).zip(batch.schema_ref().fields()) {
            let Some(limit) = limit else { continue };
            let values: Box<dyn Iterator<Item = Option<&[u8]>>> = match limit {
                Limit::Char(_) | Limit::Varchar(_) => match column.as_string_opt::<i32>() {
                    Some(text) => Box::new(text.iter().map(|value| value.map(str::as_bytes))),
                    None => continue,
                },
                Limit::Varbyte(_) => match column.as_binary_opt::<i32>() {
                    Some(bytes) => Box::new(bytes.iter()),
                    None => continue,
                },
            };
            let wrong = values.enumerate().find_map(|(row, value)| Some((row, value?, wrong(value?, *limit)?)));
            if let Some((row, value, why)) = wrong {
                let (Limit::Char(most) | Limit::Varchar(most) | Limit::Varbyte(most)) = *limit;
                return Err(Error::new(ErrorKind::InvalidInput, why)
                    .with_context("table", self.table.to_string())
                    .with_context("column", field.name().clone())
                    .with_context("row", row.to_string())
                    .with_context("bytes", value.len().to_string())
                    .with_context("limit", most.to_string()));
            }
        }
        Ok(())
    }
}

fn wrong(value: &[u8], limit: Limit) -> Option<&'static str> {
    match limit {
        Limit::Char(most) | Limit::Varchar(most) | Limit::Varbyte(most) if value.len() > most => {
            Some("a value has more bytes than its column takes")
        }
        Limit::Char(_) if !value.is_ascii() => Some("a CHAR column takes one-byte characters only"),
        Limit::Char(_) | Limit::Varchar(_) if value.contains(&0) => Some("text on Redshift cannot contain NUL"),
        _ => None,
    }
}
