//! What the front remembers of queries and loads; the system views are filled from it when someone reads them.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use serde::Serialize;

/// Older queries are forgotten.
const KEPT: usize = 10_000;
const TEXT: usize = 4000;

/// A query, a load or an unload, running or done.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct QueryRecord {
    pub(crate) query_id: i64,
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
    pub(crate) query_text: String,
}

/// A load that was begun.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LoadRecord {
    pub(crate) query_id: i64,
    pub(crate) session_id: i32,
    pub(crate) database_name: String,
    /// `completed` or `aborted`.
    pub(crate) status: &'static str,
    pub(crate) table_name: String,
    pub(crate) start_time: i64,
    pub(crate) end_time: i64,
    pub(crate) data_source: String,
    pub(crate) file_format: &'static str,
    pub(crate) loaded_rows: i64,
    pub(crate) loaded_bytes: i64,
    pub(crate) source_file_count: i64,
    pub(crate) error_count: i64,
}

/// A row that did not fit.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct LoadError {
    pub(crate) query_id: i64,
    pub(crate) session_id: i32,
    pub(crate) database_name: String,
    pub(crate) table_id: u32,
    pub(crate) start_time: i64,
    pub(crate) file_name: String,
    pub(crate) line_number: i64,
    pub(crate) column_name: String,
    pub(crate) column_type: String,
    pub(crate) column_length: String,
    pub(crate) position: i32,
    pub(crate) raw_line: String,
    pub(crate) raw_field_value: String,
    pub(crate) error_code: i32,
    pub(crate) error_message: String,
}

/// The front's memory, shared by its sessions.
#[derive(Debug, Default)]
pub(crate) struct Record(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    last_id: i64,
    queries: VecDeque<QueryRecord>,
    loads: VecDeque<LoadRecord>,
    errors: VecDeque<LoadError>,
}

/// Everything, in the form that the catalog takes.
#[derive(Debug, Serialize)]
pub(super) struct Snapshot {
    queries: Vec<QueryRecord>,
    loads: Vec<LoadRecord>,
    errors: Vec<LoadError>,
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
    pub(super) fn begin(&self, asker: &Asker, label: &str, query_type: &'static str, text: &str) -> i64 {
        let mut inner = self.lock();
        inner.last_id += 1;
        let query_id = inner.last_id;
        let record = QueryRecord {
            query_id,
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
            query_text: presentable(text),
        };
        inner.queries.push_back(record);
        if inner.queries.len() > KEPT {
            inner.queries.pop_front();
        }
        query_id
    }

    /// Remembers how it ended.
    pub(super) fn end(&self, query_id: i64, error: Option<(&str, &str)>, rows: i64) {
        let mut inner = self.lock();
        // Numbers rise in the queue, without gaps.
        let first = inner.queries.front().map_or(0, |query| query.query_id);
        let Some(query) = usize::try_from(query_id - first).ok().and_then(|at| inner.queries.get_mut(at)) else {
            return;
        };
        query.end_time = Some(now());
        query.returned_rows = rows;
        (query.status, query.error_message) = match error {
            None => ("success", String::new()),
            Some(("57014", message)) => ("canceled", message.to_owned()),
            Some((_, message)) => ("failed", cut(message, 512).to_owned()),
        };
    }

    pub(super) fn load(&self, load: LoadRecord) {
        let mut inner = self.lock();
        inner.loads.push_back(load);
        if inner.loads.len() > KEPT {
            inner.loads.pop_front();
        }
    }

    pub(super) fn load_error(&self, error: LoadError) {
        let mut inner = self.lock();
        inner.errors.push_back(error);
        if inner.errors.len() > KEPT {
            inner.errors.pop_front();
        }
    }

    /// The queries that run now.
    pub(crate) fn running(&self) -> Vec<QueryRecord> {
        self.lock().queries.iter().filter(|query| query.status == "running").cloned().collect()
    }

    pub(super) fn is_running(&self, pid: i32) -> bool {
        self.lock().queries.iter().rev().any(|query| query.session_id == pid && query.status == "running")
    }

    /// The session is gone: what it ran does not run any more.
    pub(super) fn forget_session(&self, pid: i32) {
        let mut inner = self.lock();
        for query in inner.queries.iter_mut().filter(|query| query.session_id == pid && query.status == "running") {
            query.status = "failed";
            query.end_time = Some(now());
            query.error_message = "connection lost".to_owned();
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let inner = self.lock();
        Snapshot {
            queries: inner.queries.iter().cloned().collect(),
            loads: inner.loads.iter().cloned().collect(),
            errors: inner.errors.iter().cloned().collect(),
        }
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
        let first = record.begin(&asker, "l", "SELECT", "select 1");
        let text = "begin; copy t from 's3://b/k' access_key_id 'AKIA' secret_access_key 'very-secret' format parquet";
        let second = record.begin(&asker, "", "COPY", text);
        assert_eq!(record.running().len(), 2);
        record.end(first, None, 1);
        record.end(second, Some(("57014", "Query (2) cancelled on user's request")), 0);
        assert!(record.running().is_empty());
        let all = record.snapshot().queries;
        assert_eq!((all[0].status, all[1].status), ("success", "canceled"));
        assert!(!all[1].query_text.contains("secret'") && !all[1].query_text.contains("AKIA"), "{}", all[1].query_text);
        assert!(all[1].query_text.contains("'s3://b/k'"));
    }
}
