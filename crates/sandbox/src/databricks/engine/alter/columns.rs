//! Columns and fields: add, change, rename, drop.

use std::slice::from_ref;

use deltalake::kernel::{DataType, MetadataValue, StructField};
use serde_json::json;

use crate::databricks::{
    engine::{
        Engine,
        catalog::Place,
        ddl::{DEFAULT, LENGTH, MAPPED, defaults_allowed, field, is_mapped, table_text},
        fields::{MAX_ID, edit_fields, find, mapped, missing, path_text},
        metadata::{Definition, GENERATED, text_of},
        prepare::quote,
        tables::Opened,
    },
    error::{SqlError, SqlResult},
    sql::{AddedColumn, ColumnChange, Position, delta_type_text, names_in},
};

impl Engine {
    pub(super) async fn add_columns(&self, opened: &Opened, columns: &[AddedColumn]) -> SqlResult<()> {
        let mut definition = Definition::of(opened)?;
        for column in columns {
            let spec = &column.spec;
            if spec.default.is_some() {
                return Err(SqlError::new(
                    "WRONG_COLUMN_DEFAULTS_FOR_DELTA_ALTER_TABLE_ADD_COLUMN_NOT_SUPPORTED",
                    "0AKDC",
                    "Failed to execute the command because DEFAULT values are not supported when adding new columns to \
                     previously existing Delta tables; please add the column without a default value first, then run a \
                     second ALTER TABLE ALTER COLUMN SET DEFAULT command to apply for future inserted rows instead.",
                ));
            }
            if !spec.nullable || spec.generated.is_some() {
                let what = if spec.nullable { "Generated columns" } else { "NOT NULL" };
                let text = format!("Operation not allowed: {what} in ALTER TABLE ADD COLUMNS is not supported.");
                return Err(SqlError::new("DELTA_OPERATION_NOT_ALLOWED", "0AKDC", text));
            }
            if !is_mapped(&definition.properties) && spec.name.contains(MAPPED) {
                return Err(invalid_characters(&spec.name));
            }
            definition.schema = edit_fields(&definition.schema, &column.parent, |mut fields| {
                if find(&fields, &spec.name).is_some() {
                    return Err(exists("add", &[column.parent.as_slice(), from_ref(&spec.name)].concat()));
                }
                let at = place_of(&fields, column.position.as_ref(), &column.parent)?.unwrap_or(fields.len());
                fields.insert(at, field(spec));
                Ok(fields)
            })?;
        }
        map_new(&mut definition)?;
        let added: Vec<_> = columns
            .iter()
            .map(|column| {
                let path = [column.parent.as_slice(), from_ref(&column.spec.name)].concat();
                json!({ "column": { "name": path.join("."), "type": delta_type_text(&column.spec.data_type) } })
            })
            .collect();
        self.commit_definition(opened, &definition, "ADD COLUMNS", json!({ "columns": added })).await
    }

    pub(super) async fn alter_column(
        &self,
        opened: &Opened,
        column: &[String],
        change: &ColumnChange,
        place: &Place,
    ) -> SqlResult<()> {
        let mut definition = Definition::of(opened)?;
        let (name, parent) = column.split_last().ok_or_else(|| SqlError::internal("a column without a name"))?;
        if matches!(change, ColumnChange::Nullable(false)) {
            if !parent.is_empty() {
                return Err(SqlError::unsupported("ALTER COLUMN … SET NOT NULL of a nested field"));
            }
            self.refuse_nulls(opened, name, place).await?;
        }
        if matches!(change, ColumnChange::Default(Some(_))) {
            defaults_allowed(&definition.properties)?;
        }
        let before = definition.schema.clone();
        definition.schema = edit_fields(&definition.schema, parent, |mut fields| {
            let at = find(&fields, name).ok_or_else(|| missing(column, &fields))?;
            match change {
                ColumnChange::Comment(comment) => {
                    fields[at].metadata.insert("comment".to_owned(), MetadataValue::String(comment.clone()));
                }
                ColumnChange::Default(default) => {
                    match default {
                        Some(text) => {
                            fields[at].metadata.insert(DEFAULT.to_owned(), MetadataValue::String(text.clone()))
                        }
                        None => fields[at].metadata.remove(DEFAULT),
                    };
                }
                ColumnChange::Nullable(nullable) => fields[at].nullable = *nullable,
                ColumnChange::Type { data_type, length } => {
                    fields[at] = retyped(&fields[at], data_type, length.as_deref(), column)?;
                }
                ColumnChange::Move(position) => {
                    let moved = fields.remove(at);
                    let to = place_of(&fields, Some(position), parent)?.unwrap_or(fields.len());
                    fields.insert(to, moved);
                }
            }
            Ok(fields)
        })?;
        if definition.schema == before {
            return Ok(());
        }
        let parameters = json!({ "column": json!({ "name": column.join(".") }) });
        self.commit_definition(opened, &definition, "CHANGE COLUMN", parameters).await
    }

    async fn refuse_nulls(&self, opened: &Opened, name: &str, place: &Place) -> SqlResult<()> {
        let table = table_text(&opened.name);
        let count = self.count(&format!("{table} WHERE {} IS NULL", quote(name)), place).await?;
        if count == 0 {
            return Ok(());
        }
        let text = format!("{count} rows in {table} violate the new NOT NULL constraint on {}.", quote(name));
        Err(SqlError::new("DELTA_NEW_NOT_NULL_VIOLATION", "23512", text))
    }

    pub(super) async fn rename_column(&self, opened: &Opened, column: &[String], to: &str) -> SqlResult<()> {
        let mut definition = Definition::of(opened)?;
        needs_mapping(&definition, "RENAME", "Column rename")?;
        let (name, parent) = column.split_last().ok_or_else(|| SqlError::internal("a column without a name"))?;
        refuse_dependents(&definition, column)?;
        let mut old = name.clone();
        definition.schema = edit_fields(&definition.schema, parent, |mut fields| {
            let at = find(&fields, name).ok_or_else(|| missing(column, &fields))?;
            if find(&fields, to).is_some_and(|found| found != at) {
                return Err(exists("rename", &[parent, &[to.to_owned()]].concat()));
            }
            old = std::mem::replace(&mut fields[at].name, to.to_owned());
            Ok(fields)
        })?;
        if parent.is_empty() {
            for partition in definition.partitions.iter_mut().filter(|partition| **partition == old) {
                *partition = to.to_owned();
            }
        }
        let mut clustering = definition.clustering();
        for path in clustering.iter_mut().filter(|path| starts_with(path, column)) {
            path[parent.len()] = to.to_owned();
        }
        definition.set_clustering(&clustering)?;
        let new = [parent, &[to.to_owned()]].concat();
        let parameters = json!({ "oldColumnPath": column.join("."), "newColumnPath": new.join(".") });
        self.commit_definition(opened, &definition, "RENAME COLUMN", parameters).await
    }

    pub(super) async fn drop_columns(
        &self,
        opened: &Opened,
        columns: &[Vec<String>],
        if_exists: bool,
    ) -> SqlResult<()> {
        let mut definition = Definition::of(opened)?;
        needs_mapping(&definition, "DROP", "DROP COLUMN")?;
        let before = definition.schema.clone();
        for column in columns {
            let (name, parent) = column.split_last().ok_or_else(|| SqlError::internal("a column without a name"))?;
            refuse_dependents(&definition, column)?;
            let partition = definition.partitions.iter().any(|partition| partition.eq_ignore_ascii_case(name));
            if parent.is_empty() && partition {
                let text = format!("Dropping partition columns ({}) is not allowed.", quote(name));
                return Err(SqlError::new("DELTA_UNSUPPORTED_DROP_PARTITION_COLUMN", "0AKDC", text));
            }
            if definition.clustering().iter().any(|path| starts_with(path, column)) {
                let text = format!("Dropping clustering columns ({}) is not allowed.", path_text(column));
                return Err(SqlError::new("DELTA_UNSUPPORTED_DROP_CLUSTERING_COLUMN", "0AKDC", text));
            }
            definition.schema = edit_fields(&definition.schema, parent, |mut fields| {
                match find(&fields, name) {
                    Some(_) if fields.len() == 1 => {
                        let text = format!("Cannot drop {}: nothing would be left beside it.", path_text(column));
                        return Err(SqlError::new("DELTA_DROP_COLUMN_ON_SINGLE_FIELD_SCHEMA", "0AKDC", text));
                    }
                    Some(at) => drop(fields.remove(at)),
                    None if if_exists => {}
                    None => return Err(missing(column, &fields)),
                }
                Ok(fields)
            })?;
        }
        if definition.schema == before {
            return Ok(());
        }
        let names: Vec<String> = columns.iter().map(|column| column.join(".")).collect();
        self.commit_definition(opened, &definition, "DROP COLUMNS", json!({ "columns": names })).await
    }
}

/// Gives new fields of a mapped table their ids and physical names.
pub(super) fn map_new(definition: &mut Definition) -> SqlResult<()> {
    if !is_mapped(&definition.properties) {
        return Ok(());
    }
    let text = definition.properties.get(MAX_ID).map_or("0", String::as_str);
    let mut max: i64 = text.parse().map_err(SqlError::internal)?;
    definition.schema = mapped(&definition.schema, &mut max, true);
    definition.properties.insert(MAX_ID.to_owned(), max.to_string());
    Ok(())
}

/// Maps the columns of a table whose files have them under their own names.
pub(super) fn map_existing(definition: &mut Definition) {
    let mut max = 0;
    definition.schema = mapped(&definition.schema, &mut max, false);
    definition.properties.insert(MAX_ID.to_owned(), max.to_string());
}

fn place_of(fields: &[StructField], position: Option<&Position>, parent: &[String]) -> SqlResult<Option<usize>> {
    match position {
        None => Ok(None),
        Some(Position::First) => Ok(Some(0)),
        Some(Position::After(name)) => match find(fields, name) {
            Some(at) => Ok(Some(at + 1)),
            None => Err(missing(&[parent, from_ref(name)].concat(), fields)),
        },
    }
}

/// The field with another type, as far as no file need be read in another way.
fn retyped(
    field: &StructField,
    data_type: &DataType,
    length: Option<&str>,
    column: &[String],
) -> SqlResult<StructField> {
    let declared = |text: &str| -> Option<(String, u32)> {
        let (kind, digits) = text.trim_end_matches(')').split_once('(')?;
        Some((kind.to_owned(), digits.parse().ok()?))
    };
    let old = text_of(field, LENGTH);
    let grows = match (old.and_then(declared), length.and_then(declared)) {
        (None, None) | (Some(_), None) => true,
        (Some((from, old)), Some((to, new))) => new >= old && (from == to || to == "varchar"),
        (None, Some(_)) => false,
    };
    if field.data_type() == data_type && grows {
        let mut field = field.clone();
        match length {
            Some(length) => field.metadata.insert(LENGTH.to_owned(), MetadataValue::String(length.to_owned())),
            None => field.metadata.remove(LENGTH),
        };
        return Ok(field);
    }
    let spelled =
        |data_type, length: Option<&str>| length.map_or_else(|| delta_type_text(data_type), str::to_uppercase);
    let text = format!(
        "ALTER TABLE CHANGE COLUMN is not supported for changing column {} from {} to {}.",
        path_text(column),
        spelled(field.data_type(), old),
        spelled(data_type, length)
    );
    Err(SqlError::new("DELTA_UNSUPPORTED_ALTER_TABLE_CHANGE_COL_OP", "0AKDC", text))
}

fn needs_mapping(definition: &Definition, class: &str, what: &str) -> SqlResult<()> {
    if is_mapped(&definition.properties) {
        return Ok(());
    }
    let text = format!(
        "{what} is not supported for your Delta table. Please enable Column Mapping on your Delta table with mapping \
         mode 'name': ALTER TABLE <table_name> SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')."
    );
    Err(SqlError::new(format!("DELTA_UNSUPPORTED_{class}_COLUMN"), "0AKDC", text))
}

/// Constraints and generated columns name the column in their texts.
fn refuse_dependents(definition: &Definition, column: &[String]) -> SqlResult<()> {
    let Some(name) = column.first() else { return Ok(()) };
    let uses = |text: &str| names_in(text).iter().any(|word| word.to_lowercase() == name.to_lowercase());
    if let Some((constraint, _)) = definition.constraints().into_iter().find(|(_, check)| uses(check)) {
        let text = format!(
            "Cannot alter column {} because this column is referenced by the following check constraint(s): {constraint}.",
            path_text(column)
        );
        return Err(SqlError::new("DELTA_CONSTRAINT_DEPENDENT_COLUMN_CHANGE", "42K09", text));
    }
    let generated = definition.schema.fields().find(|field| text_of(field, GENERATED).is_some_and(uses));
    if let Some(generated) = generated {
        let text = format!(
            "Cannot alter column {} because this column is referenced by the following generated column(s): {}.",
            path_text(column),
            quote(generated.name())
        );
        return Err(SqlError::new("DELTA_GENERATED_COLUMNS_DEPENDENT_COLUMN_CHANGE", "42K09", text));
    }
    Ok(())
}

fn starts_with(path: &[String], column: &[String]) -> bool {
    path.len() >= column.len() && path.iter().zip(column).all(|(a, b)| a.to_lowercase() == b.to_lowercase())
}

fn exists(what: &str, path: &[String]) -> SqlError {
    let text = format!("Cannot {what} column, because {} already exists.", path_text(path));
    SqlError::new("FIELD_ALREADY_EXISTS", "42710", text)
}

fn invalid_characters(name: &str) -> SqlError {
    let text = format!(
        "Found invalid character(s) among ' ,;{{}}()\\n\\t=' in the column names of your schema. Invalid column names: {}. \
         Please use other characters and try again, or enable column mapping.",
        quote(name)
    );
    SqlError::new("DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES", "42K05", text)
}
