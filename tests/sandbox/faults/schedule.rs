//! Schedules as files: whatever can be scheduled can be written, and the same schedule gives the same outcome.

use std::time::Duration;

use proptest::{option, prelude::*};
use twinhouse_sandbox::{FaultKind, FaultRule, FaultSchedule, Front, When};
use twinhouse_warehouse_api::WarehouseExt as _;

use super::Ground;
use crate::fixtures::soon;

fn wait() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..100u64).prop_map(Duration::from_secs),
        (0..100_000u64).prop_map(Duration::from_millis),
        (any::<u64>(), 0..1_000_000_000u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos)),
    ]
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![Just(When::Before), Just(When::After)]
}

fn kind() -> impl Strategy<Value = FaultKind> {
    prop_oneof![
        option::of(wait()).prop_map(|retry_after| FaultKind::Throttled { retry_after }),
        (when(), option::of(wait())).prop_map(|(when, retry_after)| FaultKind::Unavailable { when, retry_after }),
        when().prop_map(|when| FaultKind::Reset { when }),
        wait().prop_map(|pause| FaultKind::Slow { pause }),
        wait().prop_map(|after| FaultKind::EarlyLink { after }),
        wait().prop_map(|pause| FaultKind::WarehouseStarting { pause }),
        prop::sample::select(vec![
            FaultKind::Truncated,
            FaultKind::WrongLength,
            FaultKind::TruncatedArrow,
            FaultKind::ExpiredLink,
            FaultKind::TokenRevoked,
            FaultKind::CredentialExpired,
            FaultKind::JobStuck,
            FaultKind::DiskFull,
            FaultKind::DropIdle,
            FaultKind::KillBackend,
            FaultKind::SerializationConflict,
        ]),
    ]
}

prop_compose! {
    fn rule()(
        kind in kind(),
        front in prop::sample::select(vec![Front::Databricks, Front::Redshift, Front::S3, Front::Aws]),
        method in option::of(any::<String>()),
        path in option::of(any::<String>()),
        sql in option::of(any::<String>()),
        first in prop_oneof![1..10u64, Just(i64::MAX as u64)],
        times in prop_oneof![0..10u64, Just(u64::MAX)],
        chance in option::of((0.0..=1.0f64, any::<u32>())),
    ) -> FaultRule {
        let mut rule = FaultRule::new(front, kind).on_call(first).times(times);
        if let Some(method) = method {
            rule = rule.with_method(method);
        }
        if let Some(path) = path {
            rule = rule.with_path(path);
        }
        if let Some(sql) = sql {
            rule = rule.with_sql(sql);
        }
        match chance {
            Some((of, seed)) => rule.with_chance(of, seed),
            None => rule,
        }
    }
}

proptest! {
    #[test]
    fn what_can_be_scheduled_can_be_written_and_is_read_back_as_it_was(rules in prop::collection::vec(rule(), 0..4)) {
        // A rule that its front cannot follow is refused here as it is there.
        let faults = twinhouse_sandbox::Faults::default();
        let rules: Vec<_> = rules.into_iter().filter(|rule| faults.schedule(rule.clone()).is_ok()).collect();
        let schedule = FaultSchedule::new(rules);
        let text = schedule.to_toml();
        let read = FaultSchedule::from_toml(&text);
        prop_assert_eq!(read.map_err(|error| format!("{error:?}\n{text}")), Ok(schedule));
    }

    #[test]
    fn no_text_breaks_the_reader(text in any::<String>()) {
        if let Err(error) = FaultSchedule::from_toml(&text) {
            prop_assert!(error.context("line").is_some());
        }
    }
}

/// Chance, a fault that is survived, one that is not, and one that needs a second call.
const SCHEDULE: &str = r#"
[[fault]]
front = "databricks"
kind = "reset"
when = "after"
sql = "insert"
times = "always"
chance = 0.4
seed = 11

[[fault]]
front = "databricks"
kind = "throttled"
sql = "insert"
on_call = 3
times = 2

[[fault]]
front = "databricks"
kind = "expired_link"
times = 2
"#;

/// What each call of a workload came to, and what was in the table in the end.
async fn workload(schedule: &FaultSchedule) -> Vec<String> {
    let ground = Ground::new(Front::Databricks).await;
    let scheduled = ground.load_schedule(schedule);
    let mut log = Vec::new();
    for n in 0..12 {
        let outcome = ground.write(&format!("insert into {} values ({n})", ground.name)).await;
        log.push(match outcome {
            Ok(rows) => format!("insert {n}: {rows}"),
            Err(error) => format!("insert {n}: {} {:?}", error.kind(), error.fault()),
        });
    }
    // One whose answer was lost may still be at work.
    soon("the inserts are over", async || !ground.breakable.sandbox.is_running(ground.table.name())).await;
    let query = ground.warehouse.query(format!("select * from {} order by id", ground.name)).await;
    let rows = match query {
        Ok(batches) => batches.collect_batches().await.map(|batches| format!("{batches:?}")),
        Err(error) => Err(error),
    };
    log.push(rows.unwrap_or_else(|error| format!("query: {}", error.kind())));
    log.extend(scheduled.iter().map(|fault| format!("seen {}, struck {}", fault.seen(), fault.fired())));
    log
}

#[tokio::test]
async fn the_same_schedule_has_the_same_outcome() {
    let schedule = FaultSchedule::from_toml(SCHEDULE).expect("a schedule");
    let (first, second) = (workload(&schedule).await, workload(&schedule).await);
    assert_eq!(first, second);
    let failed = first.iter().filter(|line| line.starts_with("insert") && line.contains("connection")).count();
    assert!((1..12).contains(&failed), "{first:#?}");
    assert!(first.iter().any(|line| line.ends_with("struck 2")), "{first:#?}");
}
