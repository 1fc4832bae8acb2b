//! Reading tables: columns, filters, versions, and the change data feed.

use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt as _;
use twinhouse_core::ErrorKind;
use twinhouse_delta::{Change, ChangeKind, ChangeRange};
use twinhouse_testkit::conformance::{Cell, cells};
use twinhouse_warehouse_api::Expression;

use super::ground::{Ground, Row, numbered, row, stream};

#[tokio::test]
async fn columns_filters_and_limits_are_the_servers_to_apply() {
    let ground = Ground::new("read").await;
    ground.table.write(stream(&[(1, "it's"), (2, "b"), (3, "c")])).run().await.unwrap();
    let hostile = Expression::new("name = :v or id = 3 -- all").bind("v", "it's");
    let both = ground.table.read().with_filter(hostile).with_filter(Expression::new("id < :v").bind("v", 3_i64));
    assert_eq!(both.rows::<Row>().await.unwrap().collect_rows().await.unwrap(), [row(1, "it's")]);
    assert_eq!(both.count().await.unwrap(), 1);

    let names = ground.table.read().with_columns(["name"]).with_filter("id = 2").batches().await.unwrap();
    assert_eq!(names.schema().fields().len(), 1);
    assert_eq!(cells(&names.collect_batches().await.unwrap()), [[Cell::from("b")]]);
    assert_eq!(ground.table.read().with_limit(2).count().await.unwrap(), 2);
    assert_eq!(ground.table.read().count().await.unwrap(), 3);
}

#[tokio::test]
async fn hostile_names_are_read_and_written() {
    let ground = Ground::with("a'b\"`--$$", "(`select` bigint, `a'b\"``c` string)").await;
    #[derive(serde::Serialize)]
    struct Hostile {
        select: i64,
        #[serde(rename = "a'b\"`c")]
        text: &'static str,
    }
    ground.table.write_rows(vec![Hostile { select: 1, text: "\\'; --" }]).run().await.unwrap();
    let batches = ground.table.read().with_columns(["a'b\"`c", "select"]).batches().await.unwrap();
    assert_eq!(cells(&batches.collect_batches().await.unwrap()), [["\\'; --".into(), Cell::Int(1)]]);
}

#[tokio::test]
async fn a_table_is_read_as_it_was() {
    let ground = Ground::new("travel").await;
    ground.table.write(stream(&[(1, "a")])).run().await.unwrap();
    let first = ground.version().await;
    let moment = ground.table.history(1).await.unwrap()[0].timestamp;
    // The log keeps milliseconds.
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    ground.table.write(stream(&[(2, "b")])).run().await.unwrap();
    assert_eq!(ground.table.read().as_of(first).count().await.unwrap(), 1);
    assert_eq!(ground.table.read().as_of(moment + TimeDelta::milliseconds(1)).count().await.unwrap(), 1);
    assert_eq!(ground.table.read().as_of(first + 1).with_filter("id > 1").count().await.unwrap(), 1);
    assert_eq!(ground.table.read().count().await.unwrap(), 2);
}

#[tokio::test]
async fn versions_that_do_not_exist_are_errors() {
    let ground = Ground::new("versions").await;
    let error = ground.table.read().as_of(77).count().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput), "{error:?}");
    let error = ground.table.read().as_of(DateTime::<Utc>::UNIX_EPOCH).count().await.unwrap_err();
    assert!(!error.is_retryable(), "{error:?}");
    let error = ground.table.read().with_columns(Vec::<String>::new()).batches().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let missing = ground.client.table("no_such_table").read().count().await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing:?}");
}

#[tokio::test]
async fn changes_come_with_their_kind_their_version_and_their_row() {
    let ground =
        Ground::with("changes", "(id bigint, name string) tblproperties ('delta.enableChangeDataFeed' = 'true')").await;
    ground.table.write(stream(&[(1, "a"), (2, "b")])).run().await.unwrap();
    ground.table.update().set("name", "'B'").with_filter("id = 2").run().await.unwrap();
    ground.table.delete("id = 1").await.unwrap();
    let changes = ground.table.changes(1..).rows::<Row>().await.unwrap();
    let mut changes: Vec<Change<Row>> = changes.try_collect().await.unwrap();
    changes.sort_by_key(|change| (change.version, change.row.clone(), change.kind.as_str()));
    let seen: Vec<_> = changes.iter().map(|change| (change.version, change.kind, change.row.clone())).collect();
    use ChangeKind::{Delete, Insert, UpdatePostimage, UpdatePreimage};
    assert_eq!(
        seen,
        [
            (1, Insert, row(1, "a")),
            (1, Insert, row(2, "b")),
            (2, UpdatePostimage, row(2, "B")),
            (2, UpdatePreimage, row(2, "b")),
            (3, Delete, row(1, "a")),
        ]
    );
    let second = ground.table.changes(2..=2).with_filter("_change_type = 'update_postimage'");
    let second: Vec<_> = second.rows::<Row>().await.unwrap().try_collect().await.unwrap();
    assert_eq!((second.len(), &second[0].row), (1, &row(2, "B")));
    let history = ground.table.history(None).await.unwrap();
    assert_eq!(second[0].timestamp, history.iter().find(|entry| entry.version == 2).unwrap().timestamp);
    let backwards = ground.table.changes(ChangeRange::Versions(3, Some(2))).batches().await.unwrap_err();
    assert_eq!(backwards.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_table_without_a_feed_says_so() {
    let ground = Ground::new("no_feed").await;
    let error = ground.table.changes(0..).batches().await.unwrap_err();
    assert!(!error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn a_dropped_reader_leaves_the_table_readable() {
    let ground = Ground::new("dropped").await;
    ground.table.write(numbered(0..5_000)).run().await.unwrap();
    drop(ground.table.read().batches().await.unwrap());
    assert_eq!(ground.table.read().count().await.unwrap(), 5_000);
}
