//! Writers that meet, through the client.

use twinhouse_core::{ErrorKind, Result};

use super::sql::Sql;

async fn at_once(sql: &Sql, statements: impl Iterator<Item = String>) -> Vec<Result<Vec<String>>> {
    let tasks: Vec<_> = statements
        .map(|statement| {
            let sql = sql.clone();
            tokio::spawn(async move { sql.try_rows(&statement).await })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

#[tokio::test]
async fn eight_appends_at_once_all_land() {
    let sql = Sql::new().await;
    sql.rows("create table {s}.t (id int)").await;
    for outcome in at_once(&sql, (0..8).map(|i| format!("insert into {{s}}.t select {i} + id from range(3)"))).await {
        outcome.unwrap();
    }
    assert_eq!(sql.rows("select count(*), sum(id) from {s}.t").await, ["24|108"]);
}

#[tokio::test]
async fn of_eight_updates_of_the_same_rows_the_losers_are_conflicts_and_their_retry_lands() {
    let sql = Sql::new().await;
    sql.rows("create table {s}.t as select 0 as n").await;
    let update = || "update {s}.t set n = n + 1".to_owned();
    let mut left = 8;
    while left > 0 {
        let outcomes = at_once(&sql, (0..left).map(|_| update())).await;
        let landed = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        for error in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Conflict, Some("2D521")), "{error:?}");
            assert!(error.is_retryable());
        }
        assert!(landed > 0, "nobody won");
        left -= landed;
    }
    assert_eq!(sql.rows("select n from {s}.t").await, ["8"]);
}

#[tokio::test]
async fn eight_updates_of_eight_partitions_all_land() {
    let sql = Sql::new().await;
    sql.rows("create table {s}.t (id int, p int) partitioned by (p)").await;
    sql.rows("insert into {s}.t select id, id % 8 from range(80)").await;
    for outcome in at_once(&sql, (0..8).map(|p| format!("update {{s}}.t set id = -id where p = {p}"))).await {
        outcome.unwrap();
    }
    assert_eq!(sql.rows("select sum(id), count(*) from {s}.t").await, ["-3160|80"]);
}

#[tokio::test]
async fn a_table_that_is_dropped_meanwhile_is_not_found() {
    let sql = Sql::new().await;
    sql.rows("create table {s}.t as select cast(id as int) as id from range(1000)").await;
    let mut statements: Vec<String> = (0..4).map(|i| format!("update {{s}}.t set id = id + {i}")).collect();
    statements.push("drop table {s}.t".to_owned());
    for error in at_once(&sql, statements.into_iter()).await.into_iter().filter_map(Result::err) {
        assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict), "{error:?}");
    }
    assert_eq!(sql.error("select * from {s}.t").await.kind(), ErrorKind::NotFound);
}
