//! What was recorded against a real server is replayed without one.

use std::sync::Arc;

use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use twinhouse_core::{Result, http::Http};
use twinhouse_databricks::{DatabricksBuilder, DatabricksWarehouse};
use twinhouse_testkit::transport::{Cassette, Recorder, Replayer};
use twinhouse_warehouse_api::{
    BatchStream, LoadRequest, LoadToken, StatementRequest, TableRef, Warehouse as _, WarehouseExt as _,
};

use crate::fixtures::{databricks_builder, shared};

/// A table, a load that is done once, a result behind links.
async fn work(builder: DatabricksBuilder, table: &str) -> Result<(u64, Vec<(i64, String)>)> {
    let warehouse = DatabricksWarehouse::new(builder.build()?)?;
    warehouse.execute(format!("create table {table} (id bigint, name string)").as_str()).await?;
    let columns: [(&str, arrow::array::ArrayRef); 2] = [
        ("id", Arc::new(Int64Array::from(vec![1, 2]))),
        ("name", Arc::new(StringArray::from(vec!["it's", "\u{1f980}"]))),
    ];
    let schema =
        Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.map(|(_, column)| column).to_vec()).unwrap();
    let stream = BatchStream::from_batches(schema, vec![batch]);
    let load = LoadRequest::append(TableRef::new(table), stream, LoadToken::new(table.replace('_', "-"))?);
    let loaded = warehouse.load(load).await?.rows;
    let rows = warehouse.fetch_all(StatementRequest::read(format!("select id, name from {table} order by id"))).await?;
    Ok((loaded, rows))
}

#[tokio::test]
async fn a_recorded_load_and_query_replay_without_a_server_and_without_secrets() {
    let table = format!("replay_{}", uuid::Uuid::new_v4().simple());
    let access = shared().await.unwrap().databricks().await.unwrap();
    let recorder = Recorder::new(Http::builder().build().unwrap().transport());
    let first = work(databricks_builder(access).transport(recorder.clone()), &table).await.unwrap();
    assert_eq!(first, (2, vec![(1, "it's".to_owned()), (2, "\u{1f980}".to_owned())]));

    let text = recorder.cassette().to_json();
    assert!(!text.contains(access.token.expose()), "the token is in the recording");
    assert!(!text.contains("/links/") && text.contains("link.invalid"), "a presigned link is in the recording");

    let replayer = Replayer::loose(Cassette::from_json(&text).unwrap());
    let builder =
        databricks_builder(access).host("https://nobody.invalid").token("another").transport(replayer.clone());
    assert_eq!(work(builder, &table).await.unwrap(), first);
    replayer.verify();
}
