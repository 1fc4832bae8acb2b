//! Maintenance through the client: typed answers of a real engine.

use std::time::Duration;

use futures::TryStreamExt as _;
use twinhouse_core::{ErrorKind, Result};
use twinhouse_delta::{
    AnalyzeOptions, CloneMode, CloneOptions, ConvertOptions, DeltaClient, DeltaTable, OptimizeOptions, TableOperation,
    VacuumMode, VacuumOptions,
};
use twinhouse_warehouse_api::{
    Expression, TableRef, WarehouseExt as _,
    arrow::datatypes::{DataType, Field, Schema},
};

use super::lake::{ids, lake, run, upload};

/// Six small files in two partitions.
async fn scattered(client: &DeltaClient, name: &str) -> Result<DeltaTable> {
    let table = client.table(name);
    run(&table, "create table {t} (id int, note string, day date) partitioned by (day)").await?;
    for id in 0..6 {
        run(&table, &format!("insert into {{t}} values ({id}, 'n{id}', date '2024-01-0{}')", id % 2 + 1)).await?;
    }
    Ok(table)
}

#[tokio::test]
async fn optimize_compacts_a_partition_then_the_rest_and_then_nothing() {
    let client = lake().await;
    let table = scattered(&client, "t").await.unwrap();
    let first = Expression::new("day = :day").bind("day", "2024-01-01");
    let report = table.optimize(OptimizeOptions::default().with_filter(first)).await.unwrap();
    assert_eq!((report.num_files_removed, report.num_files_added, report.total_considered_files), (3, 1, 3));
    assert!(report.files_removed.min.is_some() && report.files_removed.total_size > report.files_added.total_size);
    let report = table.optimize(OptimizeOptions::default()).await.unwrap();
    assert_eq!((report.num_files_removed, report.partitions_optimized), (3, 1));
    let report = table.optimize(OptimizeOptions::default()).await.unwrap();
    assert_eq!((report.num_files_added, report.files_added.min), (0, None));
    assert_eq!(table.detail().await.unwrap().num_files, 2);
    assert_eq!(ids(&table).await.unwrap(), [0, 1, 2, 3, 4, 5]);

    let z_ordered = table.optimize(OptimizeOptions::default().with_z_order(["id"])).await.unwrap();
    assert_eq!(z_ordered.z_order_stats.unwrap()["strategyName"], "all");
    let newest = table.history(1).await.unwrap().remove(0);
    assert_eq!((newest.operation, newest.parameters["zOrderBy"].as_str()), (TableOperation::Optimize, "[\"id\"]"));
    assert!(newest.metrics.number("p50FileSize").unwrap() > 0);
}

#[tokio::test]
async fn optimize_of_what_the_server_refuses_is_invalid_input_or_unsupported_by_name() {
    let client = lake().await;
    let table = scattered(&client, "t").await.unwrap();
    let error = table.optimize(OptimizeOptions::default().with_full(true)).await.unwrap_err();
    assert_eq!(error.vendor_code(), Some("DELTA_OPTIMIZE_FULL_NOT_SUPPORTED"), "{error:?}");
    let error = table.optimize(OptimizeOptions::default().with_filter("id = 1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    let error = table.optimize(OptimizeOptions::default().with_filter("day is null")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    let error = client.table("nothing").optimize(OptimizeOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
}

#[tokio::test]
async fn a_retention_below_the_safety_limit_is_invalid_input_and_deletes_nothing() {
    let client = lake().await;
    let table = scattered(&client, "t").await.unwrap();
    table.optimize(OptimizeOptions::default()).await.unwrap();
    let short = VacuumOptions::default().with_retain(Duration::from_secs(3600));
    let error = table.vacuum(short.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert!(error.message().contains("168 hours"), "{error}");
    let Err(error) = table.vacuum_dry_run(short).await else { panic!("not refused") };
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    let before = table.history(None).await.unwrap();
    assert!(before.iter().all(|entry| entry.operation != TableOperation::VacuumStart));
    let listed: Vec<String> =
        table.vacuum_dry_run(VacuumOptions::default()).await.unwrap().try_collect().await.unwrap();
    assert!(listed.is_empty(), "{listed:?}");
}

#[tokio::test]
async fn vacuum_lists_and_then_deletes_what_no_version_within_the_retention_needs() {
    let client = lake().await;
    let table = client.table("t");
    run(&table, "create table {t} (id int) tblproperties ('delta.deletedFileRetentionDuration' = 'interval 0 hours')")
        .await
        .unwrap();
    for id in 0..3 {
        run(&table, &format!("insert into {{t}} values ({id})")).await.unwrap();
    }
    table.optimize(OptimizeOptions::default()).await.unwrap();
    let options = VacuumOptions::default().with_mode(VacuumMode::Lite);
    let listed: Vec<String> = table.vacuum_dry_run(options.clone()).await.unwrap().try_collect().await.unwrap();
    assert_eq!(listed.len(), 3);
    table.vacuum(options.clone()).await.unwrap();
    let newest = table.history(2).await.unwrap();
    assert_eq!(newest[0].operation, TableOperation::VacuumEnd);
    assert_eq!(newest[0].metrics.removed_files(), Some(3));
    assert_eq!(newest[1].metrics.number("numFilesToDelete"), Some(3));
    let listed: Vec<String> = table.vacuum_dry_run(options).await.unwrap().try_collect().await.unwrap();
    assert!(listed.is_empty(), "{listed:?}");
    assert_eq!(ids(&table).await.unwrap(), [0, 1, 2]);
}

#[tokio::test]
async fn detail_describes_the_table_as_a_whole() {
    let client = lake().await;
    let table = scattered(&client, "t").await.unwrap();
    let detail = table.detail().await.unwrap();
    assert_eq!((detail.format.as_str(), detail.num_files), ("delta", 6));
    assert_eq!(detail.partition_columns, ["day"]);
    assert!(detail.name.as_deref().is_some_and(|name| name.starts_with("main.") && name.ends_with(".t")), "{detail:?}");
    assert!(detail.created_at.unwrap() <= detail.last_modified.unwrap());
    assert!(detail.average_file_size().unwrap() > 0 && detail.min_writer_version >= 2);
}

#[tokio::test]
async fn analyze_is_accepted_and_makes_no_version() {
    let client = lake().await;
    let table = scattered(&client, "t").await.unwrap();
    table.analyze(AnalyzeOptions::default()).await.unwrap();
    table.analyze(AnalyzeOptions::default().with_columns(["id", "note"])).await.unwrap();
    assert_eq!(table.history(1).await.unwrap()[0].version, 6);
    let error = table.analyze(AnalyzeOptions::default().with_columns(["nothing"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
}

#[tokio::test]
async fn clones_deep_and_shallow_have_the_rows_of_their_version() {
    let client = lake().await;
    let table = scattered(&client, "t").await.unwrap();
    let (deep, shallow) = (client.table("deep"), client.table("shallow"));
    let options = CloneOptions::default().with_version(3).with_property("owner.team", "it's");
    let report = table.clone_deep(deep.table_ref(), options).await.unwrap();
    assert_eq!((report.source_num_of_files, report.num_copied_files), (3, 3));
    assert_eq!(report.copied_files_size, report.source_table_size);
    let report = table.clone_shallow(shallow.table_ref(), CloneOptions::default()).await.unwrap();
    assert_eq!((report.source_num_of_files, report.num_copied_files), (6, 0));
    run(&table, "delete from {t} where id < 3").await.unwrap();
    assert_eq!(ids(&deep).await.unwrap(), [0, 1, 2]);
    assert_eq!(ids(&shallow).await.unwrap(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(deep.detail().await.unwrap().properties["owner.team"], "it's");

    let error = table.clone_deep(deep.table_ref(), CloneOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error:?}");
    let there = CloneOptions::default().with_mode(CloneMode::CreateIfNotExists);
    assert_eq!(table.clone_deep(deep.table_ref(), there).await.unwrap().num_copied_files, 0);
    let replace = CloneOptions::default().with_mode(CloneMode::CreateOrReplace);
    let report = table.clone_deep(deep.table_ref(), replace).await.unwrap();
    assert_eq!((report.num_removed_files, ids(&deep).await.unwrap()), (3, vec![3, 4, 5]));
    assert_eq!(deep.history(1).await.unwrap()[0].operation, TableOperation::Clone);
    // A shallow clone's files are not its own.
    let error = run(&shallow, "delete from {t} where id = 1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
}

#[tokio::test]
async fn writers_at_work_lose_no_row_to_an_optimize() {
    let client = lake().await;
    let table = scattered(&client, "t").await.unwrap();
    let writers = (10..18).map(|id| {
        let table = table.clone();
        tokio::spawn(
            async move { run(&table, &format!("insert into {{t}} values ({id}, 'w', date '2024-01-01')")).await },
        )
    });
    let writers: Vec<_> = writers.collect();
    let mut compacted = 0;
    for _ in 0..3 {
        match table.optimize(OptimizeOptions::default()).await {
            Ok(report) => compacted += report.num_files_removed,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
        }
    }
    for writer in writers {
        assert_eq!(writer.await.unwrap().unwrap(), 1);
    }
    assert!(compacted >= 6, "{compacted}");
    assert_eq!(ids(&table).await.unwrap(), (0..6).chain(10..18).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_table_that_is_dropped_while_it_is_looked_after_is_not_found() {
    let client = lake().await;
    let table = scattered(&client, "t").await.unwrap();
    let begun = tokio::sync::Notify::new();
    let dropping = async {
        begun.notified().await;
        run(&table, "drop table {t}").await.unwrap();
    };
    let looking = async {
        loop {
            begun.notify_one();
            table.optimize(OptimizeOptions::default().with_z_order(["id"])).await?;
            table.history(None).await?;
            table.detail().await?;
        }
    };
    let (seen, ()): (Result<()>, ()) = tokio::join!(looking, dropping);
    assert_eq!(seen.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_folder_of_parquet_becomes_a_table_and_manifests_are_written() {
    let client = lake().await;
    let warehouse = client.warehouse().clone();
    let source = scattered(&client, "t").await.unwrap();
    let schema = source.table_ref().schema().unwrap().to_owned();
    warehouse.execute(format!("create volume main.{schema}.v")).await.unwrap();
    let folder = format!("/Volumes/main/{schema}/v/days");
    let plain = client.table("plain");
    run(&plain, "create table {t} as select cast(id as int) as id from range(2)").await.unwrap();
    upload(&plain, &format!("{folder}/day=2024-01-01/a.parquet")).await;
    upload(&plain, &format!("{folder}/day=2024-01-02/b.parquet")).await;
    let days = Schema::new(vec![Field::new("day", DataType::Date32, true)]);
    let options = ConvertOptions::default().with_partitions(&days);
    let table = client.convert_to_delta(&folder, options).await.unwrap();
    assert_eq!(ids(&table).await.unwrap(), [0, 0, 1, 1]);
    assert_eq!(table.detail().await.unwrap().partition_columns, ["day"]);
    let born = table.history(None).await.unwrap().remove(0);
    assert_eq!((born.operation, born.metrics.added_files()), (TableOperation::Convert, Some(2)));
    source.generate_manifest().await.unwrap();
    let error = client.convert_to_delta(&format!("{folder}-none"), ConvertOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
}

#[tokio::test]
async fn hostile_names_are_names_and_nothing_else() {
    let client = lake().await;
    let table = client.table("t`; drop table x --".replace(' ', "_"));
    run(&table, "create table {t} (`i``d` int, `a b` string)").await.unwrap();
    run(&table, "insert into {t} values (1, 'x')").await.unwrap();
    let detail = table.detail().await.unwrap();
    assert_eq!(detail.num_files, 1);
    table.analyze(AnalyzeOptions::default().with_columns(["i`d", "a b"])).await.unwrap();
    let copy = client.table("copy`");
    table.clone_deep(copy.table_ref(), CloneOptions::default()).await.unwrap();
    assert_eq!(copy.history(None).await.unwrap().len(), 1);
    assert_eq!(table.restore_to_version(0).await.unwrap().num_of_files_after_restore, 0);
    let missing = client.at(TableRef::new("'; drop table t; --").with_schema("default"));
    assert_eq!(missing.detail().await.unwrap_err().kind(), ErrorKind::NotFound);
}
