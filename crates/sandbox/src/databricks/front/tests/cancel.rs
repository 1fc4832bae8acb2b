use super::*;
use crate::databricks::engine::Engine;

/// Two thousand million million rows.
const ENDLESS: &str = "SELECT sum(a.id * b.id % 7) AS s FROM range(50000000) a CROSS JOIN range(40000000) b";

async fn until_state(world: &World, id: &str, state: &str) {
    loop {
        let reply = world.json("GET", &format!("/api/2.0/sql/statements/{id}")).await.1;
        let now = reply["status"]["state"].as_str().unwrap().to_owned();
        if now == state {
            return;
        }
        assert!(["PENDING", "RUNNING"].contains(&now.as_str()), "{reply}");
        tokio::task::yield_now().await;
    }
}

async fn endless(world: &World) -> String {
    let (_, reply) = world.submit(ENDLESS, json!({ "wait_timeout": "0s" })).await;
    assert!(["PENDING", "RUNNING"].contains(&reply["status"]["state"].as_str().unwrap()));
    let id = reply["statement_id"].as_str().unwrap().to_owned();
    until_state(world, &id, "RUNNING").await;
    id
}

#[tokio::test]
async fn a_cancelled_statement_is_cancelled_on_the_server_while_others_run() {
    let world = World::start().await;
    let (first, second) = (endless(&world).await, endless(&world).await);
    assert_eq!(world.rows("SELECT 1 AS a").await, json!([["1"]]));
    let path = format!("/api/2.0/sql/statements/{first}/cancel");
    for _ in 0..2 {
        let (status, reply) = world.json("POST", &path).await;
        assert_eq!((status.as_u16(), reply), (200, json!({})));
    }
    until_state(&world, &first, "CANCELED").await;
    let states: Vec<_> = world.front.statement_states().into_iter().map(|report| (report.id, report.state)).collect();
    assert!(states.contains(&(first, "CANCELED")) && states.contains(&(second, "RUNNING")), "{states:?}");
    world.front.stop().await;
}

#[tokio::test]
async fn a_warehouse_that_is_stopped_or_removed_fails_its_statements_and_no_others() {
    let world = World::start().await;
    let other = endless(&world).await;
    let create = world.call("POST", "/api/2.0/sql/warehouses").json(&json!({ "name": "brief" }));
    let warehouse = parsed(create.send().await.unwrap()).await.1["id"].as_str().unwrap().to_owned();
    let path = format!("/api/2.0/sql/warehouses/{warehouse}");
    for (method, call) in [("POST", format!("{path}/stop")), ("DELETE", path)] {
        let more = json!({ "wait_timeout": "0s", "warehouse_id": warehouse });
        let (_, running) = world.submit(ENDLESS, more.clone()).await;
        let running = running["statement_id"].as_str().unwrap();
        until_state(&world, running, "RUNNING").await;
        let done = world.submit("SELECT 1", json!({ "warehouse_id": warehouse })).await.1;
        assert_eq!(world.json(method, &call).await.0, 200);
        let reply = world.json("GET", &format!("/api/2.0/sql/statements/{running}")).await.1;
        assert_eq!(reply["status"]["state"], "FAILED", "{reply}");
        let message = format!("Command failed because warehouse {warehouse} was stopped.");
        assert_eq!(reply["status"]["error"]["message"], json!(message));
        let done = format!("/api/2.0/sql/statements/{}", done["statement_id"].as_str().unwrap());
        assert_eq!(world.json("GET", &done).await.1["status"]["state"], "SUCCEEDED");
    }
    until_state(&world, &other, "RUNNING").await;
    world.front.stop().await;
}

#[tokio::test]
async fn the_end_of_the_front_ends_its_statements_and_leaves_no_results() {
    let world = World::start().await;
    let id = endless(&world).await;
    world.run("SELECT 1", links()).await;
    world.front.stop().await;
    world.front.stop().await;
    let report = world.front.statement_states().into_iter().find(|report| report.id == id).unwrap();
    assert_eq!((report.state, report.ended.is_some(), report.sql.as_str()), ("CANCELED", true, ENDLESS));
    assert!(!world.folder.path().join("results").exists());
    assert!(world.client.get(world.front.url()).send().await.is_err());
}

#[tokio::test]
async fn an_insert_that_is_cancelled_leaves_the_table_as_it_was() {
    let world = World::start().await;
    world.run("CREATE TABLE t (a BIGINT)", json!({})).await;
    let sql = "INSERT INTO t SELECT a.id + b.id FROM range(50000000) a CROSS JOIN range(40000000) b";
    let (_, reply) = world.submit(sql, json!({ "wait_timeout": "0s" })).await;
    let id = reply["statement_id"].as_str().unwrap();
    until_state(&world, id, "RUNNING").await;
    world.json("POST", &format!("/api/2.0/sql/statements/{id}/cancel")).await;
    until_state(&world, id, "CANCELED").await;
    assert_eq!(world.rows("SELECT count(*) AS n FROM t").await, json!([["0"]]));
    world.front.stop().await;
}

#[tokio::test]
async fn tables_are_there_for_the_next_front_on_the_same_folder() {
    let world = World::start().await;
    world.run("CREATE TABLE t AS SELECT 5 AS a", json!({})).await;
    world.front.stop().await;
    let config = FrontConfig::new(TcpListener::bind("127.0.0.1:0").unwrap(), world.folder.path(), Secret::new(TOKEN));
    let again = World { front: Front::start(config).await.unwrap(), client: client(), folder: world.folder };
    assert_eq!(again.rows("SELECT a FROM t").await, json!([["5"]]));
    again.front.stop().await;
    assert!(Engine::open(again.folder.path()).is_ok());
}
