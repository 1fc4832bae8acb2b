//! Reads, writes, merges and changes on a scripted warehouse: what is sent, and which way it goes.

use std::sync::Arc;

use twinhouse_core::{Effect, Error, ErrorKind, Fault};
use twinhouse_delta::{AsOf, DeltaClient, DeltaTable, Route};
use twinhouse_testkit::{Call, Reply, ScriptedWarehouse, Sql};
use twinhouse_warehouse_api::{
    BatchStream, Expression, LoadToken, TableRef,
    arrow::{
        array::{ArrayRef, BinaryArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch},
        datatypes::{DataType, Field, Schema},
    },
};

fn ground() -> (ScriptedWarehouse, DeltaTable) {
    let warehouse = ScriptedWarehouse::new();
    let fields = vec![Field::new("id", DataType::Int64, false), Field::new("x`y", DataType::Float64, true)];
    warehouse.add_table(TableRef::new("t`"), &Schema::new(fields));
    let table = DeltaClient::new(Arc::new(warehouse.clone())).unwrap().table("t`");
    (warehouse, table)
}

fn rows(ids: &[i64]) -> BatchStream {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("X`Y", Arc::new(Float64Array::from_iter_values(ids.iter().map(|_| f64::NAN)))),
        ("id", Arc::new(Int64Array::from(ids.to_vec()))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    BatchStream::from_batches(batch.schema(), vec![batch])
}

fn sent(warehouse: &ScriptedWarehouse) -> Vec<String> {
    warehouse.statements().iter().map(|statement| statement.sql().to_owned()).collect()
}

#[tokio::test]
async fn a_reading_is_one_query_with_every_name_quoted() {
    let (warehouse, table) = ground();
    warehouse.always(Sql::any(), Reply::affected(0));
    let read = table.read().with_columns(["x`y", "id"]).with_limit(7);
    let filter = Expression::new("id > :v").bind("v", 1_i64);
    read.clone().as_of(AsOf::Version(3)).with_filter(filter).batches().await.unwrap();
    let moment = "2026-01-02T03:04:05.000006Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    read.as_of(moment).batches().await.unwrap();
    table.changes(3..=5).batches().await.unwrap();
    table.changes(moment..).with_filter("id = 1").batches().await.unwrap();
    assert_eq!(
        sent(&warehouse),
        [
            "SELECT `x``y`, `id` FROM `t``` VERSION AS OF 3 WHERE (id > CAST(1 AS BIGINT)) LIMIT 7",
            "SELECT `x``y`, `id` FROM `t``` TIMESTAMP AS OF TIMESTAMP '2026-01-02 03:04:05.000006+00:00' LIMIT 7",
            "SELECT * FROM table_changes('`t```', 3, 5)",
            "SELECT * FROM table_changes('`t```', TIMESTAMP '2026-01-02 03:04:05.000006+00:00') WHERE (id = 1)",
        ]
    );
}

#[tokio::test]
async fn few_rows_are_one_insert_by_name_and_more_are_a_load() {
    let (warehouse, table) = ground();
    warehouse.once(Sql::contains("INSERT"), Reply::affected(2));
    let few = table.write(rows(&[1, -2])).with_version(false).run().await.unwrap();
    assert_eq!((few.route, few.rows), (Route::Insert, 2));
    assert_eq!(
        sent(&warehouse),
        ["INSERT INTO `t``` (`id`, `x``y`) VALUES (CAST(1 AS BIGINT), CAST('NaN' AS DOUBLE)), \
          (CAST(-2 AS BIGINT), CAST('NaN' AS DOUBLE))"]
    );
    let many = table.write(rows(&[3, 4, 5])).with_insert_limit(2, 1 << 20).with_version(false).run().await.unwrap();
    assert_eq!((many.route, many.rows), (Route::Staged, 3));
    let wide = table.write(rows(&[6])).with_insert_limit(100, 1).with_version(false).run().await.unwrap();
    assert_eq!(wide.route, Route::Staged);
    let replaced = table.write(rows(&[7])).overwrite().with_version(false).run().await.unwrap();
    assert_eq!(replaced.route, Route::Staged, "an INSERT only appends");
    assert_eq!(warehouse.calls().iter().filter(|call| **call == Call::Load).count(), 3);
}

#[tokio::test]
async fn every_plain_type_has_its_literal_and_the_others_are_staged() {
    let warehouse = ScriptedWarehouse::new();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("d", Arc::new(Decimal128Array::from(vec![-5]).with_precision_and_scale(38, 3).unwrap())),
        ("b", Arc::new(BinaryArray::from_vec(vec![b"\x00'"]))),
        ("day", Arc::new(Date32Array::from(vec![-1]))),
        ("none", Arc::new(Int64Array::from(vec![None]))),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    warehouse.add_table(TableRef::new("t"), &batch.schema());
    warehouse.once(Sql::any(), Reply::affected(1));
    let table = DeltaClient::new(Arc::new(warehouse.clone())).unwrap().table("t");
    let stream = BatchStream::from_batches(batch.schema(), vec![batch]);
    table.write(stream).with_version(false).run().await.unwrap();
    assert!(
        sent(&warehouse)[0].ends_with("VALUES (CAST('-0.005' AS DECIMAL(3,3)), X'0027', DATE '1969-12-31', NULL)"),
        "{:?}",
        sent(&warehouse)
    );
}

#[tokio::test]
async fn an_insert_whose_answer_is_lost_says_what_is_unknown_and_is_not_repeated() {
    let (warehouse, table) = ground();
    let lost = Error::new(ErrorKind::Connection, "lost").with_fault(Fault::transient(Effect::Unknown));
    warehouse.once(Sql::any(), Reply::error(lost));
    let error = table.write(rows(&[1])).run().await.unwrap_err();
    assert_eq!((error.kind(), error.fault().effect), (ErrorKind::Connection, Effect::Unknown));
    assert!(error.context("cure").unwrap().contains("token"), "{error:?}");
    assert_eq!(sent(&warehouse).len(), 1);
}

#[tokio::test]
async fn a_count_that_is_not_the_rows_is_never_a_success() {
    let (warehouse, table) = ground();
    warehouse.once(Sql::any(), Reply::affected(1));
    let error = table.write(rows(&[1, 2])).run().await.unwrap_err();
    assert_eq!((error.kind(), error.fault().effect), (ErrorKind::Data, Effect::Unknown), "some of them are in");
}

#[tokio::test]
async fn a_staged_write_names_its_token_when_it_fails() {
    let (warehouse, table) = ground();
    warehouse.lose_next_answer(Call::Load, Error::new(ErrorKind::Timeout, "lost"));
    let error = table.write(rows(&[1])).with_route(Route::Staged).run().await.unwrap_err();
    let token = LoadToken::new(error.context("token").unwrap().to_owned()).unwrap();
    let again = table.write(rows(&[1])).with_token(token).with_version(false).run().await.unwrap();
    assert!(again.replayed && again.rows == 0);
    assert_eq!(warehouse.rows(&TableRef::new("t`")).iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_completed_without_doubling() {
    let (warehouse, table) = ground();
    let token = LoadToken::new("stream").unwrap();
    warehouse.lose_next_answer(Call::Load, Error::new(ErrorKind::Timeout, "lost"));
    let write = || table.write_stream(rows(&[1, 2, 3, 4, 5]), token.clone()).with_batch_rows(2).with_concurrency(1);
    let error = write().run().await.unwrap_err();
    assert_eq!((error.kind(), error.context("batch")), (ErrorKind::Timeout, Some("0")));
    let report = write().run().await.unwrap();
    assert_eq!((report.batches, report.replayed, report.rows), (3, 1, 3));
    assert_eq!(warehouse.rows(&TableRef::new("t`")).iter().map(RecordBatch::num_rows).sum::<usize>(), 5);
}

#[tokio::test]
async fn changes_are_one_statement_with_their_values_in_it() {
    let (warehouse, table) = ground();
    warehouse.always(Sql::any(), Reply::affected(3));
    let update = table.update().set("x`y", Expression::new(":v").bind("v", 1.5)).with_filter("id = 1 -- one");
    assert_eq!(update.run().await.unwrap(), 3);
    assert_eq!(table.delete(Expression::new("id = :v").bind("v", 2_i64)).await.unwrap(), 3);
    table.truncate().await.unwrap();
    assert_eq!(
        sent(&warehouse),
        [
            "UPDATE `t``` SET `x``y` = (CAST('1.5e0' AS DOUBLE)) WHERE (\nid = 1 -- one\n)",
            "DELETE FROM `t``` WHERE (id = CAST(2 AS BIGINT))",
            "TRUNCATE TABLE `t```",
        ]
    );
}

#[tokio::test]
async fn a_merge_goes_through_the_contract_and_what_is_not_promised_is_refused() {
    let (warehouse, table) = ground();
    let report = table.merge(rows(&[1, 2])).on(["id"]).upsert().run().await.unwrap();
    assert_eq!(report.inserted, Some(2), "what every warehouse does needs no clauses");
    let report = table.merge(rows(&[2])).on(["id"]).when_not_matched_by_source_delete().run().await.unwrap();
    assert_eq!(report.deleted, Some(1));
    let calls = warehouse.calls().len();
    let error = table.merge(rows(&[1])).on(["id"]).upsert().and_on("t.id > 1").run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "a scripted warehouse knows no SQL: {error:?}");
    let error = table.merge(rows(&[1])).on(["id"]).when_matched_delete().only_if("s.id > 1").run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    assert_eq!(warehouse.calls().len(), calls, "refused before anything is sent");
}
