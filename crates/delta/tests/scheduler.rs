//! The maintenance scheduler over a scripted warehouse, on tokio's paused clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use twinhouse_core::{Error, ErrorKind};
use twinhouse_delta::{
    AnalyzePolicy, DeltaClient, DeltaTable, Finding, HealthThresholds, MaintenancePolicy, MaintenanceScheduler,
    MaintenanceTask, OptimizePolicy, Reason, Stop, TaskOutcome, VacuumPolicy,
};
use twinhouse_testkit::{Reply, ScriptedWarehouse, Sql};
use twinhouse_warehouse_api::arrow::array::{
    ArrayRef, Int64Array, MapBuilder, RecordBatch, StringArray, StringBuilder, StructArray, TimestampMicrosecondArray,
};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn maps(rows: &[&[(&str, String)]]) -> ArrayRef {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for row in rows {
        for (key, value) in *row {
            builder.keys().append_value(key);
            builder.values().append_value(value);
        }
        builder.append(true).unwrap();
    }
    Arc::new(builder.finish())
}

fn moments(seconds: impl IntoIterator<Item = i64>) -> ArrayRef {
    let micros = seconds.into_iter().map(|seconds| seconds * 1_000_000).collect::<Vec<_>>();
    Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC"))
}

/// Operations and how many seconds ago they were, newest first.
fn history(entries: &[(&str, i64)]) -> Reply {
    let newest = entries.len() as i64 - 1;
    let sizes = [("maxFileSize", "1000".to_owned()), ("p50FileSize", "10".to_owned())];
    Reply::rows(batch(vec![
        ("version", Arc::new(Int64Array::from_iter_values((0..=newest).rev()))),
        ("timestamp", moments(entries.iter().map(|(_, ago)| now().timestamp() - ago))),
        ("operation", Arc::new(StringArray::from_iter_values(entries.iter().map(|(operation, _)| *operation)))),
        ("operationMetrics", maps(&vec![&sizes[..]; entries.len()])),
    ]))
}

fn detail(files: i64, bytes: i64, properties: &[(&str, String)]) -> Reply {
    Reply::rows(batch(vec![
        ("numFiles", Arc::new(Int64Array::from(vec![files])) as ArrayRef),
        ("sizeInBytes", Arc::new(Int64Array::from(vec![bytes]))),
        ("createdAt", moments([now().timestamp() - 30 * DAY])),
        ("properties", maps(&[properties])),
    ]))
}

fn optimized(added: i64, removed: i64) -> Reply {
    let metrics = batch(vec![
        ("numFilesAdded", Arc::new(Int64Array::from(vec![added])) as ArrayRef),
        ("numFilesRemoved", Arc::new(Int64Array::from(vec![removed]))),
    ]);
    let path = Arc::new(StringArray::from(vec!["dbfs:/t"]));
    Reply::rows(batch(vec![("path", path as ArrayRef), ("metrics", Arc::new(StructArray::from(metrics)))]))
}

fn vacuumed() -> Reply {
    Reply::rows(batch(vec![("path", Arc::new(StringArray::from(vec!["dbfs:/t"])) as ArrayRef)]))
}

fn table(warehouse: &ScriptedWarehouse, name: &str) -> DeltaTable {
    DeltaClient::new(Arc::new(warehouse.clone())).unwrap().table(name)
}

fn scheduler() -> MaintenanceScheduler {
    MaintenanceScheduler::new().with_clock(now)
}

/// What changed anything, in order.
fn changes(warehouse: &ScriptedWarehouse) -> Vec<String> {
    let sent = warehouse.statements();
    let changing = sent.iter().map(|statement| statement.sql().to_owned()).filter(|sql| !sql.starts_with("DESCRIBE"));
    changing.collect()
}

/// A table with many small files that was never vacuumed.
fn neglected(warehouse: &ScriptedWarehouse, name: &str) {
    warehouse.always(Sql::contains(format!("DETAIL `{name}`").as_str()), detail(100, 1000, &[]));
    let log = [("WRITE", HOUR), ("CREATE TABLE", 30 * DAY)];
    warehouse.always(Sql::contains(format!("HISTORY `{name}`").as_str()), history(&log));
}

#[tokio::test(start_paused = true)]
async fn a_run_does_what_is_due_in_order_and_reports_why() {
    let warehouse = ScriptedWarehouse::new();
    neglected(&warehouse, "t");
    warehouse.once(Sql::contains("OPTIMIZE"), optimized(1, 100));
    warehouse.once(Sql::contains("VACUUM"), vacuumed());
    warehouse.once(Sql::contains("ANALYZE"), Reply::affected(0));
    warehouse.once(Sql::contains("ALTER"), Reply::affected(0));
    let policy = MaintenancePolicy::default()
        .with_optimize(OptimizePolicy::default().with_z_order(["day"]))
        .with_vacuum(VacuumPolicy::default().with_retain(Duration::from_secs(200 * 3600)))
        .with_analyze(AnalyzePolicy::default());
    let report = scheduler().with_table(table(&warehouse, "t"), policy).run_once().await;
    assert_eq!(
        changes(&warehouse),
        [
            "OPTIMIZE `t` ZORDER BY (`day`)",
            "VACUUM `t` RETAIN 200 HOURS",
            "ANALYZE TABLE `t` COMPUTE STATISTICS",
            "ALTER TABLE `t` SET TBLPROPERTIES ('twinhouse.analyzed' = '1@2023-11-14T22:13:20Z')",
        ]
    );
    let [done] = report.tables.as_slice() else { panic!("{report:?}") };
    let reasons: Vec<_> = done.tasks.iter().map(|task| task.reason.clone()).collect();
    assert_eq!(reasons, [Reason::SmallFiles { files: 100, average: 10 }, Reason::Never, Reason::Never]);
    assert_eq!((report.errors().count(), report.interrupted, report.started), (0, false, now()));
    assert_eq!(report.done(MaintenanceTask::Vacuum), 1);
}

#[tokio::test(start_paused = true)]
async fn a_restart_forgets_nothing_because_the_table_remembers() {
    let warehouse = ScriptedWarehouse::new();
    let noted = [("twinhouse.analyzed", "2@2023-11-14T20:00:00Z".to_owned())];
    warehouse.always(Sql::contains("DETAIL"), detail(100, 1000, &noted));
    let log = [("VACUUM END", HOUR), ("OPTIMIZE", 2 * HOUR), ("WRITE", 3 * HOUR), ("CREATE TABLE", 30 * DAY)];
    warehouse.always(Sql::contains("HISTORY"), history(&log));
    let policy = MaintenancePolicy::default().with_analyze(AnalyzePolicy::default());
    // Each one is new and knows nothing of the others.
    for _ in 0..3 {
        let report = scheduler().with_table(table(&warehouse, "t"), policy.clone()).run_once().await;
        assert!(report.tables[0].tasks.is_empty(), "{report:?}");
    }
    assert_eq!(changes(&warehouse), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_table_that_fails_does_not_stop_the_others() {
    let warehouse = ScriptedWarehouse::new();
    warehouse.always(Sql::contains("`gone`"), Reply::error(Error::new(ErrorKind::NotFound, "no such table")));
    for name in ["broken", "fine"] {
        neglected(&warehouse, name);
    }
    warehouse.once("OPTIMIZE `broken`", Reply::error(Error::new(ErrorKind::PermissionDenied, "no")));
    warehouse.always(Sql::contains("OPTIMIZE"), optimized(1, 100));
    warehouse.always(Sql::contains("VACUUM"), vacuumed());
    let mut scheduler = scheduler();
    for name in ["gone", "broken", "fine"] {
        scheduler = scheduler.with_table(table(&warehouse, name), MaintenancePolicy::default());
    }
    let report = scheduler.run_once().await;
    let failed: Vec<_> = report.errors().map(|(table, error)| (table.to_string(), error.kind())).collect();
    assert_eq!(failed, [("gone".to_owned(), ErrorKind::NotFound), ("broken".to_owned(), ErrorKind::PermissionDenied)]);
    assert_eq!((report.done(MaintenanceTask::Optimize), report.done(MaintenanceTask::Vacuum)), (1, 2));
    assert_eq!(report.tables[2].tasks.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_another_scheduler_has_done_meanwhile_is_not_done_again() {
    let warehouse = ScriptedWarehouse::new();
    warehouse.always(Sql::contains("DETAIL"), detail(100, 1000, &[]));
    warehouse.once(Sql::contains("HISTORY"), history(&[("WRITE", HOUR), ("CREATE TABLE", 30 * DAY)]));
    let after = [("VACUUM END", 1), ("OPTIMIZE", 60), ("WRITE", HOUR), ("CREATE TABLE", 30 * DAY)];
    warehouse.always(Sql::contains("HISTORY"), history(&after));
    let lost = Error::new(ErrorKind::Conflict, "files were deleted by a concurrent update");
    warehouse.once(Sql::contains("OPTIMIZE"), Reply::error(lost));
    let report = scheduler().with_table(table(&warehouse, "t"), MaintenancePolicy::default()).run_once().await;
    assert_eq!(changes(&warehouse), ["OPTIMIZE `t`"]);
    assert!(matches!(report.tables[0].tasks[0].outcome, TaskOutcome::Conflict(_)));
    assert_eq!(report.errors().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_more_tables_are_worked_on_at_once_than_allowed() {
    let warehouse = ScriptedWarehouse::new();
    let mut scheduler = scheduler().with_concurrency(3);
    for index in 0..10 {
        let name = format!("t{index}");
        neglected(&warehouse, &name);
        scheduler = scheduler.with_table(table(&warehouse, &name), MaintenancePolicy::default().with_vacuum(None));
    }
    warehouse.always(Sql::contains("OPTIMIZE"), optimized(1, 100).after(Duration::from_secs(60)));
    let most = AtomicUsize::new(0);
    let watched = async {
        loop {
            most.fetch_max(warehouse.running().len(), Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let report = tokio::select! { report = scheduler.run_once() => report, () = watched => unreachable!() };
    assert_eq!((report.done(MaintenanceTask::Optimize), most.into_inner()), (10, 3));
    // Four turns of a minute each.
    assert!(report.elapsed >= Duration::from_secs(240), "{:?}", report.elapsed);
}

#[tokio::test(start_paused = true)]
async fn an_optimize_that_found_nothing_is_not_asked_again_until_rows_come() {
    let warehouse = ScriptedWarehouse::new();
    neglected(&warehouse, "t");
    warehouse.always(Sql::contains("OPTIMIZE"), optimized(0, 0));
    let policy = MaintenancePolicy::default().with_vacuum(None);
    let scheduler = scheduler().with_table(table(&warehouse, "t"), policy);
    scheduler.run_once().await;
    scheduler.run_once().await;
    assert_eq!(changes(&warehouse).len(), 1);
    assert!(scheduler.plan().await[0].1.as_ref().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_long_history_is_read_to_its_end_only_if_the_beginning_does_not_settle_it() {
    let looks = async |newest: &[(&str, i64)]| {
        let warehouse = ScriptedWarehouse::new();
        warehouse.always(Sql::contains("DETAIL"), detail(2, 1 << 40, &[]));
        warehouse.always(Sql::contains("LIMIT 200"), history(newest));
        let mut all = newest.to_vec();
        all.push(("VACUUM END", 2 * HOUR));
        warehouse.always(Sql::contains("HISTORY"), history(&all));
        let plan = scheduler().with_table(table(&warehouse, "t"), MaintenancePolicy::default()).plan().await;
        assert!(plan[0].1.as_ref().unwrap().is_empty(), "{plan:?}");
        warehouse.statements().iter().filter(|statement| statement.sql().contains("HISTORY")).count()
    };
    let mut busy = vec![("WRITE", 60); 200];
    assert_eq!(looks(&busy).await, 2);
    busy[100] = ("VACUUM END", 60);
    assert_eq!(looks(&busy).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_background_scheduler_runs_by_its_interval_and_stops_between_runs() {
    let warehouse = ScriptedWarehouse::new();
    warehouse.always(Sql::contains("DETAIL"), detail(1, 1, &[]));
    warehouse.always(Sql::contains("HISTORY"), history(&[("VACUUM END", HOUR), ("WRITE", DAY)]));
    let scheduler = scheduler().with_table(table(&warehouse, "t"), MaintenancePolicy::default());
    let begun = tokio::time::Instant::now();
    let mut handle = scheduler.start(Duration::from_secs(600));
    for _ in 0..3 {
        assert!(!handle.next_report().await.unwrap().interrupted);
    }
    assert_eq!(begun.elapsed().as_secs(), 1200);
    let last = handle.stop(Stop::Finish).await.unwrap();
    assert_eq!(last.tables.len(), 1);
    let sent = warehouse.statements().len();
    tokio::time::sleep(Duration::from_secs(6000)).await;
    assert_eq!(warehouse.statements().len(), sent);
}

/// A scheduler over two tables, one at a time, in the middle of the first OPTIMIZE.
async fn in_the_middle(warehouse: &ScriptedWarehouse) -> twinhouse_delta::MaintenanceHandle {
    let mut scheduler = scheduler().with_concurrency(1);
    for name in ["a", "b"] {
        neglected(warehouse, name);
        scheduler = scheduler.with_table(table(warehouse, name), MaintenancePolicy::default());
    }
    warehouse.always(Sql::contains("OPTIMIZE"), optimized(1, 100).after(Duration::from_secs(60)));
    warehouse.always(Sql::contains("VACUUM"), vacuumed());
    let handle = scheduler.start(Duration::from_secs(3600));
    while warehouse.running().is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    handle
}

#[tokio::test(start_paused = true)]
async fn stopping_gracefully_finishes_the_statement_at_work_and_begins_no_other() {
    let warehouse = ScriptedWarehouse::new();
    let handle = in_the_middle(&warehouse).await;
    let report = handle.stop(Stop::Finish).await.unwrap();
    assert!(report.interrupted);
    assert_eq!((report.tables.len(), report.done(MaintenanceTask::Optimize)), (1, 1));
    assert_eq!(changes(&warehouse), ["OPTIMIZE `a`"]);
    assert!(warehouse.cancelled().is_empty());
}

#[tokio::test(start_paused = true)]
async fn stopping_at_once_cancels_the_statement_at_work_on_the_server() {
    let warehouse = ScriptedWarehouse::new();
    let handle = in_the_middle(&warehouse).await;
    let report = handle.stop(Stop::Cancel).await.unwrap();
    assert!(report.interrupted && report.tables.is_empty(), "{report:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(warehouse.cancelled().len(), 1);
    assert!(warehouse.running().is_empty());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_handle_cancels_too() {
    let warehouse = ScriptedWarehouse::new();
    drop(in_the_middle(&warehouse).await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((warehouse.cancelled().len(), warehouse.running().len()), (1, 0));
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert_eq!(changes(&warehouse), ["OPTIMIZE `a`"]);
}

#[tokio::test(start_paused = true)]
async fn a_verdict_names_everything_that_is_wrong_and_nothing_else() {
    let warehouse = ScriptedWarehouse::new();
    warehouse.once(Sql::contains("DETAIL"), detail(100, 1000, &[]));
    let mut log = vec![("WRITE", HOUR); 12];
    log.extend([("OPTIMIZE", 20 * DAY), ("CREATE TABLE", 30 * DAY)]);
    warehouse.once(Sql::contains("HISTORY"), history(&log));
    let thresholds = HealthThresholds::default().with_versions(14).with_writes(12);
    let health = scheduler().with_thresholds(thresholds).analyze_table(&table(&warehouse, "t")).await.unwrap();
    assert_eq!(
        health.findings,
        [
            Finding::SmallFiles { files: 100, average: 10 },
            Finding::ManyWrites { writes: 12 },
            Finding::Skew { largest: 1000, median: 10 },
            Finding::NotVacuumed { age: Duration::from_secs(30 * DAY as u64), never: true },
            Finding::StaleStatistics { writes: 12, never: true },
            Finding::ManyVersions { versions: 14 },
        ]
    );
    assert!(health.needs_optimize() && health.needs_vacuum() && health.needs_analyze());
    assert_eq!(health.version, 13);

    let noted = [("twinhouse.analyzed", "3@2023-11-14T20:00:00Z".to_owned())];
    warehouse.once(Sql::contains("DETAIL"), detail(4, 4 << 30, &noted));
    let log = [("VACUUM END", DAY), ("SET TBLPROPERTIES", DAY), ("WRITE", DAY), ("CREATE TABLE", 30 * DAY)];
    warehouse.once(Sql::contains("HISTORY"), history(&log));
    let health = scheduler().analyze_table(&table(&warehouse, "t")).await.unwrap();
    assert!(health.is_healthy(), "{health:?}");
}
