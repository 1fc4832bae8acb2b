use super::*;

async fn partitioned() -> World {
    let world = World::new();
    world.rows("CREATE TABLE t (id INT, v STRING, p STRING) PARTITIONED BY (p)").await;
    world.rows("INSERT INTO t VALUES (1, 'a', 'x'), (2, 'b', 'y'), (3, 'c', NULL)").await;
    world
}

async fn all(world: &World) -> Vec<String> {
    world.rows("SELECT * FROM t ORDER BY id, v").await
}

#[tokio::test]
async fn partition_gives_columns_a_value_and_an_overwrite_its_reach() {
    let world = partitioned().await;
    assert_eq!(world.rows("INSERT INTO t PARTITION (p = 'y') SELECT 4, 'd'").await, ["1|1"]);
    assert_eq!(world.rows("INSERT OVERWRITE TABLE t PARTITION (p = 'x') VALUES (5, 'e'), (6, 'f')").await, ["2|2"]);
    assert_eq!(all(&world).await, ["2|b|y", "3|c|NULL", "4|d|y", "5|e|x", "6|f|x"]);
    world.rows("INSERT OVERWRITE t PARTITION (p = NULL) (v, id) VALUES ('g', 7)").await;
    assert_eq!(all(&world).await, ["2|b|y", "4|d|y", "5|e|x", "6|f|x", "7|g|NULL"]);
    world.rows("INSERT OVERWRITE t PARTITION (p) VALUES (8, 'h', 'x')").await;
    assert_eq!(all(&world).await, ["8|h|x"]);
    assert_eq!(world.error("INSERT INTO t PARTITION (v = 'q') SELECT 1, 'x'").await.class(), "NON_PARTITION_COLUMN");
    let error = world.error("INSERT INTO t PARTITION (p = 'y') SELECT 4, 'd', 'y'").await;
    assert_eq!(error.class(), "INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS");
}

#[tokio::test]
async fn replace_using_replaces_the_keys_that_come_and_no_others() {
    let world = partitioned().await;
    let sql = "INSERT INTO t REPLACE USING (p) SELECT 10, 'n', 'x' UNION ALL SELECT 11, 'm', 'z'";
    assert_eq!(world.rows(sql).await, ["2|2"]);
    assert_eq!(all(&world).await, ["2|b|y", "3|c|NULL", "10|n|x", "11|m|z"]);
    assert_eq!(world.rows("INSERT INTO t REPLACE USING (p) SELECT 1, 'v', 'y' WHERE false").await, ["0|0"]);
    world.rows("INSERT INTO t BY NAME REPLACE USING (id, v) SELECT 'y' AS p, 2 AS id, 'b' AS v").await;
    assert_eq!(all(&world).await, ["2|b|y", "3|c|NULL", "10|n|x", "11|m|z"]);
    let error = world.error("INSERT INTO t REPLACE USING (p) VALUES (1, 'v', NULL)").await;
    assert_eq!(error.class(), "UNSUPPORTED_FEATURE");
    assert_eq!(world.rows("SELECT count(*) FROM t").await, ["4"]);
}

#[tokio::test]
async fn replace_on_may_treat_null_as_equal() {
    let world = partitioned().await;
    let sql = "INSERT INTO t AS t BY NAME REPLACE ON t.p <=> s.p \
        (SELECT 20 AS id, 'n' AS v, CAST(NULL AS STRING) AS p UNION ALL SELECT 21, 'm', 'y') AS s";
    assert_eq!(world.rows(sql).await, ["2|2"]);
    assert_eq!(all(&world).await, ["1|a|x", "20|n|NULL", "21|m|y"]);
    let error =
        world.error("INSERT INTO t AS t REPLACE ON t.id > s.id (SELECT 1 AS id, 'v' AS v, 'x' AS p) AS s").await;
    assert_eq!(error.class(), "UNSUPPORTED_FEATURE");
}

#[tokio::test]
async fn rows_outside_a_replace_where_change_nothing() {
    let world = partitioned().await;
    let error = world.error("INSERT INTO t REPLACE WHERE id > 1 VALUES (1, 'z', 'x')").await;
    assert_eq!((error.class(), error.sqlstate()), ("DELTA_REPLACE_WHERE_MISMATCH", "44000"), "{error}");
    assert_eq!(all(&world).await, ["1|a|x", "2|b|y", "3|c|NULL"]);
    world.rows("INSERT INTO t BY NAME REPLACE WHERE p = 'x' AND id < 5 SELECT 'x' AS p, 4 AS id").await;
    assert_eq!(all(&world).await, ["2|b|y", "3|c|NULL", "4|NULL|x"]);
}

#[tokio::test]
async fn schema_evolution_adds_what_the_table_lacks() {
    let world = World::new();
    world.rows("CREATE TABLE t (a INT, b STRING)").await;
    world.rows("INSERT INTO t VALUES (1, 'x')").await;
    let sql = "INSERT WITH SCHEMA EVOLUTION INTO t BY NAME SELECT 2.5 AS c, 2 AS a";
    assert_eq!(world.rows(sql).await, ["1|1"]);
    assert_eq!(world.rows("SELECT * FROM t ORDER BY a").await, ["1|x|NULL", "2|NULL|2.5"]);
    assert_eq!(world.columns("SELECT * FROM t").await, ["a INT", "b STRING", "c DECIMAL(2,1)"]);
    world.rows("INSERT WITH SCHEMA EVOLUTION INTO t SELECT 3, 'y', 1.5, DATE '2024-01-01' AS d").await;
    assert_eq!(world.rows("SELECT d, c FROM t WHERE a = 3").await, ["2024-01-01|1.5"]);
    assert_eq!(world.rows("SELECT count(*) FROM t VERSION AS OF 1").await, ["1"]);
    let error = world.error("INSERT INTO t BY NAME SELECT 1 AS a, 2 AS unknown").await;
    assert_eq!(error.class(), "UNRESOLVED_COLUMN.WITH_SUGGESTION");
}

#[tokio::test]
async fn common_table_expressions_may_stand_before_an_insert() {
    let world = partitioned().await;
    let sql = "WITH a AS (SELECT 9 AS k), b AS (SELECT k + 1 AS k FROM a) INSERT INTO t SELECT k, 'cte', 'w' FROM b";
    assert_eq!(world.rows(sql).await, ["1|1"]);
    assert_eq!(world.rows("SELECT id FROM t WHERE p = 'w'").await, ["10"]);
    assert_eq!(world.error("WITH a AS (SELECT 1) DELETE FROM t").await.class(), "UNSUPPORTED_FEATURE");
}

#[tokio::test]
async fn defaults_stand_where_nothing_is_given() {
    let world = World::new();
    world
        .rows(
            "CREATE TABLE t (id INT, v STRING DEFAULT 'none', n INT DEFAULT 40 + 2) \
             TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported')",
        )
        .await;
    world.rows("INSERT INTO t (id) VALUES (1)").await;
    world.rows("INSERT INTO t VALUES (2, DEFAULT, DEFAULT), (DEFAULT, 'w', 1)").await;
    world.rows("INSERT INTO t BY NAME SELECT 3 AS id").await;
    assert_eq!(world.rows("SELECT * FROM t ORDER BY id").await, ["NULL|w|1", "1|none|42", "2|none|42", "3|none|42"]);
    assert_eq!(world.rows("UPDATE t SET v = DEFAULT, id = 4 WHERE n = 1").await, ["1"]);
    let merge = "MERGE INTO t USING (SELECT 4 AS id UNION ALL SELECT 5) s ON t.id = s.id \
        WHEN MATCHED THEN UPDATE SET n = DEFAULT WHEN NOT MATCHED THEN INSERT (id, v, n) VALUES (s.id, DEFAULT, 7)";
    assert_eq!(world.rows(merge).await, ["2|1|0|1"]);
    assert_eq!(world.rows("SELECT * FROM t WHERE id > 3 ORDER BY id").await, ["4|none|42", "5|none|7"]);
}

#[tokio::test]
async fn what_an_assignment_names_is_a_column_of_the_target() {
    let world = World::new();
    world.rows("CREATE TABLE t (x INT, s STRUCT<x: INT>)").await;
    world.rows("INSERT INTO t VALUES (1, named_struct('x', 2))").await;
    assert_eq!(world.error("UPDATE t SET s.x = 5").await.class(), "UNSUPPORTED_FEATURE");
    assert_eq!(world.rows("UPDATE t SET main.default.t.x = 5").await, ["1"]);
    assert_eq!(world.rows("UPDATE t AS q SET q.x = q.x + 1 WHERE q.x = 5").await, ["1"]);
    let error = world.error("UPDATE t SET x = 1, X = 2").await;
    assert_eq!(error.class(), "DELTA_CONFLICT_SET_COLUMN");
    assert_eq!(world.rows("SELECT x, s.x FROM t").await, ["6|2"]);
}

#[tokio::test]
async fn a_violated_check_is_named() {
    let world = World::new();
    world.rows("CREATE TABLE t (a INT)").await;
    world.rows("ALTER TABLE t ADD CONSTRAINT positive CHECK (a > 0)").await;
    for sql in [
        "INSERT INTO t VALUES (1), (-1)",
        "INSERT OVERWRITE t VALUES (-1)",
        "MERGE INTO t USING (SELECT -5 AS a) s ON t.a = s.a WHEN NOT MATCHED THEN INSERT *",
    ] {
        let error = world.error(sql).await;
        assert_eq!(
            (error.class(), error.sqlstate()),
            ("DELTA_VIOLATE_CONSTRAINT_WITH_VALUES", "23001"),
            "{sql}: {error}"
        );
        assert!(error.message().contains("CHECK constraint positive"), "{error}");
    }
    assert_eq!(world.rows("SELECT count(*) FROM t").await, ["0"]);
}
