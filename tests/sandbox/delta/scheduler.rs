//! The maintenance scheduler over real tables.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use twinhouse_delta::{
    AnalyzePolicy, Finding, MaintenancePolicy, MaintenanceScheduler, MaintenanceTask, OptimizePolicy, Reason, Stop,
    TableOperation, VacuumPolicy,
};

use super::lake::{ids, lake, run};

fn policy() -> MaintenancePolicy {
    MaintenancePolicy::default()
        .with_optimize(OptimizePolicy::default().with_min_files(4))
        .with_vacuum(VacuumPolicy::default())
        .with_analyze(AnalyzePolicy::default())
}

/// A scheduler whose clock is eight days ahead: what was made now is old to it.
fn later() -> MaintenanceScheduler {
    MaintenanceScheduler::new().with_clock(|| Utc::now() + TimeDelta::days(8))
}

#[tokio::test]
async fn a_neglected_table_is_put_right_once_and_a_new_scheduler_knows_it() {
    let client = lake().await;
    let table = client.table("t");
    run(&table, "create table {t} (id int)").await.unwrap();
    for id in 0..5 {
        run(&table, &format!("insert into {{t}} values ({id})")).await.unwrap();
    }
    let gone = client.table("gone");
    let health = later().analyze_table(&table).await.unwrap();
    assert!(health.findings.contains(&Finding::StaleStatistics { writes: 5, never: true }), "{health:?}");

    let scheduler = later().with_table(gone.clone(), policy()).with_table(table.clone(), policy());
    let report = scheduler.run_once().await;
    let tasks = &report.tables[1].tasks;
    assert_eq!(tasks.iter().map(|task| task.task).collect::<Vec<_>>(), {
        [MaintenanceTask::Optimize, MaintenanceTask::Vacuum, MaintenanceTask::Analyze]
    });
    assert!(matches!(tasks[0].reason, Reason::SmallFiles { files: 5, .. }), "{tasks:?}");
    assert_eq!(report.errors().map(|(table, _)| table.name()).collect::<Vec<_>>(), ["gone"]);
    assert_eq!(table.detail().await.unwrap().num_files, 1);
    assert_eq!(ids(&table).await.unwrap(), [0, 1, 2, 3, 4]);

    // Another process, a moment later by the table's own clock.
    let restarted = MaintenanceScheduler::new().with_table(table.clone(), policy());
    assert!(restarted.plan().await[0].1.as_ref().unwrap().is_empty());
    let versions = table.history(1).await.unwrap()[0].version;
    assert!(restarted.run_once().await.tables[0].tasks.is_empty());
    assert_eq!(table.history(1).await.unwrap()[0].version, versions);
    let health = restarted.analyze_table(&table).await.unwrap();
    assert!(health.is_healthy(), "{health:?}");
    assert!(health.last_optimize.is_some() && health.last_vacuum.is_some() && health.last_analyze.is_some());
}

#[tokio::test]
async fn two_schedulers_at_once_do_no_harm() {
    let client = lake().await;
    let mut tables = Vec::new();
    for name in ["a", "b", "c"] {
        let table = client.table(name);
        run(&table, "create table {t} (id int)").await.unwrap();
        for id in 0..4 {
            run(&table, &format!("insert into {{t}} values ({id})")).await.unwrap();
        }
        tables.push(table);
    }
    let with_all = |scheduler: MaintenanceScheduler| {
        tables.iter().fold(scheduler, |scheduler, table| scheduler.with_table(table.clone(), policy()))
    };
    let (one, other) = (with_all(later()), with_all(later()));
    let (one, other) = tokio::join!(one.run_once(), other.run_once());
    assert_eq!((one.errors().count(), other.errors().count()), (0, 0), "{one:?} {other:?}");
    for table in &tables {
        assert_eq!(ids(table).await.unwrap(), [0, 1, 2, 3]);
        assert_eq!(table.detail().await.unwrap().num_files, 1);
        let optimized = table.history(None).await.unwrap();
        let optimized = optimized.iter().filter(|entry| entry.operation == TableOperation::Optimize).count();
        assert_eq!(optimized, 1);
    }
}

#[tokio::test]
async fn in_the_background_it_runs_until_it_is_stopped() {
    let client = lake().await;
    let table = client.table("t");
    run(&table, "create table {t} as select cast(id as int) as id from range(3)").await.unwrap();
    let mut handle = later().with_table(table.clone(), policy()).start(Duration::from_secs(3600));
    let report = handle.next_report().await.unwrap();
    assert_eq!(report.done(MaintenanceTask::Vacuum), 1);
    let last = handle.stop(Stop::Finish).await.unwrap();
    assert_eq!(last.started, report.started);
}
