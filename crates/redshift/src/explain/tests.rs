use proptest::prelude::*;
use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::StatementRequest;

use super::{plan::Cost, *};

/// As the server writes them over its sample database.
const AGGREGATE: &str = "\
                            QUERY PLAN
-------------------------------------------------------------------
XN HashAggregate  (cost=131.97..133.41 rows=576 width=17)
  ->  XN Seq Scan on event  (cost=0.00..87.98 rows=8798 width=17)
";
const MERGE: &str = r#"
XN Merge  (cost=1015345167117.54..1015345167544.46 rows=1000 width=103)
  Merge Key: category.catname, sum(sales.pricepaid)
  ->  XN Network  (cost=1015345167117.54..1015345167544.46 rows=170771 width=103)
        Send to leader
        ->  XN Sort  (cost=1015345167117.54..1015345167544.46 rows=170771 width=103)
              Sort Key: category.catname, sum(sales.pricepaid)
              ->  XN HashAggregate  (cost=15345150568.37..15345152276.08 rows=170771 width=103)
                    Filter: (sum(pricepaid) > 9999.00)
                    ->  XN Hash Join DS_BCAST_INNER  (cost=742.08..15345146299.10 rows=170771 width=103)
                          Hash Cond: ("outer".catid = "inner".catid)
                          ->  XN Merge Join DS_DIST_NONE  (cost=0.00..6286.47 rows=172456 width=30)
                                Merge Cond: ("outer".listid = "inner".listid)
                                ->  XN Seq Scan on listing l  (cost=0.00..1924.97 rows=192497 width=14)
                                ->  XN Seq Scan on sales  (cost=0.00..1724.56 rows=172456 width=24)
                          ->  XN Hash  (cost=0.11..0.11 rows=11 width=10)
                                ->  XN Seq Scan on category  (cost=0.00..0.11 rows=11 width=10)
"#;
const NESTED: &str = "\
XN Nested Loop DS_BCAST_INNER  (cost=0.00..58280000241.76 rows=5804 width=12)
  Join Filter: (\"inner\".a > \"outer\".a)
  ->  XN Seq Scan on t1  (cost=0.00..1.12 rows=112 width=4)
  ->  XN Seq Scan on t2  (cost=0.00..2.02 rows=202 width=8)
----- Tables missing statistics: t1, t2 -----
----- Update statistics by running the ANALYZE command on these tables -----
----- Nested Loop Join in the query plan - review the join predicates to avoid Cartesian products -----
";
const SPECTRUM: &str = r#"
XN Limit  (cost=1001055770628.63..1001055770628.65 rows=10 width=31)
  ->  XN Merge  (cost=1001055770628.63..1001055770629.13 rows=200 width=31)
        Merge Key: sum(sales.derived_col2)
        ->  XN HashAggregate  (cost=1055770620.49..1055770620.99 rows=200 width=31)
              ->  XN Hash Join DS_BCAST_INNER  (cost=3119.97..1055769620.49 rows=200000 width=31)
                    Hash Cond: ("outer".derived_col1 = "inner".eventid)
                    ->  XN S3 Query Scan sales  (cost=3010.00..5010.50 rows=200000 width=31)
                          ->  S3 HashAggregate  (cost=3010.00..3010.50 rows=200000 width=16)
                                ->  S3 Seq Scan spectrum.sales location:"s3://b/tickit/sales" format:TEXT  (cost=0.00..2150.00 rows=172000 width=16)
                                      Filter: (pricepaid > 30.00)
                    ->  XN Hash  (cost=87.98..87.98 rows=8798 width=23)
                          ->  XN Seq Scan on event  (cost=0.00..87.98 rows=8798 width=23)
"#;

fn plan(text: &str) -> QueryPlan {
    text.parse().unwrap()
}

#[test]
fn a_plan_is_a_tree_of_nodes_with_what_they_cost() {
    let plan = plan(AGGREGATE);
    let root = plan.root().unwrap();
    assert_eq!((root.operator.as_str(), root.site), ("HashAggregate", PlanSite::ComputeNodes));
    assert_eq!(plan.cost(), Some(Cost::new(131.97, 133.41)));
    let scan = &root.children[0];
    assert_eq!((scan.operator.as_str(), scan.relation.as_deref()), ("Seq Scan", Some("event")));
    assert_eq!((scan.rows, scan.width), (Some(8798), Some(17)));
    assert!(plan.warnings().is_empty());
}

#[test]
fn details_belong_to_the_node_they_are_written_under_and_depth_is_kept() {
    let plan = plan(MERGE);
    let operators: Vec<_> = plan.nodes().map(|node| node.operator.as_str()).collect();
    let expected = [
        "Merge",
        "Network",
        "Sort",
        "HashAggregate",
        "Hash Join",
        "Merge Join",
        "Seq Scan",
        "Seq Scan",
        "Hash",
        "Seq Scan",
    ];
    assert_eq!(operators, expected);
    let node = |operator: &str| plan.nodes().find(|node| node.operator == operator).unwrap();
    assert_eq!(node("Network").details, [("Send to leader".to_owned(), String::new())]);
    assert_eq!(node("HashAggregate").detail("Filter"), Some("(sum(pricepaid) > 9999.00)"));
    assert_eq!(node("Merge").detail("Merge Key"), Some("category.catname, sum(sales.pricepaid)"));
    let join = node("Hash Join");
    assert_eq!((join.children.len(), join.relations()), (2, vec!["listing", "sales", "category"]));
    assert_eq!(node("Merge Join").distribution, Some(Distribution::None));
    assert_eq!(node("Merge Join").children[0].alias.as_deref(), Some("l"));
}

#[test]
fn what_travels_is_warned_of_with_its_size() {
    let broadcast = PlanWarning::Broadcast { relations: vec!["category".to_owned()], rows: Some(11), bytes: Some(110) };
    assert_eq!(plan(MERGE).warnings(), [broadcast]);
    for (label, expected) in [
        ("DS_DIST_NONE", None),
        ("DS_DIST_ALL_NONE", None),
        ("DS_DIST_INNER", None),
        ("DS_DIST_OUTER", None),
        ("DS_DIST_ALL_INNER", Some(PlanWarning::OneSlice { relations: vec!["b".to_owned()] })),
        ("DS_DIST_BOTH", Some(PlanWarning::BothSidesMove { relations: vec!["a".to_owned(), "b".to_owned()] })),
        ("DS_DIST_OF_TOMORROW", None),
    ] {
        let text = format!(
            "XN Hash Join {label}  (cost=0.00..1.00 rows=1 width=4)\n  ->  XN Seq Scan on a  (cost=0.00..1.00 rows=1 width=4)\n  \
             ->  XN Seq Scan on b  (cost=0.00..1.00 rows=1 width=4)"
        );
        let plan = plan(&text);
        assert_eq!(plan.root().unwrap().distribution.as_ref().unwrap().to_string(), label);
        assert_eq!(plan.warnings(), expected.into_iter().collect::<Vec<_>>(), "{label}");
    }
}

#[test]
fn nested_loops_and_missing_statistics_are_warned_of_once() {
    let warnings = plan(NESTED).warnings();
    let both = || vec!["t1".to_owned(), "t2".to_owned()];
    assert_eq!(
        warnings,
        [
            PlanWarning::NestedLoop { relations: both() },
            PlanWarning::Broadcast { relations: vec!["t2".to_owned()], rows: Some(202), bytes: Some(1616) },
            PlanWarning::MissingStatistics { relations: both() },
        ]
    );
    assert!(warnings[2].to_string().contains("t1, t2 have no statistics"));
}

#[test]
fn spectrum_scans_say_what_they_read_and_that_they_are_elsewhere() {
    let plan = plan(SPECTRUM);
    let scan = plan.nodes().find(|node| node.operator == "S3 Seq Scan").unwrap();
    assert_eq!((scan.relation.as_deref(), scan.site), (Some("spectrum.sales"), PlanSite::Other));
    assert_eq!(scan.detail("Filter"), Some("(pricepaid > 30.00)"));
    assert_eq!(plan.nodes().find(|node| node.operator == "S3 Query Scan").unwrap().relation.as_deref(), Some("sales"));
}

#[test]
fn catalog_scans_quoted_names_and_groups_are_read() {
    let text = "LD Nested Loop Left Join  (cost=0.00..9.00 rows=3 width=9)\n  InitPlan\n    ->  LD Seq Scan on pg_class c  \
                (cost=0.00..1.00 rows=1 width=4)\n  ->  XN Seq Scan on \"odd \"\"on\"\" name\" a  (cost=0.00..1.00 rows=1 width=4)\n  \
                ->  XN Subquery Scan \"*SELECT* 1\"  (cost=0.00..1.00 rows=1 width=4)";
    let plan = plan(text);
    let root = plan.root().unwrap();
    assert_eq!((root.site, root.children.len()), (PlanSite::Leader, 3));
    assert_eq!((root.children[0].operator.as_str(), root.children[0].cost), ("InitPlan", None));
    assert_eq!(root.children[0].children[0].relation.as_deref(), Some("pg_class"));
    assert_eq!(root.children[1].relation.as_deref(), Some("\"odd \"\"on\"\" name\""));
    assert_eq!(root.children[2].relation.as_deref(), Some("\"*SELECT* 1\""));
}

#[test]
fn what_is_no_plan_is_refused() {
    for text in ["", "\n\n", "----- only a remark -----"] {
        assert_eq!(text.parse::<QueryPlan>().unwrap_err().kind(), ErrorKind::Protocol, "{text:?}");
    }
}

#[test]
fn only_one_statement_is_explained_and_its_values_are_written_in() {
    let of = |sql: &str| explanation(&StatementRequest::read(sql));
    assert_eq!(of("select 1; drop table t").unwrap_err().kind(), ErrorKind::InvalidInput);
    for sql in [
        "drop table t",
        "vacuum t",
        "explain select 1",
        "copy t from 's3://b/k' iam_role default",
        "create view v as select 1",
        "",
    ] {
        assert_eq!(of(sql).unwrap_err().kind(), ErrorKind::Unsupported, "{sql}");
    }
    for sql in [
        "with a as (select 1) select * from a",
        "create table t as select 1",
        "insert into t select 1",
        "delete from t",
    ] {
        assert_eq!(of(sql).unwrap(), format!("EXPLAIN {sql}"));
    }
    let request = StatementRequest::read("select * from t where a = :a").bind("a", "it's; \\' drop");
    assert_eq!(explanation(&request).unwrap(), r"EXPLAIN select * from t where a = 'it''s; \\'' drop'");
}

fn a_node() -> impl Strategy<Value = PlanNode> {
    let labels = prop::sample::select(vec!["DS_DIST_NONE", "DS_BCAST_INNER", "DS_DIST_BOTH", "DS_DIST_ALL_INNER"]);
    let leaf = ("[a-z]{1,8}", prop::option::of("[a-z]{1,4}"), 0..1_000_000_u64, 0..999_u64, any::<bool>());
    let leaf = leaf.prop_map(|(relation, alias, rows, width, leader)| PlanNode {
        operator: "Seq Scan".to_owned(),
        site: if leader { PlanSite::Leader } else { PlanSite::ComputeNodes },
        relation: Some(relation),
        alias,
        cost: Some(Cost::new(0.0, 1.25)),
        rows: Some(rows),
        width: Some(width),
        ..PlanNode::default()
    });
    leaf.prop_recursive(6, 40, 3, move |inner| {
        let details = prop::collection::vec(
            prop_oneof![
                Just(("Send to leader".to_owned(), String::new())),
                ("(Filter|Hash Cond|Sort Key)", "[a-z(=\"][ -~]{0,20}[)0-9]").prop_map(|(name, value)| (name, value)),
            ],
            0..3,
        );
        let operator = prop::sample::select(vec!["Hash Join", "Nested Loop", "Hash Left Join"]);
        (operator, labels.clone(), details, prop::collection::vec(inner, 1..3), 0..u64::from(u32::MAX)).prop_map(
            |(operator, label, details, children, rows)| PlanNode {
                operator: operator.to_owned(),
                site: PlanSite::ComputeNodes,
                distribution: Some(Distribution::of(label)),
                cost: Some(Cost::new(2.5, 1_000_000_000_138.5)),
                rows: Some(rows),
                width: Some(8),
                details,
                children,
                ..PlanNode::default()
            },
        )
    })
}

proptest! {
    #[test]
    fn every_plan_is_read_back_as_it_was_written(root in a_node(), remark in prop::option::of("[A-Z][a-z ]{3,20}[a-z]")) {
        let plan = QueryPlan { roots: vec![root], remarks: remark.into_iter().collect() };
        prop_assert_eq!(plan.to_string().parse::<QueryPlan>().unwrap(), plan);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "([ ]{0,9}(-> )?(XN |LD )?[ -~]{0,30}(\\(cost=[0-9.]{0,6}\\.\\.[0-9.]{0,5} rows=[0-9]{0,3} width=[0-9]{0,3}\\))?\n){0,12}") {
        let _ = text.parse::<QueryPlan>();
    }
}
