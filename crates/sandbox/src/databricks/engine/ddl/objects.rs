//! Catalogs, schemas and volumes, and the comments of everything.

use std::fs;

use deltalake::kernel::MetadataValue;
use serde_json::json;

use crate::databricks::{
    engine::{
        Catalog, Engine, Outcome,
        catalog::{FullName, Place, check_name, new_catalog, new_schema, schema_mut},
        fields::{edit_fields, find, missing},
        metadata::Definition,
    },
    error::{SqlError, SqlResult},
    sql::{CommentKind, ObjectPath},
};

impl Engine {
    pub(crate) fn create_catalog(
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

    pub(crate) fn create_schema(
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

    pub(crate) fn create_volume(
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
            self.remove_folders([&folder]);
        }
        listed.map(|_| Outcome::Nothing)
    }

    pub(crate) async fn comment(
        &self,
        kind: CommentKind,
        path: &ObjectPath,
        comment: Option<String>,
        place: &Place,
    ) -> SqlResult<Outcome> {
        if kind == CommentKind::Column {
            return self.comment_on_column(path, comment, place).await;
        }
        if kind == CommentKind::Table {
            // The table's own log carries it too, for readers that know no catalog.
            let opened = self.open_table(path, place).await?;
            let mut definition = Definition::of(&opened)?;
            definition.description.clone_from(&comment);
            let parameters = json!({ "properties": { "comment": comment } });
            self.commit_definition(&opened, &definition, "SET TBLPROPERTIES", parameters).await?;
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
                CommentKind::Column => {}
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

    /// The last part of the path is the column.
    async fn comment_on_column(&self, path: &ObjectPath, comment: Option<String>, place: &Place) -> SqlResult<Outcome> {
        let Some((column, table)) = path.0.split_last().filter(|(_, table)| !table.is_empty()) else {
            return Err(SqlError::unresolved_column(path, &[]));
        };
        let opened = self.open_table(&ObjectPath(table.to_vec()), place).await?;
        let mut definition = Definition::of(&opened)?;
        definition.schema = edit_fields(&definition.schema, &[], |mut fields| {
            let at = find(&fields, column).ok_or_else(|| missing(std::slice::from_ref(column), &fields))?;
            match comment {
                Some(comment) => fields[at].metadata.insert("comment".to_owned(), MetadataValue::String(comment)),
                None => fields[at].metadata.remove("comment"),
            };
            Ok(fields)
        })?;
        let parameters = json!({ "column": { "name": column } });
        self.commit_definition(&opened, &definition, "CHANGE COLUMN", parameters).await?;
        Ok(Outcome::Nothing)
    }
}

pub(crate) fn already_exists(kind: &str, name: &impl std::fmt::Display) -> SqlError {
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

pub(super) fn not_empty(kind: &str, name: &ObjectPath) -> SqlError {
    let text = format!("Cannot drop {name} because it contains objects. Use CASCADE to drop it with all its objects.");
    SqlError::new(format!("{kind}_NOT_EMPTY"), "2BP01", text)
}

pub(super) fn one_name(path: &ObjectPath) -> SqlError {
    SqlError::new("REQUIRES_SINGLE_PART_NAMESPACE", "42K05", format!("{path} is not the name of a catalog."))
}

/// Says that what a statement names is not there.
pub(crate) fn is_missing(error: &SqlError) -> bool {
    matches!(error.sqlstate(), "42P01" | "42704")
}

/// A table's whole name in messages.
pub(crate) fn table_text(name: &FullName) -> String {
    name.to_string()
}
