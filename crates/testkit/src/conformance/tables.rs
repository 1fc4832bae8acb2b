//! Tables are listed and described.

use arrow::datatypes::{DataType, Field};
use futures::TryStreamExt as _;
use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::{TableFilter, TableKind, TableRef, Warehouse as _};

use super::{
    case::{CaseResult, Failure, refused},
    context::Context,
    values::{assert_alike, every_type},
};

/// Tables of the scratch schema whose names match a pattern, sorted.
async fn listed(cx: &Context<'_>, pattern: &str) -> Result<Vec<TableRef>, Failure> {
    let mut tables: Vec<TableRef> = cx.warehouse().tables(filter(cx).with_name_like(pattern)).try_collect().await?;
    tables.sort();
    Ok(tables)
}

fn filter(cx: &Context<'_>) -> TableFilter {
    let mut filter = TableFilter::default();
    if let Some(catalog) = cx.scratch().catalog() {
        filter = filter.with_catalog(catalog);
    }
    if let Some(schema) = cx.scratch().schema() {
        filter = filter.with_schema(schema);
    }
    filter
}

fn int(name: &str) -> [Field; 1] {
    [Field::new(name, DataType::Int32, true)]
}

pub(super) async fn a_new_table_is_listed_with_its_full_name(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("listed", &int("id")).await?;
    let all: Vec<TableRef> = cx.warehouse().tables(filter(cx)).try_collect().await?;
    let Some(found) = all.iter().find(|listed| listed.name() == table.name()) else {
        panic!("{table} is not among the {} tables listed", all.len());
    };
    assert!(found.schema().is_some(), "{found}");
    if table.schema().is_some() {
        assert_eq!(found.schema(), table.schema());
    }
    // The name as listed can be used as it is.
    assert_eq!(cx.count(found).await?, 0);
    Ok(())
}

pub(super) async fn a_pattern_narrows_the_list(cx: &Context<'_>) -> CaseResult {
    for stem in ["alpha", "alpine", "beta", "al_x"] {
        cx.create(stem, &int("id")).await?;
    }
    let prefix = cx.scratch().prefix();
    let names = |tables: Vec<TableRef>| -> Vec<String> {
        tables.iter().map(|t| t.name().trim_start_matches(prefix).trim_start_matches('_').to_owned()).collect()
    };
    assert_eq!(names(listed(cx, &format!("{prefix}%alp%")).await?), ["alpha", "alpine"]);
    assert_eq!(names(listed(cx, &format!("{prefix}\\_al\\_%")).await?), ["al_x"]);
    assert_eq!(names(listed(cx, &format!("{prefix}__l_ha")).await?), ["alpha"]);
    assert!(listed(cx, &format!("{prefix}%gamma")).await?.is_empty());
    Ok(())
}

pub(super) async fn a_list_of_many_tables_is_complete(cx: &Context<'_>) -> CaseResult {
    let mut want = Vec::new();
    for n in 0..25 {
        want.push(cx.create(&format!("many{n:02}"), &int("id")).await?.name().to_owned());
    }
    let got = listed(cx, &format!("{}%", cx.scratch().prefix())).await?;
    assert_eq!(got.iter().map(|table| table.name().to_owned()).collect::<Vec<_>>(), want);
    Ok(())
}

pub(super) async fn a_dropped_table_is_no_longer_listed(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("gone", &int("id")).await?;
    assert_eq!(listed(cx, table.name()).await?.len(), 1);
    cx.execute(format!("drop table {}", cx.name(&table)?)).await?;
    assert!(listed(cx, table.name()).await?.is_empty());
    assert_eq!(refused(cx.warehouse().table(&table).await).kind(), ErrorKind::NotFound);
    Ok(())
}

pub(super) async fn every_type_is_described(cx: &Context<'_>) -> CaseResult {
    let fields: Vec<_> =
        every_type().into_iter().enumerate().map(|(n, t)| Field::new(format!("c{n}"), t, true)).collect();
    let table = cx.create("types", &fields).await?;
    let info = cx.warehouse().table(&table).await?;
    assert_eq!((&info.kind, info.table.name()), (&TableKind::Managed, table.name()));
    assert_eq!(info.columns.len(), fields.len());
    for (got, want) in info.schema().fields().iter().zip(&fields) {
        assert_eq!(got.name(), want.name());
        assert_alike(got, want.data_type());
    }
    assert!(info.columns.iter().all(|column| !column.native_type.is_empty()), "{info:?}");
    Ok(())
}

pub(super) async fn what_is_described_is_what_is_read(cx: &Context<'_>) -> CaseResult {
    let fields: Vec<_> =
        every_type().into_iter().enumerate().map(|(n, t)| Field::new(format!("c{n}"), t, true)).collect();
    let table = cx.create("types", &fields).await?;
    let described = cx.warehouse().table(&table).await?.schema();
    let (read, _) = cx.batches(format!("select * from {}", cx.name(&table)?)).await?;
    for (described, read) in described.fields().iter().zip(read.fields()) {
        assert_alike(read, described.data_type());
    }
    Ok(())
}

pub(super) async fn decimals_are_described_exactly(cx: &Context<'_>) -> CaseResult {
    let types = [(1, 0), (9, 9), (18, 2), (38, 0), (38, 37)].map(|(p, s)| DataType::Decimal128(p, s));
    let fields: Vec<_> = types.iter().enumerate().map(|(n, t)| Field::new(format!("d{n}"), t.clone(), true)).collect();
    let table = cx.create("decimals", &fields).await?;
    let info = cx.warehouse().table(&table).await?;
    assert_eq!(info.columns.iter().map(|column| column.data_type.clone()).collect::<Vec<_>>(), types);
    Ok(())
}

pub(super) async fn not_null_is_described(cx: &Context<'_>) -> CaseResult {
    let fields = [Field::new("required", DataType::Int32, false), Field::new("optional", DataType::Int32, true)];
    let table = cx.create("nullable", &fields).await?;
    let info = cx.warehouse().table(&table).await?;
    assert_eq!(info.columns.iter().map(|column| column.nullable).collect::<Vec<_>>(), [false, true]);
    Ok(())
}

pub(super) async fn a_comment_is_described(cx: &Context<'_>) -> CaseResult {
    let table = cx.create("comment", &int("id")).await?;
    assert_eq!(cx.warehouse().table(&table).await?.comment, None);
    let comment = "it's 100 % ours: größe";
    let sql = format!("comment on table {} is {}", cx.name(&table)?, cx.dialect().string(comment)?);
    cx.execute(sql).await?;
    assert_eq!(cx.warehouse().table(&table).await?.comment.as_deref(), Some(comment));
    Ok(())
}

pub(super) async fn an_unknown_table_is_not_found(cx: &Context<'_>) -> CaseResult {
    let error = refused(cx.warehouse().table(&cx.unique("missing")).await);
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    Ok(())
}

pub(super) async fn a_hostile_pattern_is_only_a_pattern(cx: &Context<'_>) -> CaseResult {
    for pattern in ["' or '1' = '1", "\\' or 1 = 1 --", "%'; drop table x; --", "\"`$$"] {
        assert!(listed(cx, pattern).await?.is_empty(), "{pattern}");
    }
    Ok(())
}
