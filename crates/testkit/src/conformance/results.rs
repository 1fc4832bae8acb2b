//! Results of every shape.

use arrow::{
    array::{AsArray as _, RecordBatch},
    datatypes::{DataType, Decimal128Type, Field, Int64Type},
};
use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all};
use serde::Deserialize;
use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::{StatementRequest, Value, WarehouseExt as _};

use super::{
    case::{CaseResult, assert_rows, refused},
    cell::Cell,
    context::Context,
    values::{assert_alike, every_type},
};

pub(super) async fn an_empty_result_keeps_its_columns(cx: &Context<'_>) -> CaseResult {
    let fields: Vec<_> =
        every_type().into_iter().enumerate().map(|(n, t)| Field::new(format!("c{n}"), t, true)).collect();
    let table = cx.create("empty", &fields).await?;
    let (schema, batches) = cx.batches(format!("select * from {}", cx.name(&table)?)).await?;
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    assert_eq!(schema.fields().len(), fields.len());
    for (got, want) in schema.fields().iter().zip(&fields) {
        assert_eq!(got.name(), want.name());
        assert_alike(got, want.data_type());
    }
    Ok(())
}

pub(super) async fn batches_have_the_schema_of_their_stream(cx: &Context<'_>) -> CaseResult {
    let (schema, batches) = cx.batches(cx.fixture().rows_query(3)).await?;
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["i", "t", "d"]);
    assert!(batches.iter().all(|batch| batch.schema() == schema));
    Ok(())
}

pub(super) async fn columns_may_share_a_name(cx: &Context<'_>) -> CaseResult {
    let (schema, batches) = cx.batches("select 1 as x, 'two' as x, 3 as x").await?;
    assert!(schema.fields().iter().all(|field| field.name() == "x"));
    assert_rows(&super::cell::cells(&batches), &[vec![1.into(), "two".into(), 3.into()]]);
    Ok(())
}

pub(super) async fn five_hundred_columns(cx: &Context<'_>) -> CaseResult {
    const COLUMNS: i64 = 500;
    let items: Vec<_> = (0..COLUMNS).map(|n| format!("cast({n} as bigint) as c{n}")).collect();
    let (schema, batches) = cx.batches(format!("select {}", items.join(", "))).await?;
    assert!(schema.fields().iter().enumerate().all(|(n, field)| *field.name() == format!("c{n}")));
    assert_rows(&super::cell::cells(&batches), &[(0..COLUMNS).map(Cell::Int).collect()]);
    Ok(())
}

pub(super) async fn a_table_of_five_hundred_columns(cx: &Context<'_>) -> CaseResult {
    let fields: Vec<_> = (0..500).map(|n| Field::new(format!("c{n}"), DataType::Int64, true)).collect();
    let table = cx.create("wide", &fields).await?;
    let row: Vec<Value> = (0..500_i64).map(Value::Long).collect();
    cx.insert(&table, std::slice::from_ref(&row)).await?;
    assert_rows(&cx.read(&table, "c0").await?, &[row.iter().map(Cell::from).collect()]);
    assert_eq!(cx.warehouse().table(&table).await?.columns.len(), 500);
    Ok(())
}

pub(super) async fn a_million_rows(cx: &Context<'_>) -> CaseResult {
    const ROWS: u64 = 1_000_000;
    let mut seen = vec![false; ROWS as usize];
    let (mut sum, mut hundredths) = (0_i128, 0_i128);
    let mut stream = cx.warehouse().query(cx.fixture().rows_query(ROWS)).await?;
    while let Some(batch) = stream.try_next().await? {
        let (i, d) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(2).as_primitive::<Decimal128Type>());
        assert_eq!(d.scale(), 2);
        for (row, &i) in i.values().iter().enumerate() {
            // Each row once: a sum alone would not see two errors that cancel out.
            assert!(!std::mem::replace(&mut seen[i as usize], true), "row {i} came twice");
            sum += i128::from(i);
            hundredths += d.value(row);
        }
        let texts = batch.column(1).as_string::<i32>();
        for row in (0..batch.num_rows()).step_by(997) {
            assert_eq!(texts.value(row), format!("row {}", i.value(row)));
        }
    }
    assert!(seen.iter().all(|seen| *seen), "rows are missing");
    assert!(!stream.is_truncated());
    let want = i128::from(ROWS) * i128::from(ROWS - 1) / 2;
    assert_eq!((sum, hundredths), (want, want));
    Ok(())
}

pub(super) async fn an_ended_stream_stays_ended(cx: &Context<'_>) -> CaseResult {
    let mut stream = cx.warehouse().query(cx.fixture().rows_query(10)).await?;
    while stream.try_next().await?.is_some() {}
    assert!(stream.next().await.is_none());
    Ok(())
}

pub(super) async fn the_order_asked_for_is_kept(cx: &Context<'_>) -> CaseResult {
    let sql = format!("select i from ({}) as q order by i desc", cx.fixture().rows_query(20_000));
    let want: Vec<_> = (0..20_000).rev().map(|i| vec![Cell::Int(i)]).collect();
    assert_rows(&cx.rows(sql).await?, &want);
    Ok(())
}

pub(super) async fn two_results_read_in_turns(cx: &Context<'_>) -> CaseResult {
    let mut first = cx.warehouse().query(cx.fixture().rows_query(30_000)).await?;
    let mut second = cx.warehouse().query(cx.fixture().rows_query(30_000)).await?;
    let (mut rows, mut open) = ([0_usize; 2], true);
    while open {
        open = false;
        for (stream, rows) in [&mut first, &mut second].into_iter().zip(&mut rows) {
            if let Some(batch) = stream.try_next().await? {
                *rows += batch.num_rows();
                open = true;
            }
        }
    }
    assert_eq!(rows, [30_000, 30_000]);
    Ok(())
}

pub(super) async fn thirty_two_statements_at_once(cx: &Context<'_>) -> CaseResult {
    let statements = (0..32_i64).map(|n| async move {
        cx.rows(StatementRequest::read("select :n as n, :t as t").bind("n", n).bind("t", format!("text {n}"))).await
    });
    for (n, rows) in try_join_all(statements).await?.into_iter().enumerate() {
        assert_rows(&rows, &[vec![Cell::Int(n as i64), format!("text {n}").into()]]);
    }
    Ok(())
}

pub(super) async fn affected_rows_are_counted(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("affected", &[Field::new("id", DataType::Int32, false)]).await?;
    let t = cx.name(&table)?;
    assert_eq!(cx.insert(&table, &[vec![1.into()], vec![2.into()], vec![3.into()]]).await?, 3);
    assert_eq!(cx.execute(format!("update {t} set id = id + 10 where id > 1")).await?, 2);
    assert_eq!(cx.execute(format!("delete from {t} where id = 1")).await?, 1);
    assert_eq!(cx.execute(format!("delete from {t} where id = 1")).await?, 0);
    assert_rows(&cx.read(&table, "id").await?, &[vec![12.into()], vec![13.into()]]);
    Ok(())
}

#[derive(Debug, Deserialize, PartialEq)]
struct Order {
    id: i64,
    customer: String,
    note: Option<String>,
    total: String,
    paid: bool,
    placed: String,
}

pub(super) async fn rows_as_a_type_of_the_caller(cx: &Context<'_>) -> CaseResult {
    let dec = cx.dialect().type_name(&DataType::Decimal128(10, 2))?;
    let text = cx.dialect().type_name(&DataType::Utf8)?;
    let sql = format!(
        "select cast(7 as bigint) as id, 'Åsa' as customer, cast(null as {text}) as note, \
         cast('12.30' as {dec}) as total, true as paid, date '2024-02-29' as placed"
    );
    let orders: Vec<Order> = cx.warehouse().fetch_all(sql).await?;
    let want = Order {
        id: 7,
        customer: "Åsa".into(),
        note: None,
        total: "12.30".into(),
        paid: true,
        placed: "2024-02-29".into(),
    };
    assert_eq!(orders, [want]);
    Ok(())
}

#[derive(Debug, Deserialize)]
struct Number {
    n: i64,
}

pub(super) async fn one_row_or_none_or_too_many(cx: &Context<'_>) -> CaseResult {
    let warehouse = cx.warehouse();
    let (none, one) = ("select cast(1 as bigint) as n where 1 = 0", "select cast(5 as bigint) as n");
    let two = "select cast(1 as bigint) as n union all select cast(2 as bigint) as n";
    assert_eq!(warehouse.fetch_one::<Number>(one).await?.n, 5);
    assert_eq!(warehouse.fetch_optional::<Number>(one).await?.map(|row| row.n), Some(5));
    assert!(warehouse.fetch_optional::<Number>(none).await?.is_none());
    assert_eq!(refused(warehouse.fetch_one::<Number>(none).await).kind(), ErrorKind::NotFound);
    assert_eq!(refused(warehouse.fetch_one::<Number>(two).await).kind(), ErrorKind::Data);
    assert_eq!(refused(warehouse.fetch_optional::<Number>(two).await).kind(), ErrorKind::Data);
    Ok(())
}

pub(super) async fn a_row_that_does_not_fit_its_type_is_an_error(cx: &Context<'_>) -> CaseResult {
    let error = refused(cx.warehouse().fetch_one::<Number>("select 'five' as m").await);
    assert_eq!(error.kind(), ErrorKind::Data, "{error:?}");
    Ok(())
}

pub(super) async fn a_statement_without_rows_has_none(cx: &Context<'_>) -> CaseResult {
    let table = cx.unique("ddl");
    let int = cx.dialect().type_name(&DataType::Int32)?;
    let request = StatementRequest::write(format!("create table {} (id {int})", cx.name(&table)?));
    let (_, batches) = cx.batches(request).await?;
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    assert_eq!(cx.count(&table).await?, 0);
    Ok(())
}
