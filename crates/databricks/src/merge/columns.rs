//! The source's columns and the target's: which is which.

use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{DatabricksDialect, Dialect as _, TableInfo};

const SQL: DatabricksDialect = DatabricksDialect;

/// A column that the source brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) target: String,
    pub(super) source: String,
    /// The target lacks it still.
    pub(super) is_new: bool,
    /// Values of nested types have no order that every engine knows.
    pub(super) is_nested: bool,
}

/// Matches a source's columns with the target's, exactly or without regard to case. Those that the target lacks are
/// new to it, if it may take new ones.
pub(super) fn columns(table: &TableInfo, names: &[String], evolve: bool) -> Result<Vec<Column>> {
    let mut columns: Vec<Column> = Vec::new();
    for name in names {
        let at = one_of(name, table.columns.iter().map(|column| column.name.as_str()));
        let is_known =
            |name: &str| table.columns.iter().any(|column| column.name.to_lowercase() == name.to_lowercase());
        let column = match at.map(|at| &table.columns[at]) {
            Some(column) => Some((column.name.clone(), false, column.data_type.is_nested())),
            None if evolve && !is_known(name) => Some((name.clone(), true, true)),
            None => None,
        };
        let free = |target: &str| columns.iter().all(|c| c.target.to_lowercase() != target.to_lowercase());
        let Some((target, is_new, is_nested)) = column.filter(|(target, ..)| free(target)) else {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("column `{name}` of the source is none of the table's, or not of one alone"),
            )
            .with_context("column", name)
            .with_context("table", table.table.to_string()));
        };
        columns.push(Column { target, source: name.clone(), is_new, is_nested });
    }
    Ok(columns)
}

/// The one that is exactly so called, else the only one that is so called in another case.
pub(super) fn one_of<'a>(name: &str, among: impl Iterator<Item = &'a str> + Clone) -> Option<usize> {
    let mut exact = among.clone().enumerate().filter(|(_, other)| *other == name).map(|(at, _)| at);
    exact.next().or_else(|| {
        let folded = name.to_lowercase();
        let mut alike = among.enumerate().filter(|(_, other)| other.to_lowercase() == folded).map(|(at, _)| at);
        alike.next().filter(|_| alike.next().is_none())
    })
}

/// The source's columns under the target's names.
pub(super) fn select(columns: &[Column], relation: &str) -> Result<String> {
    let columns = columns.iter().map(|column| {
        let name = SQL.quote(&column.source)?;
        Ok(if column.source == column.target { name } else { format!("{name} AS {}", SQL.quote(&column.target)?) })
    });
    Ok(format!("SELECT {} FROM {}", columns.collect::<Result<Vec<_>>>()?.join(", "), relation))
}
