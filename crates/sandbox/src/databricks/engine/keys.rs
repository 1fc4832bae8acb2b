//! Primary and foreign keys. They inform, and nothing enforces them.

use std::collections::HashSet;

use deltalake::kernel::StructType;
use serde::{Deserialize, Serialize};

use super::{
    Engine,
    catalog::{FullName, Listing, Place, TableEntry, schema_mut, schema_of},
    ddl::table_text,
    prepare::quote,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{CreateTable, KeySpec},
};

/// A key of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TableKey {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    /// Those of the columns that are times.
    #[serde(default)]
    pub(crate) timeseries: Vec<String>,
    /// Of a foreign key: the other table, and its columns in the same order.
    pub(crate) parent: Option<(FullName, Vec<String>)>,
    pub(crate) rely: bool,
}

pub(crate) fn no_primary_key(table: &FullName) -> SqlError {
    let text = format!("Table {} has no primary key.", table_text(table));
    SqlError::new("CONSTRAINT_DOES_NOT_EXIST", "42704", text)
}

fn refused(text: String) -> SqlError {
    SqlError::new("INVALID_PARAMETER_VALUE", "22023", text)
}

/// The columns as the table spells them, each once.
fn spelled(columns: &[String], fields: &StructType) -> SqlResult<Vec<String>> {
    let mut seen = HashSet::new();
    let known = |name: &String| {
        let field = fields.fields().find(|field| field.name().to_lowercase() == name.to_lowercase());
        let field = field.ok_or_else(|| SqlError::unresolved_column(quote(name), &[]))?;
        if !seen.insert(field.name().clone()) {
            return Err(refused(format!("Column {} is named twice in the key.", quote(name))));
        }
        Ok(field.name().clone())
    };
    columns.iter().map(known).collect()
}

fn entry_of<'a>(listing: &'a Listing, name: &FullName) -> SqlResult<&'a TableEntry> {
    let schema = schema_of(listing, &name.catalog, &name.schema)?;
    schema.tables.get(&name.name).ok_or_else(|| SqlError::table_not_found(name))
}

fn primary(entry: &TableEntry) -> Option<&TableKey> {
    entry.keys.iter().find(|key| key.parent.is_none())
}

impl Engine {
    /// The key that is meant, if the table may have it. `fields` are the table's.
    fn key_of(&self, table: &FullName, fields: &StructType, key: &KeySpec, place: &Place) -> SqlResult<TableKey> {
        let columns = spelled(&key.columns, fields)?;
        let kind = if key.parent.is_some() { "fk" } else { "pk" };
        let name = key.name.clone().unwrap_or_else(|| format!("{}_{kind}", table.name));
        let Some((parent, parents)) = &key.parent else {
            let may_be_null = fields.fields().find(|field| columns.contains(field.name()) && field.is_nullable());
            if let Some(field) = may_be_null {
                return Err(refused(format!(
                    "Cannot create the primary key {} because its child column(s) {} is nullable. Please change the \
                     column nullability and retry.",
                    quote(&name),
                    quote(field.name())
                )));
            }
            let timeseries = spelled(&key.timeseries, fields)?;
            return Ok(TableKey { name, columns, timeseries, parent: None, rely: key.rely });
        };
        let parent = place.resolve(parent)?;
        let known = self.0.catalog.read(|listing| {
            Ok::<_, SqlError>(primary(entry_of(listing, &parent)?).map(|key| key.columns.clone()).unwrap_or_default())
        })?;
        let lower = |names: &[String]| names.iter().map(|name| name.to_lowercase()).collect::<HashSet<_>>();
        let wanted = if parents.is_empty() { known.clone() } else { parents.clone() };
        if known.is_empty() || lower(&wanted) != lower(&known) || wanted.len() != columns.len() {
            return Err(refused(format!(
                "Cannot create the foreign key {}: its columns do not refer to the primary key of {}.",
                quote(&name),
                table_text(&parent)
            )));
        }
        let as_known =
            |name: &String| known.iter().find(|known| known.eq_ignore_ascii_case(name)).unwrap_or(name).clone();
        let parent = Some((parent, wanted.iter().map(as_known).collect()));
        Ok(TableKey { name, columns, timeseries: Vec::new(), parent, rely: key.rely })
    }

    /// The keys of a table that is to be made.
    pub(super) async fn new_keys(
        &self,
        create: &CreateTable,
        name: &FullName,
        place: &Place,
    ) -> SqlResult<Vec<TableKey>> {
        let fields = StructType::new_unchecked(create.columns.iter().map(super::ddl::field));
        let mut keys: Vec<TableKey> = Vec::new();
        for key in &create.keys {
            let key = self.key_of(name, &fields, key, place)?;
            admit(&keys, &key, name)?;
            keys.push(key);
        }
        Ok(keys)
    }

    /// Adds a key to a table.
    pub(crate) async fn add_key(&self, name: &FullName, key: &KeySpec, place: &Place) -> SqlResult<TableKey> {
        let fields = self.open_entry(name.clone()).await?.fields()?;
        let key = self.key_of(name, &fields, key, place)?;
        self.0.catalog.change(|listing| {
            let entry = schema_mut(listing, &name.catalog, &name.schema)?.tables.get_mut(&name.name);
            let entry = entry.ok_or_else(|| SqlError::table_not_found(name))?;
            admit(&entry.keys, &key, name)?;
            entry.keys.push(key.clone());
            Ok(key)
        })
    }

    /// Takes away the key of this name, or the primary key. `false` if there is none.
    pub(crate) fn drop_key(&self, name: &FullName, key: Option<&str>, cascade: bool) -> SqlResult<bool> {
        self.0.catalog.change(|listing| {
            let keys = &entry_of(listing, name)?.keys;
            let wanted = |known: &&TableKey| match key {
                Some(key) => known.name.eq_ignore_ascii_case(key),
                None => known.parent.is_none(),
            };
            let Some(found) = keys.iter().find(wanted).cloned() else { return Ok(false) };
            let refers = |key: &TableKey| {
                found.parent.is_none() && key.parent.as_ref().is_some_and(|(parent, _)| parent == name)
            };
            for catalog in listing.values_mut() {
                for entry in catalog.schemas.values_mut().flat_map(|schema| schema.tables.values_mut()) {
                    if !cascade && entry.keys.iter().any(refers) {
                        return Err(refused(format!(
                            "Cannot drop the primary key {} because foreign keys refer to it. Use CASCADE to drop them too.",
                            quote(&found.name)
                        )));
                    }
                    entry.keys.retain(|key| !refers(key));
                }
            }
            let entry = schema_mut(listing, &name.catalog, &name.schema)?.tables.get_mut(&name.name);
            entry.ok_or_else(|| SqlError::table_not_found(name))?.keys.retain(|key| key.name != found.name);
            Ok(true)
        })
    }
}

/// One primary key, and no name twice.
fn admit(keys: &[TableKey], key: &TableKey, table: &FullName) -> SqlResult<()> {
    if keys.iter().any(|known| known.name.eq_ignore_ascii_case(&key.name)) {
        let text = format!("Constraint {} already exists in table {}.", quote(&key.name), table_text(table));
        return Err(SqlError::new("CONSTRAINT_ALREADY_EXISTS", "42710", text));
    }
    if key.parent.is_none() && keys.iter().any(|known| known.parent.is_none()) {
        return Err(refused(format!("Table {} has a primary key already.", table_text(table))));
    }
    Ok(())
}
