//! Types as the server keeps, describes and reads them.

use twinhouse_core::ErrorKind;
use twinhouse_delta::schema::{Column, DeltaType, TableSchema};
use twinhouse_warehouse_api::{Warehouse as _, WarehouseExt as _};

use super::ground::Ground;

/// Every type that a table of the sandbox stores.
const STORED: &[&str] = &[
    "boolean",
    "tinyint",
    "smallint",
    "int",
    "bigint",
    "float",
    "double",
    "decimal(38,38)",
    "decimal(1,0)",
    "string",
    "char(3)",
    "varchar(300)",
    "binary",
    "date",
    "timestamp",
    "timestamp_ntz",
    "array<array<timestamp_ntz>>",
    "map<int, map<string, array<double>>>",
    "struct<a: struct<b: struct<c: bigint>>, d: array<struct<e: date>>>",
];

#[tokio::test]
async fn every_stored_type_is_described_and_read_as_itself() {
    let ground = Ground::without_table("schema_types").await;
    let columns =
        STORED.iter().enumerate().map(|(index, text)| Column::new(format!("c{index}"), text.parse().expect(text)));
    let schema: TableSchema = columns.collect();
    let table =
        ground.client.create(ground.table.table_ref().name()).with_columns(&schema).run().await.expect("a table");
    assert_eq!(table.describe().await.expect("a description").schema, schema);

    // Unity Catalog says the same, though not the lengths.
    let info = ground.warehouse.table(table.table_ref()).await.expect("a table");
    let listed = TableSchema::of_table(&info).expect("types that are known");
    for (listed, column) in listed.columns().iter().zip(schema.columns()) {
        let known = match &column.data_type {
            DeltaType::Char(_) | DeltaType::Varchar(_) => DeltaType::String,
            other => other.clone(),
        };
        assert_eq!(listed.data_type, known, "{}", column.name);
    }

    // What a query gives is what the schema says it gives.
    let read = ground.warehouse.query(format!("select * from {}", ground.name).as_str()).await.expect("a result");
    for (field, column) in read.schema().fields().iter().zip(schema.columns()) {
        assert_eq!(field.data_type(), &column.data_type.to_arrow().expect("an Arrow type"), "{}", column.name);
    }
}

#[tokio::test]
async fn a_type_that_no_table_stores_is_refused_by_either_side() {
    let ground = Ground::without_table("schema_refused").await;
    let create = |text: &str| {
        let column = Column::new("c", text.parse().expect(text));
        ground.client.create(ground.table.table_ref().name()).with_column(column)
    };
    for text in ["interval day to second", "array<interval month>", "variant", "void"] {
        let error = create(text).run().await.expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}: {error}");
    }
    assert_eq!(ground.table.describe().await.expect_err("nothing was made").kind(), ErrorKind::NotFound);
}
