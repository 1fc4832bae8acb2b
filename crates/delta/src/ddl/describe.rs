//! What a table looks like now.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::{Expression, StatementRequest, WarehouseExt as _};

use super::properties::mapping_of;
use crate::{
    schema::{Column, ColumnMapping, DeltaType, StructField, TableSchema},
    table::DeltaTable,
};

/// A table's definition, nested fields, comments and defaults included.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TableDescription {
    /// Its columns. Whether one is generated, the server does not say.
    pub schema: TableSchema,
    /// Its comment.
    pub comment: Option<String>,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
    /// The columns it is partitioned by, outermost first.
    pub partitioned_by: Vec<String>,
    /// The columns it is clustered by.
    pub clustered_by: Vec<String>,
}

impl TableDescription {
    /// A table of these columns, with nothing else about it.
    pub fn of_schema(schema: TableSchema) -> Self {
        Self { schema, ..Self::default() }
    }

    /// Whether its columns have other names in the files.
    pub fn column_mapping(&self) -> ColumnMapping {
        mapping_of(&self.properties)
    }
}

#[derive(Deserialize)]
struct Answer {
    json_metadata: String,
}

#[derive(Deserialize)]
struct Described {
    columns: Vec<Field>,
    comment: Option<String>,
    #[serde(default)]
    table_properties: BTreeMap<String, String>,
    #[serde(default)]
    partition_columns: Vec<String>,
    #[serde(default)]
    clustering_information: Clustering,
}

#[derive(Default, Deserialize)]
struct Clustering {
    #[serde(default)]
    column_names: Vec<String>,
}

#[derive(Deserialize)]
struct Field {
    name: String,
    #[serde(rename = "type")]
    data_type: Value,
    #[serde(default = "yes")]
    nullable: bool,
    comment: Option<String>,
    default: Option<String>,
}

fn yes() -> bool {
    true
}

impl DeltaTable {
    /// Describes the table, in one look: `DESCRIBE TABLE EXTENDED … AS JSON`, which needs a runtime of 16.2 or later.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none; [`ErrorKind::Unsupported`] for a column whose type has no form here.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement. Nothing was changed.
    pub async fn describe(&self) -> Result<TableDescription> {
        let sql = format!("DESCRIBE TABLE EXTENDED {} AS JSON", self.sql_name()?);
        let named =
            |error: Error| error.with_operation("delta.describe").with_context("table", self.table_ref().to_string());
        let answer: Answer = self.warehouse().fetch_one(StatementRequest::read(sql)).await.map_err(named)?;
        read(&answer.json_metadata).map_err(named)
    }
}

fn read(text: &str) -> Result<TableDescription> {
    let described: Described = serde_json::from_str(text).map_err(|error| odd("a table").with_source(error))?;
    let column = |field: Field| {
        let data_type = data_type(&field.data_type, 0).map_err(|error| error.with_context("column", &field.name))?;
        let mut column = Column::new(field.name, data_type);
        column.nullable = field.nullable;
        column.comment = field.comment.filter(|comment| !comment.is_empty());
        column.default = field.default.map(Expression::new);
        Ok(column)
    };
    Ok(TableDescription {
        schema: described.columns.into_iter().map(column).collect::<Result<_>>()?,
        comment: described.comment.filter(|comment| !comment.is_empty()),
        properties: described.table_properties,
        partitioned_by: described.partition_columns,
        clustered_by: described.clustering_information.column_names,
    })
}

fn odd(what: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("the server describes {what} in a way that is not known here"))
}

/// A type as the server's JSON has it.
fn data_type(value: &Value, depth: usize) -> Result<DeltaType> {
    let unknown = || odd("a type").with_context("type", value.to_string());
    let name = value["name"].as_str().filter(|_| depth <= 100).ok_or_else(unknown)?;
    let inner = |key: &str| data_type(&value[key], depth + 1);
    let number = |key: &str| value[key].as_u64().and_then(|number| u32::try_from(number).ok()).ok_or_else(unknown);
    match name {
        "array" => Ok(DeltaType::array_of(inner("element_type")?)),
        "map" => Ok(DeltaType::map_of(inner("key_type")?, inner("value_type")?)),
        "struct" => {
            let fields: Vec<Field> =
                serde_json::from_value(value["fields"].clone()).map_err(|error| unknown().with_source(error))?;
            let field = |field: Field| {
                let mut read = StructField::new(field.name, data_type(&field.data_type, depth + 1)?);
                read.nullable = field.nullable;
                read.comment = field.comment.filter(|comment| !comment.is_empty());
                Ok(read)
            };
            Ok(DeltaType::Struct(fields.into_iter().map(field).collect::<Result<_>>()?))
        }
        "decimal" => format!("decimal({},{})", number("precision")?, number("scale")?).parse(),
        "char" => Ok(DeltaType::Char(number("length")?)),
        "varchar" => Ok(DeltaType::Varchar(number("length")?)),
        "string" => match value["collation"].as_str() {
            None | Some("UTF8_BINARY") => Ok(DeltaType::String),
            Some(_) => Err(Error::unsupported("databricks", "a collation is not supported")),
        },
        "interval" => match (value["start_unit"].as_str(), value["end_unit"].as_str()) {
            (Some(from), Some(to)) if from != to => format!("interval {from} to {to}").parse(),
            (Some(unit), _) => format!("interval {unit}").parse(),
            _ => Err(unknown()),
        },
        name => name.parse().map_err(|error: Error| match error.kind() {
            ErrorKind::Unsupported => error,
            _ => unknown().with_source(error),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_in_full() {
        let text = r#"{"table_name":"t","columns":[
            {"name":"id","type":{"name":"bigint"},"nullable":false,"comment":"k"},
            {"name":"v","type":{"name":"varchar","length":5},"nullable":true,"default":"'x'"},
            {"name":"s","type":{"name":"struct","fields":[
                {"name":"a b","type":{"name":"array","element_type":{"name":"decimal","precision":12,"scale":2},"element_nullable":true},"nullable":false,"comment":"c"},
                {"name":"m","type":{"name":"map","key_type":{"name":"string","collation":"UTF8_BINARY"},"value_type":{"name":"timestamp_ltz"},"value_nullable":true},"nullable":true}]},"nullable":true}],
            "comment":"about","table_properties":{"delta.columnMapping.mode":"name"},"partition_columns":["id"],
            "clustering_information":{"column_names":["v"]},"something_new":{"x":[1]}}"#;
        let found = read(text).unwrap();
        let struct_type = "struct<`a b`: array<decimal(12,2)> not null comment 'c', m: map<string, timestamp>>";
        assert_eq!(
            found.schema.columns(),
            [
                Column::new("id", DeltaType::Long).not_null().with_comment("k"),
                Column::new("v", DeltaType::Varchar(5)).with_default("'x'"),
                Column::new("s", struct_type.parse().unwrap()),
            ]
        );
        assert_eq!((found.comment.as_deref(), found.column_mapping()), (Some("about"), ColumnMapping::On));
        assert_eq!((found.partitioned_by, found.clustered_by), (vec!["id".to_owned()], vec!["v".to_owned()]));
    }

    #[test]
    fn an_odd_description_is_an_error_of_the_protocol() {
        let of = |data_type: &str| format!(r#"{{"columns":[{{"name":"c","type":{data_type},"nullable":true}}]}}"#);
        for text in [
            "",
            "[]",
            "{}",
            &of("{}"),
            &of(r#"{"name":"hologram"}"#),
            &of(r#"{"name":"array"}"#),
            &of(r#"{"name":"char"}"#),
        ] {
            assert_eq!(read(text).unwrap_err().kind(), ErrorKind::Protocol, "{text}");
        }
        assert_eq!(read(&of(r#"{"name":"geometry","srid":0}"#)).unwrap_err().kind(), ErrorKind::Unsupported);
        let error = read(&of(r#"{"name":"string","collation":"UTF8_LCASE"}"#)).unwrap_err();
        assert_eq!((error.kind(), error.context("column")), (ErrorKind::Unsupported, Some("c")));
    }
}
