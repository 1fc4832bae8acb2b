//! Lists that come in pages.

use futures::stream::BoxStream;
use twinhouse_core::{Result, http::Method, resilience::Operation};

use super::{
    Jobs,
    run::{Job, Run},
};
pub(super) use crate::api::pages::following;
use crate::api::{
    client::JOBS,
    pages::{Page, list, page},
};

page!(pub(super) RunPage, runs: Run);
page!(pub(super) JobPage, jobs: Job);

/// Streams a list; one error ends it.
pub(super) fn stream<P: Page>(
    jobs: &Jobs,
    operation: &'static str,
    path: &[&str],
    query: Result<Vec<(&'static str, String)>>,
) -> BoxStream<'static, Result<P::Item>> {
    let request = query
        .map(|query| jobs.call(Method::GET, path).with_query(query.iter().map(|(key, value)| (*key, value.as_str()))));
    list::<P>(&jobs.client, Operation::read(operation).with_class(JOBS), request)
}
