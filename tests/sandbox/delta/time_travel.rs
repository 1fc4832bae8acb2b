//! Earlier versions in SQL, through the client.

use twinhouse_core::ErrorKind;

use super::sql::Sql;

#[tokio::test]
async fn several_tables_at_several_versions_meet_in_one_statement() {
    let sql = Sql::new().await;
    sql.rows("create table {s}.t as select cast(id as int) as id from range(3)").await;
    sql.rows("create table {s}.u as select 100 as n").await;
    sql.rows("delete from {s}.t where id = 0").await;
    sql.rows("update {s}.u set n = 200").await;
    let query = "with old as (select count(*) as c from {s}.t@v0), \
        new as (select count(*) as c from {s}.t for system_version as of 1) \
        select old.c, new.c, a.n, b.n, (select count(*) from {s}.t version as of 0 where id in (select id from {s}.t)) \
        from old cross join new cross join {s}.u version as of 0 as a cross join {s}.u as b";
    assert_eq!(sql.rows(query).await, ["3|2|100|200|2"]);
}

#[tokio::test]
async fn what_was_written_then_is_read_by_its_time() {
    let sql = Sql::new().await;
    sql.rows("create table {s}.t (id int)").await;
    sql.rows("insert into {s}.t values (1)").await;
    sql.rows("insert into {s}.t values (2)").await;
    let history = "select 1 from {s}.t version as of 2 limit 1";
    assert_eq!(sql.rows(history).await, ["1"]);
    let error = sql.error("select * from {s}.t timestamp as of '2999-01-01'").await;
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::NotFound, Some("DELTA_TIMESTAMP_GREATER_THAN_COMMIT")));
    let error = sql.error("select * from {s}.t version as of 3").await;
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::NotFound, Some("DELTA_VERSION_NOT_FOUND")));
    assert!(!error.is_retryable());
}
