//! What the front remembers of queries and loads; the system views are filled from it when someone reads them.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use serde::Serialize;

use super::bulk::Bulk;

/// Older queries are forgotten.
const KEPT: usize = 10_000;
/// Of a text, in bytes: four rows of SYS_QUERY_TEXT.
const TEXT: usize = 16_000;

/// A query, a load or an unload, running or done.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct QueryRecord {
    pub(crate) query_id: i64,
    pub(crate) transaction_id: i64,
    /// The session's process id.
    pub(crate) session_id: i32,
    pub(crate) username: String,
    pub(crate) database_name: String,
    pub(crate) query_label: String,
    pub(crate) query_type: &'static str,
    /// `running`, `success`, `failed` or `canceled`.
    pub(crate) status: &'static str,
    /// Microseconds since 1970.
    pub(crate) start_time: i64,
    pub(crate) end_time: Option<i64>,
    pub(crate) error_message: String,
    pub(crate) returned_rows: i64,
    pub(crate) returned_bytes: i64,
    pub(crate) query_text: String,
}

/// A session, open or over.
#[derive(Clone, Debug, Serialize)]
struct SessionRecord {
    session_id: i32,
    username: String,
    database_name: String,
    start_time: i64,
    end_time: Option<i64>,
}

/// The front's memory, shared by its sessions.
#[derive(Debug, Default)]
pub(crate) struct Record(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    last_id: i64,
    last_transaction: i64,
    /// Rises with every change.
    version: u64,
    queries: VecDeque<Stamped<QueryRecord>>,
    bulk: VecDeque<Stamped<Bulk>>,
    sessions: VecDeque<Stamped<SessionRecord>>,
}

/// A row, and the change that made it what it is.
#[derive(Debug)]
struct Stamped<T> {
    version: u64,
    row: T,
}

impl Inner {
    fn stamp<T>(&mut self, row: T) -> Stamped<T> {
        self.version += 1;
        Stamped { version: self.version, row }
    }
}

/// What has changed since somebody looked last, in the form that the catalog takes.
#[derive(Debug, Serialize)]
pub(super) struct Changes {
    /// Whatever the catalog holds is older than this front.
    full: bool,
    /// Queries before this one are forgotten.
    oldest: i64,
    queries: Vec<QueryRecord>,
    bulk: Vec<Bulk>,
    sessions: Vec<SessionRecord>,
}

/// Who asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Asker {
    pub(super) pid: i32,
    pub(super) user: String,
    pub(super) database: String,
}

pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

impl Record {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that a query began, and gives it its number.
    pub(super) fn begin(
        &self,
        asker: &Asker,
        transaction_id: i64,
        label: &str,
        query_type: &'static str,
        text: &str,
    ) -> i64 {
        crate::status::statement(crate::faults::Front::Redshift, text);
        let mut inner = self.lock();
        inner.last_id += 1;
        let query_id = inner.last_id;
        let record = QueryRecord {
            query_id,
            transaction_id,
            session_id: asker.pid,
            username: asker.user.clone(),
            database_name: asker.database.clone(),
            query_label: label.to_owned(),
            query_type,
            status: "running",
            start_time: now(),
            end_time: None,
            error_message: String::new(),
            returned_rows: 0,
            returned_bytes: 0,
            query_text: presentable(text),
        };
        let record = inner.stamp(record);
        inner.queries.push_back(record);
        if inner.queries.len() > KEPT {
            inner.queries.pop_front();
        }
        query_id
    }

    /// The number of a new transaction.
    pub(super) fn new_transaction(&self) -> i64 {
        let mut inner = self.lock();
        inner.last_transaction += 1;
        inner.last_transaction
    }

    /// Remembers how it ended.
    pub(super) fn end(&self, query_id: i64, error: Option<(&str, &str)>, rows: i64) {
        self.change(query_id, |query| query.end(error, rows));
    }

    /// Remembers how much of it went to the client.
    pub(super) fn sent(&self, query_id: i64, bytes: i64) {
        self.change(query_id, |query| query.returned_bytes = bytes);
    }

    fn change(&self, query_id: i64, change: impl FnOnce(&mut QueryRecord)) {
        let mut inner = self.lock();
        inner.version += 1;
        let version = inner.version;
        // Numbers rise in the queue, without gaps.
        let first = inner.queries.front().map_or(0, |query| query.row.query_id);
        if let Some(query) = usize::try_from(query_id - first).ok().and_then(|at| inner.queries.get_mut(at)) {
            change(&mut query.row);
            query.version = version;
        }
    }

    /// Remembers what became of a load or unload, or of a part of one.
    pub(super) fn bulk(&self, row: Bulk) {
        let mut inner = self.lock();
        let row = inner.stamp(row);
        inner.bulk.push_back(row);
        if inner.bulk.len() > KEPT {
            inner.bulk.pop_front();
        }
    }

    /// The queries that run now.
    pub(crate) fn running(&self) -> Vec<QueryRecord> {
        let inner = self.lock();
        inner.queries.iter().map(|query| &query.row).filter(|query| query.end_time.is_none()).cloned().collect()
    }

    /// The queries that are remembered, newest first.
    pub(super) fn latest(&self) -> Vec<QueryRecord> {
        self.lock().queries.iter().rev().map(|query| query.row.clone()).collect()
    }

    pub(super) fn is_running(&self, pid: i32) -> bool {
        self.lock().queries.iter().rev().any(|query| query.row.session_id == pid && query.row.end_time.is_none())
    }

    pub(super) fn open_session(&self, asker: &Asker) {
        let mut inner = self.lock();
        let session = inner.stamp(SessionRecord {
            session_id: asker.pid,
            username: asker.user.clone(),
            database_name: asker.database.clone(),
            start_time: now(),
            end_time: None,
        });
        inner.sessions.push_back(session);
        if inner.sessions.len() > KEPT {
            inner.sessions.pop_front();
        }
    }

    /// The session is gone: what it ran does not run any more.
    pub(super) fn forget_session(&self, pid: i32) {
        let mut inner = self.lock();
        inner.version += 1;
        let version = inner.version;
        for query in &mut inner.queries {
            if query.row.session_id == pid && query.row.end_time.is_none() {
                query.row.end(Some(("08006", "connection lost")), 0);
                query.version = version;
            }
        }
        let open =
            |session: &&mut Stamped<SessionRecord>| session.row.session_id == pid && session.row.end_time.is_none();
        for session in inner.sessions.iter_mut().filter(open) {
            session.row.end_time = Some(now());
            session.version = version;
        }
    }

    /// What has changed since this version (0: from the beginning), and the version now.
    pub(super) fn changes(&self, since: u64) -> (u64, Changes) {
        fn newer<T: Clone>(rows: &VecDeque<Stamped<T>>, since: u64) -> Vec<T> {
            rows.iter().filter(|row| row.version > since).map(|row| row.row.clone()).collect()
        }
        let inner = self.lock();
        let changes = Changes {
            full: since == 0,
            oldest: inner.queries.front().map_or(0, |query| query.row.query_id),
            queries: newer(&inner.queries, since),
            bulk: newer(&inner.bulk, since),
            sessions: newer(&inner.sessions, since),
        };
        (inner.version, changes)
    }
}

impl QueryRecord {
    fn end(&mut self, error: Option<(&str, &str)>, rows: i64) {
        let query = self;
        query.end_time = Some(now());
        query.returned_rows = rows;
        (query.status, query.error_message) = match error {
            None => ("success", String::new()),
            Some(("57014", message)) => ("canceled", message.to_owned()),
            Some((_, message)) => ("failed", cut(message, 512).to_owned()),
        };
    }
}

fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The beginning of a text; access keys in COPY and UNLOAD are not written down.
fn presentable(text: &str) -> String {
    use super::lexer::{Kind, Lexed, tokens};
    let text = cut(text, TEXT);
    let mut out = text.to_owned();
    let lower = text.to_ascii_lowercase();
    if !lower.contains("access_key") && !lower.contains("credentials") {
        return out;
    }
    let tokens = tokens(text);
    let s = Lexed::new(text, &tokens);
    for i in (0..s.len()).rev() {
        let after = |k: usize| i.checked_sub(k).is_some_and(|at| s.is_any(at, SECRET));
        let literal = matches!(s.kind(i), Some(Kind::Literal | Kind::Unclosed));
        if literal && (after(1) || (after(2) && s.is(i - 1, "as"))) {
            out.replace_range(s.tokens[i].at.clone(), "'***'");
        }
    }
    out
}

const SECRET: &[&str] = &["access_key_id", "secret_access_key", "session_token", "credentials"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_runs_until_it_ends_and_keys_are_not_kept() {
        let record = Record::default();
        let asker = Asker { pid: 7, ..Asker::default() };
        let first = record.begin(&asker, 1, "l", "SELECT", "select 1");
        let text = "begin; copy t from 's3://b/k' access_key_id 'AKIA' secret_access_key 'very-secret' format parquet";
        let second = record.begin(&asker, 2, "", "COPY", text);
        assert_eq!(record.running().len(), 2);
        record.end(first, None, 1);
        record.end(second, Some(("57014", "Query (2) cancelled on user's request")), 0);
        assert!(record.running().is_empty());
        let all = record.changes(0).1.queries;
        assert_eq!((all[0].status, all[1].status), ("success", "canceled"));
        assert!(!all[1].query_text.contains("secret'") && !all[1].query_text.contains("AKIA"), "{}", all[1].query_text);
        assert!(all[1].query_text.contains("'s3://b/k'"));
    }

    #[test]
    fn only_what_has_changed_since_the_last_look_is_told() {
        let record = Record::default();
        let asker = Asker { pid: 7, ..Asker::default() };
        let first = record.begin(&asker, 1, "", "SELECT", "select 1");
        let (seen, all) = record.changes(0);
        assert!(all.full && all.queries.len() == 1);
        let (seen, none) = record.changes(seen);
        assert!(!none.full && none.queries.is_empty());
        record.end(first, None, 1);
        record.begin(&asker, 2, "", "SELECT", "select 2");
        let (seen, both) = record.changes(seen);
        assert_eq!(both.queries.iter().map(|query| query.status).collect::<Vec<_>>(), ["success", "running"]);
        record.forget_session(7);
        let (_, lost) = record.changes(seen);
        assert_eq!(lost.queries.iter().map(|query| query.status).collect::<Vec<_>>(), ["failed"]);
    }
}
