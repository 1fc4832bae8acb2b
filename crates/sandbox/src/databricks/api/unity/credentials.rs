//! Temporary credentials: keys to the sandbox's S3 store that open one table's or volume's files for a while.

use std::{path::Path, time::UNIX_EPOCH};

use axum::{Json, extract::State};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Unity;
use crate::{
    databricks::{
        api::reply::{ApiError, ApiResult, body_of},
        engine::Listing,
    },
    s3::{Reach, SessionKeys},
};

/// What is behind a key.
struct Opened {
    /// `tables` or `volumes`.
    kind: &'static str,
    id: Uuid,
    folder: std::path::PathBuf,
}

impl Unity {
    fn storage(&self) -> ApiResult<&SessionKeys> {
        self.storage.as_ref().ok_or_else(|| ApiError::not_implemented("temporary credentials without its S3 store"))
    }

    fn issue(&self, opened: &Opened, below: &str, reach: Reach) -> ApiResult<Json<Value>> {
        let folder = self.engine.catalog().path(&opened.folder);
        // A volume that nobody has written to has no folder yet.
        std::fs::create_dir_all(&folder)?;
        let prefix = format!("{}/{}", opened.kind, opened.id);
        let issued = self.storage()?.issue(&prefix, &folder, below, reach)?;
        let expires = issued.expires.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Json(json!({
            "aws_temp_credentials": {
                "access_key_id": issued.id,
                "secret_access_key": issued.secret.expose(),
                "session_token": issued.token.expose(),
            },
            "expiration_time": u64::try_from(expires.as_millis()).unwrap_or(u64::MAX),
            "url": issued.url,
        })))
    }

    fn find(&self, look: impl Fn(&Listing) -> Option<Opened>) -> Option<Opened> {
        self.engine.catalog().read(look)
    }
}

fn tables(listing: &Listing) -> impl Iterator<Item = Opened> {
    let schemas = listing.values().flat_map(|catalog| catalog.schemas.values());
    schemas.flat_map(|schema| schema.tables.values()).map(|table| Opened {
        kind: "tables",
        id: table.id,
        folder: table.folder.clone(),
    })
}

fn volumes(listing: &Listing) -> impl Iterator<Item = Opened> {
    let schemas = listing.values().flat_map(|catalog| catalog.schemas.values());
    schemas.flat_map(|schema| schema.volumes.values()).map(|volume| Opened {
        kind: "volumes",
        id: volume.id,
        folder: volume.folder.clone(),
    })
}

fn writing(what: &str) -> ApiError {
    ApiError::not_implemented(format_args!("temporary credentials that write {what}: write it by SQL"))
}

fn unknown(field: &str, value: &str) -> ApiError {
    ApiError::invalid(format!("Invalid value for {field}: '{value}'"))
}

#[derive(Deserialize)]
struct OfTable {
    table_id: String,
    operation: String,
}

pub(super) async fn table(State(unity): State<Unity>, body: Bytes) -> ApiResult<Json<Value>> {
    let OfTable { table_id, operation } = body_of(&body)?;
    unity.storage()?;
    match operation.as_str() {
        "READ" => {}
        "READ_WRITE" => return Err(writing("a table")),
        other => return Err(unknown("operation", other)),
    }
    let found = unity.find(|listing| tables(listing).find(|table| table.id.to_string() == table_id));
    let found = found.ok_or_else(|| super::absent("Table", &table_id))?;
    unity.issue(&found, "", Reach::Read)
}

#[derive(Deserialize)]
struct OfVolume {
    volume_id: String,
    operation: String,
}

pub(super) async fn volume(State(unity): State<Unity>, body: Bytes) -> ApiResult<Json<Value>> {
    let OfVolume { volume_id, operation } = body_of(&body)?;
    unity.storage()?;
    let reach = match operation.as_str() {
        "READ_VOLUME" => Reach::Read,
        "WRITE_VOLUME" => Reach::Write,
        other => return Err(unknown("operation", other)),
    };
    let found = unity.find(|listing| volumes(listing).find(|volume| volume.id.to_string() == volume_id));
    let found = found.ok_or_else(|| super::absent("Volume", &volume_id))?;
    unity.issue(&found, "", reach)
}

#[derive(Deserialize)]
struct OfPath {
    url: String,
    operation: String,
    #[serde(default)]
    dry_run: Option<bool>,
}

pub(super) async fn path(State(unity): State<Unity>, body: Bytes) -> ApiResult<Json<Value>> {
    let OfPath { url, operation, dry_run } = body_of(&body)?;
    unity.storage()?;
    match operation.as_str() {
        "PATH_READ" => {}
        "PATH_READ_WRITE" | "PATH_CREATE_TABLE" => return Err(writing("a path")),
        other => return Err(unknown("operation", other)),
    }
    let outside = || {
        let message = format!("'{url}' is not below the storage_location of a table or volume.");
        ApiError::new(http::StatusCode::NOT_FOUND, "EXTERNAL_LOCATION_DOES_NOT_EXIST", message)
    };
    let wanted = url::Url::parse(&url).ok().filter(|url| url.scheme() == "file");
    let wanted = wanted.and_then(|url| url.to_file_path().ok()).ok_or_else(outside)?;
    if wanted.components().any(|part| matches!(part, std::path::Component::ParentDir)) {
        return Err(outside());
    }
    let catalog = unity.engine.catalog();
    let (found, below) = unity
        .engine
        .catalog()
        .read(|listing| {
            let mut all = tables(listing).chain(volumes(listing));
            all.find_map(|opened| Some((below(&catalog.path(&opened.folder), &wanted)?, opened)))
                .map(|(below, opened)| (opened, below))
        })
        .ok_or_else(outside)?;
    if dry_run == Some(true) {
        return Ok(Json(json!({})));
    }
    unity.issue(&found, &below, Reach::Read)
}

/// What leads from the folder to the path, if that is in it.
fn below(folder: &Path, path: &Path) -> Option<String> {
    path.strip_prefix(folder).ok()?.to_str().map(str::to_owned)
}
