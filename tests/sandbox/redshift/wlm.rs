use futures::TryStreamExt as _;
use twinhouse_core::ErrorKind;
use twinhouse_redshift::{Deployment, QueryFilter, QueryInfo, QueryState, RedshiftWarehouse, SessionSettings};
use twinhouse_sandbox::{Front, Sandbox, SandboxOptions};
use twinhouse_warehouse_api::{CallOptions, StatementRequest, Warehouse as _, WarehouseExt as _};

use super::support::{failed, one, table, unique, warehouse};
use crate::fixtures::{PATIENCE, redshift_of};

const SLOW: &str = "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b";

/// The slow query of this label, once it runs. What gives a session its label runs under it, too.
async fn running(warehouse: &RedshiftWarehouse, label: &str) -> QueryInfo {
    let look = async {
        loop {
            let filter = QueryFilter::default().with_label(label);
            let found: Vec<_> = warehouse.workload().running_queries(filter).try_collect().await.expect("a list");
            if let Some(query) = found.into_iter().find(|query| query.text == SLOW) {
                return query;
            }
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("it runs")
}

fn labelled(sql: &str, label: &str) -> StatementRequest {
    StatementRequest::read(sql).with_options(CallOptions::default().with_label(label))
}

#[tokio::test]
async fn queues_are_shown_with_what_runs_in_them() {
    let warehouse = warehouse().await;
    assert_eq!(warehouse.deployment().await.expect("an answer"), Deployment::Provisioned);
    let label = unique("q");
    let handle = warehouse.submit(labelled(SLOW, &label)).await.expect("a statement");
    let query = running(&warehouse, &label).await;
    let queues = warehouse.workload().queues().await.expect("queues");
    let queue = queues.iter().find(|queue| queue.is_for_users()).expect("a queue for users");
    assert_eq!((queue.name.as_str(), queue.slots, queue.available_slots()), ("Default queue", None, None));
    assert!(queue.running.is_some_and(|running| running >= 1), "{queue:?}");
    assert_eq!((query.queue.as_deref(), query.slots, query.position), (Some("Default queue"), Some(1), None));
    assert!(queues.iter().any(|queue| queue.service_class == 5 && !queue.is_for_users()));
    handle.canceller().cancel().await.expect("a cancel");
}

#[tokio::test]
async fn a_running_query_is_seen_and_cancelled_by_its_number() {
    let (warehouse, other) = (warehouse().await, self::warehouse().await);
    let label = unique("q");
    let work = tokio::spawn({
        let (warehouse, request) = (warehouse.clone(), labelled(SLOW, &label));
        async move { warehouse.fetch_all::<(i64,)>(request).await }
    });
    let query = running(&other, &label).await;
    assert_eq!((query.state.clone(), query.kind.as_deref()), (QueryState::Running, Some("SELECT")));
    assert_eq!((query.text.as_str(), query.label.as_deref()), (SLOW, Some(label.as_str())));
    assert!(query.started.is_some() && query.ended.is_none() && query.session.is_some());
    assert!(other.workload().cancel_query(query.id).await.expect("a cancel"));
    assert_eq!(failed(work.await.expect("it ends")).kind(), ErrorKind::Cancelled);
    let after = other.workload().query(query.id).await.expect("a look").expect("it is remembered");
    assert_eq!((after.state, after.ended.is_some()), (QueryState::Cancelled, true));
    assert!(!other.workload().cancel_query(query.id).await.expect("an answer"), "it is over");
}

#[tokio::test]
async fn a_session_is_found_and_terminated_and_its_transaction_rolled_back() {
    let (warehouse, other) = (warehouse().await, self::warehouse().await);
    let name = table(&warehouse, "a int").await;
    let mut open = warehouse.begin(Default::default()).await.expect("a transaction");
    open.execute(format!("insert into {name} values (1)").into()).await.expect("an insert");
    let pid = super::support::read(open.query("select pg_backend_pid()".into()).await).await.expect("a process");
    let pid: i32 = pid[0][0].parse().expect("a number");
    let sessions: Vec<_> = other.workload().sessions().try_collect().await.expect("a list");
    assert!(sessions.iter().any(|session| session.process == pid && session.started.is_some()));
    assert!(other.workload().terminate_session(pid).await.expect("an answer"));
    open.commit().await.expect_err("its session is gone");
    assert_eq!(one(&other, &format!("select count(*) from {name}")).await, "0");
    while other.workload().terminate_session(pid).await.expect("an answer") {}
}

#[tokio::test]
async fn the_history_is_filtered_and_says_how_each_query_ended() {
    let warehouse = warehouse().await;
    let label = unique("it's \\ q");
    let ours = warehouse.with_settings(SessionSettings::default().with_query_group(&label)).expect("settings");
    one(&ours, "select 1 as one").await;
    failed(ours.execute("select 1 / 0").await);
    let filter = || QueryFilter::default().with_label(&label);
    let all: Vec<_> = ours.workload().recent_queries(filter()).try_collect().await.expect("a list");
    let ended = |text: &str| all.iter().find(|query| query.text == text).map(|query| query.state.clone());
    assert_eq!(ended("select 1 as one"), Some(QueryState::Succeeded));
    assert!(all.is_sorted_by(|a, b| a.id > b.id), "youngest first");
    let wrong: Vec<_> =
        ours.workload().recent_queries(filter().with_unsuccessful_only(true)).try_collect().await.expect("a list");
    let query = wrong.iter().find(|query| query.state == QueryState::Failed).expect("the failed one");
    assert!(query.error.as_deref().is_some_and(|error| error.contains("zero")), "{query:?}");
    let nobody = filter().with_user("no'body");
    assert!(ours.workload().recent_queries(nobody).try_next().await.expect("a list").is_none());
}

#[tokio::test]
async fn a_history_longer_than_a_page_is_listed_without_gaps_or_repeats() {
    let warehouse = warehouse().await;
    let label = unique("many");
    let ours = warehouse.with_settings(SessionSettings::default().with_query_group(&label)).expect("settings");
    for _ in 0..510 {
        ours.execute("select 1").await.expect("run");
    }
    let filter = QueryFilter::default().with_label(&label);
    let all: Vec<_> = warehouse.workload().recent_queries(filter).try_collect().await.expect("a list");
    assert!(all.len() >= 510 && all.is_sorted_by(|a, b| a.id > b.id), "{}", all.len());
}

#[tokio::test]
async fn the_metrics_of_a_query_say_what_is_known_and_no_more() {
    let warehouse = warehouse().await;
    let label = unique("q");
    let rows: Vec<(i64,)> =
        warehouse.fetch_all(labelled("select n::bigint from generate_series(1, 9) n", &label)).await.expect("rows");
    assert_eq!(rows.len(), 9);
    let filter = QueryFilter::default().with_label(&label);
    let query = warehouse.workload().recent_queries(filter).try_next().await.expect("a list").expect("the query");
    let metrics = warehouse.workload().query_metrics(query.id).await.expect("metrics");
    assert_eq!((metrics.query.rows, &metrics.query.state), (Some(9), &QueryState::Succeeded));
    assert!(metrics.query.elapsed.is_some() && metrics.query.bytes.is_some_and(|bytes| bytes > 0));
    assert_eq!((metrics.cpu_time, metrics.spilled_blocks(), metrics.segments()), (None, None, None));
    assert_eq!(failed(warehouse.workload().query_metrics(i64::MAX).await).kind(), ErrorKind::NotFound);
    let text = warehouse.workload().query_text(query.id).await.expect("a text");
    assert!(text.starts_with("select n::bigint"), "{text}");
}

/// mage-ai/mage-ai#2754: the views of clusters give 42501 on serverless.
#[tokio::test]
async fn on_serverless_everything_comes_from_the_views_that_are_there() {
    let options = SandboxOptions::default().with_fronts([Front::Redshift]).with_serverless(true);
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    let warehouse = redshift_of(&sandbox).await.expect("a workgroup");
    assert_eq!(failed(warehouse.execute("select * from stv_recents").await).kind(), ErrorKind::PermissionDenied);
    assert_eq!(warehouse.deployment().await.expect("an answer"), Deployment::Serverless);
    let label = unique("q");
    let work = tokio::spawn({
        let (warehouse, request) = (warehouse.clone(), labelled(SLOW, &label));
        async move { warehouse.fetch_all::<(i64,)>(request).await }
    });
    let query = running(&warehouse, &label).await;
    assert_eq!((query.service_class, query.slots), (Some(-1), None));
    let queues = warehouse.workload().queues().await.expect("a queue");
    assert_eq!((queues.len(), queues[0].service_class, queues[0].running), (1, -1, Some(1)));
    assert!(warehouse.workload().cancel_query(query.id).await.expect("a cancel"));
    assert_eq!(failed(work.await.expect("it ends")).kind(), ErrorKind::Cancelled);
    warehouse.close().await.expect("a close");
    sandbox.stop().await.expect("a stop");
}
