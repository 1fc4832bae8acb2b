use arrow::array::{ArrayRef, Int32Array, StringArray};
use datafusion::parquet::arrow::ArrowWriter;
use futures::stream;

use super::*;

fn parquet() -> Vec<u8> {
    let batch = RecordBatch::try_from_iter([
        ("a", Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef),
        ("b", Arc::new(StringArray::from(vec!["x", "y"])) as ArrayRef),
    ])
    .unwrap();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}

#[tokio::test]
async fn an_uploaded_file_is_loaded_exactly_once() {
    let world = World::start().await;
    world.run("CREATE VOLUME staging", json!({})).await;
    world.run("CREATE TABLE t (a INT, b STRING)", json!({})).await;
    let path = "/api/2.0/fs/files/Volumes/main/default/staging/load%201/p%C3%A9.parquet?overwrite=true";
    assert_eq!(world.call("PUT", path).body(parquet()).send().await.unwrap().status(), 204);
    let copy = "COPY INTO t FROM '/Volumes/main/default/staging/load 1' FILEFORMAT = PARQUET";
    assert_eq!(world.rows(copy).await, json!([["2", "2", "0"]]));
    assert_eq!(world.rows(copy).await, json!([["0", "0", "0"]]));
    assert_eq!(world.rows("SELECT * FROM t ORDER BY a").await, json!([["1", "x"], ["2", "y"]]));
}

#[tokio::test]
async fn a_half_sent_upload_leaves_no_file() {
    let world = World::start().await;
    world.run("CREATE VOLUME v", json!({})).await;
    let path = "/api/2.0/fs/files/Volumes/main/default/v/x.bin";
    let broken = stream::iter([Ok::<_, std::io::Error>("half".to_owned()), Err(std::io::Error::other("gone"))]);
    let sent = world.call("PUT", path).body(reqwest::Body::wrap_stream(broken)).send().await;
    assert!(sent.is_err() || !sent.unwrap().status().is_success());
    assert_eq!(world.call("HEAD", path).send().await.unwrap().status(), 404);
    assert_eq!(world.call("PUT", path).body("whole").send().await.unwrap().status(), 204);
    assert_eq!(world.call("GET", path).send().await.unwrap().text().await.unwrap(), "whole");
    let (status, reply) = parsed(world.call("PUT", path).body("again").send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &reply["error_code"]), (409, &json!("ALREADY_EXISTS")));
}

#[tokio::test]
async fn the_catalog_lists_tables_page_by_page_and_one_page_is_empty() {
    let world = World::start().await;
    for name in ["a", "b", "c"] {
        world.run(&format!("CREATE TABLE {name} (k DECIMAL(10,2) NOT NULL COMMENT 'key')"), json!({})).await;
    }
    let base = "/api/2.1/unity-catalog/tables";
    let (mut names, mut pages, mut token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let path = format!("{base}?catalog_name=main&schema_name=default&max_results=1&page_token={token}");
        let page = world.json("GET", &path).await.1;
        let tables = page["tables"].as_array().cloned().unwrap_or_default();
        pages.push(tables.len());
        names.extend(tables.iter().map(|table| table["name"].as_str().unwrap().to_owned()));
        match page["next_page_token"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(names, ["a", "b", "c"]);
    assert!(pages.contains(&0), "{pages:?}");
    let table = world.json("GET", &format!("{base}/main.default.a")).await.1;
    let column = &table["columns"][0];
    assert_eq!((&column["type_name"], &column["type_text"]), (&json!("DECIMAL"), &json!("decimal(10,2)")));
    assert_eq!(
        (&column["nullable"], &column["comment"], &column["position"]),
        (&json!(false), &json!("key"), &json!(0))
    );
    assert_eq!(world.json("GET", &format!("{base}/main.default.a/exists")).await.1, json!({ "table_exists": true }));
    let (status, missing) = world.json("GET", &format!("{base}/main.default.nope")).await;
    assert_eq!((status.as_u16(), &missing["error_code"]), (404, &json!("TABLE_DOES_NOT_EXIST")));
}
