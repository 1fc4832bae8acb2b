//! Errors say what they are.

use arrow::datatypes::{DataType, Field};
use twinhouse_core::{Error, ErrorKind};
use twinhouse_warehouse_api::{StatementRequest, TableRef, Warehouse as _};

use super::{
    case::{CaseResult, assert_rows, refused},
    context::Context,
};

/// The error of a statement that must fail; the warehouse must be as good as before.
async fn error_of(
    cx: &Context<'_>,
    request: impl Into<StatementRequest> + Send,
) -> Result<Error, super::case::Failure> {
    let error = refused(cx.rows(request).await);
    assert!(!error.is_retryable(), "another try would fail as well: {error:?}");
    assert_rows(&cx.rows("select 1 as one").await?, &[vec![1.into()]]);
    Ok(error)
}

pub(super) async fn a_syntax_error_says_where(cx: &Context<'_>) -> CaseResult {
    let error = error_of(cx, "select 1 as a,\n  2 as b frm t where").await?;
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Syntax, Some("42601")), "{error:?}");
    assert!(error.context("position").is_some(), "no position in {error:?}");
    Ok(())
}

pub(super) async fn an_unknown_table(cx: &Context<'_>) -> CaseResult {
    let table = cx.unique("missing");
    let error = error_of(cx, format!("select * from {}", cx.name(&table)?)).await?;
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::NotFound, Some("42P01")), "{error:?}");
    assert!(error.to_string().contains(table.name()), "{error}");
    Ok(())
}

pub(super) async fn an_unknown_column(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("columns", &[Field::new("id", DataType::Int32, true)]).await?;
    let error = error_of(cx, format!("select no_such_column from {}", cx.name(&table)?)).await?;
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::NotFound, Some("42703")), "{error:?}");
    assert!(error.to_string().contains("no_such_column"), "{error}");
    Ok(())
}

pub(super) async fn an_unknown_schema(cx: &Context<'_>) -> CaseResult {
    let mut table = TableRef::new("t").with_schema(format!("{}_missing", cx.scratch().prefix()));
    if let Some(catalog) = cx.scratch().catalog() {
        table = table.with_catalog(catalog);
    }
    let error = error_of(cx, format!("select * from {}", cx.name(&table)?)).await?;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    let error = refused(cx.warehouse().table(&table).await);
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    Ok(())
}

pub(super) async fn an_unknown_function(cx: &Context<'_>) -> CaseResult {
    let error = error_of(cx, "select no_such_function(1) as a").await?;
    assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Syntax), "{error:?}");
    Ok(())
}

pub(super) async fn a_division_by_zero(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("zero", &[Field::new("n", DataType::Int32, true)]).await?;
    cx.insert(&table, &[vec![0.into()]]).await?;
    let error = error_of(cx, format!("select 1 / n as a from {}", cx.name(&table)?)).await?;
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Data, Some("22012")), "{error:?}");
    Ok(())
}

pub(super) async fn a_text_that_is_no_number(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("cast", &[Field::new("t", DataType::Utf8, true)]).await?;
    cx.insert(&table, &[vec!["twelve".into()]]).await?;
    let int = cx.dialect().type_name(&DataType::Int32)?;
    let error = error_of(cx, format!("select cast(t as {int}) as n from {}", cx.name(&table)?)).await?;
    assert_eq!(error.kind(), ErrorKind::Data, "{error:?}");
    Ok(())
}

pub(super) async fn a_number_out_of_range(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("range", &[Field::new("n", DataType::Int64, true)]).await?;
    cx.insert(&table, &[vec![i64::MAX.into()]]).await?;
    let int = cx.dialect().type_name(&DataType::Int32)?;
    let error = error_of(cx, format!("select cast(n as {int}) as n from {}", cx.name(&table)?)).await?;
    assert_eq!(error.kind(), ErrorKind::Data, "{error:?}");
    Ok(())
}

pub(super) async fn a_table_that_is_there_already(cx: &Context<'_>) -> CaseResult {
    let fields = [Field::new("id", DataType::Int32, true)];
    let table = cx.create("twice", &fields).await?;
    let error = refused(cx.create_as(&table, &fields).await);
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error:?}");
    Ok(())
}

pub(super) async fn a_null_where_none_may_be(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("required", &[Field::new("id", DataType::Int32, false)]).await?;
    let error =
        error_of(cx, StatementRequest::write(format!("insert into {} values (null)", cx.name(&table)?))).await?;
    assert_eq!(error.kind(), ErrorKind::Constraint, "{error:?}");
    assert_eq!(cx.count(&table).await?, 0);
    Ok(())
}

pub(super) async fn values_and_statements_stay_out_of_errors(cx: &Context<'_>) -> CaseResult {
    let request =
        StatementRequest::read("select 'needle_in_text' as a, :v as b, :unbound as c").bind("v", "needle_in_value");
    assert!(!format!("{request:?}").contains("needle"), "{request:?}");
    let error = refused(cx.rows(request).await);
    let printed = format!("{error} {error:?}");
    assert!(!printed.contains("needle"), "{printed}");
    Ok(())
}

pub(super) async fn a_failed_statement_names_its_statement(cx: &Context<'_>) -> CaseResult {
    let handle = match cx.warehouse().submit("select * from no_such_table_anywhere".into()).await {
        Ok(handle) => handle,
        // Refused at once: there is no statement to name.
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
            return Ok(());
        }
    };
    let id = handle.id().to_string();
    let error = match handle.stream().await {
        Err(error) => error,
        Ok(stream) => refused(stream.collect_batches().await),
    };
    assert_eq!((error.kind(), error.statement_id()), (ErrorKind::NotFound, Some(id.as_str())), "{error:?}");
    Ok(())
}
