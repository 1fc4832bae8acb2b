//! Files in the bucket of the sandbox, written and found by the server itself.

use futures::TryStreamExt as _;
use twinhouse_core::{ErrorKind, Result};
use twinhouse_redshift::{
    CopyCommand, CopyFormat, CopyOption, CopySource, RedshiftWarehouse, UnloadCommand, UnloadFormat, UnloadOption,
};
use twinhouse_sandbox::Sandbox;
use twinhouse_warehouse_api::{StatementRequest, TableRef, WarehouseExt as _};

use crate::fixtures::redshift_of;

pub(super) async fn warehouse() -> RedshiftWarehouse {
    redshift_of(Sandbox::shared().await.expect("a sandbox")).await.expect("a cluster")
}

/// A table of these columns that no other test has.
pub(super) async fn table(warehouse: &RedshiftWarehouse, columns: &str) -> TableRef {
    let name = format!("bulk_{}", uuid::Uuid::new_v4().simple());
    warehouse.execute(format!("create table public.{name} ({columns})")).await.expect("a table");
    TableRef::new(name).with_schema("public")
}

/// A prefix that no other test has.
pub(super) async fn prefix() -> String {
    let s3 = Sandbox::shared().await.expect("a sandbox").s3();
    format!("s3://{}/tests/{}/", s3.bucket, uuid::Uuid::new_v4().simple())
}

/// A file of these lines; answers its URL.
pub(super) async fn put(warehouse: &RedshiftWarehouse, lines: &[&str]) -> String {
    let mut query = StatementRequest::read("");
    let mut rows = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        rows.push(format!("select {n} as n, cast(:l{n} as varchar(65535)) as line"));
        query = query.bind(format!("l{n}"), *line);
    }
    let sql = format!("select line from ({}) as l order by n", rows.join(" union all "));
    let query = StatementRequest::read(sql).with_params(query.params().clone());
    let url = prefix().await;
    let unload = UnloadCommand::new(query, &url, UnloadFormat::Text)
        .with(UnloadOption::Parallel(false))
        .with(UnloadOption::Delimiter('\u{1}'));
    warehouse.unload_with(unload).await.expect("a file");
    format!("{url}000")
}

/// Whether any object's key begins like this.
pub(super) async fn exists(warehouse: &RedshiftWarehouse, prefix: &str) -> bool {
    let probe = table(warehouse, "line varchar(65535)").await;
    let copy = CopyCommand::new(probe, CopySource::s3(prefix), CopyFormat::Text).with(CopyOption::NoLoad);
    match warehouse.copy(copy).await {
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Ok(_) | Err(_) => true,
    }
}

/// Rows as text.
pub(super) async fn rows(warehouse: &RedshiftWarehouse, sql: impl Into<StatementRequest> + Send) -> Vec<Vec<String>> {
    try_rows(warehouse, sql).await.expect("rows")
}

pub(super) async fn try_rows(
    warehouse: &RedshiftWarehouse,
    sql: impl Into<StatementRequest> + Send,
) -> Result<Vec<Vec<String>>> {
    let batches: Vec<_> = warehouse.query(sql).await?.try_collect().await?;
    Ok(texts(&batches))
}

pub(super) fn texts(batches: &[arrow::array::RecordBatch]) -> Vec<Vec<String>> {
    use arrow::util::display::{ArrayFormatter, FormatOptions};
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).expect("a type"));
        let columns: Vec<_> = columns.collect();
        rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|c| c.value(row).to_string()).collect()));
    }
    rows
}
