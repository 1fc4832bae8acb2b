//! Loads that make their table.

use std::sync::Arc;

use arrow::{
    array::{Array as _, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use twinhouse_core::{ErrorKind, Result};
use twinhouse_warehouse_api::{
    BatchStream, BulkReport, Decimal, LoadMode, LoadRequest, LoadToken, TableRef, Value, Warehouse as _,
};

use super::{
    batch::table_batch,
    case::{CaseResult, Failure, assert_rows, refused},
    cell::Cell,
    context::{Context, empty_stream, stream},
    load::{batch, fields, rows},
};

async fn make(
    cx: &Context<'_>,
    table: &TableRef,
    rows: Vec<RecordBatch>,
    token: &LoadToken,
    mode: LoadMode,
) -> Result<Result<BulkReport>, Failure> {
    let request = LoadRequest::append(table.clone(), stream(rows)?, token.clone()).with_mode(mode);
    Ok(cx.warehouse().load(request).await)
}

/// Every type that both warehouses have, in one row and in one row of nulls.
fn of_every_type() -> Result<(Vec<Field>, Vec<Vec<Value>>), Failure> {
    let columns: Vec<(&str, DataType, Value)> = vec![
        ("b", DataType::Boolean, true.into()),
        ("i", DataType::Int32, i32::MIN.into()),
        ("l", DataType::Int64, i64::MAX.into()),
        ("f", DataType::Float32, 1.5_f32.into()),
        ("d", DataType::Float64, f64::NAN.into()),
        ("n", DataType::Decimal128(38, 10), Decimal::parse("-9999999999999999999999999999.0123456789")?.into()),
        ("t", DataType::Utf8, "it's \\ ü".into()),
        ("day", DataType::Date32, Value::Date(chrono::NaiveDate::from_ymd_opt(2024, 2, 29).unwrap_or_default())),
        ("at", super::values::timestamp(), Value::Timestamp(1_700_000_000_123_456)),
        ("wall", DataType::Timestamp(TimeUnit::Microsecond, None), Value::TimestampNtz(-1)),
    ];
    let fields = columns.iter().map(|(name, data_type, _)| Field::new(*name, data_type.clone(), true)).collect();
    let values: Vec<_> = columns.into_iter().map(|(_, _, value)| value).collect();
    let nulls = vec![Value::Null; values.len()];
    Ok((fields, vec![values, nulls]))
}

async fn assert_types(cx: &Context<'_>, table: &TableRef, fields: &[Field]) -> CaseResult {
    let info = cx.warehouse().table(table).await?;
    let got: Vec<_> = info.columns.iter().map(|column| (column.name.as_str(), &column.data_type)).collect();
    let want: Vec<_> = fields.iter().map(|field| (field.name().as_str(), field.data_type())).collect();
    assert_eq!(got, want);
    Ok(())
}

pub(super) async fn a_table_is_made_of_the_rows(cx: &Context<'_>) -> CaseResult {
    let table = cx.unique("made");
    let (fields, values) = of_every_type()?;
    let rows = table_batch(&fields, &values)?;
    let report = make(cx, &table, vec![rows], &cx.token("made")?, LoadMode::Create).await??;
    assert_eq!((report.rows, report.replayed), (2, false));
    assert_types(cx, &table, &fields).await?;
    let mut got = cx.rows(format!("select * from {}", cx.name(&table)?)).await?;
    got.sort_by_key(|row| row[0] == Cell::Null);
    let want: Vec<Vec<Cell>> = values.iter().map(|row| row.iter().map(Cell::from).collect()).collect();
    assert_rows(&got, &want);
    Ok(())
}

pub(super) async fn a_table_is_made_of_no_rows_too(cx: &Context<'_>) -> CaseResult {
    let table = cx.unique("none");
    let (fields, _) = of_every_type()?;
    let nothing = LoadRequest::append(table.clone(), empty_stream(&fields), cx.token("none")?);
    assert_eq!(cx.warehouse().load(nothing.with_mode(LoadMode::Create)).await?.rows, 0);
    assert_types(cx, &table, &fields).await?;
    assert_eq!(cx.count(&table).await?, 0);
    Ok(())
}

pub(super) async fn a_table_that_is_there_is_not_made_again(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("there", &fields()).await?;
    cx.load(&table, vec![batch(0..2)?], cx.token("there")?).await?;
    let token = cx.token("again")?;
    let error = refused(make(cx, &table, vec![batch(5..9)?], &token, LoadMode::Create).await?);
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error:?}");
    assert_rows(&cx.read(&table, "id").await?, &rows(0..2));
    Ok(())
}

pub(super) async fn making_with_a_known_token_changes_nothing(cx: &Context<'_>) -> CaseResult {
    for mode in [LoadMode::Create, LoadMode::CreateOrReplace] {
        let table = cx.unique("known");
        let token = cx.token("known")?;
        make(cx, &table, vec![batch(0..2)?], &token, mode.clone()).await??;
        cx.load(&table, vec![batch(2..3)?], cx.token("between")?).await?;
        let report = make(cx, &table, vec![batch(0..2)?], &token, mode.clone()).await??;
        assert_eq!((report.rows, report.replayed), (0, true), "{mode:?}");
        assert_rows(&cx.read(&table, "id").await?, &rows(0..3));
    }
    Ok(())
}

pub(super) async fn a_table_that_was_dropped_can_be_made_anew(cx: &Context<'_>) -> CaseResult {
    let table = cx.unique("anew");
    let token = cx.token("anew")?;
    make(cx, &table, vec![batch(0..2)?], &token, LoadMode::Create).await??;
    cx.execute(format!("drop table if exists {}", cx.name(&table)?)).await?;
    let report = make(cx, &table, vec![batch(5..9)?], &token, LoadMode::Create).await??;
    assert_eq!((report.rows, report.replayed), (4, false));
    assert_rows(&cx.read(&table, "id").await?, &rows(5..9));
    Ok(())
}

pub(super) async fn a_table_gives_way_to_one_of_other_columns(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("old", &fields()).await?;
    cx.load(&table, vec![batch(0..2)?], cx.token("old")?).await?;
    let new = [Field::new("n", DataType::Decimal128(20, 2), true), Field::new("id", DataType::Utf8, true)];
    let values = [vec![Value::Decimal(Decimal::parse("7.25")?), "seven".into()]];
    let rows = vec![table_batch(&new, &values)?];
    assert_eq!(make(cx, &table, rows, &cx.token("new")?, LoadMode::CreateOrReplace).await??.rows, 1);
    assert_types(cx, &table, &new).await?;
    assert_rows(&cx.read(&table, "n").await?, &[vec![Cell::Decimal(725, 2), "seven".into()]]);
    Ok(())
}

pub(super) async fn a_replacement_that_breaks_off_leaves_the_table(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("kept", &fields()).await?;
    cx.load(&table, vec![batch(0..2)?], cx.token("kept")?).await?;
    let good = batch(5..9)?;
    let broken = twinhouse_core::Error::new(ErrorKind::Data, "the source broke");
    let source = BatchStream::new(good.schema(), futures::stream::iter([Ok(good), Err(broken)]));
    let request = LoadRequest::append(table.clone(), source, cx.token("broken")?);
    let error = refused(cx.warehouse().load(request.with_mode(LoadMode::CreateOrReplace)).await);
    assert_eq!(error.kind(), ErrorKind::Data, "{error:?}");
    assert_rows(&cx.read(&table, "id").await?, &rows(0..2));
    Ok(())
}

pub(super) async fn hostile_names_are_made(cx: &Context<'_>) -> CaseResult {
    let table = cx.unique("a'b\"`--$$");
    let fields = [Field::new("select", DataType::Int64, true), Field::new("a'b\"`", DataType::Utf8, true)];
    let columns: Vec<arrow::array::ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1])), Arc::new(StringArray::from(vec!["it's"]))];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), columns)?;
    assert_eq!(batch.column(0).null_count(), 0);
    make(cx, &table, vec![batch], &cx.token("hostile")?, LoadMode::Create).await??;
    assert_rows(&cx.read(&table, "select").await?, &[vec![1.into(), "it's".into()]]);
    Ok(())
}
