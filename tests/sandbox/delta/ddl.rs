//! Tables are made, changed, described and dropped, for real.

use twinhouse_core::{Error, ErrorKind};
use twinhouse_delta::{
    CreateTable, DeltaTable, WhenExists,
    schema::{Column, DeltaType, FieldPath, StructField, TableSchema},
};
use twinhouse_warehouse_api::{Expression, StatementRequest, TableRef, WarehouseExt as _};

use super::ground::{Ground, row};
use crate::fixtures::BY_HAND;

fn create(ground: &Ground) -> CreateTable {
    ground.client.create(ground.table.table_ref().name())
}

fn column(name: &str, data_type: &str) -> Column {
    Column::new(name, data_type.parse().expect("a type"))
}

async fn refused(ground: &Ground, sql: &str) -> Error {
    let sql = format!("{BY_HAND}{}", sql.replace("$t", &ground.name));
    match ground.warehouse.execute(StatementRequest::write(&sql)).await {
        Err(error) => error,
        Ok(_) => panic!("{sql} was not refused"),
    }
}

async fn texts(ground: &Ground, sql: &str) -> Vec<String> {
    let request = StatementRequest::read(format!("{BY_HAND}{}", sql.replace("$t", &ground.name)));
    let rows = ground.warehouse.query(request).await.expect(sql).collect_batches().await.expect(sql);
    let mut texts = Vec::new();
    for batch in rows {
        for row in 0..batch.num_rows() {
            let values = batch
                .columns()
                .iter()
                .map(|column| arrow::util::display::array_value_to_string(column, row).expect("a printable value"));
            texts.push(values.collect::<Vec<_>>().join("|"));
        }
    }
    texts
}

#[tokio::test]
async fn a_table_is_described_as_it_was_made() {
    let ground = Ground::without_table("ddl_whole").await;
    let schema = TableSchema::new([
        column("id", "bigint").not_null().with_comment("it's \\ the key"),
        column("Code", "varchar(5)"),
        column("at", "timestamp"),
        column("local", "timestamp_ntz"),
        column("deep", "map<string, array<struct<a: int not null comment 'x', `B c`: decimal(12,2)>>>"),
        column("a b", "binary"),
        column("day", "date"),
    ]);
    let table = create(&ground)
        .with_columns(&schema)
        .with_column_mapping()
        .clustered_by(["ID", "day"])
        .with_comment("about it")
        .with_property("team", "o'hara")
        .with_constraint("Positive", "ID > 0")
        .run()
        .await
        .expect("a table");
    let found = table.describe().await.expect("a description");
    assert_eq!(found.schema, schema);
    assert_eq!(found.comment.as_deref(), Some("about it"));
    assert_eq!(found.clustered_by, ["id", "day"]);
    assert!(found.partitioned_by.is_empty());
    for (key, value) in
        [("team", "o'hara"), ("delta.constraints.positive", "ID > 0"), ("delta.columnMapping.mode", "name")]
    {
        assert_eq!(found.properties.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert_eq!(table.detail().await.expect("a detail").clustering_columns, ["id", "day"]);
    let shown = texts(&ground, "show create table $t").await.remove(0);
    for part in
        ["`a b` BINARY", "Code VARCHAR(5)", "CLUSTER BY (`id`, `day`)", "'team' = 'o\\'hara'", "COMMENT 'about it'"]
    {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    // What is shown makes the same table again.
    ground.table.drop_table().await.expect("dropped");
    ground.run(&shown).await;
    let again = table.describe().await.expect("a description");
    assert_eq!((again.schema, again.clustered_by), (found.schema, found.clustered_by));
}

#[tokio::test]
async fn a_name_that_is_taken_fails_or_keeps_or_replaces_in_one_version() {
    let ground = Ground::without_table("ddl_exists").await;
    let old = || create(&ground).with_column(column("id", "bigint")).with_column(column("name", "string"));
    let table = old().run().await.expect("a table");
    ground.run(&format!("insert into {} values (1, 'one')", ground.name)).await;
    assert_eq!(old().run().await.expect_err("taken").kind(), ErrorKind::AlreadyExists);
    old().when_exists(WhenExists::Keep).run().await.expect("kept");
    assert_eq!(ground.rows().await, [row(1, "one")]);
    let before = ground.version().await;
    let new = create(&ground)
        .with_column(column("x", "timestamp_ntz"))
        .with_column(column("d", "date"))
        .partitioned_by(["d"]);
    new.with_comment("new").when_exists(WhenExists::Replace).run().await.expect("replaced");
    assert_eq!(ground.version().await, before + 1);
    let found = table.describe().await.expect("a description");
    assert_eq!(found.schema.columns()[0].name, "x");
    assert_eq!((found.partitioned_by, found.comment.as_deref()), (vec!["d".to_owned()], Some("new")));
    let then = texts(&ground, &format!("select * from $t version as of {before}")).await;
    assert_eq!(then, ["1|one"]);
}

#[tokio::test]
async fn a_table_like_another_has_its_columns_and_layout_and_none_of_its_rows() {
    let ground = Ground::with(
        "ddl_source",
        "(id bigint not null comment 'k', `a b` int, d date) partitioned by (d) tblproperties ('team' = 'x')",
    )
    .await;
    ground.run(&format!("insert into {} values (1, 2, date '2024-01-02')", ground.name)).await;
    let copy = format!("{}_copy", ground.table.table_ref().name());
    let table =
        ground.client.create(copy.as_str()).like(ground.table.table_ref().clone()).run().await.expect("a table");
    let (source, found) =
        (ground.table.describe().await.expect("a description"), table.describe().await.expect("another"));
    assert_eq!((found.schema, found.partitioned_by), (source.schema, source.partitioned_by));
    assert_eq!(found.properties.get("team").map(String::as_str), Some("x"));
    assert_eq!(texts(&ground, &format!("select count(*) from `{copy}`")).await, ["0"]);
    ground.run(&format!("insert into `{copy}` values (3, 4, date '2024-01-03')")).await;
    assert_eq!(texts(&ground, &format!("select id, `a b` from `{copy}`")).await, ["3|4"]);
}

#[tokio::test]
async fn constraints_look_at_rows_that_are_there_and_at_those_that_come() {
    let ground = Ground::new("ddl_checks").await;
    ground.run(&format!("insert into {} values (1, 'one'), (5, null)", ground.name)).await;
    let table = &ground.table;
    let small = |most: i64| Expression::new("ID < :most").bind("most", most);
    assert_eq!(table.add_constraint("small", small(5)).await.expect_err("violated").kind(), ErrorKind::Constraint);
    table.add_constraint("small", small(10)).await.expect("holds");
    let again = table.add_constraint("Small", small(20)).await.expect_err("taken");
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    // A condition that is unknown is not true.
    assert_eq!(table.add_constraint("named", "name <> 'x'").await.expect_err("null").kind(), ErrorKind::Constraint);
    let error = refused(&ground, "insert into $t values (11, 'x')").await;
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Constraint, Some("23001")));
    let error = refused(&ground, "alter table $t add constraint odd check (id + 1)").await;
    assert_eq!(error.vendor_code(), Some("DELTA_NON_BOOLEAN_CHECK_CONSTRAINT"));
    assert_eq!(table.add_constraint("gone", "nothing > 1").await.expect_err("unknown").kind(), ErrorKind::NotFound);
    table.drop_constraint("SMALL").await.expect("dropped");
    table.drop_constraint("small").await.expect("dropped before");
    assert_eq!(refused(&ground, "alter table $t drop constraint small").await.kind(), ErrorKind::NotFound);
    ground.run(&format!("insert into {} values (11, 'x')", ground.name)).await;

    assert_eq!(table.set_not_null("name").await.expect_err("a null").kind(), ErrorKind::Constraint);
    table.set_not_null("id").await.expect("no null");
    assert_eq!(refused(&ground, "insert into $t values (null, 'x')").await.kind(), ErrorKind::Constraint);
    assert!(!table.describe().await.expect("a description").schema.columns()[0].nullable);
    table.drop_not_null("ID").await.expect("allowed");
    ground.run(&format!("insert into {} values (null, 'x')", ground.name)).await;
}

#[tokio::test]
async fn columns_are_added_anywhere_and_old_rows_hold_nulls() {
    let ground = Ground::with("ddl_add", "(id bigint, s struct<a: int>, l array<struct<x: int>>)").await;
    ground
        .run(&format!("insert into {} select 1, named_struct('a', 7), array(named_struct('x', 8))", ground.name))
        .await;
    let table = &ground.table;
    table
        .add_columns([column("note", "string").with_comment("by hand"), column("when", "timestamp_ntz")])
        .await
        .expect("added");
    ground.run(&format!("alter table {} add columns (s.b string comment 'in', l.element.y date, first int first, `s`.c int after a)", ground.name)).await;
    let found = table.describe().await.expect("a description").schema;
    assert_eq!(
        found,
        TableSchema::new([
            column("first", "int"),
            column("id", "bigint"),
            column("s", "struct<a: int, c: int, b: string comment 'in'>"),
            column("l", "array<struct<x: int, y: date>>"),
            column("note", "string").with_comment("by hand"),
            column("when", "timestamp_ntz"),
        ])
    );
    let rows = texts(&ground, "select first, id, s.a, s.c, s.b, l, note, `when` from $t").await;
    assert_eq!(rows, ["|1|7|||[{x: 8, y: }]||"]);
    ground.run(&format!(
        "insert into {} select 9, 2, named_struct('a', 1, 'c', 2, 'b', 'x'), array(named_struct('x', 3, 'y', date '2024-01-02')), 'n', timestamp_ntz '2024-01-02 03:04:05'",
        ground.name
    ))
    .await;
    let rows = texts(&ground, "select first, s.b, l, note from $t order by id").await;
    assert_eq!(rows, ["||[{x: 8, y: }]|", "9|x|[{x: 3, y: 2024-01-02}]|n"]);

    for (sql, class) in [
        ("add column ID int", "FIELD_ALREADY_EXISTS"),
        ("add column s.A int", "FIELD_ALREADY_EXISTS"),
        ("add column no.where int", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
        ("add column id.x int", "INVALID_FIELD_NAME"),
        ("add column q int not null", "DELTA_OPERATION_NOT_ALLOWED"),
        ("add column q int default 1", "WRONG_COLUMN_DEFAULTS_FOR_DELTA_ALTER_TABLE_ADD_COLUMN_NOT_SUPPORTED"),
        ("add column `q r` int", "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES"),
        ("add column q hologram", "PARSE_SYNTAX_ERROR"),
        ("add column q variant", "UNSUPPORTED_FEATURE"),
        ("drop column note", "DELTA_UNSUPPORTED_DROP_COLUMN"),
        ("rename column note to n", "DELTA_UNSUPPORTED_RENAME_COLUMN"),
        ("alter column id type string", "DELTA_UNSUPPORTED_ALTER_TABLE_CHANGE_COL_OP"),
        ("alter column nope comment 'x'", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
        ("alter column id set default 1", "WRONG_COLUMN_DEFAULTS_FOR_DELTA_FEATURE_NOT_ENABLED"),
        ("recover partitions", "UNSUPPORTED_FEATURE"),
    ] {
        let error = refused(&ground, &format!("alter table $t {sql}")).await;
        assert_eq!(error.vendor_code(), Some(class), "{sql}: {error}");
    }
    let kind = table.add_columns([column("note", "int")]).await.expect_err("taken").kind();
    assert_eq!(kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn columns_are_renamed_and_dropped_without_rewriting_a_file() {
    let ground =
        Ground::with("ddl_map", "(id bigint, name string, s struct<a: int, b: int>, p int) partitioned by (p)").await;
    let table = &ground.table;
    let insert = |values: &str| format!("insert into {} {values}", ground.name);
    ground.run(&insert("select 1, 'one', named_struct('a', 10, 'b', 11), 5")).await;
    assert_eq!(table.rename_column("name", "x").await.expect_err("not mapped").kind(), ErrorKind::Unsupported);
    table.set_properties([("delta.columnMapping.mode", "name")]).await.expect("mapped");
    table.rename_column("NAME", "full name").await.expect("renamed");
    table.rename_column(FieldPath::from("s").then("a"), "z").await.expect("renamed");
    table.rename_column("p", "part").await.expect("renamed");
    let version = ground.version().await;
    table.drop_column(FieldPath::from("s").then("b")).await.expect("dropped");
    ground.run(&insert("select 2, 'two', named_struct('z', 20), 6")).await;
    let all = "select id, `full name`, s, part from $t order by id";
    assert_eq!(texts(&ground, all).await, ["1|one|{z: 10}|5", "2|two|{z: 20}|6"]);
    assert_eq!(texts(&ground, "select id from $t where part = 5 and s.z = 10 and `full name` = 'one'").await, ["1"]);
    let before = texts(&ground, &format!("select s.b from $t version as of {version}")).await;
    assert_eq!(before, ["11"]);
    table.drop_column("full name").await.expect("dropped");
    table.add_columns([column("full name", "int")]).await.expect("another of that name");
    assert_eq!(texts(&ground, "select id, `full name` from $t order by id").await, ["1|", "2|"]);
    ground.run(&format!("update {} set `full name` = 3 where id = 2", ground.name)).await;
    ground.run(&format!("delete from {} where id = 1", ground.name)).await;
    assert_eq!(texts(&ground, "select * from $t").await, ["2|{z: 20}|6|3"]);
    assert_eq!(table.describe().await.expect("a description").partitioned_by, ["part"]);
    for (sql, class) in [
        ("drop column part", "DELTA_UNSUPPORTED_DROP_PARTITION_COLUMN"),
        ("drop column s.z", "DELTA_DROP_COLUMN_ON_SINGLE_FIELD_SCHEMA"),
        ("rename column id to PART", "FIELD_ALREADY_EXISTS"),
        ("drop column gone", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
        ("set tblproperties ('delta.columnMapping.mode' = 'none')", "DELTA_UNSUPPORTED_COLUMN_MAPPING_MODE_CHANGE"),
    ] {
        let error = refused(&ground, &format!("alter table $t {sql}")).await;
        assert_eq!(error.vendor_code(), Some(class), "{sql}: {error}");
    }
    ground.run(&format!("alter table {} drop column if exists gone", ground.name)).await;
    table.add_constraint("c", "id > 0").await.expect("holds");
    let error = refused(&ground, "alter table $t rename column id to key").await;
    assert_eq!(error.vendor_code(), Some("DELTA_CONSTRAINT_DEPENDENT_COLUMN_CHANGE"));
}

#[tokio::test]
async fn generated_columns_and_defaults_fill_themselves() {
    let ground = Ground::without_table("ddl_generated").await;
    create(&ground)
        .with_column(column("id", "bigint"))
        .with_column(column("at", "timestamp"))
        .with_column(column("day", "date").generated_as("cast(at as date)"))
        .with_column(column("n", "int").with_default("7"))
        .with_property("delta.feature.allowColumnDefaults", "supported")
        .run()
        .await
        .expect("a table");
    ground.run(&format!("insert into {} (id, at) values (1, timestamp '2024-01-02 03:04:05')", ground.name)).await;
    assert_eq!(texts(&ground, "select id, day, n from $t").await, ["1|2024-01-02|7"]);
    let described = ground.table.describe().await.expect("a description");
    assert_eq!(described.schema.columns()[3].default, Some(Expression::new("7")));
    ground.table.set_default("n", Expression::new(":n").bind("n", 8)).await.expect("set");
    ground.run(&format!("insert into {} (id, at) values (2, timestamp '2024-01-03 00:00:00')", ground.name)).await;
    ground.table.drop_default("n").await.expect("dropped");
    ground.run(&format!("insert into {} (id, at) values (3, timestamp '2024-01-03 00:00:00')", ground.name)).await;
    assert_eq!(texts(&ground, "select id, n from $t order by id").await, ["1|7", "2|8", "3|"]);
    let error = refused(&ground, "alter table $t add column g int generated always as (id)").await;
    assert_eq!(error.vendor_code(), Some("DELTA_OPERATION_NOT_ALLOWED"));
}

#[tokio::test]
async fn properties_comments_and_clustering_come_and_go() {
    let ground = Ground::new("ddl_properties").await;
    let table = &ground.table;
    table.set_properties([("a", "1"), ("b", "it's")]).await.expect("set");
    table.unset_properties(["a", "never"]).await.expect("unset");
    assert_eq!(texts(&ground, "show tblproperties $t ('b')").await, ["b|it's"]);
    let all = texts(&ground, "show tblproperties $t").await;
    assert!(all.contains(&"b|it's".to_owned()) && !all.iter().any(|row| row.starts_with("a|")), "{all:?}");
    for (sql, class) in [
        ("unset tblproperties ('a')", "DELTA_UNSET_NON_EXISTENT_PROPERTY"),
        ("set tblproperties ('delta.constraints.x' = 'id > 0')", "DELTA_ADD_CONSTRAINTS"),
        ("set tblproperties ('delta.nonsense' = '1')", "DELTA_UNKNOWN_CONFIGURATION"),
        ("set tblproperties ('delta.enableTypeWidening' = 'true')", "UNSUPPORTED_FEATURE"),
        ("cluster by (id, name, id)", "COLUMN_ALREADY_EXISTS"),
        ("cluster by (nope)", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
    ] {
        let error = refused(&ground, &format!("alter table $t {sql}")).await;
        assert_eq!(error.vendor_code(), Some(class), "{sql}: {error}");
    }
    table.set_properties([("delta.appendOnly", "true")]).await.expect("set");
    ground.run(&format!("insert into {} values (1, 'one')", ground.name)).await;
    refused(&ground, "delete from $t where id = 1").await;

    table.set_comment(Some("it's here")).await.expect("set");
    table.set_column_comment("NAME", "of it").await.expect("set");
    let found = table.describe().await.expect("a description");
    assert_eq!(
        (found.comment.as_deref(), found.schema.columns()[1].comment.as_deref()),
        (Some("it's here"), Some("of it"))
    );
    ground.run(&format!("comment on column {}.name is null", ground.name)).await;
    table.set_comment(None).await.expect("taken away");
    let found = table.describe().await.expect("a description");
    assert_eq!((found.comment, found.schema.columns()[1].comment.clone()), (None, None));

    table.cluster_by(["name"]).await.expect("clustered");
    assert_eq!(table.detail().await.expect("a detail").clustering_columns, ["name"]);
    assert!(texts(&ground, "describe table $t").await.contains(&"# Clustering Information||".to_owned()));
    table.cluster_by(Vec::<FieldPath>::new()).await.expect("no longer");
    assert!(table.describe().await.expect("a description").clustered_by.is_empty());
    let both = "create or replace table $t (a int, b int) partitioned by (a) cluster by (b)";
    assert_eq!(
        refused(&ground, both).await.vendor_code(),
        Some("SPECIFY_CLUSTER_BY_WITH_PARTITIONED_BY_IS_NOT_ALLOWED")
    );
    let history = table.history(20).await.expect("a history");
    let operations: Vec<String> = history.iter().map(|entry| entry.operation.to_string()).collect();
    for operation in ["CLUSTER BY", "CHANGE COLUMN", "SET TBLPROPERTIES", "UNSET TBLPROPERTIES", "CREATE TABLE"] {
        assert!(operations.iter().any(|found| found == operation), "{operation} in {operations:?}");
    }
}

#[tokio::test]
async fn a_table_is_renamed_and_dropped() {
    let ground = Ground::new("ddl_rename").await;
    ground.run(&format!("insert into {} values (1, 'one')", ground.name)).await;
    let taken = Ground::new("ddl_taken").await;
    let to = taken.table.table_ref().clone();
    assert_eq!(ground.table.rename(to).await.expect_err("taken").kind(), ErrorKind::AlreadyExists);
    let to = TableRef::new(format!("{}`s", ground.table.table_ref().name()));
    let renamed: DeltaTable = ground.table.rename(to).await.expect("renamed");
    assert_eq!(ground.table.describe().await.expect_err("gone").kind(), ErrorKind::NotFound);
    assert_eq!(renamed.describe().await.expect("there").schema.columns().len(), 2);
    renamed.drop_table().await.expect("dropped");
    assert_eq!(renamed.drop_table().await.expect_err("gone").kind(), ErrorKind::NotFound);
    renamed.drop_if_exists().await.expect("nothing to do");
    assert_eq!(renamed.undrop().await.expect_err("the sandbox keeps nothing").kind(), ErrorKind::Unsupported);
    assert_eq!(renamed.add_columns([column("x", "int")]).await.expect_err("gone").kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn names_of_columns_may_be_hostile() {
    let ground = Ground::without_table("ddl_hostile").await;
    let names = ["a`b", "it's", "a.b", "; drop table t --", "\"q\"", "select", "é\u{1F600}", "a\\b", "${x}", ":x"];
    let columns = names.map(|name| Column::new(name, DeltaType::Int).with_comment(name));
    let nested =
        Column::new("s", DeltaType::Struct(names.iter().map(|name| StructField::new(*name, DeltaType::Int)).collect()));
    let table =
        create(&ground).with_columns(&TableSchema::new(columns)).with_column(nested).with_column_mapping().run();
    let table = table.await.expect("a table");
    for name in names {
        table.rename_column(name, &format!("{name}2")).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        table.drop_column(FieldPath::from("s").then(name)).await.err();
    }
    let found = table.describe().await.expect("a description").schema;
    for name in names {
        assert_eq!(found.column(&format!("{name}2")).and_then(|column| column.comment.as_deref()), Some(name));
    }
    // The last field of a struct stays.
    assert_eq!(found.column("s").map(|column| column.data_type.to_string()).as_deref(), Some("STRUCT<`:x`: INT>"));
}

#[tokio::test]
async fn a_table_made_of_a_query_is_one_version_whatever_its_properties() {
    let ground = Ground::without_table("ddl_query").await;
    let name = &ground.name;
    let made = |verb: &str, how: &str, rows: u64| {
        format!(
            "{verb} {name} {how} as select id, concat('p ', cast(id % 2 as string)) as `part of` from range({rows})"
        )
    };
    ground.run(&made("create table", "partitioned by (`part of`) tblproperties ('team' = 'x')", 10)).await;
    assert_eq!(ground.version().await, 0);
    let count = "select count(*), count(distinct `part of`) from $t";
    assert_eq!(texts(&ground, count).await, ["10|2"]);
    ground.run(&made("create or replace table", "cluster by (id) comment 'two'", 4)).await;
    assert_eq!(ground.version().await, 1);
    assert_eq!(texts(&ground, count).await, ["4|2"]);
    assert_eq!(texts(&ground, "select count(*) from $t version as of 0").await, ["10"]);
    let found = ground.table.describe().await.expect("a description");
    assert_eq!(
        (found.clustered_by, found.partitioned_by.len(), found.comment.as_deref()),
        (vec!["id".to_owned()], 0, Some("two"))
    );
    let history = ground.table.history(2).await.expect("a history");
    let said: Vec<_> = history.iter().map(|entry| entry.operation.to_string()).collect();
    assert_eq!(said, ["CREATE OR REPLACE TABLE AS SELECT", "CREATE TABLE AS SELECT"]);
    ground.run(&format!("insert into {name} values (7, 'x')")).await;
    ground.run(&format!("delete from {name} where id < 2")).await;
    assert_eq!(texts(&ground, "select sum(id) from $t").await, ["12"]);
}
