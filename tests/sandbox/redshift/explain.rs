use twinhouse_core::ErrorKind;
use twinhouse_redshift::{PlanSite, PlanWarning};
use twinhouse_warehouse_api::{StatementRequest, WarehouseExt as _};

use super::support::{failed, one, table, warehouse};

#[tokio::test]
async fn a_join_is_explained_as_a_tree() {
    let warehouse = warehouse().await;
    let (a, b) = (table(&warehouse, "i int, t varchar(9)").await, table(&warehouse, "i int").await);
    let sql =
        format!("select a.t, count(*) from {a} a join {b} b on a.i = b.i where a.t <> :t group by a.t order by 1");
    let plan = warehouse.explain(&StatementRequest::read(sql).bind("t", "it's \\")).await.expect("a plan");
    let join = plan.nodes().find(|node| node.operator.ends_with("Join")).expect("a join");
    assert_eq!((join.site, join.children.len()), (PlanSite::ComputeNodes, 2));
    assert!(join.distribution.is_some() && join.details.iter().any(|(name, _)| name.ends_with("Cond")), "{plan}");
    let mut relations = plan.root().expect("a root").relations();
    relations.sort_unstable();
    let mut expected = [a.as_str(), b.as_str()];
    expected.sort_unstable();
    assert_eq!(relations, expected, "{plan}");
    assert!(plan.cost().is_some_and(|cost| cost.total > 0.0));
    assert!(plan.nodes().any(|node| node.detail("Filter").is_some_and(|filter| filter.contains("it''s"))), "{plan}");
    assert_eq!(plan.to_string().parse::<twinhouse_redshift::QueryPlan>().expect("read again"), plan);
}

#[tokio::test]
async fn a_missing_condition_is_warned_of_and_nothing_is_run() {
    let warehouse = warehouse().await;
    let (a, b) = (table(&warehouse, "i int").await, table(&warehouse, "i int").await);
    let plan = warehouse.explain(&format!("select * from {a}, {b}").into()).await.expect("a plan");
    assert!(plan.warnings().iter().any(|warning| matches!(warning, PlanWarning::NestedLoop { .. })), "{plan}");
    warehouse.explain(&format!("insert into {a} values (1)").into()).await.expect("a plan");
    assert_eq!(one(&warehouse, &format!("select count(*) from {a}")).await, "0");
    let both = format!("select 1; insert into {a} values (1)");
    assert_eq!(failed(warehouse.explain(&both.into()).await).kind(), ErrorKind::InvalidInput);
    assert_eq!(failed(warehouse.explain(&format!("drop table {a}").into()).await).kind(), ErrorKind::Unsupported);
    assert_eq!(one(&warehouse, &format!("select count(*) from {a}")).await, "0");
    let missing = failed(warehouse.explain(&"select * from not_there".into()).await);
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    warehouse.execute(format!("drop table {a}")).await.expect("dropped");
}
