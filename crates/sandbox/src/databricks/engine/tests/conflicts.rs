use datafusion::prelude::{col, lit};

use super::*;

async fn opened(world: &World) -> tables::Opened {
    world.engine.open_table(&crate::databricks::sql::ObjectPath(vec!["t".into()]), &Place::default()).await.unwrap()
}

async fn table(properties: &str) -> World {
    let world = World::new();
    world.rows(&format!("CREATE TABLE t (a INT, p INT) PARTITIONED BY (p) {properties}")).await;
    world.rows("INSERT INTO t SELECT id, id % 8 FROM range(80)").await;
    world
}

/// What a DELETE of one partition meets that began before `other` committed.
async fn late_delete(world: &World, other: &str) -> SqlResult<()> {
    let stale = opened(world).await;
    world.rows(other).await;
    match stale.table.clone().delete().with_predicate(col("p").eq(lit(1))).await {
        Ok(_) => Ok(()),
        Err(error) => world.engine.begin_anew(&stale, error).await,
    }
}

#[tokio::test]
async fn a_delete_does_not_lose_against_rows_that_were_only_appended() {
    let world = table("").await;
    late_delete(&world, "INSERT INTO t VALUES (100, 1)").await.unwrap();
}

#[tokio::test]
async fn a_serializable_table_lets_it_lose() {
    let world = table("TBLPROPERTIES ('delta.isolationLevel' = 'Serializable')").await;
    let error = late_delete(&world, "INSERT INTO t VALUES (100, 1)").await.unwrap_err();
    assert_eq!((error.class(), error.sqlstate()), ("DELTA_CONCURRENT_APPEND", "2D521"), "{error}");
}

#[tokio::test]
async fn an_append_that_read_the_table_is_no_blind_one() {
    let world = table("").await;
    let error = late_delete(&world, "INSERT INTO t SELECT max(a), 1 FROM t").await.unwrap_err();
    assert_eq!(error.class(), "DELTA_CONCURRENT_APPEND");
}

#[tokio::test]
async fn each_lost_race_has_the_services_name() {
    for (other, class) in [
        ("UPDATE t SET a = -a WHERE p = 1", "DELTA_CONCURRENT_APPEND"),
        ("DELETE FROM t WHERE p = 1", "DELTA_CONCURRENT_DELETE_READ"),
        ("ALTER TABLE t ADD COLUMN b INT", "DELTA_METADATA_CHANGED"),
    ] {
        let error = late_delete(&table("").await, other).await.unwrap_err();
        assert_eq!((error.class(), error.sqlstate()), (class, "2D521"), "{other}: {error}");
    }
}

#[tokio::test]
async fn disjoint_partitions_do_not_meet() {
    let world = table("").await;
    late_delete(&world, "UPDATE t SET a = -a WHERE p = 2").await.unwrap();
    let updates = (0..8).map(|p| world.try_rows_of(format!("UPDATE t SET a = a + 1000 WHERE p = {p}")));
    for outcome in futures::future::join_all(updates).await {
        outcome.unwrap();
    }
    assert_eq!(world.rows("SELECT count(*) FROM t WHERE a >= 900").await, ["70"]);
}

#[tokio::test]
async fn eight_writers_at_once_all_land_or_lose_whole() {
    let world = World::new();
    world.rows("CREATE TABLE t (k INT, n INT)").await;
    world.rows("INSERT INTO t VALUES (1, 0)").await;
    let merges = (0..8).map(|i| {
        world.try_rows_of(format!(
            "MERGE INTO t USING (SELECT 1 AS k UNION ALL SELECT {i} + 100) s ON t.k = s.k \
             WHEN MATCHED THEN UPDATE SET n = t.n + 1 WHEN NOT MATCHED THEN INSERT (k, n) VALUES (s.k, 0)"
        ))
    });
    let outcomes = futures::future::join_all(merges).await;
    let landed = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(error.sqlstate(), "2D521", "{error}");
    }
    assert!(landed > 0);
    assert_eq!(world.rows("SELECT n FROM t WHERE k = 1").await, [landed.to_string()]);
    assert_eq!(world.rows("SELECT count(*) FROM t WHERE k >= 100").await, [landed.to_string()]);
    let appends = (0..8).map(|i| world.try_rows_of(format!("INSERT INTO t VALUES (1000, {i})")));
    for outcome in futures::future::join_all(appends).await {
        outcome.unwrap();
    }
    assert_eq!(world.rows("SELECT count(*), sum(n) FROM t WHERE k = 1000").await, ["8|28"]);
}

#[tokio::test]
async fn optimize_beside_changes_neither_doubles_nor_loses_rows() {
    let world = World::new();
    world.rows("CREATE TABLE t (a INT, n INT)").await;
    for a in 0..4 {
        world.rows(&format!("INSERT INTO t VALUES ({a}, 0)")).await;
    }
    let statements = ["OPTIMIZE t", "UPDATE t SET n = n + 1", "OPTIMIZE t", "UPDATE t SET n = n + 1", "OPTIMIZE t"];
    let outcomes = futures::future::join_all(statements.map(|sql| world.try_rows_of(sql.to_owned()))).await;
    let updated = [1, 3].iter().filter(|index| outcomes[**index].is_ok()).count();
    assert_eq!(world.rows("SELECT count(*), min(n), max(n) FROM t").await, [format!("4|{updated}|{updated}")]);
    let both = ["OPTIMIZE t", "INSERT OVERWRITE t SELECT a, 7 FROM t"];
    for outcome in futures::future::join_all(both.map(|sql| world.try_rows_of(sql.to_owned()))).await {
        outcome.unwrap();
    }
    assert_eq!(world.rows("SELECT count(*), min(n) FROM t").await, ["4|7"]);
}

#[tokio::test]
async fn a_table_dropped_in_the_middle_is_not_found_and_leaves_nothing() {
    let world = table("").await;
    let folder = world.folder.path().join("tables");
    let writes = (0..4).map(|i| world.try_rows_of(format!("UPDATE t SET a = a + {i} WHERE p < 4")));
    let drop = async {
        tokio::task::yield_now().await;
        world.try_rows_of("DROP TABLE t".to_owned()).await
    };
    let (outcomes, dropped) = futures::join!(futures::future::join_all(writes), drop);
    dropped.unwrap();
    for error in outcomes.into_iter().filter_map(Result::err) {
        let known = error.class() == "TABLE_OR_VIEW_NOT_FOUND" || error.sqlstate() == "2D521";
        assert!(known, "{error}");
    }
    assert_eq!(world.error("INSERT INTO t VALUES (1, 1)").await.class(), "TABLE_OR_VIEW_NOT_FOUND");
    let left = std::fs::read_dir(folder.join("main/default/t")).map_or(0, Iterator::count);
    assert_eq!(left, 0);
}

/// A drop takes away many files one after another; whoever opens the table meanwhile sees all of them or none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_being_dropped_is_whole_or_not_there() {
    let world = World::new();
    let engine = world.engine.clone();
    let name = Place::default().resolve(&crate::databricks::sql::ObjectPath(vec!["t".into()])).unwrap();
    let (seen, mut told) = tokio::sync::watch::channel([0, 0]);
    let look = tokio::spawn(async move {
        let mut before = (uuid::Uuid::nil(), None);
        while !seen.is_closed() {
            match engine.open_entry(name.clone()).await {
                Ok(opened) => {
                    let now = (opened.entry.id, opened.table.version());
                    assert!(now.0 != before.0 || now.1 >= before.1, "{now:?} after {before:?}");
                    before = now;
                    seen.send_modify(|seen| seen[0] += 1);
                }
                Err(error) => {
                    assert_eq!(error.class(), "TABLE_OR_VIEW_NOT_FOUND", "{error}");
                    seen.send_modify(|seen| seen[1] += 1);
                }
            }
        }
    });
    for round in 0.. {
        world.rows("CREATE TABLE t (a INT)").await;
        for _ in 0..3 {
            world.rows("INSERT INTO t VALUES (1)").await;
        }
        world.rows("DROP TABLE t").await;
        if look.is_finished() || (round >= 30 && told.borrow_and_update().iter().all(|times| *times > 0)) {
            break;
        }
    }
    drop(told);
    look.await.unwrap();
}
