use std::{fs, sync::Arc};

use arrow::{
    array::{ArrayRef, Int32Array, Int64Array, StringArray},
    datatypes::{DataType, Field, Schema},
};
use datafusion::parquet::arrow::ArrowWriter;

use super::*;

fn write(world: &World, path: &str, columns: Vec<(&str, ArrayRef)>) {
    let local = world.engine.local(&VolumePath::parse(path).unwrap()).unwrap();
    fs::create_dir_all(local.parent().unwrap()).unwrap();
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, DataType::clone(column.data_type()), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch =
        RecordBatch::try_new(Arc::clone(&schema), columns.into_iter().map(|(_, column)| column).collect()).unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(local).unwrap(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn ints(values: &[i32]) -> ArrayRef {
    Arc::new(Int32Array::from(values.to_vec()))
}

async fn world() -> World {
    let world = World::new();
    world.rows("CREATE VOLUME v").await;
    world.rows("CREATE TABLE t (a BIGINT, b STRING)").await;
    world
}

const COPY: &str = "COPY INTO t FROM '/Volumes/main/default/v/d' FILEFORMAT = PARQUET";

#[tokio::test]
async fn a_file_is_loaded_once_also_after_a_restart_and_again_by_force() {
    let world = world().await;
    write(
        &world,
        "/Volumes/main/default/v/d/1 *.parquet",
        vec![("A", ints(&[1, 2])), ("b", Arc::new(StringArray::from(vec!["x", "y"])))],
    );
    assert_eq!(world.rows(COPY).await, ["2|2|0"]);
    assert_eq!(world.rows(COPY).await, ["0|0|0"]);
    write(&world, "/Volumes/main/default/v/d/2.parquet", vec![("a", Arc::new(Int64Array::from(vec![3])))]);
    let world = World { engine: Engine::open(world.folder.path()).unwrap(), folder: world.folder };
    assert_eq!(world.rows(COPY).await, ["1|1|0"]);
    assert_eq!(world.rows("SELECT * FROM t ORDER BY a").await, ["1|x", "2|y", "3|NULL"]);
    assert_eq!(world.rows(&format!("{COPY} COPY_OPTIONS ('force' = 'true')")).await, ["3|3|0"]);
}

#[tokio::test]
async fn the_same_load_run_many_times_at_once_loads_once() {
    let world = world().await;
    write(&world, "/Volumes/main/default/v/d/1.parquet", vec![("a", ints(&[1, 2, 3]))]);
    let loads = (0..4).map(|_| world.rows(COPY));
    let mut counts: Vec<String> = futures::future::join_all(loads).await.into_iter().flatten().collect();
    counts.sort();
    assert_eq!(counts, ["0|0|0", "0|0|0", "0|0|0", "3|3|0"]);
    assert_eq!(world.rows("SELECT count(*) FROM t").await, ["3"]);
}

#[tokio::test]
async fn hidden_files_are_passed_over_and_lists_and_patterns_choose() {
    let world = world().await;
    for name in ["_tmp/1.parquet", ".x.parquet", "_SUCCESS", "sub/1.parquet", "2.parquet", "3.pq"] {
        write(&world, &format!("/Volumes/main/default/v/d/{name}"), vec![("a", ints(&[1]))]);
    }
    assert_eq!(world.rows(&format!("{COPY} FILES = ('3.pq')")).await, ["1|1|0"]);
    assert_eq!(world.rows(&format!("{COPY} PATTERN = '*.parquet'")).await, ["1|1|0"]);
    assert_eq!(world.rows(COPY).await, ["1|1|0"]);
    assert_eq!(
        world.error("COPY INTO t FROM '/Volumes/main/default/v/d/_tmp' FILEFORMAT = PARQUET").await.sqlstate(),
        "42KD9"
    );
    assert_eq!(
        world.error("COPY INTO t FROM '/Volumes/main/default/v/nope' FILEFORMAT = PARQUET").await.class(),
        "PATH_NOT_FOUND"
    );
    assert_eq!(
        world.error("COPY INTO t FROM '/Volumes/main/default/w/d' FILEFORMAT = PARQUET").await.class(),
        "VOLUME_NOT_FOUND"
    );
}

#[tokio::test]
async fn a_file_that_does_not_fit_is_refused_whole() {
    let world = world().await;
    write(&world, "/Volumes/main/default/v/d/1.parquet", vec![("a", ints(&[1]))]);
    write(&world, "/Volumes/main/default/v/d/2.parquet", vec![("a", Arc::new(StringArray::from(vec!["x"])))]);
    assert_eq!(world.error(COPY).await.class(), "DELTA_FAILED_TO_MERGE_FIELDS");
    write(&world, "/Volumes/main/default/v/d/2.parquet", vec![("a", ints(&[1])), ("extra", ints(&[7]))]);
    assert_eq!(world.error(COPY).await.class(), "COPY_INTO_SCHEMA_MISMATCH_WITH_TARGET_TABLE");
    let local = world.engine.local(&VolumePath::parse("/Volumes/main/default/v/d/2.parquet").unwrap()).unwrap();
    fs::write(&local, b"PAR1 not at all PAR1").unwrap();
    assert_eq!(world.error(COPY).await.sqlstate(), "KD001");
    assert_eq!(world.rows("SELECT count(*) FROM t").await, ["0"]);
    write(&world, "/Volumes/main/default/v/d/2.parquet", vec![("a", ints(&[1])), ("extra", ints(&[7]))]);
    assert_eq!(world.rows(&format!("{COPY} COPY_OPTIONS ('mergeSchema' = 'true')")).await, ["2|2|0"]);
    assert_eq!(world.rows("SELECT sum(a), sum(extra) FROM t").await, ["2|7"]);
}

#[tokio::test]
async fn a_query_over_the_files_can_be_loaded() {
    let world = world().await;
    write(
        &world,
        "/Volumes/main/default/v/d/1.parquet",
        vec![("k", ints(&[1, 2])), ("s", Arc::new(StringArray::from(vec!["x", "y"])))],
    );
    let sql = "COPY INTO t FROM (SELECT K * 10 AS a, upper(s) AS b FROM '/Volumes/main/default/v/d' WHERE k > 1) FILEFORMAT = PARQUET";
    assert_eq!(world.rows(sql).await, ["1|1|0"]);
    assert_eq!(world.rows(sql).await, ["0|0|0"]);
    assert_eq!(world.rows("SELECT * FROM t").await, ["20|Y"]);
}

#[tokio::test]
async fn parquet_files_of_a_volume_are_a_relation_by_their_path() {
    let world = world().await;
    for (name, values) in [("0.parquet", [1, 2]), ("1.parquet", [3, 4]), ("_2.parquet", [9, 9])] {
        write(&world, &format!("/Volumes/main/default/v/direct/{name}"), vec![("n", ints(&values))]);
    }
    let sql = "SELECT count(*), sum(s.n) FROM parquet.`/Volumes/main/default/v/direct` s";
    assert_eq!(world.rows(sql).await, ["4|10"]);
    let error = world.error("SELECT * FROM parquet.`/Volumes/main/default/v/nowhere`").await;
    assert_eq!(error.class(), "PATH_NOT_FOUND");
}
