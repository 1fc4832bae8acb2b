use super::*;

async fn pair() -> World {
    let world = World::new();
    world.rows("CREATE TABLE t (id INT, v STRING)").await;
    world.rows("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')").await;
    world
}

const ALL: &str = "SELECT * FROM t ORDER BY id";

#[tokio::test]
async fn the_source_may_be_a_common_table_expression_a_version_or_the_table_itself() {
    let world = pair().await;
    let sql = "WITH s AS (SELECT id + 2 AS id, upper(v) AS v FROM t), u AS (SELECT * FROM s) \
        MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET v = u.v WHEN NOT MATCHED THEN INSERT *";
    assert_eq!(world.rows(sql).await, ["3|1|0|2"]);
    assert_eq!(world.rows(ALL).await, ["1|a", "2|b", "3|A", "4|B", "5|C"]);
    let back = "MERGE INTO t USING t VERSION AS OF 1 AS o ON t.id = o.id WHEN MATCHED THEN UPDATE SET * \
        WHEN NOT MATCHED BY SOURCE THEN DELETE";
    assert_eq!(world.rows(back).await, ["5|3|2|0"]);
    assert_eq!(world.rows(ALL).await, ["1|a", "2|b", "3|c"]);
}

#[tokio::test]
async fn clauses_are_tried_in_their_order() {
    let world = pair().await;
    let sql = "MERGE INTO t USING (SELECT explode_id AS id FROM (VALUES (1), (2), (3), (7), (8)) AS x(explode_id)) s ON t.id = s.id \
        WHEN MATCHED AND t.id = 1 THEN DELETE WHEN MATCHED AND t.id < 3 THEN UPDATE SET v = 'second' \
        WHEN MATCHED THEN UPDATE SET v = concat(t.v, s.id) \
        WHEN NOT MATCHED AND s.id = 7 THEN INSERT (id) VALUES (s.id) \
        WHEN NOT MATCHED THEN INSERT (v, id) VALUES ('last', s.id)";
    assert_eq!(world.rows(sql).await, ["5|2|1|2"]);
    assert_eq!(world.rows(ALL).await, ["2|second", "3|c3", "7|NULL", "8|last"]);
    let early =
        "MERGE INTO t USING t AS s ON t.id = s.id WHEN MATCHED THEN DELETE WHEN MATCHED THEN UPDATE SET v = 'x'";
    assert_eq!(world.error(early).await.class(), "NON_LAST_MATCHED_CLAUSE_OMIT_CONDITION");
}

#[tokio::test]
async fn schema_evolution_adds_columns_by_star_and_by_name() {
    let world = pair().await;
    let sql = "MERGE WITH SCHEMA EVOLUTION INTO t USING (SELECT 1 AS id, 10 AS n UNION ALL SELECT 9, 90) s ON t.id = s.id \
        WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *";
    assert_eq!(world.rows(sql).await, ["2|1|0|1"]);
    assert_eq!(world.rows(ALL).await, ["1|a|10", "2|b|NULL", "3|c|NULL", "9|NULL|90"]);
    let named = "MERGE WITH SCHEMA EVOLUTION INTO t USING (SELECT 2 AS id, 'z' AS extra) s ON t.id = s.id \
        WHEN MATCHED THEN UPDATE SET extra = s.extra";
    assert_eq!(world.rows(named).await, ["1|1|0|0"]);
    assert_eq!(world.rows("SELECT id, extra FROM t WHERE extra IS NOT NULL").await, ["2|z"]);
    let without = "MERGE INTO t USING (SELECT 2 AS id, 'z' AS other) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET other = s.other";
    assert_eq!(world.error(without).await.class(), "UNRESOLVED_COLUMN.WITH_SUGGESTION");
}

#[tokio::test]
async fn except_leaves_columns_alone() {
    let world = pair().await;
    let sql = "MERGE INTO t USING (SELECT 1 AS id, 'new' AS v UNION ALL SELECT 5, 'five') s ON t.id = s.id \
        WHEN MATCHED THEN UPDATE SET * EXCEPT (v) WHEN NOT MATCHED THEN INSERT * EXCEPT (v)";
    assert_eq!(world.rows(sql).await, ["2|1|0|1"]);
    assert_eq!(world.rows(ALL).await, ["1|a", "2|b", "3|c", "5|NULL"]);
}

#[tokio::test]
async fn null_keys_match_nothing_unless_the_condition_says_so() {
    let world = World::new();
    world.rows("CREATE TABLE t (id INT, v STRING)").await;
    world.rows("INSERT INTO t VALUES (NULL, 'a'), (1, 'b')").await;
    let merge = |on: &str| {
        format!(
            "MERGE INTO t USING (SELECT CAST(NULL AS INT) AS id, 'n' AS v) s ON t.id {on} s.id \
             WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT *"
        )
    };
    assert_eq!(world.rows(&merge("<=>")).await, ["1|1|0|0"]);
    assert_eq!(world.rows(&merge("=")).await, ["1|0|0|1"]);
    assert_eq!(world.rows("SELECT v FROM t WHERE id IS NULL").await, ["n", "n"]);
}
