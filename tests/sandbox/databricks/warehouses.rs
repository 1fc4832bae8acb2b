//! SQL warehouses that start, stop, and are started by statements.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::TryStreamExt as _;
use twinhouse_core::ErrorKind;
use twinhouse_databricks::warehouses::{ClusterSize, WaitOptions, WarehouseRequest, WarehouseState};
use twinhouse_sandbox::{Front, Sandbox, SandboxOptions};

use crate::fixtures::{PATIENCE, databricks_builder};

async fn started(start: Duration) -> Sandbox {
    let options = SandboxOptions::default().with_fronts([Front::Databricks]).with_warehouse_start(start);
    Sandbox::start(options).await.unwrap()
}

#[tokio::test]
async fn a_stopped_warehouse_starts_when_a_statement_comes_which_is_pending_meanwhile() {
    // A machine may be too slow to see what takes so short a time: then it takes longer.
    let mut start = Duration::from_millis(700);
    while !seen_to_stop_and_start(start).await {
        start *= 4;
        assert!(start < PATIENCE, "never seen");
    }
}

/// `false` if the looks came too late to see anything.
async fn seen_to_stop_and_start(start: Duration) -> bool {
    let sandbox = started(start).await;
    let access = sandbox.databricks().await.unwrap();
    let client = databricks_builder(access).wait(Duration::ZERO).client().unwrap();
    let (warehouses, id) = (client.warehouses(), access.warehouse_id.as_str());
    assert_eq!(warehouses.get(id).await.unwrap().state, WarehouseState::Running);
    let began = Instant::now();
    warehouses.stop(id).await.unwrap();
    let state = warehouses.get(id).await.unwrap().state;
    if began.elapsed() >= start {
        return false;
    }
    assert_eq!(state, WarehouseState::Stopping);
    let stopped = warehouses.wait_stopped(id, WaitOptions::default()).await.unwrap();
    assert_eq!((stopped.state, stopped.num_clusters), (WarehouseState::Stopped, Some(0)));

    let sql = client.sql(id);
    let began = Instant::now();
    let handle = sql.submit("select 7 as n").await.unwrap();
    let status = sql.status(handle.id()).await.unwrap().state;
    let state = warehouses.get(id).await.unwrap().state;
    if began.elapsed() >= start {
        return false;
    }
    assert_eq!((status.as_str(), state), ("PENDING", WarehouseState::Starting));
    let rows: Vec<(i32,)> = handle.stream().await.unwrap().rows().collect_rows().await.unwrap();
    assert_eq!(rows, [(7,)]);
    assert_eq!(warehouses.get(id).await.unwrap().state, WarehouseState::Running);

    // Again by hand, with somebody who looks on.
    warehouses.stop(id).await.unwrap();
    warehouses.wait_stopped(id, WaitOptions::default()).await.unwrap();
    let began = Instant::now();
    warehouses.start(id).await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let options = WaitOptions::default().with_progress(move |warehouse| {
        told.lock().unwrap().push((began.elapsed(), warehouse.state.to_string()));
    });
    warehouses.wait_running(id, options).await.unwrap();
    let seen = seen.lock().unwrap().clone();
    if seen[0].0 >= start {
        return false;
    }
    assert_eq!((seen[0].1.as_str(), seen.last().map(|(_, state)| state.as_str())), ("STARTING", Some("RUNNING")));
    sandbox.stop().await.unwrap();
    true
}

#[tokio::test]
async fn waiting_for_a_warehouse_that_nobody_starts_is_a_failure() {
    let sandbox = started(Duration::ZERO).await;
    let access = sandbox.databricks().await.unwrap();
    let warehouses = databricks_builder(access).client().unwrap().warehouses();
    warehouses.stop(&access.warehouse_id).await.unwrap();
    warehouses.wait_stopped(&access.warehouse_id, WaitOptions::default()).await.unwrap();
    let error = warehouses.wait_running(&access.warehouse_id, WaitOptions::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.context("state")), (ErrorKind::Unavailable, Some("STOPPED")));
    sandbox.stop().await.unwrap();
}

#[tokio::test]
async fn warehouses_are_made_listed_changed_used_and_removed() {
    let sandbox = started(Duration::from_millis(100)).await;
    let access = sandbox.databricks().await.unwrap();
    let client = databricks_builder(access).client().unwrap();
    let warehouses = client.warehouses();
    let request = WarehouseRequest::new("nightly").with_cluster_size(ClusterSize::Small).with_auto_stop_mins(10);
    let id = warehouses.create(&request).await.unwrap();
    warehouses.wait_running(&id, WaitOptions::default()).await.unwrap();
    let rows: Vec<(i32,)> = client.sql(&id).fetch_all("select 1").await.unwrap();
    assert_eq!(rows, [(1,)]);
    let listed: Vec<_> = warehouses.list().try_collect().await.unwrap();
    assert_eq!(listed.len(), 2);
    let taken = warehouses.create(&request).await.unwrap_err();
    assert!(taken.message().contains("already exists"), "{taken}");
    warehouses.edit(&id, &WarehouseRequest::new("weekly").with_clusters(1, 4)).await.unwrap();
    let edited = warehouses.get(&id).await.unwrap();
    assert_eq!((edited.name.as_str(), edited.max_num_clusters), ("weekly", Some(4)));
    warehouses.delete(&id).await.unwrap();
    assert_eq!(warehouses.get(&id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(client.sql(&id).execute("select 1").await.unwrap_err().kind(), ErrorKind::NotFound);
    warehouses.delete(&id).await.unwrap();
    sandbox.stop().await.unwrap();
}
