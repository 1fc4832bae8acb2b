//! Merging through the builder: every clause, every source, and what is refused.

use serde::Serialize;
use twinhouse_core::ErrorKind;
use twinhouse_testkit::conformance::{Cell, cells};
use twinhouse_warehouse_api::{Expression, StatementRequest};

use super::ground::{Ground, batch, row, stream};

async fn target() -> Ground {
    let ground = Ground::new("target").await;
    ground.table.write(stream(&[(1, "one"), (2, "two"), (3, "three")])).run().await.unwrap();
    ground
}

#[tokio::test]
async fn clauses_are_carried_out_in_their_order_in_one_version() {
    let ground = target().await;
    let version = ground.version().await;
    let report = ground
        .table
        .merge(batch(&[(1, "gone"), (2, "TWO"), (4, "four"), (5, "skip")]))
        .on(["ID"])
        .when_matched_delete()
        .only_if(Expression::new("s.name = :v").bind("v", "gone"))
        .when_matched_update([("name", Expression::new("concat(t.name, :v, s.name)").bind("v", "'/"))])
        .when_not_matched_insert([("id", "s.id"), ("name", "upper(s.name)")])
        .only_if(Expression::new("s.name <> :v").bind("v", "skip"))
        .when_not_matched_by_source_update([("name", "'lost'")])
        .run()
        .await
        .unwrap();
    assert_eq!((report.inserted, report.updated, report.deleted), (Some(1), Some(2), Some(1)));
    assert_eq!(ground.rows().await, [row(2, "two'/TWO"), row(3, "lost"), row(4, "FOUR")]);
    assert_eq!(ground.version().await, version + 1);
}

#[tokio::test]
async fn rows_tables_and_queries_are_sources() {
    #[derive(Serialize)]
    struct New {
        id: i32,
        name: &'static str,
    }
    let ground = target().await;
    ground
        .table
        .merge_rows(vec![New { id: 1, name: "ONE" }, New { id: 7, name: "seven" }])
        .on(["id"])
        .upsert()
        .run()
        .await
        .unwrap();
    let other = Ground::new("source").await;
    other.table.write(stream(&[(2, "TWO"), (8, "eight")])).run().await.unwrap();
    ground.table.merge(&other.table).on(["id"]).upsert().run().await.unwrap();
    let query = StatementRequest::read(format!("select id + :v as id, name from {} where id = 2", other.name));
    ground.table.merge(query.bind("v", 1_i64)).on(["id"]).when_matched_update_all().run().await.unwrap();
    let want = [row(1, "ONE"), row(2, "TWO"), row(3, "TWO"), row(7, "seven"), row(8, "eight")];
    assert_eq!(ground.rows().await, want);
}

#[tokio::test]
async fn what_the_source_lacks_can_go_and_duplicates_can_be_settled() {
    let ground = target().await;
    let twice = [(2, "a"), (2, "c"), (2, "b"), (9, "x"), (9, "y")];
    let refused = ground.table.merge(batch(&twice)).on(["id"]).upsert().run().await.unwrap_err();
    assert_eq!((refused.kind(), refused.is_retryable()), (ErrorKind::Conflict, false));
    let merge = ground.table.merge(batch(&twice)).on(["id"]).upsert().when_not_matched_by_source_delete();
    let report = merge.keep_greatest("name").run().await.unwrap();
    assert_eq!((report.inserted, report.updated, report.deleted), (Some(1), Some(1), Some(2)));
    assert_eq!(ground.rows().await, [row(2, "c"), row(9, "y")]);
}

#[tokio::test]
async fn new_columns_come_with_leave_only() {
    #[derive(Serialize)]
    struct Wider {
        id: i64,
        more: &'static str,
    }
    let ground = target().await;
    let wider = || vec![Wider { id: 1, more: "x" }, Wider { id: 4, more: "y" }];
    let refused = ground.table.merge_rows(wider()).on(["id"]).upsert().run().await.unwrap_err();
    assert!(refused.kind() == ErrorKind::InvalidInput && refused.to_string().contains("more"), "{refused}");
    ground.table.merge_rows(wider()).on(["id"]).upsert().with_schema_evolution(true).run().await.unwrap();
    let read = ground.table.read().with_columns(["id", "name", "more"]).batches().await.unwrap();
    let mut read = cells(&read.collect_batches().await.unwrap());
    read.sort_by_key(|row| format!("{row:?}"));
    assert_eq!(read[0], [1.into(), "one".into(), "x".into()]);
    assert_eq!(read[3], [4.into(), Cell::Null, "y".into()]);
}

#[tokio::test]
async fn merges_without_sense_are_refused_before_anything_is_sent() {
    let ground = target().await;
    let version = ground.version().await;
    let merge = || ground.table.merge(batch(&[(1, "x")]));
    for senseless in [
        merge().on(["id"]),
        merge().upsert(),
        merge().on(["id"]).only_if("s.id = 1").upsert(),
        merge().on(["id"]).when_matched_update_all().when_matched_delete(),
        merge().on(["id"]).when_matched_update(Vec::<(String, Expression)>::new()),
        merge().on(["id"]).when_matched_update([("id", "1")]),
        merge().on(["nowhere"]).upsert(),
        merge().on(["id"]).upsert().keep_greatest("nowhere"),
        merge().on(["id"]).upsert().and_on(" "),
    ] {
        let asked = format!("{senseless:?}");
        assert_eq!(senseless.run().await.unwrap_err().kind(), ErrorKind::InvalidInput, "{asked}");
    }
    assert_eq!(ground.version().await, version);
}
