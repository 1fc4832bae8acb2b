//! Restoring through the client, by version and by time, and what cannot be restored.

use chrono::{TimeDelta, Utc};
use futures::future::join_all;
use twinhouse_core::ErrorKind;
use twinhouse_delta::{CloneMode, CloneOptions, OptimizeOptions, TableOperation, VacuumOptions};

use super::lake::{ids, lake, run};

#[tokio::test]
async fn a_table_goes_back_by_version_and_by_time_and_nothing_between_is_lost() {
    let client = lake().await;
    let table = client.table("t");
    run(&table, "create table {t} (id int)").await.unwrap();
    run(&table, "insert into {t} values (1)").await.unwrap();
    run(&table, "insert into {t} values (2)").await.unwrap();
    let moment = table.history(1).await.unwrap()[0].timestamp;
    run(&table, "delete from {t}").await.unwrap();
    let report = table.restore_to_version(1).await.unwrap();
    assert_eq!((report.num_restored_files, report.num_of_files_after_restore), (1, 1));
    assert_eq!(report.table_size_after_restore, report.restored_files_size);
    assert_eq!(ids(&table).await.unwrap(), [1]);
    let report = table.restore_to_timestamp(moment).await.unwrap();
    assert_eq!((report.num_restored_files, report.num_removed_files), (1, 0));
    assert_eq!(ids(&table).await.unwrap(), [1, 2]);
    let history = table.history(None).await.unwrap();
    assert_eq!(history.len(), 6);
    assert_eq!(history[0].operation, TableOperation::Restore);
    // What was there between can still be restored.
    table.restore_to_version(3).await.unwrap();
    assert_eq!(ids(&table).await.unwrap(), Vec::<i32>::new());
}

#[tokio::test]
async fn what_does_not_exist_cannot_be_restored() {
    let client = lake().await;
    let table = client.table("t");
    run(&table, "create table {t} (id int)").await.unwrap();
    run(&table, "insert into {t} values (1)").await.unwrap();
    for version in [1, 2, 1_000_000] {
        let error = table.restore_to_version(version).await.unwrap_err();
        assert_eq!(error.vendor_code(), Some("DELTA_CANNOT_RESTORE_TABLE_VERSION"), "{version}: {error:?}");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{version}");
    }
    let late = table.restore_to_timestamp(Utc::now() + TimeDelta::days(1)).await.unwrap_err();
    assert_eq!(late.vendor_code(), Some("DELTA_CANNOT_RESTORE_TIMESTAMP_GREATER"), "{late:?}");
    let early = table.restore_to_timestamp(Utc::now() - TimeDelta::days(1)).await.unwrap_err();
    assert_eq!(early.vendor_code(), Some("DELTA_CANNOT_RESTORE_TIMESTAMP_EARLIER"), "{early:?}");
    assert_eq!(table.history(None).await.unwrap().len(), 2);
    assert_eq!(ids(&table).await.unwrap(), [1]);
}

#[tokio::test]
async fn a_version_whose_files_were_vacuumed_cannot_be_restored() {
    let client = lake().await;
    let table = client.table("t");
    run(&table, "create table {t} (id int) tblproperties ('delta.deletedFileRetentionDuration' = 'interval 0 hours')")
        .await
        .unwrap();
    for id in 0..2 {
        run(&table, &format!("insert into {{t}} values ({id})")).await.unwrap();
    }
    table.optimize(OptimizeOptions::default()).await.unwrap();
    table.vacuum(VacuumOptions::default()).await.unwrap();
    let error = table.restore_to_version(1).await.unwrap_err();
    assert!(error.message().contains("Not all files from version 1 are available"), "{error}");
    assert_eq!(ids(&table).await.unwrap(), [0, 1]);
}

#[tokio::test]
async fn of_several_restores_and_replacing_clones_at_once_the_losers_are_told_of_a_conflict() {
    let client = lake().await;
    let (table, copy) = (client.table("t"), client.table("copy"));
    run(&table, "create table {t} (id int)").await.unwrap();
    for id in 0..3 {
        run(&table, &format!("insert into {{t}} values ({id})")).await.unwrap();
    }
    table.clone_deep(copy.table_ref(), CloneOptions::default()).await.unwrap();
    let (mut won, mut lost) = (0, 0);
    for _ in 0..3 {
        let restores = (0..4).map(|version| table.restore_to_version(version % 2 + 1));
        let replace = || CloneOptions::default().with_mode(CloneMode::CreateOrReplace).with_version(2);
        let clones = (0..4).map(|_| table.clone_deep(copy.table_ref(), replace()));
        let (restores, clones) = tokio::join!(join_all(restores), join_all(clones));
        let restores = restores.into_iter().map(|done| done.map(|_| ()));
        for done in restores.chain(clones.into_iter().map(|done| done.map(|_| ()))) {
            match done {
                Ok(()) => won += 1,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
                    lost += 1;
                }
            }
        }
    }
    assert!(won >= 6, "{won} won, {lost} lost");
    let rows = ids(&table).await.unwrap();
    assert!(rows == [0] || rows == [0, 1], "{rows:?}");
    assert_eq!(ids(&copy).await.unwrap(), [0, 1]);
}
