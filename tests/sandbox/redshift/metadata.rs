use futures::TryStreamExt as _;
use twinhouse_core::ErrorKind;
use twinhouse_redshift::{DistStyle, SortKey};
use twinhouse_warehouse_api::{Expression, TableFilter, TableKind, TableRef, WarehouseExt as _};

use super::support::{failed, unique, warehouse};

#[tokio::test]
async fn databases_schemas_and_tables_are_listed_with_their_owners() {
    let warehouse = warehouse().await;
    let metadata = warehouse.metadata();
    let schema = unique("s");
    warehouse.execute(format!("create schema {schema}")).await.expect("a schema");
    for n in 0..3 {
        warehouse.execute(format!("create table {schema}.t_{n} (a int)")).await.expect("a table");
    }
    warehouse.execute(format!("create view {schema}.v as select a from {schema}.t_0")).await.expect("a view");
    warehouse.execute(format!("comment on table {schema}.t_1 is 'it''s \\\\ here'")).await.expect("a comment");
    let databases: Vec<_> = metadata.databases().try_collect().await.expect("a list");
    assert!(databases.iter().any(|d| d.kind.as_deref() == Some("local") && d.isolation.is_some()), "{databases:?}");
    let found: Vec<_> = metadata
        .schemas(TableFilter::default().with_schema(schema.to_uppercase()))
        .try_collect()
        .await
        .expect("a list");
    assert_eq!(found.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), [schema.as_str()]);
    let tables: Vec<_> =
        metadata.tables(TableFilter::default().with_schema(&schema)).try_collect().await.expect("a list");
    let names: Vec<_> = tables.iter().map(|t| (t.table.name(), &t.kind)).collect();
    let managed = &TableKind::Managed;
    assert_eq!(names, [("t_0", managed), ("t_1", managed), ("t_2", managed), ("v", &TableKind::View)]);
    assert!(tables.iter().all(|t| t.owner.is_some()));
    assert_eq!(tables[1].comment.as_deref(), Some("it's \\ here"));
    let filter = TableFilter::default().with_schema(&schema).with_name_like("T\\__");
    assert_eq!(metadata.tables(filter).try_collect::<Vec<_>>().await.expect("a list").len(), 3);
    let shares: Vec<_> = metadata.datashares().try_collect().await.expect("a list");
    assert!(shares.is_empty(), "the sandbox has none");
}

#[tokio::test]
async fn keys_and_encodings_are_told_as_the_table_was_made() {
    let warehouse = warehouse().await;
    let name = TableRef::new(unique("t")).with_schema("public");
    let sql = format!(
        "create table {name} (id bigint identity(1, 1), k varchar(20) not null default 'x' encode zstd, n decimal(12, 2)) \
         distkey (k) compound sortkey (n, k)"
    );
    warehouse.execute(sql).await.expect("a table");
    let columns = warehouse.metadata().columns(&name).await.expect("columns");
    assert_eq!(columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["id", "k", "n"]);
    let k = &columns[1];
    assert_eq!(
        (k.data_type.as_deref(), k.nullable, k.encoding.as_deref()),
        (Some("character varying(20)"), Some(false), Some("zstd"))
    );
    assert_eq!((k.is_dist_key, k.sort_position, k.position), (true, Some(2), Some(2)));
    assert!(k.default.is_some() && columns[2].default.is_none());
    let keys = warehouse.metadata().keys(&name).await.expect("keys");
    assert_eq!(
        (keys.dist_style, keys.dist_key.as_deref()),
        (Some(DistStyle::Key), Some("k")),
        "an empty table has no statistics"
    );
    let key = keys.sort_key.expect("a sort key");
    assert_eq!((key.columns, key.interleaved), (vec!["n".to_owned(), "k".to_owned()], false));
    assert_eq!(keys.encodings, [("k".to_owned(), "zstd".to_owned())]);

    let even = TableRef::new(unique("t")).with_schema("public");
    warehouse
        .execute(format!("create table {even} (a int, b int) diststyle even interleaved sortkey (b, a)"))
        .await
        .expect("a table");
    let keys = warehouse.metadata().keys(&even).await.expect("keys");
    assert_eq!(keys.dist_style, None, "of an empty table the server does not say");
    assert!(keys.sort_key.as_ref().is_some_and(|key: &SortKey| key.interleaved && key.columns == ["b", "a"]));
    warehouse.execute(format!("insert into {even} values (1, 2)")).await.expect("an insert");
    assert_eq!(warehouse.metadata().keys(&even).await.expect("keys").dist_style, Some(DistStyle::Even));
    let missing = failed(warehouse.metadata().keys(&TableRef::new("not_there")).await);
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn hostile_names_are_looked_for_and_never_become_sql() {
    let warehouse = warehouse().await;
    let schema = unique("s");
    warehouse.execute(format!("create schema {schema}")).await.expect("a schema");
    for (n, odd) in ["it's", "back\\slash", "dou\"\"ble", "a b; drop table x; --", "per%cent_"].into_iter().enumerate()
    {
        warehouse.execute(format!("create table {schema}.\"{odd}\" (\"{odd}\" int, n{n} int)")).await.expect(odd);
        let name = odd.replace("\"\"", "\"");
        let columns = warehouse.metadata().columns(&TableRef::new(&name).with_schema(&schema)).await.expect(odd);
        assert_eq!(columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>(), [name.clone(), format!("n{n}")]);
        let pattern = name.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let filter = TableFilter::default().with_schema(&schema).with_name_like(pattern);
        let found: Vec<_> = warehouse.metadata().tables(filter).try_collect().await.expect(odd);
        assert_eq!(found.iter().map(|t| t.table.name()).collect::<Vec<_>>(), [name.as_str()]);
    }
}

#[tokio::test]
async fn late_binding_views_are_refused_by_the_sandbox_by_name_and_listed_as_none() {
    let warehouse = warehouse().await;
    let view = TableRef::new(unique("v")).with_schema("public");
    let select = Expression::new("select 1 as a where 1 = :n -- all").bind("n", 1);
    let error = failed(warehouse.metadata().create_late_binding_view(&view, &select, true).await);
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.message().contains("WITH NO SCHEMA BINDING") || format!("{error:?}").contains("WITH NO SCHEMA BINDING")
    );
    let filter = TableFilter::default().with_schema("public");
    assert!(warehouse.metadata().late_binding_columns(filter).try_next().await.expect("a list").is_none());
}
