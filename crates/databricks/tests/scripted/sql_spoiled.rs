//! Answers with one thing wrong: they are read as what they were, or they are errors.

use serde_json::{Value, json};
use twinhouse_core::ErrorKind;
use twinhouse_testkit::Answer;

use crate::bench::{STATEMENTS, file, in_line, linked, numbers, offline, statement};

/// What stands where something else should.
fn others() -> [Value; 14] {
    [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(7),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("x"),
        json!("18446744073709551615"),
        json!([]),
        json!([null]),
        json!({}),
        json!({ "x": 1 }),
    ]
}

/// The way to this value, and to everything in it.
fn paths(at: String, value: &Value) -> Vec<String> {
    let inner: Vec<_> = match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (format!("{at}/{key}"), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(n, value)| (format!("{at}/{n}"), value)).collect(),
        _ => Vec::new(),
    };
    let inner = inner.into_iter().flat_map(|(at, value)| paths(at, value));
    std::iter::once(at).chain(inner).collect()
}

/// The answer with each value in it replaced by each other one, and what that was.
fn spoiled(whole: &Value) -> Vec<(String, Value)> {
    let spoil = |path: String| {
        others().into_iter().map(move |other| {
            let what = format!("{path} = {other}");
            let mut answer = whole.clone();
            *answer.pointer_mut(&path).unwrap() = other;
            (what, answer)
        })
    };
    paths(String::new(), whole).into_iter().flat_map(spoil).collect()
}

fn link(n: u64, next: Option<u64>) -> Value {
    let url = format!("https://storage.example/{n}");
    json!([{ "external_link": url, "chunk_index": n, "row_offset": n, "row_count": 1, "next_chunk_index": next }])
}

#[tokio::test(start_paused = true)]
async fn a_result_with_one_thing_wrong_is_whole_or_an_error() {
    let mut by_links = linked(&[("n", "BIGINT")], 2, 2, link(0, Some(1)));
    by_links["manifest"]["chunks"] =
        [0, 1].map(|n| json!({ "chunk_index": n, "row_offset": n, "row_count": 1 })).into_iter().collect();
    let mut in_json = in_line(&[("n", "BIGINT")], json!([["0"]]));
    in_json["manifest"]["total_chunk_count"] = json!(2);
    in_json["manifest"]["total_row_count"] = json!(2);
    in_json["result"]["chunk_index"] = json!(0);
    in_json["result"]["next_chunk_index"] = json!(1);
    let more_links = json!({ "external_links": link(1, None) });
    let more_json = json!({ "chunk_index": 1, "data_array": [["1"]] });

    let mut cases = Vec::new();
    for (first, next) in [(&by_links, &more_links), (&in_json, &more_json)] {
        cases.extend(spoiled(first).into_iter().map(|(what, first)| (what, first, next.clone())));
        cases.extend(spoiled(next).into_iter().map(|(what, next)| (format!("chunk: {what}"), first.clone(), next)));
    }
    for (what, first, next) in cases {
        let (server, client) = offline();
        server.once("POST", STATEMENTS, Answer::json(first));
        server.always("GET", &statement(""), Answer::json(by_links.clone()));
        server.always("GET", &statement("/result/chunks/1"), Answer::json(next));
        for n in 0..2 {
            server.always("GET", &format!("/{n}"), Answer::ok(file(&[numbers("n", [n])])));
        }
        server.otherwise(|_| Some(Answer::status(404)));
        let sql = client.sql("wh");
        let read = async { sql.query("select n").await?.collect_batches().await };
        match tokio::time::timeout(std::time::Duration::from_secs(3600), read).await.expect(&what) {
            Ok(batches) => assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2, "{what}"),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Protocol | ErrorKind::NotFound), "{what}: {error:?}")
            }
        }
    }
}
