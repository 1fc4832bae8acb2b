use super::*;

#[tokio::test]
async fn a_table_takes_every_type_to_its_extremes() {
    let world = World::new();
    world
        .rows(
            "CREATE TABLE t (a TINYINT, b SMALLINT, c INT, d BIGINT, e FLOAT, f DOUBLE, g DECIMAL(38,10), h STRING, i BINARY, \
             j BOOLEAN, k DATE, l TIMESTAMP, m TIMESTAMP_NTZ, n ARRAY<INT>, o STRUCT<x: INT, y: STRING>) USING DELTA",
        )
        .await;
    let counts = world
        .rows(
            "INSERT INTO t VALUES (-128Y, 32767S, -2147483648, 9223372036854775807L, CAST('NaN' AS FLOAT), CAST('-Infinity' AS DOUBLE), \
             9999999999999999999999999999.9999999999BD, 'é\\u4e2d😀', X'00ff', true, DATE '0001-01-01', \
             TIMESTAMP '9999-12-31 23:59:59.999999', TIMESTAMP_NTZ '1969-12-31 23:59:59.000001', array(1, NULL), named_struct('x', 1, 'y', 'z')), \
             (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
        )
        .await;
    assert_eq!(counts, ["2|2"]);
    assert_eq!(
        world.rows("SELECT * FROM t ORDER BY a DESC").await,
        [
            "-128|32767|-2147483648|9223372036854775807|NaN|-inf|9999999999999999999999999999.9999999999|é中😀|00ff|true|0001-01-01|9999-12-31T23:59:59.999999Z|1969-12-31T23:59:59.000001|[1, NULL]|{x: 1, y: z}",
            "NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL"
        ]
    );
}

#[tokio::test]
async fn inserts_fit_by_position_by_list_and_by_name() {
    let world = World::new();
    world.rows("CREATE TABLE t (a INT, b STRING, c DECIMAL(5,2)) PARTITIONED BY (b)").await;
    assert_eq!(world.rows("INSERT INTO t VALUES ('1', 'x', 2), (2, 'y', 1.239)").await, ["2|2"]);
    world.rows("INSERT INTO t (c, A) SELECT 9.5, 3").await;
    world.rows("INSERT INTO t BY NAME SELECT 'n' AS b, 4 AS a").await;
    let all = "SELECT * FROM t ORDER BY a";
    assert_eq!(world.rows(all).await, ["1|x|2.00", "2|y|1.24", "3|NULL|9.50", "4|n|NULL"]);
    world.rows("INSERT INTO t REPLACE WHERE a >= 3 SELECT 30, 'r', 1").await;
    assert_eq!(world.rows(all).await, ["1|x|2.00", "2|y|1.24", "30|r|1.00"]);
    world.rows("INSERT OVERWRITE t SELECT a + 1, b, c FROM t WHERE a = 1").await;
    assert_eq!(world.rows(all).await, ["2|x|2.00"]);
    assert_eq!(world.error("INSERT INTO t VALUES (1, 'x', 1000)").await.sqlstate(), "22003");
    assert_eq!(world.error("INSERT INTO t VALUES ('abc', 'x', 1)").await.class(), "CAST_INVALID_INPUT");
    assert_eq!(world.rows(all).await, ["2|x|2.00"]);
}

#[tokio::test]
async fn not_null_is_kept() {
    let world = World::new();
    world.rows("CREATE TABLE t (a INT NOT NULL, b INT)").await;
    let error = world.error("INSERT INTO t VALUES (NULL, 1)").await;
    assert_eq!((error.class(), error.sqlstate()), ("DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "23502"), "{error}");
    assert_eq!(world.rows("SELECT count(*) FROM t").await, ["0"]);
}

#[tokio::test]
async fn create_table_as_makes_the_columns_of_the_query() {
    let world = World::new();
    let sql = "CREATE TABLE t COMMENT 'c' TBLPROPERTIES ('k' = 'v') AS SELECT CAST(id AS INT) AS `Id`, 'x' AS s, 1.5 AS d, current_timestamp() AS now, count(*) OVER () AS n FROM range(3)";
    assert!(world.batches(sql, Vec::new()).await.unwrap().is_empty());
    assert_eq!(
        world.columns("SELECT * EXCEPT (now) FROM t").await,
        ["Id INT", "s STRING", "d DECIMAL(2,1)", "n BIGINT"]
    );
    world.rows("CREATE OR REPLACE TABLE t AS SELECT max(id) AS m FROM t").await;
    assert_eq!(world.rows("SELECT * FROM t").await, ["2"]);
    world.rows("CREATE OR REPLACE TABLE t (z STRING)").await;
    assert_eq!(world.rows("SELECT count(z) FROM t").await, ["0"]);
    assert_eq!(world.rows("SELECT count(*) FROM t VERSION AS OF 0").await, ["3"]);
    assert_eq!(world.error("CREATE TABLE u AS SELECT 1 AS a, 2 AS A").await.class(), "COLUMN_ALREADY_EXISTS");
    assert_eq!(world.error("CREATE TABLE u AS SELECT 1 AS a, 1/0 AS b").await.class(), "DIVIDE_BY_ZERO");
    assert_eq!(world.error("SELECT * FROM u").await.class(), "TABLE_OR_VIEW_NOT_FOUND");
    world.rows("CREATE TABLE u AS SELECT 1 AS a").await;
}

#[tokio::test]
async fn update_delete_and_truncate_count_their_rows() {
    let world = World::new();
    world.rows("CREATE TABLE t AS SELECT CAST(id AS INT) AS id, 'v' AS v FROM range(10)").await;
    world.rows("CREATE TABLE u AS SELECT 3 AS k").await;
    assert_eq!(world.rows("UPDATE t AS x SET v = x.v || '!', ID = id + 100 WHERE x.id < 2").await, ["2"]);
    assert_eq!(world.rows("SELECT id, v FROM t WHERE id >= 100 ORDER BY id").await, ["100|v!", "101|v!"]);
    assert_eq!(world.rows("DELETE FROM t WHERE id IN (SELECT k FROM u) OR id = (SELECT max(id) FROM t)").await, ["2"]);
    assert_eq!(world.rows("UPDATE t SET v = NULL WHERE id = 4").await, ["1"]);
    assert_eq!(world.rows("UPDATE t SET id = 1 WHERE false").await, ["0"]);
    assert_eq!(world.rows("SELECT count(*), count(v) FROM t").await, ["8|7"]);
    assert_eq!(world.rows("DELETE FROM t").await, ["8"]);
    world.rows("INSERT INTO t VALUES (1, 'a')").await;
    world.rows("TRUNCATE TABLE t").await;
    assert_eq!(world.rows("SELECT count(*) FROM t").await, ["0"]);
    world.rows("INSERT INTO t VALUES (1, 'a')").await;
    assert_eq!(world.error("UPDATE t SET id = 'x' WHERE true").await.class(), "CAST_INVALID_INPUT");
}

#[tokio::test]
async fn a_merge_runs_every_kind_of_clause_and_counts() {
    let world = World::new();
    world.rows("CREATE TABLE t (Id INT, v STRING, n INT)").await;
    world.rows("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4)").await;
    world.rows("CREATE TABLE s (id BIGINT, v STRING, gone BOOLEAN)").await;
    world.rows("INSERT INTO s VALUES (1, 'A', false), (2, 'B', true), (9, 'I', false), (10, 'J', true)").await;
    let counts = world
        .rows(
            "MERGE INTO t AS x USING s AS y ON x.id = y.id \
             WHEN MATCHED AND y.gone THEN DELETE \
             WHEN MATCHED THEN UPDATE SET x.v = y.v, n = n + 10 \
             WHEN NOT MATCHED AND NOT gone THEN INSERT (id, v, n) VALUES (y.id, concat(y.v, '*'), 0) \
             WHEN NOT MATCHED BY SOURCE AND x.id = 3 THEN UPDATE SET v = 'left' \
             WHEN NOT MATCHED BY SOURCE THEN DELETE",
        )
        .await;
    assert_eq!(counts, ["5|2|2|1"]);
    assert_eq!(world.rows("SELECT * FROM t ORDER BY id").await, ["1|A|11", "3|left|3", "9|I*|0"]);
    let counts = world
        .rows(
            "MERGE INTO t USING (SELECT 1 AS ID, 'star' AS V, 5 AS n UNION ALL SELECT 77, 'new', 6) q ON t.id = q.id \
             WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
        )
        .await;
    assert_eq!(counts, ["2|1|0|1"]);
    assert_eq!(world.rows("SELECT * FROM t WHERE v IN ('star', 'new') ORDER BY id").await, ["1|star|5", "77|new|6"]);
}

#[tokio::test]
async fn a_merge_with_two_source_rows_for_one_target_row_changes_nothing() {
    let world = World::new();
    world.rows("CREATE TABLE t AS SELECT 1 AS id, 'a' AS v").await;
    let sql = "MERGE INTO t USING (SELECT 1 AS id, 'x' AS v UNION ALL SELECT 1, 'y') s ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *";
    let error = world.error(sql).await;
    assert_eq!(
        (error.class(), error.sqlstate()),
        ("DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE", "21506"),
        "{error}"
    );
    assert_eq!(world.rows("SELECT * FROM t").await, ["1|a"]);
}

#[tokio::test]
async fn time_travel_is_exact_or_an_error() {
    let world = World::new();
    world.rows("CREATE TABLE t (a INT)").await;
    world.rows("INSERT INTO t VALUES (1)").await;
    world.rows("INSERT INTO t VALUES (2)").await;
    assert_eq!(world.rows("SELECT count(*) FROM t VERSION AS OF 1").await, ["1"]);
    assert_eq!(world.rows("SELECT n.c - o.c FROM (SELECT count(*) c FROM t) n CROSS JOIN (SELECT count(*) c FROM t VERSION AS OF 0) o").await, ["2"]);
    for (sql, class) in [
        ("SELECT * FROM t VERSION AS OF 3", "DELTA_VERSION_NOT_FOUND"),
        ("SELECT * FROM t TIMESTAMP AS OF '2001-01-01'", "DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION"),
        ("SELECT * FROM t TIMESTAMP AS OF '2999-01-01'", "DELTA_TIMESTAMP_GREATER_THAN_COMMIT"),
    ] {
        assert_eq!(world.error(sql).await.class(), class, "{sql}");
    }
}

#[tokio::test]
async fn everything_is_there_after_a_restart_and_a_dropped_table_is_gone() {
    let world = World::new();
    world.rows("CREATE SCHEMA `s-1`").await;
    world.rows("CREATE TABLE `s-1`.`é'\"``x` (`naïve` INT)").await;
    world.rows("INSERT INTO `s-1`.`é'\"``x` VALUES (5)").await;
    let again = World { engine: Engine::open(world.folder.path()).unwrap(), folder: world.folder };
    assert_eq!(again.rows("SELECT `naïve` FROM `s-1`.`É'\"``x`").await, ["5"]);
    again.rows("DROP TABLE `s-1`.`é'\"``x`").await;
    assert_eq!(again.error("SELECT 1 FROM `s-1`.`é'\"``x`").await.class(), "TABLE_OR_VIEW_NOT_FOUND");
}

#[tokio::test]
async fn parallel_appends_all_land_and_a_lost_race_is_named() {
    let world = World::new();
    world.rows("CREATE TABLE t (a INT)").await;
    let appends = (0..6).map(|i| {
        let world = &world;
        async move { world.rows(&format!("INSERT INTO t VALUES ({i})")).await }
    });
    futures::future::join_all(appends).await;
    assert_eq!(world.rows("SELECT count(*), sum(a) FROM t").await, ["6|15"]);
    let updates = (0..4).map(|i| {
        let world = &world;
        async move { world.try_rows(&format!("UPDATE t SET a = a + {i}0")).await }
    });
    let outcomes = futures::future::join_all(updates).await;
    assert!(outcomes.iter().any(Result::is_ok));
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert!(error.class().starts_with("DELTA_CONCURRENT"), "{error}");
    }
}

#[tokio::test]
async fn columns_may_be_called_anything() {
    let world = World::new();
    world
        .rows("CREATE TABLE t (`a b` INT, `c,d;{}()=` STRING, `e.f` INT, `sel\"ect'` INT, `é中` INT, `g``h` INT)")
        .await;
    world.rows("INSERT INTO t VALUES (1, 'x', 2, 3, 4, 5), (2, 'y', 3, 4, 5, 6)").await;
    world.rows("INSERT INTO t (`E.F`, `a b`) VALUES (9, 3)").await;
    assert_eq!(
        world.rows("SELECT * FROM t WHERE `e.f` > 2 ORDER BY `A B`").await,
        ["2|y|3|4|5|6", "3|NULL|9|NULL|NULL|NULL"]
    );
    assert_eq!(world.rows("UPDATE t SET `c,d;{}()=` = 'z', `e.f` = `e.f` + 1 WHERE `a b` = 2").await, ["1"]);
    let merge = "MERGE INTO t USING (SELECT 2 AS `a b`, 70 AS `e.f` UNION ALL SELECT 8, 80) s ON t.`a b` = s.`a b` \
        WHEN MATCHED THEN UPDATE SET `e.f` = s.`e.f` WHEN NOT MATCHED THEN INSERT (`a b`, `e.f`) VALUES (s.`a b`, s.`e.f`)";
    assert_eq!(world.rows(merge).await, ["2|1|0|1"]);
    assert_eq!(world.rows("DELETE FROM t WHERE `a b` = 1").await, ["1"]);
    assert_eq!(
        world.rows("SELECT `a b`, `c,d;{}()=`, `e.f` FROM t ORDER BY 1").await,
        ["2|z|70", "3|NULL|9", "8|NULL|80"]
    );
    world.rows("CREATE TABLE u AS SELECT 1 AS `x y`, 2 AS z").await;
    assert_eq!(world.columns("SELECT * FROM u").await, ["x y INT", "z INT"]);
}

#[tokio::test]
async fn a_declared_length_is_kept_by_every_write() {
    let world = World::new();
    world.rows("CREATE TABLE t (id INT, v VARCHAR(3), c CHAR(3))").await;
    world.rows("INSERT INTO t VALUES (1, 'é中😀', 'a'), (2, 'ab    ', NULL)").await;
    assert_eq!(world.rows("SELECT length(v), length(c) FROM t ORDER BY id").await, ["3|3", "3|NULL"]);
    for sql in [
        "INSERT INTO t VALUES (3, 'abcd', 'a')",
        "UPDATE t SET c = 'abcd' WHERE id = 1",
        "MERGE INTO t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = 'abcd'",
    ] {
        let error = world.error(sql).await;
        assert_eq!((error.class(), error.sqlstate()), ("DELTA_EXCEED_CHAR_VARCHAR_LIMIT", "22001"), "{sql}");
    }
}

#[tokio::test]
async fn comments_are_kept_by_the_catalog_and_by_the_table() {
    let world = World::new();
    world.rows("CREATE TABLE t (a INT) COMMENT 'first'").await;
    world.rows("COMMENT ON TABLE t IS 'it\\'s ours'").await;
    world.rows("COMMENT ON SCHEMA main.default IS 'home'").await;
    let name = FullName { catalog: "main".into(), schema: "default".into(), name: "t".into() };
    let entry = world.engine.catalog().table(&name).unwrap();
    assert_eq!(entry.comment.as_deref(), Some("it's ours"));
    let opened = world.engine.open_entry(name).await.unwrap();
    assert_eq!(opened.table.snapshot().unwrap().metadata().description(), Some("it's ours"));
    assert_eq!(world.error("COMMENT ON TABLE nope IS 'x'").await.class(), "TABLE_OR_VIEW_NOT_FOUND");
}
