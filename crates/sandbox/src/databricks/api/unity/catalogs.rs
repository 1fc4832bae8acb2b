//! Catalogs.

use axum::{Json, extract::State};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    PAGE, Unity,
    change::{Change, Create},
    drop_statement, info, no_catalog, page, refusal, with_properties,
};
use crate::databricks::{
    api::reply::{ApiResult, Query, Segment},
    error::SqlError,
};

impl Unity {
    fn catalog(&self, name: &str) -> ApiResult<Value> {
        self.engine.catalog().read(|listing| {
            let entry = listing.get(name).ok_or_else(|| no_catalog(name))?;
            let mut info = info(name, entry.created_at, entry.comment.as_deref(), &entry.governance);
            with_properties(&mut info, &entry.governance);
            info.insert("full_name".to_owned(), name.into());
            info.insert("catalog_type".to_owned(), "MANAGED_CATALOG".into());
            info.insert("securable_type".to_owned(), "CATALOG".into());
            info.insert("isolation_mode".to_owned(), "OPEN".into());
            Ok(info.into())
        })
    }
}

pub(super) async fn list(State(unity): State<Unity>, query: Query) -> ApiResult<Json<Value>> {
    let names = unity.engine.catalog().read(|listing| listing.keys().cloned().collect());
    let (names, next) = unity.paging(&query, PAGE)?.cut(names);
    Ok(page("catalogs", names.iter().flat_map(|name| unity.catalog(name)).collect(), next))
}

pub(super) async fn find(State(unity): State<Unity>, Segment(name): Segment) -> ApiResult<Json<Value>> {
    Ok(Json(unity.catalog(&name.to_lowercase())?))
}

pub(super) async fn create(State(unity): State<Unity>, body: Bytes) -> ApiResult<Json<Value>> {
    let create = Create::read(&body)?;
    unity.run(create.statement("CATALOG", &[&create.name]), "Catalog", &create.name).await?;
    let name = create.name.to_lowercase();
    if let Some(properties) = create.properties {
        let set = unity.engine.catalog().change(|listing| {
            let entry = listing.get_mut(&name).ok_or_else(|| SqlError::catalog_not_found(&name))?;
            entry.governance.properties = properties;
            Ok(())
        });
        set.map_err(|error| refusal(&error, "Catalog", &name))?;
    }
    Ok(Json(unity.catalog(&name)?))
}

pub(super) async fn update(State(unity): State<Unity>, Segment(name): Segment, body: Bytes) -> ApiResult<Json<Value>> {
    let change = Change::read(&body, &["new_name", "comment", "owner", "properties", "isolation_mode"])?;
    let name = name.to_lowercase();
    let new = change.renamed(&name);
    let changed = unity.engine.catalog().change(|listing| {
        if let Some(new) = &new {
            if listing.contains_key(new) {
                return Err(SqlError::new(
                    "CATALOG_ALREADY_EXISTS",
                    "42710",
                    format!("Catalog '{new}' already exists"),
                ));
            }
            let entry = listing.remove(&name).ok_or_else(|| SqlError::catalog_not_found(&name))?;
            listing.insert(new.clone(), entry);
        }
        let name = new.as_ref().unwrap_or(&name);
        let entry = listing.get_mut(name).ok_or_else(|| SqlError::catalog_not_found(name))?;
        change.apply(&mut entry.comment, &mut entry.governance);
        Ok(())
    });
    changed.map_err(|error| match (&new, error.class()) {
        (Some(new), "CATALOG_ALREADY_EXISTS") => refusal(&error, "Catalog", new),
        _ => refusal(&error, "Catalog", &name),
    })?;
    Ok(Json(unity.catalog(new.as_ref().unwrap_or(&name))?))
}

pub(super) async fn remove(State(unity): State<Unity>, Segment(name): Segment, query: Query) -> ApiResult<Json<Value>> {
    unity.run(drop_statement("CATALOG", &[&name], query.flag("force")?), "Catalog", &name).await?;
    Ok(Json(json!({})))
}
