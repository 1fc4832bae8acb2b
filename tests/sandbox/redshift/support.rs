//! What the tests of this folder share.

use arrow::{
    array::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use twinhouse_core::{Error, Result};
use twinhouse_redshift::RedshiftWarehouse;
use twinhouse_sandbox::Sandbox;
use twinhouse_warehouse_api::{BatchStream, StatementRequest, Warehouse as _, WarehouseExt as _};

use crate::fixtures::{PATIENCE, redshift_builder, redshift_of};

/// The cluster of the shared sandbox.
pub(super) async fn warehouse() -> RedshiftWarehouse {
    redshift_of(Sandbox::shared().await.expect("a sandbox")).await.expect("a cluster")
}

/// The same with so many connections, which are not given up however long they take to answer.
pub(super) async fn warehouse_of(connections: usize) -> RedshiftWarehouse {
    let sandbox = Sandbox::shared().await.expect("a sandbox");
    let access = sandbox.redshift().await.expect("a cluster");
    let builder = redshift_builder(access, sandbox.s3()).expect("a URL").pool_size(connections);
    let config = builder.checkout_timeout(PATIENCE).recycle_timeout(PATIENCE).build().expect("settings");
    RedshiftWarehouse::new(config).expect("a client")
}

/// A name that no other test has.
pub(super) fn unique(stem: &str) -> String {
    format!("{stem}_{}", uuid::Uuid::new_v4().simple())
}

/// A table that no other test has.
pub(super) async fn table(warehouse: &RedshiftWarehouse, columns: &str) -> String {
    let name = unique("t");
    warehouse.execute(format!("create table {name} ({columns})")).await.expect("a table");
    name
}

/// Rows as text; nulls as `NULL`.
pub(super) fn texts(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).expect("a type that can be shown"))
            .collect();
        rows.extend(
            (0..batch.num_rows()).map(|row| columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>()),
        );
    }
    rows
}

pub(super) async fn read(stream: Result<BatchStream>) -> Result<Vec<Vec<String>>> {
    Ok(texts(&stream?.collect_batches().await?))
}

pub(super) async fn rows(
    warehouse: &RedshiftWarehouse,
    request: impl Into<StatementRequest> + Send,
) -> Vec<Vec<String>> {
    read(warehouse.query(request).await).await.expect("rows")
}

pub(super) async fn one(warehouse: &RedshiftWarehouse, sql: &str) -> String {
    match read(warehouse.query(sql).await).await {
        Ok(rows) => rows[0][0].clone(),
        Err(error) => panic!("{sql}: {error:?}"),
    }
}

#[track_caller]
pub(super) fn failed<T>(outcome: Result<T>) -> Error {
    outcome.err().expect("this must not succeed")
}

/// Closes the warehouse, so that a session that leaks shows as a connection that stays.
pub(super) async fn close(warehouse: RedshiftWarehouse) {
    warehouse.close().await.expect("a close");
}
