//! What a load does with the rows that are there, in the words of the server.
//!
//! `TRUNCATE` is never among them: it would commit the transaction that it stands in.

use arrow::datatypes::Schema;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Dialect as _, Expression, LoadMode, RedshiftDialect, TableRef};

use crate::{
    cluster::Cluster,
    statement::text::Words,
    tables::{Described, planned},
};

/// What happens to the table before the new rows come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    /// All rows go.
    Empty,
    /// The rows of this predicate go, and all new ones must be of it.
    EmptyWhere(String),
    /// The table is made; the statement.
    Create(String),
    /// The same, and what is there goes.
    Replace(String),
}

impl Before {
    pub(super) fn of(mode: &LoadMode, table: &Described, schema: &Schema) -> Result<Self> {
        Ok(match mode {
            LoadMode::Append => Self::Nothing,
            LoadMode::Overwrite => Self::Empty,
            LoadMode::ReplaceWhere(predicate) => Self::EmptyWhere(condition(predicate)?),
            LoadMode::Create => Self::Create(creation(table, schema)?),
            LoadMode::CreateOrReplace => Self::Replace(creation(table, schema)?),
            other => {
                return Err(Error::unsupported("redshift", "cannot load in this mode")
                    .with_context("mode", format!("{other:?}")));
            }
        })
    }
}

/// A predicate with its values, in brackets that it cannot leave.
fn condition(predicate: &Expression) -> Result<String> {
    let sql = RedshiftDialect.inline(predicate.sql(), predicate.params())?;
    let bad = |why: &'static str| Err(Error::new(ErrorKind::InvalidInput, why).with_context("field", "predicate"));
    if Words::of(&sql).is_several() {
        return bad("a predicate is one expression");
    }
    if sql.trim().is_empty() {
        return bad("a predicate needs a text");
    }
    // It may end in a comment.
    Ok(format!("(\n{sql}\n)"))
}

/// The table that a load is to make: its columns are those of the rows.
pub(super) fn to_be_made(cluster: &Cluster, table: &TableRef, schema: &Schema) -> Result<Described> {
    RedshiftDialect.table(table)?;
    let database = cluster.config().database();
    if table.catalog().is_some_and(|catalog| !catalog.eq_ignore_ascii_case(database)) {
        return Err(Error::unsupported("redshift", "a table cannot be made in another database")
            .with_context("table", table.to_string()));
    }
    let default = cluster.info().default_schema.clone().unwrap_or_else(|| "public".to_owned());
    let full = TableRef::new(table.name()).with_schema(table.schema().unwrap_or(&default)).with_catalog(database);
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        RedshiftDialect.quote(field.name())?;
        let type_name = RedshiftDialect
            .type_name(field.data_type())
            .map_err(|error| error.with_context("column", field.name().clone()))?;
        columns.push((field.name().clone(), type_name, field.is_nullable()));
    }
    let folded = |i: usize| columns[i].0.to_lowercase();
    if let Some(twice) = (1..columns.len()).find(|&i| (0..i).any(|k| folded(k) == folded(i))) {
        return Err(Error::new(ErrorKind::InvalidInput, "two columns of the rows have one name for the server")
            .with_context("column", columns[twice].0.clone()));
    }
    Ok(planned(full, columns))
}

fn creation(table: &Described, schema: &Schema) -> Result<String> {
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let null = if field.is_nullable() { "" } else { " NOT NULL" };
        let name = RedshiftDialect.quote(field.name())?;
        columns.push(format!("{name} {}{null}", RedshiftDialect.type_name(field.data_type())?));
    }
    if columns.is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "a table needs a column"));
    }
    Ok(format!("CREATE TABLE {} ({})", table.sql_name()?, columns.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_predicate_cannot_leave_its_brackets() {
        let of = |sql: &str| condition(&Expression::new(sql));
        assert_eq!(of("a = 1 or b = 2 -- x").unwrap(), "(\na = 1 or b = 2 -- x\n)");
        let bound = Expression::new("name = :n").bind("n", "it's \\' or 1=1 --");
        assert_eq!(condition(&bound).unwrap(), "(\nname = 'it''s \\\\'' or 1=1 --'\n)");
        for bad in ["", "  ", "a = 1; drop table t"] {
            assert_eq!(of(bad).unwrap_err().kind(), ErrorKind::InvalidInput, "{bad}");
        }
        assert!(of("a = ';'").is_ok());
    }
}
