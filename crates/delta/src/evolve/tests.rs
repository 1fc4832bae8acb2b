use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use twinhouse_core::{Error, ErrorKind};
use twinhouse_testkit::{Call, Reply, ScriptedWarehouse, Sql};
use twinhouse_warehouse_api::arrow::array::{RecordBatch, StringArray};

use super::{plan::renamed, *};
use crate::{
    DeltaClient, DeltaTable, TableDescription,
    schema::{Column, Compatibility, DeltaType, FieldPath, SchemaDiff, StructField, TableSchema, generate::schema},
};

fn everything() -> EvolutionOptions {
    EvolutionOptions::default().with_drops(true).with_not_null(true).with_upgrades(true)
}

/// A table in memory: what each step makes of a description.
fn after(mut table: TableDescription, step: &EvolutionStep) -> TableDescription {
    let mut schema = table.schema.clone();
    match step {
        EvolutionStep::Enable { property, value } => {
            table.properties.insert((*property).to_owned(), (*value).to_owned());
        }
        EvolutionStep::Rename { from, to } => schema = renamed(&schema, from.parts(), to),
        EvolutionStep::Drop { path } => schema = edited(&schema, path, |_| None),
        EvolutionStep::Add { columns } => {
            for (path, data_type, comment) in columns {
                let mut field = StructField::new(path.parts().last().unwrap(), data_type.clone());
                field.comment.clone_from(comment);
                schema = added(&schema, path, field);
            }
        }
        EvolutionStep::Widen { path, to, .. } => schema = retyped(&schema, path, to),
        EvolutionStep::AllowNulls { path } => {
            schema = edited(&schema, path, |field| Some(StructField { nullable: true, ..field }));
        }
        EvolutionStep::RefuseNulls { path } => {
            schema = edited(&schema, path, |field| Some(StructField { nullable: false, ..field }));
        }
        EvolutionStep::Comment { path, comment } => {
            let comment = Some(comment.clone()).filter(|comment| !comment.is_empty());
            schema = edited(&schema, path, |field| Some(StructField { comment: comment.clone(), ..field }));
        }
    }
    table.schema = schema;
    table
}

fn fields_of(schema: &TableSchema) -> DeltaType {
    DeltaType::Struct(
        schema
            .columns()
            .iter()
            .map(|column| {
                let mut field = StructField::new(&column.name, column.data_type.clone());
                (field.nullable, field.comment) = (column.nullable, column.comment.clone());
                field
            })
            .collect(),
    )
}

fn schema_of(data_type: DeltaType) -> TableSchema {
    let DeltaType::Struct(fields) = data_type else { panic!("a schema is a struct") };
    fields
        .into_iter()
        .map(|field| {
            let mut column = Column::new(field.name, field.data_type);
            (column.nullable, column.comment) = (field.nullable, field.comment);
            column
        })
        .collect()
}

/// The type with the part at the path changed by `change`.
fn at(data_type: &DeltaType, path: &[String], change: &dyn Fn(&DeltaType) -> DeltaType) -> DeltaType {
    let Some((name, inside)) = path.split_first() else { return change(data_type) };
    match data_type {
        DeltaType::Array(element) => DeltaType::array_of(at(element, inside, change)),
        DeltaType::Map(key, value) if name == "key" => DeltaType::map_of(at(key, inside, change), (**value).clone()),
        DeltaType::Map(key, value) => DeltaType::map_of((**key).clone(), at(value, inside, change)),
        DeltaType::Struct(fields) => DeltaType::Struct(
            fields
                .iter()
                .map(|field| {
                    let mut field = field.clone();
                    if field.name.to_lowercase() == name.to_lowercase() {
                        field.data_type = at(&field.data_type, inside, change);
                    }
                    field
                })
                .collect(),
        ),
        other => panic!("{other} has no parts"),
    }
}

fn fields(
    schema: &TableSchema,
    path: &FieldPath,
    change: impl Fn(Vec<StructField>) -> Vec<StructField>,
) -> TableSchema {
    let parent = &path.parts()[..path.parts().len() - 1];
    schema_of(at(&fields_of(schema), parent, &|data_type| match data_type {
        DeltaType::Struct(fields) => {
            let changed = change(fields.clone());
            assert!(!changed.is_empty(), "nothing is left at {path}");
            DeltaType::Struct(changed)
        }
        other => panic!("{other} has no fields"),
    }))
}

fn edited(schema: &TableSchema, path: &FieldPath, change: impl Fn(StructField) -> Option<StructField>) -> TableSchema {
    let name = path.parts().last().unwrap().to_lowercase();
    fields(schema, path, |fields| {
        fields
            .into_iter()
            .filter_map(|field| if field.name.to_lowercase() == name { change(field) } else { Some(field) })
            .collect()
    })
}

fn added(schema: &TableSchema, path: &FieldPath, new: StructField) -> TableSchema {
    fields(schema, path, |fields| {
        assert!(fields.iter().all(|field| field.name.to_lowercase() != new.name.to_lowercase()), "{path} is there");
        fields.into_iter().chain([new.clone()]).collect()
    })
}

fn retyped(schema: &TableSchema, path: &FieldPath, to: &DeltaType) -> TableSchema {
    schema_of(at(&fields_of(schema), path.parts(), &|_| to.clone()))
}

fn plan(present: &TableDescription, wanted: &TableSchema, options: &EvolutionOptions) -> EvolutionPlan {
    EvolutionPlan::between(present, wanted, options).unwrap()
}

fn table_of(text: &str) -> TableDescription {
    TableDescription::of_schema(schema_of(format!("struct<{text}>").parse().unwrap()))
}

fn steps(plan: &EvolutionPlan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

fn refusals(plan: &EvolutionPlan) -> Vec<String> {
    plan.refusals.iter().map(ToString::to_string).collect()
}

#[test]
fn steps_come_in_an_order_that_works() {
    let present = table_of("old: int, gone: string, s: struct<a: int not null, b: date>, n: int not null");
    let wanted =
        table_of("new: bigint, s: struct<a: bigint, c: string comment 'x'>, n: int comment 'y', z: int not null");
    let plan = plan(&present, &wanted.schema, &everything().with_rename("old", "new"));
    assert_eq!(
        steps(&plan),
        [
            "set delta.columnMapping.mode to name",
            "set delta.enableTypeWidening to true",
            "rename old to new",
            "add s.c, z",
            "drop gone",
            "drop s.b",
            "widen new from INT to BIGINT",
            "widen s.a from INT to BIGINT",
            "allow nulls in s.a",
            "allow nulls in n",
            "comment on n",
            "refuse nulls in z",
        ]
    );
    assert!(plan.refusals.is_empty() && plan.warnings.len() == 5, "{plan:?}");
}

#[test]
fn what_is_not_allowed_is_in_the_way_and_says_what_would_help() {
    let of = |present: &str, wanted: &str, options: EvolutionOptions| {
        let plan = plan(&table_of(present), &table_of(wanted).schema, &options);
        (plan.steps.len(), refusals(&plan).join("; "))
    };
    let default = EvolutionOptions::default;
    for (present, wanted, options, why) in [
        ("a: int, b: int", "a: int", default(), "b: is not in the wanted schema: allow drops"),
        ("a: int, b: int", "a: int", default().with_drops(true), "needs `delta.columnMapping.mode` = `name`"),
        ("a: int", "a: string", everything(), "a: INT does not widen to STRING"),
        ("a: bigint", "a: double", everything(), "a: BIGINT does not widen to DOUBLE"),
        ("a: int", "a: bigint", default(), "needs `delta.enableTypeWidening` = `true`"),
        ("a: int", "a: bigint", everything().with_widening(false), "which is not allowed"),
        ("a: int", "a: int not null", default(), "a: would have to refuse nulls"),
        ("a: int", "a: int, b: int not null", default(), "b: would have to refuse nulls"),
        ("s: struct<a: int>", "s: struct<a: int not null>", everything(), "cannot refuse nulls"),
        ("a: int", "a: int, `b c`: int", everything(), "needs column mapping"),
        ("a: int, b: int", "b: int", everything().with_rename("a", "b"), "both are there"),
    ] {
        let (_, said) = of(present, wanted, options);
        assert!(said.contains(why), "{present} to {wanted}: {said}");
    }
    // Lengths need no feature.
    assert_eq!(of("a: varchar(3)", "a: string", default()), (1, String::new()));
    let with = |column: Column| TableSchema::new([Column::new("a", DeltaType::Int), column]);
    for column in
        [Column::new("b", DeltaType::Int).with_default("1"), Column::new("b", DeltaType::Int).generated_as("a")]
    {
        assert_eq!(plan(&table_of("a: int"), &with(column), &everything()).refusals.len(), 1);
    }
    let mut laid_out = table_of("a: int, b: int");
    laid_out.partitioned_by = vec!["B".to_owned()];
    assert!(refusals(&plan(&laid_out, &table_of("a: int").schema, &everything()))[0].contains("partitioned"));
    let error = EvolutionPlan::between(&table_of("a: int"), &TableSchema::default(), &everything()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_rename_that_was_made_is_not_made_again() {
    let options = everything().with_rename("a", "b").with_rename(FieldPath::from("s").then("x"), "y");
    let wanted = table_of("b: int, s: struct<y: int>").schema;
    let mut table = table_of("a: int, s: struct<x: int>");
    let first = plan(&table, &wanted, &options);
    assert_eq!(steps(&first), ["set delta.columnMapping.mode to name", "rename a to b", "rename s.x to y"]);
    for step in &first.steps {
        table = after(table, step);
    }
    assert!(plan(&table, &wanted, &options).is_empty());
}

/// What the server would say of the table.
fn json_of(table: &TableDescription) -> String {
    fn kind(data_type: &DeltaType) -> serde_json::Value {
        match data_type {
            DeltaType::Array(element) => json!({ "name": "array", "element_type": kind(element) }),
            DeltaType::Map(key, value) => json!({ "name": "map", "key_type": kind(key), "value_type": kind(value) }),
            DeltaType::Struct(fields) => {
                json!({ "name": "struct", "fields": fields.iter().map(field).collect::<Vec<_>>() })
            }
            DeltaType::Decimal { precision, scale } => {
                json!({ "name": "decimal", "precision": precision, "scale": scale })
            }
            DeltaType::Char(length) => json!({ "name": "char", "length": length }),
            DeltaType::Varchar(length) => json!({ "name": "varchar", "length": length }),
            other => json!({ "name": other.to_string().to_lowercase() }),
        }
    }
    fn field(field: &StructField) -> serde_json::Value {
        json!({ "name": field.name, "type": kind(&field.data_type), "nullable": field.nullable, "comment": field.comment })
    }
    let DeltaType::Struct(fields) = fields_of(&table.schema) else { panic!() };
    let columns: Vec<_> = fields.iter().map(field).collect();
    json!({ "columns": columns, "table_properties": table.properties }).to_string()
}

fn described(table: &TableDescription) -> Reply {
    let text: Arc<StringArray> = Arc::new(StringArray::from(vec![json_of(table)]));
    Reply::rows(RecordBatch::try_from_iter([("json_metadata", text as _)]).unwrap())
}

fn scripted() -> (ScriptedWarehouse, DeltaTable) {
    let warehouse = ScriptedWarehouse::new();
    let table = DeltaClient::new(Arc::new(warehouse.clone())).unwrap().table("t");
    (warehouse, table)
}

fn sent(warehouse: &ScriptedWarehouse) -> Vec<String> {
    let all = warehouse.statements();
    all.iter().map(|statement| statement.sql().to_owned()).filter(|sql| !sql.starts_with("DESCRIBE")).collect()
}

#[tokio::test]
async fn the_table_is_looked_at_again_after_every_step() {
    let (warehouse, table) = scripted();
    let wanted = table_of("a: bigint, b: int").schema;
    let options = EvolutionOptions::default();
    let mut present = table_of("a: int");
    present.properties.insert("delta.enableTypeWidening".to_owned(), "true".to_owned());
    let first = plan(&present, &wanted, &options);
    warehouse.once(Sql::contains("DESCRIBE"), described(&present));
    for step in &first.steps {
        warehouse.once(Sql::is(&table.step_sql(step).unwrap()), Reply::affected(0));
        present = after(present, step);
        warehouse.once(Sql::contains("DESCRIBE"), described(&present));
    }
    let report = table.evolve_safely(&wanted, &options).await.unwrap();
    assert_eq!(report.applied, first.steps);
    assert_eq!(
        sent(&warehouse),
        ["ALTER TABLE `t` ADD COLUMNS (`b` INT)", "ALTER TABLE `t` ALTER COLUMN `a` TYPE BIGINT"]
    );
    warehouse.verify();
}

#[tokio::test]
async fn nothing_is_sent_when_something_is_in_the_way() {
    let (warehouse, table) = scripted();
    warehouse.always(Sql::contains("DESCRIBE"), described(&table_of("a: string")));
    let wanted = table_of("a: int, b: int").schema;
    let error = table.evolve_safely(&wanted, &everything()).await.unwrap_err();
    assert_eq!((error.kind(), error.context("column")), (ErrorKind::InvalidInput, Some("a")));
    assert!(sent(&warehouse).is_empty());
}

#[tokio::test]
async fn a_step_that_another_has_made_is_not_missed() {
    let (warehouse, table) = scripted();
    let wanted = table_of("a: int, b: int").schema;
    warehouse.once(Sql::contains("DESCRIBE"), described(&table_of("a: int")));
    warehouse.once(Sql::contains("ADD COLUMNS"), Reply::error(Error::new(ErrorKind::AlreadyExists, "b is there")));
    warehouse.always(Sql::contains("DESCRIBE"), described(&table_of("a: int, b: int")));
    let report = table.evolve_safely(&wanted, &EvolutionOptions::default()).await.unwrap();
    assert!(report.applied.is_empty());
}

#[tokio::test]
async fn a_step_that_fails_says_what_was_done_before_it() {
    let (warehouse, table) = scripted();
    let wanted = table_of("a: int comment 'x', b: int").schema;
    warehouse.once(Sql::contains("DESCRIBE"), described(&table_of("a: int")));
    warehouse.once(Sql::contains("ADD COLUMNS"), Reply::affected(0));
    warehouse.once(Sql::contains("DESCRIBE"), described(&table_of("a: int, b: int")));
    warehouse.once(Sql::contains("COMMENT"), Reply::error(Error::new(ErrorKind::PermissionDenied, "no")));
    let error = table.evolve_safely(&wanted, &EvolutionOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!((error.context("already done"), error.context("step")), (Some("add b"), Some("comment on a")));
    assert!(!warehouse.calls().contains(&Call::Load));
}

#[tokio::test]
async fn a_table_that_keeps_changing_ends_in_a_conflict() {
    let (warehouse, table) = scripted();
    warehouse.always(Sql::contains("DESCRIBE"), described(&table_of("a: int")));
    warehouse.always(Sql::contains("ADD COLUMNS"), Reply::affected(0));
    let wanted = table_of("a: int, b: int").schema;
    let error = table.evolve_safely(&wanted, &EvolutionOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

fn same(a: &TableSchema, b: &TableSchema) -> bool {
    SchemaDiff::between(a, b).compatibility() == Compatibility::Identical
}

/// Every part that can grow, grown.
fn wider(data_type: &DeltaType) -> DeltaType {
    match data_type {
        DeltaType::Byte | DeltaType::Short => DeltaType::Int,
        DeltaType::Int => DeltaType::Long,
        DeltaType::Float => DeltaType::Double,
        DeltaType::Date => DeltaType::TimestampNtz,
        DeltaType::Char(_) | DeltaType::Varchar(_) => DeltaType::String,
        DeltaType::Array(element) => DeltaType::array_of(wider(element)),
        DeltaType::Map(key, value) => DeltaType::map_of(wider(key), wider(value)),
        DeltaType::Struct(fields) => {
            let grown = fields.iter().map(|field| {
                let mut field = StructField::new(&field.name, wider(&field.data_type));
                field.comment = Some("grown".to_owned());
                field
            });
            DeltaType::Struct(grown.chain([StructField::new("new", DeltaType::Binary)]).collect())
        }
        other => other.clone(),
    }
}

/// A table and what it can become: some columns go, some grow, some come.
fn evolved() -> impl Strategy<Value = (TableSchema, TableSchema)> {
    (schema(), schema(), any::<[bool; 6]>()).prop_map(|(present, other, coins)| {
        let kept = present.columns().iter().enumerate().filter(|(index, _)| coins[index % 6] || *index == 0);
        let kept = kept.map(|(index, column)| {
            let grows = coins[(index + 3) % 6];
            let grown = if grows { wider(&column.data_type) } else { column.data_type.clone() };
            let mut column = Column { data_type: grown, ..column.clone() };
            column.nullable |= grows;
            column
        });
        let new = other.columns().iter().filter(|column| present.column(&column.name).is_none()).cloned();
        let wanted = kept.chain(new).collect();
        (present, wanted)
    })
}

proptest! {
    #[test]
    fn what_a_table_can_become_it_becomes((present, wanted) in evolved(), stop in 0usize..12) {
        let mut table = TableDescription::of_schema(present);
        let whole = plan(&table, &wanted, &everything());
        prop_assert!(whole.refusals.is_empty(), "{:?}", whole.refusals);
        let stop = stop.min(whole.steps.len());
        for step in &whole.steps[..stop] {
            table = after(table, step);
        }
        // Broken off here, and begun again.
        let rest = plan(&table, &wanted, &everything());
        prop_assert_eq!(&rest.steps[..], &whole.steps[stop..]);
        for step in &rest.steps {
            table = after(table, step);
        }
        prop_assert!(same(&table.schema, &wanted), "{:?}", SchemaDiff::between(&table.schema, &wanted));
        prop_assert!(plan(&table, &wanted, &everything()).is_empty());
    }

    #[test]
    fn a_plan_that_is_carried_out_arrives_and_leaves_nothing_to_do(present in schema(), wanted in schema()) {
        let mut table = TableDescription::of_schema(present);
        let plan = plan(&table, &wanted, &everything());
        if plan.refusals.is_empty() {
            for step in &plan.steps {
                table = after(table, step);
            }
            prop_assert!(same(&table.schema, &wanted), "{:?}", SchemaDiff::between(&table.schema, &wanted));
            prop_assert!(EvolutionPlan::between(&table, &wanted, &everything()).unwrap().is_empty());
        } else {
            prop_assert_eq!(SchemaDiff::between(&table.schema, &wanted).compatibility(), Compatibility::Incompatible);
        }
    }

    /// Wherever a run breaks off, the table as it is then gives the rest of the plan.
    #[test]
    fn a_run_that_broke_off_is_resumed_from_the_table(present in schema(), wanted in schema(), stop in 0usize..8) {
        let mut table = TableDescription::of_schema(present);
        let whole = plan(&table, &wanted, &everything());
        if whole.refusals.is_empty() {
            let stop = stop.min(whole.steps.len());
            for step in &whole.steps[..stop] {
                table = after(table, step);
            }
            prop_assert_eq!(&plan(&table, &wanted, &everything()).steps[..], &whole.steps[stop..]);
        }
    }

    #[test]
    fn without_options_only_what_is_compatible_is_done(present in schema(), wanted in schema()) {
        let table = TableDescription::of_schema(present);
        let options = EvolutionOptions::default().with_widening(false);
        let plan = plan(&table, &wanted, &options);
        let compatibility = SchemaDiff::between(&table.schema, &wanted).compatibility();
        prop_assert_eq!(plan.refusals.is_empty(), compatibility <= Compatibility::Evolution);
    }
}
