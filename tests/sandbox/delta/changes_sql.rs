//! `table_changes` in SQL, through the client.

use twinhouse_core::ErrorKind;

use super::sql::Sql;

#[tokio::test]
async fn every_kind_of_statement_leaves_its_changes() {
    let sql = Sql::new().await;
    sql.rows(
        "create table {s}.t (id int, p string) partitioned by (p) tblproperties (delta.enableChangeDataFeed = true)",
    )
    .await;
    for statement in [
        "insert into {s}.t values (1, 'x'), (2, 'y'), (3, 'y')",
        "update {s}.t set id = 20 where id = 2",
        "delete from {s}.t where p = 'x'",
        "merge into {s}.t as t using (select 3 as id, 'y' as p union all select 4, 'z') as s on t.id = s.id \
         when matched then delete when not matched then insert *",
        "insert into {s}.t replace using (p) select 5, 'z'",
        "truncate table {s}.t",
    ] {
        sql.rows(statement).await;
    }
    let feed = format!(
        "select _commit_version, _change_type, id, p from table_changes('{}.t', 1) \
         order by _commit_version, _change_type, id",
        sql.schema()
    );
    assert_eq!(
        sql.rows(&feed).await,
        [
            "1|insert|1|x",
            "1|insert|2|y",
            "1|insert|3|y",
            "2|update_postimage|20|y",
            "2|update_preimage|2|y",
            "3|delete|1|x",
            "4|delete|3|y",
            "4|insert|4|z",
            "5|delete|4|z",
            "5|insert|5|z",
            "6|delete|5|z",
            "6|delete|20|y",
        ]
    );
}

#[tokio::test]
async fn a_range_that_was_not_recorded_is_not_found() {
    let sql = Sql::new().await;
    sql.rows("create table {s}.t (id int)").await;
    let error = sql.error(&format!("select * from table_changes('{}.t', 0)", sql.schema())).await;
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::NotFound, Some("DELTA_MISSING_CHANGE_DATA")));
    sql.rows("alter table {s}.t set tblproperties ('delta.enableChangeDataFeed' = 'true')").await;
    sql.rows("insert into {s}.t values (7)").await;
    let from_then = format!("select id, _change_type from table_changes('{}.t', 1)", sql.schema());
    assert_eq!(sql.rows(&from_then).await, ["7|insert"]);
}
