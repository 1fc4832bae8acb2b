//! The history of queries: `/api/2.0/sql/history/queries`.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{Stream, TryStreamExt as _, stream};
use serde::Deserialize;
use twinhouse_core::{Error, ErrorKind, Result};
use twinhouse_warehouse_api::StatementId;

use super::{check, request::QueryTag};
use crate::{
    api::Client,
    wire::{count, nullable},
    words::words,
};

/// The longest time that one look into the history may cover.
const LONGEST: TimeDelta = TimeDelta::days(30);
/// Queries of one page.
const PAGE: u32 = 100;
/// The most queries of one page.
const LARGEST_PAGE: u32 = 999;

/// Which queries are wanted.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct QueryFilter {
    /// Only of these warehouses.
    pub warehouse_ids: Vec<String>,
    /// Only these statements.
    pub statement_ids: Vec<String>,
    /// Only in these states.
    pub statuses: Vec<QueryStatus>,
    /// Only of these users.
    pub user_ids: Vec<i64>,
    /// Only those that began in this time, which is at most 30 days long.
    pub started: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Whether measurements come too.
    pub include_metrics: bool,
    /// Queries of one page, at most 999. Default 100.
    pub page_size: Option<u32>,
}

impl QueryFilter {
    /// All queries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only of this warehouse, or those named before.
    #[must_use]
    pub fn with_warehouse(mut self, id: impl Into<String>) -> Self {
        self.warehouse_ids.push(id.into());
        self
    }

    /// Only this statement, or those named before.
    #[must_use]
    pub fn with_statement(mut self, id: &StatementId) -> Self {
        self.statement_ids.push(id.as_str().to_owned());
        self
    }

    /// Only in this state, or those named before.
    #[must_use]
    pub fn with_status(mut self, status: QueryStatus) -> Self {
        self.statuses.push(status);
        self
    }

    /// Only those that began in this time, which is at most 30 days long.
    #[must_use]
    pub fn started_between(mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        self.started = Some((from, to));
        self
    }

    fn check(&self) -> Result<()> {
        self.warehouse_ids.iter().try_for_each(|id| check::id("warehouse_ids", id))?;
        self.statement_ids.iter().try_for_each(|id| check::id("statement_ids", id))?;
        if let Some((from, to)) = self.started {
            let field = "query_start_time_range";
            if to < from {
                return Err(check::wrong(field, "the time ends before it begins: swap the ends"));
            }
            if to - from > LONGEST {
                return Err(check::wrong(field, "the history is asked for 30 days at most: ask for parts"));
            }
        }
        if self.page_size.is_some_and(|size| size == 0 || size > LARGEST_PAGE) {
            return Err(check::wrong("max_results", "a page has 1 to 999 queries"));
        }
        Ok(())
    }

    fn query(&self, token: &str) -> Vec<(&'static str, String)> {
        let mut query = vec![("max_results", self.page_size.unwrap_or(PAGE).to_string())];
        let repeated = |name: &'static str, values: &[String]| {
            values.iter().map(move |value| (name, value.clone())).collect::<Vec<_>>()
        };
        query.extend(repeated("filter_by.warehouse_ids", &self.warehouse_ids));
        query.extend(repeated("filter_by.statement_ids", &self.statement_ids));
        query.extend(self.statuses.iter().map(|status| ("filter_by.statuses", status.as_str().to_owned())));
        query.extend(self.user_ids.iter().map(|id| ("filter_by.user_ids", id.to_string())));
        if let Some((from, to)) = self.started {
            query.push(("filter_by.query_start_time_range.start_time_ms", from.timestamp_millis().to_string()));
            query.push(("filter_by.query_start_time_range.end_time_ms", to.timestamp_millis().to_string()));
        }
        if self.include_metrics {
            query.push(("include_metrics", "true".to_owned()));
        }
        if !token.is_empty() {
            query.push(("page_token", token.to_owned()));
        }
        query
    }
}

words! {
    /// Where a query stands, in the history's words.
    QueryStatus {
        /// Accepted.
        Queued = "QUEUED",
        /// Begun.
        Started = "STARTED",
        /// Being planned.
        Compiling = "COMPILING",
        /// Planned.
        Compiled = "COMPILED",
        /// At work.
        Running = "RUNNING",
        /// Done.
        Finished = "FINISHED",
        /// Failed.
        Failed = "FAILED",
        /// Stopped by somebody.
        Canceled = "CANCELED",
    }
}

/// One query of the history. `Debug` leaves its text out.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct QueryInfo {
    /// The statement's id.
    pub query_id: Option<String>,
    /// Where it stands.
    pub status: Option<QueryStatus>,
    /// Its text.
    pub query_text: Option<String>,
    /// The kind of statement, in the service's word.
    pub statement_type: Option<String>,
    /// Why it failed.
    pub error_message: Option<String>,
    /// The warehouse.
    pub warehouse_id: Option<String>,
    /// The session, where there is one.
    pub session_id: Option<String>,
    /// Who ran it.
    pub user_name: Option<String>,
    /// Which program ran it.
    pub client_application: Option<String>,
    /// When it began, in milliseconds since 1970.
    #[serde(deserialize_with = "count")]
    pub query_start_time_ms: Option<u64>,
    /// When it ended, in milliseconds since 1970.
    #[serde(deserialize_with = "count")]
    pub query_end_time_ms: Option<u64>,
    /// How long it ran, in milliseconds, without the fetching of its result.
    #[serde(deserialize_with = "count")]
    pub duration: Option<u64>,
    /// How many rows it gave.
    #[serde(deserialize_with = "count")]
    pub rows_produced: Option<u64>,
    /// Whether nothing more will change here.
    #[serde(deserialize_with = "nullable")]
    pub is_final: bool,
    /// Its tags.
    #[serde(deserialize_with = "nullable")]
    pub query_tags: Vec<QueryTag>,
    /// Measurements, in the service's own names, if they were asked for.
    #[serde(deserialize_with = "nullable")]
    pub metrics: serde_json::Map<String, serde_json::Value>,
}

impl std::fmt::Debug for QueryInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryInfo")
            .field("query_id", &self.query_id)
            .field("status", &self.status)
            .field("warehouse_id", &self.warehouse_id)
            .field("query_start_time_ms", &self.query_start_time_ms)
            .finish_non_exhaustive()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct QueryPage {
    #[serde(deserialize_with = "nullable")]
    res: Vec<QueryInfo>,
    #[serde(deserialize_with = "nullable")]
    next_page_token: String,
}

/// The history of queries: `/api/2.0/sql/history/queries`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct QueryHistory {
    client: Client,
}

impl QueryHistory {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The queries that pass, newest first, page by page as they are asked for.
    ///
    /// # Errors
    ///
    /// Through the stream: [`ErrorKind::InvalidInput`] naming the field; those of the service.
    pub fn list(&self, filter: QueryFilter) -> impl Stream<Item = Result<QueryInfo>> + Send + Unpin + 'static {
        let listing =
            Listing { client: self.client.clone(), filter, token: Some(String::new()), found: VecDeque::new() };
        Box::pin(stream::try_unfold(listing, |mut listing| async move {
            Ok(listing.next().await?.map(|query| (query, listing)))
        }))
    }

    /// The newest query with this tag in a time that must be given: the service cannot filter by tag, so that all
    /// queries of that time are looked through here, and memory holds one page of them.
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list), and if the filter has no time.
    pub async fn find_by_tag(&self, tag: &QueryTag, filter: QueryFilter) -> Result<Option<QueryInfo>> {
        if filter.started.is_none() {
            return Err(check::wrong(
                "query_start_time_range",
                "a search by tag reads the whole history of a time: say which",
            ));
        }
        check::tags([tag].into_iter())?;
        let found = self.list(filter).try_filter(|query| std::future::ready(query.query_tags.contains(tag)));
        let mut found = std::pin::pin!(found);
        found.try_next().await
    }
}

struct Listing {
    client: Client,
    filter: QueryFilter,
    /// Of the next page.
    token: Option<String>,
    found: VecDeque<QueryInfo>,
}

impl Listing {
    async fn next(&mut self) -> Result<Option<QueryInfo>> {
        loop {
            if let Some(query) = self.found.pop_front() {
                return Ok(Some(query));
            }
            let Some(token) = self.token.take() else { return Ok(None) };
            self.filter.check()?;
            let page: QueryPage = self.client.query_history(&self.filter.query(&token)).await?;
            if !page.next_page_token.is_empty() {
                if page.next_page_token == token {
                    return Err(Error::new(ErrorKind::Protocol, "the history of queries leads back to the same page"));
                }
                self.token = Some(page.next_page_token);
            }
            self.found = page.res.into();
        }
    }
}
