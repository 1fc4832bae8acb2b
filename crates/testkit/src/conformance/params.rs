//! Named parameters.

use arrow::datatypes::{DataType, Field};
use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::{Params, StatementRequest, Value, WarehouseExt as _};

use super::{
    case::{CaseResult, assert_rows, refused},
    cell::Cell,
    context::Context,
    values::HOSTILE_TEXTS,
};

pub(super) async fn one_name_may_stand_in_several_places(cx: &Context<'_>) -> CaseResult {
    let request = StatementRequest::read("select :n as a, :n + :m as b, :n as c").bind("n", 40_i64).bind("m", 2_i64);
    assert_rows(&cx.rows(request).await?, &[vec![40.into(), 42.into(), 40.into()]]);
    Ok(())
}

pub(super) async fn a_missing_value_is_named(cx: &Context<'_>) -> CaseResult {
    let request = StatementRequest::read("select :here as a, :not_here as b").bind("here", 1);
    let error = refused(cx.rows(request).await);
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert!(error.to_string().contains("not_here"), "{error}");
    Ok(())
}

pub(super) async fn an_unused_value_is_named(cx: &Context<'_>) -> CaseResult {
    let error = refused(cx.rows(StatementRequest::read("select 1 as a").bind("too_much", 1)).await);
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert!(error.to_string().contains("too_much"), "{error}");
    Ok(())
}

pub(super) async fn a_value_of_the_wrong_type_is_an_error(cx: &Context<'_>) -> CaseResult {
    let int = cx.dialect().type_name(&DataType::Int32)?;
    let request = StatementRequest::read(format!("select cast(:t as {int}) + 1 as a")).bind("t", "not a number");
    let error = refused(cx.rows(request).await);
    assert!(matches!(error.kind(), ErrorKind::Data | ErrorKind::InvalidInput), "{error:?}");
    Ok(())
}

pub(super) async fn markers_in_texts_and_comments_are_none(cx: &Context<'_>) -> CaseResult {
    let sql = "select ':a' as x, -- :b is a comment\n /* :c as well */ :d as y";
    assert_rows(&cx.rows(StatementRequest::read(sql).bind("d", 4)).await?, &[vec![":a".into(), 4.into()]]);
    Ok(())
}

pub(super) async fn a_cast_is_no_marker(cx: &Context<'_>) -> CaseResult {
    let request = StatementRequest::read("select '7'::int as a, :n::int as b").bind("n", "8");
    assert_rows(&cx.rows(request).await?, &[vec![7.into(), 8.into()]]);
    Ok(())
}

pub(super) async fn names_that_begin_alike_are_different(cx: &Context<'_>) -> CaseResult {
    let request = StatementRequest::read("select :a as x, :ab as y, :a_1 as z, :a1 as w")
        .with_params(Params::new().bind("a1", 4).bind("a_1", 3).bind("ab", 2).bind("a", 1));
    assert_rows(&cx.rows(request).await?, &[vec![1.into(), 2.into(), 3.into(), 4.into()]]);
    Ok(())
}

pub(super) async fn values_never_become_sql(cx: &Context<'_>) -> CaseResult {
    let table = cx
        .create("hostile", &[Field::new("id", DataType::Int32, false), Field::new("t", DataType::Utf8, true)])
        .await?;
    let t = cx.name(&table)?;
    let rows: Vec<_> =
        HOSTILE_TEXTS.iter().enumerate().map(|(id, &text)| vec![Value::Int(id as i32), text.into()]).collect();
    cx.insert(&table, &rows).await?;
    let named: Vec<_> = (0..rows.len()).map(|n| format!("select :p{n} as t")).collect();
    let sql = format!("select id from {t} where t in ({}) order by id", named.join(" union all "));
    let params = rows.iter().enumerate().fold(Params::new(), |all, (n, row)| all.bind(format!("p{n}"), row[1].clone()));
    let got = cx.rows(StatementRequest::read(sql).with_params(params)).await?;
    assert_rows(&got, &rows.iter().map(|row| vec![Cell::from(&row[0])]).collect::<Vec<_>>());

    for text in ["' or 1 = 1 --", "\\' or 1 = 1 --", "x') or (1 = 1", "\" or \"\" = \""] {
        let request = StatementRequest::read(format!("select count(*) as n from {t} where t = :t")).bind("t", text);
        assert_rows(&cx.rows(request).await?, &[vec![0.into()]]);
    }
    Ok(())
}

pub(super) async fn a_null_takes_the_type_of_its_place(cx: &Context<'_>) -> CaseResult {
    let fields = [Field::new("id", DataType::Int32, true), Field::new("t", DataType::Utf8, true)];
    let table = cx.create("null", &fields).await?;
    let sql = format!("insert into {} values (:id, :t)", cx.name(&table)?);
    cx.execute(StatementRequest::write(&sql).bind("id", None::<i32>).bind("t", None::<&str>)).await?;
    assert_rows(&cx.read(&table, "id").await?, &[vec![Cell::Null, Cell::Null]]);
    Ok(())
}

pub(super) async fn two_hundred_parameters(cx: &Context<'_>) -> CaseResult {
    let most = cx.can().max_parameters.unwrap_or(200).min(200);
    let names: Vec<_> = (0..most).map(|n| format!(":p{n}")).collect();
    let params = (0..most).fold(Params::new(), |all, n| all.bind(format!("p{n}"), 1_i64 << (n % 40)));
    let sum: i64 = (0..most).map(|n| 1_i64 << (n % 40)).sum();
    let request = StatementRequest::read(format!("select {} as s", names.join(" + "))).with_params(params);
    assert_rows(&cx.rows(request).await?, &[vec![sum.into()]]);
    Ok(())
}

pub(super) async fn too_many_parameters_are_refused(cx: &Context<'_>) -> CaseResult {
    // A warehouse that knows no limit has nothing to refuse; that it takes many is another case.
    let Some(most) = cx.can().max_parameters else { return Ok(()) };
    let names: Vec<_> = (0..=most).map(|n| format!(":p{n}")).collect();
    let params: Params = (0..=most).map(|n| (format!("p{n}"), n as i64)).collect();
    let request =
        StatementRequest::read(format!("select 1 as a where 1 in ({})", names.join(", "))).with_params(params);
    let error = refused(cx.warehouse().query(request).await);
    assert!(matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported), "{error:?}");
    Ok(())
}
