//! What a write or a merge would do, told without touching the table.

use twinhouse_core::ErrorKind;
use twinhouse_delta::{Route, Warning};
use twinhouse_warehouse_api::{BatchStream, Expression, StatementRequest};

use super::ground::{Ground, batch, numbered, schema, stream};

#[tokio::test]
async fn a_plan_says_what_a_write_would_do_and_does_nothing() {
    let ground = Ground::with("plan", "(id bigint not null, name string) partitioned by (name)").await;
    let version = ground.version().await;
    let few = ground.table.write(stream(&[(1, "a"), (2, "b"), (3, "a")])).dry_run().await.unwrap();
    assert_eq!((few.rows, few.files, few.route, few.exists), (3, 2, Route::Insert, true));
    assert_eq!(few.partitions, ["name=a", "name=b"]);
    assert!(few.misfit.is_none() && few.bytes > 0, "{few:?}");
    assert_eq!(few.statements, [format!("INSERT INTO {} (`id`, `name`) VALUES <rows>", ground.name)]);

    let many = ground.table.write(numbered(0..150)).overwrite_partitions().dry_run().await.unwrap();
    assert_eq!((many.rows, many.files, many.route), (150, 150, Route::Staged));
    assert!(many.warnings.contains(&Warning::ManyPartitions(150)), "{:?}", many.warnings);
    assert!(many.warnings.iter().any(|warning| matches!(warning, Warning::SmallFiles(_))), "{:?}", many.warnings);
    assert!(many.statements[0].contains("REPLACE USING (`name`)"), "{:?}", many.statements);

    let where_id = Expression::new("id < :v").bind("v", 5_i64);
    let none = BatchStream::from_batches(schema(), vec![]);
    let none = ground.table.write(none).replace_where(where_id).dry_run().await.unwrap();
    assert_eq!((none.rows, none.files, none.warnings), (0, 0, vec![Warning::Empties]));
    assert!(none.statements[0].contains("REPLACE WHERE (id < CAST(5 AS BIGINT))"), "{:?}", none.statements);
    assert_eq!((ground.version().await, ground.table.read().count().await.unwrap()), (version, 0));
}

#[tokio::test]
async fn rows_that_would_be_refused_are_a_misfit_and_their_columns_a_difference() {
    let ground = Ground::with("misfit", "(id bigint not null, other int)").await;
    let plan = ground.table.write(stream(&[(1, "a")])).dry_run().await.unwrap();
    let misfit = plan.misfit.expect("a misfit");
    assert!(misfit.kind() == ErrorKind::InvalidInput && misfit.to_string().contains("name"), "{misfit}");
    assert!(!plan.differences.expect("two schemas").differences().is_empty());
    let there = ground.table.write(stream(&[(1, "a")])).error_if_exists().dry_run().await.unwrap();
    assert_eq!(there.misfit.map(|error| error.kind()), Some(ErrorKind::AlreadyExists));

    let nowhere = Ground::without_table("nowhere").await;
    let plan = nowhere.table.write(stream(&[(1, "a")])).error_if_exists().dry_run().await.unwrap();
    assert!(!plan.exists && plan.misfit.is_none() && plan.differences.is_none());
    let missing = nowhere.table.write(stream(&[(1, "a")])).dry_run().await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_merge_is_warned_of_its_keys_wherever_its_rows_are() {
    let ground = Ground::new("merge").await;
    ground.table.write(stream(&[(1, "a"), (2, "b")])).run().await.unwrap();
    let version = ground.version().await;
    let source = Ground::new("source").await;
    source.table.write(stream(&[(1, "x"), (1, "y"), (1, "z"), (3, "w")])).run().await.unwrap();
    source.run(&format!("insert into {} values (null, 'n'), (null, 'm')", source.name)).await;
    let rows = source.table.read().batches().await.unwrap();
    let rows = BatchStream::from_batches(rows.schema().clone(), rows.collect_batches().await.unwrap());
    let query = StatementRequest::read(format!("select * from {} where id is null or id < :v", source.name));
    for merge in
        [ground.table.merge(rows), ground.table.merge(&source.table), ground.table.merge(query.bind("v", 10_i64))]
    {
        let asked = format!("{merge:?}");
        let plan = merge.on(["id"]).when_matched_update_all().only_if("s.name > t.name").dry_run().await.unwrap();
        assert_eq!(plan.rows, 6, "{asked}");
        assert_eq!(plan.warnings, [Warning::NullKeys(2), Warning::DuplicateKeys(2)], "{asked}");
        let sql = &plan.statements[0];
        assert!(sql.starts_with(&format!("MERGE INTO {} AS t USING ", ground.name)), "{sql}");
        assert!(sql.ends_with("ON t.`id` = s.`id` WHEN MATCHED AND (s.name > t.name) THEN UPDATE SET *"), "{sql}");
    }
    let settled = ground.table.merge(batch(&[(1, "x"), (1, "y")])).on(["id"]).upsert().keep_greatest("name");
    assert_eq!(settled.dry_run().await.unwrap().warnings, []);
    let senseless = ground.table.merge(batch(&[(1, "x")])).on(["id"]).dry_run().await.unwrap_err();
    assert_eq!(senseless.kind(), ErrorKind::InvalidInput);
    assert_eq!(ground.version().await, version);
}
