//! INSERT in all its forms, through the client.

use twinhouse_core::ErrorKind;

use super::sql::Sql;

#[tokio::test]
async fn every_form_is_one_version_and_counts_its_rows() {
    let sql = Sql::new().await;
    sql.rows("create table {s}.t (id int, v string, p string) partitioned by (p)").await;
    let names = "num_affected_rows|num_inserted_rows";
    for (statement, rows) in [
        ("insert into {s}.t values (1, 'a', 'x'), (2, 'b', 'y'), (3, 'c', null)", "3|3"),
        ("insert into {s}.t partition (p = 'x') (id, v) select 4, 'd'", "1|1"),
        ("insert into {s}.t by name select 'y' as p, 5 as id", "1|1"),
        ("insert into {s}.t replace where id < 3 and p = 'x' values (0, 'r', 'x')", "1|1"),
        ("insert into {s}.t replace using (p) values (6, 'u', 'y')", "1|1"),
        ("insert overwrite {s}.t partition (p = 'x') values (7, 'o')", "1|1"),
        ("with w as (select 8 as id) insert into {s}.t select id, 'w', 'w' from w", "1|1"),
        ("insert with schema evolution into {s}.t by name select 9 as id, 'w' as p, 1.5 as extra", "1|1"),
    ] {
        assert_eq!(sql.counts(statement).await, (names.to_owned(), rows.to_owned()), "{statement}");
    }
    assert_eq!(sql.rows("select count(*) from {s}.t version as of 8").await, ["5"]);
    assert_eq!(sql.error("select 1 from {s}.t version as of 9").await.kind(), ErrorKind::NotFound);
    assert_eq!(
        sql.rows("select * from {s}.t order by id").await,
        ["3|c|NULL|NULL", "6|u|y|NULL", "7|o|x|NULL", "8|w|w|NULL", "9|NULL|w|1.5"]
    );
}

#[tokio::test]
async fn rows_that_break_a_rule_change_nothing() {
    let sql = Sql::new().await;
    sql.rows("create table {s}.t (id int not null, v varchar(3))").await;
    sql.rows("alter table {s}.t add constraint small check (id < 100)").await;
    for (values, class) in [
        ("(null, 'a')", "DELTA_NOT_NULL_CONSTRAINT_VIOLATED"),
        ("(1, 'a'), (100, 'b')", "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES"),
        ("(1, 'abcd')", "DELTA_EXCEED_CHAR_VARCHAR_LIMIT"),
        ("('one', 'a')", "CAST_INVALID_INPUT"),
        ("(1)", "INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS"),
    ] {
        let error = sql.error(&format!("insert into {{s}}.t values {values}")).await;
        assert_eq!(error.vendor_code(), Some(class), "{values}: {error:?}");
        assert!(matches!(error.kind(), ErrorKind::Constraint | ErrorKind::Data), "{error:?}");
    }
    let error = sql.error("insert into {s}.t replace where id > 5 values (1, 'a')").await;
    assert_eq!(error.kind(), ErrorKind::Constraint, "{error:?}");
    assert_eq!(sql.rows("select count(*) from {s}.t").await, ["0"]);
}

#[tokio::test]
async fn names_may_be_hostile_and_numbers_long() {
    let sql = Sql::new().await;
    sql.rows("create table {s}.`t';drop--` (`a b` decimal(38, 10), `x``y` string, `é;{}` double)").await;
    sql.rows(
        "insert into {s}.`t';drop--` values (9999999999999999999999999999.9999999999BD, 'it\\'s; drop', double('NaN')), \
         (null, null, null)",
    )
    .await;
    sql.rows("update {s}.`t';drop--` set `x``y` = concat(`x``y`, '\"') where `a b` is not null").await;
    assert_eq!(
        sql.rows("select * from {s}.`t';drop--` order by `a b` desc").await,
        ["9999999999999999999999999999.9999999999|it's; drop\"|NaN", "NULL|NULL|NULL"]
    );
}
