//! Unity Catalog.

use serde_json::json;

use super::*;

const UC: &str = "/api/2.1/unity-catalog";
const IN_DEFAULT: &str = "catalog_name=main&schema_name=default";

impl Server {
    async fn with_tables() -> Self {
        let server = Self::start().await;
        for n in 0..5 {
            server.sql(&format!("CREATE TABLE t{n} (id INT)")).await;
        }
        server
    }

    /// The names on each page of a listing.
    async fn pages(&self, what: &str, query: &str) -> Vec<Vec<String>> {
        let (mut pages, mut token) = (Vec::new(), String::new());
        loop {
            let page = self.json(&format!("{UC}/{what}?{query}&page_token={token}")).await;
            let name = |entry: &Value| entry["name"].as_str().unwrap().to_owned();
            pages.push(page[what].as_array().unwrap().iter().map(name).collect());
            match page["next_page_token"].as_str() {
                Some(next) => token = next.to_owned(),
                None => return pages,
            }
        }
    }

    async fn post(&self, what: &str, body: Value) -> (u16, Value) {
        self.answer(self.request(Method::POST, &format!("{UC}/{what}")).json(&body)).await
    }

    async fn delete(&self, what: &str) -> (u16, Value) {
        self.answer(self.request(Method::DELETE, &format!("{UC}/{what}"))).await
    }
}

#[tokio::test]
async fn a_table_is_described_from_its_delta_log() {
    let server = Server::start().await;
    server
        .sql(
            "CREATE TABLE Orders (Id BIGINT NOT NULL COMMENT 'the key', price DECIMAL(12,2), \
             tags ARRAY<STRUCT<a: INT, B: MAP<STRING, DATE>>>, at TIMESTAMP_NTZ, day DATE) \
             PARTITIONED BY (day) COMMENT 'what was sold' TBLPROPERTIES ('delta.appendOnly' = 'false')",
        )
        .await;
    let table = server.json(&format!("{UC}/tables/main.default.ORDERS")).await;
    for (key, value) in [
        ("name", json!("orders")),
        ("catalog_name", json!("main")),
        ("schema_name", json!("default")),
        ("full_name", json!("main.default.orders")),
        ("table_type", json!("MANAGED")),
        ("data_source_format", json!("DELTA")),
        ("comment", json!("what was sold")),
    ] {
        assert_eq!(table[key], value, "{key}");
    }
    assert_eq!(table["properties"]["delta.appendOnly"], "false");
    assert!(table["updated_at"].as_u64() >= table["created_at"].as_u64());
    let location = url::Url::parse(table["storage_location"].as_str().unwrap()).unwrap();
    assert!(location.to_file_path().unwrap().join("_delta_log").is_dir());

    let columns = table["columns"].as_array().unwrap();
    let texts: Vec<_> = columns.iter().map(|column| column["type_text"].as_str().unwrap()).collect();
    let nested = "array<struct<a:int,B:map<string,date>>>";
    assert_eq!(texts, ["bigint", "decimal(12,2)", nested, "timestamp_ntz", "date"]);
    let names: Vec<_> = columns.iter().map(|column| column["type_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["LONG", "DECIMAL", "ARRAY", "TIMESTAMP_NTZ", "DATE"]);
    assert_eq!(columns[0]["name"], "Id");
    assert_eq!((&columns[0]["nullable"], &columns[0]["comment"]), (&json!(false), &json!("the key")));
    assert_eq!((&columns[1]["type_precision"], &columns[1]["type_scale"]), (&json!(12), &json!(2)));
    assert_eq!((&columns[4]["position"], &columns[4]["partition_index"]), (&json!(4), &json!(0)));
    let spark: Value = serde_json::from_str(columns[1]["type_json"].as_str().unwrap()).unwrap();
    assert_eq!(spark, json!({ "name": "price", "type": "decimal(12,2)", "nullable": true, "metadata": {} }));
    let spark: Value = serde_json::from_str(columns[2]["type_json"].as_str().unwrap()).unwrap();
    assert_eq!(spark["type"]["elementType"]["fields"][1]["type"]["valueType"], "date");
}

#[tokio::test]
async fn a_table_that_replaces_another_has_another_id() {
    let server = Server::with_tables().await;
    let id = async || server.json(&format!("{UC}/tables/main.default.t0")).await["table_id"].clone();
    let first = id().await;
    server.sql("DROP TABLE t0").await;
    server.sql("CREATE TABLE t0 (id INT)").await;
    assert_ne!(id().await, first);
}

#[tokio::test]
async fn names_may_hold_whatever_unity_catalog_allows() {
    let server = Server::start().await;
    for (name, encoded) in [("a`b", "a%60b"), ("é%'\"", "%C3%A9%25%27%22"), ("x?y#z", "x%3Fy%23z")] {
        server.sql(&format!("CREATE TABLE `{}` (id INT)", name.replace('`', "``"))).await;
        let table = server.json(&format!("{UC}/tables/main.default.{encoded}")).await;
        assert_eq!(table["name"], name);
        let exists = server.json(&format!("{UC}/tables/main.default.{encoded}/exists")).await;
        assert_eq!(exists, json!({ "table_exists": true }));
    }
}

#[tokio::test]
async fn a_listing_is_complete_however_it_is_paged_and_one_page_may_be_empty() {
    let server = Server::with_tables().await;
    let all = ["t0", "t1", "t2", "t3", "t4"];
    assert_eq!(server.pages("tables", IN_DEFAULT).await, [all]);
    assert_eq!(server.pages("tables", &format!("{IN_DEFAULT}&max_results=0")).await, [all]);
    let pages = server.pages("tables", &format!("{IN_DEFAULT}&max_results=2")).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 2, 1]);
    assert_eq!(pages.concat(), all);
    for odd in ["max_results=-1", "max_results=x", "page_token=%25", "omit_columns=maybe"] {
        let request = server.get(&format!("{UC}/tables?{IN_DEFAULT}&{odd}"));
        assert_eq!(server.refusal(request).await, (400, json!("INVALID_PARAMETER_VALUE")), "{odd}");
    }
}

#[tokio::test]
async fn the_server_chooses_a_page_of_a_hundred() {
    let server = Server::start().await;
    for n in 0..101 {
        server.sql(&format!("CREATE SCHEMA s{n:03}")).await;
    }
    let lengths = async |query: &str| {
        let pages = server.pages("schemas", &format!("catalog_name=main{query}")).await;
        pages.iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!(lengths("&max_results=0").await, [100, 0, 2]);
    assert_eq!(lengths("&max_results=5000").await, [100, 0, 2]);
    assert_eq!(lengths("").await, [102]);
}

#[tokio::test]
async fn a_listing_leaves_out_what_it_is_told_to() {
    let server = Server::with_tables().await;
    let list = server.json(&format!("{UC}/tables?{IN_DEFAULT}&omit_columns=true&omit_properties=true")).await;
    let table = &list["tables"][0];
    assert!(table.get("columns").is_none() && table.get("properties").is_none() && table["table_id"].is_string());
}

#[tokio::test]
async fn what_does_not_exist_is_named_by_its_level() {
    let server = Server::start().await;
    for (path, code, message) in [
        ("tables/main.default.no", "TABLE_DOES_NOT_EXIST", "Table 'main.default.no' does not exist."),
        ("tables/main.no.t", "SCHEMA_DOES_NOT_EXIST", "Schema 'main.no' does not exist."),
        ("tables/no.default.t", "CATALOG_DOES_NOT_EXIST", "Catalog 'no' does not exist."),
        ("tables?catalog_name=main&schema_name=no", "SCHEMA_DOES_NOT_EXIST", "Schema 'main.no' does not exist."),
        ("schemas?catalog_name=no", "CATALOG_DOES_NOT_EXIST", "Catalog 'no' does not exist."),
        ("schemas/main.no", "SCHEMA_DOES_NOT_EXIST", "Schema 'main.no' does not exist."),
        ("catalogs/no", "CATALOG_DOES_NOT_EXIST", "Catalog 'no' does not exist."),
        ("table-summaries?catalog_name=no", "CATALOG_DOES_NOT_EXIST", "Catalog 'no' does not exist."),
        ("volumes/main.default.no", "VOLUME_DOES_NOT_EXIST", "Volume 'main.default.no' does not exist."),
    ] {
        let answer = server.answer(server.get(&format!("{UC}/{path}"))).await;
        assert_eq!(answer, (404, json!({ "error_code": code, "message": message })), "{path}");
    }
    for name in ["main.default.no", "main.no.t", "no.default.t"] {
        let exists = server.json(&format!("{UC}/tables/{name}/exists")).await;
        assert_eq!(exists, json!({ "table_exists": false }), "{name}");
    }
    for bad in ["tables/t", "tables/a.b.c.d", "tables/main..t", "schemas/main", "tables?catalog_name=main"] {
        assert_eq!(server.refusal(server.get(&format!("{UC}/{bad}"))).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn summaries_span_schemas_and_take_patterns() {
    let server = Server::with_tables().await;
    server.sql("CREATE SCHEMA other").await;
    server.sql("CREATE TABLE other.t0 (id INT)").await;
    let names = async |query: &str| {
        let found = server.json(&format!("{UC}/table-summaries?catalog_name=main&{query}")).await;
        let name = |table: &Value| table["full_name"].as_str().unwrap().to_owned();
        found["tables"].as_array().unwrap().iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(names("").await.len(), 6);
    assert_eq!(names("table_name_pattern=T0").await, ["main.default.t0", "main.other.t0"]);
    assert_eq!(names("schema_name_pattern=o%25&table_name_pattern=t_").await, ["main.other.t0"]);
}

#[tokio::test]
async fn catalogs_schemas_and_volumes_are_made_and_removed() {
    let server = Server::start().await;
    let comment = "it's a \\ \"test\"";
    let (status, made) = server.post("catalogs", json!({ "name": "Sales", "comment": comment })).await;
    assert_eq!((status, &made["name"], &made["comment"]), (200, &json!("sales"), &json!(comment)), "{made}");
    let (status, made) = server.post("schemas", json!({ "name": "s", "catalog_name": "sales" })).await;
    assert_eq!((status, &made["full_name"]), (200, &json!("sales.s")), "{made}");
    let volume = json!({ "name": "v", "catalog_name": "sales", "schema_name": "s", "volume_type": "MANAGED" });
    let (status, made) = server.post("volumes", volume.clone()).await;
    assert_eq!((status, &made["volume_type"]), (200, &json!("MANAGED")), "{made}");
    let file = server.request(Method::PUT, "/api/2.0/fs/files/Volumes/sales/s/v/f").body("x");
    assert_eq!(server.answer(file).await.0, 204);
    assert_eq!(server.pages("catalogs", "").await, [["main", "sales"]]);
    assert_eq!(server.pages("volumes", "catalog_name=sales&schema_name=s").await, [["v"]]);

    let again = server.post("schemas", json!({ "name": "S", "catalog_name": "sales" })).await;
    let message = "Schema 'S' already exists";
    assert_eq!(again, (400, json!({ "error_code": "SCHEMA_ALREADY_EXISTS", "message": message })));
    assert_eq!(server.post("volumes", volume).await.1["error_code"], "VOLUME_ALREADY_EXISTS");
    assert_eq!(server.delete("catalogs/sales").await.1["error_code"], "INVALID_STATE");
    assert_eq!(server.delete("schemas/sales.s").await.0, 400);
    assert_eq!(server.delete("volumes/sales.s.v").await, (200, json!({})));
    assert_eq!(server.delete("schemas/sales.s").await, (200, json!({})));
    server.post("schemas", json!({ "name": "s", "catalog_name": "sales" })).await;
    assert_eq!(server.delete("catalogs/sales?force=true").await, (200, json!({})));
    assert_eq!(server.delete("catalogs/sales").await.1["error_code"], "CATALOG_DOES_NOT_EXIST");
}

#[tokio::test]
async fn a_table_is_dropped_with_its_name() {
    let server = Server::with_tables().await;
    assert_eq!(server.delete("tables/main.default.t0").await, (200, json!({})));
    assert_eq!(server.delete("tables/main.default.t0").await.1["error_code"], "TABLE_DOES_NOT_EXIST");
}

#[tokio::test]
async fn what_the_sandbox_does_not_do_is_refused_by_name() {
    let server = Server::start().await;
    let schema = json!({ "name": "s", "catalog_name": "main", "storage_root": "s3://b" });
    let (status, refused) = server.post("schemas", schema).await;
    assert_eq!((status, &refused["error_code"]), (501, &json!("NOT_IMPLEMENTED")));
    assert!(refused["message"].as_str().unwrap().contains("storage_root"), "{refused}");
    let volume = json!({ "name": "v", "catalog_name": "main", "schema_name": "default", "volume_type": "EXTERNAL" });
    assert_eq!(server.post("volumes", volume).await.0, 501);
    let table = json!({
        "name": "t", "catalog_name": "main", "schema_name": "default", "table_type": "MANAGED",
        "data_source_format": "DELTA",
    });
    let (status, refused) = server.post("tables", table).await;
    assert!(status == 400 && refused["message"].as_str().unwrap().contains("CREATE TABLE"), "{refused}");
    // This workspace has no S3 store.
    let credentials = server.request(Method::POST, "/api/2.0/unity-catalog/temporary-table-credentials");
    let credentials = credentials.json(&json!({ "table_id": "x", "operation": "READ" }));
    assert_eq!(server.refusal(credentials).await.0, 501);
    let delta = server.get(&format!("{UC}/tables/main.default.t?include_delta_metadata=true"));
    assert_eq!(server.refusal(delta).await.0, 501);
    let broken = server.request(Method::POST, &format!("{UC}/schemas")).body("{");
    assert_eq!(server.refusal(broken).await, (400, json!("MALFORMED_REQUEST")));
    assert_eq!(server.post("schemas", json!({ "name": "a.b", "catalog_name": "main" })).await.0, 400);
}
