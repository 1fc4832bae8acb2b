//! COPY INTO of text files, through the client.

use twinhouse_core::{
    ErrorKind,
    http::{Body, HeaderValue, Http, Request, Url},
};

use super::sql::Sql;
use crate::fixtures::{PATIENCE, shared};

/// Puts a file into the volume `v` of the schema, and answers the folder.
async fn upload(sql: &Sql, name: &str, text: &str) -> String {
    let folder = format!("/Volumes/{}/v/in", sql.schema().replace('.', "/"));
    let access = shared().await.unwrap().databricks().await.unwrap();
    let bearer = HeaderValue::from_str(&format!("Bearer {}", access.token.expose())).unwrap();
    let url = Url::parse(&format!("{}/api/2.0/fs/files{folder}/{name}", access.url)).unwrap();
    let request = Request::put(url).with_authorization(bearer).with_body(Body::bytes(text.to_owned()));
    let answer = Http::builder().build().unwrap().send(request.with_timeout(PATIENCE)).await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    folder
}

#[tokio::test]
async fn csv_and_json_are_loaded_once_and_again_by_force() {
    let sql = Sql::new().await;
    sql.rows("create volume {s}.v").await;
    sql.rows("create table {s}.t (id bigint, name string)").await;
    upload(&sql, "1.csv", "id,name\n1,\"a, b\"\n2,\n").await;
    let folder = upload(&sql, "2.json", "{\"id\": 3, \"name\": \"j\"}\n").await;
    let csv = format!(
        "copy into {{s}}.t from '{folder}' fileformat = csv pattern = '*.csv' \
         format_options ('header' = 'true', 'inferSchema' = 'true')"
    );
    let names = "num_affected_rows|num_inserted_rows|num_skipped_corrupt_files".to_owned();
    assert_eq!(sql.counts(&csv).await, (names.clone(), "2|2|0".to_owned()));
    assert_eq!(sql.counts(&csv).await, (names.clone(), "0|0|0".to_owned()));
    let json = format!("copy into {{s}}.t from '{folder}' fileformat = json files = ('2.json')");
    assert_eq!(sql.counts(&json).await, (names.clone(), "1|1|0".to_owned()));
    assert_eq!(sql.rows("select * from {s}.t order by id").await, ["1|a, b", "2|NULL", "3|j"]);
    assert_eq!(sql.counts(&format!("{json} copy_options ('force' = 'true')")).await, (names, "1|1|0".to_owned()));
}

#[tokio::test]
async fn a_query_over_the_files_casts_and_a_wrong_value_loads_nothing() {
    let sql = Sql::new().await;
    sql.rows("create volume {s}.v").await;
    sql.rows("create table {s}.t (id int, d date)").await;
    let folder = upload(&sql, "1.csv", "7;2024-02-29\n8;2024-03-01\n").await;
    let copy = |expression: &str| {
        format!(
            "copy into {{s}}.t from (select {expression} as id, _c1::date as d from '{folder}') \
             fileformat = csv format_options ('sep' = ';')"
        )
    };
    let error = sql.error(&copy("_c1::int")).await;
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::Data, Some("CAST_INVALID_INPUT")));
    sql.rows(&copy("_c0::int * 10")).await;
    assert_eq!(sql.rows("select * from {s}.t order by id").await, ["70|2024-02-29", "80|2024-03-01"]);
}
