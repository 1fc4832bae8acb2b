//! Maintenance of tables: the statements that are sent, and what is read from their answers.

use std::{sync::Arc, time::Duration};

use chrono::DateTime;
use futures::TryStreamExt as _;
use twinhouse_core::ErrorKind;
use twinhouse_delta::{
    AnalyzeOptions, CloneMode, CloneOptions, ConvertOptions, DeltaClient, DeltaTable, OptimizeOptions, TableOperation,
    VacuumMode, VacuumOptions,
};
use twinhouse_testkit::{Reply, ScriptedWarehouse, Sql};
use twinhouse_warehouse_api::{
    DatabricksDialect, Dialect as _, Expression, TableRef,
    arrow::{
        array::{
            ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, ListBuilder, MapBuilder, RecordBatch,
            StringArray, StringBuilder, StructArray, TimestampMicrosecondArray,
        },
        datatypes::{DataType, Field, Schema},
    },
};

const NAME: &str = "`main`.`s`.`o``rders`";

fn orders(warehouse: &ScriptedWarehouse) -> DeltaTable {
    let client = DeltaClient::new(Arc::new(warehouse.clone())).unwrap();
    client.at(TableRef::new("o`rders").with_schema("s").with_catalog("main"))
}

fn sent(warehouse: &ScriptedWarehouse) -> Vec<String> {
    warehouse.statements().iter().map(|statement| statement.sql().to_owned()).collect()
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn numbers(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn moments(micros: &[i64]) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(micros.to_vec()).with_timezone("UTC"))
}

fn map(pairs: &[(&str, &str)], rows: usize) -> ArrayRef {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for _ in 0..rows {
        for (key, value) in pairs {
            builder.keys().append_value(key);
            builder.values().append_value(value);
        }
        builder.append(true).unwrap();
    }
    Arc::new(builder.finish())
}

fn list(values: &[&str]) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    values.iter().for_each(|value| builder.values().append_value(value));
    builder.append(true);
    Arc::new(builder.finish())
}

fn structure(fields: Vec<(&str, ArrayRef)>) -> ArrayRef {
    Arc::new(StructArray::from(batch(fields)))
}

fn optimized() -> RecordBatch {
    let sizes = |files: i64| {
        structure(vec![
            ("min", numbers(&[(files > 0).then_some(10)])),
            ("max", numbers(&[(files > 0).then_some(30)])),
            ("avg", Arc::new(Float64Array::from(vec![20.0])) as ArrayRef),
            ("totalFiles", numbers(&[Some(files)])),
            ("totalSize", numbers(&[Some(20 * files)])),
        ])
    };
    let metrics = structure(vec![
        ("numFilesAdded", numbers(&[Some(1)])),
        ("numFilesRemoved", numbers(&[Some(3)])),
        ("filesAdded", sizes(0)),
        ("filesRemoved", sizes(3)),
        ("partitionsOptimized", numbers(&[Some(0)])),
        ("zOrderStats", structure(vec![("strategyName", texts(&[Some("all")]))])),
        ("totalScheduledTasks", numbers(&[Some(7)])),
    ]);
    batch(vec![("path", texts(&[Some("dbfs:/t")])), ("metrics", metrics)])
}

#[tokio::test]
async fn optimize_quotes_names_inlines_values_and_reads_the_servers_metrics() {
    let warehouse = ScriptedWarehouse::new();
    warehouse.always(Sql::contains("OPTIMIZE"), Reply::rows(optimized()));
    let filter = Expression::new("day >= :since").bind("since", "it's");
    let options = OptimizeOptions::default().with_filter(filter).with_z_order(["a`b", "c"]);
    let report = orders(&warehouse).optimize(options).await.unwrap();
    orders(&warehouse).optimize(OptimizeOptions::default().with_full(true)).await.unwrap();
    let noted = OptimizeOptions::default().with_filter("day = 1 -- Monday").with_z_order(["c"]);
    orders(&warehouse).optimize(noted).await.unwrap();
    assert_eq!(
        sent(&warehouse),
        [
            format!(r"OPTIMIZE {NAME} WHERE day >= 'it\'s' ZORDER BY (`a``b`, `c`)"),
            format!("OPTIMIZE {NAME} FULL"),
            format!("OPTIMIZE {NAME} WHERE \nday = 1 -- Monday\n ZORDER BY (`c`)"),
        ]
    );
    let nothing = orders(&warehouse).optimize(OptimizeOptions::default().with_filter(" ")).await.unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::InvalidInput);
    assert_eq!((report.num_files_added, report.num_files_removed), (1, 3));
    assert_eq!((report.files_removed.min, report.files_removed.total_size), (Some(10), 60));
    assert_eq!((report.files_added.min, report.files_added.max), (None, None));
    assert_eq!(report.z_order_stats.unwrap()["strategyName"], "all");
    assert_eq!(report.extra["totalScheduledTasks"], 7);
}

#[tokio::test]
async fn what_the_server_would_refuse_anyway_is_not_sent() {
    let warehouse = ScriptedWarehouse::new();
    let table = orders(&warehouse);
    let both = OptimizeOptions::default().with_full(true).with_z_order(["a"]);
    assert_eq!(table.optimize(both).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let minutes = VacuumOptions::default().with_retain(Duration::from_secs(90 * 60));
    assert_eq!(table.vacuum(minutes).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let none = AnalyzeOptions::default().with_columns(Vec::<String>::new());
    assert_eq!(table.analyze(none).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let twice = CloneOptions::default().with_version(1).with_timestamp(DateTime::UNIX_EPOCH);
    let target = TableRef::new("t");
    assert_eq!(table.clone_deep(&target, twice).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let nul = OptimizeOptions::default().with_z_order(["a\0"]);
    assert_eq!(table.optimize(nul).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(sent(&warehouse).is_empty());
}

#[tokio::test]
async fn vacuum_says_what_to_keep_and_a_dry_run_lists_files() {
    let warehouse = ScriptedWarehouse::new();
    let files = |paths: &[Option<&str>]| Reply::rows(batch(vec![("path", texts(paths))]));
    warehouse.once(Sql::contains("RETAIN 240 HOURS DRY RUN"), files(&[Some("a.parquet"), Some("b.parquet")]));
    warehouse.once(Sql::contains("DRY RUN"), files(&[Some("")]));
    warehouse.once(Sql::contains("VACUUM"), files(&[Some("dbfs:/t")]));
    let table = orders(&warehouse);
    let ten_days = VacuumOptions::default().with_retain(Duration::from_secs(240 * 3600));
    let listed: Vec<_> = table.vacuum_dry_run(ten_days).await.unwrap().try_collect().await.unwrap();
    assert_eq!(listed, ["a.parquet", "b.parquet"]);
    let listed: Vec<_> = table.vacuum_dry_run(VacuumOptions::default()).await.unwrap().try_collect().await.unwrap();
    assert_eq!(listed, Vec::<String>::new());
    table.vacuum(VacuumOptions::default().with_mode(VacuumMode::Lite)).await.unwrap();
    assert_eq!(
        sent(&warehouse),
        [
            format!("VACUUM {NAME} RETAIN 240 HOURS DRY RUN"),
            format!("VACUUM {NAME} DRY RUN"),
            format!("VACUUM {NAME} LITE")
        ]
    );
}

#[tokio::test]
async fn analyze_names_its_columns() {
    let warehouse = ScriptedWarehouse::new();
    warehouse.always(Sql::any(), Reply::affected(0));
    let table = orders(&warehouse);
    table.analyze(AnalyzeOptions::default()).await.unwrap();
    table.analyze(AnalyzeOptions::default().with_columns(["a", "b c"])).await.unwrap();
    assert_eq!(
        sent(&warehouse),
        [
            format!("ANALYZE TABLE {NAME} COMPUTE STATISTICS"),
            format!("ANALYZE TABLE {NAME} COMPUTE STATISTICS FOR COLUMNS `a`, `b c`")
        ]
    );
}

#[tokio::test]
async fn history_is_typed_and_keeps_what_it_does_not_know() {
    let warehouse = ScriptedWarehouse::new();
    let rows = batch(vec![
        ("version", numbers(&[Some(4), Some(3)])),
        ("timestamp", moments(&[1_700_000_000_123_000, 1_600_000_000_000_000])),
        ("userId", texts(&[None, Some("17")])),
        ("userName", texts(&[Some("ann"), None])),
        ("operation", texts(&[Some("MERGE"), Some("TELEPORT")])),
        ("operationParameters", map(&[("predicate", "[]")], 2)),
        ("clusterId", texts(&[Some("c-1"), None])),
        ("readVersion", numbers(&[Some(3), None])),
        ("isolationLevel", texts(&[Some("WriteSerializable"), None])),
        ("isBlindAppend", Arc::new(BooleanArray::from(vec![Some(false), None]))),
        ("operationMetrics", map(&[("numTargetRowsInserted", "5"), ("numTargetRowsUpdated", "2")], 2)),
    ]);
    warehouse.once(Sql::contains("DESCRIBE HISTORY"), Reply::rows(rows));
    let history = orders(&warehouse).history(2).await.unwrap();
    assert_eq!(sent(&warehouse), [format!("DESCRIBE HISTORY {NAME} LIMIT 2")]);
    let [newest, older] = history.as_slice() else { panic!("{history:?}") };
    assert_eq!((newest.version, newest.read_version), (4, Some(3)));
    assert_eq!(newest.timestamp.timestamp_micros(), 1_700_000_000_123_000);
    assert_eq!((newest.operation.clone(), newest.is_blind_append), (TableOperation::Merge, Some(false)));
    assert_eq!((newest.metrics.inserted_rows(), newest.metrics.updated_rows()), (Some(5), Some(2)));
    assert_eq!(newest.parameters["predicate"], "[]");
    assert_eq!(newest.extra["clusterId"], "c-1");
    assert_eq!(older.operation, TableOperation::Other("TELEPORT".to_owned()));
    assert_eq!((older.user_id.as_deref(), older.user_name.as_deref()), (Some("17"), None));
}

#[tokio::test]
async fn detail_is_typed_and_keeps_what_it_does_not_know() {
    let warehouse = ScriptedWarehouse::new();
    let rows = batch(vec![
        ("format", texts(&[Some("delta")])),
        ("id", texts(&[Some("0-1")])),
        ("name", texts(&[Some("main.s.orders")])),
        ("description", texts(&[None])),
        ("createdAt", moments(&[1_600_000_000_000_000])),
        ("partitionColumns", list(&["day"])),
        ("clusteringColumns", list(&[])),
        ("numFiles", numbers(&[Some(4)])),
        ("sizeInBytes", numbers(&[Some(100)])),
        ("properties", map(&[("delta.appendOnly", "true")], 1)),
        ("minReaderVersion", Arc::new(Int32Array::from(vec![3]))),
        ("tableFeatures", list(&["appendOnly"])),
        ("statistics", map(&[("numRows", "7")], 1)),
    ]);
    warehouse.once(Sql::contains("DESCRIBE DETAIL"), Reply::rows(rows));
    let detail = orders(&warehouse).detail().await.unwrap();
    assert_eq!((detail.num_files, detail.average_file_size()), (4, Some(25)));
    assert_eq!(detail.created_at.unwrap().timestamp(), 1_600_000_000);
    assert_eq!((detail.partition_columns, detail.description), (vec!["day".to_owned()], None));
    assert_eq!((detail.properties["delta.appendOnly"].as_str(), detail.min_reader_version), ("true", 3));
    assert_eq!(detail.extra["statistics"]["numRows"], "7");
}

#[tokio::test]
async fn restore_and_clone_write_moments_as_literals() {
    let warehouse = ScriptedWarehouse::new();
    let restored = batch(vec![("num_restored_files", numbers(&[Some(2)])), ("removed_files_size", numbers(&[None]))]);
    warehouse.always(Sql::contains("RESTORE"), Reply::rows(restored));
    warehouse.always(Sql::contains("CLONE"), Reply::rows(batch(vec![("num_copied_files", numbers(&[Some(3)]))])));
    let table = orders(&warehouse);
    let moment = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
    assert_eq!(table.restore_to_version(7).await.unwrap().num_restored_files, 2);
    assert_eq!(table.restore_to_timestamp(moment).await.unwrap().removed_files_size, 0);
    let target = TableRef::new("copy").with_schema("s");
    let options = CloneOptions::default()
        .with_mode(CloneMode::CreateOrReplace)
        .with_timestamp(moment)
        .with_property("a.b", "it's");
    assert_eq!(table.clone_deep(&target, options).await.unwrap().num_copied_files, 3);
    let options = CloneOptions::default().with_mode(CloneMode::CreateIfNotExists).with_version(2);
    table.clone_shallow(&target, options).await.unwrap();
    assert_eq!(
        sent(&warehouse),
        [
            format!("RESTORE TABLE {NAME} TO VERSION AS OF 7"),
            format!("RESTORE TABLE {NAME} TO TIMESTAMP AS OF '2023-11-14T22:13:20.123456Z'"),
            format!(
                "CREATE OR REPLACE TABLE `s`.`copy` DEEP CLONE {NAME} \
                 TIMESTAMP AS OF '2023-11-14T22:13:20.123456Z' TBLPROPERTIES ('a.b' = 'it\\'s')"
            ),
            format!("CREATE TABLE IF NOT EXISTS `s`.`copy` SHALLOW CLONE {NAME} VERSION AS OF 2"),
        ]
    );
}

#[tokio::test]
async fn a_converted_folder_is_a_table_by_its_path() {
    let warehouse = ScriptedWarehouse::new();
    warehouse.always(Sql::any(), Reply::affected(0));
    let client = DeltaClient::new(Arc::new(warehouse.clone())).unwrap();
    let partitions = Schema::new(vec![Field::new("day", DataType::Date32, true)]);
    let options = ConvertOptions::default().with_partitions(&partitions).with_no_statistics(true);
    let table = client.convert_to_delta("/Volumes/main/s/v/d", options).await.unwrap();
    table.generate_manifest().await.unwrap();
    assert_eq!(
        sent(&warehouse),
        [
            "CONVERT TO DELTA `parquet`.`/Volumes/main/s/v/d` NO STATISTICS PARTITIONED BY (`day` DATE)",
            "GENERATE symlink_format_manifest FOR TABLE `delta`.`/Volumes/main/s/v/d`",
        ]
    );
}

#[tokio::test]
async fn an_answer_of_another_shape_is_a_data_error_and_no_answer_a_protocol_error() {
    let warehouse = ScriptedWarehouse::new();
    let odd = batch(vec![("numFiles", texts(&[Some("many")]))]);
    warehouse.once(Sql::any(), Reply::rows(odd.clone()));
    warehouse.once(Sql::any(), Reply::batches(odd.schema(), Vec::new()));
    assert_eq!(orders(&warehouse).detail().await.unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(orders(&warehouse).detail().await.unwrap_err().kind(), ErrorKind::Protocol);
}

proptest::proptest! {
    #[test]
    fn hostile_names_and_values_stay_inside_their_quotes(name in "[^\0]{1,40}", value in "[^\0]{0,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // The warehouse finds every quote that is not closed and every marker that stands outside of one.
        let warehouse = ScriptedWarehouse::new();
        warehouse.always(Sql::contains("OPTIMIZE"), Reply::rows(optimized()));
        warehouse.always(Sql::any(), Reply::affected(0));
        let table = DeltaClient::new(Arc::new(warehouse.clone())).unwrap().with_schema(&name).table(&name);
        runtime.block_on(async {
            let filter = Expression::new("p = :p").bind("p", value.as_str());
            let options = OptimizeOptions::default().with_filter(filter).with_z_order([&name]);
            table.optimize(options).await.unwrap();
            table.analyze(AnalyzeOptions::default().with_columns([&name])).await.unwrap();
            let options = CloneOptions::default().with_property(&name, &value);
            table.clone_deep(&TableRef::new(&name), options).await.unwrap();
            table.vacuum(VacuumOptions::default()).await.unwrap();
        });
        let quoted = DatabricksDialect.quote(&name).unwrap();
        let [name, value] = [&name, &value].map(|text| DatabricksDialect.string(text).unwrap());
        proptest::prop_assert_eq!(sent(&warehouse), [
            format!("OPTIMIZE {quoted}.{quoted} WHERE p = {value} ZORDER BY ({quoted})"),
            format!("ANALYZE TABLE {quoted}.{quoted} COMPUTE STATISTICS FOR COLUMNS {quoted}"),
            format!("CREATE TABLE {quoted} DEEP CLONE {quoted}.{quoted} TBLPROPERTIES ({name} = {value})"),
            format!("VACUUM {quoted}.{quoted}"),
        ]);
    }
}
