use super::*;
use crate::faults::{FaultKind, FaultRule, When};

#[tokio::test]
async fn a_scheduled_conflict_fails_the_commit_and_the_whole_transaction_can_be_repeated() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a int)").await;
    cluster
        .faults
        .schedule(FaultRule::redshift(FaultKind::SerializationConflict).with_sql("commit"))
        .expect("scheduled");
    run(&client, "begin").await;
    run(&client, "insert into t values (1)").await;
    assert_eq!(failure(&client, "commit").await, ("XX000".to_owned(), "1023".to_owned()));
    assert_eq!(value(&client, "select count(*) from t").await, "0");
    run(&client, "begin; insert into t values (1); commit").await;
    assert_eq!(value(&client, "select count(*) from t").await, "1");
}

#[tokio::test]
async fn a_scheduled_conflict_or_full_disk_fails_the_statement_it_strikes() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    run(&client, "create table t (a int)").await;
    cluster.faults.schedule(FaultRule::redshift(FaultKind::DiskFull).with_sql("insert")).expect("scheduled");
    assert_eq!(failure(&client, "insert into t values (1)").await.0, "53100");
    cluster
        .faults
        .schedule(FaultRule::redshift(FaultKind::SerializationConflict).with_sql("insert"))
        .expect("scheduled");
    let error = client.execute("insert into t values ($1)", &[&1_i32]).await.expect_err("struck");
    assert_eq!(refusal(error).1, "1023");
    assert_eq!(value(&client, "select count(*) from t").await, "0");
}

#[tokio::test]
async fn a_killed_backend_says_goodbye_and_the_next_connection_works() {
    let cluster = Cluster::start().await;
    for scheduled in [false, true] {
        let client = cluster.connect().await;
        let error = if scheduled {
            cluster.faults.schedule(FaultRule::redshift(FaultKind::KillBackend).with_sql("select")).expect("scheduled");
            client.batch_execute("select 1").await.expect_err("killed")
        } else {
            let pid = value(&client, "select pg_backend_pid()").await;
            run(&cluster.connect().await, &format!("select pg_terminate_backend({pid})")).await;
            client.batch_execute("select 1").await.expect_err("killed")
        };
        assert!(error.is_closed() || error.code().is_some_and(|code| code.code() == "57P01"), "{error:?}");
        assert_eq!(value(&cluster.connect().await, "select 1").await, "1");
    }
}

#[tokio::test]
async fn a_reset_before_does_nothing_and_one_after_has_done_everything() {
    let cluster = Cluster::start().await;
    let other = cluster.connect().await;
    run(&other, "create table t (a int)").await;
    for (when, expected) in [(When::Before, "0"), (When::After, "1")] {
        let client = cluster.connect().await;
        cluster.faults.schedule(FaultRule::redshift(FaultKind::Reset { when }).with_sql("insert")).expect("scheduled");
        let error = client.batch_execute("insert into t values (1)").await.expect_err("reset");
        assert!(error.as_db_error().is_none(), "{error:?}");
        assert_eq!(value(&other, "select count(*) from t").await, expected);
    }
}

#[tokio::test]
async fn a_prepared_statement_is_struck_where_the_work_is_done() {
    let cluster = Cluster::start().await;
    let other = cluster.connect().await;
    run(&other, "create table t (a int)").await;
    for (kind, rows) in
        [(FaultKind::KillBackend, "0"), (FaultKind::Reset { when: When::After }, "1"), (FaultKind::DropIdle, "2")]
    {
        let client = cluster.connect().await;
        cluster.faults.schedule(FaultRule::redshift(kind).with_sql("insert")).expect("scheduled");
        let insert = client.prepare("insert into t values ($1)").await.expect("prepared");
        let done = client.execute(&insert, &[&1_i32]).await;
        assert_eq!(done.is_ok(), kind == FaultKind::DropIdle, "{kind:?}: {done:?}");
        assert_eq!(value(&other, "select count(*) from t").await, rows, "{kind:?}");
        assert!(client.batch_execute("select 1").await.is_err(), "{kind:?}: the connection lives");
    }
}

#[tokio::test]
async fn an_idle_connection_dies_without_a_word() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    cluster.faults.schedule(FaultRule::redshift(FaultKind::DropIdle).with_sql("select 7")).expect("scheduled");
    assert_eq!(value(&client, "select 7").await, "7");
    let error = client.batch_execute("select 8").await.expect_err("dropped while idle");
    assert!(error.as_db_error().is_none(), "{error:?}");
}

#[tokio::test]
async fn after_the_whole_server_was_killed_clients_see_a_lost_connection_and_come_back() {
    use rustix::process::{Pid, Signal, kill_process};
    let engine = Postgres::start(PostgresOptions::temporary()).await.expect("started");
    let cluster = Cluster::on(&engine, false, false).await;
    let client = cluster.connect().await;
    run(&client, "create table t (a int); insert into t values (1)").await;
    let backend = Pid::from_raw(value(&client, "select pg_backend_pid()").await.parse().expect("a number"));
    let postmaster = Pid::from_raw(engine.pid().expect("it runs").cast_signed()).expect("not zero");
    let slow = "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    let (lost, ()) = tokio::join!(client.batch_execute(slow), async {
        while cluster.front.activity().is_empty() {
            tokio::task::yield_now().await;
        }
        kill_process(postmaster, Signal::KILL).expect("killed");
        // Its child is killed too, as when a machine goes down.
        kill_process(backend.expect("not zero"), Signal::KILL).expect("killed");
    });
    assert!(lost.expect_err("lost").is_closed());
    // No waiting in the test: a new connection waits until the server is back.
    assert_eq!(value(&cluster.connect().await, "select count(*) from t").await, "1");
}

#[tokio::test]
async fn stopping_ends_the_sessions_with_a_word_and_closes_the_port() {
    let cluster = Cluster::start().await;
    let client = cluster.connect().await;
    cluster.front.stop().await;
    let error = client.batch_execute("select 1").await.expect_err("stopped");
    assert!(error.is_closed() || error.code().is_some_and(|code| code.code() == "57P01"), "{error:?}");
    assert!(cluster.connect_with(&cluster.config()).await.is_err());
    assert!(cluster.front.activity().is_empty());
}
