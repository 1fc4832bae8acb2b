//! Columns by their paths, and the names that column mapping gives them in the files.

use deltalake::kernel::{ArrayType, DataType, MapType, MetadataValue, StructField, StructType};
use uuid::Uuid;

use super::prepare::quote;
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::delta_type_text,
};

const ID: &str = "delta.columnMapping.id";
const PHYSICAL: &str = "delta.columnMapping.physicalName";
/// The property with the largest id that column mapping has given.
pub(super) const MAX_ID: &str = "delta.columnMapping.maxColumnId";

/// A path as it is written.
pub(super) fn path_text(path: &[String]) -> String {
    path.iter().map(|part| quote(part)).collect::<Vec<_>>().join(".")
}

/// The schema with the fields below `parent` (none: the columns) edited.
pub(super) fn edit_fields(
    schema: &StructType,
    parent: &[String],
    edit: impl FnOnce(Vec<StructField>) -> SqlResult<Vec<StructField>>,
) -> SqlResult<StructType> {
    edit_struct(schema, parent, parent, Box::new(edit))
}

type Edit<'a> = Box<dyn FnOnce(Vec<StructField>) -> SqlResult<Vec<StructField>> + 'a>;

fn edit_struct(schema: &StructType, path: &[String], whole: &[String], edit: Edit<'_>) -> SqlResult<StructType> {
    let mut fields: Vec<StructField> = schema.fields().cloned().collect();
    match path.split_first() {
        None => fields = edit(fields)?,
        Some((name, inside)) => {
            let at = find(&fields, name).ok_or_else(|| missing(whole, &fields))?;
            fields[at].data_type = edit_type(&fields[at].data_type, inside, whole, edit)?;
        }
    }
    StructType::try_new(fields).map_err(SqlError::internal)
}

fn edit_type(data_type: &DataType, path: &[String], whole: &[String], edit: Edit<'_>) -> SqlResult<DataType> {
    let into = path.split_first().map(|(name, inside)| (name.to_lowercase(), inside));
    Ok(match (data_type, into) {
        (DataType::Struct(fields), _) => DataType::from(edit_struct(fields, path, whole, edit)?),
        (DataType::Array(array), Some((name, inside))) if name == "element" => {
            let element = edit_type(array.element_type(), inside, whole, edit)?;
            DataType::from(ArrayType::new(element, array.contains_null()))
        }
        (DataType::Map(map), Some((name, inside))) if name == "key" => {
            let key = edit_type(map.key_type(), inside, whole, edit)?;
            DataType::from(MapType::new(key, map.value_type().clone(), map.value_contains_null()))
        }
        (DataType::Map(map), Some((name, inside))) if name == "value" => {
            let value = edit_type(map.value_type(), inside, whole, edit)?;
            DataType::from(MapType::new(map.key_type().clone(), value, map.value_contains_null()))
        }
        (other, _) => {
            let text =
                format!("Field name {} is invalid: {} is not a struct.", path_text(whole), delta_type_text(other));
            return Err(SqlError::new("INVALID_FIELD_NAME", "42000", text));
        }
    })
}

/// Where among the fields one of this name is, whatever its case.
pub(super) fn find(fields: &[StructField], name: &str) -> Option<usize> {
    fields.iter().position(|field| field.name().to_lowercase() == name.to_lowercase())
}

/// There is no field at the path.
pub(super) fn missing(path: &[String], known: &[StructField]) -> SqlError {
    let known: Vec<String> = known.iter().take(5).map(|field| quote(field.name())).collect();
    SqlError::unresolved_column(path_text(path), &known)
}

/// The spelling of a column's path in the schema.
pub(super) fn spelled(schema: &StructType, path: &[String]) -> SqlResult<Vec<String>> {
    let mut found = Vec::with_capacity(path.len());
    let mut fields: Vec<StructField> = schema.fields().cloned().collect();
    for part in path {
        let at = find(&fields, part).ok_or_else(|| missing(path, &fields))?;
        found.push(fields[at].name().clone());
        fields = match fields[at].data_type() {
            DataType::Struct(inner) => inner.fields().cloned().collect(),
            _ => Vec::new(),
        };
    }
    Ok(found)
}

/// The schema with an id and a physical name for every field that has none; `max` is the largest id so far.
///
/// Fields of files that are there keep their names; new ones get names that nothing else has had.
pub(super) fn mapped(schema: &StructType, max: &mut i64, new: bool) -> StructType {
    StructType::new_unchecked(schema.fields().map(|field| mapped_field(field, max, new)))
}

fn mapped_field(field: &StructField, max: &mut i64, new: bool) -> StructField {
    let mut field = field.clone();
    if !field.metadata.contains_key(ID) {
        *max += 1;
        let physical = if new { format!("col-{}", Uuid::new_v4()) } else { field.name.clone() };
        field.metadata.insert(ID.to_owned(), MetadataValue::Number(*max));
        field.metadata.insert(PHYSICAL.to_owned(), MetadataValue::String(physical));
    }
    field.data_type = mapped_type(&field.data_type, max, new);
    field
}

fn mapped_type(data_type: &DataType, max: &mut i64, new: bool) -> DataType {
    match data_type {
        DataType::Struct(fields) => DataType::from(mapped(fields, max, new)),
        DataType::Array(array) => {
            DataType::from(ArrayType::new(mapped_type(array.element_type(), max, new), array.contains_null()))
        }
        DataType::Map(map) => DataType::from(MapType::new(
            mapped_type(map.key_type(), max, new),
            mapped_type(map.value_type(), max, new),
            map.value_contains_null(),
        )),
        other => other.clone(),
    }
}

/// The columns without what column mapping has given them.
pub(super) fn unmapped(schema: &StructType) -> Vec<StructField> {
    let strip = |field: &StructField| {
        let mut field = field.clone();
        field.metadata.remove(ID);
        field.metadata.remove(PHYSICAL);
        field.data_type = unmapped_type(&field.data_type);
        field
    };
    schema.fields().map(strip).collect()
}

fn unmapped_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Struct(fields) => DataType::from(StructType::new_unchecked(unmapped(fields))),
        DataType::Array(array) => {
            DataType::from(ArrayType::new(unmapped_type(array.element_type()), array.contains_null()))
        }
        DataType::Map(map) => DataType::from(MapType::new(
            unmapped_type(map.key_type()),
            unmapped_type(map.value_type()),
            map.value_contains_null(),
        )),
        other => other.clone(),
    }
}
