use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::*;
use crate::testing::client_that_believes;

#[tokio::test]
async fn a_large_result_comes_as_linked_files_of_lz4_frames_with_padding_and_stale_names() {
    let world = World::with_quirks(Quirks { chunk_rows: 40_000, ..Quirks::default() }).await;
    let reply = world.run("SELECT id, CAST(id AS STRING) AS `Name` FROM range(100000)", links()).await;
    let manifest = &reply["manifest"];
    assert_eq!(manifest["total_chunk_count"], 3);
    assert_eq!(number(&manifest["total_row_count"]), 100_000);
    assert_eq!(manifest["result_compression"], "LZ4_FRAME");
    let columns = manifest["schema"]["columns"].as_array().unwrap();
    assert_eq!(
        (&columns[0]["name"], &columns[0]["type_name"], &columns[0]["type_text"]),
        (&json!("id"), &json!("LONG"), &json!("BIGINT"))
    );
    assert_eq!(columns[1]["name"], "Name");

    let (mut result, mut rows, mut sum) = (reply["result"].clone(), 0, 0);
    loop {
        let link = &result["external_links"][0];
        assert_eq!(number(&link["row_offset"]), rows);
        let file = world.get_link(link).await.bytes().await.unwrap();
        let stream = inflate(&file);
        assert_eq!(number(&link["byte_count"]), stream.len() as u64);
        assert!(file.len() < stream.len());
        let batches = batches(&stream);
        assert_eq!(batches[0].schema().field(1).name(), "_c1");
        let count = number(&link["row_count"]);
        let held: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(held as u64, count + 3);
        let ids: Vec<i64> = batches
            .iter()
            .flat_map(|batch| {
                arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(batch.column(0)).values().to_vec()
            })
            .take(count as usize)
            .collect();
        (rows, sum) = (rows + count, sum + ids.iter().sum::<i64>());
        // The way on is in the link, and the last has none.
        assert!(result.get("next_chunk_index").is_none());
        let Some(next) = link["next_chunk_internal_link"].as_str() else { break };
        result = world.json("GET", next).await.1;
        assert_eq!(result.as_object().unwrap().keys().collect::<Vec<_>>(), ["external_links"]);
    }
    assert_eq!((rows, sum), (100_000, 4_999_950_000));
}

#[tokio::test]
async fn the_first_frame_alone_has_no_rows_unless_the_quirk_is_off() {
    for (split_frames, whole) in [(true, false), (false, true)] {
        let world =
            World::with_quirks(Quirks { split_frames, padding_rows: 0, stale_names: false, ..Quirks::default() }).await;
        let reply = world.run("SELECT 7 AS a", links()).await;
        let link = &reply["result"]["external_links"][0];
        let file = world.get_link(link).await.bytes().await.unwrap();
        let mut first = Vec::new();
        FrameDecoder::new(&file[..]).read_to_end(&mut first).unwrap();
        assert_eq!(first.len() as u64 == number(&link["byte_count"]), whole);
        let batches = batches(&inflate(&file));
        assert_eq!((batches[0].num_rows(), batches[0].schema().field(0).name().as_str()), (1, "a"));
    }
}

#[tokio::test]
async fn zeros_are_left_out_and_sizes_are_text_unless_the_quirks_are_off() {
    let world = World::start().await;
    let awkward = world.run("SELECT 1", links()).await;
    let link = &awkward["result"]["external_links"][0];
    assert!(link.get("chunk_index").is_none() && link.get("row_offset").is_none());
    assert!(link["byte_count"].is_string() && awkward["manifest"]["total_byte_count"].is_string());
    let world = World::with_quirks(Quirks { omit_zeros: false, text_numbers: false, ..Quirks::default() }).await;
    let plain = world.run("SELECT 1", links()).await;
    let link = &plain["result"]["external_links"][0];
    assert_eq!((&link["chunk_index"], &link["row_offset"]), (&json!(0), &json!(0)));
    assert!(link["byte_count"].is_u64());
}

#[tokio::test]
async fn a_link_refuses_authorization_forgery_and_lateness() {
    let world = World::start().await;
    let reply = world.run("SELECT 1", links()).await;
    let link = reply["result"]["external_links"][0]["external_link"].as_str().unwrap().to_owned();
    let with_token = world.client.get(&link).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(with_token.status(), 400);
    assert!(with_token.text().await.unwrap().contains("Only one auth mechanism allowed"));
    let forged = world.client.get(link.replace("X-Amz-Until=1", "X-Amz-Until=2")).send().await.unwrap();
    assert_eq!(forged.status(), 403);
    assert_eq!(world.client.get(&link).send().await.unwrap().status(), 200);

    let world = World::with_quirks(Quirks { link_lifetime: Duration::ZERO, ..Quirks::default() }).await;
    let reply = world.run("SELECT 1", links()).await;
    let late = world.get_link(&reply["result"]["external_links"][0]).await;
    assert_eq!((late.status().as_u16(), late.headers()["content-type"].to_str().unwrap()), (403, "application/xml"));
    assert!(late.text().await.unwrap().contains("Request has expired"));

    let world = World::with_quirks(Quirks { links_refuse_authorization: false, ..Quirks::default() }).await;
    let reply = world.run("SELECT 1", links()).await;
    let link = reply["result"]["external_links"][0]["external_link"].as_str().unwrap();
    assert_eq!(world.client.get(link).bearer_auth(TOKEN).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn links_and_warehouses_are_where_the_client_came_in() {
    let folder = tempfile::tempdir().unwrap();
    let tls = crate::tls::Tls::create(folder.path()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&tls.ca_file).unwrap()).unwrap();
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let world = World::with(|config| config.with_tls(door, Arc::clone(&tls.server))).await;
    let client = client_that_believes(roots);
    for (base, protocol, ssl) in
        [(world.front.url(), "http", "ssl=0"), (world.front.https_url().unwrap(), "https", "ssl=1")]
    {
        let call = |request: RequestBuilder| async { parsed(request.bearer_auth(TOKEN).send().await.unwrap()).await.1 };
        let mut body = links();
        (body["statement"], body["warehouse_id"]) = (json!("SELECT 1"), json!(world.front.warehouse_id()));
        let reply = call(client.post(format!("{base}/api/2.0/sql/statements")).json(&body)).await;
        let path = format!("{base}/api/2.0/sql/statements/{}", reply["statement_id"].as_str().unwrap());
        let (status, chunk) =
            (call(client.get(&path)).await, call(client.get(format!("{path}/result/chunks/0"))).await);
        for part in [&reply["result"], &status["result"], &chunk] {
            let link = part["external_links"][0]["external_link"].as_str().unwrap();
            assert!(link.starts_with(&format!("{base}/links/")), "{link}");
            assert_eq!(client.get(link).send().await.unwrap().status(), 200);
        }
        let listed = call(client.get(format!("{base}/api/2.0/sql/warehouses"))).await;
        let warehouse = &listed["warehouses"][0];
        let way = &warehouse["odbc_params"];
        assert_eq!(
            (&way["protocol"], format!("{protocol}://127.0.0.1:{}", way["port"])),
            (&json!(protocol), base.into())
        );
        assert!(warehouse["jdbc_url"].as_str().unwrap().contains(ssl), "{warehouse}");
    }
    world.front.stop().await;
}

#[tokio::test]
async fn a_fresh_link_can_be_had_for_a_chunk() {
    let world = World::start().await;
    let reply = world.run("SELECT 1", links()).await;
    let path = format!("/api/2.0/sql/statements/{}/result/chunks/0", reply["statement_id"].as_str().unwrap());
    let (status, again) = world.json("GET", &path).await;
    assert_eq!(status, 200);
    assert_eq!(world.get_link(&again["external_links"][0]).await.status(), 200);
    for none in ["chunks/1", "chunks/-1", "chunks/x"] {
        let (status, refusal) = world.json("GET", &path.replace("chunks/0", none)).await;
        assert_eq!((status.as_u16(), &refusal["error_code"]), (400, &json!("INVALID_PARAMETER_VALUE")), "{none}");
    }
}

#[tokio::test]
async fn inline_results_are_strings_in_chunks() {
    let world = World::with_quirks(Quirks { chunk_rows: 2, ..Quirks::default() }).await;
    let sql = "SELECT id, IF(id = 1, NULL, id / 2) AS h, TIMESTAMP '2024-01-02 03:04:05.678901' AS t FROM range(5) ORDER BY id";
    let reply = world.run(sql, json!({})).await;
    assert_eq!(reply["manifest"]["total_chunk_count"], 3);
    assert!(reply["manifest"].get("total_byte_count").is_none());
    assert_eq!(reply["result"]["next_chunk_index"], 1);
    let moment = "2024-01-02T03:04:05.678Z";
    assert_eq!(
        world.rows(sql).await,
        json!([
            ["0", "0.0", moment],
            ["1", null, moment],
            ["2", "1.0", moment],
            ["3", "1.5", moment],
            ["4", "2.0", moment]
        ])
    );
}

#[tokio::test]
async fn json_and_csv_come_as_files_too() {
    let world = World::with_quirks(Quirks { chunk_rows: 2, ..Quirks::default() }).await;
    for (format, files) in
        [("JSON_ARRAY", [r#"[["0","x"],["1","x"]]"#, r#"[["2","x"]]"#]), ("CSV", ["id,s\r\n0,x\r\n1,x\r\n", "2,x\r\n"])]
    {
        let more = json!({ "disposition": "EXTERNAL_LINKS", "format": format });
        let reply = world.run("SELECT id, 'x' AS s FROM range(3)", more).await;
        let link = &reply["result"]["external_links"][0];
        assert_eq!(world.get_link(link).await.text().await.unwrap(), files[0]);
        let next = world.json("GET", link["next_chunk_internal_link"].as_str().unwrap()).await.1;
        assert_eq!(world.get_link(&next["external_links"][0]).await.text().await.unwrap(), files[1]);
    }
}

#[tokio::test]
async fn an_inline_result_over_the_limit_fails_with_advice() {
    let world = World::start().await;
    let (status, reply) = world.submit("SELECT repeat('x', 1000000) AS s FROM range(30)", json!({})).await;
    assert_eq!((status.as_u16(), &reply["status"]["state"]), (200, &json!("FAILED")));
    let error = &reply["status"]["error"];
    assert_eq!(error["error_code"], "BAD_REQUEST");
    assert!(error["message"].as_str().unwrap().starts_with("Inline byte limit exceeded."));
}

#[tokio::test]
async fn ddl_answers_without_columns_and_dml_with_counts() {
    let world = World::start().await;
    let ddl = world.run("CREATE TABLE t (a INT, b STRING)", json!({})).await;
    assert_eq!(ddl["manifest"]["schema"], json!({ "column_count": 0 }));
    assert_eq!((&ddl["manifest"]["total_chunk_count"], &ddl["result"]), (&json!(0), &json!({})));
    let dml = world.run("INSERT INTO t VALUES (1, 'x')", json!({})).await;
    assert_eq!(dml["manifest"]["schema"]["columns"][0]["name"], "num_affected_rows");
    assert_eq!(dml["result"]["data_array"], json!([["1", "1"]]));
    let empty = world.run("SELECT * FROM t WHERE a > 1", links()).await;
    assert_eq!(empty["manifest"]["schema"]["column_count"], 2);
    assert_eq!((&empty["manifest"]["total_chunk_count"], &empty["result"]), (&json!(0), &json!({})));
}

#[tokio::test]
async fn a_failed_statement_is_http_200_with_class_and_sqlstate() {
    let world = World::start().await;
    for (sql, start, state) in [
        (
            "INSER INTO t",
            "\n[PARSE_SYNTAX_ERROR] Syntax error at or near 'INSER'. SQLSTATE: 42601 (line 1, pos 0)",
            "42601",
        ),
        ("SELECT * FROM nope", "[TABLE_OR_VIEW_NOT_FOUND] ", "42P01"),
        ("SELECT 1/0", "[DIVIDE_BY_ZERO] ", "22012"),
        ("SELECT CAST(id AS STRING) || 1/(id - 20000) FROM range(50000)", "[DIVIDE_BY_ZERO] ", "22012"),
        ("GRANT SELECT ON t TO u", "[UNSUPPORTED_FEATURE] ", "0A000"),
    ] {
        let (status, reply) = world.submit(sql, links()).await;
        assert_eq!((status.as_u16(), &reply["status"]["state"]), (200, &json!("FAILED")), "{sql}");
        assert_eq!(reply["status"]["sql_state"], state, "{sql}: {reply}");
        assert!(reply["status"]["error"].get("sql_state").is_none());
        assert!(reply["status"]["error"]["message"].as_str().unwrap().starts_with(start), "{reply}");
        assert!(reply.get("result").is_none() && reply.get("manifest").is_none());
    }
}

#[tokio::test]
async fn row_and_byte_limits_truncate() {
    let world = World::start().await;
    let cut = world.run("SELECT id FROM range(1000000)", json!({ "row_limit": 3 })).await;
    assert_eq!((&cut["manifest"]["truncated"], number(&cut["manifest"]["total_row_count"])), (&json!(true), 3));
    let whole = world.run("SELECT id FROM range(3)", json!({ "row_limit": 3 })).await;
    assert_eq!(whole["manifest"]["truncated"], false);
    let mut bytes = links();
    bytes["byte_limit"] = json!(1000);
    let cut = world.run("SELECT id FROM range(1000000)", bytes).await;
    assert_eq!(cut["manifest"]["truncated"], true);
}

#[tokio::test]
async fn a_million_rows_leave_only_files_and_closing_removes_them() {
    let world = World::start().await;
    let reply = world.run("SELECT id, id * 2 AS d, CAST(id AS STRING) AS s FROM range(1000000)", links()).await;
    let id = reply["statement_id"].as_str().unwrap();
    let folder = world.folder.path().join("results").join(id);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count() as u64, number(&reply["manifest"]["total_chunk_count"]));
    assert_eq!(number(&reply["manifest"]["total_row_count"]), 1_000_000);
    let path = format!("/api/2.0/sql/statements/{id}");
    assert_eq!(world.call("DELETE", &path).json(&json!({})).send().await.unwrap().status(), 200);
    assert!(!folder.exists());
    assert_eq!(world.json("GET", &path).await.1["status"]["state"], "CLOSED");
    assert_eq!(world.json("GET", &format!("{path}/result/chunks/0")).await.0, 404);
    assert_eq!(world.get_link(&reply["result"]["external_links"][0]).await.status(), 404);
}

#[tokio::test]
async fn parameters_and_places_reach_the_engine() {
    let world = World::start().await;
    world.run("CREATE SCHEMA other", json!({})).await;
    world.run("CREATE TABLE other.t AS SELECT 5 AS a", json!({})).await;
    let more = json!({
        "catalog": "main", "schema": "OTHER",
        "parameters": [{ "name": "x", "value": "5", "type": "INT" }, { "name": "n", "type": "DATE" }],
        "query_tags": [{ "key": "k" }],
    });
    let reply = world.run("SELECT a + :x AS s, :n AS n FROM IDENTIFIER('t')", more).await;
    assert_eq!(reply["result"]["data_array"], json!([["10", null]]));
}

#[tokio::test]
async fn a_long_chain_of_operators_is_computed_and_a_longer_one_refused() {
    let world = World::start().await;
    let chain = |count| format!("SELECT {} AS s", vec!["1"; count].join(" + "));
    assert_eq!(world.rows(&chain(400)).await, json!([["400"]]));
    let (_, reply) = world.submit(&chain(5000), json!({})).await;
    assert_eq!((&reply["status"]["state"], &reply["status"]["sql_state"]), (&json!("FAILED"), &json!("54001")));
}
