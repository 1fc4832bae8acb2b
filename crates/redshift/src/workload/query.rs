//! Queries: those that run, and those that ran.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use twinhouse_core::{Error, ErrorKind, Report, Result};
use twinhouse_warehouse_api::{Dialect as _, RedshiftDialect};

use crate::{
    cluster::Cluster,
    views::{Deployment, Fields, Listing, View, deployment},
};

const HISTORY: View = View {
    name: "sys_query_history",
    columns: &[
        "query_id",
        "user_id",
        "query_label",
        "transaction_id",
        "session_id",
        "database_name",
        "query_type",
        "status",
        "result_cache_hit",
        "start_time",
        "end_time",
        "elapsed_time",
        "queue_time",
        "execution_time",
        "error_message",
        "returned_rows",
        "returned_bytes",
        "query_text",
    ],
    later: &[
        "compile_time",
        "planning_time",
        "lock_wait_time",
        "service_class_id",
        "service_class_name",
        "query_priority",
        "username",
    ],
};
const TEXT: View = View { name: "sys_query_text", columns: &["text"], later: &[] };
const STATE: View =
    View { name: "stv_wlm_query_state", columns: &["query", "service_class", "slot_count"], later: &[] };
const POSITION: View = View { name: "stv_wlm_query_queue_state", columns: &["query", "position"], later: &[] };

/// The states of a query that is not over.
const UNFINISHED: &str = "status IN ('planning', 'queued', 'running', 'returning')";

/// How far a query is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueryState {
    /// The server reads it.
    Planning,
    /// It waits in its queue.
    Queued,
    /// It runs.
    Running,
    /// Its rows are on their way.
    Returning,
    /// It ended well.
    Succeeded,
    /// It failed.
    Failed,
    /// Somebody stopped it, or a limit did.
    Cancelled,
    /// A word that this version does not know.
    Other(String),
}

impl QueryState {
    fn of(word: &str) -> Self {
        match word {
            "planning" => Self::Planning,
            "queued" => Self::Queued,
            "running" => Self::Running,
            "returning" => Self::Returning,
            "success" => Self::Succeeded,
            "failed" => Self::Failed,
            "canceled" | "cancelled" => Self::Cancelled,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether it is over, well or not.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// A query, as the server remembers it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct QueryInfo {
    /// Its number, as `SYS_QUERY_HISTORY` and `last_user_query_id()` have it.
    pub id: i64,
    /// Who sent it.
    pub user_id: Option<i32>,
    /// The name of who sent it.
    pub user: Option<String>,
    /// Its query group.
    pub label: Option<String>,
    /// The transaction it belongs to.
    pub transaction: Option<i64>,
    /// The process of its session, as `pg_backend_pid()` has it.
    pub session: Option<i32>,
    /// The database it ran in.
    pub database: Option<String>,
    /// What it does: `SELECT`, `COPY`, `DDL`.
    pub kind: Option<String>,
    /// How far it is.
    pub state: QueryState,
    /// Whether its result was one that the server still had.
    pub from_cache: Option<bool>,
    /// When it began.
    pub started: Option<SystemTime>,
    /// When it was over.
    pub ended: Option<SystemTime>,
    /// From its beginning to its end, or to now.
    pub elapsed: Option<Duration>,
    /// How long it waited in its queue.
    pub queued: Option<Duration>,
    /// How long it ran.
    pub executed: Option<Duration>,
    /// How long it was compiled.
    pub compiled: Option<Duration>,
    /// How long it was planned.
    pub planned: Option<Duration>,
    /// How long it waited for locks.
    pub waited_for_locks: Option<Duration>,
    /// Why it failed.
    pub error: Option<String>,
    /// How many rows it gave or changed.
    pub rows: Option<u64>,
    /// How many bytes it gave.
    pub bytes: Option<u64>,
    /// The number of its queue.
    pub service_class: Option<i32>,
    /// The name of its queue.
    pub queue: Option<String>,
    /// Its priority in the queue.
    pub priority: Option<String>,
    /// Its place in the queue while it waits, as the server counts: the smallest runs next. Provisioned clusters only.
    pub position: Option<u32>,
    /// How many slots of its queue it takes; provisioned clusters only.
    pub slots: Option<u32>,
    /// The first 4,000 bytes of its text.
    pub text: String,
}

/// Which queries are listed. The default: all that the user may see.
///
/// ```
/// use twinhouse_redshift::QueryFilter;
///
/// let filter = QueryFilter::default().with_user("etl").with_label("nightly");
/// # let _ = filter;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryFilter {
    /// Of this user only. Releases without user names in the history refuse it.
    pub user: Option<String>,
    /// With this label (query group) only.
    pub label: Option<String>,
    /// Of the session of this process only.
    pub session: Option<i32>,
    /// In this database only.
    pub database: Option<String>,
    /// Only those that failed or were cancelled.
    pub unsuccessful: bool,
    /// Also those that the server runs for itself.
    pub internal: bool,
}

impl QueryFilter {
    /// Keeps those of this user.
    #[must_use]
    pub fn with_user(mut self, name: impl Into<String>) -> Self {
        self.user = Some(name.into());
        self
    }

    /// Keeps those with this label.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Keeps those of the session of this process.
    #[must_use]
    pub fn with_session(mut self, process: i32) -> Self {
        self.session = Some(process);
        self
    }

    /// Keeps those in this database.
    #[must_use]
    pub fn with_database(mut self, name: impl Into<String>) -> Self {
        self.database = Some(name.into());
        self
    }

    /// Keeps those that failed or were cancelled.
    #[must_use]
    pub fn with_unsuccessful_only(mut self, only: bool) -> Self {
        self.unsuccessful = only;
        self
    }

    /// Lists also those that the server runs for itself.
    #[must_use]
    pub fn with_internal(mut self, internal: bool) -> Self {
        self.internal = internal;
        self
    }

    pub(super) fn conditions(&self) -> Result<Vec<String>> {
        let mut wanted = Vec::new();
        for (column, value) in
            [("username", &self.user), ("query_label", &self.label), ("database_name", &self.database)]
        {
            if let Some(value) = value {
                // CHAR columns, filled up with blanks.
                wanted.push(format!("TRIM({column}) = {}", RedshiftDialect.string(value.trim_end())?));
            }
        }
        if let Some(process) = self.session {
            wanted.push(format!("session_id = {process}"));
        }
        if self.unsuccessful {
            wanted.push("status IN ('failed', 'canceled')".to_owned());
        }
        if !self.internal {
            wanted.push("user_id > 1".to_owned());
        }
        Ok(wanted)
    }
}

fn read(row: &mut Fields) -> Result<QueryInfo> {
    Ok(QueryInfo {
        id: row.number()?.ok_or_else(|| Error::new(ErrorKind::Protocol, "a query has no number"))?,
        user_id: row.number()?,
        label: row.padded()?.filter(|label| label != "default"),
        transaction: row.number()?,
        session: row.number()?,
        database: row.padded()?,
        kind: row.padded()?,
        state: QueryState::of(&row.padded()?.unwrap_or_default()),
        from_cache: row.flag()?,
        started: row.time()?,
        ended: row.time()?,
        elapsed: row.micros()?,
        queued: row.micros()?,
        executed: row.micros()?,
        error: row.padded()?,
        rows: row.count()?,
        bytes: row.count()?,
        text: row.padded()?.unwrap_or_default(),
        compiled: row.micros()?,
        planned: row.micros()?,
        waited_for_locks: row.micros()?,
        service_class: row.number()?,
        queue: row.padded()?,
        priority: row.padded()?,
        user: row.padded()?,
        position: None,
        slots: None,
    })
}

fn listing(wanted: Vec<String>) -> Listing<QueryInfo> {
    Listing {
        operation: "queries.list",
        view: HISTORY,
        wanted,
        order: &["query_id"],
        descending: true,
        key: |query| Ok(vec![query.id.to_string()]),
        read,
    }
}

pub(super) fn recent(cluster: Arc<Cluster>, filter: QueryFilter) -> BoxStream<'static, Result<QueryInfo>> {
    match filter.conditions() {
        Ok(wanted) => listing(wanted).stream(cluster),
        Err(error) => stream::once(async { Err(error) }).boxed(),
    }
}

pub(super) fn running(cluster: Arc<Cluster>, filter: QueryFilter) -> BoxStream<'static, Result<QueryInfo>> {
    let begin = async move {
        let mut wanted = filter.conditions()?;
        wanted.push(UNFINISHED.to_owned());
        wanted.push("session_id <> pg_backend_pid()".to_owned());
        let places = Arc::new(Places::look(&cluster).await);
        let queries = listing(wanted).stream(cluster).map_ok(move |query| places.put(query));
        Ok::<_, Error>(queries)
    };
    stream::once(begin).try_flatten().boxed()
}

pub(super) async fn one(cluster: &Cluster, id: i64) -> Result<Option<QueryInfo>> {
    let rows = HISTORY.read(cluster, "queries.find", &format!("WHERE query_id = {id} LIMIT 1")).await?;
    let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
    let query = read(&mut row)?;
    if query.state.is_final() {
        return Ok(Some(query));
    }
    Ok(Some(Places::look(cluster).await.put(query)))
}

pub(super) async fn text(cluster: &Cluster, id: i64) -> Result<String> {
    let rest = format!("WHERE query_id = {id} ORDER BY sequence");
    let pieces = TEXT.read(cluster, "queries.text", &rest).await?;
    if pieces.is_empty() {
        let why = "the server does not know this query";
        return Err(Error::new(ErrorKind::NotFound, why).with_context("query", id.to_string()));
    }
    let count = pieces.len();
    let mut text = String::new();
    for (index, mut piece) in pieces.into_iter().enumerate() {
        let piece = piece.text()?.unwrap_or_default();
        // Only the last piece is filled up; blanks at the end of another belong to the text.
        text.push_str(if index + 1 == count { piece.trim_end() } else { &piece });
    }
    // The view writes line ends as two characters.
    Ok(text.replace("\\n", "\n"))
}

/// Where queries stand in their queues: known on provisioned clusters only.
#[derive(Debug, Default)]
struct Places {
    slots: HashMap<i64, (Option<i32>, Option<u32>)>,
    positions: HashMap<i64, u32>,
}

impl Places {
    /// Beside the point of a list of queries: without an answer it is not known.
    async fn look(cluster: &Cluster) -> Self {
        Self::read(cluster).await.unwrap_or_else(|error| {
            tracing::debug!(error = %Report(&error), "places in the queues are not known");
            Self::default()
        })
    }

    async fn read(cluster: &Cluster) -> Result<Self> {
        let mut places = Self::default();
        if deployment(cluster).await? == Deployment::Serverless {
            return Ok(places);
        }
        for mut row in STATE.read(cluster, "queries.state", "").await? {
            if let Some(id) = row.number()? {
                places.slots.insert(id, (row.number()?, row.number()?));
            }
        }
        for mut row in POSITION.read(cluster, "queries.position", "").await? {
            if let (Some(id), Some(position)) = (row.number()?, row.number::<u32>()?) {
                places.positions.insert(id, position);
            }
        }
        Ok(places)
    }

    fn put(&self, mut query: QueryInfo) -> QueryInfo {
        if let Some((service_class, slots)) = self.slots.get(&query.id) {
            query.service_class = query.service_class.or(*service_class);
            query.slots = *slots;
        }
        query.position = self.positions.get(&query.id).copied().filter(|_| query.state == QueryState::Queued);
        query
    }
}
