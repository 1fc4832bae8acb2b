//! CREATE, DROP, USE and SET.

use std::{collections::HashSet, fs};

use deltalake::{
    DeltaTable,
    kernel::{MetadataValue, StructField},
    operations::{create::CreateBuilder, update_table_metadata::TableMetadataUpdate},
    protocol::SaveMode,
};

use super::insert::commit_properties;
use super::{
    Catalog, Effect, Engine, Outcome,
    catalog::{FullName, Place, TableEntry, check_name, new_catalog, new_schema, schema_mut},
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{ColumnSpec, CommentKind, CreateTable, Lexed, ObjectPath, Statement},
};

/// Where Spark keeps the length of a CHAR or VARCHAR.
pub(super) const LENGTH: &str = "__CHAR_VARCHAR_TYPE_STRING";
/// The property under which columns have other names in the files.
const MAPPING: &str = "delta.columnMapping.mode";
/// Characters that columns cannot have without column mapping.
const MAPPED: &[char] = &[' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='];

impl Engine {
    pub(super) async fn create_table(&self, create: &CreateTable, place: &Place) -> SqlResult<Outcome> {
        let name = place.resolve(&create.name)?;
        let Some(existing) = self.may_create(create, &name)? else { return Ok(Outcome::Nothing) };
        check_columns(&create.columns)?;
        let entry = existing.clone().unwrap_or_else(|| Catalog::new_table(&name, create.comment.clone()));
        let fields = create.columns.iter().map(field).collect::<Vec<_>>();
        let mut builder = CreateBuilder::new()
            .with_log_store(self.log_store(&entry)?)
            .with_table_name(&name.name)
            .with_columns(fields)
            .with_save_mode(if existing.is_some() { SaveMode::Overwrite } else { SaveMode::ErrorIfExists })
            .with_configuration(properties(create, create.columns.iter().map(|column| column.name.as_str())))
            .with_raise_if_key_not_exists(false);
        if !create.partitions.is_empty() {
            builder = builder.with_partition_columns(partitions(create)?);
        }
        if let Some(comment) = &create.comment {
            builder = builder.with_comment(comment);
        }
        let created = builder.await;
        self.publish(create, name, entry, existing, created.map_err(SqlError::from).map(|_| ()))
    }

    pub(super) async fn create_table_as(
        &self,
        lexed: &Lexed,
        statement: &Statement,
        create: &CreateTable,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let name = place.resolve(&create.name)?;
        if !create.columns.is_empty() {
            return Err(SqlError::unsupported("CREATE TABLE … AS SELECT with a list of columns"));
        }
        let Some(existing) = self.may_create(create, &name)? else { return Ok(Outcome::Nothing) };
        let entry = existing.clone().unwrap_or_else(|| Catalog::new_table(&name, create.comment.clone()));
        let prepared = self.prepare(lexed, statement, place, &[], Vec::new()).await?;
        let written = self.write_table_as(&prepared, create, &name, &entry, existing.is_some()).await;
        self.publish(create, name, entry, existing, written.map(|_: DeltaTable| ()))
    }

    /// `None` if there is nothing to do, else the table that is to be replaced, if there is one.
    fn may_create(&self, create: &CreateTable, name: &FullName) -> SqlResult<Option<Option<TableEntry>>> {
        check_name(&name.name)?;
        self.0.catalog.schema_exists(&name.catalog, &name.schema)?;
        match self.0.catalog.table(name) {
            Ok(_) if create.if_not_exists => Ok(None),
            Ok(entry) if create.or_replace => Ok(Some(Some(entry))),
            Ok(_) => Err(already_exists("TABLE_OR_VIEW", name)),
            Err(_) => Ok(Some(None)),
        }
    }

    /// Lists a table once it is written; takes its files away if it is not, or if another was faster.
    fn publish(
        &self,
        create: &CreateTable,
        name: FullName,
        entry: TableEntry,
        existing: Option<TableEntry>,
        written: SqlResult<()>,
    ) -> SqlResult<Outcome> {
        if existing.is_some() {
            return written.map(|()| Outcome::Nothing);
        }
        let folder = self.0.root.join(&entry.folder);
        let listed = written.and_then(|()| {
            self.0.catalog.change(|listing| {
                let schema = schema_mut(listing, &name.catalog, &name.schema)?;
                match schema.tables.get(&name.name) {
                    Some(_) if !create.if_not_exists => Err(already_exists("TABLE_OR_VIEW", &name)),
                    Some(_) => Ok(false),
                    None => {
                        schema.tables.insert(name.name.clone(), entry);
                        Ok(true)
                    }
                }
            })
        });
        if !matches!(listed, Ok(true)) {
            let _ = fs::remove_dir_all(folder);
        }
        listed.map(|_| Outcome::Nothing)
    }

    pub(super) async fn drop_table(&self, path: &ObjectPath, if_exists: bool, place: &Place) -> SqlResult<Outcome> {
        let name = place.resolve(path)?;
        let dropped = self.0.catalog.change(|listing| {
            let schema = schema_mut(listing, &name.catalog, &name.schema)?;
            schema.tables.remove(&name.name).ok_or_else(|| SqlError::table_not_found(&name))
        });
        match dropped {
            Ok(entry) => self.remove_folder(&entry.folder),
            Err(error) if if_exists && is_missing(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(Outcome::Nothing)
    }

    fn remove_folder(&self, folder: &std::path::Path) {
        if let Err(error) = fs::remove_dir_all(self.0.root.join(folder))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the files of a dropped object stay");
        }
    }

    pub(super) fn create_catalog(
        &self,
        path: &ObjectPath,
        if_not_exists: bool,
        comment: Option<String>,
    ) -> SqlResult<Outcome> {
        let [name] = path.0.as_slice() else { return Err(one_name(path)) };
        let name = name.to_lowercase();
        check_name(&name)?;
        self.0.catalog.change(|listing| {
            if listing.contains_key(&name) {
                return if if_not_exists { Ok(()) } else { Err(already_exists("CATALOG", path)) };
            }
            listing.insert(name, new_catalog(comment));
            Ok(())
        })?;
        Ok(Outcome::Nothing)
    }

    pub(super) fn drop_catalog(&self, path: &ObjectPath, if_exists: bool, cascade: bool) -> SqlResult<Outcome> {
        let [name] = path.0.as_slice() else { return Err(one_name(path)) };
        let name = name.to_lowercase();
        let dropped = self.0.catalog.change(|listing| {
            let entry = listing.get(&name).ok_or_else(|| SqlError::catalog_not_found(&name))?;
            if !cascade && !entry.schemas.is_empty() {
                return Err(not_empty("CATALOG", path));
            }
            Ok(listing.remove(&name))
        });
        match dropped {
            Ok(entry) => {
                for schema in entry.iter().flat_map(|entry| entry.schemas.values()) {
                    schema.tables.values().for_each(|table| self.remove_folder(&table.folder));
                    schema.volumes.values().for_each(|volume| self.remove_folder(&volume.folder));
                }
                Ok(Outcome::Nothing)
            }
            Err(error) if if_exists && is_missing(&error) => Ok(Outcome::Nothing),
            Err(error) => Err(error),
        }
    }

    pub(super) fn create_schema(
        &self,
        path: &ObjectPath,
        if_not_exists: bool,
        comment: Option<String>,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let (catalog, schema) = place.resolve_schema(path)?;
        check_name(&schema)?;
        self.0.catalog.change(|listing| {
            let entry = listing.get_mut(&catalog).ok_or_else(|| SqlError::catalog_not_found(&catalog))?;
            if entry.schemas.contains_key(&schema) {
                return if if_not_exists { Ok(()) } else { Err(already_exists("SCHEMA", path)) };
            }
            entry.schemas.insert(schema, new_schema(comment));
            Ok(())
        })?;
        Ok(Outcome::Nothing)
    }

    pub(super) fn drop_schema(
        &self,
        path: &ObjectPath,
        if_exists: bool,
        cascade: bool,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let (catalog, schema) = place.resolve_schema(path)?;
        let dropped = self.0.catalog.change(|listing| {
            let entry = schema_mut(listing, &catalog, &schema)?.clone();
            let empty = entry.tables.is_empty() && entry.volumes.is_empty();
            if !cascade && !empty {
                return Err(not_empty("SCHEMA", path));
            }
            if let Some(catalog) = listing.get_mut(&catalog) {
                catalog.schemas.remove(&schema);
            }
            Ok(entry)
        });
        match dropped {
            Ok(entry) => {
                entry.tables.values().for_each(|table| self.remove_folder(&table.folder));
                entry.volumes.values().for_each(|volume| self.remove_folder(&volume.folder));
                Ok(Outcome::Nothing)
            }
            Err(error) if if_exists && is_missing(&error) => Ok(Outcome::Nothing),
            Err(error) => Err(error),
        }
    }

    pub(super) fn create_volume(
        &self,
        path: &ObjectPath,
        if_not_exists: bool,
        comment: Option<String>,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let name = place.resolve(path)?;
        check_name(&name.name)?;
        let entry = Catalog::new_volume(&name, comment);
        fs::create_dir_all(self.0.root.join(&entry.folder))?;
        let folder = entry.folder.clone();
        let listed = self.0.catalog.change(|listing| {
            let schema = schema_mut(listing, &name.catalog, &name.schema)?;
            if schema.volumes.contains_key(&name.name) {
                return if if_not_exists { Ok(false) } else { Err(already_exists("VOLUME", &name)) };
            }
            schema.volumes.insert(name.name.clone(), entry);
            Ok(true)
        });
        if !matches!(listed, Ok(true)) {
            self.remove_folder(&folder);
        }
        listed.map(|_| Outcome::Nothing)
    }

    pub(super) fn drop_volume(&self, path: &ObjectPath, if_exists: bool, place: &Place) -> SqlResult<Outcome> {
        let name = place.resolve(path)?;
        let dropped = self.0.catalog.change(|listing| {
            let schema = schema_mut(listing, &name.catalog, &name.schema)?;
            schema.volumes.remove(&name.name).ok_or_else(|| SqlError::volume_not_found(&name))
        });
        match dropped {
            Ok(entry) => self.remove_folder(&entry.folder),
            Err(error) if if_exists && is_missing(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(Outcome::Nothing)
    }

    pub(super) async fn comment(
        &self,
        kind: CommentKind,
        path: &ObjectPath,
        comment: Option<String>,
        place: &Place,
    ) -> SqlResult<Outcome> {
        if kind == CommentKind::Table {
            // The table's own log carries it too, for readers that know no catalog.
            let opened = self.open_table(path, place).await?;
            let update = TableMetadataUpdate { name: None, description: Some(comment.clone().unwrap_or_default()) };
            let change = opened.table.update_table_metadata().with_update(update);
            change.with_commit_properties(commit_properties()).await?;
        }
        self.0.catalog.change(|listing| {
            match kind {
                CommentKind::Catalog => {
                    let [name] = path.0.as_slice() else { return Err(one_name(path)) };
                    let entry =
                        listing.get_mut(&name.to_lowercase()).ok_or_else(|| SqlError::catalog_not_found(name))?;
                    entry.comment = comment;
                }
                CommentKind::Schema => {
                    let (catalog, schema) = place.resolve_schema(path)?;
                    schema_mut(listing, &catalog, &schema)?.comment = comment;
                }
                CommentKind::Table => {
                    let name = place.resolve(path)?;
                    let schema = schema_mut(listing, &name.catalog, &name.schema)?;
                    schema.tables.get_mut(&name.name).ok_or_else(|| SqlError::table_not_found(&name))?.comment =
                        comment;
                }
                CommentKind::Volume => {
                    let name = place.resolve(path)?;
                    let schema = schema_mut(listing, &name.catalog, &name.schema)?;
                    schema.volumes.get_mut(&name.name).ok_or_else(|| SqlError::volume_not_found(&name))?.comment =
                        comment;
                }
            }
            Ok(())
        })?;
        Ok(Outcome::Nothing)
    }

    pub(super) fn use_catalog(&self, name: &str) -> SqlResult<(Outcome, Effect)> {
        let name = name.to_lowercase();
        self.0
            .catalog
            .read(|listing| listing.get(&name).map(|_| ()).ok_or_else(|| SqlError::catalog_not_found(&name)))?;
        Ok((Outcome::Nothing, Effect::Use { catalog: Some(name), schema: None }))
    }

    pub(super) fn use_schema(&self, path: &ObjectPath, place: &Place) -> SqlResult<(Outcome, Effect)> {
        let (catalog, schema) = place.resolve_schema(path)?;
        self.0.catalog.schema_exists(&catalog, &schema)?;
        Ok((Outcome::Nothing, Effect::Use { catalog: Some(catalog), schema: Some(schema) }))
    }

    /// Takes settings that say what is so anyway; others would be silently wrong.
    pub(crate) fn set(&self, name: &str, value: &str) -> SqlResult<Outcome> {
        let value = value.to_ascii_uppercase();
        let holds = match name.to_ascii_uppercase().as_str() {
            "ANSI_MODE" => value == "TRUE",
            "TIMEZONE" => matches!(value.as_str(), "UTC" | "ETC/UTC" | "Z" | "GMT"),
            "USE_CACHED_RESULT" | "ENABLE_PHOTON" | "STATEMENT_TIMEOUT" | "QUERY_TAGS" | "MAX_FILE_PARTITION_BYTES" => {
                true
            }
            _ => {
                return Err(SqlError::new(
                    "CONFIG_NOT_AVAILABLE",
                    "42K0I",
                    format!("Configuration {name} is not available."),
                ));
            }
        };
        if holds { Ok(Outcome::Nothing) } else { Err(SqlError::unsupported(format_args!("SET {name} = {value}"))) }
    }
}

/// The partition columns in the spelling of the columns.
fn partitions(create: &CreateTable) -> SqlResult<Vec<String>> {
    let known = |name: &String| {
        let found = create.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
        found
            .map(|column| column.name.clone())
            .ok_or_else(|| SqlError::unresolved_column(super::prepare::quote(name), &[]))
    };
    create.partitions.iter().map(known).collect()
}

/// The table's properties, with column mapping if a column's name needs it.
pub(super) fn properties<'a>(
    create: &CreateTable,
    columns: impl IntoIterator<Item = &'a str>,
) -> Vec<(String, Option<String>)> {
    let mut properties: Vec<_> =
        create.properties.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    let mapped = properties.iter().any(|(key, _)| key.eq_ignore_ascii_case(MAPPING));
    if !mapped && columns.into_iter().any(|name| name.contains(MAPPED)) {
        properties.push((MAPPING.to_owned(), Some("name".to_owned())));
    }
    properties
}

fn check_columns(columns: &[ColumnSpec]) -> SqlResult<()> {
    if columns.is_empty() {
        return Err(SqlError::unsupported("a table without columns"));
    }
    let mut seen = HashSet::new();
    for column in columns {
        if !seen.insert(column.name.to_lowercase()) {
            let text = format!(
                "The column {} already exists. Choose another name or rename the existing column.",
                super::prepare::quote(&column.name)
            );
            return Err(SqlError::new("COLUMN_ALREADY_EXISTS", "42711", text));
        }
    }
    Ok(())
}

fn field(column: &ColumnSpec) -> StructField {
    let entries = [("comment", &column.comment), (LENGTH, &column.length)];
    let metadata = entries.into_iter().filter_map(|(key, text)| Some((key, MetadataValue::String(text.clone()?))));
    StructField::new(&column.name, column.data_type.clone(), column.nullable).with_metadata(metadata)
}

fn already_exists(kind: &str, name: &impl std::fmt::Display) -> SqlError {
    let state = match kind {
        "TABLE_OR_VIEW" => "42P07",
        "SCHEMA" => "42P06",
        _ => "42710",
    };
    let text = format!(
        "Cannot create {name} because it already exists. Choose a different name, drop or replace the existing object, or add the IF NOT EXISTS clause."
    );
    SqlError::new(format!("{kind}_ALREADY_EXISTS"), state, text)
}

fn not_empty(kind: &str, name: &ObjectPath) -> SqlError {
    let text = format!("Cannot drop {name} because it contains objects. Use CASCADE to drop it with all its objects.");
    SqlError::new(format!("{kind}_NOT_EMPTY"), "2BP01", text)
}

fn one_name(path: &ObjectPath) -> SqlError {
    SqlError::new("REQUIRES_SINGLE_PART_NAMESPACE", "42K05", format!("{path} is not the name of a catalog."))
}

fn is_missing(error: &SqlError) -> bool {
    matches!(error.sqlstate(), "42P01" | "42704")
}
