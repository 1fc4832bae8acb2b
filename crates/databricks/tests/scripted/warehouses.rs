//! SQL warehouses: lists, starts, waits.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::TryStreamExt as _;
use serde_json::{Value, json};
use twinhouse_core::ErrorKind;
use twinhouse_databricks::warehouses::{
    ClusterSize, HealthStatus, WaitOptions, WarehouseRequest, WarehouseState, WarehouseType, Warehouses,
};
use twinhouse_testkit::Answer;

use crate::{
    bench::{Bench, offline},
    sql::client,
};

const WAREHOUSES: &str = "/api/2.0/sql/warehouses";
const ONE: &str = "/api/2.0/sql/warehouses/wh1";

fn warehouses(bench: &Bench) -> Warehouses {
    client(bench).warehouses()
}

fn in_state(state: &str) -> Value {
    json!({ "id": "wh1", "name": "nightly", "state": state })
}

#[tokio::test]
async fn the_list_is_read_page_by_page_and_survives_an_empty_page() {
    let bench = Bench::new().await;
    let page =
        |warehouses: Value, next: Value| Answer::json(json!({ "warehouses": warehouses, "next_page_token": next }));
    bench.server.once("GET", WAREHOUSES, page(json!([in_state("RUNNING")]), json!("a b")));
    bench.server.once("GET", WAREHOUSES, page(Value::Null, json!("c")));
    bench.server.once("GET", WAREHOUSES, page(json!([{ "id": "wh2" }]), Value::Null));
    let all: Vec<_> = warehouses(&bench).list().try_collect().await.unwrap();
    let known: Vec<_> = all.iter().map(|warehouse| (warehouse.id.as_str(), warehouse.state.clone())).collect();
    assert_eq!(known, [("wh1", WarehouseState::Running), ("wh2", WarehouseState::Other(String::new()))]);
    assert_eq!(bench.server.requests()[1].target, format!("{WAREHOUSES}?page_size=100&page_token=a+b"));
}

#[tokio::test]
async fn a_warehouse_is_read_tolerantly_and_words_that_are_new_are_kept() {
    let bench = Bench::new().await;
    let answer = json!({
        "state": "HIBERNATING", "num_clusters": "2", "auto_stop_mins": 0, "warehouse_type": "REALTIME",
        "health": { "status": "WORRIED", "summary": "hm" }, "enable_photon": null, "creator_name": null,
        "odbc_params": { "hostname": "h", "port": "443" }, "tags": { "custom_tags": [{ "key": "k", "value": "v" }] },
    });
    bench.server.once("GET", ONE, Answer::json(answer));
    let warehouse = warehouses(&bench).get("wh1").await.unwrap();
    assert_eq!(warehouse.id, "wh1");
    assert_eq!(warehouse.state, WarehouseState::Other("HIBERNATING".to_owned()));
    assert_eq!(
        (warehouse.num_clusters, warehouse.auto_stop_mins, warehouse.max_num_clusters),
        (Some(2), Some(0), None)
    );
    assert_eq!(warehouse.warehouse_type.as_deref(), Some("REALTIME"));
    assert_eq!(warehouse.health.unwrap().status, HealthStatus::Other("WORRIED".to_owned()));
    assert_eq!(warehouse.odbc_params.unwrap().port, Some(443));
    assert_eq!(warehouse.tags[0].value, "v");
}

#[tokio::test(start_paused = true)]
async fn a_wait_looks_less_and_less_often_and_tells_what_it_sees() {
    let (server, client) = offline();
    let looks = ["STOPPED_SOON", "STARTING", "STARTING", "STARTING", "STARTING", "RUNNING"];
    for state in looks {
        server.once("GET", ONE, Answer::json(in_state(state)));
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let options = WaitOptions::new(Duration::from_secs(3600)).with_progress(move |warehouse| {
        told.lock().unwrap().push((tokio::time::Instant::now(), warehouse.state.to_string()))
    });
    let running = client.warehouses().wait_running("wh1", options).await.unwrap();
    assert_eq!(running.state, WarehouseState::Running);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.iter().map(|(_, state)| state.as_str()).collect::<Vec<_>>(), looks);
    let pauses: Vec<_> = seen.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(pauses.windows(2).all(|pair| pair[1] > pair[0]), "{pauses:?}");
}

#[tokio::test]
async fn a_warehouse_that_stops_while_it_starts_is_a_failure_with_the_services_summary() {
    for state in ["STOPPED", "DELETED"] {
        let bench = Bench::new().await;
        bench.server.once("GET", ONE, Answer::json(in_state("STARTING")));
        let mut stopped = in_state(state);
        stopped["health"] = json!({ "status": "FAILED", "summary": "no capacity left", "details": "in zone b" });
        bench.server.once("GET", ONE, Answer::json(stopped));
        let error = warehouses(&bench).wait_running("wh1", WaitOptions::default()).await.unwrap_err();
        assert_eq!((error.kind(), error.context("summary")), (ErrorKind::Unavailable, Some("no capacity left")));
        assert_eq!((error.context("state"), error.context("warehouse")), (Some(state), Some("wh1")));
        assert_eq!(error.context("details"), Some("in zone b"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_has_an_end() {
    let (server, client) = offline();
    server.always("GET", ONE, Answer::json(in_state("STARTING")));
    let wait = WaitOptions::new(Duration::from_secs(30));
    let error = client.warehouses().wait_running("wh1", wait).await.unwrap_err();
    assert_eq!((error.kind(), error.context("state")), (ErrorKind::Timeout, Some("STARTING")));
    assert!(server.count("GET", ONE) < 20);
    // Or none that anybody will see.
    server.once("GET", "/api/2.0/sql/warehouses/wh2", Answer::json(in_state("RUNNING")));
    client.warehouses().wait_running("wh2", WaitOptions::new(Duration::MAX)).await.unwrap();
}

#[tokio::test]
async fn a_stopped_warehouse_is_waited_for_too() {
    let bench = Bench::new().await;
    bench.server.once("POST", &format!("{ONE}/stop"), Answer::json(json!({})));
    bench.server.once("GET", ONE, Answer::json(in_state("STOPPING")));
    bench.server.once("GET", ONE, Answer::json(in_state("STOPPED")));
    let warehouses = warehouses(&bench);
    warehouses.stop("wh1").await.unwrap();
    assert_eq!(warehouses.wait_stopped("wh1", WaitOptions::default()).await.unwrap().state, WarehouseState::Stopped);
}

#[tokio::test]
async fn starting_and_stopping_are_repeated_and_making_is_not() {
    let bench = Bench::new().await;
    let start = format!("{ONE}/start");
    bench.server.once("POST", &start, Answer::status(503));
    bench.server.once("POST", &start, Answer::json(json!({})));
    warehouses(&bench).start("wh1").await.unwrap();
    bench.server.once("POST", WAREHOUSES, Answer::status(503));
    let lost = warehouses(&bench).create(&WarehouseRequest::new("nightly")).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Unavailable);
    assert_eq!(bench.server.count("POST", WAREHOUSES), 1);
}

#[tokio::test]
async fn a_warehouse_is_made_changed_and_removed() {
    let bench = Bench::new().await;
    bench.server.once("POST", WAREHOUSES, Answer::json(json!({ "id": "wh1" })));
    bench.server.once("POST", &format!("{ONE}/edit"), Answer::json(json!({})));
    bench.server.once("DELETE", ONE, Answer::json(json!({})));
    bench.server.once("DELETE", ONE, Answer::status(404));
    let warehouses = warehouses(&bench);
    let request = WarehouseRequest::new("nightly")
        .with_cluster_size(ClusterSize::XSmall)
        .with_clusters(1, 3)
        .with_auto_stop_mins(10)
        .serverless()
        .with_tag("team", "sales");
    assert_eq!(warehouses.create(&request).await.unwrap(), "wh1");
    assert_eq!(
        bench.server.requests()[0].json(),
        json!({
            "name": "nightly", "cluster_size": "X-Small", "min_num_clusters": 1, "max_num_clusters": 3,
            "auto_stop_mins": 10, "enable_serverless_compute": true, "warehouse_type": "PRO",
            "tags": { "custom_tags": [{ "key": "team", "value": "sales" }] },
        })
    );
    warehouses.edit("wh1", &request).await.unwrap();
    warehouses.delete("wh1").await.unwrap();
    warehouses.delete("wh1").await.unwrap();
    bench.server.verify();
}

#[tokio::test]
async fn every_field_is_checked_before_anything_is_sent() {
    let bench = Bench::new().await;
    let warehouses = warehouses(&bench);
    let new = || WarehouseRequest::new("nightly");
    let mut classic = new().serverless();
    classic.warehouse_type = Some(WarehouseType::Classic);
    let mut sizeless = new();
    sizeless.cluster_size = ClusterSize::Other(String::new());
    for (field, request) in [
        ("name", WarehouseRequest::new(" ")),
        ("name", WarehouseRequest::new("n".repeat(100))),
        ("min_num_clusters", new().with_clusters(0, 1)),
        ("min_num_clusters", new().with_clusters(31, 40)),
        ("max_num_clusters", new().with_clusters(3, 2)),
        ("max_num_clusters", new().with_clusters(1, 41)),
        ("auto_stop_mins", new().with_auto_stop_mins(9)),
        ("warehouse_type", classic),
        ("tags", new().with_tag("", "v")),
        ("tags", new().with_tag("k", "v").with_tag("k", "w")),
        ("cluster_size", sizeless),
    ] {
        for error in
            [warehouses.create(&request).await.unwrap_err(), warehouses.edit("wh1", &request).await.unwrap_err()]
        {
            assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some(field)), "{error}");
        }
    }
    for id in ["", "a/b", "..", "a b"] {
        let error = warehouses.start(id).await.unwrap_err();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some("id")));
    }
    assert!(bench.server.requests().is_empty());
}
