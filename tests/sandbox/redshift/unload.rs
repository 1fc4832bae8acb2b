//! UNLOAD: files, reports, and results by way of files.

use arrow::datatypes::{DataType, TimeUnit};
use futures::StreamExt as _;
use twinhouse_core::ErrorKind;
use twinhouse_redshift::{
    Compression, CopyCommand, CopyFormat, CopyOption, CopySource, RedshiftWarehouse, UnloadCommand, UnloadFormat,
    UnloadOption as Option_,
};
use twinhouse_sandbox::Sandbox;
use twinhouse_warehouse_api::{FileFormat, StatementRequest, UnloadRequest, Warehouse as _, WarehouseExt as _};

use super::files::{exists, prefix, rows, table, texts, warehouse};
use crate::fixtures::{redshift_builder, soon};

#[tokio::test]
async fn an_unload_reports_and_brings_its_manifest() {
    let warehouse = warehouse().await;
    let url = prefix().await;
    let query =
        StatementRequest::read("select 1 as id, :text as note union all select 2, null").bind("text", "it's \\ here");
    let command = UnloadCommand::new(query, &url, UnloadFormat::Parquet).with(Option_::Manifest { verbose: true });
    let report = warehouse.unload_with(command).await.expect("written");
    assert_eq!((report.rows, report.files), (Some(2), Some(2)));
    let manifest = report.manifest.expect("a list");
    assert_eq!(manifest.files.iter().map(|file| file.rows).collect::<Vec<_>>(), [Some(1), Some(1)]);
    assert_eq!((manifest.bytes(), manifest.columns.len()), (report.bytes, 2));
    assert!(manifest.files[0].url.starts_with(&url) && manifest.files[0].url.ends_with(".parquet"));

    // The list of a verbose unload is one that a COPY of Parquet takes.
    let t = table(&warehouse, "id int, note varchar(50)").await;
    let copy = CopyCommand::new(t.clone(), CopySource::manifest(format!("{url}manifest")), CopyFormat::Parquet);
    assert_eq!(warehouse.copy(copy).await.expect("loaded").rows, Some(2));
    assert_eq!(
        rows(&warehouse, format!("select * from {t} order by id")).await,
        [["1", "it's \\ here"], ["2", "NULL"]]
    );
}

#[tokio::test]
async fn what_is_there_already_is_safe_unless_an_option_says_otherwise() {
    let warehouse = warehouse().await;
    let url = prefix().await;
    let unload = || UnloadCommand::new("select 1 as id", &url, UnloadFormat::Csv).with(Option_::Parallel(false));
    warehouse.unload_with(unload()).await.expect("written");
    let error = warehouse.unload_with(unload()).await.expect_err("not empty");
    assert_eq!((error.kind(), error.context("destination")), (ErrorKind::AlreadyExists, Some(&*url)));
    warehouse.unload_with(unload().with(Option_::AllowOverwrite)).await.expect("replaced");
    let other = UnloadCommand::new("select 1 as id", &url, UnloadFormat::Csv).with(Option_::CleanPath);
    warehouse.unload_with(other.with(Option_::Compressed(Compression::Gzip))).await.expect("cleaned");
    assert!(
        !exists(&warehouse, &format!("{url}000.")).await && exists(&warehouse, &format!("{url}0000_part_00.gz")).await
    );
}

#[tokio::test]
async fn partitions_headers_and_an_inner_limit_are_written() {
    let warehouse = warehouse().await;
    let url = prefix().await;
    let query = "select 1 as id, 'a' as p union all select 2, 'b' order by 1 limit 1";
    let command = UnloadCommand::new(query, &url, UnloadFormat::Csv)
        .with(Option_::PartitionBy { columns: vec!["p".into()], include: false })
        .with(Option_::Header)
        .with(Option_::Extension("csv".into()));
    assert_eq!(warehouse.unload_with(command).await.expect("written").rows, Some(1));
    let t = table(&warehouse, "id varchar(10)").await;
    let copy = CopyCommand::new(t.clone(), CopySource::s3(format!("{url}p=a/")), CopyFormat::Csv);
    warehouse.copy(copy.with(CopyOption::IgnoreHeader(1))).await.expect("loaded");
    assert_eq!(rows(&warehouse, format!("select * from {t}")).await, [["1"]]);
}

#[tokio::test]
async fn the_contracts_unload_writes_parquet_and_csv() {
    let warehouse = warehouse().await;
    for format in [FileFormat::Parquet, FileFormat::Csv] {
        let mut request = UnloadRequest::parquet("select 1 as id union all select 2", prefix().await);
        request.format = format;
        let report = warehouse.unload(request.clone()).await.expect("written");
        assert_eq!((report.rows, report.files), (2, 2), "{format:?}");
        assert!(report.bytes > 0);
        assert_eq!(warehouse.unload(request).await.expect_err("there already").kind(), ErrorKind::AlreadyExists);
    }
    let error = warehouse.unload(UnloadRequest::parquet("select * from nowhere_at_all", prefix().await)).await;
    assert_eq!(error.expect_err("no table").kind(), ErrorKind::NotFound);
    let error = warehouse.unload(UnloadRequest::parquet("select 1", "/tmp/x")).await;
    assert_eq!(error.expect_err("no place").kind(), ErrorKind::InvalidInput);
}

const EVERY_TYPE: &str = "select cast(true as boolean) as b, cast(-5 as smallint) as s, cast(1.1 as real) as f, \
    cast('NaN' as float) as g, cast(-12345678901234567890123456789.123456789 as decimal(38,9)) as n, \
    cast('ü' as varchar(10)) as t, cast('0001-01-01' as date) as d, cast('23:59:59.000001' as time) as c, \
    cast('9999-12-31 23:59:59.999999' as timestamp) as m, cast('1600-01-01 00:00:00.000001+01' as timestamptz) as z, \
    json_parse('{\"a\":[1,2.50,\"x\"]}') as j, from_hex('00ff') as v, cast(null as bigint) as x, 1 as x";

/// Pain point: fetching pulls the whole result into memory, and decimals come out wrong.
#[tokio::test]
async fn a_stream_by_way_of_files_has_the_types_and_values_of_one_over_the_wire() {
    let warehouse = warehouse().await;
    let stream = warehouse.unload_stream(EVERY_TYPE).await.expect("a stream");
    let wire = warehouse.query(EVERY_TYPE).await.expect("a query");
    assert_eq!(stream.schema(), wire.schema());
    assert_eq!(stream.schema().field(9).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    let (files, wire) = (stream.collect_batches().await.expect("rows"), wire.collect_batches().await.expect("rows"));
    assert_eq!(texts(&files), texts(&wire));
    assert_eq!(texts(&files).len(), 1);

    let none = warehouse
        .unload_stream(format!("select * from ({EVERY_TYPE}) as e (b,s,f,g,n,t,d,c,m,z,j,v,x,y) where b = false"));
    let none = none.await.expect("a stream");
    assert_eq!(none.schema().fields().len(), 14);
    assert_eq!(none.schema().field(4).data_type(), &DataType::Decimal128(38, 9));
    assert!(none.collect_batches().await.expect("no rows").is_empty());
}

fn many(rows: u32) -> String {
    let digits = "(select 0 as n union all select 1 union all select 2 union all select 3 union all select 4 union all \
                  select 5 union all select 6 union all select 7 union all select 8 union all select 9)";
    format!(
        "select a.n + b.n * 10 + c.n * 100 + d.n * 1000 + e.n * 10000 as i from {digits} a, {digits} b, {digits} c, \
         {digits} d, {digits} e where a.n + b.n * 10 + c.n * 100 + d.n * 1000 + e.n * 10000 < {rows}"
    )
}

#[tokio::test]
async fn every_row_comes_once_and_the_files_go_with_the_stream() {
    // In a staging place of its own: nobody else's files are looked at.
    let (sandbox, staging) = (Sandbox::shared().await.expect("a sandbox"), prefix().await);
    let builder = redshift_builder(sandbox.redshift().await.expect("a cluster"), sandbox.s3()).expect("a URL");
    let config = builder.staging(staging.parse().expect("a prefix")).build().expect("settings");
    let warehouse = RedshiftWarehouse::new(config).expect("a client");
    let mut stream = warehouse.unload_stream(many(50_000)).await.expect("a stream");
    let (mut sum, mut count, mut most) = (0_i64, 0, 0);
    while let Some(batch) = stream.next().await {
        let batch = batch.expect("rows");
        let ids = arrow::compute::cast(batch.column(0), &DataType::Int64).expect("numbers");
        sum +=
            arrow::compute::sum(arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(&ids)).unwrap_or(0);
        (count, most) = (count + batch.num_rows(), most.max(batch.num_rows()));
    }
    assert_eq!((count, sum), (50_000, 49_999 * 25_000));
    assert!(most <= 8192, "{most} rows at once");

    let mut dropped = warehouse.unload_stream(many(20_000)).await.expect("a stream");
    dropped.next().await.expect("a batch").expect("rows");
    drop(dropped);
    soon("the files are deleted", async || !exists(&warehouse, &staging).await).await;
}

#[tokio::test]
async fn a_query_that_fails_or_is_none_gives_no_stream() {
    let warehouse = warehouse().await;
    assert_eq!(warehouse.unload_stream("select 1 / 0 as a").await.expect_err("division").kind(), ErrorKind::Data);
    assert_eq!(warehouse.unload_stream("drop table x").await.expect_err("no query").kind(), ErrorKind::InvalidInput);
    assert_eq!(
        warehouse.unload_stream("select * from nowhere_at_all").await.expect_err("no table").kind(),
        ErrorKind::NotFound
    );
}
