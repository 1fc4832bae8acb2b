//! Lists, maps and structs, where the warehouse has them.

use std::sync::Arc;

use arrow::{
    array::{
        Array as _, ArrayRef, Int32Array, Int64Array, Int64Builder, ListArray, MapBuilder, RecordBatch, StringArray,
        StringBuilder, StructArray,
    },
    datatypes::{DataType, Field, Int64Type, Schema},
};

use super::{
    case::{CaseResult, assert_rows},
    cell::{Cell, cells},
    context::Context,
};

/// Loads `id` and `v` and reads them back; equal to the last element.
async fn round_trip(cx: &Context<'_>, v: ArrayRef) -> CaseResult {
    let id = Int32Array::from_iter_values(0..v.len() as i32);
    let fields = vec![Field::new("id", DataType::Int32, false), Field::new("v", v.data_type().clone(), true)];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields.clone())), vec![Arc::new(id), v])?;
    let table = cx.create("nested", &fields).await?;
    cx.load(&table, vec![batch.clone()], cx.token("nested")?).await?;
    let (schema, batches) = cx.batches(format!("select id, v from {} order by id", cx.name(&table)?)).await?;
    assert_rows(&cells(&batches), &cells(&[batch]));
    let got = schema.field(1).data_type();
    assert_eq!(std::mem::discriminant(got), std::mem::discriminant(fields[1].data_type()), "{got}");
    Ok(())
}

pub(super) async fn lists(cx: &Context<'_>) -> CaseResult {
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([
        Some(vec![Some(i64::MIN), None, Some(i64::MAX)]),
        Some(vec![]),
        None,
        Some(vec![None]),
    ]);
    round_trip(cx, Arc::new(list)).await
}

pub(super) async fn maps(cx: &Context<'_>) -> CaseResult {
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    map.keys().append_value("it's");
    map.values().append_value(1);
    map.keys().append_value("");
    map.values().append_null();
    map.append(true)?;
    map.append(true)?;
    map.append(false)?;
    round_trip(cx, Arc::new(map.finish())).await
}

pub(super) async fn structs_in_structs(cx: &Context<'_>) -> CaseResult {
    let city = StringArray::from(vec![Some("Kraków"), None, Some("")]);
    let inner =
        StructArray::from(vec![(Arc::new(Field::new("city", DataType::Utf8, true)), Arc::new(city) as ArrayRef)]);
    let number = Int64Array::from(vec![Some(1), None, Some(3)]);
    let outer = StructArray::from(vec![
        (Arc::new(Field::new("number", DataType::Int64, true)), Arc::new(number) as ArrayRef),
        (Arc::new(Field::new("address", inner.data_type().clone(), true)), Arc::new(inner) as ArrayRef),
    ]);
    round_trip(cx, Arc::new(outer)).await
}

pub(super) async fn nested_values_of_a_query(cx: &Context<'_>) -> CaseResult {
    let rows = cx.rows("select array(1, 2, null) as l, named_struct('a', 1, 'b', 'x') as s").await?;
    let list = Cell::List(vec![1.into(), 2.into(), Cell::Null]);
    let fields = Cell::Struct(vec![("a".to_owned(), 1.into()), ("b".to_owned(), "x".into())]);
    assert_rows(&rows, &[vec![list, fields]]);
    Ok(())
}
