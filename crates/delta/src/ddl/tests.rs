use std::sync::Arc;

use proptest::prelude::*;
use twinhouse_core::ErrorKind;
use twinhouse_testkit::{Reply, ScriptedWarehouse, Sql};
use twinhouse_warehouse_api::{Expression, TableRef};

use super::*;
use crate::{
    DeltaClient, DeltaTable,
    schema::{Column, DeltaType, FieldPath, StructField, TableSchema},
};

fn client() -> (ScriptedWarehouse, DeltaClient) {
    let warehouse = ScriptedWarehouse::new();
    let client = DeltaClient::new(Arc::new(warehouse.clone())).unwrap().with_schema("s");
    (warehouse, client)
}

fn id() -> Column {
    Column::new("id", DeltaType::Long)
}

#[test]
fn a_table_is_made_of_everything_that_was_asked_for() {
    let (_, client) = client();
    let sql = client
        .create("odd`name")
        .with_column(id().not_null().with_comment("it's \\ the key"))
        .with_column(Column::new("at", DeltaType::Timestamp))
        .with_column(Column::new("day", DeltaType::Date).generated_as("cast(at as date)"))
        .with_column(Column::new("n", DeltaType::Int).with_default(Expression::new(":zero").bind("zero", 0)))
        .with_column(Column::new("s", DeltaType::Struct(vec![StructField::new("a", DeltaType::Int).not_null()])))
        .partitioned_by(["DAY"])
        .with_comment("about")
        .with_property("k'", "v")
        .with_constraint("Positive", Expression::new("id > :low").bind("low", 0))
        .when_exists(WhenExists::Replace)
        .sql()
        .unwrap();
    assert_eq!(
        sql,
        "CREATE OR REPLACE TABLE `s`.`odd``name` (`id` BIGINT NOT NULL COMMENT 'it\\'s \\\\ the key', `at` TIMESTAMP, \
         `day` DATE GENERATED ALWAYS AS (cast(at as date)), `n` INT DEFAULT 0, `s` STRUCT<`a`: INT NOT NULL>) \
         USING DELTA PARTITIONED BY (`DAY`) COMMENT 'about' \
         TBLPROPERTIES ('delta.constraints.positive' = 'id > 0', 'k\\'' = 'v')"
    );
    let sql = client.create("t").with_column(id()).clustered_by(["id"]).when_exists(WhenExists::Keep).sql().unwrap();
    assert_eq!(sql, "CREATE TABLE IF NOT EXISTS `s`.`t` (`id` BIGINT) USING DELTA CLUSTER BY (`id`)");
    let sql = client.create("t").like(TableRef::new("u").with_schema("x")).sql().unwrap();
    assert_eq!(sql, "CREATE TABLE `s`.`t` LIKE `x`.`u` USING DELTA");
}

#[tokio::test]
async fn what_no_table_can_have_is_refused_before_anything_is_sent() {
    let (warehouse, client) = client();
    let new = || client.create("t").with_column(id());
    let many = ["a", "b", "c", "d", "e"];
    let wide = TableSchema::new(many.map(|name| Column::new(name, DeltaType::Int)));
    for create in [
        client.create("t"),
        new().with_column(Column::new("ID", DeltaType::Int)),
        new().with_column(Column::new("a b", DeltaType::Int)),
        new().partitioned_by(["id"]),
        new().partitioned_by(["x"]),
        new().clustered_by(["x"]),
        new().with_columns(&wide).clustered_by(many),
        new().with_column(Column::new("d", DeltaType::Date)).partitioned_by(["d"]).clustered_by(["id"]),
        new().like(TableRef::new("u")),
        new().with_constraint("a b", "true"),
        new().with_constraint("a", " "),
        new().with_constraint("a", "id > 1").with_constraint("A", "id > 2"),
        new().with_constraint("a", "id > :missing"),
        new().with_property("", "x"),
    ] {
        let said = format!("{create:?}");
        assert_eq!(create.run().await.unwrap_err().kind(), ErrorKind::InvalidInput, "{said}");
    }
    let interval = "interval day".parse().unwrap();
    let error = new().with_column(Column::new("i", interval)).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    new().with_column(Column::new("a b", DeltaType::Int)).with_column_mapping().sql().unwrap();

    let table = client.table("t");
    let refused = [
        table.add_columns([]).await,
        table.add_columns([id().not_null()]).await,
        table.add_columns([id().with_default("1")]).await,
        table.add_columns([id().generated_as("1")]).await,
        table.set_properties([("delta.constraints.x", "true")]).await,
        table.set_properties(Vec::<(String, String)>::new()).await,
        table.unset_properties(Vec::<String>::new()).await,
        table.add_constraint("a.b", "true").await,
        table.cluster_by(many).await,
        table.rename_column("a", "").await,
        table.drop_column("a\0").await,
    ];
    for (index, refused) in refused.into_iter().enumerate() {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput, "{index}");
    }
    assert_eq!(warehouse.statements().len(), 0);
}

#[tokio::test]
async fn each_change_is_the_one_statement_it_says() {
    let (warehouse, client) = client();
    warehouse.always(Sql::any(), Reply::affected(0));
    let table = client.table("t");
    let field = FieldPath::from("items").then("element").then("a.b");
    table.add_columns([id().with_comment("c"), Column::new("x", DeltaType::Variant)]).await.unwrap();
    table.rename_column(field.clone(), "n").await.unwrap();
    table.drop_column("c").await.unwrap();
    table.set_type(field.clone(), &DeltaType::Decimal { precision: 12, scale: 2 }).await.unwrap();
    table.set_column_comment("c", "it's").await.unwrap();
    table.set_not_null("c").await.unwrap();
    table.drop_not_null(field).await.unwrap();
    table.set_default("c", Expression::new(":v").bind("v", "x'")).await.unwrap();
    table.drop_default("c").await.unwrap();
    table.add_constraint("ok", "c > 1").await.unwrap();
    table.drop_constraint("ok").await.unwrap();
    table.set_properties([("a", "1"), ("b", "2")]).await.unwrap();
    table.unset_properties(["a", "b"]).await.unwrap();
    table.set_comment(Some("x")).await.unwrap();
    table.set_comment(None).await.unwrap();
    table.cluster_by(["a", "b"]).await.unwrap();
    table.cluster_by(Vec::<FieldPath>::new()).await.unwrap();
    let renamed = table.rename(TableRef::new("u").with_schema("s")).await.unwrap();
    renamed.drop_table().await.unwrap();
    renamed.undrop().await.unwrap();
    renamed.drop_if_exists().await.unwrap();
    let statements = warehouse.statements();
    let sent: Vec<_> = statements.iter().map(|statement| statement.sql()).collect();
    let wanted = [
        "ALTER TABLE `s`.`t` ADD COLUMNS (`id` BIGINT COMMENT 'c', `x` VARIANT)",
        "ALTER TABLE `s`.`t` RENAME COLUMN `items`.`element`.`a.b` TO `n`",
        "ALTER TABLE `s`.`t` DROP COLUMN `c`",
        "ALTER TABLE `s`.`t` ALTER COLUMN `items`.`element`.`a.b` TYPE DECIMAL(12,2)",
        "ALTER TABLE `s`.`t` ALTER COLUMN `c` COMMENT 'it\\'s'",
        "ALTER TABLE `s`.`t` ALTER COLUMN `c` SET NOT NULL",
        "ALTER TABLE `s`.`t` ALTER COLUMN `items`.`element`.`a.b` DROP NOT NULL",
        "ALTER TABLE `s`.`t` ALTER COLUMN `c` SET DEFAULT 'x\\''",
        "ALTER TABLE `s`.`t` ALTER COLUMN `c` DROP DEFAULT",
        "ALTER TABLE `s`.`t` ADD CONSTRAINT `ok` CHECK (c > 1)",
        "ALTER TABLE `s`.`t` DROP CONSTRAINT IF EXISTS `ok`",
        "ALTER TABLE `s`.`t` SET TBLPROPERTIES ('a' = '1', 'b' = '2')",
        "ALTER TABLE `s`.`t` UNSET TBLPROPERTIES IF EXISTS ('a', 'b')",
        "COMMENT ON TABLE `s`.`t` IS 'x'",
        "COMMENT ON TABLE `s`.`t` IS NULL",
        "ALTER TABLE `s`.`t` CLUSTER BY (`a`, `b`)",
        "ALTER TABLE `s`.`t` CLUSTER BY NONE",
        "ALTER TABLE `s`.`t` RENAME TO `s`.`u`",
        "DROP TABLE `s`.`u`",
        "UNDROP TABLE `s`.`u`",
        "DROP TABLE IF EXISTS `s`.`u`",
    ];
    assert_eq!(sent, wanted);
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

proptest! {
    /// Whatever the names are, the statement is the one frame with the names in quotes.
    #[test]
    fn hostile_names_stay_names(name in "[^\0]{1,40}", column in "[^\0 ,;{}()\n\t=]{1,40}") {
        let (_, client) = client();
        let sql = client.create(&name).with_column(Column::new(&column, DeltaType::Int)).sql();
        prop_assume!(!column.starts_with("_c"));
        let wanted = format!("CREATE TABLE `s`.{} ({} INT) USING DELTA", quoted(&name), quoted(&column));
        prop_assert_eq!(sql.unwrap(), wanted);
    }
}

/// Handles are moved into tasks.
#[test]
fn what_changes_a_table_can_be_a_task() {
    fn send<T: Send>(_: T) {}
    let (_, client) = client();
    let table: DeltaTable = client.table("t");
    send(client.create("t").run());
    send(table.describe());
    send(table.add_columns([id()]));
    send(table.set_properties([("a", "b")]));
}
