//! Writing tables: every mode, both routes, rows of every kind, and writers side by side.

use std::sync::{Arc, Mutex};

use arrow::{
    array::{Array as _, ArrayRef, Decimal128Array, Float64Array, Int64Array, ListArray, RecordBatch, StringArray},
    datatypes::{DataType, Field, Int64Type, Schema},
};
use futures::{StreamExt as _, future::join_all, stream as futures_stream};
use serde::Serialize;
use twinhouse_core::ErrorKind;
use twinhouse_delta::Route;
use twinhouse_testkit::conformance::{Cell, cells};
use twinhouse_warehouse_api::{BatchStream, Expression, LoadToken, Progress};

use super::ground::{Ground, batch, numbered, row, schema, stream};
use crate::faults::token;

#[tokio::test]
async fn few_rows_go_by_one_insert_and_many_by_staging_and_both_arrive() {
    let ground = Ground::new("routes").await;
    let few = ground.table.write(stream(&[(1, "it's \\ü"), (2, "")])).run().await.unwrap();
    assert_eq!((few.route, few.rows, few.files, few.token.clone()), (Route::Insert, 2, 0, None));
    assert_eq!(few.version, Some(1));
    let many = ground.table.write(numbered(10..2_000)).run().await.unwrap();
    assert_eq!((many.route, many.rows, many.version), (Route::Staged, 1_990, Some(2)));
    assert!(many.token.is_some() && many.bytes > 0 && many.files == 1);
    let forced = ground.table.write(stream(&[(3, "c")])).with_route(Route::Staged).run().await.unwrap();
    assert_eq!((forced.route, forced.version), (Route::Staged, Some(3)));
    let forced = ground.table.write(numbered(3_000..3_500)).with_route(Route::Insert).with_version(false).run().await;
    assert_eq!(forced.map(|report| (report.route, report.rows, report.version)).unwrap(), (Route::Insert, 500, None));
    assert_eq!(ground.rows().await[..3], [row(1, "it's \\ü"), row(2, ""), row(3, "c")]);
    assert_eq!(ground.table.read().count().await.unwrap(), 2 + 1_990 + 1 + 500);
}

#[tokio::test]
async fn a_token_writes_once_and_always_by_staging() {
    let ground = Ground::new("token").await;
    let token = token();
    for replayed in [false, true] {
        let report = ground.table.write(stream(&[(1, "a")])).with_token(token.clone()).run().await.unwrap();
        assert_eq!((report.route, report.replayed, report.token), (Route::Staged, replayed, Some(token.clone())));
    }
    assert_eq!(ground.ids().await, [1]);
    let wrong = ground.table.write(stream(&[(1, "a")])).with_token(token).with_route(Route::Insert).run().await;
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn each_mode_is_one_version() {
    let ground = Ground::new("modes").await;
    ground.table.write(numbered(0..10)).run().await.unwrap();
    let version = ground.version().await;
    let report = ground.table.write(numbered(100..105)).overwrite().with_target_file_bytes(1).run().await.unwrap();
    assert_eq!((report.rows, report.version), (5, Some(version + 1)));
    assert_eq!(ground.ids().await, (100..105).collect::<Vec<_>>());
    let predicate = Expression::new("id >= :from").bind("from", 103_i64);
    let report = ground.table.write(stream(&[(200, "x")])).replace_where(predicate).run().await.unwrap();
    assert_eq!((report.rows, report.version), (1, Some(version + 2)));
    assert_eq!(ground.ids().await, [100, 101, 102, 200]);
    let report = ground.table.write(numbered(0..3)).create_or_replace().run().await.unwrap();
    assert_eq!((report.rows, report.version), (3, Some(version + 3)));
    let there = ground.table.write(numbered(0..3)).error_if_exists().run().await.unwrap_err();
    assert_eq!(there.kind(), ErrorKind::AlreadyExists);
    assert_eq!(ground.ids().await, [0, 1, 2]);
}

#[tokio::test]
async fn partitions_that_come_give_way() {
    let ground = Ground::with("partitions", "(id bigint, name string) partitioned by (name)").await;
    ground.table.write(stream(&[(1, "a"), (2, "a"), (3, "b")])).run().await.unwrap();
    let report = ground.table.write(stream(&[(9, "a"), (8, "c")])).overwrite_partitions().run().await.unwrap();
    assert_eq!(report.rows, 2);
    assert_eq!(ground.rows().await, [row(3, "b"), row(8, "c"), row(9, "a")]);
}

#[derive(Serialize)]
struct Typed {
    id: i32,
    price: Option<&'static str>,
    day: &'static str,
    at: &'static str,
    ratio: f64,
    tags: Vec<&'static str>,
}

#[tokio::test]
async fn rows_of_a_type_take_the_types_of_the_columns() {
    let columns = "(ID bigint, price decimal(38,10), day date, at timestamp, ratio double, tags array<string>)";
    let ground = Ground::with("typed", columns).await;
    let rows = vec![
        Typed {
            id: 1,
            price: Some("-9999999999999999999999999999.0123456789"),
            day: "2024-02-29",
            at: "2024-02-29T12:00:00.000001Z",
            ratio: f64::NAN,
            tags: vec!["a", "b"],
        },
        Typed { id: 2, price: None, day: "1969-12-31", at: "1969-12-31T23:59:59Z", ratio: -0.0, tags: vec![] },
    ];
    let report = ground.table.write_rows(rows).run().await.unwrap();
    assert_eq!((report.rows, report.route), (2, Route::Staged), "a list has no literal");
    let sql = ground.table.read().with_columns(["id", "price", "day", "at", "ratio"]).batches().await.unwrap();
    let mut got = cells(&sql.collect_batches().await.unwrap());
    got.sort_by_key(|row| format!("{:?}", row[0]));
    let micros = 1_709_208_000_000_001;
    let want = [
        vec![
            1.into(),
            Cell::Decimal(-99_999_999_999_999_999_999_999_999_990_123_456_789, 10),
            Cell::Date(19_782),
            Cell::Timestamp(micros),
            Cell::Double(f64::NAN),
        ],
        vec![2.into(), Cell::Null, Cell::Date(-1), Cell::Timestamp(-1_000_000), Cell::Double(-0.0)],
    ];
    assert_eq!(got, want);
    #[derive(Serialize)]
    struct Surplus {
        id: i64,
        nowhere: i64,
    }
    let error = ground.table.write_rows(vec![Surplus { id: 1, nowhere: 2 }]).run().await.unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains("nowhere"), "{error}");
    let nothing = ground.table.write_rows(Vec::<Surplus>::new()).run().await.unwrap();
    assert_eq!(nothing.rows, 0);
}

#[tokio::test]
async fn literals_and_files_carry_the_same_values() {
    let fields = vec![
        Field::new("id", DataType::Int64, true),
        Field::new("d", DataType::Decimal128(38, 0), true),
        Field::new("x", DataType::Float64, true),
    ];
    let greatest = 10_i128.pow(38) - 1;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(i64::MAX), None])),
        Arc::new(
            Decimal128Array::from(vec![Some(greatest), Some(-greatest), None]).with_precision_and_scale(38, 0).unwrap(),
        ),
        Arc::new(Float64Array::from(vec![Some(f64::NAN), Some(f64::NEG_INFINITY), Some(5e-324)])),
    ];
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let mut seen = Vec::new();
    for route in [Route::Insert, Route::Staged] {
        let ground = Ground::with("values", "(id bigint, d decimal(38,0), x double)").await;
        let batches = BatchStream::from_batches(rows.schema(), vec![rows.clone()]);
        ground.table.write(batches).with_route(route).run().await.unwrap();
        let read = ground.table.read().batches().await.unwrap().collect_batches().await.unwrap();
        let mut read = cells(&read);
        read.sort_by_key(|row| format!("{row:?}"));
        seen.push(read);
    }
    assert_eq!(seen[0], seen[1]);
    let mut want = cells(&[rows]);
    want.sort_by_key(|row| format!("{row:?}"));
    assert_eq!(seen[0], want);
}

#[tokio::test]
async fn a_row_wider_than_four_megabytes_arrives() {
    let ground = Ground::new("wide").await;
    let text = "ü".repeat(3 << 20);
    let report = ground.table.write(stream(&[(1, &text)])).run().await.unwrap();
    assert_eq!((report.rows, report.route), (1, Route::Staged));
    assert_eq!(ground.rows().await, [row(1, &text)]);
}

#[tokio::test]
async fn rows_that_do_not_fit_are_refused_on_both_routes_with_the_column() {
    let ground = Ground::with("misfit", "(id bigint not null, name string)").await;
    let null = RecordBatch::try_new(
        schema(),
        vec![Arc::new(Int64Array::from(vec![None])), Arc::new(StringArray::from(vec!["x"]))],
    )
    .unwrap();
    for route in [Route::Insert, Route::Staged] {
        let batches = BatchStream::from_batches(schema(), vec![null.clone()]);
        let error = ground.table.write(batches).with_route(route).run().await.unwrap_err();
        assert_eq!((error.kind(), error.context("column")), (ErrorKind::InvalidInput, Some("id")), "{route}");
    }
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1)])]));
    assert_eq!(list.len(), 1);
    let lists = RecordBatch::try_from_iter([("id", list)]).unwrap();
    let batches = BatchStream::from_batches(lists.schema(), vec![lists]);
    assert_eq!(ground.table.write(batches).run().await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(ground.table.read().count().await.unwrap(), 0);
}

#[tokio::test]
async fn nothing_to_write_is_checked_and_writes_nothing() {
    let ground = Ground::new("nothing").await;
    let version = ground.version().await;
    let report = ground.table.write(BatchStream::from_batches(schema(), vec![])).run().await.unwrap();
    assert_eq!((report.rows, report.version), (0, Some(version)));
    let other = Arc::new(Schema::new(vec![Field::new("surplus", DataType::Int64, true)]));
    let error = ground.table.write(BatchStream::from_batches(other, vec![])).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_million_rows_arrive_with_progress() {
    const ROWS: i64 = 1_000_000;
    let ground = Ground::new("million").await;
    let seen = Arc::new(Mutex::new(Vec::<Progress>::new()));
    let note = seen.clone();
    let report = ground
        .table
        .write(numbered(0..ROWS))
        .with_target_file_bytes(1 << 20)
        .with_progress(move |progress| note.lock().unwrap().push(progress))
        .run()
        .await
        .unwrap();
    assert_eq!((report.rows, report.version), (ROWS as u64, Some(1)));
    assert!(report.files > 1);
    assert_eq!(seen.lock().unwrap().last().unwrap().rows, ROWS as u64);
    assert_eq!(ground.table.read().count().await.unwrap(), ROWS as u64);
    let sum = ground.table.read().with_filter("name = concat('row ', cast(id as string))").count().await.unwrap();
    assert_eq!(sum, ROWS as u64);
}

#[tokio::test]
async fn a_stream_is_written_batch_by_batch_once_each() {
    let ground = Ground::new("stream").await;
    let token = LoadToken::new(format!("s-{}", uuid::Uuid::new_v4().simple())).unwrap();
    // The first attempt ends in the middle of the third batch.
    let broken = twinhouse_core::Error::new(ErrorKind::Data, "the source broke");
    let some = numbered(0..2_500).chain(futures_stream::iter([Err(broken)]));
    let writer = ground.table.write_stream(BatchStream::new(schema(), some), token.clone());
    let error = writer.with_batch_rows(1_000).with_concurrency(2).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    let before = ground.table.read().count().await.unwrap();
    assert!(before <= 2_000 && before % 1_000 == 0, "{before}");

    let last = Arc::new(Mutex::new(Progress::default()));
    let note = last.clone();
    let report = ground
        .table
        .write_stream(numbered(0..4_700), token)
        .with_batch_rows(1_000)
        .with_concurrency(3)
        .with_progress(move |progress| *note.lock().unwrap() = progress)
        .run()
        .await
        .unwrap();
    assert_eq!((report.batches, report.replayed, report.rows), (5, before / 1_000, 4_700 - before));
    assert_eq!(last.lock().unwrap().rows, report.rows);
    assert_eq!(ground.ids().await, (0..4_700).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stream_without_sense_is_refused_before_it_is_read() {
    let ground = Ground::new("senseless").await;
    let long = LoadToken::new("x".repeat(60)).unwrap();
    let write = |token: LoadToken| ground.table.write_stream(numbered(0..1), token);
    for writer in [write(long), write(token()).with_batch_rows(0), write(token()).with_concurrency(0)] {
        assert_eq!(writer.run().await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(ground.table.read().count().await.unwrap(), 0);
}

#[tokio::test]
async fn eight_writers_at_once_all_land() {
    let ground = Ground::new("writers").await;
    let appends = (0..8).map(|n| ground.table.write(numbered(n * 500..n * 500 + 500)).run());
    for done in join_all(appends).await {
        done.unwrap();
    }
    assert_eq!(ground.ids().await, (0..4_000).collect::<Vec<_>>());

    // Each replaces its own rows: whoever loses against another says so, and its next try lands.
    let replace = async |n: i64| {
        let token = token();
        for _ in 0..10 {
            let predicate = Expression::new("id >= :from and id < :to").bind("from", n * 500).bind("to", n * 500 + 500);
            let one = batch(&[(n * 500, "again")]);
            let rows = BatchStream::from_batches(one.schema(), vec![one]);
            match ground.table.write(rows).replace_where(predicate).with_token(token.clone()).run().await {
                Ok(_) => return,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
            }
        }
        panic!("writer {n} never landed");
    };
    join_all((0..8).map(replace)).await;
    let want: Vec<_> = (0..8).map(|n| row(n * 500, "again")).collect();
    assert_eq!(ground.rows().await, want);
}

#[tokio::test]
async fn a_table_that_is_dropped_in_the_middle_is_not_found() {
    let ground = Ground::new("gone").await;
    let (reached, waits) = tokio::sync::oneshot::channel();
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let rest = futures_stream::once(async move {
        let _ = reached.send(());
        let _ = gone.await;
        Ok(batch(&[(1, "late")]))
    });
    let rows = BatchStream::new(schema(), numbered(0..3_000).chain(rest));
    let write = tokio::spawn(ground.table.write(rows).with_route(Route::Staged).run());
    waits.await.unwrap();
    ground.run(&format!("drop table {}", ground.name)).await;
    go.send(()).unwrap();
    let error = write.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(error.context("staging").is_some() && error.context("token").is_some(), "{error:?}");
}
