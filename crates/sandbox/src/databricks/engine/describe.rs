//! DESCRIBE TABLE, SHOW TBLPROPERTIES and SHOW CREATE TABLE.

use std::{collections::BTreeMap, sync::Arc};

use arrow::array::StringArray;
use deltalake::kernel::{DataType, PrimitiveType, StructField};
use serde_json::{Value, json};

use super::{
    Engine, Outcome, USER,
    catalog::Place,
    ddl::{DEFAULT, LENGTH, table_text},
    fields::{MAX_ID, path_text},
    metadata::{CLUSTERING, Definition, GENERATED, text_of},
    prepare::quote,
    show::{batch, comment},
    tables::Opened,
};
use crate::databricks::{
    error::{SqlError, SqlResult},
    sql::{DescribeForm, ObjectPath, column_type_text, delta_type_text},
};

/// A row of a description: name, type or value, comment.
type Row = (String, String, Option<String>);

impl Engine {
    pub(super) async fn describe_table(
        &self,
        table: &ObjectPath,
        form: DescribeForm,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let opened = self.open_table(table, place).await?;
        let definition = Definition::of(&opened)?;
        if form == DescribeForm::Json {
            let text = self.json(&opened, &definition)?.to_string();
            return batch(vec![("json_metadata", Arc::new(StringArray::from(vec![text])))]);
        }
        let mut rows: Vec<Row> = definition.schema.fields().map(row).collect();
        let heading = || ("# col_name".to_owned(), "data_type".to_owned(), Some("comment".to_owned()));
        if !definition.partitions.is_empty() {
            rows.push(("# Partition Information".to_owned(), String::new(), Some(String::new())));
            rows.push(heading());
            rows.extend(definition.partitions.iter().filter_map(|name| definition.schema.field(name)).map(row));
        }
        let clustering = definition.clustering();
        if !clustering.is_empty() {
            rows.push(("# Clustering Information".to_owned(), String::new(), Some(String::new())));
            rows.push(heading());
            let known = clustering.iter().filter_map(|path| definition.schema.field(path.first()?)).map(row);
            rows.extend(clustering.iter().zip(known).map(|(path, (_, kind, comment))| (path.join("."), kind, comment)));
        }
        if form == DescribeForm::Extended {
            rows.push((String::new(), String::new(), Some(String::new())));
            rows.extend(self.details(&opened, &definition)?);
        }
        described(rows)
    }

    fn details(&self, opened: &Opened, definition: &Definition) -> SqlResult<Vec<Row>> {
        let name = &opened.name;
        let created = chrono::DateTime::from_timestamp_millis(opened.entry.created_at as i64);
        let created = created.map(|moment| moment.format("%a %b %d %H:%M:%S UTC %Y").to_string()).unwrap_or_default();
        let properties: Vec<String> =
            shown(definition).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut rows = vec![
            ("# Detailed Table Information", String::new()),
            ("Catalog", name.catalog.clone()),
            ("Database", name.schema.clone()),
            ("Table", name.name.clone()),
            ("Created Time", created),
            ("Created By", USER.to_owned()),
            ("Type", "MANAGED".to_owned()),
        ];
        rows.extend(opened.entry.comment.clone().map(|comment| ("Comment", comment)));
        rows.extend(opened.entry.statistics.as_ref().map(|known| ("Statistics", known.to_string())));
        rows.extend([
            ("Location", self.table_url(&opened.entry)?.to_string()),
            ("Provider", "delta".to_owned()),
            ("Owner", USER.to_owned()),
            ("Table Properties", format!("[{}]", properties.join(","))),
        ]);
        Ok(rows.into_iter().map(|(name, value)| (name.to_owned(), value, Some(String::new()))).collect())
    }

    fn json(&self, opened: &Opened, definition: &Definition) -> SqlResult<Value> {
        let name = &opened.name;
        let mut described = json!({
            "table_name": name.name,
            "catalog_name": name.catalog,
            "namespace": [name.schema],
            "schema_name": name.schema,
            "columns": definition.schema.fields().map(json_field).collect::<SqlResult<Vec<_>>>()?,
            "owner": USER,
            "type": "MANAGED",
            "provider": "delta",
            "location": self.table_url(&opened.entry)?.to_string(),
            "table_properties": shown(definition),
        });
        if let Some(comment) = &opened.entry.comment {
            described["comment"] = comment.clone().into();
        }
        if !definition.partitions.is_empty() {
            described["partition_columns"] = definition.partitions.clone().into();
        }
        let clustering = definition.clustering();
        if !clustering.is_empty() {
            let names: Vec<String> = clustering.iter().map(|path| path.join(".")).collect();
            described["clustering_information"] = json!({ "column_names": names });
        }
        Ok(described)
    }

    pub(super) async fn show_properties(
        &self,
        table: &ObjectPath,
        key: Option<&str>,
        place: &Place,
    ) -> SqlResult<Outcome> {
        let opened = self.open_table(table, place).await?;
        let properties = shown(&Definition::of(&opened)?);
        let (keys, values): (Vec<String>, Vec<String>) = match key {
            None => properties.into_iter().unzip(),
            Some(key) => {
                let missing = || format!("Table {} does not have property: {key}", table_text(&opened.name));
                vec![(key.to_owned(), properties.get(key).cloned().unwrap_or_else(missing))].into_iter().unzip()
            }
        };
        batch(vec![("key", Arc::new(StringArray::from(keys))), ("value", Arc::new(StringArray::from(values)))])
    }

    pub(super) async fn show_create_table(&self, table: &ObjectPath, place: &Place) -> SqlResult<Outcome> {
        let opened = self.open_table(table, place).await?;
        let definition = Definition::of(&opened)?;
        let name = &opened.name;
        let columns: Vec<String> =
            definition.schema.fields().map(|field| format!("  {}", definition_of(field))).collect();
        let mut sql = format!(
            "CREATE TABLE {}.{}.{} (\n{})\nUSING delta\n",
            plain(&name.catalog),
            plain(&name.schema),
            plain(&name.name),
            columns.join(",\n")
        );
        if !definition.partitions.is_empty() {
            let names: Vec<String> = definition.partitions.iter().map(|name| plain(name)).collect();
            sql += &format!("PARTITIONED BY ({})\n", names.join(", "));
        }
        let clustering = definition.clustering();
        if !clustering.is_empty() {
            let names: Vec<String> = clustering.iter().map(|path| path_text(path)).collect();
            sql += &format!("CLUSTER BY ({})\n", names.join(", "));
        }
        if let Some(comment) = &opened.entry.comment {
            sql += &format!("COMMENT {}\n", literal(comment));
        }
        let mut properties = shown(&definition);
        // The largest id is the table's own, not its maker's.
        properties.remove(MAX_ID);
        if !properties.is_empty() {
            let entries: Vec<String> =
                properties.iter().map(|(key, value)| format!("  {} = {}", literal(key), literal(value))).collect();
            sql += &format!("TBLPROPERTIES (\n{})\n", entries.join(",\n"));
        }
        batch(vec![("createtab_stmt", Arc::new(StringArray::from(vec![sql])))])
    }
}

/// The properties that a user sees.
fn shown(definition: &Definition) -> BTreeMap<String, String> {
    let own = |key: &&String| *key != CLUSTERING;
    definition.properties.iter().filter(|(key, _)| own(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn row(field: &StructField) -> Row {
    (
        field.name().clone(),
        text_of(field, LENGTH).map_or_else(|| column_type_text(field.data_type()), str::to_owned),
        comment(field),
    )
}

/// Rows of a description in their three columns.
pub(super) fn described(rows: Vec<Row>) -> SqlResult<Outcome> {
    let (mut names, mut types, mut comments) = (Vec::new(), Vec::new(), Vec::new());
    for (name, kind, comment) in rows {
        names.push(name);
        types.push(kind);
        comments.push(comment);
    }
    batch(vec![
        ("col_name", Arc::new(StringArray::from(names))),
        ("data_type", Arc::new(StringArray::from(types))),
        ("comment", Arc::new(StringArray::from(comments))),
    ])
}

fn json_field(field: &StructField) -> SqlResult<Value> {
    let data_type = match text_of(field, LENGTH).and_then(|text| text.trim_end_matches(')').split_once('(')) {
        Some((kind, length)) => json!({ "name": kind, "length": length.parse::<u32>().map_err(SqlError::internal)? }),
        None => json_type(field.data_type())?,
    };
    let mut described = json!({ "name": field.name(), "type": data_type, "nullable": field.is_nullable() });
    for (key, text) in [("comment", comment(field)), ("default", text_of(field, DEFAULT).map(str::to_owned))] {
        if let Some(text) = text {
            described[key] = text.into();
        }
    }
    Ok(described)
}

fn json_type(data_type: &DataType) -> SqlResult<Value> {
    Ok(match data_type {
        DataType::Primitive(PrimitiveType::Decimal(decimal)) => {
            json!({ "name": "decimal", "precision": decimal.precision(), "scale": decimal.scale() })
        }
        DataType::Primitive(PrimitiveType::Timestamp) => json!({ "name": "timestamp_ltz" }),
        DataType::Primitive(PrimitiveType::String) => json!({ "name": "string", "collation": "UTF8_BINARY" }),
        DataType::Array(array) => json!({
            "name": "array",
            "element_type": json_type(array.element_type())?,
            "element_nullable": array.contains_null(),
        }),
        DataType::Map(map) => json!({
            "name": "map",
            "key_type": json_type(map.key_type())?,
            "value_type": json_type(map.value_type())?,
            "value_nullable": map.value_contains_null(),
        }),
        DataType::Struct(fields) => {
            json!({ "name": "struct", "fields": fields.fields().map(json_field).collect::<SqlResult<Vec<_>>>()? })
        }
        other => json!({ "name": column_type_text(other) }),
    })
}

/// A column as it stands in a CREATE TABLE.
fn definition_of(field: &StructField) -> String {
    let kind = text_of(field, LENGTH).map_or_else(|| delta_type_text(field.data_type()), str::to_uppercase);
    let mut text = format!("{} {kind}", plain(field.name()));
    if let Some(expression) = text_of(field, GENERATED) {
        text += &format!(" GENERATED ALWAYS AS ({expression})");
    }
    if let Some(default) = text_of(field, DEFAULT) {
        text += &format!(" DEFAULT {default}");
    }
    if !field.is_nullable() {
        text += " NOT NULL";
    }
    if let Some(comment) = comment(field) {
        text += &format!(" COMMENT {}", literal(&comment));
    }
    text
}

/// In backticks only where the name needs them.
fn plain(name: &str) -> String {
    let word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if word { name.to_owned() } else { quote(name) }
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
