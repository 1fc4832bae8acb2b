//! History through the client: every operation that a test can make, in the service's words.

use twinhouse_core::ErrorKind;
use twinhouse_delta::TableOperation;

use super::lake::{lake, run};

#[tokio::test]
async fn every_operation_is_named_counted_and_in_order() {
    let client = lake().await;
    let table = client.table("t");
    for sql in [
        "create table {t} as select cast(id as int) as id, 'n' as note from range(4)",
        "insert into {t} values (10, 'a'), (11, 'b')",
        "update {t} set note = 'c' where id = 10",
        "delete from {t} where id = 11",
        "merge into {t} as t using (select 0 as id, 'm' as note union all select 20, 'n') as s on t.id = s.id \
         when matched then update set * when not matched then insert *",
        "optimize {t}",
        "restore table {t} to version as of 4",
        "truncate table {t}",
    ] {
        run(&table, sql).await.unwrap();
    }
    let history = table.history(None).await.unwrap();
    use TableOperation as Op;
    let wanted = [
        Op::Truncate,
        Op::Restore,
        Op::Optimize,
        Op::Merge,
        Op::Delete,
        Op::Update,
        Op::Write,
        Op::CreateTableAsSelect,
    ];
    assert_eq!(history.iter().map(|entry| entry.operation.clone()).collect::<Vec<_>>(), wanted);
    assert_eq!(history.iter().map(|entry| entry.version).collect::<Vec<_>>(), (0..8).rev().collect::<Vec<_>>());
    assert!(history.is_sorted_by(|newer, older| newer.timestamp >= older.timestamp));
    let [_, restore, optimize, merge, delete, update, write, created] = history.as_slice() else { panic!() };
    assert_eq!(created.metrics.output_rows(), Some(4));
    assert_eq!((write.metrics.inserted_rows(), write.is_blind_append), (Some(2), Some(true)));
    assert_eq!((update.metrics.updated_rows(), delete.metrics.deleted_rows()), (Some(1), Some(1)));
    assert_eq!((merge.metrics.inserted_rows(), merge.metrics.updated_rows()), (Some(1), Some(1)));
    assert!(optimize.metrics.removed_files().unwrap() > optimize.metrics.added_files().unwrap());
    assert_eq!(restore.parameters["version"], "4");
    assert!(history.iter().all(|entry| entry.user_name.is_some() && entry.engine_info.is_some()));
    assert_eq!(table.history(3).await.unwrap(), history[..3]);
}

#[tokio::test]
async fn the_history_of_no_table_is_not_found() {
    let client = lake().await;
    assert_eq!(client.table("nothing").history(None).await.unwrap_err().kind(), ErrorKind::NotFound);
}
