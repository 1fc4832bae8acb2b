//! What the Data API offers beyond the contract, over real sockets and a real engine.

use std::time::Duration;

use futures::TryStreamExt as _;
use serde::Deserialize;
use twinhouse_core::ErrorKind;
use twinhouse_redshift::data_api::{BatchMode, BatchRequest, DataApiConfig, DataApiWarehouse, StatementFilter, Target};
use twinhouse_sandbox::{FaultKind, FaultRule, Sandbox};
use twinhouse_testkit::conformance::Fixture as _;
use twinhouse_warehouse_api::{
    CallOptions, OnDrop, StatementRequest, StatementStatus, TransactionOptions, Warehouse, WarehouseExt as _,
};
use uuid::Uuid;

use crate::fixtures::{Breakable, OnDataApi, data_api_of};

async fn warehouse() -> DataApiWarehouse {
    data_api_of(Sandbox::shared().await.unwrap()).await.unwrap()
}

fn fresh(name: &str) -> String {
    format!("{name}_{}", Uuid::new_v4().simple())
}

#[derive(Debug, Deserialize, PartialEq)]
struct Number {
    n: i64,
}

async fn count(warehouse: &DataApiWarehouse, table: &str) -> i64 {
    let rows: Number = warehouse.fetch_one(format!("select count(*) as n from {table}")).await.unwrap();
    rows.n
}

#[tokio::test]
async fn a_statement_that_was_left_alone_is_found_again_by_its_id_with_its_rows() {
    let id = {
        let options = CallOptions::default().with_on_drop(OnDrop::Detach);
        let request = StatementRequest::read("select cast(7 as bigint) as n").with_options(options);
        warehouse().await.submit(request).await.unwrap().id().clone()
    };
    let other = warehouse().await;
    for _ in 0..2 {
        let rows: Vec<Number> =
            other.attach(&id).await.unwrap().stream().await.unwrap().rows().try_collect().await.unwrap();
        assert_eq!(rows, [Number { n: 7 }]);
    }
    let unknown = twinhouse_warehouse_api::StatementId::new(Uuid::new_v4().to_string());
    assert_eq!(other.attach(&unknown).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn results_of_many_pages_are_whole_and_in_order() {
    let warehouse = warehouse().await;
    let digits = "(select 0 as d union all select 1 union all select 2 union all select 3 union all select 4 union all \
                  select 5 union all select 6 union all select 7 union all select 8 union all select 9)";
    let sql = format!(
        "select cast(a.d * 10000 + b.d * 1000 + c.d * 100 + e.d * 10 + f.d as bigint) as n, repeat('x', 60) as filler \
         from {digits} a, {digits} b, {digits} c, {digits} e, {digits} f order by 1"
    );
    let batches = warehouse.query(sql).await.unwrap().collect_batches().await.unwrap();
    assert!(batches.len() > 3, "{} batches", batches.len());
    let mut next = 0;
    for batch in &batches {
        let numbers = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(batch.column(0));
        for number in numbers.values() {
            assert_eq!(*number, next);
            next += 1;
        }
    }
    assert_eq!(next, 100_000);
}

#[tokio::test]
async fn a_session_keeps_its_temporary_tables_and_ends_when_its_time_is_over() {
    let warehouse = warehouse().await;
    let mut session = warehouse.session(crate::fixtures::PATIENCE).await.unwrap();
    session.execute("create temp table kept (n bigint)").await.unwrap();
    assert_eq!(
        session.execute(StatementRequest::write("insert into kept values (:n)").bind("n", 3i64)).await.unwrap(),
        Some(1)
    );
    let rows: Vec<Number> = session.query("select n from kept").await.unwrap().rows().try_collect().await.unwrap();
    assert_eq!(rows, [Number { n: 3 }]);
    let mut short = warehouse.session(Duration::from_secs(1)).await.unwrap();
    // Its time counts from when the server is done with it, and anew with each statement.
    let mut pause = Duration::from_millis(1500);
    let error = loop {
        tokio::time::sleep(pause).await;
        match short.execute("select 1").await {
            Err(error) => break error,
            Ok(_) => pause *= 2,
        }
        assert!(pause < crate::fixtures::PATIENCE, "it does not end");
    };
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
}

#[tokio::test]
async fn a_batch_is_all_or_nothing_and_names_the_statement_that_failed() {
    let warehouse = warehouse().await;
    let table = fresh("batch");
    warehouse.execute(format!("create table {table} (n bigint)")).await.unwrap();
    let insert = |n: i64| StatementRequest::write(format!("insert into {table} values (:n)")).bind("n", n);
    let bad = StatementRequest::write("select 1/0");
    let error = warehouse.batch(BatchRequest::new([insert(1), bad.clone(), insert(2)])).await.unwrap_err();
    assert_eq!((error.kind(), error.context("number")), (ErrorKind::Data, Some("2")), "{error:?}");
    assert_eq!(count(&warehouse, &table).await, 0);

    let each = BatchRequest::new([insert(1), bad, insert(2)]).with_mode(BatchMode::Each);
    assert_eq!(warehouse.batch(each).await.unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(count(&warehouse, &table).await, 1, "what went before stands, what comes after is not done");

    let look = StatementRequest::read(format!("select cast(sum(n) as bigint) as n from {table}"));
    let done = warehouse.batch(BatchRequest::new([insert(10), look])).await.unwrap();
    assert_eq!(done.statements[0].rows, Some(1));
    assert!(matches!(done.statements[1].status, StatementStatus::Succeeded));
    let sum: Vec<Number> = done.rows(1).await.unwrap().rows().try_collect().await.unwrap();
    assert_eq!(sum, [Number { n: 11 }]);
    assert_eq!(done.rows(2).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_batch_of_many_is_split_by_name_and_found_in_the_history() {
    let warehouse = warehouse().await;
    let (table, name) = (fresh("many"), fresh("night"));
    warehouse.execute(format!("create table {table} (n bigint)")).await.unwrap();
    let inserts = (0..85).map(|n| StatementRequest::write(format!("insert into {table} values ({n})")));
    let batch = BatchRequest::new(inserts).with_name(&name).with_mode(BatchMode::Each);
    assert_eq!(warehouse.batch(batch).await.unwrap().statements.len(), 85);
    assert_eq!(count(&warehouse, &table).await, 85);
    let past: Vec<_> =
        warehouse.statements(StatementFilter::default().with_name_prefix(&name)).try_collect().await.unwrap();
    let names: Vec<_> = past.iter().filter_map(|past| past.name.as_deref()).collect();
    assert_eq!(names, [format!("{name}/3"), format!("{name}/2"), format!("{name}/1")]);
    assert!(past.iter().all(|past| past.is_batch));
}

/// Looks again until it is so. The end is for a defect, not for a machine that is slow.
async fn until(running: bool, sandbox: &Sandbox, marker: &str) {
    let look = async {
        while sandbox.is_running(marker) != running {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), look).await.unwrap_or_else(|_| panic!("running: not {running}"));
}

#[tokio::test]
async fn a_batch_that_is_dropped_before_it_has_an_id_is_cancelled_all_the_same() {
    let breakable = Breakable::take().await;
    let warehouse = data_api_of(breakable.sandbox).await.unwrap();
    let answer = FaultKind::Slow { pause: Duration::from_millis(250) };
    breakable.faults().schedule(FaultRule::aws(answer).with_path("RedshiftData.BatchExecuteStatement")).unwrap();
    let marker = fresh("abandoned");
    let slow = StatementRequest::read(OnDataApi::default().slow_query(&marker));
    let caller = tokio::spawn(async move { warehouse.batch(BatchRequest::new([slow])).await.map(drop) });
    until(true, breakable.sandbox, &marker).await;
    caller.abort();
    until(false, breakable.sandbox, &marker).await;
}

#[tokio::test]
async fn a_transaction_that_is_dropped_leaves_nothing() {
    let warehouse = warehouse().await;
    let table = fresh("undone");
    warehouse.execute(format!("create table {table} (n bigint)")).await.unwrap();
    let insert = || StatementRequest::write(format!("insert into {table} values (1)"));
    let mut dropped = warehouse.begin(TransactionOptions::default()).await.unwrap();
    dropped.execute(insert()).await.unwrap();
    drop(dropped);
    let mut kept = warehouse.begin(TransactionOptions::default()).await.unwrap();
    kept.execute(insert()).await.unwrap();
    kept.commit().await.unwrap();
    assert_eq!(count(&warehouse, &table).await, 1);
}

#[tokio::test]
async fn a_wrong_key_and_a_wrong_target_are_told_apart() {
    let sandbox = Sandbox::shared().await.unwrap();
    let (aws, s3) = (sandbox.aws().await.unwrap(), sandbox.s3());
    let builder = |cluster: &str, secret: twinhouse_core::Secret| {
        let config = DataApiConfig::builder()
            .env(twinhouse_core::config::Env::empty())
            .target(Target::Cluster(cluster.to_owned()))
            .database("dev")
            .region(&s3.region)
            .endpoint(&aws.endpoint)
            .keys(s3.access_key.as_str(), secret, None);
        DataApiWarehouse::new(config.build().unwrap())
    };
    let wrong_key = builder(&aws.cluster_identifier, "nobody-knows-this".into());
    let error = wrong_key.query("select 1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error:?}");
    assert!(!format!("{error:?}").contains("nobody-knows-this"));
    let wrong_target = builder("elsewhere", s3.secret_key.clone());
    assert_eq!(wrong_target.query("select 1").await.unwrap_err().kind(), ErrorKind::InvalidInput);
}
