//! The main job: the same for every warehouse.

use std::time::{Duration, Instant};

use arrow::{
    array::{Array as _, ArrayRef, Decimal128Array, RecordBatch},
    datatypes::SchemaRef,
};
use futures::TryStreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use twinhouse::{
    BatchStream, BulkReport, CallOptions, Error, ErrorKind, LoadRequest, LoadToken, Result, StatementRequest, TableRef,
    Warehouse, WarehouseExt as _, sandbox::Sandbox,
};

use super::{
    answers::Answer,
    queries::QUERIES,
    tables::{TABLES, generate, rows},
};
use crate::output::cells;

/// Creates, loads, queries, upserts, replays and cancels. No `match` on the backend.
pub(super) async fn run(warehouse: &dyn Warehouse, scale: f64, on_sandbox: bool) -> Result<Vec<Answer>> {
    for table in TABLES {
        create(warehouse, table, &generate(table, scale).schema()).await?;
    }
    for table in TABLES {
        load(warehouse, table, scale).await?;
    }
    let answers = ask(warehouse).await?;
    upsert(warehouse, scale).await?;
    replay(warehouse, scale).await?;
    cancel(warehouse, on_sandbox).await?;
    Ok(answers)
}

async fn create(warehouse: &dyn Warehouse, table: &str, schema: &SchemaRef) -> Result<()> {
    let dialect = &warehouse.info().dialect;
    let columns = schema
        .fields()
        .iter()
        .map(|f| Ok(format!("{} {} not null", dialect.quote(f.name())?, dialect.type_name(f.data_type())?)))
        .collect::<Result<Vec<_>>>()?
        .join(", ");
    let name = dialect.quote(table)?;
    warehouse.execute(format!("drop table if exists {name}")).await?;
    warehouse.execute(format!("create table {name} ({columns})")).await?;
    Ok(())
}

/// One token for a table in one run: loading again with it changes nothing.
fn token(table: &str) -> Result<LoadToken> {
    LoadToken::new(format!("demo-{}-{table}", std::process::id()))
}

async fn load(warehouse: &dyn Warehouse, table: &str, scale: f64) -> Result<BulkReport> {
    let style = "  {msg:<10} {bar:30} {pos:>9} rows {per_sec:>16}";
    let bar = ProgressBar::new(rows(table, scale))
        .with_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(table.to_owned());
    let seen = bar.clone();
    let batches = generate(table, scale).into_stream();
    let request = LoadRequest::append(TableRef::new(table), batches, token(table)?)
        .with_progress(move |progress| seen.set_position(progress.rows));
    let report = warehouse.load(request).await?;
    bar.finish_and_clear();
    let rate = report.rows as f64 / report.elapsed.as_secs_f64().max(1e-6);
    println!("  {table:<10} {:>9} rows {:>10} bytes {rate:>10.0} rows/s", report.rows, report.bytes);
    Ok(report)
}

async fn ask(warehouse: &dyn Warehouse) -> Result<Vec<Answer>> {
    let mut answers = Vec::new();
    for query in &QUERIES {
        let start = Instant::now();
        let stream = warehouse.query(query.sql).await?;
        let schema = stream.schema().clone();
        let batches: Vec<RecordBatch> = stream.try_collect().await?;
        let elapsed = start.elapsed();
        let rows = batches.iter().map(cells).collect::<Result<Vec<_>>>()?.concat();
        println!("  {:<4} {:<28} {:>4} rows in {elapsed:.2?}", query.name, query.title, rows.len());
        answers.push(Answer { name: query.name, schema, rows, elapsed });
    }
    Ok(answers)
}

/// Doubles the price of the first orders and gives the last of them new keys: some rows match, some do not.
async fn upsert(warehouse: &dyn Warehouse, scale: f64) -> Result<()> {
    const CHANGED: usize = 100;
    const ADDED: usize = 10;
    let Some(orders) = generate("orders", scale).next() else { return Ok(()) };
    let orders = orders.slice(0, orders.num_rows().min(CHANGED));
    let bad = |cause| Error::new(ErrorKind::Internal, "cannot change the orders").with_source(cause);
    let keys = arrow::compute::cast(orders.column(0), &arrow::datatypes::DataType::Int64).map_err(bad)?;
    let keys = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(&keys);
    let kept = keys.len().saturating_sub(ADDED);
    let new_keys: arrow::array::Int64Array =
        keys.values().iter().enumerate().map(|(row, key)| if row < kept { *key } else { -*key }).collect();
    let price = orders.schema().index_of("o_totalprice").map_err(bad)?;
    let prices = arrow::array::AsArray::as_primitive::<arrow::datatypes::Decimal128Type>(orders.column(price));
    let doubled: Decimal128Array = prices.values().iter().map(|price| Some(price * 2)).collect();
    let doubled = doubled.with_data_type(prices.data_type().clone());
    let mut columns = orders.columns().to_vec();
    columns[0] = std::sync::Arc::new(new_keys) as ArrayRef;
    columns[price] = std::sync::Arc::new(doubled);
    let changed = RecordBatch::try_new(orders.schema(), columns).map_err(bad)?;

    let before = count(warehouse, "orders").await?;
    let stream = BatchStream::from_batches(changed.schema(), vec![changed]);
    let report = warehouse.upsert(TableRef::new("orders"), stream, &["o_orderkey"]).await?;
    let added = count(warehouse, "orders").await? - before;
    expect(added == ADDED as i64, "the upsert did not add what it should")?;
    let show = |n: Option<u64>| n.map_or("?".to_owned(), |n| n.to_string());
    println!("  upsert: {} updated, {} inserted", show(report.updated), show(report.inserted));
    Ok(())
}

async fn replay(warehouse: &dyn Warehouse, scale: f64) -> Result<()> {
    let before = count(warehouse, "customer").await?;
    let report = load(warehouse, "customer", scale).await?;
    let after = count(warehouse, "customer").await?;
    expect(report.replayed && before == after, "replaying a load changed the table")?;
    println!("  replay: customer loaded again with the same token, still {after} rows");
    Ok(())
}

/// Starts a query that would run for hours, drops it, and asks the server whether it still runs.
async fn cancel(warehouse: &dyn Warehouse, on_sandbox: bool) -> Result<()> {
    const CONDITION: &str = "a.l_partkey + b.l_partkey + c.l_partkey = -1";
    let sql = format!("select count(*) as n from lineitem a, lineitem b, lineitem c where {CONDITION}");
    let limit = CallOptions::default().with_timeout(Duration::from_secs(600));
    let handle = warehouse.submit(StatementRequest::read(sql).with_options(limit)).await?;
    let id = handle.id().clone();
    let reading = tokio::spawn(handle.finish());
    if !on_sandbox {
        tokio::time::sleep(Duration::from_secs(2)).await;
        reading.abort();
        println!("  cancel: query {id} dropped");
        return Ok(());
    }
    let sandbox = Sandbox::shared().await?;
    let until = async |running: bool, otherwise: &'static str| {
        let start = Instant::now();
        while sandbox.is_running(CONDITION) != running {
            expect(start.elapsed() < Duration::from_secs(120), otherwise)?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok::<_, Error>(start.elapsed())
    };
    until(true, "the query did not begin").await?;
    reading.abort();
    let elapsed = until(false, "the server still runs the dropped query").await?;
    println!("  cancel: query {id} seen running, dropped, and stopped by the server within {elapsed:.0?}");
    Ok(())
}

async fn count(warehouse: &dyn Warehouse, table: &str) -> Result<i64> {
    #[derive(serde::Deserialize)]
    struct Count {
        n: i64,
    }
    let sql = format!("select count(*) as n from {}", warehouse.info().dialect.quote(table)?);
    Ok(warehouse.fetch_one::<Count>(sql).await?.n)
}

fn expect(holds: bool, otherwise: &'static str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::new(ErrorKind::Data, otherwise)) }
}
