//! A small lakehouse: raw orders come in as bronze, are cleaned into silver and summed up into gold.
//!
//! `cargo run --bin medallion` runs it on the sandbox; `cargo run --bin medallion -- databricks://` on a workspace,
//! where it makes a schema `medallion` in the default catalog and leaves it there to be looked at.

use std::{sync::Arc, time::Duration};

use futures::TryStreamExt as _;
use serde::Deserialize;
use tpchgen::generators::OrderGenerator;
use tpchgen_arrow::OrderArrow;
use twinhouse::{
    arrow::{
        array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray},
        compute::concat_batches,
    },
    delta::{
        ChangeKind, DeltaClient, DeltaTable, MaintenancePolicy, MaintenanceScheduler, OptimizePolicy, Stop,
        TaskOutcome,
        schema::{Column, DeltaType},
    },
    prelude::*,
};

const SCHEMA: &str = "medallion";

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "sandbox://databricks".to_owned());
    let warehouse: Arc<dyn Warehouse> = twinhouse::connect(&url).await?.into();
    let lake = DeltaClient::new(warehouse.clone())?.with_schema(SCHEMA);
    prepare(&lake).await?;
    let (bronze, silver, gold) = (lake.table("bronze"), lake.table("silver"), lake.table("gold"));

    // Two deliveries. The second one brings new orders and some of the first again, which have been filled meanwhile;
    // the sender was nervous and sent each of those twice.
    let orders: Vec<RecordBatch> = OrderArrow::new(OrderGenerator::new(0.01, 1, 1)).collect();
    let orders = concat_batches(&orders[0].schema(), &orders).expect("batches of one generator");
    let half = orders.num_rows() / 2;
    let filled = with_status(&orders.slice(0, 500), "F");
    let later = orders.slice(half, orders.num_rows() - half);
    let second = concat_batches(&orders.schema(), [&later, &filled, &filled]).expect("one schema");
    for (number, delivery) in [(1, orders.slice(0, half)), (2, second)] {
        println!("delivery {number}");
        ingest(&bronze, number, &delivery).await?;
        refine(&bronze, &silver, number).await?;
        summarize(&silver, &gold).await?;
    }

    look_back(&silver).await?;
    follow(&silver).await?;
    undo_a_mistake(&silver).await?;
    maintain(&[bronze, silver.clone(), gold]).await?;
    explain(&silver).await?;
    warehouse.close().await
}

/// Makes the schema and its first two tables anew.
async fn prepare(lake: &DeltaClient) -> Result<()> {
    lake.warehouse().execute("drop schema if exists medallion cascade").await?;
    lake.warehouse().execute("create schema medallion").await?;
    let price = DeltaType::Decimal { precision: 15, scale: 2 };
    // Bronze keeps what arrived, as it arrived, and never changes it.
    lake.create("bronze")
        .with_column(Column::new("o_orderkey", DeltaType::Long))
        .with_column(Column::new("o_custkey", DeltaType::Long))
        .with_column(Column::new("o_orderstatus", DeltaType::String))
        .with_column(Column::new("o_totalprice", price.clone()))
        .with_column(Column::new("o_orderdate", DeltaType::Date))
        .with_column(Column::new("o_orderpriority", DeltaType::String))
        .with_column(Column::new("delivery", DeltaType::Int))
        .with_column(Column::new("line", DeltaType::Long))
        .with_property("delta.appendOnly", "true")
        .run()
        .await?;
    // Silver has each order once, with names and values to rely on, and tells others what changes.
    lake.create("silver")
        .with_column(Column::new("order_key", DeltaType::Long).not_null())
        .with_column(Column::new("customer_key", DeltaType::Long).not_null())
        .with_column(Column::new("status", DeltaType::String))
        .with_column(Column::new("price", price))
        .with_column(Column::new("ordered_on", DeltaType::Date))
        .with_column(Column::new("priority", DeltaType::String))
        .with_column(Column::new("delivery", DeltaType::Int))
        .with_column(Column::new("line", DeltaType::Long))
        .with_constraint("true_price", "price > 0")
        .with_property("delta.enableChangeDataFeed", "true")
        .run()
        .await?;
    Ok(())
}

/// Bronze: append the delivery, exactly once. Its token names it for ever: whoever is not sure whether the write went
/// through writes it again.
async fn ingest(bronze: &DeltaTable, number: i32, orders: &RecordBatch) -> Result<()> {
    let token = LoadToken::new(format!("delivery-{number}-{}", std::process::id()))?;
    for attempt in ["first", "again"] {
        let raw = raw(number, orders);
        let batches = BatchStream::from_batches(raw.schema(), vec![raw]);
        let report = bronze.write(batches).append().with_token(token.clone()).run().await?;
        let seen = if report.replayed { ", seen before" } else { "" };
        println!("  bronze, {attempt}: {} rows written{seen}", report.rows);
    }
    Ok(())
}

/// Silver: merge by the order's key. Rows that cannot be true stay behind in bronze; of an order that came more than
/// once, the sender's last word counts.
async fn refine(bronze: &DeltaTable, silver: &DeltaTable, number: i32) -> Result<()> {
    let clean = "select o_orderkey as order_key, o_custkey as customer_key, o_orderstatus as status, \
                 o_totalprice as price, o_orderdate as ordered_on, substring(o_orderpriority, 3) as priority, delivery, line \
                 from medallion.bronze where delivery = :delivery and o_totalprice > 0";
    let clean = StatementRequest::read(clean).bind("delivery", number);
    let merged = silver.merge(clean).on(["order_key"]).upsert().keep_greatest("line").run().await?;
    println!(
        "  silver: {} inserted, {} updated, of {} rows in bronze",
        merged.inserted.unwrap_or(0),
        merged.updated.unwrap_or(0),
        bronze.read().count().await?
    );
    Ok(())
}

#[derive(Debug, Deserialize)]
struct Revenue {
    priority: String,
    orders: i64,
    /// Decimals are read as text: every digit arrives.
    revenue: String,
}

/// Gold: what the report needs, made anew in one version. Its readers see the old sums or the new ones.
async fn summarize(silver: &DeltaTable, gold: &DeltaTable) -> Result<()> {
    let sums = "select priority, count(*) as orders, sum(price) as revenue \
                from medallion.silver where status = 'F' group by priority";
    let sums = silver.warehouse().query(StatementRequest::read(sums)).await?;
    gold.write(sums).create_or_replace().run().await?;
    let mut rows: Vec<Revenue> = gold.read().rows().await?.try_collect().await?;
    rows.sort_by(|a, b| a.priority.cmp(&b.priority));
    for Revenue { priority, orders, revenue } in rows {
        println!("  gold: {priority:<14} {orders:>5} filled orders {revenue:>16}");
    }
    Ok(())
}

/// Time travel: every version of a table can be read.
async fn look_back(silver: &DeltaTable) -> Result<()> {
    println!("time travel");
    let versions: Vec<u64> = silver.history(None).await?.iter().map(|entry| entry.version).collect();
    for version in versions.into_iter().rev() {
        let rows = silver.read().as_of(version).count().await?;
        let filled = silver.read().as_of(version).with_filter("status = 'F'").count().await?;
        println!("  version {version}: {rows} orders, {filled} filled");
    }
    Ok(())
}

/// The change data feed: what the second delivery did, row by row, for whoever keeps a copy.
async fn follow(silver: &DeltaTable) -> Result<()> {
    #[derive(Deserialize)]
    struct Order {
        order_key: i64,
        status: String,
    }
    println!("change feed of version 2");
    let mut changes = silver.changes(2..=2).rows::<Order>().await?;
    let (mut inserted, mut updated) = (0, 0);
    while let Some(change) = changes.try_next().await? {
        match change.kind {
            ChangeKind::Insert => inserted += 1,
            ChangeKind::UpdatePostimage => {
                updated += 1;
                if updated <= 3 {
                    println!("  order {} is {} now", change.row.order_key, change.row.status);
                }
            }
            _ => {}
        }
    }
    println!("  {inserted} orders came, {updated} changed");
    Ok(())
}

/// RESTORE: somebody deletes too much, and the table goes back.
async fn undo_a_mistake(silver: &DeltaTable) -> Result<()> {
    println!("a mistake");
    let good = silver.history(1).await?.first().map_or(0, |entry| entry.version);
    let gone = silver.delete("price > 1000").await?;
    println!("  {gone} orders deleted, {} left", silver.read().count().await?);
    let restored = silver.restore_to_version(good).await?;
    println!("  {} file(s) restored: {} orders again", restored.num_restored_files, silver.read().count().await?);
    Ok(())
}

/// Maintenance: what is due is seen in the tables' own history, so that it does not matter which process does it.
async fn maintain(tables: &[DeltaTable]) -> Result<()> {
    println!("maintenance");
    let policy = MaintenancePolicy::default().with_optimize(OptimizePolicy::default().with_min_files(2));
    let mut scheduler = MaintenanceScheduler::new();
    for table in tables {
        scheduler = scheduler.with_table(table.clone(), policy.clone());
        let health = scheduler.analyze_table(table).await?;
        let findings: Vec<String> = health.findings.iter().map(ToString::to_string).collect();
        println!("  {}: {} files; {}", table.table_ref(), health.files, findings.join("; "));
    }
    for table in scheduler.run_once().await.tables {
        for task in table.tasks {
            match task.outcome {
                TaskOutcome::Optimized(done) => println!(
                    "  {}: {} files became {}, because of {}",
                    table.table, done.num_files_removed, done.num_files_added, task.reason
                ),
                other => println!("  {}: {other:?}", table.table),
            }
        }
    }
    // As a service would: every hour, until it is told to stop. What was done above is not done again.
    let mut handle = scheduler.start(Duration::from_secs(3600));
    let report = handle.next_report().await;
    let due = report.iter().flat_map(|report| &report.tables).map(|table| table.tasks.len()).sum::<usize>();
    println!("  in the background: {due} tasks due");
    handle.stop(Stop::Finish).await;
    Ok(())
}

/// History: who did what to the table, and what it came to.
async fn explain(silver: &DeltaTable) -> Result<()> {
    println!("history of silver");
    for entry in silver.history(None).await? {
        let counts: Vec<String> =
            ["numTargetRowsInserted", "numTargetRowsUpdated", "numDeletedRows", "numRemovedFiles"]
                .iter()
                .filter_map(|name| Some(format!("{name} {}", entry.metrics.number(name)?)))
                .collect();
        println!("  {} {:<14} {}", entry.version, entry.operation.to_string(), counts.join(", "));
    }
    Ok(())
}

/// The columns that the sender delivers, and where each row stood.
fn raw(number: i32, orders: &RecordBatch) -> RecordBatch {
    let sent = ["o_orderkey", "o_custkey", "o_orderstatus", "o_totalprice", "o_orderdate", "o_orderpriority"];
    let mut columns: Vec<(&str, ArrayRef)> =
        sent.iter().map(|name| (*name, orders.column_by_name(name).expect("a column of orders").clone())).collect();
    let lines = 0..orders.num_rows() as i64;
    columns.push(("delivery", Arc::new(Int32Array::from(vec![number; orders.num_rows()]))));
    columns.push(("line", Arc::new(Int64Array::from_iter_values(lines))));
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// The same orders in another status.
fn with_status(orders: &RecordBatch, status: &str) -> RecordBatch {
    let index = orders.schema().index_of("o_orderstatus").expect("orders have a status");
    let mut columns = orders.columns().to_vec();
    let all = StringArray::from(vec![status; orders.num_rows()]);
    columns[index] =
        twinhouse::arrow::compute::cast(&all, columns[index].data_type()).expect("text is text in every form");
    RecordBatch::try_new(orders.schema(), columns).expect("the columns are those of the orders")
}
