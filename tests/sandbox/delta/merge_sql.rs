//! MERGE, UPDATE, DELETE and TRUNCATE in SQL, through the client.

use twinhouse_core::ErrorKind;

use super::sql::Sql;

#[tokio::test]
async fn all_kinds_of_clauses_run_in_one_statement() {
    let sql = Sql::new().await;
    sql.rows("create table {s}.t (`the id` int, v string, n int)").await;
    sql.rows("insert into {s}.t values (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4)").await;
    let merge = "with src as (select * from (values (1, 'A', false), (2, 'B', true), (9, 'I', false)) as x(`the id`, v, gone)) \
        merge into {s}.t as t using src as s on t.`the id` = s.`the id` \
        when matched and s.gone then delete when matched then update set t.v = concat(s.v, t.v), n = t.n * 10 \
        when not matched then insert (`the id`, v) values (s.`the id`, lower(s.v)) \
        when not matched by source and t.n = 3 then update set v = default \
        when not matched by source then delete";
    let names = "num_affected_rows|num_updated_rows|num_deleted_rows|num_inserted_rows";
    assert_eq!(sql.counts(merge).await, (names.to_owned(), "5|2|2|1".to_owned()));
    assert_eq!(sql.rows("select * from {s}.t order by 1").await, ["1|Aa|10", "3|NULL|3", "9|i|NULL"]);
    let evolve = "merge with schema evolution into {s}.t using (select 1 as `the id`, 'new' as extra) as s \
        on t.`the id` = s.`the id` when matched then update set *";
    // A column with a blank in its name is mapped, and the engine cannot add columns to such a table.
    let error = sql.error(evolve).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
}

#[tokio::test]
async fn two_source_rows_for_one_target_row_are_a_conflict_that_no_retry_heals() {
    let sql = Sql::new().await;
    sql.rows("create table {s}.t as select 1 as id, 'a' as v").await;
    let merge = "merge into {s}.t as t using (values (1, 'x'), (1, 'y')) as s(id, v) on t.id = s.id \
        when matched then update set v = s.v";
    let error = sql.error(merge).await;
    assert_eq!(error.vendor_code(), Some("DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE"));
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Conflict, false));
    assert_eq!(sql.rows("select * from {s}.t").await, ["1|a"]);
}

#[tokio::test]
async fn changes_count_the_rows_that_they_change() {
    let sql = Sql::new().await;
    sql.rows("create table {s}.t as select cast(id as int) as id, 'v' as v from range(10)").await;
    let counted = |count: &str| ("num_affected_rows".to_owned(), count.to_owned());
    assert_eq!(sql.counts("update {s}.t set v = 'w' where id < (select max(id) from {s}.t) - 5").await, counted("4"));
    assert_eq!(sql.counts("delete from {s}.t where id in (select id from {s}.t where v = 'w')").await, counted("4"));
    assert_eq!(sql.counts("update {s}.t set id = id + 1").await, counted("6"));
    assert_eq!(sql.counts("delete from {s}.t").await, counted("6"));
    sql.rows("insert into {s}.t values (1, 'x')").await;
    assert_eq!(sql.rows("truncate table {s}.t").await, Vec::<String>::new());
    assert_eq!(sql.rows("select count(*) from {s}.t").await, ["0"]);
    let correlated = "delete from {s}.t as t where exists (select 1 from {s}.t as u where u.id = t.id + 1)";
    assert_eq!(sql.error(correlated).await.kind(), ErrorKind::Unsupported);
}
