//! A schema for one test, and the shortest ways to fill it and to look at it.

use std::sync::Arc;

use twinhouse_core::{
    Result,
    http::{Body, HeaderValue, Http, Request, Url},
};
use twinhouse_delta::{DeltaClient, DeltaTable};
use twinhouse_warehouse_api::{StatementRequest, WarehouseExt as _};

use crate::fixtures::{BY_HAND, PATIENCE, databricks_of, shared};

/// The tables of a new schema of the shared sandbox.
pub(super) async fn lake() -> DeltaClient {
    let warehouse = Arc::new(databricks_of(shared().await.unwrap()).await.unwrap());
    let schema = format!("lake_{}", uuid::Uuid::new_v4().simple());
    warehouse.execute(format!("create schema main.{schema}")).await.unwrap();
    DeltaClient::new(warehouse).unwrap().with_catalog("main").with_schema(schema)
}

/// Runs a statement over the table, which is `{t}` in it.
pub(super) async fn run(table: &DeltaTable, sql: &str) -> Result<u64> {
    let name = table.warehouse().info().dialect.table(table.table_ref())?;
    table.warehouse().execute(format!("{BY_HAND}{}", sql.replace("{t}", &name))).await
}

/// The column `id`, in order.
pub(super) async fn ids(table: &DeltaTable) -> Result<Vec<i32>> {
    #[derive(serde::Deserialize)]
    struct Row {
        id: i32,
    }
    let name = table.warehouse().info().dialect.table(table.table_ref())?;
    let request = StatementRequest::read(format!("select id from {name} order by id"));
    Ok(table.warehouse().fetch_all::<Row>(request).await?.into_iter().map(|row| row.id).collect())
}

/// Uploads the only file of a table to a path of a volume.
pub(super) async fn upload(table: &DeltaTable, path: &str) {
    let location = table.detail().await.unwrap().location.unwrap();
    let folder = std::fs::read_dir(location.strip_prefix("file://").unwrap()).unwrap();
    let mut files = folder.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some());
    let file = std::fs::read(files.next().unwrap()).unwrap();
    let access = shared().await.unwrap().databricks().await.unwrap();
    let bearer = HeaderValue::from_str(&format!("Bearer {}", access.token.expose())).unwrap();
    let url = Url::parse(&format!("{}/api/2.0/fs/files{path}", access.url)).unwrap();
    let request = Request::put(url).with_authorization(bearer).with_body(Body::bytes(file));
    let answer = Http::builder().build().unwrap().send(request.with_timeout(PATIENCE)).await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}
