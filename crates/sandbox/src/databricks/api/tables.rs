//! Tables of Unity Catalog, as their Delta logs describe them.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use bytes::Bytes;
use deltalake::kernel::{DataType, PrimitiveType, StructField};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    reply::{ApiError, ApiResult, Query, Segment, body_of},
    unity::{
        Change, LARGE_PAGE, PAGE, Unity, constraint, drop_statement, full_name, info, location, names_in, no_catalog,
        page, refusal, refuse_others, three_parts,
    },
};
use crate::databricks::{
    engine::{FullName, Securable, TableEntry, ViewColumn, ViewEntry, comment},
    sql::{Wild, column_type_text, fits, type_of_text},
};

/// Tables of one page are opened so many at a time.
const OPENED_AT_ONCE: usize = 8;

/// How much of a table is told.
#[derive(Clone, Copy)]
struct Much {
    columns: bool,
    properties: bool,
    usernames: bool,
    constraints: bool,
}

fn table_type(entry: &TableEntry) -> &'static str {
    if entry.is_external() { "EXTERNAL" } else { "MANAGED" }
}

impl Unity {
    /// What is known of a table.
    async fn table(&self, name: FullName, much: Much) -> ApiResult<Value> {
        if let Some(view) = self.engine.catalog_view(&name) {
            return self.view(&name, &view, much);
        }
        let text = full_name(&name);
        let opened = self.engine.table_fields(name.clone()).await;
        let (entry, fields, partitions, set) = opened.map_err(|error| refusal(&error, "Table", &text))?;
        let folder = self.engine.catalog().path(&entry.folder);
        let mut table = info(&name.name, entry.created_at, entry.comment.as_deref(), &entry.governance);
        if let Some(updated_at) = last_commit(&folder).max(entry.governance.updated_at) {
            table.insert("updated_at".to_owned(), updated_at.into());
        }
        if !much.usernames {
            without_usernames(&mut table);
        }
        let mut put = |key: &str, value: Value| table.insert(key.to_owned(), value);
        put("catalog_name", name.catalog.into());
        put("schema_name", name.schema.into());
        put("full_name", text.into());
        put("table_id", entry.id.to_string().into());
        put("table_type", table_type(&entry).into());
        put("data_source_format", "DELTA".into());
        put("storage_location", location(&folder)?.into());
        if much.properties {
            let known = entry.governance.properties.clone().into_iter().chain(set);
            put("properties", known.map(|(key, value)| (key, value.into())).collect::<Map<_, _>>().into());
        }
        if much.constraints && !entry.keys.is_empty() {
            put("table_constraints", entry.keys.iter().map(constraint).collect());
        }
        if much.columns {
            let columns: ApiResult<Vec<Value>> = fields
                .fields()
                .enumerate()
                .map(|(position, field)| {
                    let partition = partitions.iter().position(|name| name == field.name());
                    column(field, position, partition)
                })
                .collect();
            put("columns", columns?.into());
        }
        Ok(table.into())
    }

    fn view(&self, name: &FullName, entry: &ViewEntry, much: Much) -> ApiResult<Value> {
        let mut view = info(&name.name, entry.created_at, entry.comment.as_deref(), &entry.governance);
        if !much.usernames {
            without_usernames(&mut view);
        }
        let mut put = |key: &str, value: Value| view.insert(key.to_owned(), value);
        put("catalog_name", name.catalog.clone().into());
        put("schema_name", name.schema.clone().into());
        put("full_name", full_name(name).into());
        put("table_id", entry.id.to_string().into());
        put("table_type", "VIEW".into());
        put("view_definition", entry.text.clone().into());
        if much.columns {
            let columns = entry.columns.iter().enumerate().map(|(position, column)| view_column(position, column));
            put("columns", columns.collect::<ApiResult<Vec<_>>>()?.into());
        }
        Ok(view.into())
    }

    async fn whole_table(&self, name: FullName) -> ApiResult<Value> {
        self.table(name, Much { columns: true, properties: true, usernames: true, constraints: true }).await
    }

    fn tables_of(&self, catalog: &str, schema: &str) -> Vec<String> {
        self.engine.catalog().read(|listing| {
            let schema = listing.get(catalog).and_then(|entry| entry.schemas.get(schema));
            let names = schema.map(|schema| schema.tables.keys().chain(schema.views.keys()).cloned());
            let mut names: Vec<String> = names.into_iter().flatten().collect();
            names.sort_unstable();
            names
        })
    }
}

fn without_usernames(table: &mut Map<String, Value>) {
    for name in ["owner", "created_by", "updated_by"] {
        table.remove(name);
    }
}

fn view_column(position: usize, column: &ViewColumn) -> ApiResult<Value> {
    let described = match type_of_text(&column.type_text) {
        Ok(data_type) => self::column(&StructField::nullable(&column.name, data_type), position, None)?,
        // A type that tables do not have.
        Err(_) => {
            let text = column.type_text.to_lowercase();
            let name = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_uppercase();
            json!({ "name": column.name, "type_name": name, "type_text": text, "position": position, "nullable": true })
        }
    };
    let Value::Object(mut described) = described else { return Ok(described) };
    described.extend(column.comment.as_ref().map(|comment| ("comment".to_owned(), comment.as_str().into())));
    Ok(described.into())
}

/// When the log was last written, in milliseconds since 1970.
fn last_commit(folder: &std::path::Path) -> Option<u64> {
    let modified = std::fs::metadata(folder.join("_delta_log")).and_then(|meta| meta.modified()).ok()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(since.as_millis() as u64)
}

/// Of a decimal; nothing otherwise, which the service writes as 0.
pub(super) fn precision_and_scale(data_type: &DataType) -> (u8, u8) {
    match data_type {
        DataType::Primitive(PrimitiveType::Decimal(decimal)) => (decimal.precision(), decimal.scale()),
        _ => (0, 0),
    }
}

fn column(field: &StructField, position: usize, partition: Option<usize>) -> ApiResult<Value> {
    let (precision, scale) = precision_and_scale(field.data_type());
    let mut column = json!({
        "name": field.name(),
        "type_name": type_name(field.data_type()),
        "type_text": column_type_text(field.data_type()),
        "type_json": serde_json::to_string(field).map_err(ApiError::internal)?,
        "type_precision": precision,
        "type_scale": scale,
        "position": position,
        "nullable": field.is_nullable(),
    });
    if let Some(partition) = partition {
        column["partition_index"] = partition.into();
    }
    if let Some(comment) = comment(field) {
        column["comment"] = comment.into();
    }
    Ok(column)
}

pub(super) fn type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Primitive(primitive) => match primitive {
            PrimitiveType::String => "STRING",
            PrimitiveType::Long => "LONG",
            PrimitiveType::Integer => "INT",
            PrimitiveType::Short => "SHORT",
            PrimitiveType::Byte => "BYTE",
            PrimitiveType::Float => "FLOAT",
            PrimitiveType::Double => "DOUBLE",
            PrimitiveType::Boolean => "BOOLEAN",
            PrimitiveType::Binary => "BINARY",
            PrimitiveType::Date => "DATE",
            PrimitiveType::Timestamp => "TIMESTAMP",
            PrimitiveType::TimestampNtz => "TIMESTAMP_NTZ",
            PrimitiveType::Decimal(_) => "DECIMAL",
            #[allow(unreachable_patterns)] // a type of a later Delta
            _ => "USER_DEFINED_TYPE",
        },
        DataType::Array(_) => "ARRAY",
        DataType::Map(_) => "MAP",
        DataType::Struct(_) => "STRUCT",
        DataType::Variant(_) => "VARIANT",
    }
}

pub(super) async fn list(State(unity): State<Unity>, query: Query) -> ApiResult<Json<Value>> {
    query.refuse_flags(&["include_manifest_capabilities"])?;
    let much = Much {
        columns: !query.flag("omit_columns")?,
        properties: !query.flag("omit_properties")?,
        usernames: !query.flag("omit_username")?,
        constraints: false,
    };
    let (place, names) = names_in(&unity, &query, |place| unity.tables_of(&place.catalog, &place.schema))?;
    let (names, next) = unity.paging(&query, PAGE)?.cut(names);
    let found: Vec<Option<Value>> = stream::iter(names)
        .map(|name| {
            let opened = unity.table(FullName { name, ..place.clone() }, much);
            async {
                match opened.await {
                    // Dropped since the names were read.
                    Err(error) if error.is_not_found() => Ok(None),
                    opened => opened.map(Some),
                }
            }
        })
        .buffered(OPENED_AT_ONCE)
        .try_collect()
        .await?;
    Ok(page("tables", found.into_iter().flatten().collect(), next))
}

pub(super) async fn find(State(unity): State<Unity>, Segment(name): Segment, query: Query) -> ApiResult<Json<Value>> {
    query.refuse_flags(&["include_delta_metadata", "include_manifest_capabilities"])?;
    Ok(Json(unity.whole_table(three_parts(&name)?).await?))
}

pub(super) async fn exists(State(unity): State<Unity>, Segment(name): Segment) -> ApiResult<Json<Value>> {
    let full = three_parts(&name)?;
    let exists = unity.engine.catalog().table(&full).is_ok() || unity.engine.catalog_view(&full).is_some();
    Ok(Json(json!({ "table_exists": exists })))
}

pub(super) async fn remove(State(unity): State<Unity>, Segment(name): Segment) -> ApiResult<Json<Value>> {
    let full = three_parts(&name)?;
    let kind = if unity.engine.catalog_view(&full).is_some() { "VIEW" } else { "TABLE" };
    let FullName { catalog, schema, name: table } = full;
    unity.run(drop_statement(kind, &[&catalog, &schema, &table], false), "Table", &name).await?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct Create {
    name: String,
    catalog_name: String,
    schema_name: String,
    table_type: String,
    data_source_format: String,
    #[serde(default)]
    storage_location: String,
    /// Believed by the service, which does not look into the log; here the log is what is read.
    #[serde(default, rename = "columns")]
    _columns: Value,
    #[serde(default)]
    properties: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Lists a Delta table that is there. The service makes no other kind here either.
pub(super) async fn create(State(unity): State<Unity>, body: Bytes) -> ApiResult<Json<Value>> {
    let create: Create = body_of(&body)?;
    refuse_others(&create.others)?;
    if create.table_type != "EXTERNAL" || create.data_source_format != "DELTA" {
        return Err(ApiError::invalid(format!(
            "Only EXTERNAL tables of the format DELTA can be created here, not {} {}: use CREATE TABLE.",
            create.table_type, create.data_source_format
        )));
    }
    let name = format!("{}.{}.{}", create.catalog_name, create.schema_name, create.name);
    let full = FullName {
        catalog: create.catalog_name.to_lowercase(),
        schema: create.schema_name.to_lowercase(),
        name: create.name.to_lowercase(),
    };
    let properties = create.properties.unwrap_or_default();
    let made = unity.engine.register_table(&full, &create.storage_location, properties).await;
    made.map_err(|error| refusal(&error, "Table", &name))?;
    Ok(Json(unity.whole_table(full).await?))
}

/// Another owner; what else there is to change is changed by SQL.
pub(super) async fn update(State(unity): State<Unity>, Segment(name): Segment, body: Bytes) -> ApiResult<Json<Value>> {
    let change = Change::read(&body, &["owner"])?;
    let full = three_parts(&name)?;
    let table = Securable::Table(full);
    let changed = unity.engine.catalog().change(|listing| {
        change.apply(&mut None, table.governance_mut(listing)?);
        Ok(())
    });
    changed.map_err(|error| refusal(&error, "Table", &name))?;
    Ok(Json(json!({})))
}

pub(super) async fn summaries(State(unity): State<Unity>, query: Query) -> ApiResult<Json<Value>> {
    query.refuse_flags(&["include_manifest_capabilities"])?;
    let catalog = query.required("catalog_name")?.to_lowercase();
    let fits =
        |parameter: &str, name: &str| query.text(parameter).is_none_or(|pattern| like(name, &pattern.to_lowercase()));
    let kinds: BTreeMap<String, &'static str> = unity.engine.catalog().read(|listing| {
        let entry = listing.get(&catalog).ok_or_else(|| no_catalog(&catalog))?;
        let schemas = entry.schemas.iter().filter(|(schema, _)| fits("schema_name_pattern", schema));
        let all = schemas.flat_map(|(schema, entry)| {
            let tables = entry.tables.iter().map(|(name, table)| (name, table_type(table)));
            tables.chain(entry.views.keys().map(|name| (name, "VIEW"))).map(move |found| (schema, found))
        });
        let all = all.filter(|(_, (table, _))| fits("table_name_pattern", table));
        let named = all.map(|(schema, (table, kind))| (format!("{catalog}.{schema}.{table}"), kind));
        Ok::<_, ApiError>(named.collect())
    })?;
    let (names, next) = unity.paging(&query, LARGE_PAGE)?.capped(LARGE_PAGE).cut(kinds.keys().cloned().collect());
    let tables = names.iter().map(|name| json!({ "full_name": name, "table_type": kinds[name] })).collect();
    Ok(page("tables", tables, next))
}

/// SQL's LIKE: `%` stands for any text, `_` for one character.
fn like(name: &str, pattern: &str) -> bool {
    let wild = |c| match c {
        '%' => Wild::Many,
        '_' => Wild::One,
        c => Wild::This(c),
    };
    fits(name, pattern.chars().map(wild), None)
}

#[cfg(test)]
mod tests {
    use deltalake::kernel::{ArrayType, MapType, StructType};

    use super::*;

    #[test]
    fn types_are_written_as_sparks_catalog_writes_them() {
        let decimal = DataType::decimal(12, 2).unwrap();
        let inner = StructType::new_unchecked([
            StructField::nullable("A b", DataType::INTEGER),
            StructField::not_null("c", MapType::new(DataType::STRING, decimal.clone(), true)),
        ]);
        let nested = DataType::from(ArrayType::new(inner, true));
        assert_eq!(column_type_text(&nested), "array<struct<A b:int,c:map<string,decimal(12,2)>>>");
        for (data_type, name, text) in [
            (DataType::LONG, "LONG", "bigint"),
            (DataType::SHORT, "SHORT", "smallint"),
            (DataType::BYTE, "BYTE", "tinyint"),
            (DataType::TIMESTAMP_NTZ, "TIMESTAMP_NTZ", "timestamp_ntz"),
            (DataType::BINARY, "BINARY", "binary"),
            (decimal, "DECIMAL", "decimal(12,2)"),
        ] {
            assert_eq!((type_name(&data_type), column_type_text(&data_type).as_str()), (name, text));
        }
    }

    #[test]
    fn patterns_are_sqls() {
        for (name, pattern, fits) in [
            ("orders", "ord%", true),
            ("orders", "%", true),
            ("orders", "o_ders", true),
            ("orders", "order", false),
            ("", "%", true),
            ("é", "_", true),
            ("ab", "_", false),
        ] {
            assert_eq!(like(name, pattern), fits, "{name} like {pattern}");
        }
    }
}
