use std::fs;

use super::*;

const FOLDER: &str = "/Volumes/main/default/v/d";

async fn world() -> World {
    let world = World::new();
    world.rows("CREATE VOLUME v").await;
    world.rows("CREATE TABLE t (id INT, name STRING, d DATE)").await;
    world
}

fn write(world: &World, name: &str, text: impl AsRef<[u8]>) {
    let local = world.engine.local(&VolumePath::parse(&format!("{FOLDER}/{name}")).unwrap()).unwrap();
    fs::create_dir_all(local.parent().unwrap()).unwrap();
    fs::write(local, text).unwrap();
}

fn copy(rest: &str) -> String {
    format!("COPY INTO t FROM '{FOLDER}' FILEFORMAT = {rest}")
}

async fn all(world: &World) -> Vec<String> {
    world.rows("SELECT * FROM t ORDER BY id, name").await
}

#[tokio::test]
async fn csv_with_a_header_fits_by_name_in_the_types_that_its_texts_have() {
    let world = world().await;
    write(&world, "1.csv", "name,id,d\n\"a, b\",1,2024-02-29\n,2,\n\"say \\\"hi\\\"\",3,2024-01-01\n");
    let sql = copy("CSV FORMAT_OPTIONS ('header' = 'true', 'inferSchema' = 'true')");
    assert_eq!(world.rows(&sql).await, ["3|3|0"]);
    assert_eq!(world.rows(&sql).await, ["0|0|0"]);
    assert_eq!(all(&world).await, ["1|a, b|2024-02-29", "2|NULL|NULL", "3|say \"hi\"|2024-01-01"]);
}

#[tokio::test]
async fn csv_without_a_header_fits_by_position_and_is_cast() {
    let world = world().await;
    write(&world, "1.csv", "1;x;2024-01-01\n2;-;2024-01-02\n");
    let by_position = format!(
        "COPY INTO t BY POSITION FROM '{FOLDER}' FILEFORMAT = CSV FORMAT_OPTIONS ('sep' = ';', 'nullValue' = '-')"
    );
    assert_eq!(world.rows(&by_position).await, ["2|2|0"]);
    assert_eq!(all(&world).await, ["1|x|2024-01-01", "2|NULL|2024-01-02"]);
    write(&world, "2.csv", "y;3\n");
    let by_list = format!(
        "COPY INTO t (name, id) FROM '{FOLDER}' FILEFORMAT = CSV FILES = ('2.csv') FORMAT_OPTIONS ('sep' = ';')"
    );
    assert_eq!(world.rows(&by_list).await, ["1|1|0"]);
    write(&world, "3.csv", "zero;4\n");
    let wrong = by_list.replace("2.csv", "3.csv").replace("(name, id)", "(id, name)");
    assert_eq!(world.error(&wrong).await.class(), "CAST_INVALID_INPUT");
    let header = by_list.replace("'sep' = ';'", "'header' = 'true'");
    assert_eq!(world.error(&header).await.class(), "COPY_INTO_NON_CSV_BY_POSITION");
    assert_eq!(world.rows("SELECT count(*) FROM t").await, ["3"]);
}

#[tokio::test]
async fn a_query_gives_texts_their_types() {
    let world = world().await;
    write(&world, "1.csv", "a,b\n7,x\n8,y\n");
    let sql = format!(
        "COPY INTO t FROM (SELECT a::INT * 2 AS id, upper(b) AS name FROM '{FOLDER}') FILEFORMAT = CSV FORMAT_OPTIONS ('header' = 'true')"
    );
    assert_eq!(world.rows(&sql).await, ["2|2|0"]);
    assert_eq!(all(&world).await, ["14|X|NULL", "16|Y|NULL"]);
}

#[tokio::test]
async fn texts_do_not_become_numbers_by_name_alone() {
    let world = world().await;
    write(&world, "1.csv", "id,name\n1,x\n");
    let error = world.error(&copy("CSV FORMAT_OPTIONS ('header' = 'true')")).await;
    assert_eq!(error.class(), "DELTA_FAILED_TO_MERGE_FIELDS");
    assert_eq!(world.rows("SELECT count(*) FROM t").await, ["0"]);
}

#[tokio::test]
async fn json_brings_its_own_types_and_new_columns_where_allowed() {
    let world = World::new();
    world.rows("CREATE VOLUME v").await;
    world.rows("CREATE TABLE t (id BIGINT, tags ARRAY<STRING>)").await;
    write(&world, "1.json", "{\"id\": 1, \"tags\": [\"a\", \"b\"]}\n{\"id\": 2}\n");
    assert_eq!(world.rows(&copy("JSON")).await, ["2|2|0"]);
    write(&world, "2.json", "{\"id\": 3, \"score\": 1.5, \"ok\": true}\n");
    assert_eq!(world.error(&copy("JSON")).await.class(), "COPY_INTO_SCHEMA_MISMATCH_WITH_TARGET_TABLE");
    assert_eq!(world.rows(&copy("JSON COPY_OPTIONS ('mergeSchema' = 'true')")).await, ["1|1|0"]);
    assert_eq!(
        world.rows("SELECT id, tags, score FROM t ORDER BY id").await,
        ["1|[a, b]|NULL", "2|NULL|NULL", "3|NULL|1.5"]
    );
    write(&world, "3.json", "[{\"id\": 4}, {\"id\": 5}]");
    assert_eq!(world.rows(&copy("JSON FORMAT_OPTIONS ('multiLine' = 'true')")).await, ["2|2|0"]);
    write(&world, "4.json", "{\"id\": 6}\n{broken");
    assert!(["22018", "KD001"].contains(&world.error(&copy("JSON")).await.sqlstate()));
    assert_eq!(world.rows("SELECT count(*) FROM t").await, ["5"]);
}

#[tokio::test]
async fn what_is_not_read_is_refused_by_name() {
    let world = world().await;
    write(&world, "1.csv", "1\n");
    for rest in [
        "CSV FORMAT_OPTIONS ('quote' = '''''')",
        "CSV FORMAT_OPTIONS ('mode' = 'DROPMALFORMED')",
        "CSV FORMAT_OPTIONS ('dateFormat' = 'dd.MM.yyyy')",
        "AVRO",
        "TEXT",
        "CSV VALIDATE ALL",
        "CSV COPY_OPTIONS ('ignoreMissing' = 'true')",
    ] {
        assert_eq!(world.error(&copy(rest)).await.class(), "UNSUPPORTED_FEATURE", "{rest}");
    }
}
