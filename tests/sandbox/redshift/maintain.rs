use futures::TryStreamExt as _;
use twinhouse_core::{ErrorKind, config::Env};
use twinhouse_redshift::{
    AnalyzeRequest, AnalyzeScope, AppendColumns, AppendRequest, Auth, MaintenanceOutcome, RedshiftBuilder,
    RedshiftWarehouse, VacuumKind, VacuumRequest,
};
use twinhouse_sandbox::Sandbox;
use twinhouse_warehouse_api::{TableFilter, TableRef, Warehouse as _, WarehouseExt as _};

use super::support::{failed, one, rows, table, warehouse};

#[tokio::test]
async fn every_kind_of_vacuum_and_analyze_is_done_for_the_owner() {
    let warehouse = warehouse().await;
    let name = TableRef::new(table(&warehouse, "a int, b int").await);
    warehouse.execute(format!("insert into {name} values (1, 2)")).await.expect("an insert");
    let maintenance = warehouse.maintenance();
    let vacuum = || VacuumRequest::table(name.clone());
    for request in [
        vacuum().with_threshold(99).with_boost(true),
        vacuum().with_kind(VacuumKind::SortOnly),
        vacuum().with_kind(VacuumKind::DeleteOnly).with_threshold(0),
        vacuum().with_kind(VacuumKind::Reindex),
        vacuum().with_kind(VacuumKind::Recluster).with_boost(true),
    ] {
        let report = maintenance.vacuum(request.clone()).await.expect("a vacuum");
        assert_eq!((report.outcome, report.notices.len()), (MaintenanceOutcome::Done, 0), "{request:?}");
    }
    let analyze = || AnalyzeRequest::table(name.clone());
    for request in [
        analyze().with_threshold(0),
        analyze().with_columns(["a", "b"]),
        analyze().with_scope(AnalyzeScope::PredicateColumns),
        analyze().with_scope(AnalyzeScope::AllColumns),
    ] {
        let report = maintenance.analyze(request.clone()).await.expect("an analyze");
        assert_eq!(report.outcome, MaintenanceOutcome::Done, "{request:?}");
    }
    // The threshold went with its call.
    assert_eq!(one(&warehouse, "show analyze_threshold_percent").await, "10");
    let missing = VacuumRequest::table(TableRef::new("not_there"));
    assert_eq!(failed(maintenance.vacuum(missing).await).kind(), ErrorKind::NotFound);
    let wrong = VacuumRequest::database().with_boost(true);
    assert_eq!(failed(maintenance.vacuum(wrong).await).kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_vacuum_that_the_server_passes_over_for_want_of_rights_is_not_taken_for_done() {
    let owner = warehouse().await;
    let name = TableRef::new(table(&owner, "a int").await).with_schema("public");
    owner.execute(format!("grant select on {name} to public")).await.expect("a grant");
    let guest = guest().await;
    let report = guest.maintenance().vacuum(VacuumRequest::table(name.clone())).await.expect("it reports success");
    assert_eq!(report.outcome, MaintenanceOutcome::Skipped);
    assert!(report.notices.iter().any(|notice| notice.contains(name.name())), "{report:?}");
    let report = guest.maintenance().analyze(AnalyzeRequest::table(name)).await.expect("it reports success");
    assert_eq!(report.outcome, MaintenanceOutcome::Skipped);
    guest.close().await.expect("a close");
}

#[tokio::test]
async fn rows_are_moved_from_one_table_to_another() {
    let warehouse = warehouse().await;
    let target = TableRef::new(table(&warehouse, "a int, b int default 7").await);
    let source = TableRef::new(table(&warehouse, "a int").await);
    warehouse.execute(format!("insert into {source} values (1), (2)")).await.expect("an insert");
    let request = AppendRequest::new(target.clone(), source.clone());
    let error = failed(warehouse.maintenance().append(request.clone()).await);
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    assert_eq!(one(&warehouse, &format!("select count(*) from {source}")).await, "2", "nothing was moved");
    let mut open = warehouse.begin(Default::default()).await.expect("a transaction");
    let inside = failed(open.execute(request.sql().expect("a statement").into()).await);
    assert_eq!(inside.kind(), ErrorKind::Unsupported);
    open.rollback().await.expect("a rollback");
    warehouse.maintenance().append(request.with_columns(AppendColumns::FillTarget)).await.expect("an append");
    assert_eq!(rows(&warehouse, format!("select * from {target} order by a")).await, [["1", "7"], ["2", "7"]]);
    assert_eq!(one(&warehouse, &format!("select count(*) from {source}")).await, "0");
}

#[tokio::test]
async fn a_column_of_text_is_made_wider_and_never_narrower_than_its_values() {
    let warehouse = warehouse().await;
    let name = TableRef::new(table(&warehouse, "\"Odd name\" varchar(3)").await);
    let maintenance = warehouse.maintenance();
    maintenance.resize_varchar(&name, "Odd name", 9).await.expect("wider");
    warehouse.execute(format!("insert into {name} values ('ninebytes')")).await.expect("it fits");
    failed(maintenance.resize_varchar(&name, "Odd name", 3).await);
    assert_eq!(failed(maintenance.resize_varchar(&name, "Odd name", 65_536).await).kind(), ErrorKind::InvalidInput);
    let columns = warehouse.metadata().columns(&name).await.expect("columns");
    assert_eq!(columns[0].data_type.as_deref(), Some("character varying(9)"));
}

#[tokio::test]
async fn statistics_that_are_off_are_seen_and_put_right() {
    let warehouse = warehouse().await;
    let name = table(&warehouse, "a int").await;
    warehouse.execute(format!("insert into {name} values (1), (2)")).await.expect("an insert");
    let off = async || {
        let filter = TableFilter::default().with_schema("public").with_name_like(name.replace('_', "\\_"));
        let stats = warehouse.metadata().table_stats(filter).try_next().await.expect("a list").expect("the table");
        (stats.rows, stats.statistics_off_percent)
    };
    assert_eq!(off().await, (Some(2), Some(100.0)));
    warehouse.maintenance().analyze(AnalyzeRequest::table(TableRef::new(&name))).await.expect("an analyze");
    assert_eq!(off().await, (Some(2), Some(0.0)));
}

/// Somebody who owns nothing: the user that the sandbox's role logs in as.
async fn guest() -> RedshiftWarehouse {
    let sandbox = Sandbox::shared().await.expect("a sandbox");
    let (access, s3) = (sandbox.redshift().await.expect("a cluster"), sandbox.s3());
    let aws = sandbox.aws().await.expect("AWS");
    let config = RedshiftBuilder::new()
        .env(Env::empty())
        .host(&access.host)
        .port(access.port)
        .database(&access.database)
        .root_certificate(&access.ca_file)
        .auth(Auth::Iam)
        .cluster_identifier(&aws.cluster_identifier)
        .region(&s3.region)
        .aws_endpoint(&aws.endpoint)
        .s3_keys(s3.access_key.as_str(), s3.secret_key.clone(), None);
    RedshiftWarehouse::new(config.build().expect("settings")).expect("a client")
}
