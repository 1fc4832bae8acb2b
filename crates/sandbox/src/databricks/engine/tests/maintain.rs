use super::*;

/// A table with one file for each of the numbers below `files`.
async fn scattered(world: &World, files: i32) {
    world.rows("CREATE TABLE t (id INT, s STRING, day DATE) PARTITIONED BY (day)").await;
    for id in 0..files {
        world.rows(&format!("INSERT INTO t VALUES ({id}, 's{id}', DATE '2024-01-0{}')", id % 2 + 1)).await;
    }
}

/// One field of the metrics of an OPTIMIZE, and the like.
async fn field(world: &World, sql: &str, path: &[&str]) -> String {
    use arrow::array::{Array, AsArray};
    let batches = world.batches(sql, Vec::new()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut column = batches[0].column_by_name(path[0]).unwrap().clone();
    for name in &path[1..] {
        column = column.as_struct().column_by_name(name).unwrap_or_else(|| panic!("no {name}")).clone();
    }
    assert_eq!(column.len(), 1);
    ArrayFormatter::try_new(&column, &FormatOptions::default().with_null("NULL")).unwrap().value(0).to_string()
}

#[tokio::test]
async fn optimize_makes_one_file_of_each_partition_and_keeps_the_rows() {
    let world = World::new();
    scattered(&world, 6).await;
    let before = world.rows("SELECT * FROM t ORDER BY id").await;
    let only = "OPTIMIZE t WHERE day = DATE '2024-01-01' AND day < CAST('2024-01-02' AS DATE)";
    assert_eq!(field(&world, only, &["metrics", "numFilesRemoved"]).await, "3");
    assert_eq!(field(&world, "DESCRIBE DETAIL t", &["numFiles"]).await, "4");
    assert_eq!(field(&world, "OPTIMIZE t", &["metrics", "filesAdded", "totalFiles"]).await, "1");
    assert_eq!(field(&world, "DESCRIBE DETAIL t", &["numFiles"]).await, "2");
    assert_eq!(world.rows("SELECT * FROM t ORDER BY id").await, before);
    // Nothing to gain: no version.
    assert_eq!(field(&world, "OPTIMIZE t", &["metrics", "filesAdded", "min"]).await, "NULL");
    assert_eq!(world.rows("DESCRIBE HISTORY t").await.len(), 9);
    assert_eq!(field(&world, "OPTIMIZE t ZORDER BY (ID)", &["metrics", "zOrderStats", "strategyName"]).await, "all");
    assert_eq!(world.rows("SELECT * FROM t ORDER BY id").await, before);
    assert_eq!(world.rows("SELECT count(*) FROM t VERSION AS OF 6").await, ["6"]);
}

#[tokio::test]
async fn optimize_refuses_what_the_service_refuses() {
    let world = World::new();
    scattered(&world, 1).await;
    for (sql, class, state) in [
        ("OPTIMIZE t FULL", "DELTA_OPTIMIZE_FULL_NOT_SUPPORTED", "42601"),
        ("OPTIMIZE t WHERE id = 1", "DELTA_NON_PARTITION_COLUMN_REFERENCE", "42P10"),
        ("OPTIMIZE t WHERE day = 'x'", "CAST_INVALID_INPUT", "22018"),
        ("OPTIMIZE t WHERE day IS NULL", "UNSUPPORTED_FEATURE", "0A000"),
        ("OPTIMIZE t ZORDER BY (day)", "DELTA_ZORDERING_ON_PARTITION_COLUMN", "42P10"),
        ("OPTIMIZE t ZORDER BY (nothing)", "DELTA_ZORDERING_COLUMN_DOES_NOT_EXIST", "42703"),
        ("OPTIMIZE nothing", "TABLE_OR_VIEW_NOT_FOUND", "42P01"),
    ] {
        let error = world.error(sql).await;
        assert_eq!((error.class(), error.sqlstate()), (class, state), "{sql}: {error}");
    }
}

#[tokio::test]
async fn a_clustered_table_is_sorted_by_its_columns_and_cannot_be_z_ordered() {
    let world = World::new();
    world.rows("CREATE TABLE t (id INT, s STRING) CLUSTER BY (s)").await;
    for id in 0..4 {
        world.rows(&format!("INSERT INTO t VALUES ({id}, 's{}')", 9 - id)).await;
    }
    assert_eq!(field(&world, "OPTIMIZE t FULL", &["metrics", "clusteringStats", "numOutputZCubes"]).await, "1");
    assert_eq!(world.rows("SELECT id FROM t").await, ["3", "2", "1", "0"]);
    assert_eq!(world.error("OPTIMIZE t ZORDER BY (id)").await.class(), "DELTA_CLUSTERING_WITH_ZORDER_BY");
    assert_eq!(field(&world, "DESCRIBE DETAIL t", &["clusteringColumns"]).await, "[s]");
}

#[tokio::test]
async fn vacuum_keeps_a_week_and_writes_into_the_history_that_it_looked() {
    let world = World::new();
    scattered(&world, 4).await;
    world.rows("OPTIMIZE t").await;
    assert!(world.rows("VACUUM t DRY RUN").await.is_empty());
    for sql in ["VACUUM t RETAIN 167 HOURS", "VACUUM t RETAIN 0 HOURS DRY RUN"] {
        let error = world.error(sql).await;
        assert!(error.message().contains("Are you sure you would like to vacuum"), "{error}");
        assert!(error.message().contains("\"168 hours\""), "{error}");
    }
    assert_eq!(world.rows("VACUUM t").await.len(), 1);
    let history = world.columns("DESCRIBE HISTORY t LIMIT 1").await;
    assert_eq!(history[..2], ["version BIGINT", "timestamp TIMESTAMP"]);
    assert_eq!(
        history[5..8],
        [
            "operationParameters MAP<STRING, STRING>",
            "job STRUCT<jobId: STRING, jobName: STRING, jobRunId: STRING, runId: STRING, jobOwnerId: STRING, triggerType: STRING>",
            "notebook STRUCT<notebookId: STRING>"
        ]
    );
    let newest = world.rows("DESCRIBE HISTORY t LIMIT 2").await;
    assert!(newest[0].contains("|VACUUM END|") && newest[1].contains("numFilesToDelete: 0"), "{newest:?}");
    assert_eq!(world.rows("SELECT count(*) FROM t VERSION AS OF 3").await, ["3"]);
}

#[tokio::test]
async fn vacuum_deletes_what_a_shorter_retention_of_the_table_allows() {
    let world = World::new();
    world
        .rows("CREATE TABLE t (id INT) TBLPROPERTIES ('delta.deletedFileRetentionDuration' = 'interval 0 hours')")
        .await;
    for id in 0..3 {
        world.rows(&format!("INSERT INTO t VALUES ({id})")).await;
    }
    world.rows("OPTIMIZE t").await;
    let listed = world.rows("VACUUM t LITE DRY RUN").await;
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().all(|file| file.starts_with("file:///") && file.ends_with(".parquet")), "{listed:?}");
    world.rows("VACUUM t LITE").await;
    assert_eq!(world.rows("SELECT count(*) FROM t").await, ["3"]);
    let newest = world.rows("DESCRIBE HISTORY t LIMIT 2").await;
    assert!(newest[0].contains("numDeletedFiles: 3"), "{newest:?}");
    let error = world.error("RESTORE TABLE t TO VERSION AS OF 2").await;
    assert!(error.message().starts_with("Not all files from version 2 are available"), "{error}");
    // A file that no version knows is found by looking at the folder, not by the log.
    let folder =
        world.rows("DESCRIBE DETAIL t").await[0].split("file://").nth(1).unwrap().split('|').next().unwrap().to_owned();
    std::fs::write(format!("{folder}/orphan.parquet"), b"x").unwrap();
    assert!(world.rows("VACUUM t LITE DRY RUN").await.is_empty());
    assert_eq!(world.rows("VACUUM t DRY RUN").await.len(), 1);
    world.rows("VACUUM t").await;
    assert!(!std::path::Path::new(&format!("{folder}/orphan.parquet")).exists());
    assert_eq!(world.rows("SELECT count(*) FROM t").await, ["3"]);
}

#[tokio::test]
async fn history_speaks_the_services_words() {
    let world = World::new();
    world.rows("CREATE TABLE t (id INT, s STRING)").await;
    world.rows("INSERT INTO t VALUES (1, 'a'), (2, 'b')").await;
    world.rows("UPDATE t SET s = 'c' WHERE id = 1").await;
    world.rows("DELETE FROM t WHERE id = 2").await;
    world.rows("MERGE INTO t USING (SELECT 1 AS id, 'd' AS s UNION ALL SELECT 3, 'e') q ON t.id = q.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *").await;
    world.rows("INSERT OVERWRITE t VALUES (9, 'z')").await;
    world.rows("TRUNCATE TABLE t").await;
    let rows = world.rows("DESCRIBE HISTORY t").await;
    let part = |row: &String, index: usize| row.split('|').nth(index).unwrap().to_owned();
    let operations: Vec<String> = rows.iter().map(|row| part(row, 4)).collect();
    assert_eq!(operations, ["TRUNCATE", "WRITE", "MERGE", "DELETE", "UPDATE", "WRITE", "CREATE TABLE"]);
    let versions: Vec<String> = rows.iter().map(|row| part(row, 0)).collect();
    assert_eq!(versions, ["6", "5", "4", "3", "2", "1", "0"]);
    for (index, counts) in [
        (1, ["numOutputRows: 1", "numFiles: 1", "numRemovedFiles: "]),
        (0, ["{}", "numRemovedFiles: 1}", "executionTimeMs: "]),
        (2, ["numTargetRowsInserted: 1", "numTargetRowsUpdated: 1", "predicate: [\"(t.id = q.id)\"]"]),
        (3, ["numDeletedRows: 1", "predicate: [\"(id = 2)\"]", "numRemovedFiles: 1"]),
        (4, ["numUpdatedRows: 1", "numCopiedRows: 1", "numAddedFiles: 1"]),
        (5, ["numOutputRows: 2", "numFiles: 1", "numOutputBytes: "]),
    ] {
        for count in counts {
            assert!(rows[index].contains(count), "{count} in {}", rows[index]);
        }
    }
    assert!(rows.iter().all(|row| part(row, 3) == USER), "{rows:?}");
    world.rows("CREATE TABLE u AS SELECT 1 AS a").await;
    world.rows("CREATE OR REPLACE TABLE u AS SELECT 2 AS a").await;
    let rows = world.rows("DESCRIBE HISTORY u").await;
    assert!(rows[0].contains("|CREATE OR REPLACE TABLE AS SELECT|"), "{rows:?}");
    assert!(rows[1].contains("|CREATE TABLE AS SELECT|") && rows[1].contains("numOutputRows: 1"), "{rows:?}");
}

#[tokio::test]
async fn restore_goes_back_and_counts_files_as_the_service_does() {
    let world = World::new();
    world.rows("CREATE TABLE t (id INT)").await;
    world.rows("INSERT INTO t VALUES (1)").await;
    world.rows("INSERT INTO t VALUES (2)").await;
    world.rows("DELETE FROM t WHERE id = 1").await;
    assert_eq!(
        world.columns("RESTORE TABLE t TO VERSION AS OF 2").await,
        [
            "table_size_after_restore BIGINT",
            "num_of_files_after_restore BIGINT",
            "num_removed_files BIGINT",
            "num_restored_files BIGINT",
            "removed_files_size BIGINT",
            "restored_files_size BIGINT"
        ]
    );
    assert_eq!(world.rows("SELECT id FROM t ORDER BY id").await, ["1", "2"]);
    let newest = world.rows("DESCRIBE HISTORY t LIMIT 1").await;
    for word in ["|RESTORE|", "version: 2", "numRestoredFiles: 1", "numOfFilesAfterRestore: 2"] {
        assert!(newest[0].contains(word), "{word} in {newest:?}");
    }
    for (to, class) in [
        ("VERSION AS OF 4", "DELTA_CANNOT_RESTORE_TABLE_VERSION"),
        ("VERSION AS OF 99", "DELTA_CANNOT_RESTORE_TABLE_VERSION"),
        ("TIMESTAMP AS OF '2999-01-01'", "DELTA_CANNOT_RESTORE_TIMESTAMP_GREATER"),
        ("TIMESTAMP AS OF '1999-01-01'", "DELTA_CANNOT_RESTORE_TIMESTAMP_EARLIER"),
    ] {
        let error = world.error(&format!("RESTORE TABLE t TO {to}")).await;
        assert_eq!(error.class(), class, "{to}: {error}");
    }
    assert_eq!(world.rows("DESCRIBE HISTORY t").await.len(), 5);
}

#[tokio::test]
async fn a_deep_clone_stands_on_its_own_and_a_shallow_one_shares_files() {
    let world = World::new();
    scattered(&world, 3).await;
    world.rows("COMMENT ON TABLE t IS 'source'").await;
    let all = "ORDER BY id";
    assert_eq!(
        world.columns("CREATE TABLE deep DEEP CLONE t VERSION AS OF 2 TBLPROPERTIES ('a.b' = 'c')").await[0],
        "source_table_size BIGINT"
    );
    assert_eq!(
        world.rows(&format!("SELECT * FROM deep {all}")).await,
        world.rows(&format!("SELECT * FROM t VERSION AS OF 2 {all}")).await
    );
    let counts = world.rows("CREATE TABLE shallow SHALLOW CLONE t").await;
    assert!(counts[0].ends_with("|3|0|0|0|0"), "{counts:?}");
    let source = world.rows(&format!("SELECT * FROM t {all}")).await;
    assert_eq!(world.rows(&format!("SELECT * FROM shallow {all}")).await, source);
    assert_eq!(world.error("CREATE TABLE deep CLONE t").await.class(), "TABLE_OR_VIEW_ALREADY_EXISTS");
    world.rows("CREATE TABLE IF NOT EXISTS deep CLONE t").await;
    assert_eq!(world.rows("SELECT count(*) FROM deep").await, ["2"]);

    // Changes on one side are not seen on the other.
    world.rows("INSERT INTO shallow VALUES (7, 'x', DATE '2024-01-01')").await;
    assert_eq!(world.rows("SELECT id FROM shallow ORDER BY id").await, ["0", "1", "2", "7"]);
    for sql in ["DELETE FROM shallow WHERE id = 0", "UPDATE shallow SET s = 'n' WHERE id = 0"] {
        let error = world.error(sql).await;
        assert_eq!((error.class(), error.sqlstate()), ("UNSUPPORTED_FEATURE", "0A000"), "{error}");
    }
    assert_eq!(world.rows(&format!("SELECT * FROM t {all}")).await, source);
    let replaced = world.rows("CREATE OR REPLACE TABLE deep CLONE shallow").await;
    assert!(replaced[0].contains("|2|"), "{replaced:?}");
    assert_eq!(world.rows("SELECT id FROM deep ORDER BY id").await, ["0", "1", "2", "7"]);
    // The same once more: no file of the clone before it is touched, or shared with it.
    world.rows("CREATE OR REPLACE TABLE deep CLONE shallow").await;
    world.rows("CREATE OR REPLACE TABLE shallow SHALLOW CLONE t").await;
    for (clone, ids) in [("deep", &["0", "1", "2", "7"][..]), ("shallow", &["0", "1", "2"])] {
        assert_eq!(world.rows(&format!("SELECT id FROM {clone} ORDER BY id")).await, ids);
    }
    assert_eq!(world.rows("SELECT count(*) FROM deep VERSION AS OF 0").await, ["2"]);
    world.rows("DROP TABLE t").await;
    assert_eq!(world.rows("SELECT id FROM deep ORDER BY id").await, ["0", "1", "2", "7"]);
    let newest = world.rows("DESCRIBE HISTORY deep LIMIT 1").await;
    assert!(newest[0].contains("|CLONE|") && newest[0].contains("isShallow: false"), "{newest:?}");
}

#[tokio::test]
async fn clones_find_files_whose_paths_are_hard_to_spell() {
    let world = World::new();
    world.rows("CREATE TABLE t (id INT, p STRING) PARTITIONED BY (p)").await;
    world.rows("INSERT INTO t VALUES (1, 'a b'), (2, 'é%20/?#'), (3, 'x=y:z'), (4, NULL)").await;
    let rows = world.rows("SELECT * FROM t ORDER BY id").await;
    world.rows("CREATE TABLE shallow SHALLOW CLONE t").await;
    world.rows("CREATE TABLE deep CLONE t").await;
    world.rows("CREATE TABLE deeper CLONE shallow").await;
    for clone in ["shallow", "deep", "deeper"] {
        assert_eq!(world.rows(&format!("SELECT * FROM {clone} ORDER BY id")).await, rows, "{clone}");
    }
    world.rows("CREATE TABLE chain SHALLOW CLONE shallow").await;
    assert_eq!(world.rows("SELECT * FROM chain ORDER BY id").await, rows);
    // What is not a table of its own is not rewritten.
    world.rows("INSERT INTO shallow VALUES (5, 'a b')").await;
    assert_eq!(world.error("OPTIMIZE shallow").await.class(), "UNSUPPORTED_FEATURE");
    world.rows("VACUUM shallow").await;
    assert_eq!(world.rows("SELECT count(*) FROM shallow").await, ["5"]);
    assert_eq!(world.rows("SELECT * FROM t ORDER BY id").await, rows);
}

#[tokio::test]
async fn the_times_of_the_history_lead_back_to_its_versions() {
    let world = World::new();
    world.rows("CREATE TABLE t (id INT)").await;
    for id in 1..6 {
        world.rows(&format!("INSERT INTO t VALUES ({id})")).await;
    }
    let all = world.rows("DESCRIBE HISTORY t").await;
    for (version, entry) in all.iter().rev().enumerate() {
        let moment = entry.split('|').nth(1).unwrap();
        let rows = world.rows(&format!("SELECT count(*) FROM t TIMESTAMP AS OF '{moment}'")).await;
        assert_eq!(rows, [version.to_string()], "{moment}");
    }
    assert_eq!(world.rows("DESCRIBE HISTORY t LIMIT 2").await, all[..2]);
    assert!(world.rows("DESCRIBE HISTORY t LIMIT 0").await.is_empty());
}

#[tokio::test]
async fn a_folder_of_parquet_becomes_a_table_where_it_is() {
    let world = World::new();
    world.rows("CREATE VOLUME v").await;
    world.rows("CREATE TABLE t AS SELECT CAST(id AS INT) AS id FROM range(3)").await;
    let volume = world.engine.local(&VolumePath::parse("/Volumes/main/default/v/d").unwrap()).unwrap();
    let folder =
        world.rows("DESCRIBE DETAIL t").await[0].split("file://").nth(1).unwrap().split('|').next().unwrap().to_owned();
    let file = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| entry.ok())
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|ext| ext == "parquet"))
        .unwrap();
    for day in ["2024-01-01", "2024-01-02"] {
        std::fs::create_dir_all(volume.join(format!("day={day}"))).unwrap();
        std::fs::copy(&file, volume.join(format!("day={day}/a.parquet"))).unwrap();
    }
    let path = "`/Volumes/main/default/v/d`";
    assert_eq!(world.error(&format!("SELECT * FROM delta.{path}")).await.class(), "DELTA_MISSING_DELTA_TABLE");
    let error = world.error(&format!("CONVERT TO DELTA parquet.{path}")).await;
    assert_eq!(error.class(), "DELTA_UNEXPECTED_NUM_PARTITION_COLUMNS_FROM_FILE_NAME", "{error}");
    world.rows(&format!("CONVERT TO DELTA parquet.{path} PARTITIONED BY (day DATE)")).await;
    world.rows(&format!("CONVERT TO DELTA parquet.{path} PARTITIONED BY (day DATE)")).await;
    assert_eq!(
        world.rows(&format!("SELECT day, count(*) FROM delta.{path} GROUP BY day ORDER BY day")).await,
        ["2024-01-01|3", "2024-01-02|3"]
    );
    world.rows(&format!("DELETE FROM delta.{path} WHERE day = DATE '2024-01-01'")).await;
    assert_eq!(world.rows(&format!("SELECT count(*) FROM delta.{path}")).await, ["3"]);
    let history = world.rows(&format!("DESCRIBE HISTORY delta.{path}")).await;
    assert!(history[1].contains("|CONVERT|") && history[1].contains("numConvertedFiles: 2"), "{history:?}");
    std::fs::create_dir_all(volume.join("../empty")).unwrap();
    let error = world.error("CONVERT TO DELTA parquet.`/Volumes/main/default/v/empty`").await;
    assert_eq!(error.class(), "DELTA_EMPTY_DIRECTORY");
}

#[tokio::test]
async fn manifests_name_the_files_of_todays_partitions_only() {
    let world = World::new();
    scattered(&world, 2).await;
    world.rows("GENERATE symlink_format_manifest FOR TABLE t").await;
    world.rows("DELETE FROM t WHERE day = DATE '2024-01-01'").await;
    world.rows("GENERATE symlink_format_manifest FOR TABLE t").await;
    let folder =
        world.rows("DESCRIBE DETAIL t").await[0].split("file://").nth(1).unwrap().split('|').next().unwrap().to_owned();
    let manifests = std::path::Path::new(&folder).join("_symlink_format_manifest");
    assert!(!manifests.join("day=2024-01-01").exists());
    let listed = std::fs::read_to_string(manifests.join("day=2024-01-02/manifest")).unwrap();
    assert_eq!(listed.lines().count(), 1);
    assert!(std::path::Path::new(listed.trim()).exists(), "{listed}");
}

#[tokio::test]
async fn analyze_tells_describe_what_it_found() {
    let world = World::new();
    world.rows("CREATE TABLE t (id INT, s STRING, l ARRAY<INT>)").await;
    world.rows("INSERT INTO t VALUES (1, 'a', array(1)), (5, 'bcd', NULL), (5, NULL, NULL)").await;
    let extended =
        async || world.rows("DESCRIBE TABLE EXTENDED t").await.into_iter().find(|row| row.starts_with("Statistics"));
    assert_eq!(extended().await, None);
    world.rows("ANALYZE TABLE t COMPUTE STATISTICS NOSCAN").await;
    assert!(extended().await.unwrap().contains(" bytes|"));
    world.rows("ANALYZE TABLE t COMPUTE STATISTICS FOR COLUMNS ID").await;
    assert!(extended().await.unwrap().contains(" bytes, 3 rows|"));
    world.rows("ANALYZE TABLE t COMPUTE STATISTICS FOR ALL COLUMNS").await;
    let column = async |name: &str| world.rows(&format!("DESCRIBE TABLE EXTENDED t {name}")).await[3..9].join(" ");
    assert_eq!(column("id").await, "min|1 max|5 num_nulls|0 distinct_count|2 avg_col_len|4 max_col_len|4");
    assert_eq!(column("s").await, "min|NULL max|NULL num_nulls|1 distinct_count|2 avg_col_len|2 max_col_len|3");
    let error = world.error("ANALYZE TABLE t COMPUTE STATISTICS FOR COLUMNS l").await;
    assert_eq!(error.class(), "UNSUPPORTED_FEATURE.ANALYZE_UNSUPPORTED_COLUMN_TYPE");
    assert_eq!(world.rows("DESCRIBE HISTORY t").await.len(), 2);
}
