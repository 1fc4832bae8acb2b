//! Names that something on the way could mistake for SQL.

use arrow::datatypes::{DataType, Field};
use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::{StatementRequest, Value};

use super::{
    case::{CaseResult, assert_rows, refused},
    cell::Cell,
    context::Context,
};

/// Names that both warehouses take for a column of a table. Delta takes none of ` ,;{}()\n\t=` there.
const HOSTILE_NAMES: [&str; 14] = [
    "select",
    "from",
    "a'b",
    "a\"b",
    "a`b",
    "a``b",
    "a\\b",
    "a--b",
    "a/*b*/",
    "$$",
    "a.b",
    ":name",
    "größe_日本",
    "1st",
];

/// Names for a column of a result only.
const HOSTILE_ALIASES: [&str; 8] = ["; drop table t", "a b", "(x)", "a=b", "a,b", "{x}", "\"", "`"];

pub(super) async fn hostile_column_names(cx: &Context<'_>) -> CaseResult {
    let fields: Vec<_> = HOSTILE_NAMES.iter().map(|name| Field::new(*name, DataType::Int32, true)).collect();
    let table = cx.create("columns", &fields).await?;
    let row: Vec<_> = (0..fields.len() as i32).map(Value::from).collect();
    cx.insert(&table, std::slice::from_ref(&row)).await?;
    let t = cx.name(&table)?;
    let (schema, batches) = cx.batches(format!("select * from {t}")).await?;
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, HOSTILE_NAMES);
    let want: Vec<_> = row.iter().map(Cell::from).collect();
    assert_rows(&super::cell::cells(&batches), &[want]);

    for (n, name) in HOSTILE_NAMES.iter().enumerate() {
        let column = cx.dialect().quote(name)?;
        let request =
            StatementRequest::read(format!("select {column} from {t} where {column} = :n")).bind("n", n as i32);
        assert_rows(&cx.rows(request).await?, &[vec![Cell::Int(n as i64)]]);
    }
    Ok(())
}

pub(super) async fn hostile_table_names(cx: &Context<'_>) -> CaseResult {
    for stem in ["a'b", "a\"b", "a`b", "a--b", "$$", "select", "größe_日本", "a\\b;c"] {
        let table = cx.create(stem, &[Field::new("n", DataType::Int32, true)]).await?;
        cx.insert(&table, &[vec![7.into()]]).await?;
        assert_rows(&cx.rows(format!("select n from {}", cx.name(&table)?)).await?, &[vec![7.into()]]);
        let info = cx.warehouse().table(&table).await?;
        assert_eq!(info.table.name(), table.name());
    }
    Ok(())
}

pub(super) async fn hostile_column_aliases(cx: &Context<'_>) -> CaseResult {
    let names = || HOSTILE_NAMES.iter().chain(&HOSTILE_ALIASES);
    let items: Result<Vec<_>, _> =
        names().enumerate().map(|(n, name)| Ok(format!("{n} as {}", cx.dialect().quote(name)?))).collect();
    let items: Vec<_> = items.map_err(|error: twinhouse_core::Error| error)?;
    let (schema, batches) = cx.batches(format!("select {}", items.join(", "))).await?;
    let got: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(got, names().copied().collect::<Vec<_>>());
    let want: Vec<_> = (0..got.len() as i64).map(Cell::Int).collect();
    assert_rows(&super::cell::cells(&batches), &[want]);
    Ok(())
}

pub(super) async fn the_longest_name_is_kept(cx: &Context<'_>) -> CaseResult {
    let longest = cx.fixture().longest_name().unwrap_or(cx.can().max_identifier_bytes);
    let column = "c".repeat(longest);
    let stem = "t".repeat(longest - cx.scratch().prefix().len() - 1);
    let table = cx.create(&stem, &[Field::new(&column, DataType::Int32, true)]).await?;
    assert_eq!(table.name().len(), longest);
    let info = cx.warehouse().table(&table).await?;
    assert_eq!((info.table.name(), info.columns[0].name.as_str()), (table.name(), column.as_str()));
    Ok(())
}

pub(super) async fn a_name_that_would_be_cut_is_refused(cx: &Context<'_>) -> CaseResult {
    let too_long = "c".repeat(cx.can().max_identifier_bytes + 1);
    assert_eq!(refused(cx.dialect().quote(&too_long)).kind(), ErrorKind::InvalidInput);
    for bad in ["", "a\0b"] {
        assert_eq!(refused(cx.dialect().quote(bad)).kind(), ErrorKind::InvalidInput);
    }
    Ok(())
}

pub(super) async fn the_case_of_names_is_as_promised(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("MixedCase", &[Field::new("MixedColumn", DataType::Int32, true)]).await?;
    cx.insert(&table, &[vec![1.into()]]).await?;
    let info = cx.warehouse().table(&table).await?;
    let want = if cx.can().case_preserving { table.name().to_owned() } else { table.name().to_lowercase() };
    assert_eq!(info.table.name(), want);

    // Of columns nothing is promised but that description and result agree, and that a name is found in any case.
    let (schema, _) = cx.batches(format!("select * from {}", cx.name(&table)?)).await?;
    let column = schema.field(0).name();
    assert_eq!(info.columns[0].name, *column);
    assert!(column.eq_ignore_ascii_case("MixedColumn"), "{column}");
    let sql = format!("select mixedcolumn as n from {} where MIXEDCOLUMN = 1", cx.name(&table)?);
    assert_rows(&cx.rows(sql).await?, &[vec![1.into()]]);
    Ok(())
}
