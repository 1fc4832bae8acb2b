use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::TableKind;

use super::{
    column::{ColumnDetail, keys_of},
    *,
};
use crate::{
    testing::{Answers, Say, cluster},
    wire::script::Log,
};

fn column(name: &str, sort: Option<u32>, interleaved: bool, dist: bool, encoding: Option<&str>) -> ColumnDetail {
    ColumnDetail {
        name: name.to_owned(),
        position: None,
        data_type: None,
        default: None,
        nullable: None,
        encoding: encoding.map(str::to_owned),
        is_dist_key: dist,
        sort_position: sort,
        is_interleaved: interleaved,
        comment: None,
    }
}

#[test]
fn keys_are_put_together_from_what_columns_and_statistics_say() {
    let columns = [column("a", Some(2), true, false, None), column("b", Some(1), false, true, Some("zstd"))];
    let keys = keys_of(&columns, Some("KEY(b)"));
    assert_eq!((keys.dist_style, keys.dist_key.as_deref()), (Some(DistStyle::Key), Some("b")));
    assert_eq!(keys.sort_key, Some(SortKey { columns: vec!["b".to_owned(), "a".to_owned()], interleaved: true }));
    assert_eq!(keys.encodings, [("b".to_owned(), "zstd".to_owned())]);
    let plain = [column("a", None, false, false, None)];
    for (said, expected) in [
        (None, None),
        (Some("EVEN"), Some(DistStyle::Even)),
        (Some("ALL"), Some(DistStyle::All)),
        (Some("AUTO(KEY(a))"), Some(DistStyle::Auto(Some("KEY(A)".to_owned())))),
        (Some("AUTO(ALL)"), Some(DistStyle::Auto(Some("ALL".to_owned())))),
        (Some("of tomorrow"), None),
    ] {
        assert_eq!(keys_of(&plain, said).dist_style, expected, "{said:?}");
    }
    assert_eq!(keys_of(&plain, None).sort_key, None);
}

#[test]
fn a_view_is_made_of_one_query_and_its_values_are_written_in() {
    let view = || "s.v".parse().unwrap();
    let sql = |text: &str| late_binding::create_sql(&view(), &Expression::new(text), true);
    for wrong in ["drop table t", "select 1; drop table t", "", "insert into t select 1"] {
        assert_eq!(sql(wrong).unwrap_err().kind(), ErrorKind::InvalidInput, "{wrong}");
    }
    assert_eq!(
        sql("select a from s.t -- all of it").unwrap(),
        "CREATE OR REPLACE VIEW \"s\".\"v\" AS select a from s.t -- all of it\nWITH NO SCHEMA BINDING"
    );
    let bound = Expression::new("select a from s.t where a = :a;").bind("a", "x'\\");
    assert_eq!(
        late_binding::create_sql(&view(), &bound, false).unwrap(),
        "CREATE VIEW \"s\".\"v\" AS select a from s.t where a = 'x''\\\\'\nWITH NO SCHEMA BINDING"
    );
}

/// External catalogs do not answer; all else does.
struct WithoutExternal;

#[async_trait]
impl Answers for WithoutExternal {
    async fn answer(&mut self, sql: &str) -> Say {
        if sql.contains("svv_external") || sql.contains("svv_all_tables") || sql.contains("svv_tables") {
            Say::Error("XX000", "External Catalog Error. Timeout was reached".to_owned())
        } else if sql.contains("svv_redshift_tables") {
            Say::rows(&[
                &["dev", "public", "t", "TABLE", "<null>", "<null>", "me"],
                &["dev", "public", "v", "VIEW", "<null>", "of t", "me"],
            ])
        } else {
            Say::none()
        }
    }
}

/// aws/amazon-redshift-python-driver#91: a catalog that times out must not break the list of tables.
#[tokio::test]
async fn an_external_catalog_that_times_out_does_not_break_the_list_of_local_tables() {
    let log = Log::default();
    let cluster = cluster(&log, None, || WithoutExternal);
    let tables: Vec<_> = Metadata(Arc::clone(&cluster)).tables(TableFilter::default()).try_collect().await.unwrap();
    assert_eq!(tables.len(), 2);
    assert_eq!((tables[1].kind.clone(), tables[1].comment.as_deref()), (TableKind::View, Some("of t")));
    assert_eq!(tables[0].owner.as_deref(), Some("me"));
    let external: Result<Vec<_>> = crate::Spectrum::over(cluster).tables(TableFilter::default()).try_collect().await;
    assert_eq!(external.unwrap_err().context("view"), Some("svv_external_tables"));
}

#[tokio::test]
async fn a_filter_that_cannot_be_is_the_first_thing_a_stream_says() {
    let log = Log::default();
    let metadata = Metadata(cluster(&log, None, || WithoutExternal));
    let nul = TableFilter::default().with_schema("a\0b");
    assert_eq!(metadata.tables(nul.clone()).try_next().await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(metadata.table_stats(nul).try_next().await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(log.all().is_empty());
}
