//! The pool under load and under fire.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::future::join_all;
use twinhouse_core::{ErrorKind, Result};
use twinhouse_redshift::{RedshiftBuilder, RedshiftWarehouse};
use twinhouse_sandbox::{FaultKind, FaultRule, Sandbox, When};
use twinhouse_warehouse_api::{StatementRequest, TransactionOptions, Warehouse as _, WarehouseExt as _};

use super::support::{close, failed, one, rows, table, unique, warehouse_of};
use crate::fixtures::{Breakable, PATIENCE, redshift_builder, soon};

async fn builder(sandbox: &Sandbox) -> RedshiftBuilder {
    redshift_builder(sandbox.redshift().await.expect("a cluster"), sandbox.s3()).expect("a URL")
}

fn connect(builder: RedshiftBuilder) -> RedshiftWarehouse {
    RedshiftWarehouse::new(builder.build().expect("settings")).expect("a client")
}

/// A thousand tasks insert a row each while connections are cut, servers killed and tasks dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tasks_under_fire_leak_nothing_and_double_nothing() {
    const TASKS: i64 = 1000;
    const SIZE: usize = 8;
    let breakable = Breakable::take().await;
    let application = unique("fire");
    let settings = builder(breakable.sandbox).await.pool_size(SIZE).application_name(&application);
    let warehouse = connect(settings.checkout_timeout(PATIENCE));
    let target = table(&warehouse, "id bigint not null").await;
    let marker = unique("shot");
    let shots: Vec<_> = [
        FaultKind::DropIdle,
        FaultKind::KillBackend,
        FaultKind::Reset { when: When::Before },
        FaultKind::Reset { when: When::After },
    ]
    .into_iter()
    .flat_map(|kind| [37, 113, 211, 307, 401, 503].map(|nth| (kind, nth)))
    .map(|(kind, nth)| {
        let rule = FaultRule::redshift(kind).with_sql(&marker).on_call(nth);
        breakable.faults().schedule(rule).expect("a fault of the cluster")
    })
    .collect();

    let began = Instant::now();
    let outcomes = join_all((0..TASKS).map(|id| {
        let (warehouse, sql) = (warehouse.clone(), format!("insert into {target} /* {marker} */ values ({id})"));
        let task = tokio::spawn(async move {
            let request = StatementRequest::write(sql);
            if id % 3 == 0 {
                let options = TransactionOptions::default();
                warehouse.in_transaction(options, move |open| open.execute(request.clone())).await
            } else {
                warehouse.execute(request).await
            }
        });
        async move {
            // Every tenth caller goes away in the middle.
            if id % 10 == 7 {
                tokio::time::sleep(Duration::from_millis((id % 97).unsigned_abs())).await;
                task.abort();
            }
            task.await.ok()
        }
    }))
    .await;
    let took = began.elapsed();
    // What a caller has left behind is cleaned up without them.
    soon("every session is back", async || {
        let status = warehouse.pool_status();
        status.in_use == 0 && status.waiting == 0
    })
    .await;
    let status = warehouse.pool_status();

    let stored: Vec<i64> = rows(&warehouse, format!("select id from {target} order by id").as_str())
        .await
        .iter()
        .map(|row| row[0].parse().expect("a number"))
        .collect();
    let mut distinct = stored.clone();
    distinct.dedup();
    assert_eq!(stored, distinct, "doubled");
    let (mut done, mut gone, mut errors) = (0, 0, BTreeMap::<&str, usize>::new());
    for (id, outcome) in (0..TASKS).zip(&outcomes) {
        match outcome {
            Some(Ok(_)) => {
                done += 1;
                assert!(stored.binary_search(&id).is_ok(), "{id} was done and is lost");
            }
            Some(Err(error)) => {
                *errors.entry(error.kind().as_str()).or_default() += 1;
                if error.fault().effect == twinhouse_core::Effect::None {
                    assert!(stored.binary_search(&id).is_err(), "{id} is there although {error:?}");
                }
            }
            None => gone += 1,
        }
    }
    let fired: u64 = shots.iter().map(twinhouse_sandbox::ScheduledFault::fired).sum();
    soon("nothing runs any more", async || !breakable.sandbox.is_running(&marker)).await;
    let on_server = format!("select count(*) from pg_stat_activity where application_name = '{application}'");
    soon("the server has no other sessions of ours", async || {
        one(&warehouse, &on_server).await.parse::<usize>().expect("a number") <= warehouse.pool_status().size
    })
    .await;
    println!(
        "pool of {SIZE} under fire: {TASKS} tasks in {took:.1?}, {fired} faults; {done} done, {gone} dropped, errors \
         {errors:?}; {} rows, none doubled, none lost; {} sessions open, {} in use, {} waiting",
        stored.len(),
        status.size,
        status.in_use,
        status.waiting,
    );
    assert!(fired >= 20, "only {fired} faults struck");
    assert!(done >= 800 && status.size <= SIZE && status.in_use == 0 && status.waiting == 0, "{done}, {status:?}");
    close(warehouse).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_callers_share_four_connections() {
    let warehouse = warehouse_of(4).await;
    let began = Instant::now();
    let most = Arc::new(Mutex::new(0));
    let callers = join_all((0..2000).map(|_| {
        let (warehouse, most) = (warehouse.clone(), most.clone());
        tokio::spawn(async move {
            let outcome = warehouse.execute("select 1").await;
            let waiting = warehouse.pool_status().waiting;
            let mut most = most.lock().expect("no panic");
            *most = waiting.max(*most);
            outcome
        })
    }))
    .await;
    assert!(callers.into_iter().all(|caller| caller.expect("no panic").is_ok()));
    let (status, most) = (warehouse.pool_status(), *most.lock().expect("no panic"));
    println!("2,000 callers on 4 connections: {:.1?}, at most {most} seen waiting", began.elapsed());
    soon("every session is back", async || warehouse.pool_status().in_use == 0).await;
    assert!(status.size <= 4 && most > 1000, "{status:?}, {most}");
    close(warehouse).await;
}

#[tokio::test]
async fn a_pool_that_is_exhausted_says_so_in_time() {
    let sandbox = Sandbox::shared().await.expect("a sandbox");
    let warehouse = connect(builder(sandbox).await.pool_size(2).checkout_timeout(Duration::from_millis(200)));
    let held = join_all((0..2).map(|_| warehouse.begin(TransactionOptions::default()))).await;
    let error = failed(warehouse.execute("select 1").await);
    assert_eq!((error.kind(), error.context("wait")), (ErrorKind::Timeout, Some("checkout")), "{error:?}");
    for transaction in held {
        transaction.expect("a transaction").rollback().await.expect("a rollback");
    }
    warehouse.execute("select 1").await.expect("a free connection");
    close(warehouse).await;
}

#[tokio::test]
async fn connections_that_were_dropped_in_silence_are_found_before_a_caller_gets_them() {
    let breakable = Breakable::take().await;
    let warehouse = connect(builder(breakable.sandbox).await.pool_size(1));
    for _ in 0..3 {
        let marker = unique("idle");
        let rule = FaultRule::redshift(FaultKind::DropIdle).with_sql(&marker);
        let fault = breakable.faults().schedule(rule).expect("a fault");
        warehouse.execute(format!("show datestyle /* {marker} */").as_str()).await.expect("the answer arrives in full");
        assert_eq!(fault.fired(), 1);
        let insert = StatementRequest::write("create temp table only_once (a int)");
        warehouse.execute(insert).await.expect("not even a write notices");
    }
    close(warehouse).await;
}

#[tokio::test]
async fn a_server_that_is_killed_in_a_transaction_undoes_it_and_the_pool_goes_on() {
    let breakable = Breakable::take().await;
    let warehouse = connect(builder(breakable.sandbox).await.pool_size(1));
    let (target, marker) = (table(&warehouse, "id bigint").await, unique("killed"));
    let rule = FaultRule::redshift(FaultKind::KillBackend).with_sql(&marker);
    let fault = breakable.faults().schedule(rule).expect("a fault");
    let mut transaction = warehouse.begin(TransactionOptions::default()).await.expect("a transaction");
    transaction.execute(format!("insert into {target} values (1)").as_str().into()).await.expect("a first insert");
    let second = format!("insert into {target} /* {marker} */ values (2)");
    let error = failed(transaction.execute(second.as_str().into()).await);
    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Connection), "{error:?}");
    drop(transaction);
    assert_eq!((fault.fired(), one(&warehouse, &format!("select count(*) from {target}")).await.as_str()), (1, "0"));
    close(warehouse).await;
}

#[tokio::test]
async fn a_warm_pool_opens_the_least_at_once_and_comes_back_to_it() {
    let sandbox = Sandbox::shared().await.expect("a sandbox");
    let settings = builder(sandbox).await.pool_size(6).pool_min(2).idle_timeout(Duration::from_millis(400));
    let warehouse = connect(settings);
    assert_eq!((warehouse.pool_status().size, warehouse.warm_up().await.expect("two sessions")), (0, 2));
    let held = join_all((0..6).map(|_| warehouse.begin(TransactionOptions::default()))).await;
    assert_eq!((warehouse.pool_status().size, warehouse.pool_status().idle()), (6, 0));
    drop(held.into_iter().collect::<Result<Vec<_>>>().expect("six transactions"));
    soon("the spare ones are closed", async || warehouse.pool_status().size == 2).await;
    let health = warehouse.health().await.expect("it is well");
    assert_eq!(health.server_version.as_deref(), Some("8.0.2"));
    close(warehouse).await;
}

#[tokio::test]
async fn what_one_borrower_sets_the_next_does_not_see() {
    let warehouse = warehouse_of(1).await;
    let process = one(&warehouse, "select pg_backend_pid()").await;
    for (setting, theirs) in [("datestyle", "SQL, DMY"), ("timezone", "Asia/Tokyo"), ("search_path", "pg_catalog")] {
        let ours = one(&warehouse, &format!("show {setting}")).await;
        warehouse.execute(format!("set {setting} to '{theirs}'").as_str()).await.expect("a setting");
        assert_eq!(one(&warehouse, &format!("show {setting}")).await, ours, "{setting}");
    }
    assert_eq!(one(&warehouse, "select pg_backend_pid()").await, process, "all on one connection");
    close(warehouse).await;
}

#[tokio::test]
async fn the_server_s_notices_are_heard() {
    let sandbox = Sandbox::shared().await.expect("a sandbox");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let settings = builder(sandbox).await.on_notice({
        let heard = heard.clone();
        move |notice| heard.lock().expect("no panic").push(notice.message().to_owned())
    });
    let (warehouse, missing) = (connect(settings), unique("missing"));
    warehouse.execute(format!("drop table if exists {missing}").as_str()).await.expect("nothing to drop");
    let heard = heard.lock().expect("no panic").join("; ");
    assert!(heard.contains(&missing), "{heard}");
    close(warehouse).await;
}

#[tokio::test]
async fn closing_lets_what_runs_finish_if_it_is_given_the_time() {
    let sandbox = Sandbox::shared().await.expect("a sandbox");
    let warehouse = connect(builder(sandbox).await.drain_timeout(PATIENCE));
    let target = table(&warehouse, "id bigint").await;
    let mut transaction = warehouse.begin(TransactionOptions::default()).await.expect("a transaction");
    let closing = tokio::spawn({
        let warehouse = warehouse.clone();
        async move { warehouse.close().await }
    });
    soon("it is closing", async || warehouse.execute("select 1").await.is_err()).await;
    transaction.execute(format!("insert into {target} values (1)").as_str().into()).await.expect("there is time");
    transaction.commit().await.expect("a commit");
    closing.await.expect("no panic").expect("a close");
    let after = warehouse_of(1).await;
    assert_eq!(one(&after, &format!("select count(*) from {target}")).await, "1");
    close(after).await;
}
