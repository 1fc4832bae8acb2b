//! The warehouse writes files itself.

use twinhouse_core::ErrorKind;
use twinhouse_warehouse_api::UnloadRequest;

use super::{
    case::{CaseResult, refused},
    context::Context,
};

fn destination(cx: &Context<'_>, stem: &str) -> String {
    let Some(prefix) = cx.fixture().unload_prefix() else {
        panic!("the fixture of a warehouse that unloads must say where to");
    };
    format!("{}/{}/{stem}/", prefix.trim_end_matches('/'), cx.scratch().prefix())
}

pub(super) async fn unloaded_rows_are_counted(cx: &Context<'_>) -> CaseResult {
    let request = UnloadRequest::parquet(cx.fixture().rows_query(1_000), destination(cx, "rows"));
    let report = cx.warehouse().unload(request).await?;
    assert_eq!(report.rows, 1_000);
    assert!(report.files >= 1 && report.bytes > 0, "{report:?}");
    Ok(())
}

pub(super) async fn a_query_that_fails_is_not_unloaded(cx: &Context<'_>) -> CaseResult {
    let request = UnloadRequest::parquet("select * from no_such_table_anywhere", destination(cx, "missing"));
    let error = refused(cx.warehouse().unload(request).await);
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    Ok(())
}
