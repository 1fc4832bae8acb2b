//! Volumes.

use axum::{Json, extract::State};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    LARGE_PAGE, Unity,
    change::{Change, Create, needed},
    drop_statement, full_name, info, location, names_in, page, refusal, three_parts,
};
use crate::databricks::{
    api::reply::{ApiError, ApiResult, Query, Segment},
    engine::{FullName, schema_mut},
    error::SqlError,
};

impl Unity {
    fn volume(&self, name: &FullName) -> ApiResult<Value> {
        let entry = self.engine.catalog().volume(name).map_err(|error| refusal(&error, "Volume", &full_name(name)))?;
        let mut info = info(&name.name, entry.created_at, entry.comment.as_deref(), &entry.governance);
        info.insert("catalog_name".to_owned(), name.catalog.clone().into());
        info.insert("schema_name".to_owned(), name.schema.clone().into());
        info.insert("full_name".to_owned(), full_name(name).into());
        info.insert("volume_id".to_owned(), entry.id.to_string().into());
        info.insert("volume_type".to_owned(), "MANAGED".into());
        info.insert("storage_location".to_owned(), location(&self.engine.catalog().path(&entry.folder))?.into());
        Ok(info.into())
    }
}

pub(super) async fn list(State(unity): State<Unity>, query: Query) -> ApiResult<Json<Value>> {
    let (place, names) = names_in(&unity, &query, |place| {
        unity.engine.catalog().read(|listing| {
            let schema = listing.get(&place.catalog).and_then(|entry| entry.schemas.get(&place.schema));
            schema.map(|schema| schema.volumes.keys().cloned().collect()).unwrap_or_default()
        })
    })?;
    let (names, next) = unity.paging(&query, LARGE_PAGE)?.capped(LARGE_PAGE).cut(names);
    let volumes = names.into_iter().flat_map(|name| unity.volume(&FullName { name, ..place.clone() })).collect();
    Ok(page("volumes", volumes, next))
}

pub(super) async fn find(State(unity): State<Unity>, Segment(name): Segment) -> ApiResult<Json<Value>> {
    Ok(Json(unity.volume(&three_parts(&name)?)?))
}

pub(super) async fn create(State(unity): State<Unity>, body: Bytes) -> ApiResult<Json<Value>> {
    let create = Create::read(&body)?;
    if create.volume_type.as_deref().is_some_and(|kind| kind != "MANAGED") {
        return Err(ApiError::not_implemented("external volumes"));
    }
    if create.properties.as_ref().is_some_and(|properties| !properties.is_empty()) {
        return Err(ApiError::invalid("A volume has no properties"));
    }
    let catalog = needed(create.catalog_name.as_ref(), "catalog_name")?;
    let schema = needed(create.schema_name.as_ref(), "schema_name")?;
    let name = format!("{catalog}.{schema}.{}", create.name);
    unity.run(create.statement("VOLUME", &[catalog, schema, &create.name]), "Volume", &name).await?;
    Ok(Json(unity.volume(&three_parts(&name)?)?))
}

pub(super) async fn update(State(unity): State<Unity>, Segment(name): Segment, body: Bytes) -> ApiResult<Json<Value>> {
    let change = Change::read(&body, &["new_name", "comment", "owner"])?;
    let old = three_parts(&name)?;
    let new = FullName { name: change.renamed(&old.name).unwrap_or_else(|| old.name.clone()), ..old.clone() };
    let changed = unity.engine.catalog().change(|listing| {
        let volumes = &mut schema_mut(listing, &old.catalog, &old.schema)?.volumes;
        let mut entry = volumes.remove(&old.name).ok_or_else(|| SqlError::volume_not_found(&old))?;
        if volumes.contains_key(&new.name) {
            let text = format!("Volume '{}' already exists", new.name);
            return Err(SqlError::new("VOLUME_ALREADY_EXISTS", "42710", text));
        }
        change.apply(&mut entry.comment, &mut entry.governance);
        volumes.insert(new.name.clone(), entry);
        Ok(())
    });
    changed.map_err(|error| match error.class() {
        "VOLUME_ALREADY_EXISTS" => refusal(&error, "Volume", &new.name),
        _ => refusal(&error, "Volume", &name),
    })?;
    Ok(Json(unity.volume(&new)?))
}

pub(super) async fn remove(State(unity): State<Unity>, Segment(name): Segment) -> ApiResult<Json<Value>> {
    let FullName { catalog, schema, name: volume } = three_parts(&name)?;
    unity.run(drop_statement("VOLUME", &[&catalog, &schema, &volume], false), "Volume", &name).await?;
    Ok(Json(json!({})))
}
