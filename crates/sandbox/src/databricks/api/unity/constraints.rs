//! Primary and foreign keys.

use axum::{Json, extract::State};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Unity, full_name, refusal, three_parts};
use crate::databricks::{
    api::reply::{ApiError, ApiResult, Query, Segment, body_of},
    engine::{Place, TableKey},
    sql::{KeySpec, ObjectPath},
};

/// A key as the service writes it.
pub(in super::super) fn constraint(key: &TableKey) -> Value {
    let mut inner = json!({ "name": key.name, "child_columns": key.columns, "rely": key.rely });
    match &key.parent {
        None => {
            if !key.timeseries.is_empty() {
                inner["timeseries_columns"] = key.timeseries.clone().into();
            }
            json!({ "primary_key_constraint": inner })
        }
        Some((table, columns)) => {
            inner["parent_table"] = full_name(table).into();
            inner["parent_columns"] = columns.clone().into();
            json!({ "foreign_key_constraint": inner })
        }
    }
}

#[derive(Deserialize)]
struct Create {
    full_name_arg: String,
    constraint: Constraint,
}

#[derive(Deserialize)]
struct Constraint {
    #[serde(default)]
    primary_key_constraint: Option<Key>,
    #[serde(default)]
    foreign_key_constraint: Option<Key>,
}

#[derive(Deserialize)]
struct Key {
    name: String,
    child_columns: Vec<String>,
    #[serde(default)]
    timeseries_columns: Option<Vec<String>>,
    #[serde(default)]
    parent_table: Option<String>,
    #[serde(default)]
    parent_columns: Vec<String>,
    #[serde(default)]
    rely: Option<bool>,
}

pub(super) async fn create(State(unity): State<Unity>, body: Bytes) -> ApiResult<Json<Value>> {
    let Create { full_name_arg, constraint: given } = body_of(&body)?;
    let name = three_parts(&full_name_arg)?;
    let key = match (given.primary_key_constraint, given.foreign_key_constraint) {
        (Some(key), None) => Key { parent_table: None, ..key },
        (None, Some(key)) if key.parent_table.is_some() => key,
        _ => return Err(ApiError::invalid("The constraint must be one primary key or one foreign key")),
    };
    let parent = key.parent_table.as_deref().map(three_parts).transpose()?;
    let spec = KeySpec {
        name: Some(key.name),
        columns: key.child_columns,
        timeseries: key.timeseries_columns.unwrap_or_default(),
        parent: parent.map(|table| (ObjectPath(vec![table.catalog, table.schema, table.name]), key.parent_columns)),
        rely: key.rely.unwrap_or_default(),
    };
    let added = unity.engine.add_key(&name, &spec, &Place::default()).await;
    Ok(Json(constraint(&added.map_err(|error| refusal(&error, "Table", &full_name_arg))?)))
}

pub(super) async fn remove(State(unity): State<Unity>, Segment(name): Segment, query: Query) -> ApiResult<Json<Value>> {
    let (table, key) = (three_parts(&name)?, query.required("constraint_name")?);
    let dropped = unity.engine.drop_key(&table, Some(key), query.flag("cascade")?);
    if dropped.map_err(|error| refusal(&error, "Table", &name))? {
        return Ok(Json(json!({})));
    }
    Err(ApiError::missing(format!("Constraint '{key}' of table '{name}' does not exist.")))
}
