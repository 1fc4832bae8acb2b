//! Statements that meet what others do to the same tables.

use std::path::PathBuf;

use futures::future::join_all;

use super::*;

impl World {
    /// The folders of the tables that are called so.
    fn folders(&self, name: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path().join("tables/main/default").join(name));
        entries.into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    }

    async fn stream(&self, sql: &str) -> datafusion::execution::SendableRecordBatchStream {
        let request = Request { sql: sql.to_owned(), parameters: Parameters::default(), place: Place::default() };
        match self.engine.run(&request).await.unwrap().0 {
            Outcome::Rows(stream) => stream,
            Outcome::Nothing => panic!("{sql} has no rows"),
        }
    }
}

#[tokio::test]
async fn what_is_dropped_stays_for_whoever_reads_it_already_and_then_goes() {
    for sql in [
        "SELECT a FROM t",
        "SELECT a FROM v",
        "SELECT a FROM t VERSION AS OF 3",
        "SELECT a FROM table_changes('t', 0)",
        "WITH w AS (SELECT a FROM t) SELECT a FROM w WHERE a IN (SELECT a FROM t)",
    ] {
        let world = World::new();
        world.rows("CREATE TABLE t (a INT) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')").await;
        for a in 0..3 {
            world.rows(&format!("INSERT INTO t VALUES ({a})")).await;
        }
        world.rows("CREATE VIEW v AS SELECT a FROM t").await;
        let stream = world.stream(sql).await;
        world.rows("DROP TABLE t").await;
        assert_eq!(world.error("SELECT a FROM t").await.class(), "TABLE_OR_VIEW_NOT_FOUND");
        let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 3, "{sql}");
        assert_eq!(world.folders("t"), [] as [PathBuf; 0], "{sql}");
    }
}

#[tokio::test]
async fn a_name_is_a_tables_or_a_views() {
    let world = World::new();
    world.rows("CREATE VIEW v AS SELECT 1 AS a").await;
    world.rows("CREATE TABLE t (a INT)").await;
    for sql in ["CREATE TABLE v DEEP CLONE t", "CREATE OR REPLACE TABLE v DEEP CLONE t", "ALTER TABLE t RENAME TO v"] {
        assert_eq!(world.error(sql).await.class(), "TABLE_OR_VIEW_ALREADY_EXISTS", "{sql}");
    }
    assert_eq!(world.rows("SHOW TABLES").await.len(), 2);
    assert_eq!(world.folders("v"), [] as [PathBuf; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_not_finished_leaves_nothing() {
    let endless = "AS SELECT a.id + b.id AS n FROM range(50000000) a CROSS JOIN range(40000000) b";
    for properties in ["", "TBLPROPERTIES ('delta.appendOnly' = 'false')"] {
        let world = World::new();
        let engine = world.engine.clone();
        let request = Request {
            sql: format!("CREATE TABLE t {properties} {endless}"),
            parameters: Parameters::default(),
            place: Place::default(),
        };
        let making = tokio::spawn(async move { engine.run(&request).await.map(drop) });
        while world.folders("t").is_empty() {
            tokio::task::yield_now().await;
        }
        making.abort();
        assert!(making.await.unwrap_err().is_cancelled());
        // The writers end in their own time.
        while !world.folders("t").is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn who_replaces_a_table_at_the_same_time_replaces_it_in_turn() {
    let world = World::new();
    for (sql, rows) in [("AS SELECT {} AS a", "1"), ("(a INT)", "0")] {
        let replacing = (0..4)
            .map(|i| world.try_rows_of(format!("CREATE OR REPLACE TABLE t {}", sql.replace("{}", &i.to_string()))));
        for outcome in join_all(replacing).await {
            outcome.unwrap();
        }
        assert_eq!(world.rows("SELECT count(*) FROM t").await, [rows]);
    }
    assert_eq!(world.folders("t").len(), 1);
}

/// Whatever is first, the rows are those of one of the two orders.
#[tokio::test]
async fn who_takes_the_rows_of_a_table_away_does_not_meet_others_half_way() {
    for taking in [
        "CREATE OR REPLACE TABLE t AS SELECT 7 AS a",
        "CREATE OR REPLACE TABLE t TBLPROPERTIES ('delta.appendOnly' = 'false') AS SELECT 7 AS a",
        "CREATE OR REPLACE TABLE t DEEP CLONE other",
        "RESTORE TABLE t TO VERSION AS OF 1",
    ] {
        for other in ["OPTIMIZE t", "INSERT INTO t VALUES (7)", "DELETE FROM t WHERE a = 1"] {
            let world = World::new();
            world.rows("CREATE TABLE other AS SELECT 7 AS a").await;
            world.rows("CREATE TABLE t (a INT)").await;
            for a in [7, 1, 2] {
                world.rows(&format!("INSERT INTO t VALUES ({a})")).await;
            }
            let both = join_all([taking, other].map(|sql| world.try_rows_of(sql.to_owned()))).await;
            for outcome in &both {
                outcome.as_ref().unwrap_or_else(|error| panic!("{taking} beside {other}: {error}"));
            }
            let rows = world.rows("SELECT a FROM t").await;
            assert!(
                rows == ["7"] || (other.starts_with("INSERT") && rows == ["7", "7"]),
                "{taking}, {other}: {rows:?}"
            );
        }
    }
}
