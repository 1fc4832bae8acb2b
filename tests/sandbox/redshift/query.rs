use std::time::Duration;

use twinhouse_core::ErrorKind;
use twinhouse_redshift::SessionSettings;
use twinhouse_warehouse_api::{
    CallOptions, StatementId, StatementRequest, StatementStatus, Warehouse as _, WarehouseExt as _,
};

use super::support::{failed, one, rows, table, unique, warehouse, warehouse_of};
use crate::fixtures::PATIENCE;

const SLOW: &str = "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b";

#[tokio::test]
async fn settings_hold_for_their_calls_and_reach_nobody_else() {
    let warehouse = warehouse_of(1).await;
    let schema = unique("s");
    warehouse.execute(format!("create schema {schema}")).await.expect("a schema");
    warehouse.execute(format!("create table {schema}.hidden (a int)")).await.expect("a table");
    let settings = SessionSettings::default()
        .with_query_group("it's \\ nightly")
        .with_result_cache(false)
        .with_slot_count(2)
        .with_search_path([schema.as_str(), "public"]);
    let ours = warehouse.with_settings(settings).expect("settings");
    for _ in 0..2 {
        assert_eq!(one(&ours, "select current_setting('query_group')").await, "it's \\ nightly");
        assert_eq!(one(&ours, "show enable_result_cache_for_session").await, "off");
        assert_eq!(one(&ours, "show wlm_query_slot_count").await, "2");
        assert_eq!(rows(&ours, "select * from hidden").await.len(), 0);
        // One connection: it is the same session.
        assert_eq!(one(&warehouse, "show query_group").await, "unset");
        assert_eq!(one(&warehouse, "show enable_result_cache_for_session").await, "on");
        let hidden = failed(warehouse.execute("select * from hidden").await);
        assert_eq!(hidden.kind(), ErrorKind::NotFound);
    }
    let label = CallOptions::default().with_label("mine");
    let both = failed(ours.execute(StatementRequest::read("select 1").with_options(label.clone())).await);
    assert_eq!(both.kind(), ErrorKind::InvalidInput, "{both:?}");
    let labelled = StatementRequest::read("select current_setting('query_group')").with_options(label);
    assert_eq!(rows(&warehouse, labelled).await, [["mine"]]);
}

#[tokio::test]
async fn a_transaction_has_the_settings_of_its_warehouse() {
    let settings = SessionSettings::default().with_query_group("batch");
    let warehouse = warehouse().await.with_settings(settings).expect("settings");
    let mut open = warehouse.begin(Default::default()).await.expect("a transaction");
    let group = open.query("select current_setting('query_group')".into()).await;
    assert_eq!(super::support::read(group).await.expect("rows"), [["batch"]]);
    open.rollback().await.expect("a rollback");
}

#[tokio::test]
async fn a_statement_is_looked_at_while_it_runs_and_stopped_from_elsewhere_by_its_number() {
    let (warehouse, other) = (warehouse().await, self::warehouse().await);
    let handle = warehouse.submit(SLOW.into()).await.expect("a statement");
    let id = handle.id().clone();
    let running = tokio::spawn(handle.finish());
    let seen = tokio::time::timeout(PATIENCE, async {
        loop {
            match warehouse.progress(&id).await {
                Ok(seen) => return seen,
                // The server has it, and its history not yet.
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let seen = seen.await.expect("it shows up");
    assert!(matches!(seen.status, StatementStatus::Running | StatementStatus::Queued), "{seen:?}");
    assert!(seen.session_id > 0 && seen.elapsed.is_some(), "{seen:?}");

    let found = other.attach_query(seen.query_id).await.expect("the same query");
    assert!(!found.status().await.expect("a look").is_terminal());
    drop(found);
    let again = other.attach_query(seen.query_id).await.expect("letting go stopped nothing");
    assert!(!again.status().await.expect("a look").is_terminal());
    again.canceller().cancel().await.expect("a cancellation");
    assert_eq!(failed(running.await.expect("a task")).kind(), ErrorKind::Cancelled);
    assert!(again.status().await.expect("a look").is_terminal());
    let done = other.attach_query(finished(&other).await).await.expect("a query that is over");
    assert_eq!(failed(done.stream().await).kind(), ErrorKind::Unsupported, "its rows were another connection's");
    again.canceller().cancel().await.expect("what is over is no error");

    let unknown = failed(other.attach_query(i64::MAX).await);
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    let theirs = failed(other.progress(&StatementId::new("1-1")).await);
    assert_eq!(theirs.kind(), ErrorKind::NotFound);
    assert_eq!(failed(other.attach(&StatementId::new("1-1")).await).kind(), ErrorKind::Unsupported);
}

/// The number of a query that is over.
async fn finished(warehouse: &twinhouse_redshift::RedshiftWarehouse) -> i64 {
    let label = unique("finished");
    let options = CallOptions::default().with_label(label.clone());
    warehouse.execute(StatementRequest::read("select 1").with_options(options)).await.expect("a query");
    let sql = format!("select query_id from sys_query_history where query_label = '{label}' and status = 'success'");
    one(warehouse, &sql).await.parse().expect("a number")
}

/// sfackler/rust-postgres#167: a look for an unknown type must not abort the open transaction.
#[tokio::test]
async fn unknown_types_in_a_transaction_do_not_abort_it() {
    let warehouse = warehouse().await;
    let mut open = warehouse.begin(Default::default()).await.expect("a transaction");
    let sql = "select json_parse('{\"a\": 1}') as s, to_varbyte('00ff', 'hex') as v";
    assert_eq!(super::support::read(open.query(sql.into()).await).await.expect("rows"), [[r#"{"a":1}"#, "00ff"]]);
    assert_eq!(super::support::read(open.query("select 1".into()).await).await.expect("rows"), [["1"]]);
    open.commit().await.expect("a commit");
}

/// t8y2/dbx#3085, launchbadge/sqlx#801: LIMIT and OFFSET take bound numbers, and so do bigint columns.
#[tokio::test]
async fn limits_offsets_and_bigints_are_bound() {
    let warehouse = warehouse().await;
    let table = table(&warehouse, "a bigint").await;
    warehouse.execute(format!("insert into {table} values (1), (2), (3), (9223372036854775807)")).await.expect("rows");
    let sql = format!("select a from {table} where a >= :least order by a limit :n offset :skip");
    let request = StatementRequest::read(sql).bind("least", 2_i64).bind("n", 1).bind("skip", 2_i64);
    assert_eq!(rows(&warehouse, request).await, [["9223372036854775807"]]);
}

/// aws/amazon-redshift-python-driver#31: statements without bind parameters get literals that nothing escapes from.
#[tokio::test]
async fn values_where_the_server_takes_none_are_literals() {
    let warehouse = warehouse().await;
    let table = table(&warehouse, "a varchar(60)").await;
    for hostile in ["it's", "back\\slash", "\\'; drop table x; --", "$1 :a", "ü\n"] {
        let create = format!("create or replace view {table}_v as select cast(:a as varchar(60)) as a");
        warehouse.execute(StatementRequest::write(create).bind("a", hostile)).await.expect("a view");
        assert_eq!(one(&warehouse, &format!("select a from {table}_v")).await, hostile);
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_and_the_session_lives_on() {
    let warehouse = warehouse_of(1).await;
    let nul = failed(warehouse.execute("select '\0'").await);
    assert_eq!(nul.kind(), ErrorKind::InvalidInput);
    let nul = failed(warehouse.execute(StatementRequest::read("select :a").bind("a", "x\0")).await);
    assert_eq!((nul.kind(), nul.context("parameter")), (ErrorKind::InvalidInput, Some("a")));
    let names: Vec<_> = (0..32_768).map(|n| format!("p{n}")).collect();
    let markers: Vec<_> = names.iter().map(|name| format!(":{name}")).collect();
    let sql = format!("select {}", markers.join(" + "));
    let many = names.iter().map(|name| (name.as_str(), 1)).collect();
    let too_many = failed(warehouse.execute(StatementRequest::read(sql).with_params(many)).await);
    assert_eq!(too_many.kind(), ErrorKind::InvalidInput, "{too_many:?}");
    assert_eq!(one(&warehouse, "select 1").await, "1");
}

#[tokio::test]
async fn as_many_parameters_as_the_wire_carries_arrive() {
    let warehouse = warehouse().await;
    let names: Vec<_> = (0..32_767).map(|n| format!("p{n}")).collect();
    let markers: Vec<_> = names.iter().map(|name| format!(":{name}")).collect();
    // One flat list: an expression as deep would be another test.
    let sql = format!("select 1 where 32766 in ({})", markers.join(", "));
    let request =
        StatementRequest::read(sql).with_params((0..).zip(&names).map(|(n, name)| (name.as_str(), n)).collect());
    assert_eq!(rows(&warehouse, request).await, [["1"]]);
}

#[tokio::test]
async fn a_statement_of_sixteen_megabytes_arrives_whole() {
    let warehouse = warehouse().await;
    let text = "x".repeat(16 * 1024 * 1024 - 64);
    assert_eq!(one(&warehouse, &format!("select length('{text}')")).await, text.len().to_string());
}

#[tokio::test]
async fn hostile_names_are_names() {
    let warehouse = warehouse().await;
    for name in ["select", "a\"b", "a;b", "--", "a.b", "ü b", "$1", "'"] {
        let name = format!("{}{name}", unique("n"));
        let quoted = warehouse.info().dialect.quote(&name).expect("a name");
        warehouse.execute(format!("create table {quoted} (a int)")).await.expect(&name);
        assert_eq!(rows(&warehouse, format!("select * from {quoted}").as_str()).await.len(), 0);
        warehouse.execute(format!("drop table {quoted}")).await.expect(&name);
    }
}
