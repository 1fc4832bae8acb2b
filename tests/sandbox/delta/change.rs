//! Updates and deletes with their counts.

use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::Expression;

use super::ground::{Ground, row, stream};

#[tokio::test]
async fn updates_and_deletes_say_how_many_rows_they_changed() {
    let ground = Ground::new("change").await;
    ground.table.write(stream(&[(1, "a"), (2, "b"), (3, "c"), (4, "d")])).run().await.unwrap();
    let hostile = Expression::new(":v -- said").bind("v", "it's \\");
    let update = ground.table.update().set("name", hostile).set("id", "id * 10");
    assert_eq!(update.with_filter(Expression::new("id < :v").bind("v", 3_i64)).run().await.unwrap(), 2);
    assert_eq!(ground.rows().await, [row(3, "c"), row(4, "d"), row(10, "it's \\"), row(20, "it's \\")]);
    assert_eq!(ground.table.delete(Expression::new("name = :v").bind("v", "it's \\")).await.unwrap(), 2);
    assert_eq!(ground.table.delete("id = 99").await.unwrap(), 0);
    assert_eq!(ground.table.update().set("name", "null").everything().run().await.unwrap(), 2);
    assert_eq!(ground.table.delete_all().await.unwrap(), 2);
    ground.table.write(stream(&[(1, "a")])).run().await.unwrap();
    ground.table.truncate().await.unwrap();
    assert_eq!(ground.table.read().count().await.unwrap(), 0);
}

#[tokio::test]
async fn changes_without_sense_are_refused_before_anything_is_sent() {
    let ground = Ground::new("senseless").await;
    let version = ground.version().await;
    for senseless in [
        ground.table.update().set("name", "'x'"),
        ground.table.update().with_filter("id = 1"),
        ground.table.update().set("name", "'x'").with_filter("id = 1").everything(),
        ground.table.update().set("name", "'x'").set("NAME", "'y'").everything(),
        ground.table.update().set("name", " ").everything(),
        ground.table.update().set("name", "'unclosed").everything(),
    ] {
        let asked = format!("{senseless:?}");
        let error = senseless.run().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Syntax), "{asked}: {error:?}");
    }
    assert_eq!(ground.table.delete(" ").await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(ground.table.delete("nowhere = 1").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(ground.version().await, version);
}
