//! One function, two warehouses: create, load, query, upsert, replay, cancel.
//!
//! `cargo run --bin first-light` runs it on the sandbox; give URLs to run it elsewhere:
//! `cargo run --bin first-light -- databricks:// redshift://`.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use tpchgen::generators::{LineItemGenerator, OrderGenerator};
use tpchgen_arrow::{LineItemArrow, OrderArrow, RecordBatchIterator};
use twinhouse::{
    arrow::{
        array::{Array as _, AsArray as _, Decimal128Array, RecordBatch},
        datatypes::Decimal128Type,
    },
    prelude::*,
};

const SCALE: f64 = 0.01;

/// A row of the report. Decimals are read as text: every digit arrives.
#[derive(Debug, Deserialize, PartialEq)]
struct Month {
    priority: String,
    orders: i64,
    revenue: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut urls: Vec<String> = std::env::args().skip(1).collect();
    if urls.is_empty() {
        urls = vec!["sandbox://databricks".into(), "sandbox://redshift".into()];
    }
    let mut reports = Vec::new();
    for url in &urls {
        let warehouse = twinhouse::connect(url).await?;
        println!("{}", warehouse.info().backend);
        reports.push(first_light(warehouse.as_ref()).await?);
        warehouse.close().await?;
    }
    assert!(reports.windows(2).all(|pair| pair[0] == pair[1]), "the warehouses disagree");
    println!("equal answers");
    Ok(())
}

/// The same for every warehouse.
async fn first_light(warehouse: &dyn Warehouse) -> Result<Vec<Month>> {
    let orders = || OrderArrow::new(OrderGenerator::new(SCALE, 1, 1));
    let items = || LineItemArrow::new(LineItemGenerator::new(SCALE, 1, 1));
    create(warehouse, "orders", orders()).await?;
    create(warehouse, "lineitem", items()).await?;

    // Exactly once: the token names the load, and loading again with it changes nothing.
    load(warehouse, "orders", orders()).await?;
    load(warehouse, "lineitem", items()).await?;
    assert!(load(warehouse, "lineitem", items()).await?, "the second load was not recognised");

    // Some of these orders are there already and are updated; the others are inserted.
    let changed = reprice(&orders().next().expect("there are orders").slice(0, 100));
    let batches = BatchStream::from_batches(changed.schema(), vec![changed]);
    let merged = warehouse.upsert(TableRef::new("orders"), batches, &["o_orderkey"]).await?;
    println!("  upsert: {:?} updated, {:?} inserted", merged.updated, merged.inserted);

    // Values are bound by name; rows arrive as our own type.
    let sql = "select o_orderpriority as priority, count(distinct o_orderkey) as orders, \
               sum(l_extendedprice * (1 - l_discount)) as revenue \
               from orders, lineitem where o_orderkey = l_orderkey and o_orderdate >= cast(:since as date) \
               group by o_orderpriority order by o_orderpriority";
    let report: Vec<Month> = warehouse.fetch_all(StatementRequest::read(sql).bind("since", "1995-01-01")).await?;
    for Month { priority, orders, revenue } in &report {
        println!("  {priority:<16} {orders:>6} {revenue:>18}");
    }

    // A time-out is told to the server, too; so is a dropped future, handle or stream. Nothing goes on billing.
    let sql = "select count(*) as n from lineitem a, lineitem b, lineitem c where a.l_tax + b.l_tax + c.l_tax < 0";
    let options = CallOptions::default().with_timeout(Duration::from_secs(1));
    let stopped = warehouse.fetch_all::<Month>(StatementRequest::read(sql).with_options(options)).await;
    println!("  {}", stopped.expect_err("216 million million rows are not counted in a second"));
    Ok(report)
}

async fn create(warehouse: &dyn Warehouse, table: &str, rows: impl RecordBatchIterator) -> Result<()> {
    let dialect = &warehouse.info().dialect;
    let mut columns = Vec::new();
    for field in rows.schema().fields() {
        columns.push(format!("{} {} not null", dialect.quote(field.name())?, dialect.type_name(field.data_type())?));
    }
    let table = dialect.quote(table)?;
    warehouse.execute(format!("drop table if exists {table}")).await?;
    warehouse.execute(format!("create table {table} ({})", columns.join(", "))).await?;
    Ok(())
}

/// Answers whether the token had been loaded before.
async fn load(warehouse: &dyn Warehouse, table: &str, rows: impl RecordBatchIterator + 'static) -> Result<bool> {
    let batches = BatchStream::new(rows.schema().clone(), futures::stream::iter(rows.map(Ok)));
    let token = LoadToken::new(format!("{table}-{}", std::process::id()))?;
    let options = CallOptions::default().with_timeout(Duration::from_secs(600)).with_label("first light");
    let request = LoadRequest::append(TableRef::new(table), batches, token).with_options(options);
    let report = warehouse.load(request).await?;
    println!("  {table}: {} rows loaded{}", report.rows, if report.replayed { " (seen before)" } else { "" });
    Ok(report.replayed)
}

/// Doubles every price.
fn reprice(orders: &RecordBatch) -> RecordBatch {
    let index = orders.schema().index_of("o_totalprice").expect("orders have a price");
    let prices = orders.column(index).as_primitive::<Decimal128Type>();
    let doubled: Decimal128Array = prices.values().iter().map(|price| price * 2).collect::<Vec<_>>().into();
    let mut columns = orders.columns().to_vec();
    columns[index] = Arc::new(doubled.with_data_type(prices.data_type().clone()));
    RecordBatch::try_new(orders.schema(), columns).expect("the columns are those of the orders")
}
