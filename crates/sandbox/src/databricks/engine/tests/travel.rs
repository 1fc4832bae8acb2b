use super::*;

async fn versions() -> World {
    let world = World::new();
    world.rows("CREATE TABLE t (a INT) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')").await;
    world.rows("INSERT INTO t VALUES (1), (2)").await;
    world.rows("UPDATE t SET a = a + 10 WHERE a = 1").await;
    world.rows("DELETE FROM t WHERE a = 2").await;
    world
}

#[tokio::test]
async fn every_spelling_of_a_version_reads_that_version() {
    let world = versions().await;
    for spelling in [
        "t VERSION AS OF 1",
        "t version as of '1'",
        "t FOR VERSION AS OF 1",
        "t FOR SYSTEM_VERSION AS OF 1",
        "t SYSTEM_VERSION AS OF 1",
        "t@v1",
        "main.default.`t`@V1",
        "t VERSION AS OF 1 AS x",
    ] {
        assert_eq!(world.rows(&format!("SELECT sum(a) FROM {spelling}")).await, ["3"], "{spelling}");
    }
    assert_eq!(world.error("SELECT * FROM t@x1").await.class(), "PARSE_SYNTAX_ERROR");
    assert_eq!(world.error("SELECT @v1").await.class(), "PARSE_SYNTAX_ERROR");
}

#[tokio::test]
async fn one_statement_sees_a_table_at_several_versions() {
    let world = versions().await;
    let sql = "WITH old AS (SELECT a FROM t@v1) \
        SELECT (SELECT count(*) FROM t), (SELECT max(a) FROM t VERSION AS OF 2), n.a, o.a \
        FROM t n JOIN t VERSION AS OF 2 o ON n.a = o.a WHERE n.a NOT IN (SELECT a FROM old)";
    assert_eq!(world.rows(sql).await, ["1|11|11|11"]);
}

#[tokio::test]
async fn a_moment_may_be_any_constant() {
    let world = versions().await;
    for moment in
        ["current_timestamp()", "cast(current_timestamp() as string)", "current_timestamp() - INTERVAL '0' HOUR"]
    {
        let found = world.try_rows(&format!("SELECT sum(a) FROM t TIMESTAMP AS OF {moment}")).await;
        // Now is after the last commit, which the service refuses.
        assert_eq!(found.unwrap_err().class(), "DELTA_TIMESTAMP_GREATER_THAN_COMMIT", "{moment}");
    }
    for (moment, class) in [
        ("NULL", "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR.INPUT"),
        ("(SELECT max(a) FROM t)", "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR.UNEVALUABLE"),
        ("'once'", "CAST_INVALID_INPUT"),
        ("'1999-12-31'", "DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION"),
    ] {
        let error = world.error(&format!("SELECT * FROM t TIMESTAMP AS OF {moment}")).await;
        assert_eq!(error.class(), class, "{moment}: {error}");
    }
    let error = world.error("SELECT * FROM t VERSION AS OF 9").await;
    assert_eq!((error.class(), error.sqlstate()), ("DELTA_VERSION_NOT_FOUND", "22003"));
    assert!(error.message().contains("Available versions: [0, 3]"), "{error}");
}

#[tokio::test]
async fn the_feed_tells_every_change_with_its_version() {
    let world = versions().await;
    let sql =
        "SELECT a, _change_type, _commit_version FROM table_changes('t', 0) ORDER BY _commit_version, a, _change_type";
    assert_eq!(
        world.rows(sql).await,
        ["1|insert|1", "2|insert|1", "1|update_preimage|2", "11|update_postimage|2", "2|delete|3"]
    );
    let filtered =
        "SELECT c.a FROM table_changes('`main`.default.t', 2, 2) AS c WHERE c._change_type = 'update_postimage'";
    assert_eq!(world.rows(filtered).await, ["11"]);
    assert_eq!(
        world.columns("SELECT * FROM table_changes('t', 1)").await,
        ["a INT", "_change_type STRING", "_commit_version BIGINT", "_commit_timestamp TIMESTAMP"]
    );
    let at = world.rows("SELECT DISTINCT CAST(_commit_timestamp AS STRING) FROM table_changes('t', 2, 2)").await;
    let from = format!("SELECT count(*) FROM table_changes('t', '{}')", at[0]);
    assert_eq!(world.rows(&from).await, ["3"]);
    let both = format!("SELECT count(*) FROM table_changes('t', '{0}', TIMESTAMP '{0}')", at[0]);
    assert_eq!(world.rows(&both).await, ["2"]);
}

#[tokio::test]
async fn a_range_without_recorded_changes_is_refused() {
    let world = versions().await;
    world.rows("CREATE TABLE u (a INT)").await;
    for (call, class) in [
        ("table_changes('t', 5)", "DELTA_CDC_START_VERSION_AFTER_LATEST"),
        ("table_changes('t', 2, 1)", "DELTA_INVALID_CDC_RANGE"),
        ("table_changes('t', NULL)", "DELTA_CDC_READ_NULL_RANGE_BOUNDARY"),
        ("table_changes('t', '2001-01-01')", "DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION"),
        ("table_changes('t', '2999-01-01')", "DELTA_TIMESTAMP_GREATER_THAN_COMMIT"),
        ("table_changes('u', 0)", "DELTA_MISSING_CHANGE_DATA"),
        ("table_changes('nope', 0)", "TABLE_OR_VIEW_NOT_FOUND"),
        ("table_changes('t')", "WRONG_NUM_ARGS.WITHOUT_SUGGESTION"),
        ("other_function('t', 0)", "UNRESOLVABLE_TABLE_VALUED_FUNCTION"),
    ] {
        assert_eq!(world.error(&format!("SELECT * FROM {call}")).await.class(), class, "{call}");
    }
}

#[tokio::test]
async fn the_feed_of_overwrites_and_merges_is_whole() {
    let world = World::new();
    world.rows("CREATE TABLE t (k INT, v INT) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')").await;
    world.rows("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)").await;
    world.rows("INSERT INTO t REPLACE WHERE k >= 3 VALUES (3, 30), (4, 40)").await;
    world
        .rows(
            "MERGE INTO t USING (SELECT 1 AS k, 10 AS v UNION ALL SELECT 9, 90) s ON t.k = s.k \
             WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT * WHEN NOT MATCHED BY SOURCE AND t.k = 2 THEN DELETE",
        )
        .await;
    world.rows("INSERT OVERWRITE t SELECT k, v FROM t WHERE k = 9").await;
    let changes = |version: u32| {
        format!("SELECT k, v, _change_type FROM table_changes('t', {version}, {version}) ORDER BY k, v, _change_type")
    };
    assert_eq!(world.rows(&changes(2)).await, ["3|3|delete", "3|30|insert", "4|40|insert"]);
    assert_eq!(
        world.rows(&changes(3)).await,
        ["1|1|update_preimage", "1|10|update_postimage", "2|2|delete", "9|90|insert"]
    );
    assert_eq!(
        world.rows(&changes(4)).await,
        ["1|10|delete", "3|30|delete", "4|40|delete", "9|90|delete", "9|90|insert"]
    );
}
