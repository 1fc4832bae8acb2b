//! One table, as the server describes it.

use arrow::datatypes::Schema;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{ColumnInfo, Dialect as _, RedshiftDialect, TableInfo, TableKind, TableRef};

use super::{Ask, Here, either, here, literals, look, types::Native};
use crate::cluster::Cluster;

/// A table and what a load must know of it beside.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) info: TableInfo,
    /// What is not in `info` about its columns, in the same order.
    pub(crate) columns: Vec<Column>,
    /// Whether it belongs to the database of the session.
    pub(crate) is_local: bool,
}

/// What a load must know of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) native: Native,
    /// The server fills it in where a row says nothing.
    pub(crate) has_default: bool,
    /// The server numbers the rows and takes no values.
    pub(crate) is_identity: bool,
}

/// The table of this name, of the schemas that the session looks into if none is given.
pub(crate) async fn describe(cluster: &Cluster, table: &TableRef) -> Result<Described> {
    // Refuses what cannot be a name before the server sees it.
    RedshiftDialect.table(table)?;
    let describe = || async {
        let mut session = cluster.pool().checkout().await?;
        look_up(&mut *session, table).await
    };
    cluster.policy().execute(look("table.describe"), |_| describe()).await
}

impl Described {
    /// Its name for a statement of this database.
    pub(crate) fn sql_name(&self) -> Result<String> {
        let table = &self.info.table;
        let local = table.schema().map(|schema| TableRef::new(table.name()).with_schema(schema));
        RedshiftDialect.table(local.as_ref().filter(|_| self.is_local).unwrap_or(table))
    }

    /// The description with which rows of `source` are fitted: a column that the source lacks need not be there if the
    /// server fills it in, or if no row is added.
    pub(crate) fn for_rows_of(&self, source: &Schema, adds_rows: bool) -> TableInfo {
        let mut info = self.info.clone();
        for (column, more) in info.columns.iter_mut().zip(&self.columns) {
            let comes = source.fields().iter().any(|field| field.name().to_lowercase() == column.name.to_lowercase());
            column.nullable |= !comes && (more.has_default || more.is_identity || !adds_rows);
        }
        info
    }

    /// What is known of the column of this name, beside its description.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        let index = self.info.columns.iter().position(|column| column.name == name)?;
        self.columns.get(index)
    }

    /// Refuses what rows cannot be written to.
    pub(crate) fn check_writable(&self) -> Result<()> {
        let refuse = |why: &'static str| {
            Err(Error::unsupported("redshift", why).with_context("table", self.info.table.to_string()))
        };
        if !self.is_local {
            return refuse("rows cannot be written to a table of another database");
        }
        if self.info.kind != TableKind::Managed {
            return refuse("rows can be loaded into tables only, not into views or external tables");
        }
        Ok(())
    }
}

pub(crate) async fn look_up(session: &mut impl Ask, table: &TableRef) -> Result<Described> {
    let here = here(session).await?;
    let answer = session.ask(&find(table, &here)?).await?;
    let rows = answer.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect());
    let Some(found) = best(rows.collect(), table, &here) else { return Err(not_found(table)) };
    let columns = session.ask(&columns_of(&found)?).await?;
    let columns: Vec<_> = columns.into_iter().map(column).collect();
    let (infos, columns) = columns.into_iter().unzip();
    let is_local = found.database == here.database;
    let full = TableRef::new(found.name).with_schema(found.schema).with_catalog(found.database);
    let info = TableInfo::new(full, kind(&found.kind), infos).with_comment(found.comment);
    Ok(Described { info, columns, is_local })
}

fn not_found(table: &TableRef) -> Error {
    Error::new(ErrorKind::NotFound, "there is no such table").with_context("table", table.to_string())
}

pub(super) fn find(table: &TableRef, here: &Here) -> Result<String> {
    let databases = either(table.catalog().unwrap_or(&here.database))?;
    let schemas = match table.schema() {
        Some(schema) => either(schema)?,
        None if here.schemas.is_empty() => return Err(not_found(table)),
        None => literals(here.schemas.iter().cloned())?,
    };
    let names = either(table.name())?;
    Ok(format!(
        "SELECT database_name, schema_name, table_name, table_type, remarks FROM svv_all_tables \
         WHERE database_name IN ({databases}) AND schema_name IN ({schemas}) AND table_name IN ({names})"
    ))
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) database: String,
    pub(super) schema: String,
    pub(super) name: String,
    kind: String,
    comment: Option<String>,
}

/// The table that is meant among those that could be: the name as given goes before the folded one, the schema that is
/// looked into first before the others.
pub(super) fn best(rows: Vec<Vec<String>>, table: &TableRef, here: &Here) -> Option<Found> {
    let found = rows.into_iter().filter_map(|row| {
        let [database, schema, name, kind, comment] = <[String; 5]>::try_from(row).ok()?;
        Some(Found { database, schema, name, kind, comment: Some(comment).filter(|comment| !comment.is_empty()) })
    });
    found.min_by_key(|found| {
        let schema = match table.schema() {
            Some(schema) => usize::from(found.schema != schema),
            None => here.schemas.iter().position(|schema| *schema == found.schema).unwrap_or(usize::MAX),
        };
        let database = table.catalog().unwrap_or(&here.database);
        (found.database != database, schema, found.name != table.name())
    })
}

fn columns_of(found: &Found) -> Result<String> {
    let text = |name: &str| RedshiftDialect.string(name);
    Ok(format!(
        "SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable, \
         column_default, remarks FROM svv_all_columns \
         WHERE database_name = {} AND schema_name = {} AND table_name = {} ORDER BY ordinal_position",
        text(&found.database)?,
        text(&found.schema)?,
        text(&found.name)?
    ))
}

pub(super) fn column(row: Vec<Option<String>>) -> (ColumnInfo, Column) {
    let mut values = row.into_iter();
    let mut next = || values.next().flatten();
    let (name, data_type) = (next().unwrap_or_default(), next().unwrap_or_default());
    let mut number = || next().and_then(|text| text.parse().ok());
    let native = Native::of(&data_type, number(), number(), number());
    let nullable = next().is_none_or(|text| !text.eq_ignore_ascii_case("no"));
    let default = next().filter(|text| !text.is_empty());
    let comment = next().filter(|text| !text.is_empty());
    let is_identity = default.as_deref().is_some_and(|text| text.trim_start().starts_with("\"identity\"("));
    let info =
        ColumnInfo::new(name, native.data_type(), native.to_string()).with_nullable(nullable).with_comment(comment);
    (info, Column { native, has_default: default.is_some(), is_identity })
}

/// A table that is to be made of these columns (name, type, may be null), as it will be described.
pub(crate) fn planned(table: TableRef, columns: impl IntoIterator<Item = (String, String, bool)>) -> Described {
    let row = |(name, data_type, nullable): (String, String, bool)| {
        let null = if nullable { "YES" } else { "NO" };
        column(vec![Some(name), Some(data_type), None, None, None, Some(null.to_owned()), None, None])
    };
    let (infos, columns) = columns.into_iter().map(row).unzip();
    Described { info: TableInfo::new(table, TableKind::Managed, infos), columns, is_local: true }
}

pub(crate) fn kind(text: &str) -> TableKind {
    match text.trim().to_ascii_uppercase().as_str() {
        "TABLE" | "BASE TABLE" => TableKind::Managed,
        "EXTERNAL TABLE" => TableKind::External,
        "VIEW" | "LATE BINDING VIEW" => TableKind::View,
        _ => TableKind::Other(text.trim().to_owned()),
    }
}
