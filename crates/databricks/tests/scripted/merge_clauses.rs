//! Merges by clauses: the one statement that they become, and what is refused before it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use serde_json::json;
use twinhouse_core::{ErrorKind, Result};
use twinhouse_testkit::Answer;
use twinhouse_warehouse_api::{
    Assignment, BatchStream, Duplicates, Expression, MergeAction, MergeClause, MergeReport, MergeRequest, MergeSource,
    MergeWhen, StatementRequest, TableRef, Warehouse as _,
};

use crate::bench::{Bench, Volume, counted, in_line};

const TABLES: &str = "/api/2.1/unity-catalog/tables/main.default.";

async fn bench() -> Bench {
    let bench = Bench::new().await;
    Volume::on(&bench);
    let column =
        |name: &str, position: u64, text: &str| json!({ "name": name, "position": position, "type_text": text });
    let table = |name: &str, columns: serde_json::Value| {
        Answer::json(json!({ "name": name, "catalog_name": "main", "schema_name": "default", "columns": columns }))
    };
    let columns = json!([column("id", 0, "bigint"), column("na`me", 1, "string"), column("n", 2, "bigint")]);
    bench.server.always("GET", &format!("{TABLES}t"), table("t", columns.clone()));
    bench.server.always("GET", &format!("{TABLES}src"), table("src", columns));
    bench
}

fn ready(bench: &Bench) {
    bench.answers(in_line(&[("duplicates", "BIGINT")], json!([["0"]])));
    merges(bench);
}

fn merges(bench: &Bench) {
    bench.answers(counted(&[("num_updated_rows", 3), ("num_deleted_rows", 1), ("num_inserted_rows", 2)]));
}

fn request(clauses: Vec<MergeClause>) -> MergeRequest {
    MergeRequest::upsert(TableRef::new("t"), MergeSource::Table(TableRef::new("src")), ["ID"]).with_clauses(clauses)
}

async fn merge(bench: &Bench, request: MergeRequest) -> Result<MergeReport> {
    bench.warehouse.merge(request).await
}

const SOURCE: &str = "SELECT `id`, `na``me`, `n` FROM `main`.`default`.`src`";

#[tokio::test]
async fn clauses_become_sql_in_their_order_with_their_own_values() {
    use {MergeAction::*, MergeWhen::*};
    let bench = bench().await;
    ready(&bench);
    let bound = |sql: &str, value: &str| Expression::new(sql).bind("v", value);
    let clauses = vec![
        MergeClause::new(Matched, Delete).with_condition(bound("s.n = :v", "it's")),
        MergeClause::new(
            Matched,
            Update(vec![Assignment::new("NA`ME", bound(":v", "b")), Assignment::new("n", "DEFAULT")]),
        )
        .with_condition(bound("t.n > 1 or :v = '' -- or", "c")),
        MergeClause::new(Matched, UpdateAll),
        MergeClause::new(NotMatched, Insert(vec![Assignment::new("id", "s.id + 1")])).with_condition("s.n > 0"),
        MergeClause::new(NotMatched, InsertAll),
        MergeClause::new(NotMatchedBySource, Update(vec![Assignment::new("n", "t.n + 1")])).with_condition("t.n < 9"),
        MergeClause::new(NotMatchedBySource, Delete),
    ];
    let report = merge(&bench, request(clauses).with_on(bound("t.n <> :v", "d"))).await.unwrap();
    assert_eq!(report, MergeReport::new(Some(2), Some(3), Some(1)));
    assert_eq!(
        bench.submitted()[1],
        format!(
            "MERGE INTO `main`.`default`.`t` AS t USING ({SOURCE}) AS s ON t.`id` = s.`id` AND (t.n <> 'd') \
             WHEN MATCHED AND (s.n = 'it\\'s') THEN DELETE \
             WHEN MATCHED AND (\nt.n > 1 or 'c' = '' -- or\n) THEN UPDATE SET `na``me` = ('b'), `n` = DEFAULT \
             WHEN MATCHED THEN UPDATE SET `na``me` = s.`na``me`, `n` = s.`n` \
             WHEN NOT MATCHED AND (s.n > 0) THEN INSERT (`id`) VALUES ((s.id + 1)) \
             WHEN NOT MATCHED THEN INSERT (`id`, `na``me`, `n`) VALUES (s.`id`, s.`na``me`, s.`n`) \
             WHEN NOT MATCHED BY SOURCE AND (t.n < 9) THEN UPDATE SET `n` = (t.n + 1) \
             WHEN NOT MATCHED BY SOURCE THEN DELETE"
        )
    );
}

#[tokio::test]
async fn of_rows_with_one_key_the_greatest_is_chosen_by_the_server() {
    let bench = bench().await;
    merges(&bench);
    let request = MergeRequest::upsert(TableRef::new("t"), MergeSource::Table(TableRef::new("src")), ["id"])
        .with_duplicates(Duplicates::KeepGreatest("N".into()));
    merge(&bench, request).await.unwrap();
    let sent = bench.submitted();
    assert_eq!(sent.len(), 1, "nobody asks for duplicates: {sent:?}");
    assert!(
        sent[0].contains(&format!(
            "USING (SELECT `id`, `na``me`, `n` FROM (SELECT `id`, `na``me`, `n`, row_number() OVER \
             (PARTITION BY `id` ORDER BY `n` DESC NULLS LAST, `na``me` DESC NULLS LAST) AS merge_rank \
             FROM ({SOURCE}) AS r) AS r WHERE merge_rank = 1 OR `id` IS NULL) AS s"
        )),
        "{sent:?}"
    );
}

#[tokio::test]
async fn with_leave_to_evolve_the_source_brings_its_new_columns() {
    let bench = bench().await;
    ready(&bench);
    let columns: Vec<(&str, ArrayRef)> =
        vec![("more'", Arc::new(StringArray::from(vec!["x"]))), ("ID", Arc::new(Int64Array::from(vec![1])))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let source = MergeSource::Batches(BatchStream::from_batches(batch.schema(), vec![batch]));
    let request = MergeRequest::upsert(TableRef::new("t"), source, ["id"]).with_schema_evolution(true);
    merge(&bench, request).await.unwrap();
    let sql = &bench.submitted()[1];
    assert!(
        sql.starts_with("MERGE WITH SCHEMA EVOLUTION INTO `main`.`default`.`t` AS t USING (SELECT `id`, `more'` FROM")
    );
    assert!(sql.ends_with("WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"), "{sql}");
}

#[tokio::test]
async fn the_values_of_a_query_do_not_meet_those_of_the_clauses() {
    let bench = bench().await;
    bench.answers(in_line(&[("id", "BIGINT"), ("n", "BIGINT")], json!([])));
    ready(&bench);
    let query = StatementRequest::read("select id, n from src where n > :v").bind("v", 5_i64);
    let clause = MergeClause::new(MergeWhen::Matched, MergeAction::UpdateAll)
        .with_condition(Expression::new("s.n < :v").bind("v", 100_i64));
    let request = MergeRequest::upsert(TableRef::new("t"), MergeSource::Query(query), ["id"]).with_clauses([clause]);
    merge(&bench, request).await.unwrap();
    let sql = &bench.submitted()[2];
    assert!(sql.contains("n > :v") && sql.contains("AND (s.n < CAST(100 AS BIGINT)) THEN UPDATE"), "{sql}");
    let last = bench.asked("POST", crate::bench::STATEMENTS).pop().unwrap();
    assert_eq!(last.json()["parameters"], json!([{ "name": "v", "type": "BIGINT", "value": "5" }]));
}

#[tokio::test]
async fn names_that_are_nowhere_are_refused_before_anything_is_sent() {
    use {MergeAction::*, MergeWhen::*};
    let set = |column: &str| vec![Assignment::new(column, "1")];
    for (clauses, name) in [
        (vec![MergeClause::new(Matched, Update(set("nowhere")))], "nowhere"),
        (vec![MergeClause::new(NotMatched, Insert(set("nor here")))], "nor here"),
    ] {
        let bench = bench().await;
        let error = merge(&bench, request(clauses)).await.unwrap_err();
        assert_eq!((error.kind(), error.context("column")), (ErrorKind::InvalidInput, Some(name)));
        assert!(bench.submitted().is_empty());
    }
    let bench = bench().await;
    let wrong = request(vec![]).with_duplicates(Duplicates::KeepGreatest("nowhere".into()));
    assert_eq!(merge(&bench, wrong).await.unwrap_err().context("column"), Some("nowhere"));
    let unbound = MergeClause::new(Matched, Delete).with_condition("s.n = :missing");
    let error = merge(&bench, request(vec![unbound])).await.unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains(":missing"), "{error}");
    assert!(bench.submitted().is_empty());
}
