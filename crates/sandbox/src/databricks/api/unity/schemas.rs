//! Schemas.

use axum::{Json, extract::State};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    PAGE, Unity,
    change::{Change, Create, needed},
    drop_statement, info, no_catalog, no_schema, page, refusal, two_parts, with_properties,
};
use crate::databricks::{
    api::reply::{ApiResult, Query, Segment},
    engine::schema_mut,
    error::SqlError,
};

impl Unity {
    pub(in super::super) fn schema(&self, catalog: &str, name: &str) -> ApiResult<Value> {
        self.engine.catalog().read(|listing| {
            let entry = listing.get(catalog).ok_or_else(|| no_catalog(catalog))?;
            let entry = entry.schemas.get(name).ok_or_else(|| no_schema(catalog, name))?;
            let mut info = info(name, entry.created_at, entry.comment.as_deref(), &entry.governance);
            with_properties(&mut info, &entry.governance);
            info.insert("catalog_name".to_owned(), catalog.into());
            info.insert("full_name".to_owned(), format!("{catalog}.{name}").into());
            info.insert("schema_id".to_owned(), entry.id.to_string().into());
            info.insert("catalog_type".to_owned(), "MANAGED_CATALOG".into());
            Ok(info.into())
        })
    }
}

pub(super) async fn list(State(unity): State<Unity>, query: Query) -> ApiResult<Json<Value>> {
    let catalog = query.required("catalog_name")?.to_lowercase();
    let names = unity.engine.catalog().read(|listing| {
        listing.get(&catalog).map(|entry| entry.schemas.keys().cloned().collect()).ok_or_else(|| no_catalog(&catalog))
    })?;
    let (names, next) = unity.paging(&query, PAGE)?.cut(names);
    Ok(page("schemas", names.iter().flat_map(|name| unity.schema(&catalog, name)).collect(), next))
}

pub(super) async fn find(State(unity): State<Unity>, Segment(name): Segment) -> ApiResult<Json<Value>> {
    let (catalog, schema) = two_parts(&name)?;
    Ok(Json(unity.schema(&catalog, &schema)?))
}

pub(super) async fn create(State(unity): State<Unity>, body: Bytes) -> ApiResult<Json<Value>> {
    let create = Create::read(&body)?;
    let catalog = needed(create.catalog_name.as_ref(), "catalog_name")?;
    let name = format!("{catalog}.{}", create.name);
    unity.run(create.statement("SCHEMA", &[catalog, &create.name]), "Schema", &name).await?;
    let (catalog, schema) = (catalog.to_lowercase(), create.name.to_lowercase());
    if let Some(properties) = create.properties {
        let set = unity.engine.catalog().change(|listing| {
            schema_mut(listing, &catalog, &schema)?.governance.properties = properties;
            Ok(())
        });
        set.map_err(|error| refusal(&error, "Schema", &name))?;
    }
    Ok(Json(unity.schema(&catalog, &schema)?))
}

pub(super) async fn update(State(unity): State<Unity>, Segment(name): Segment, body: Bytes) -> ApiResult<Json<Value>> {
    let change = Change::read(&body, &["new_name", "comment", "owner", "properties"])?;
    let (catalog, schema) = two_parts(&name)?;
    let new = change.renamed(&schema);
    let changed = unity.engine.catalog().change(|listing| {
        schema_mut(listing, &catalog, &schema)?;
        if let Some(new) = &new
            && let Some(entry) = listing.get_mut(&catalog)
        {
            if entry.schemas.contains_key(new) {
                return Err(SqlError::new("SCHEMA_ALREADY_EXISTS", "42P06", format!("Schema '{new}' already exists")));
            }
            if let Some(schema) = entry.schemas.remove(&schema) {
                entry.schemas.insert(new.clone(), schema);
            }
        }
        let entry = schema_mut(listing, &catalog, new.as_ref().unwrap_or(&schema))?;
        change.apply(&mut entry.comment, &mut entry.governance);
        Ok(())
    });
    changed.map_err(|error| match (&new, error.class()) {
        (Some(new), "SCHEMA_ALREADY_EXISTS") => refusal(&error, "Schema", new),
        _ => refusal(&error, "Schema", &name),
    })?;
    Ok(Json(unity.schema(&catalog, new.as_ref().unwrap_or(&schema))?))
}

pub(super) async fn remove(State(unity): State<Unity>, Segment(name): Segment, query: Query) -> ApiResult<Json<Value>> {
    let (catalog, schema) = two_parts(&name)?;
    unity.run(drop_statement("SCHEMA", &[&catalog, &schema], query.flag("force")?), "Schema", &name).await?;
    Ok(Json(json!({})))
}
