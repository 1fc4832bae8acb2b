//! Tables become what is wanted, step by step, for real.

use std::sync::Arc;

use futures::future::join_all;
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use twinhouse_core::ErrorKind;
use twinhouse_delta::{
    EvolutionOptions, EvolutionStep,
    schema::{Column, Compatibility, SchemaDiff, TableSchema},
};
use twinhouse_warehouse_api::{StatementRequest, WarehouseExt as _};

use super::ground::Ground;
use crate::fixtures::BY_HAND;

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Found {
    id: Option<i64>,
    name: String,
}

fn schema(text: &str) -> TableSchema {
    let parts = text.split("; ").map(|part| {
        let (name, data_type) = part.split_once(": ").expect("a name and a type");
        Column::new(name, data_type.parse().expect("a type"))
    });
    parts.collect()
}

#[tokio::test]
async fn a_table_becomes_what_is_wanted_and_keeps_its_rows() {
    let ground = Ground::new("evolve").await;
    ground.run(&format!("insert into {} values (1, 'one')", ground.name)).await;
    let wanted = schema("id: bigint; title: string; tags: array<struct<a: int>>");
    let options = EvolutionOptions::default().with_upgrades(true).with_rename("name", "title");
    let report = ground.table.evolve_safely(&wanted, &options).await.expect("evolved");
    let said: Vec<_> = report.applied.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["set delta.columnMapping.mode to name", "rename name to title", "add tags"]);
    assert_eq!(ground.table.describe().await.expect("a description").schema, wanted);
    let again = ground.table.evolve_safely(&wanted, &options).await.expect("nothing to do");
    assert!(again.applied.is_empty());

    let deeper = schema("title: string; tags: array<struct<a: int, b: map<string, date>>>");
    let options = EvolutionOptions::default().with_drops(true);
    let report = ground.table.evolve_safely(&deeper, &options).await.expect("evolved");
    assert_eq!(report.applied.iter().map(ToString::to_string).collect::<Vec<_>>(), ["add tags.element.b", "drop id"]);
    assert_eq!(ground.table.describe().await.expect("a description").schema, deeper);
    let back = schema("name: string; tags: array<struct<a: int, b: map<string, date>>>; id: bigint");
    let options = EvolutionOptions::default().with_rename("title", "name");
    ground.table.evolve_safely(&back, &options).await.expect("evolved");
    let rows: Vec<Found> = ground
        .warehouse
        .fetch_all(StatementRequest::read(format!("{BY_HAND}select id, name from {}", ground.name)))
        .await
        .expect("rows");
    // The column that was dropped is another one now.
    assert_eq!(rows, [Found { id: None, name: "one".to_owned() }]);
}

#[tokio::test]
async fn a_run_that_broke_off_after_any_step_is_taken_up_again() {
    let wanted = schema("id: bigint; title: string; a: int; s: struct<x: int>");
    let options = EvolutionOptions::default().with_upgrades(true).with_rename("name", "title");
    for stop in 0..4 {
        let ground = Ground::new("evolve_broken").await;
        let plan = ground.table.plan_evolution(&wanted, &options).await.expect("a plan");
        assert_eq!(plan.steps.len(), 3);
        for step in plan.steps.iter().take(stop) {
            let sql = ground.table.step_sql(step).expect("a statement");
            ground.warehouse.execute(StatementRequest::write(sql)).await.expect("a step");
        }
        let report = ground.table.evolve_safely(&wanted, &options).await.expect("the rest");
        assert_eq!(report.applied, plan.steps[stop.min(3)..], "after {stop}");
        assert_eq!(ground.table.describe().await.expect("a description").schema, wanted);
    }
}

#[tokio::test]
async fn eight_at_once_make_each_step_once() {
    let ground = Arc::new(Ground::new("evolve_crowd").await);
    let wanted = schema("id: bigint; name: string; a: int; b: date");
    let options = EvolutionOptions::default();
    let reports = join_all((0..8).map(|_| ground.table.evolve_safely(&wanted, &options))).await;
    let applied: Vec<EvolutionStep> = reports.into_iter().flat_map(|report| report.expect("evolved").applied).collect();
    assert_eq!(applied.len(), 1, "{applied:?}");
    assert_eq!(ground.table.describe().await.expect("a description").schema, wanted);
}

#[tokio::test]
async fn what_the_table_cannot_become_changes_nothing() {
    let ground = Ground::new("evolve_refused").await;
    let version = ground.version().await;
    for (wanted, options) in [
        ("id: string; name: string; new: int", EvolutionOptions::default()),
        ("id: bigint; new: int", EvolutionOptions::default()),
        ("id: decimal(20,0); name: string; new: int", EvolutionOptions::default()),
        ("id: bigint; name: string; `a b`: int", EvolutionOptions::default()),
    ] {
        let error = ground.table.evolve_safely(&schema(wanted), &options).await.expect_err(wanted);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{wanted}: {error}");
    }
    assert_eq!(ground.version().await, version);
    // The sandbox does not widen types, and says so by name.
    let widening = EvolutionOptions::default().with_upgrades(true);
    let error = ground
        .table
        .evolve_safely(&schema("id: decimal(20,0); name: string"), &widening)
        .await
        .expect_err("no widening");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    ground.table.drop_table().await.expect("dropped");
    let error = ground.table.evolve_safely(&schema("id: bigint"), &widening).await.expect_err("no table");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn nulls_are_refused_only_where_there_are_none() {
    let ground = Ground::new("evolve_nulls").await;
    ground.run(&format!("insert into {} values (1, null)", ground.name)).await;
    let strict = |name: &str| -> TableSchema {
        let columns = schema("id: bigint; name: string");
        columns
            .columns()
            .iter()
            .map(|column| if column.name == name { column.clone().not_null() } else { column.clone() })
            .collect()
    };
    let options = EvolutionOptions::default().with_not_null(true);
    ground.table.evolve_safely(&strict("id"), &options).await.expect("no nulls in id");
    let error = ground.table.evolve_safely(&strict("name"), &options).await.expect_err("a null");
    assert_eq!(error.kind(), ErrorKind::Constraint);
    // The step before it, which allows nulls in `id` again, was made and is named.
    assert_eq!(error.context("already done"), Some("allow nulls in id"));
    assert_eq!(ground.rows().await.len(), 1);
}

fn types() -> impl Strategy<Value = String> {
    let leaf = proptest::sample::select(vec![
        "int",
        "bigint",
        "string",
        "date",
        "timestamp",
        "timestamp_ntz",
        "decimal(12,2)",
        "binary",
        "double",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|element| format!("array<{element}>")),
            inner.clone().prop_map(|value| format!("map<string, {value}>")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("struct<x: {a}, `y z`: {b}>")),
        ]
    })
}

/// A table and what it can become without widening: columns go, come and stay.
#[tokio::test]
async fn plans_at_random_are_carried_out_by_the_server() {
    let mut runner = TestRunner::deterministic();
    let columns = proptest::collection::vec((types(), any::<bool>(), any::<bool>()), 2..6);
    for case in 0..12 {
        let drawn = columns.new_tree(&mut runner).expect("a case").current();
        let column = |(index, (data_type, ..)): (usize, &(String, bool, bool))| {
            Column::new(format!("c {index}"), data_type.parse().expect("a type"))
        };
        let side = |first: bool| -> TableSchema {
            let chosen =
                drawn.iter().enumerate().filter(|(index, (_, a, b))| *index == 0 || if first { *a } else { *b });
            chosen.map(column).collect()
        };
        let (present, wanted) = (side(true), side(false));
        let ground = Ground::without_table(&format!("evolve_random_{case}")).await;
        let name = ground.table.table_ref().name();
        ground.client.create(name).with_columns(&present).with_column_mapping().run().await.expect("a table");
        let options = EvolutionOptions::default().with_drops(true);
        let plan = ground.table.plan_evolution(&wanted, &options).await.expect("a plan");
        let report =
            ground.table.evolve_safely(&wanted, &options).await.unwrap_or_else(|error| panic!("{drawn:?}: {error:?}"));
        assert_eq!(report.applied, plan.steps);
        let found = ground.table.describe().await.expect("a description").schema;
        assert_eq!(SchemaDiff::between(&found, &wanted).compatibility(), Compatibility::Identical, "{drawn:?}");
        assert!(ground.table.plan_evolution(&wanted, &options).await.expect("a plan").is_empty());
    }
}
